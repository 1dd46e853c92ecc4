//! Instruction embeddings and task tagging in the browser, Node and natively.

#[cfg(feature = "convert")]
pub mod checkpoint;
pub mod config;
mod embedder;
pub mod encoder;
mod error;
pub mod gguf;
pub mod kernels;
mod prompt;
mod tokenizer;
#[cfg(feature = "train")]
pub mod train;

pub use embedder::{EmbedOptions, Embedder, Embeddings, ModelInfo};
pub use error::{Error, ErrorCode, Result};
pub use prompt::Prompt;
pub use tokenizer::{Normalization, SpecialTokens, Tokenizer, Tokens, Vocabulary};
