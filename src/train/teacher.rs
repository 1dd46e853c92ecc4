//! A trained encoder whose view of a batch is the target.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use super::encoder::{Encoder, Freeze, Tokens};
use super::loss::{similarity_distillation, vector_distillation};
use super::settings::{Distillation, Target};
use crate::checkpoint::Checkpoint;
use crate::config::Pooling;
use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;
use crate::tokenizer::Tokenizer;

/// A teacher. It reads the texts as they stand in the data, before augmentation, without a prompt.
pub struct Teacher {
    encoder: Encoder,
    tokenizer: Tokenizer,
    max_tokens: usize,
    distillation: Distillation,
}

impl Teacher {
    /// Reads a Hugging Face folder. `hidden` is the pupil's width.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`]; [`ErrorCode::InvalidArgument`] when vectors of different width are to be matched.
    pub fn load(dir: &Path, distillation: Distillation, hidden: usize, max_tokens: usize, device: &Device) -> Result<Self> {
        let checkpoint = Checkpoint::load(dir)?;
        let config = &checkpoint.config;
        if distillation.target == Target::Vectors && config.hidden_size != hidden {
            let message =
                format!("the teacher's vectors have {} numbers, the pupil's {hidden}; match similarities instead", config.hidden_size);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let pooling = checkpoint.pooling.unwrap_or(Pooling::Mean);
        let max_tokens = max_tokens.min(config.max_position_embeddings);
        let encoder = Encoder::new(&checkpoint, None, pooling, Freeze::Embeddings, DType::F32, device)?;
        Ok(Self { encoder, tokenizer: Tokenizer::new(checkpoint.vocabulary)?, max_tokens, distillation })
    }

    /// The weighted loss of the pupil's vectors `[texts, hidden]`.
    ///
    /// # Errors
    /// Those of tokenizing and of the forward pass.
    pub fn loss(&self, texts: &[&str], vectors: &Tensor) -> Result<Tensor> {
        let mut tokens = Tokens::default();
        for text in texts {
            tokens.push(&self.tokenizer.encode(text, &Prompt::none(), self.max_tokens)?.input_ids);
        }
        let target = self.encoder.forward(&tokens, None)?.detach();
        let loss = match self.distillation.target {
            Target::Similarity => similarity_distillation(vectors, &target)?,
            Target::Vectors => vector_distillation(vectors, &target)?,
        };
        Ok((loss * self.distillation.weight)?)
    }
}

/// The checksum of a checkpoint's weights file, hexadecimal.
///
/// # Errors
/// [`ErrorCode::Io`].
pub fn weights_sha256(dir: &Path) -> Result<String> {
    let path = dir.join("model.safetensors");
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
    Ok(Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect())
}
