//! Why a text has its label: the examples that lie nearest.

use serde::Serialize;

use super::super::prototypes::{Tag, UNKNOWN};
use super::super::taxonomy::Read;
use super::Tagger;
use super::label::Part;
use super::space::cosine;
use crate::embedder::Embedder;
use crate::error::Result;

/// Tags that are given: the two best labels, and the unknown.
const SHOWN_TAGS: usize = 3;
/// Examples of a label that are shown.
const NEAREST: usize = 3;

/// The answer for a text with what speaks for it and for the next best one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The answer and what comes after it, as [`Tagger::tag`] gives them: three, since the unknown may be one.
    pub tags: Vec<Tag>,
    /// Of the two best labels, best first; one where there is one label.
    pub evidence: Vec<Evidence>,
}

/// The texts of one label that are nearest to the text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    pub label: String,
    pub score: f32,
    /// At most three, nearest first: examples, or the name and description of a label without any.
    pub nearest: Vec<Near>,
}

/// A text that the label was learned from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    pub text: String,
    /// The cosine of both texts, -1 to 1, with the views weighed as the tagger learned to.
    pub cosine: f32,
}

impl Tagger {
    /// Tags one text and shows the nearest examples of the best two labels, so that a person sees why it was tagged so and what to add.
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn explain(&self, embedder: &Embedder, text: &str) -> Result<Explanation> {
        // One text has one answer.
        Ok(self.read_each(embedder, &[text], |whole, parts| self.explain_requests(whole, parts))?.remove(0))
    }

    /// The same of a text's vector and those of its requests, as [`tag_requests`](Self::tag_requests) takes them.
    ///
    /// # Errors
    /// As [`tag_requests`](Self::tag_requests).
    pub fn explain_requests(&self, whole: Read<'_>, parts: &[Read<'_>]) -> Result<Explanation> {
        let tags = self.tag_requests(whole, parts, SHOWN_TAGS)?;
        let vector = self.learned.space.weighed(whole.without_frame(parts).vector);
        let vectors = self.learned.space.weighed(&self.stored.floats(self.dimensions));
        let evidence = tags.iter().filter(|tag| tag.label != UNKNOWN).take(2).map(|tag| {
            let Some(label) = self.labels.iter().position(|label| label.name == tag.label) else {
                return Evidence { label: tag.label.clone(), score: tag.score, nearest: Vec::new() };
            };
            let own = |examples: bool| {
                let of_label = move |part: Part| if examples { part == Part::Example } else { part != Part::Not };
                let rows = vectors.chunks_exact(self.dimensions).zip(&self.sources);
                rows.filter(move |(_, source)| source.label == label && of_label(source.part))
            };
            let near = |(row, source): (&[f32], &super::Source)| Near { text: source.text.clone(), cosine: cosine(&vector, row) };
            let has_examples = own(true).next().is_some();
            let mut nearest: Vec<Near> = own(has_examples).map(near).collect();
            nearest.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
            nearest.truncate(NEAREST);
            Evidence { label: tag.label.clone(), score: tag.score, nearest }
        });
        Ok(Explanation { evidence: evidence.collect(), tags })
    }
}
