//! Tests of the library and the command line as a user has them, on a tiny random model that needs no network, and on the real
//! checkpoint where `PIE_BASE_DIR` names it.

mod allocation;
mod cli;
mod columns;
mod common;
mod disk;
mod ends;
mod eval_cli;
mod eval_formats;
mod eval_metrics;
mod export_cli;
mod export_prune;
mod fixtures;
mod goldens;
mod kernels;
mod label;
mod model_file;
mod parts_cli;
mod phrasebook;
mod prune_cli;
mod report_cli;
mod score_cli;
mod taxonomy;
mod train_data;
mod train_kill;
mod train_layers;
mod train_parity;
mod train_rounding;
mod train_run;
mod train_support;
mod unigram;
mod uses;
mod uses_cli;
mod webgpu;
