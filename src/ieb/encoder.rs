//! What makes vectors of texts.

use super::Vectors;
use crate::embedder::{EmbedOptions, Embedder};
use crate::error::Result;

/// What turns texts into vectors of length 1: a model, or a baseline.
pub trait TextEncoder {
    /// What tables call it.
    fn name(&self) -> &str;

    /// The vectors of `texts`. `corpus` is what an encoder without weights of its own may learn word frequencies from; a model
    /// passes it over.
    ///
    /// # Errors
    /// Those of the encoder: a blank text, a prompt that leaves no room, …
    fn encode(&self, corpus: &[&str], texts: &[&str]) -> Result<Vectors>;
}

/// A model as a [`TextEncoder`].
pub struct ModelEncoder<'a> {
    pub name: String,
    pub embedder: &'a Embedder,
    pub options: EmbedOptions,
    /// Told after each piece of work how many texts it had.
    pub on_progress: Option<&'a (dyn Fn(usize) + Sync)>,
}

/// Texts between two calls of [`ModelEncoder::on_progress`]: enough for all cores to stay busy.
const STRIDE: usize = 128;

impl TextEncoder for ModelEncoder<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn encode(&self, _corpus: &[&str], texts: &[&str]) -> Result<Vectors> {
        let mut data = Vec::new();
        for (n, chunk) in texts.chunks(STRIDE).enumerate() {
            let embeddings = self.embedder.embed(chunk, &self.options).map_err(|e| e.context(format!("from text {} on", n * STRIDE)))?;
            data.extend_from_slice(&embeddings.data);
            if let Some(report) = self.on_progress {
                report(chunk.len());
            }
        }
        Ok(Vectors::new(data, self.embedder.dimensions(&self.options)?)?.normalized())
    }
}
