//! A base with one view becomes one with two.

use candle_core::{DType, Device};

use super::components::{Components, principal_components};
use super::encoder::{Encoder, Freeze, Tokens, numbers};
use crate::checkpoint::{Checkpoint, HEAD, Weight};
use crate::config::Pooling;
use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;
use crate::tokenizer::Tokenizer;

/// Texts that go through the encoder at once.
const BATCH: usize = 32;

/// The checkpoint with a head behind its pooling, whose halves are both the first `hidden / 2` principal components of the texts' vectors about
/// their mean: each half keeps as much of the base's similarities as fits into it. Training then moves one half toward the task, and
/// holds the other where it began.
///
/// `progress` is told how many texts are done.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for a checkpoint that has a head or an odd width, and for fewer texts than dimensions; those of
/// tokenizing and of the encoder.
pub fn with_two_views(
    checkpoint: &Checkpoint,
    texts: &[String],
    prompt: &Prompt,
    max_tokens: usize,
    mut progress: impl FnMut(usize),
) -> Result<Checkpoint> {
    let hidden = checkpoint.config.hidden_size;
    let refuse = |what: String| Err(Error::new(ErrorCode::InvalidArgument, what));
    if checkpoint.has_head() || checkpoint.two_views {
        return refuse("the checkpoint has a head already".to_owned());
    }
    if !hidden.is_multiple_of(2) {
        return refuse(format!("two views of one size do not fit into {hidden} dimensions"));
    }
    if texts.len() < hidden {
        return refuse(format!("{} texts; the principal components of {hidden} dimensions take at least as many", texts.len()));
    }
    let max_tokens = max_tokens.min(checkpoint.config.max_position_embeddings);
    let pooling = checkpoint.pooling.unwrap_or(Pooling::Mean);
    let encoder = Encoder::new(checkpoint, None, pooling, Freeze::Embeddings, DType::F32, &Device::Cpu)?;
    let tokenizer = Tokenizer::new(checkpoint.vocabulary.clone())?;
    let mut rows = Vec::with_capacity(texts.len() * hidden);
    for batch in texts.chunks(BATCH) {
        let mut tokens = Tokens::default();
        for text in batch {
            tokens.push(&tokenizer.encode(text, prompt, max_tokens)?.input_ids);
        }
        rows.extend(numbers(&encoder.forward(&tokens, None)?.detach())?);
        progress(rows.len() / hidden);
    }
    let Components { mean, directions, .. } = principal_components(&rows, hidden);
    let half = &directions[..hidden * hidden / 2];
    let weight: Vec<f32> = half.iter().chain(half).map(|&x| x as f32).collect();
    let offset = |direction: &[f64]| -direction.iter().zip(&mean).map(|(x, mean)| x * mean).sum::<f64>() as f32;
    let offsets: Vec<f32> = half.chunks_exact(hidden).map(offset).collect();
    let mut checkpoint = checkpoint.clone();
    checkpoint.two_views = true;
    checkpoint.weights.insert(format!("{HEAD}.weight"), Weight { shape: vec![hidden, hidden], values: weight });
    checkpoint.weights.insert(format!("{HEAD}.bias"), Weight { shape: vec![hidden], values: offsets.repeat(2) });
    Ok(checkpoint)
}
