//! What stands around an instruction in a real prompt.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Augmentation;
use crate::prompt::SLOT;

/// A polite sentence around the instruction.
pub struct Wrap {
    pub templates: Vec<String>,
}

impl Augmentation for Wrap {
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let template = &self.templates[rng.random_range(0..self.templates.len())];
        // In the middle of a sentence the first letter is small, unless the word is an acronym.
        let mut letters = text.chars();
        let inner = match (letters.next(), letters.next()) {
            (Some(first), Some(second)) if !template.starts_with(SLOT) && second.is_lowercase() => {
                first.to_lowercase().chain(std::iter::once(second)).chain(letters).collect()
            }
            _ => text.to_owned(),
        };
        // A template that goes on after the slot ends the sentence itself.
        let inner = if template.ends_with(SLOT) { &inner } else { inner.trim_end_matches(['.', '!']) };
        template.replacen(SLOT, inner, 1)
    }
}

/// From 20 words of a document to all of it.
fn excerpt(documents: &[String], rng: &mut ChaCha8Rng) -> String {
    let words: Vec<&str> = documents[rng.random_range(0..documents.len())].split_whitespace().collect();
    let count = rng.random_range(words.len().min(20)..=words.len());
    let from = rng.random_range(0..=words.len() - count);
    words[from..from + count].join(" ")
}

/// A document pasted behind the instruction.
pub struct Behind {
    pub documents: Vec<String>,
}

impl Augmentation for Behind {
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let between = ["\n\n", "\n", " ", ": ", "\n---\n"][rng.random_range(0..5)];
        format!("{text}{between}{}", excerpt(&self.documents, rng))
    }
}

/// Context before the instruction.
pub struct Before {
    pub documents: Vec<String>,
}

impl Augmentation for Before {
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let between = ["\n\n", "\n", " ", ". "][rng.random_range(0..4)];
        format!("{}{between}{text}", excerpt(&self.documents, rng))
    }
}
