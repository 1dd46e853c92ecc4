//! Contrastive training of a BERT encoder on labelled instructions (feature `train`), on candle.
//!
//! [`train`] reads a Hugging Face checkpoint and labelled JSONL, and writes a run folder: `model/` (a checkpoint that
//! `pie convert`, transformers and sentence-transformers read), `checkpoint.safetensors` (to resume from), `metrics.jsonl`,
//! `curve.svg` and `run.json`. A run on the CPU is a function of its settings and inputs, to the bit.

mod augment;
mod checkpoint;
mod components;
mod curve;
mod dataset;
mod encoder;
mod evaluate;
mod folder;
mod head;
mod inference;
pub mod loss;
pub mod ops;
mod optimiser;
mod phrasebook;
mod proxies;
mod random;
mod run;
mod sampler;
mod schedule;
mod settings;
mod teacher;
mod trainer;

pub use augment::{Augmentation, Augmenter, Before, Behind, Material, Probabilities, Sloppy, Typos, Wrap};
pub use components::{Components, principal_components};
pub use dataset::{Example, Findings, Label, Source, files};
pub use encoder::{Dropout, Encoder, Freeze, Rounding, Tokens};
pub use evaluate::Quality;
pub use head::{Corpus, fitted_to_teacher, with_two_views};
pub use inference::Candle;
pub use optimiser::{AdamW, Gradients, Optimiser, Slot};
pub use phrasebook::{
    Expansion, Family, Grammar, Instruction, Kind, Kinds, LANGUAGES, Language, Phrase, Phrasebook, Phrasing, Register, Request, Side, Whole,
};
pub use run::{Event, Job, Summary, device, train};
pub use sampler::{Batch, Sampler, Shape};
pub use schedule::{Decay, Schedule};
pub use settings::{DataFile, Distillation, Loss, Proxies, Settings, Target, Width};
pub use trainer::{Step, contrastive};

use crate::error::{Error, ErrorCode};

impl From<candle_core::Error> for Error {
    fn from(e: candle_core::Error) -> Self {
        Self::new(ErrorCode::Internal, format!("candle: {}", message(&e))).with_source(e)
    }
}

/// What candle says, without the backtrace that `RUST_BACKTRACE` makes it append.
fn message(e: &candle_core::Error) -> String {
    match e {
        candle_core::Error::WithBacktrace { inner, .. } => inner.to_string(),
        e => e.to_string(),
    }
}
