//! Labels by the soft maximum of their examples' cosines: the tagger of the npm package, which brings its own vectors.

use std::collections::HashSet;

use super::super::prototypes::{Calibration, Label, Rows, Tag, UNKNOWN, tags};
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

/// Labels with the vectors of their examples. [`apart`](Self::apart) takes one example, so that a caller can calibrate in pieces.
pub struct Examples {
    labels: Vec<Label>,
    /// Examples of each label, the label of each example, and the vectors of all, at length 1.
    counts: Vec<usize>,
    owners: Vec<usize>,
    vectors: Vec<f32>,
    rows: Rows,
}

/// An example's cosine to its own label (by the label's other examples), and its mean cosine to the other labels. `None` without any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apart {
    pub within: Option<f32>,
    pub between: Option<f32>,
}

impl Examples {
    /// Takes labels, each with the number of its examples, and the vectors of those, label after label: `[examples, dimensions]`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no labels, a label that stands twice, is [`UNKNOWN`] or has no examples;
    /// [`ErrorCode::InvalidDimensions`] when there are not as many vectors as examples.
    pub fn new<L: AsRef<str>>(labels: &[(L, usize)], mut vectors: Vec<f32>, dimensions: usize) -> Result<Self> {
        check_labels(labels)?;
        let counts: Vec<usize> = labels.iter().map(|&(_, count)| count).collect();
        let owners: Vec<usize> = counts.iter().enumerate().flat_map(|(label, &count)| std::iter::repeat_n(label, count)).collect();
        if dimensions == 0 || owners.len().checked_mul(dimensions) != Some(vectors.len()) {
            let message = format!("{} numbers for {} examples of {dimensions} dimensions", vectors.len(), owners.len());
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        vectors.chunks_exact_mut(dimensions).for_each(l2_normalize);
        let rows = Rows::new(&vectors, dimensions);
        let labels = labels.iter().map(|(label, _)| Label::from(label.as_ref())).collect();
        Ok(Self { labels, counts, owners, vectors, rows })
    }

    /// Number of examples.
    pub const fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether there is no example.
    pub const fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// How near example `n` is to its own label and to the others.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when there is no such example.
    pub fn apart(&self, n: usize) -> Result<Apart> {
        let Some(&label) = self.owners.get(n) else {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("example {n} of {}", self.len())));
        };
        let dimensions = self.vectors.len() / self.len();
        let cosines = self.rows.cosines(&self.vectors[n * dimensions..(n + 1) * dimensions])?;
        let others = of_labels(&cosines, &self.counts).into_iter().enumerate().filter(|&(other, _)| other != label);
        let between = mean(others.map(|(_, cosine)| cosine));
        let first: usize = self.counts[..label].iter().sum();
        let mut own = cosines[first..first + self.counts[label]].to_vec();
        own.remove(n - first);
        Ok(Apart { within: (!own.is_empty()).then(|| soft_maximum(own.into_iter())), between })
    }

    /// The labels of a text's vector, best first, as [`Prototypes::classify`](crate::tasks::Prototypes::classify) gives them.
    ///
    /// # Errors
    /// What [`Prototypes::classify`](crate::tasks::Prototypes::classify) says.
    pub fn classify(&self, vector: &[f32], unread: f32, calibration: Calibration, top_k: usize) -> Result<Vec<Tag>> {
        let cosines = of_labels(&self.rows.cosines(vector)?, &self.counts);
        tags(&self.labels, &cosines, calibration, unread, top_k)
    }
}

impl Calibration {
    /// The calibration of a tagger: with `w` the mean of `within` and `b` the mean of `between`, `u = b + (w - b) / 4` and
    /// `T = max((w - b) / 8, 0.02)`.
    pub fn of_examples(apart: &[Apart]) -> Self {
        let between = mean(apart.iter().filter_map(|apart| apart.between)).unwrap_or(BETWEEN);
        let within = mean(apart.iter().filter_map(|apart| apart.within)).unwrap_or(WITHIN).max(between);
        let temperature = ((within - between) * TEMPERATURE_SHARE).max(MIN_TEMPERATURE);
        Self { temperature, unknown: (between + (within - between) * UNKNOWN_SHARE).clamp(-1.0, 1.0) }
    }
}

fn check_labels<L: AsRef<str>>(labels: &[(L, usize)]) -> Result<()> {
    let invalid = |message| Err(Error::new(ErrorCode::InvalidArgument, message));
    if labels.is_empty() {
        return invalid("a tagger needs at least 1 label; 0 were given".to_owned());
    }
    let mut seen = HashSet::new();
    for (n, (label, count)) in labels.iter().enumerate() {
        let label = label.as_ref();
        if label.trim().is_empty() || *count == 0 {
            return invalid(format!("label {n} ({label:?}) has {count} examples; it needs a name and 1"));
        }
        if label == UNKNOWN {
            return invalid(format!("label {n} is {UNKNOWN:?}, the answer for texts that are like no label"));
        }
        if !seen.insert(label) {
            return invalid(format!("label {label:?} stands twice"));
        }
    }
    Ok(())
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

fn mean(numbers: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, count) = numbers.fold((0.0_f64, 0_u32), |(sum, count), number| (sum + f64::from(number), count + 1));
    (count > 0).then(|| (sum / f64::from(count)) as f32)
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
