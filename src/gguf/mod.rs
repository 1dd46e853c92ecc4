//! The model file: GGUF, the format of llama.cpp, with its `bert` architecture and tensor names.
//!
//! [`read`](Gguf::parse) borrows from the file's bytes and runs everywhere; writing and quantising (feature `convert`) go through
//! candle. Keys of this project stand under `pie.`: see [`keys`].

mod block;
#[cfg(feature = "convert")]
mod convert;
pub mod keys;
mod read;
#[cfg(feature = "convert")]
mod write;

pub use block::{blocks, dequantize, find_non_finite, unpack_q4_0};
#[cfg(feature = "convert")]
pub use convert::{ConvertOptions, convert};
pub use read::{Array, Gguf, Source, Tensor, Value};
#[cfg(feature = "train")]
pub(crate) use write::ggml_dtype;
#[cfg(feature = "convert")]
pub use write::{GgufWriter, MetadataValue};
