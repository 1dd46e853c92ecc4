//! Nearest-prototype classification with scores that are probabilities.
//!
//! A label's prototype is the mean of its examples' vectors, scaled to length 1. With `c_i` the cosine of a text to prototype `i`, a
//! temperature `T` and an unknown level `u`, the score of label `i` is
//!
//! `exp(c_i / T) / (exp(u / T) + Σ_j exp(c_j / T))`
//!
//! and what is left, `exp(u / T) / (…)`, is the score of [`UNKNOWN`]: the text is like none of the labels. `T` and `u` are fitted so
//! that of the texts that get a score of 0.7, about 70 % have that label (see [`Calibration`]).

use serde::Serialize;

use super::{is_unread, task_name};
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::{PackedF32, gemm_f32, l2_normalize};

/// The label of a text that is like no known task.
pub const UNKNOWN: &str = "unknown";

/// A label with its readable name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub label: String,
    pub name: String,
    /// The label of its family: of kinds, where the taxonomy has families.
    pub family: Option<String>,
}

/// One answer of a classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tag {
    pub label: String,
    pub name: String,
    /// The label of the kind's family: of known kinds, where the taxonomy has families.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Probability in 0..=1.
    pub score: f32,
    /// Why the label is [`UNKNOWN`], where that does not come from the text's cosines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why a text is [`UNKNOWN`] before its vector is compared with any label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The vocabulary lacks most of the text's pieces ([`is_unread`](super::is_unread)), so that the vector says nothing of it.
    Unread,
}

impl Tag {
    fn known(label: &Label, score: f32) -> Self {
        let Label { label, name, family } = label.clone();
        Self { label, name, family, score, reason: None }
    }

    fn unknown(score: f32, reason: Option<Reason>) -> Self {
        Self { label: UNKNOWN.to_owned(), name: "no known task".to_owned(), family: None, score, reason }
    }
}

/// How cosines become probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// `T`: the smaller, the more one prototype takes all.
    pub temperature: f32,
    /// `u`: a text whose best cosine is this is as likely unknown as known.
    pub unknown: f32,
}

impl Calibration {
    /// Whether both numbers can be used.
    pub fn is_valid(self) -> bool {
        self.temperature.is_finite() && self.temperature > 0.0 && (-1.0..=1.0).contains(&self.unknown)
    }
}

/// Labels, their prototypes, and the calibration.
pub struct Prototypes {
    labels: Vec<Label>,
    weights: PackedF32,
    zeros: Vec<f32>,
    dimensions: usize,
    calibration: Calibration,
}

