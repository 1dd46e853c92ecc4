//! Task labels of raw instructions, `verb|noun` as the benchmark has them (arXiv 2409.19680, its section on construction).
//!
//! The paper takes the root verb and its direct object from a parser's tree. Here [`Tagger`] tags the words (Brill's rules, from
//! `harper-brill`), [`candidates`] pairs every word that may be the verb with every word that may be its noun, and a [`Picker`], a
//! logistic regression over the pairs of one instruction, chooses: that is more robust than a tree where a tag is wrong. Questions
//! (`how|knowledge`), arithmetic (`solve|math`) and verbs without a noun (`summarize|none`) are candidates among the others.

mod candidate;
mod lemma;
mod picker;
mod synonym;
mod tagger;
mod validate;

use crate::error::Result;

pub use candidate::{Candidate, Source, candidates};
pub use lemma::Lemmatizer;
pub use picker::{Example, Picker};
pub use synonym::{WordNet, merge_like, merge_synonyms};
pub use tagger::{Tagger, Word};
pub use validate::{Agreement, Gold, Grouping, cross_validate, read_gold};

/// The picker that the crate carries, fitted by `pie label --fit`.
const WEIGHTS: &str = include_str!("weights.txt");

/// The task of an instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub verb: String,
    pub noun: String,
    /// The picker's probability of this pair among the instruction's candidates.
    pub conf: f32,
    pub source: Source,
}

impl Label {
    /// `verb|noun`.
    pub fn category(&self) -> String {
        format!("{}|{}", self.verb, self.noun)
    }
}

/// Raw instructions to labels.
pub struct Labeller {
    tagger: Tagger,
    picker: Picker,
}

impl Labeller {
    /// A labeller with the weights that the crate carries.
    ///
    /// # Errors
    /// None with the committed weights; see [`Picker::parse`].
    pub fn new() -> Result<Self> {
        Picker::parse(WEIGHTS).map(Self::with_picker)
    }

    /// A labeller with other weights.
    pub fn with_picker(picker: Picker) -> Self {
        Self { tagger: Tagger::new(), picker }
    }

    /// The task of an instruction. A text without a word that could be a verb is `none|none` with confidence 0.
    pub fn label(&self, instruction: &str) -> Label {
        self.picker.pick(&candidates(&self.tagger, instruction))
    }
}
