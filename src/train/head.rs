//! The head behind the pooling, which makes two views of a text: started from the base's own vectors, or fitted to a teacher's views.

use candle_core::{DType, Device};

use super::components::{Components, principal_components};
use super::encoder::{Encoder, Freeze, Tokens, numbers};
use crate::checkpoint::{Checkpoint, HEAD, Weight};
use crate::config::Pooling;
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::l2_normalize;
use crate::prompt::Prompt;
use crate::tokenizer::Tokenizer;

/// Texts that go through the encoder at once.
const BATCH: usize = 32;
/// What is added to each variance when a head is fitted, as a share of their mean (ridge regression): directions in which the vectors
/// hardly spread get no large weights.
const RIDGE: f64 = 1e-3;

/// The texts that a head is made from.
#[derive(Clone, Copy)]
pub struct Corpus<'t> {
    pub texts: &'t [String],
    /// What the base was trained with; a teacher reads texts without a prompt.
    pub prompt: &'t Prompt,
    pub max_tokens: usize,
}

/// The checkpoint with a head behind its pooling, whose halves are both the first `hidden / 2` principal components of the texts' vectors about
/// their mean: each half keeps as much of the base's similarities as fits into it. Training then moves one half toward the task, and
/// holds the other where it began.
///
/// `progress` is told how many texts are done.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for a checkpoint that has a head or an odd width, and for fewer texts than dimensions; those of
/// tokenizing and of the encoder.
pub fn with_two_views(checkpoint: &Checkpoint, corpus: Corpus<'_>, progress: impl FnMut(usize)) -> Result<Checkpoint> {
    let hidden = checkpoint.config.hidden_size;
    if checkpoint.has_head() || checkpoint.two_views {
        return Err(Error::new(ErrorCode::InvalidArgument, "the checkpoint has a head already"));
    }
    check(checkpoint, corpus)?;
    let Components { mean, directions, .. } = principal_components(&vectors(checkpoint, corpus, progress)?, hidden);
    let half = &directions[..hidden * hidden / 2];
    let offset = |direction: &[f64]| -direction.iter().zip(&mean).map(|(x, mean)| x * mean).sum::<f64>();
    let offsets: Vec<f64> = half.chunks_exact(hidden).map(offset).collect();
    Ok(with_head(checkpoint, &half.repeat(2), &offsets.repeat(2)))
}

