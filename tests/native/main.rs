//! placeholder

#[cfg(feature = "train")]
mod phrasebook;
#[cfg(feature = "train")]
mod train_data;
#[cfg(feature = "train")]
mod train_layers;
#[cfg(feature = "train")]
mod train_parity;
#[cfg(feature = "train")]
mod train_run;
#[cfg(feature = "train")]
mod train_support;