impl Prototypes {
    /// `vectors` is `[labels, dimensions]`; rows are taken as they are.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when lengths do not fit or there is no label.
    pub fn new(labels: Vec<Label>, vectors: &[f32], dimensions: usize, calibration: Calibration) -> Result<Self> {
        if labels.is_empty() || dimensions == 0 || vectors.len() != labels.len() * dimensions || !calibration.is_valid() {
            let message = format!("{} labels and {} numbers of {dimensions} dimensions, {calibration:?}", labels.len(), vectors.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let weights = PackedF32::pack(vectors, labels.len(), dimensions);
        Ok(Self { zeros: vec![0.0; labels.len()], labels, weights, dimensions, calibration })
    }

    /// The labels, in the order of the prototypes.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The product of each label's prototype and the vector, which is brought to length 1.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when the vector has other dimensions.
    pub(super) fn cosines(&self, vector: &[f32]) -> Result<Vec<f32>> {
        if vector.len() != self.dimensions {
            let message = format!("the vector has {} dimensions, the prototypes have {}", vector.len(), self.dimensions);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let mut unit = vector.to_vec();
        l2_normalize(&mut unit);
        let mut cosines = vec![0.0; self.zeros.len()];
        gemm_f32(&unit, &self.weights, &self.zeros, &mut cosines);
        Ok(cosines)
    }

    /// The most likely labels for a text's vector, best first, at most `top_k` of them. [`UNKNOWN`] stands first, and counts,
    /// when it is likelier than every label; of a text of which more than [`MAX_UNREAD`](super::MAX_UNREAD) is unread it is the only
    /// answer, with [`Reason::Unread`]. `unread` is the text's of [`Embeddings::unread`](crate::Embeddings::unread), 0..=1.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when `top_k` is 0 or the vector has other dimensions.
    pub fn classify(&self, vector: &[f32], unread: f32, top_k: usize) -> Result<Vec<Tag>> {
        let (scores, unknown) = probabilities(&self.cosines(vector)?, self.calibration);
        ranked(&self.labels, &scores, unknown, unread, top_k)
    }
}

/// The labels by their scores, best first, with the unknown where it comes first.
pub(super) fn ranked(labels: &[Label], scores: &[f32], unknown: f32, unread: f32, top_k: usize) -> Result<Vec<Tag>> {
    if top_k == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "topK is 0; it must be at least 1"));
    }
    if is_unread(unread) {
        return Ok(vec![Tag::unknown(1.0, Some(Reason::Unread))]);
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Equal scores keep the labels' order, so that answers do not depend on the sort.
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut tags = Vec::new();
    if unknown > scores[order[0]] {
        tags.push(Tag::unknown(unknown, None));
    }
    tags.extend(order.iter().take(top_k - tags.len()).map(|&n| Tag::known(&labels[n], scores[n])));
    Ok(tags)
}

/// The score of each label and that of the unknown.
pub(super) fn probabilities(cosines: &[f32], calibration: Calibration) -> (Vec<f32>, f32) {
    let Calibration { temperature, unknown } = calibration;
    let largest = cosines.iter().copied().fold(unknown, f32::max);
    let exp = |cosine: f32| ((cosine - largest) / temperature).exp();
    let mut scores: Vec<f32> = cosines.iter().map(|&c| exp(c)).collect();
    let unknown = exp(unknown);
    let total = unknown + scores.iter().sum::<f32>();
    scores.iter_mut().for_each(|s| *s /= total);
    (scores, unknown / total)
}

impl From<&str> for Label {
    /// The label with the name that [`task_name`] gives it.
    fn from(label: &str) -> Self {
        Self { label: label.to_owned(), name: task_name(label), family: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_UNREAD;
    use super::*;

    fn prototypes() -> Prototypes {
        let labels = ["write|poem", "write|code"].map(Label::from).to_vec();
        Prototypes::new(labels, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 3, Calibration { temperature: 0.1, unknown: 0.5 }).unwrap()
    }

    #[test]
    fn best_first_and_sums_to_one_with_the_unknown() {
        let tags = prototypes().classify(&[0.6, 0.8, 0.0], 0.0, 1_000_000).unwrap();
        assert_eq!(tags.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["write code", "write a poem"]);
        let unknown = (0.5_f32 / 0.1).exp() / ((0.5_f32 / 0.1).exp() + (0.6_f32 / 0.1).exp() + (0.8_f32 / 0.1).exp());
        assert!((tags.iter().map(|t| t.score).sum::<f32>() + unknown - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_unlike_text_is_unknown() {
        let tags = prototypes().classify(&[0.0, 0.0, 1.0], 0.0, 3).unwrap();
        assert_eq!(tags.len(), 3);
        assert_eq!(tags[0].label, UNKNOWN);
        assert_eq!(prototypes().classify(&[0.0, 0.0, 1.0], 0.0, 1).unwrap().len(), 1);
    }

    #[test]
    fn an_unread_text_is_unknown_for_that_reason() {
        let at_most = prototypes().classify(&[1.0, 0.0, 0.0], MAX_UNREAD, 3).unwrap();
        assert_eq!((at_most[0].label.as_str(), at_most[0].reason), ("write|poem", None));
        let unread = prototypes().classify(&[1.0, 0.0, 0.0], 0.51, 3).unwrap();
        assert_eq!(unread, [Tag::unknown(1.0, Some(Reason::Unread))]);
        let json = serde_json::to_string(&unread[0]).unwrap();
        assert_eq!(json, r#"{"label":"unknown","name":"no known task","score":1.0,"reason":"unread"}"#);
    }

    #[test]
    fn bad_arguments_are_refused() {
        for (vector, top_k) in [(&[1.0, 0.0, 0.0][..], 0), (&[1.0], 1)] {
            assert_eq!(prototypes().classify(vector, 0.0, top_k).unwrap_err().code(), ErrorCode::InvalidArgument);
        }
    }
}
