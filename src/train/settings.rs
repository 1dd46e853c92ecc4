//! All that a run's weights depend on, beside its input files.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use super::augment::Probabilities;
use super::encoder::{Freeze, Rounding};
use super::optimiser::AdamW;
use super::sampler::Shape;
use super::schedule::{Decay, Schedule};
use crate::config::{EncoderConfig, Pooling};
use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;

/// The contrastive loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// Supervised contrastive over groups of the same task.
    #[default]
    Supcon,
    /// InfoNCE over anchor, positive and hard negative.
    Pair,
}

/// The numbers that activations are computed in; weights are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    #[default]
    F32,
    Bf16,
}

impl Width {
    pub(super) const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// What a teacher's pupil learns from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Which texts of a batch are near each other.
    #[default]
    Similarity,
    /// The vectors themselves.
    Vectors,
    /// The view of the meaning alone.
    Meaning,
    /// Both views, each by itself.
    Views,
}

/// A teacher's share in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distillation {
    pub target: Target,
    /// What its loss is multiplied by before it is added.
    pub weight: f64,
    /// The share of a batch's texts that the teacher reads, above 0 and up to 1.
    pub share: f64,
    /// The language that the teacher reads, as an ISO 639-1 code: of a text in another one it reads the twin, and passes over those without.
    /// It reads all texts when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// A learned vector for each label: the share of their loss, and its temperature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proxies {
    pub weight: f64,
    pub temperature: f64,
}

/// A file of labelled examples, or a folder of them, and its share of the batches.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    pub path: PathBuf,
    pub weight: f64,
}

impl std::str::FromStr for DataFile {
    type Err = Error;

    /// `FILE` or `FILE:WEIGHT`.
    fn from_str(s: &str) -> Result<Self> {
        let plain = || Self { path: s.into(), weight: 1.0 };
        let Some((path, weight)) = s.rsplit_once(':').filter(|(path, _)| !path.is_empty() && !Path::new(s).exists()) else {
            return Ok(plain());
        };
        match weight.parse::<f64>() {
            Ok(weight) if weight > 0.0 && weight.is_finite() => Ok(Self { path: path.into(), weight }),
            Ok(weight) => Err(invalid(format!("the weight of {path} is {weight}; it must be above 0"))),
            Err(_) => Ok(plain()),
        }
    }
}

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Optimiser steps.
    pub steps: u64,
    pub seed: u64,
    /// Keep the first layers of the base; all when `None`.
    pub layers: Option<usize>,
    /// That of the base when `None`.
    pub pooling: Option<Pooling>,
    pub prompt: String,
    /// Tokens of a text, `[CLS]` and `[SEP]` included.
    pub max_tokens: usize,
    pub loss: Loss,
    pub temperature: f64,
    /// Widths of the Matryoshka loss; the whole vector alone when empty.
    pub matryoshka: Vec<usize>,
    /// Tasks in a batch.
    pub tasks: usize,
    /// Examples of a task in a batch.
    pub samples: usize,
    /// Tasks of the same family, verb or noun that a drawn task brings into its batch.
    pub hard: usize,
    /// The power of a task's size that it is drawn with.
    pub balance: f64,
    /// Batches to an optimiser step; their gradients are averaged.
    pub accumulate: usize,
    pub learning_rate: f64,
    /// Steps of the rise; a tenth of all when `None`.
    pub warmup: Option<u64>,
    pub decay: Decay,
    pub optimiser: AdamW,
    /// Gradients longer than this are shortened to it; 0 leaves all as they are.
    pub clip: f64,
    pub freeze: Freeze,
    pub dropout: f64,
    /// The share of the past that a moving average of the weights keeps in a step; its weights are the result.
    pub average: Option<f64>,
    /// How far from the base to the trained weights the result lies; 1 is the trained ones.
    pub interpolate: f64,
    /// Examples less sure than this are left out.
    pub min_conf: f64,
    /// Share of the examples held out, as whole tasks.
    pub dev_fraction: f64,
    pub augment: Probabilities,
    pub distillation: Option<Distillation>,
    /// Whether each label has a learned vector too, that its examples come near to.
    pub proxies: Option<Proxies>,
    pub width: Width,
    /// How the model file will store the weights; not at all by default.
    pub rounding: Rounding,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 300,
            seed: 0,
            layers: None,
            pooling: None,
            prompt: Prompt::none().to_string(),
            max_tokens: 48,
            loss: Loss::Supcon,
            temperature: 0.05,
            matryoshka: Vec::new(),
            tasks: 32,
            samples: 4,
            hard: 3,
            balance: 0.5,
            accumulate: 1,
            learning_rate: 5e-5,
            warmup: None,
            decay: Decay::Linear,
            optimiser: AdamW::default(),
            clip: 1.0,
            freeze: Freeze::Words,
            dropout: 0.0,
            average: None,
            interpolate: 1.0,
            min_conf: 0.0,
            dev_fraction: 0.1,
            augment: Probabilities::default(),
            distillation: None,
            proxies: None,
            width: Width::F32,
            rounding: Rounding::default(),
        }
    }
}

