//! Seeded changes to an instruction that leave its task as it is, so that real prompts do not hide it.

mod noise;
mod surroundings;

use std::fs;
use std::path::Path;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorCode, Result};
use crate::prompt::SLOT;

pub use noise::{Sloppy, Typos};
pub use surroundings::{Before, Behind, Wrap};

/// One change.
pub trait Augmentation: Send + Sync {
    /// The changed text.
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String;
}

/// How often each change is made, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probabilities {
    /// Case and punctuation dropped.
    pub sloppy: f64,
    /// Slips of the keyboard.
    pub typos: f64,
    /// A polite sentence around it.
    pub wrap: f64,
    /// A document pasted behind it.
    pub behind: f64,
    /// Context before it.
    pub before: f64,
}

impl Probabilities {
    /// Whether nothing is ever changed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What is put around instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// Sentences with one `{instruction}`.
    pub wrappers: Vec<String>,
    /// Texts to paste behind an instruction or to set before it.
    pub documents: Vec<String>,
}

impl Default for Material {
    /// 90 sentences and 150 documents.
    fn default() -> Self {
        Self { wrappers: lines(include_str!("wrappers.txt")), documents: paragraphs(include_str!("documents.txt")) }
    }
}

impl Material {
    /// Reads `wrappers.txt` (one a line, with one `{instruction}`) and `documents.txt` (paragraphs between blank lines) of a folder;
    /// the built-in ones stand in for a file that is not there.
    ///
    /// # Errors
    /// [`ErrorCode::Io`], or [`ErrorCode::Data`] for a line without a slot and for a folder with neither file.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut material = Self::default();
        let (wrappers, documents) = (dir.join("wrappers.txt"), dir.join("documents.txt"));
        let read = |path: &Path| fs::read_to_string(path).map_err(|e| Error::io(path, e));
        if !wrappers.exists() && !documents.exists() {
            return Err(Error::new(ErrorCode::Data, format!("{}: neither wrappers.txt nor documents.txt is there", dir.display())));
        }
        if wrappers.exists() {
            material.wrappers = lines(&read(&wrappers)?);
            if let Some(line) = material.wrappers.iter().find(|line| line.matches(SLOT).count() != 1) {
                return Err(Error::new(ErrorCode::Data, format!("{}: {line:?} has not one {SLOT}", wrappers.display())));
            }
        }
        if documents.exists() {
            material.documents = paragraphs(&read(&documents)?);
        }
        for (path, empty) in [(&wrappers, material.wrappers.is_empty()), (&documents, material.documents.is_empty())] {
            if empty {
                return Err(Error::new(ErrorCode::Data, format!("{}: nothing in it", path.display())));
            }
        }
        Ok(material)
    }

    /// A checksum of what is in it, hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for text in self.wrappers.iter().chain(&self.documents) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn paragraphs(text: &str) -> Vec<String> {
    text.replace("\r\n", "\n").split("\n\n").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// All changes in the order in which a text undergoes them: its letters first, its surroundings last.
pub struct Augmenter {
    steps: Vec<(f64, Box<dyn Augmentation>)>,
}

impl Augmenter {
    /// From what to put around texts, and how often.
    pub fn new(material: &Material, probabilities: Probabilities) -> Self {
        let Probabilities { sloppy, typos, wrap, behind, before } = probabilities;
        let documents = &material.documents;
        let steps: [(f64, Box<dyn Augmentation>); 5] = [
            (typos, Box::new(Typos)),
            (wrap, Box::new(Wrap { templates: material.wrappers.clone() })),
            (sloppy, Box::new(Sloppy)),
            (behind, Box::new(Behind { documents: documents.clone() })),
            (before, Box::new(Before { documents: documents.clone() })),
        ];
        Self { steps: steps.into_iter().filter(|(probability, _)| *probability > 0.0).collect() }
    }

    /// The text after the changes that the dice chose.
    pub fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let mut text = text.to_owned();
        for (probability, step) in &self.steps {
            if rng.random::<f64>() < *probability {
                text = step.apply(&text, rng);
            }
        }
        text
    }
}
