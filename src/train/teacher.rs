//! A trained encoder whose view of a batch is the target.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use super::dataset::Example;
use super::encoder::{Encoder, Freeze, Tokens};
use super::loss::{matryoshka_of, similarity_distillation, vector_distillation};
use super::settings::{Distillation, Target};
use crate::checkpoint::Checkpoint;
use crate::config::Pooling;
use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;
use crate::tokenizer::Tokenizer;

/// A teacher, which reads texts without a prompt. Where it is asked for similarities or whole vectors it reads them as they stand in the data,
/// so that its pupil learns what augmentation hides; where it is asked for views it reads what the pupil reads, since a pasted document
/// has a meaning too. A twin it reads as it stands in the data.
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
        let views = matches!(distillation.target, Target::Meaning | Target::Views);
        if views && !(checkpoint.two_views && config.hidden_size == hidden) {
            let message = format!(
                "the teacher {} has {} and {} numbers; the pupil's two views have {hidden}",
                dir.display(),
                if checkpoint.two_views { "two views" } else { "one view" },
                config.hidden_size
            );
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let pooling = checkpoint.pooling.unwrap_or(Pooling::Mean);
        let max_tokens = max_tokens.min(config.max_position_embeddings);
        let encoder = Encoder::new(&checkpoint, pooling, Freeze::Embeddings, DType::F32, device)?;
        Ok(Self { encoder, tokenizer: Tokenizer::new(checkpoint.vocabulary)?, max_tokens, distillation })
    }

    /// The weighted loss of the vectors `[texts, hidden]` of a pupil with the views of this encoder: `examples` as they stand in the data,
    /// and `changed` as the pupil read them. Views are compared at each of the widths `dims`.
    ///
    /// # Errors
    /// Those of tokenizing and of the forward pass.
    pub fn loss(&self, examples: &[&Example], changed: &[String], vectors: &Tensor, dims: &[usize]) -> Result<Tensor> {
        let Distillation { target, weight, share, .. } = self.distillation;
        let (mut tokens, mut rows) = (Tokens::default(), Vec::new());
        let readable = examples.iter().zip(changed).map(|(example, changed)| self.text(example, changed)).enumerate();
        for (place, (n, text)) in readable.filter_map(|(n, text)| Some((n, text?))).enumerate() {
            // Evenly spread: each task of the batch has its part.
            if ((place + 1) as f64 * share) as usize > (place as f64 * share) as usize {
                tokens.push(&self.tokenizer.encode(text, &Prompt::none(), self.max_tokens)?.input_ids);
                rows.push(n as u32);
            }
        }
        if rows.is_empty() {
            return Ok(Tensor::zeros((), DType::F32, vectors.device())?);
        }
        let vectors = if rows.len() < examples.len() {
            let rows = Tensor::from_slice(&rows, rows.len(), vectors.device())?;
            vectors.index_select(&rows, 0)?
        } else {
            vectors.clone()
        };
        let theirs = self.encoder.forward(&tokens, None)?.detach();
        let views = |of: fn(&Encoder, &Tensor) -> Result<Tensor>| -> Result<Tensor> {
            let [ours, theirs] = [of(&self.encoder, &vectors)?, of(&self.encoder, &theirs)?];
            Ok(matryoshka_of([&ours, &theirs], dims, |[ours, theirs]| vector_distillation(ours, theirs))?)
        };
        let loss = match target {
            Target::Similarity => similarity_distillation(&vectors, &theirs)?,
            Target::Vectors => vector_distillation(&vectors, &theirs)?,
            Target::Meaning => views(Encoder::meaning_view)?,
            Target::Views => (views(Encoder::task_view)? + views(Encoder::meaning_view)?)?,
        };
        Ok((loss * weight)?)
    }

    /// What the teacher reads of an example that its pupil reads as `changed`.
    fn text<'e>(&self, example: &'e Example, changed: &'e str) -> Option<&'e str> {
        let Distillation { target, language, .. } = &self.distillation;
        match (language, &example.twin, &example.language) {
            (Some(_), Some(twin), _) => Some(twin),
            (Some(reads), None, Some(language)) if reads != language => None,
            _ if matches!(target, Target::Meaning | Target::Views) => Some(changed),
            _ => Some(&example.text),
        }
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