impl Settings {
    /// The make-up of a batch. A triple takes three examples, as three samples of a task do.
    pub fn shape(&self) -> Shape {
        match self.loss {
            Loss::Supcon => Shape::Groups { tasks: self.tasks, samples: self.samples, hard: self.hard },
            Loss::Pair => Shape::Triples { count: self.tasks },
        }
    }

    /// Examples in a full batch.
    pub const fn batch_rows(&self) -> usize {
        match self.loss {
            Loss::Supcon => self.tasks * self.samples,
            Loss::Pair => self.tasks * 3,
        }
    }

    /// The learning rate over the run.
    pub fn schedule(&self) -> Schedule {
        let warmup = self.warmup.unwrap_or(self.steps / 10);
        Schedule { peak: self.learning_rate, warmup, steps: self.steps, decay: self.decay }
    }

    /// Refuses what cannot be run, for an encoder of this shape, with one view or two, on this device.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] naming the setting, its value and its range; [`ErrorCode::InvalidPrompt`].
    pub fn validate(&self, config: &EncoderConfig, two_views: bool, device: &Device) -> Result<()> {
        self.prompt.parse::<Prompt>()?;
        let positions = config.max_position_embeddings;
        for (name, value, least, most) in [
            ("tasks", self.tasks, 2, 4_096),
            ("samples", self.samples, 2, 256),
            ("hard", self.hard, 0, 4_096),
            ("accumulate", self.accumulate, 1, 4_096),
            ("max tokens", self.max_tokens, 3, positions),
        ] {
            if !(least..=most).contains(&value) {
                return Err(invalid(format!("{name} is {value}; it must lie in {least}..={most}")));
            }
        }
        let p = &self.augment;
        for (name, value, least, most) in [
            ("temperature", self.temperature, 1e-3, 100.0),
            ("balance", self.balance, 0.0, 4.0),
            ("learning rate", self.learning_rate, 0.0, f64::MAX),
            ("weight decay", self.optimiser.weight_decay, 0.0, 1e3),
            ("beta1", self.optimiser.beta1, 0.0, 0.9999),
            ("beta2", self.optimiser.beta2, 0.0, 0.999_999),
            ("eps", self.optimiser.eps, 1e-12, 1.0),
            ("clip", self.clip, 0.0, f64::MAX),
            ("dropout", self.dropout, 0.0, 0.9),
            ("average", self.average.unwrap_or(0.0), 0.0, 0.999_999),
            ("interpolate", self.interpolate, 0.0, 2.0),
            ("minimum conf", self.min_conf, 0.0, 1.0),
            ("dev fraction", self.dev_fraction, 0.0, 0.9),
            ("distillation weight", self.distillation.as_ref().map_or(0.0, |d| d.weight), 0.0, 1e6),
            ("teacher's share", self.distillation.as_ref().map_or(1.0, |d| d.share), 1e-3, 1.0),
            ("proxies' weight", self.proxies.map_or(0.0, |p| p.weight), 0.0, 1e6),
            ("proxies' temperature", self.proxies.map_or(0.05, |p| p.temperature), 1e-3, 100.0),
            ("probability of sloppy", p.sloppy, 0.0, 1.0),
            ("probability of typos", p.typos, 0.0, 1.0),
            ("probability of wrap", p.wrap, 0.0, 1.0),
            ("probability of behind", p.behind, 0.0, 1.0),
            ("probability of before", p.before, 0.0, 1.0),
        ] {
            if !(least..=most).contains(&value) {
                return Err(invalid(format!("{name} is {value}; it must lie in {least}..={most}")));
            }
        }
        let width = if two_views { config.hidden_size / 2 } else { config.hidden_size };
        if let Some(dim) = self.matryoshka.iter().find(|&&dim| dim == 0 || dim > width) {
            let of = if two_views { " of a view" } else { "" };
            return Err(invalid(format!("a matryoshka width is {dim}; it must lie in 1..={width}{of}")));
        }
        if !two_views && self.distillation.as_ref().is_some_and(|d| matches!(d.target, Target::Meaning | Target::Views)) {
            return Err(invalid("the base has one view; `pie head` gives it the two that this distillation is of".to_owned()));
        }
        if self.width == Width::Bf16 && device.is_cpu() {
            return Err(invalid("bf16 is for CUDA; on the CPU it would only be slower".to_owned()));
        }
        Ok(())
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}
