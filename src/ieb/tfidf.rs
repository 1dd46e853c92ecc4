//! A baseline without a model: TF-IDF.

use std::collections::{HashMap, HashSet};

use super::{TextEncoder, Vectors};
use crate::error::{Error, ErrorCode, Result};

/// Words at most; beyond, the rarest go.
const MAX_WORDS: usize = 4096;

/// TF-IDF over the words of a corpus, as scikit-learn weighs them: `tf · (ln((1 + n) / (1 + df)) + 1)`, rows at length 1. Words that
/// only one text of the corpus has are left out, since no two texts meet in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TfIdf;

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl TextEncoder for TfIdf {
    fn name(&self) -> &str {
        "tfidf"
    }

    fn encode(&self, corpus: &[&str], texts: &[&str]) -> Result<Vectors> {
        let mut frequencies: HashMap<String, usize> = HashMap::new();
        for text in corpus {
            for word in words(text).collect::<HashSet<_>>() {
                *frequencies.entry(word).or_default() += 1;
            }
        }
        let mut kept: Vec<(String, usize)> = frequencies.into_iter().filter(|(_, count)| *count > 1).collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kept.truncate(MAX_WORDS);
        if kept.is_empty() {
            return Err(Error::new(ErrorCode::Data, format!("{} texts have no word in common", corpus.len())));
        }
        let idf: Vec<f32> = kept.iter().map(|(_, df)| (((1 + corpus.len()) as f64 / (1 + df) as f64).ln() + 1.0) as f32).collect();
        let ids: HashMap<&str, usize> = kept.iter().enumerate().map(|(id, (word, _))| (word.as_str(), id)).collect();

        let mut data = vec![0.0; texts.len() * ids.len()];
        for (row, text) in data.chunks_exact_mut(ids.len()).zip(texts) {
            for word in words(text) {
                if let Some(&id) = ids.get(word.as_str()) {
                    row[id] += idf[id];
                }
            }
        }
        Ok(Vectors::new(data, idf.len())?.normalized())
    }
}
