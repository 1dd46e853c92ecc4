//! A user's own labels, from a few examples each.

use super::prototypes::{Calibration, Label, Rows, Tag, UNKNOWN, tags};
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
/// How far into the gap a text is unknown. In the sets of [`SOFTNESS`], 3 labels of one task, `pie-small`: 1 % of their texts are called
/// unknown and 60 % of those of other tasks; at the middle of the gap 4 % and 84 %, and labels that differ in little lose more.
const UNKNOWN_SHARE: f32 = 0.25;

/// How a label's cosine comes from those of its examples: towards 0 it is the largest, which heeds one example alone, and the larger the
/// more it is the mean, which has no sense of a label of several tasks. In two sets of 30 everyday tasks, 2 examples of each, labels of 3
/// tasks are right for .85 and .81 of the other texts with `pie-small`, by their means for .74 and .72; labels of 1 task and 3 examples
/// for .87 and .85, by their means for .89 and .87.
const SOFTNESS: f32 = 0.1;

/// Tags texts with labels that were given as examples.
pub struct Tagger {
    labels: Vec<Label>,
    /// Examples of each label, and the vectors of all, at length 1.
    counts: Vec<usize>,
    examples: Rows,
    calibration: Calibration,
    options: EmbedOptions,
}

impl Tagger {
    /// Embeds the examples. A label may stand for several tasks: its cosine to a text is the soft maximum of those of its examples,
    /// `S · ln(mean(exp(c / S)))` with `S` 0.1, and its score comes from that as from a prototype's ([`Prototypes`](super::Prototypes)).
    ///
    /// The calibration comes from the examples: with `w` the mean cosine of an example to its own label by the *other* examples and
    /// `b` that to other labels, `u = b + (w - b) / 4` and `T = max((w - b) / 8, 0.02)`.
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
        let mut vectors = Vec::new();
        for (label, texts) in examples {
            vectors.extend(embedder.embed(texts, options).map_err(|e| e.context(format!("label {:?}", label.as_ref())))?.data);
        }
        vectors.chunks_exact_mut(dimensions).for_each(l2_normalize);
        let rows = Rows::new(&vectors, dimensions);
        let counts: Vec<usize> = examples.iter().map(|(_, texts)| texts.len()).collect();
        let calibration = calibrate(&vectors, dimensions, &rows, &counts)?;
        let labels = examples.iter().map(|(label, _)| Label::from(label.as_ref())).collect();
        Ok(Self { labels, counts, examples: rows, calibration, options: options.clone() })
    }

    /// The labels of each text, best first, as [`Prototypes::classify`](super::Prototypes::classify) gives them.
    ///
    /// # Errors
    /// What [`Embedder::embed`] and [`Prototypes::classify`](super::Prototypes::classify) say. `embedder` must be the one that made this tagger.
    pub fn classify<T: AsRef<str> + Sync>(&self, embedder: &Embedder, texts: &[T], top_k: usize) -> Result<Vec<Vec<Tag>>> {
        embedder.embed(texts, &self.options)?.rows().map(|vector| self.classify_vector(vector, top_k)).collect()
    }

    /// The same for the vector of a text, made with the options that this tagger was made with.
    ///
    /// # Errors
    /// What [`Prototypes::classify`](super::Prototypes::classify) says.
    pub fn classify_vector(&self, vector: &[f32], top_k: usize) -> Result<Vec<Tag>> {
        let cosines = of_labels(&self.examples.cosines(vector)?, &self.counts);
        tags(&self.labels, &cosines, self.calibration, top_k)
    }
}

/// The soft maximum of cosines.
fn soft_maximum(cosines: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = cosines.len() as f32;
    SOFTNESS * (cosines.map(|cosine| (cosine / SOFTNESS).exp()).sum::<f32>() / count).ln()
}

/// Each label's cosine, from those of all examples.
fn of_labels(cosines: &[f32], counts: &[usize]) -> Vec<f32> {
    let mut rest = cosines;
    let label = |&count: &usize| {
        let (own, others) = rest.split_at(count);
        rest = others;
        soft_maximum(own.iter().copied())
    };
    counts.iter().map(label).collect()
}

fn calibrate(vectors: &[f32], dimensions: usize, rows: &Rows, counts: &[usize]) -> Result<Calibration> {
    let labels = counts.iter().enumerate().flat_map(|(label, &count)| std::iter::repeat_n(label, count));
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for (n, (vector, label)) in vectors.chunks_exact(dimensions).zip(labels).enumerate() {
        let cosines = rows.cosines(vector)?;
        between.extend(of_labels(&cosines, counts).into_iter().enumerate().filter(|&(other, _)| other != label).map(|(_, cosine)| cosine));
        let first: usize = counts[..label].iter().sum();
        let mut own = cosines[first..first + counts[label]].to_vec();
        own.remove(n - first);
        if !own.is_empty() {
            within.push(soft_maximum(own.into_iter()));
        }
    }
    let mean = |xs: &[f32], otherwise: f32| if xs.is_empty() { otherwise } else { xs.iter().sum::<f32>() / xs.len() as f32 };
    let between = mean(&between, BETWEEN);
    let within = mean(&within, WITHIN).max(between);
    let temperature = ((within - between) * TEMPERATURE_SHARE).max(MIN_TEMPERATURE);
    Ok(Calibration { temperature, unknown: (between + (within - between) * UNKNOWN_SHARE).clamp(-1.0, 1.0) })
}

#[cfg(test)]
mod tests {
    use super::{of_labels, soft_maximum};

    #[test]
    fn a_label_is_as_near_as_its_nearer_examples() {
        let of = |cosines: &[f32]| soft_maximum(cosines.iter().copied());
        assert!((of(&[0.7]) - 0.7).abs() < 1e-6 && (of(&[0.7, 0.7]) - 0.7).abs() < 1e-6);
        let (mean, largest) = (0.5, 0.9);
        assert!((of(&[0.1, 0.9]) - (largest - 0.1 * 2_f32.ln())).abs() < 1e-3 && of(&[0.1, 0.9]) > mean);
        // By their means these two labels are one as near as the other.
        let labels = of_labels(&[0.1, 0.9, 0.5, 0.5], &[2, 2]);
        assert!(labels[0] > 0.8 && (labels[1] - 0.5).abs() < 1e-6, "{labels:?}");
    }
}
