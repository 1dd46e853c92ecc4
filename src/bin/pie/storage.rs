//! How a model file stores a checkpoint: the options that `pie convert` and `pie export` share.

use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::gguf::ConvertOptions;
use pie_embed_wasm::{Error, ErrorCode, Prompt, Result};

#[derive(clap::Args)]
pub struct StorageArgs {
    /// Dense layers
    #[arg(long, default_value = "q8_0")]
    dtype: Dtype,
    /// Dense layers of the feed-forward part; as --dtype by default
    #[arg(long)]
    ffn_dtype: Option<Dtype>,
    /// Word embeddings
    #[arg(long, default_value = "q4_0")]
    embedding_dtype: Dtype,
    /// Position embeddings: f32 or f16
    #[arg(long, default_value = "f16")]
    position_dtype: Dtype,
    /// mean or cls; what the checkpoint says by default, or mean
    #[arg(long)]
    pooling: Option<Pooling>,
    /// The most tokens of one text, best as many as the model was trained with; the positions behind are left out. All by default
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Licence of the weights (SPDX)
    #[arg(long, default_value = "")]
    pub license: String,
    /// Base model, data and command, in words
    #[arg(long, default_value = "")]
    provenance: String,
}

impl StorageArgs {
    /// What needs no checkpoint to be known as wrong.
    pub fn check(&self) -> Result<()> {
        match self.position_dtype {
            Dtype::F32 | Dtype::F16 => Ok(()),
            other => Err(Error::new(ErrorCode::InvalidArgument, format!("--position-dtype is {other}; it must be f32 or f16"))),
        }
    }

    /// The options for this checkpoint.
    pub fn options(&self, checkpoint: &Checkpoint, name: String, prompt: Prompt) -> Result<ConvertOptions> {
        self.check()?;
        let positions = checkpoint.config.max_position_embeddings;
        if let Some(n) = self.max_tokens.filter(|n| !(3..=positions).contains(n)) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("--max-tokens is {n}; it must lie in 3..={positions}")));
        }
        Ok(ConvertOptions {
            dtype: self.dtype,
            ffn_dtype: self.ffn_dtype,
            embedding_dtype: self.embedding_dtype,
            position_dtype: self.position_dtype,
            pooling: self.pooling.or(checkpoint.pooling).unwrap_or(Pooling::Mean),
            prompt,
            normalize: true,
            max_tokens: self.max_tokens,
            name,
            license: self.license.clone(),
            provenance: self.provenance.clone(),
        })
    }
}
