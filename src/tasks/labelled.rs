//! Labelled instructions: JSON lines of `{"instruction", "category": "verb|noun", "conf"}`.

use std::io::BufRead;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};

/// One labelled instruction. Synonymous tasks are joined by `##`: `compute|value##calculate|value`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    pub instruction: String,
    pub category: String,
    /// How sure the label is, 0..=1; 1 where the data does not say.
    #[serde(default = "certain")]
    pub conf: f32,
    /// The task as people say it, where the category does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The family of a kind of task, and the family as people say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
}

/// A row that could not be labelled.
#[derive(Deserialize)]
struct Faulty {
    #[serde(rename = "error")]
    _error: String,
}

const fn certain() -> f32 {
    1.0
}

impl Labelled {
    /// The task's first name: what stands before `##`.
    pub fn label(&self) -> &str {
        self.category.split("##").next().unwrap_or_default()
    }
}

/// Reads labelled instructions; empty lines are passed over, and rows with an `error`, which have no label.
///
/// # Errors
/// [`ErrorCode::Data`] naming the line that is no such object or has a blank instruction or category, [`ErrorCode::Io`] when reading
/// fails.
pub fn read_labelled(reader: impl BufRead) -> Result<Vec<Labelled>> {
    let mut rows = Vec::new();
    for (line, number) in reader.lines().zip(1..) {
        let line = line.map_err(|e| Error::new(ErrorCode::Io, format!("line {number}: {e}")).with_source(e))?;
        if line.trim().is_empty() {
            continue;
        }
        let bad = |what: String| Error::new(ErrorCode::Data, format!("line {number}: {what}"));
        let row: Labelled = match serde_json::from_str(&line) {
            Ok(row) => row,
            Err(_) if serde_json::from_str::<Faulty>(&line).is_ok() => continue,
            Err(e) => return Err(bad(e.to_string())),
        };
        if row.instruction.trim().is_empty() || row.label().trim().is_empty() {
            return Err(bad(format!("blank instruction or category {:?}", row.category)));
        }
        rows.push(row);
    }
    Ok(rows)
}
