//! Texts that repeat a run of words from another one: a passage of the development side must not stand in training.

use std::collections::HashMap;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::source::{Faults, Place, read_text};
use crate::error::Result;

/// Words in a row that two texts written apart do not share. A word ends at white space or punctuation, so that scripts without spaces are
/// compared by clauses.
const RUN: usize = 12;

/// Runs of words, each with the text in which it stands.
#[derive(Default)]
pub(super) struct Overlaps {
    /// Those of the language that is being read.
    runs: HashMap<u64, usize>,
    /// Those of the languages before it.
    finished: HashMap<u64, usize>,
    places: Vec<Place>,
}

fn runs(text: &str) -> impl Iterator<Item = u64> {
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    (0..(words.len() + 1).saturating_sub(RUN)).map(move |n| xxh3_64(words[n..n + RUN].join(" ").as_bytes()))
}

impl Overlaps {
    /// Adds a text; a run of words that an earlier one has is a fault.
    pub(super) fn add(&mut self, text: &str, place: &Place, faults: &mut Faults) {
        let n = self.places.len();
        self.places.push(place.clone());
        let mut first = None;
        for run in runs(text) {
            let seen = *self.runs.entry(run).or_insert(n);
            if seen != n {
                first.get_or_insert(seen);
            }
        }
        if let Some(first) = first {
            faults.line(place, format!("{RUN} words in a row stand at {} too", self.places[first]));
        }
    }

    /// Ends a language: texts that are added later are not compared with those before. Code and formats are the same in all languages.
    pub(super) fn finish_language(&mut self) {
        self.finished.extend(self.runs.drain());
    }

    /// Compares a file that must share nothing with the phrasebook, line by line; a JSON object by its field `text`.
    pub(super) fn check(&self, path: &Path, faults: &mut Faults) -> Result<()> {
        let text = read_text(path, faults)?;
        for (line, n) in text.lines().zip(1..) {
            let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let text = match &value {
                Some(serde_json::Value::Object(fields)) => {
                    let Some(text) = fields.get("text").and_then(serde_json::Value::as_str) else {
                        faults.line(&Place::new(path, n), "no field \"text\" of text");
                        continue;
                    };
                    text
                }
                _ => line,
            };
            if let Some(first) = runs(text).find_map(|run| self.runs.get(&run).or_else(|| self.finished.get(&run))) {
                faults.line(&self.places[*first], format!("{RUN} words in a row stand at {} too", Place::new(path, n)));
            }
        }
        Ok(())
    }
}
