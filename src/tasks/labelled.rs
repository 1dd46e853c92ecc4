//! Labelled instructions: `{"instruction", "category": "verb|noun", "conf"}`.

use serde::Serialize;

/// One labelled instruction. Synonymous tasks are joined by `##`: `compute|value##calculate|value`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labelled {
    pub instruction: String,
    pub category: String,
    /// How sure the label is, 0..=1; 1 where the data does not say.
    pub conf: f32,
    /// The task as people say it, where the category does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The family of a kind of task, and the family as people say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// The ISO 639-1 code of the instruction's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// A text in another language that says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
}

impl Labelled {
    /// The task's first name: what stands before `##`.
    pub fn label(&self) -> &str {
        self.category.split("##").next().unwrap_or_default()
    }
}
