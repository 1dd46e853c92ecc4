//! A user's own labels, from a few examples each.

use super::prototypes::{Calibration, Label, Prototypes, Tag, UNKNOWN};
use crate::embedder::{EmbedOptions, Embedder};
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::l2_normalize;

/// Between-label cosine that is assumed when there is only one label to look at.
const BETWEEN: f32 = 0.1;
/// Within-label cosine that is assumed when no label has two examples.
const WITHIN: f32 = 0.5;
/// `T` as a share of the gap between within-label and between-label cosines, and its floor.
const TEMPERATURE_SHARE: f32 = 0.125;
const MIN_TEMPERATURE: f32 = 0.02;

/// Tags texts with labels that were given as examples.
pub struct Tagger {
    prototypes: Prototypes,
    options: EmbedOptions,
}

impl Tagger {
    /// Embeds the examples and averages them to a prototype a label.
    ///
    /// The calibration comes from the examples: with `w` the mean cosine of an example to the mean of its label's *other* examples and
    /// `b` the mean cosine of examples to the prototypes of other labels, `u = (w + b) / 2` and `T = max((w - b) / 8, 0.02)`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no labels, a label that stands twice, is [`UNKNOWN`] or has no examples; what
    /// [`Embedder::embed`] says of the examples.
    pub fn new<L: AsRef<str>, T: AsRef<str> + Sync>(embedder: &Embedder, examples: &[(L, Vec<T>)], options: &EmbedOptions) -> Result<Self> {
        if examples.is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "a tagger needs at least 1 label; 0 were given"));
        }
        for (n, (label, texts)) in examples.iter().enumerate() {
            let label = label.as_ref();
            if label.trim().is_empty() || texts.is_empty() {
                return Err(Error::new(
                    ErrorCode::InvalidArgument,
                    format!("label {n} ({label:?}) has {} examples; it needs a name and 1", texts.len()),
                ));
            }
            if label == UNKNOWN {
                return Err(Error::new(
                    ErrorCode::InvalidArgument,
                    format!("label {n} is {UNKNOWN:?}, the answer for texts that are like no label"),
                ));
            }
            if examples[..n].iter().any(|(other, _)| other.as_ref() == label) {
                return Err(Error::new(ErrorCode::InvalidArgument, format!("label {label:?} stands twice")));
            }
        }
        let dimensions = embedder.dimensions(options)?;
        let mut vectors = Vec::with_capacity(examples.len());
        for (label, texts) in examples {
            vectors.push(embedder.embed(texts, options).map_err(|e| e.context(format!("label {:?}", label.as_ref())))?.data);
        }
        let prototypes: Vec<Vec<f32>> = vectors.iter().map(|vectors| centroid(vectors, dimensions, None)).collect();
        let calibration = calibrate(&vectors, &prototypes, dimensions);
        let labels = examples.iter().map(|(label, _)| Label::from(label.as_ref())).collect();
        let prototypes = Prototypes::new(labels, &prototypes.concat(), dimensions, calibration)?;
        Ok(Self { prototypes, options: options.clone() })
    }

    /// The labels of each text, best first, as [`Prototypes::classify`] gives them.
    ///
    /// # Errors
    /// What [`Embedder::embed`] and [`Prototypes::classify`] say. `embedder` must be the one that made this tagger.
    pub fn classify<T: AsRef<str> + Sync>(&self, embedder: &Embedder, texts: &[T], top_k: usize) -> Result<Vec<Vec<Tag>>> {
        embedder.embed(texts, &self.options)?.rows().map(|vector| self.classify_vector(vector, top_k)).collect()
    }

    /// The same for the vector of a text, made with the options that this tagger was made with.
    ///
    /// # Errors
    /// What [`Prototypes::classify`] says.
    pub fn classify_vector(&self, vector: &[f32], top_k: usize) -> Result<Vec<Tag>> {
        self.prototypes.classify(vector, top_k)
    }
}

/// The normalised mean of `vectors` (`[n, dimensions]`), one of them left out.
pub(super) fn centroid(vectors: &[f32], dimensions: usize, leave_out: Option<usize>) -> Vec<f32> {
    let mut sum = vec![0.0; dimensions];
    for (n, vector) in vectors.chunks_exact(dimensions).enumerate() {
        if Some(n) != leave_out {
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
    }
    l2_normalize(&mut sum);
    sum
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn calibrate(vectors: &[Vec<f32>], prototypes: &[Vec<f32>], dimensions: usize) -> Calibration {
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for (label, vectors) in vectors.iter().enumerate() {
        for (n, vector) in vectors.chunks_exact(dimensions).enumerate() {
            if vectors.len() > dimensions {
                within.push(dot(vector, &centroid(vectors, dimensions, Some(n))));
            }
            between.extend(prototypes.iter().enumerate().filter(|&(other, _)| other != label).map(|(_, prototype)| dot(vector, prototype)));
        }
    }
    let mean = |xs: &[f32], otherwise: f32| if xs.is_empty() { otherwise } else { xs.iter().sum::<f32>() / xs.len() as f32 };
    let between = mean(&between, BETWEEN);
    let within = mean(&within, WITHIN).max(between);
    let temperature = ((within - between) * TEMPERATURE_SHARE).max(MIN_TEMPERATURE);
    Calibration { temperature, unknown: f32::midpoint(within, between).clamp(-1.0, 1.0) }
}
