//! Families of kinds: which family each kind belongs to, and how a family's score comes from those of its kinds.

use std::collections::HashMap;

use super::prototypes::{Calibration, Label, Tag, probabilities, ranked};
use crate::error::{Error, ErrorCode, Result};

/// The families of a taxonomy's kinds. They have no prototypes: a family's score is the sum of its kinds' probabilities, under a
/// calibration that is fitted for families.
pub(super) struct Families {
    labels: Vec<Label>,
    /// Of each kind the index of its family in `labels`.
    of: Vec<usize>,
    calibration: Calibration,
}

impl Families {
    /// Takes the families, and of each kind the label of its family.
    ///
    /// # Errors
    /// [`ErrorCode::TaxonomyFormat`] when there are not as many families as kinds, a kind's family is not listed, a family stands twice
    /// or has no kind, or the calibration cannot be used.
    pub fn new(labels: Vec<Label>, of_kinds: &[&str], kinds: &[Label], calibration: Calibration) -> Result<Self> {
        let malformed = |message| Err(Error::new(ErrorCode::TaxonomyFormat, message));
        if of_kinds.len() != kinds.len() {
            return malformed(format!("{} families are given for {} kinds", of_kinds.len(), kinds.len()));
        }
        if !calibration.is_valid() {
            return malformed(format!("the families have {calibration:?}"));
        }
        let places: HashMap<&str, usize> = labels.iter().map(|family| family.label.as_str()).zip(0..).collect();
        if places.len() != labels.len() {
            return malformed(format!("the {} families have {} different labels", labels.len(), places.len()));
        }
        let mut of = Vec::with_capacity(kinds.len());
        for (n, (family, kind)) in of_kinds.iter().zip(kinds).enumerate() {
            let Some(&place) = places.get(family) else {
                return malformed(format!(
                    "kind {n} ({:?}) has family {family:?}, which is none of the {} listed",
                    kind.label,
                    labels.len()
                ));
            };
            of.push(place);
        }
        if let Some(n) = (0..labels.len()).find(|n| !of.contains(n)) {
            return malformed(format!("family {n} ({:?}) of {} has no kind", labels[n].label, labels.len()));
        }
        Ok(Self { labels, of, calibration })
    }

    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The families of a text by its cosines to the kinds, best first.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when `top_k` is 0.
    pub fn classify(&self, cosines: &[f32], unread: f32, top_k: usize) -> Result<Vec<Tag>> {
        let (kinds, unknown) = probabilities(cosines, self.calibration);
        let mut scores = vec![0.0; self.labels.len()];
        self.of.iter().zip(kinds).for_each(|(&family, score)| scores[family] += score);
        ranked(&self.labels, &scores, unknown, unread, top_k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATION: Calibration = Calibration { temperature: 0.1, unknown: 0.2 };

    fn labels(labels: &[&str]) -> Vec<Label> {
        labels.iter().map(|&label| Label::from(label)).collect()
    }

    #[test]
    fn a_family_has_the_scores_of_its_kinds_together() {
        let kinds = labels(&["write-poem", "fix-text", "write-story"]);
        let families = Families::new(labels(&["writing", "editing"]), &["writing", "editing", "writing"], &kinds, CALIBRATION).unwrap();
        // The best kind is of the other family than the two that are near.
        let tags = families.classify(&[0.6, 0.62, 0.6], 0.0, 5).unwrap();
        assert_eq!(tags.iter().map(|tag| tag.label.as_str()).collect::<Vec<_>>(), ["writing", "editing"]);
        let exp = |cosine: f32| (cosine / 0.1).exp();
        let total = exp(0.2) + 2.0 * exp(0.6) + exp(0.62);
        assert!((tags[0].score - 2.0 * exp(0.6) / total).abs() < 1e-6, "{tags:?}");
        assert!((tags[1].score - exp(0.62) / total).abs() < 1e-6, "{tags:?}");
        assert_eq!(families.classify(&[-0.6, -0.6, -0.6], 0.0, 1).unwrap()[0].label, "unknown");
    }

    #[test]
    fn what_does_not_fit_the_kinds_is_refused_with_its_numbers() {
        let kinds = labels(&["write-poem", "fix-text"]);
        let refused = |families: &[&str], of: &[&str], calibration| {
            let e = Families::new(labels(families), of, &kinds, calibration).map(|_| ()).unwrap_err();
            assert_eq!(e.code(), ErrorCode::TaxonomyFormat);
            e.to_string()
        };
        assert_eq!(refused(&["a"], &["a"], CALIBRATION), "1 families are given for 2 kinds");
        let stranger = refused(&["a"], &["a", "b"], CALIBRATION);
        assert_eq!(stranger, "kind 1 (\"fix-text\") has family \"b\", which is none of the 1 listed");
        assert_eq!(refused(&["a", "a"], &["a", "a"], CALIBRATION), "the 2 families have 1 different labels");
        assert_eq!(refused(&["a", "b"], &["a", "a"], CALIBRATION), "family 1 (\"b\") of 2 has no kind");
        assert!(refused(&["a"], &["a", "a"], Calibration { temperature: 0.0, unknown: 0.2 }).contains("temperature: 0.0"));
    }
}