/// The checkpoint with a head that gives, as nearly as a linear layer can, the two views that a teacher has of the texts: its least squares
/// solution. A pupil of fewer layers so begins near its teacher. A head that the checkpoint has is replaced.
///
/// `progress` is told how many texts are done, of twice as many as there are.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for a teacher with one view or of another width, for an odd width, and for fewer texts than dimensions;
/// those of tokenizing and of the encoders.
pub fn fitted_to_teacher(
    checkpoint: &Checkpoint,
    teacher: &Checkpoint,
    corpus: Corpus<'_>,
    mut progress: impl FnMut(usize),
) -> Result<Checkpoint> {
    let (hidden, theirs) = (checkpoint.config.hidden_size, teacher.config.hidden_size);
    check(checkpoint, corpus)?;
    if !teacher.two_views || theirs != hidden {
        let views = if teacher.two_views { "two views" } else { "one view" };
        let message = format!("the teacher {} has {views} and {theirs} numbers; two views of {hidden} in all are needed", teacher.name);
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut bare = checkpoint.clone();
    bare.two_views = false;
    bare.weights.retain(|name, _| !name.starts_with(HEAD));
    let inputs = vectors(&bare, corpus, &mut progress)?;
    let no_prompt = Corpus { prompt: &Prompt::none(), ..corpus };
    let mut targets = vectors(teacher, no_prompt, |done| progress(corpus.texts.len() + done))?;
    targets.chunks_exact_mut(hidden / 2).for_each(l2_normalize);
    let (weight, offset) = least_squares(&inputs, &targets, hidden);
    Ok(with_head(&bare, &weight, &offset))
}

fn check(checkpoint: &Checkpoint, corpus: Corpus<'_>) -> Result<()> {
    let (hidden, texts) = (checkpoint.config.hidden_size, corpus.texts.len());
    let message = match () {
        () if !hidden.is_multiple_of(2) => format!("two views of one size do not fit into {hidden} dimensions"),
        () if texts < hidden => format!("{texts} texts; a head of {hidden} dimensions takes at least as many"),
        () => return Ok(()),
    };
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

fn with_head(checkpoint: &Checkpoint, weight: &[f64], bias: &[f64]) -> Checkpoint {
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect();
    let (mut checkpoint, hidden) = (checkpoint.clone(), checkpoint.config.hidden_size);
    checkpoint.two_views = true;
    checkpoint.weights.insert(format!("{HEAD}.weight"), Weight { shape: vec![hidden, hidden], values: narrow(weight) });
    checkpoint.weights.insert(format!("{HEAD}.bias"), Weight { shape: vec![hidden], values: narrow(bias) });
    checkpoint
}

/// The vectors of the texts, `[texts, hidden]`, not normalised.
fn vectors(checkpoint: &Checkpoint, corpus: Corpus<'_>, mut progress: impl FnMut(usize)) -> Result<Vec<f32>> {
    let Corpus { texts, prompt, max_tokens } = corpus;
    let hidden = checkpoint.config.hidden_size;
    let max_tokens = max_tokens.min(checkpoint.config.max_position_embeddings);
    let pooling = checkpoint.pooling.unwrap_or(Pooling::Mean);
    let encoder = Encoder::new(checkpoint, pooling, Freeze::Embeddings, DType::F32, &Device::Cpu)?;
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
    Ok(rows)
}

/// Weight `[dim, dim]` and bias `[dim]` of the linear layer from inputs `[n, dim]` to targets `[n, dim]` with the least squared error.
fn least_squares(inputs: &[f32], targets: &[f32], dim: usize) -> (Vec<f64>, Vec<f64>) {
    let Components { mean, directions, variances } = principal_components(inputs, dim);
    let ridge = RIDGE * variances.iter().sum::<f64>() / dim as f64;
    let count = (inputs.len() / dim).max(1) as f64;
    let mut target_mean = vec![0.0; dim];
    // Row n: how the targets vary along direction n.
    let mut along = vec![0.0; dim * dim];
    for (input, target) in inputs.chunks_exact(dim).zip(targets.chunks_exact(dim)) {
        let centred: Vec<f64> = input.iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect();
        target_mean.iter_mut().zip(target).for_each(|(mean, &y)| *mean += f64::from(y) / count);
        for (line, direction) in along.chunks_exact_mut(dim).zip(directions.chunks_exact(dim)) {
            let place: f64 = direction.iter().zip(&centred).map(|(v, x)| v * x).sum();
            line.iter_mut().zip(target).for_each(|(sum, &y)| *sum += place * f64::from(y) / count);
        }
    }
    let (mut weight, mut bias) = (vec![0.0; dim * dim], target_mean);
    for (n, direction) in directions.chunks_exact(dim).enumerate() {
        for (row, share) in weight.chunks_exact_mut(dim).zip(&along[n * dim..][..dim]) {
            let scale = share / (variances[n] + ridge).max(f64::MIN_POSITIVE);
            row.iter_mut().zip(direction).for_each(|(weight, v)| *weight += scale * v);
        }
    }
    for (bias, row) in bias.iter_mut().zip(weight.chunks_exact(dim)) {
        *bias -= row.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum::<f64>();
    }
    (weight, bias)
}

#[cfg(test)]
mod tests {
    use super::least_squares;

    #[test]
    fn a_linear_layer_is_found_again() {
        let (rows, dim) = (400, 12);
        let value = |n: usize, k: usize| ((n * n * 31 + n * k * 17 + k * k * 7) % 101) as f32 * 0.02 - 1.0;
        let inputs: Vec<f32> = (0..rows * dim).map(|n| value(n / dim, n % dim)).collect();
        let of = |row: &[f32], out: usize| row.iter().enumerate().map(|(k, &x)| x * value(out + 3, k)).sum::<f32>() + out as f32 * 0.1;
        let targets: Vec<f32> = inputs.chunks_exact(dim).flat_map(|row| (0..dim).map(|out| of(row, out)).collect::<Vec<_>>()).collect();
        let (weight, bias) = least_squares(&inputs, &targets, dim);
        let mut worst = 0.0_f64;
        for (input, target) in inputs.chunks_exact(dim).zip(targets.chunks_exact(dim)) {
            for out in 0..dim {
                let found = input.iter().zip(&weight[out * dim..][..dim]).map(|(&x, w)| f64::from(x) * w).sum::<f64>() + bias[out];
                worst = worst.max((found - f64::from(target[out])).abs());
            }
        }
        assert!(worst < 0.02, "{worst}");
    }
}
