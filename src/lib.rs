//! Instruction embeddings and task tagging: vectors in which instructions lie close when their *task* is the same, not their topic.
//!
//! The idea and the benchmark are those of *Instruction Embedding: Latent Representations of Instructions Towards Task Identification*
//! (arXiv 2409.19680, NeurIPS 2024). This crate runs BERT encoders from one GGUF file, in the browser (wasm with SIMD, behind the npm
//! package of the same name), in Node and natively, and names the task that an instruction asks for. A model may hold a second view
//! beside the task, the meaning of the text: [`View`] says which is read.
//!
//! | feature | what it adds |
//! |---|---|
//! | (none) | loading, embedding, tagging: what the browser has |
//! | `parallel` | batches on all cores |
//! | `dataset` | readers of text lines, JSON, CSV and chat exports |
//! | `columns` | readers of Parquet, Arrow, gzip, zstd and zip beside them |
//! | `convert` | Hugging Face checkpoints to GGUF, quantisation, making taxonomies |
//! | `eval` | 2-D maps of vectors, drawn as SVG |
//! | `label` | labels of raw instructions, `verb\|noun`, by a part-of-speech tagger and a fitted picker |
//! | `train` | contrastive training on candle (`cuda`: on an NVIDIA GPU) |
//! | `webgpu` | the encoder on the GPU: WebGPU in the browser, Vulkan or Metal natively |
//! | `cli` | the `pie` program, with all of the above but `cuda` |
//!
//! ```no_run
//! use pie_embed_wasm::tasks::{Level, Taxonomy};
//! use pie_embed_wasm::{EmbedOptions, Embedder, sha256_hex};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = std::fs::read("models/all-minilm-l6-v2-q8.gguf")?;
//! let embedder = Embedder::from_bytes(&model)?;
//! let taxonomy = std::fs::read("models/all-minilm-l6-v2-q8.taxonomy")?;
//! let taxonomy = Taxonomy::from_bytes(&taxonomy, &sha256_hex(&model), embedder.view_size())?;
//!
//! let vectors = embedder.embed(&["Write a haiku about snow"], &EmbedOptions::default())?;
//! for (vector, &unread) in vectors.rows().zip(&vectors.unread) {
//!     let tags = taxonomy.classify(vector, unread, Level::Task, 3)?;
//!     println!("{}", tags[0].name); // write a haiku
//! }
//! # Ok(()) }
//! ```

pub mod backend;
#[cfg(feature = "convert")]
pub mod checkpoint;
pub mod config;
#[cfg(feature = "dataset")]
pub mod dataset;
mod digest;
mod embedder;
pub mod encoder;
mod error;
pub mod gguf;
pub mod ieb;
pub mod kernels;
#[cfg(feature = "label")]
pub mod label;
mod prompt;
pub mod tasks;
mod tokenizer;
#[cfg(feature = "train")]
pub mod train;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(feature = "webgpu")]
pub mod webgpu;

pub use config::View;
pub use digest::{sha256, sha256_hex};
pub use embedder::{EmbedOptions, Embedder, Embeddings, ModelInfo};
pub use error::{Error, ErrorCode, Result};
pub use prompt::{Prompt, SLOT};
pub use tokenizer::{MAX_CHARS, Normalization, Segmentation, SpecialTokens, Tokenizer, Tokens, UnigramModel, Vocabulary};
