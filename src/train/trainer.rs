//! One optimiser step: texts to tokens to vectors to a loss, and back.

use candle_core::Tensor;
use rayon::prelude::*;

use super::augment::Augmenter;
use super::dataset::Source;
use super::encoder::{Dropout, Encoder, Tokens};
use super::loss::{SameTask, l2_normalize, matryoshka, pair_info_nce, supervised_contrastive};
use super::optimiser::{Gradients, Optimiser};
use super::proxies::Proxies;
use super::random::{Purpose, generator};
use super::sampler::{Batch, Sampler};
use super::settings::{Loss, Settings};
use super::teacher::Teacher;
use crate::error::Result;
use crate::prompt::Prompt;
use crate::tokenizer::Tokenizer;

/// Texts of a development set that go through the encoder at once.
const DEV_BATCH: usize = 32;

/// What a step came to.
#[derive(Clone, Debug)]
pub struct Step {
    pub loss: f64,
    /// Length of the gradient before it was shortened.
    pub gradient_norm: f64,
    pub learning_rate: f64,
    /// The texts that went in, as they went in.
    pub texts: Vec<String>,
}

impl Step {
    /// Whether loss and gradient are numbers.
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_finite()
    }
}

/// An encoder with all that trains it.
pub struct Trainer<'d> {
    pub encoder: Encoder,
    pub optimiser: Optimiser,
    pub tokenizer: Tokenizer,
    pub prompt: Prompt,
    pub augmenter: Augmenter,
    pub teacher: Option<Teacher>,
    pub proxies: Option<Proxies>,
    pub sampler: Sampler<'d>,
    pub sources: &'d [Source],
    pub settings: Settings,
}

impl Trainer<'_> {
    /// Step number `step`, from 0. The weights stay as they are when the loss or the gradient is not finite.
    ///
    /// # Errors
    /// Those of tokenizing and of the device.
    pub fn step(&mut self, step: u64) -> Result<Step> {
        let Settings { accumulate, clip, .. } = self.settings;
        let mut gradients: Gradients = vec![None; self.optimiser.slots.len()];
        let (mut sum, mut texts) = (0.0, Vec::new());
        for part in 0..accumulate as u64 {
            let number = step * accumulate as u64 + part;
            let batch = self.sampler.batch(number);
            let (loss, batch_texts) = self.loss(&batch, number)?;
            texts.extend(batch_texts);
            sum += f64::from(loss.to_scalar::<f32>()?);
            let loss = if accumulate > 1 { (loss / accumulate as f64)? } else { loss };
            let mut found = loss.backward()?;
            for (slot, total) in self.optimiser.slots.iter().zip(&mut gradients) {
                if let Some(gradient) = found.remove(&slot.weight) {
                    *total = Some(match total.take() {
                        Some(total) => (total + gradient)?,
                        None => gradient,
                    });
                }
            }
        }
        let norm = self.optimiser.norm(&gradients)?;
        let rate = self.settings.schedule().rate(step);
        let report = Step { loss: sum / accumulate as f64, gradient_norm: norm, learning_rate: rate, texts };
        if report.is_finite() {
            let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
            self.optimiser.step(&gradients, scale, rate, step)?;
        }
        Ok(report)
    }

    /// The loss of batch `number`, a scalar, and the texts behind it.
    fn loss(&self, batch: &Batch, number: u64) -> Result<(Tensor, Vec<String>)> {
        let examples: Vec<_> = batch.rows.iter().map(|&row| &self.sources[batch.source].examples[row as usize]).collect();
        let change =
            |(n, text): (usize, &str)| self.augmenter.apply(text, &mut generator(self.settings.seed, Purpose::Augment, number, n as u64));
        let texts: Vec<String> = examples.iter().map(|example| example.text.as_str()).enumerate().map(change).collect();
        let dropout = (self.settings.dropout > 0.0)
            .then(|| Dropout { probability: self.settings.dropout, rng: generator(self.settings.seed, Purpose::Dropout, number, 0) });
        let vectors = self.encoder.forward(&self.tokens(&texts)?, dropout)?;
        let same = SameTask::new(examples.len(), |i, j| i == j || examples[i].same_task(examples[j]));
        let (task, dims) = (self.encoder.task_view(&vectors)?, &self.settings.matryoshka);
        let mut loss = contrastive(&self.settings, &task, &same)?;
        if let Some(proxies) = &self.proxies {
            let positives: Vec<&[u32]> = examples.iter().map(|example| example.labels.as_slice()).collect();
            loss = (loss + proxies.loss(&task, batch.source, &positives, dims)?)?;
        }
        if let Some(teacher) = &self.teacher {
            loss = (loss + teacher.loss(&examples, &texts, &vectors, dims)?)?;
        }
        Ok((loss, texts))
    }

    fn tokens<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Tokens> {
        let encoded: Result<Vec<_>> =
            texts.par_iter().map(|text| self.tokenizer.encode(text.as_ref(), &self.prompt, self.settings.max_tokens)).collect();
        let mut tokens = Tokens::default();
        encoded?.iter().for_each(|text| tokens.push(&text.input_ids));
        Ok(tokens)
    }

    /// Sets the proxies, where there are any, to the means of some examples of their labels.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn begin_proxies(&self) -> Result<()> {
        let Some(proxies) = &self.proxies else { return Ok(()) };
        let (rows, texts): (Vec<u32>, Vec<&str>) = proxies.beginnings(self.sources).into_iter().unzip();
        proxies.begin_at(&rows, &self.embed(&texts)?)
    }

    /// The L2-normalised vectors of texts in the view of the task, in their order.
    ///
    /// # Errors
    /// Those of tokenizing and of the device.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        // A text's vector may depend in its last bit on the texts beside it, so the batches are always the same ones.
        let mut rows = Vec::with_capacity(texts.len());
        for texts in texts.chunks(DEV_BATCH) {
            let vectors = self.encoder.forward(&self.tokens(texts)?, None)?;
            rows.extend(l2_normalize(&self.encoder.task_view(&vectors.detach())?)?.to_vec2::<f32>()?);
        }
        Ok(rows)
    }
}

/// The contrastive loss that the settings ask for.
///
/// # Errors
/// Those of the device.
pub fn contrastive(settings: &Settings, vectors: &Tensor, same: &SameTask) -> Result<Tensor> {
    Ok(matryoshka(vectors, &settings.matryoshka, |vectors| match settings.loss {
        Loss::Supcon => supervised_contrastive(vectors, same, settings.temperature),
        Loss::Pair => pair_info_nce(vectors, same, settings.temperature),
    })?)
}
