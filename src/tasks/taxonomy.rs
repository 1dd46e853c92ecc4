//! The taxonomy file beside a model: task labels with 8-bit prototypes, in the GGUF container that the model has too.
//!
//! Keys: `pie.model_sha256`, `pie.tasks.labels`, `pie.tasks.names`, `pie.tasks.aliases` (one string a label, its merged labels joined
//! by a space), `pie.tasks.temperature`, `pie.tasks.unknown`; tensor `tasks.prototypes` `[labels, hidden]`. Kinds have the same under `kinds`.

use std::fmt;
use std::str::FromStr;

use super::prototypes::{Calibration, Label, Prototypes, Tag};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, dequantize, keys};

/// Fine `verb|noun` tasks, or the coarse kinds of task that a router needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    #[default]
    Task,
    Kind,
}

impl Level {
    /// The group of keys and tensors in the file.
    const fn group(self) -> &'static str {
        match self {
            Self::Task => "tasks",
            Self::Kind => "kinds",
        }
    }

    pub(super) fn key(self, name: &str) -> String {
        format!("pie.{}.{name}", self.group())
    }

    pub(super) fn tensor(self) -> String {
        format!("{}.prototypes", self.group())
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "task" => Ok(Self::Task),
            "kind" => Ok(Self::Kind),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("level is {s:?}; it must be task or kind"))),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "task",
            Self::Kind => "kind",
        })
    }
}

/// The metadata key of the model's sha256, in hexadecimal.
pub(super) const MODEL_SHA256: &str = "pie.model_sha256";

/// The labels that a model can tag with.
pub struct Taxonomy {
    tasks: Prototypes,
    kinds: Option<Prototypes>,
}

impl Taxonomy {
    /// Reads a taxonomy file made for the model with this sha256 (hexadecimal) and hidden size.
    ///
    /// # Errors
    /// [`ErrorCode::TaxonomyFormat`] for bytes that are no taxonomy, [`ErrorCode::TaxonomyMismatch`] for another model's.
    pub fn from_bytes(bytes: &[u8], model_sha256: &str, hidden_size: usize) -> Result<Self> {
        let malformed = |e: Error| Error::new(ErrorCode::TaxonomyFormat, format!("taxonomy: {e}"));
        let gguf = Gguf::parse(bytes).map_err(malformed)?;
        let architecture = gguf.string(keys::GENERAL_ARCHITECTURE).map_err(malformed)?;
        if architecture != keys::TAXONOMY_ARCHITECTURE {
            let message = format!("taxonomy: architecture is {architecture:?}, not {:?}", keys::TAXONOMY_ARCHITECTURE);
            return Err(Error::new(ErrorCode::TaxonomyFormat, message));
        }
        let made_for = gguf.string(MODEL_SHA256).map_err(malformed)?;
        if made_for != model_sha256 {
            let message = format!("the taxonomy was made for the model with sha256 {made_for}, this one has {model_sha256}");
            return Err(Error::new(ErrorCode::TaxonomyMismatch, message));
        }
        let tasks = read_level(&gguf, Level::Task, hidden_size).map_err(malformed)?;
        let has_kinds = gguf.get(&Level::Kind.key("labels")).is_some();
        let kinds = if has_kinds { Some(read_level(&gguf, Level::Kind, hidden_size).map_err(malformed)?) } else { None };
        Ok(Self { tasks, kinds })
    }

    /// Whether texts can be tagged with their kind.
    pub const fn has_kinds(&self) -> bool {
        self.kinds.is_some()
    }

    /// The labels of a level.
    ///
    /// # Errors
    /// [`ErrorCode::LevelUnavailable`] when this taxonomy has none of that level.
    pub fn prototypes(&self, level: Level) -> Result<&Prototypes> {
        match level {
            Level::Task => Ok(&self.tasks),
            Level::Kind => {
                self.kinds.as_ref().ok_or_else(|| Error::new(ErrorCode::LevelUnavailable, "this model's taxonomy has tasks but no kinds"))
            }
        }
    }

    /// The most likely labels of a text's vector, as [`Prototypes::classify`] gives them.
    ///
    /// # Errors
    /// [`ErrorCode::LevelUnavailable`], or what [`Prototypes::classify`] says.
    pub fn classify(&self, vector: &[f32], level: Level, top_k: usize) -> Result<Vec<Tag>> {
        self.prototypes(level)?.classify(vector, top_k)
    }
}

fn read_level(gguf: &Gguf<'_>, level: Level, hidden_size: usize) -> Result<Prototypes> {
    let labels = gguf.strings(&level.key("labels"))?;
    let tensor = gguf.tensor(&level.tensor(), &[hidden_size, labels.len()])?;
    let mut vectors = vec![0.0; tensor.len()];
    dequantize(tensor.dtype, &tensor.data, &mut vectors);
    if vectors.iter().any(|x| !x.is_finite()) {
        return Err(Error::new(ErrorCode::ModelCorrupt, format!("{} is not finite", level.tensor())));
    }
    let calibration = Calibration { temperature: gguf.float(&level.key("temperature"))?, unknown: gguf.float(&level.key("unknown"))? };
    let names = gguf.strings(&level.key("names"))?;
    if names.len() != labels.len() {
        return Err(Error::new(ErrorCode::TaxonomyFormat, format!("{} names for {} labels", names.len(), labels.len())));
    }
    let labels = labels.iter().zip(names).map(|(&label, &name)| Label { label: label.to_owned(), name: name.to_owned() }).collect();
    Prototypes::new(labels, &vectors, hidden_size, calibration)
}
