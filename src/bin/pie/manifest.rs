//! `models/manifest.json`: which models there are, and what each is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const VERSION: u64 = 1;

/// The list of models. What this version does not know is kept as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u64,
    /// The name of the model that is meant when none is named.
    #[serde(default)]
    pub default: String,
    pub models: Vec<Entry>,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// One model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    /// Beside the manifest.
    pub file: String,
    pub sha256: String,
    pub bytes: usize,
    #[serde(default)]
    pub license: String,
    #[serde(default)]
    pub base: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    #[serde(default)]
    pub dtype: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taxonomy: Option<Attached>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Value>,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A file that goes with a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attached {
    pub file: String,
    pub sha256: String,
    pub bytes: usize,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Manifest {
    /// Reads a manifest; an empty one where there is no such file yet.
    pub fn load_or_new(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self { version: VERSION, default: String::new(), models: Vec::new(), other: BTreeMap::new() });
        }
        Self::load(path)
    }

    /// Reads a manifest.
    pub fn load(path: &Path) -> Result<Self> {
        let manifest: Self = serde_json::from_str(&fs::read_to_string(path).map_err(|e| Error::io(path, e))?)
            .map_err(|e| Error::new(ErrorCode::Data, format!("{}: no model manifest: {e}", path.display())).with_source(e))?;
        if manifest.version != VERSION {
            let message = format!("{}: version {}; this is version {VERSION}", path.display(), manifest.version);
            return Err(Error::new(ErrorCode::Data, message));
        }
        Ok(manifest)
    }

    /// Puts `entry` in the place of the model of its name, or at the end; it becomes the default when there is none, or when asked.
    pub fn merge(&mut self, entry: Entry, make_default: bool) {
        if make_default || self.default.is_empty() {
            self.default.clone_from(&entry.name);
        }
        match self.models.iter_mut().find(|model| model.name == entry.name) {
            Some(model) => {
                // Fields that this version does not know stay. Taxonomy and figures belong to the weights that they were made with,
                // so those of another file go.
                let Entry { sha256, taxonomy, figures, other, .. } = std::mem::replace(model, entry);
                if sha256 == model.sha256 {
                    model.taxonomy = model.taxonomy.take().or(taxonomy);
                    model.figures = model.figures.take().or(figures);
                }
                model.other = other;
            }
            None => self.models.push(entry),
        }
    }
}

/// Indented JSON with a line end.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| Error::new(ErrorCode::Internal, format!("writing JSON: {e}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}
