//! What a run resumes from: weights, moments and averages in one safetensors file, with the step, the settings and the checksums of
//! the inputs in its metadata, and the sha256 of the file itself. The file is written beside and then renamed, so that there is always a
//! whole one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{Tensor, Var};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::encoder::numbers;
use super::optimiser::{Optimiser, Slot};
use super::settings::Settings;
use crate::checkpoint::{UNSUMMED, Weight, checksum_place, write_tensors};
use crate::digest::sha256_hex_of;
use crate::error::{Error, ErrorCode, Result};

/// The file's name in the run folder.
pub const FILE: &str = "checkpoint.safetensors";
/// What it is called until it is whole.
pub const BESIDE: &str = "checkpoint.safetensors.tmp";
/// Files of version 1 have no checksum.
const VERSION: u32 = 2;

/// What a run's weights are a function of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    pub settings: Settings,
    pub inputs: Inputs,
}

/// Checksums of what a run reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The base's weights.
    pub base: String,
    /// Each source's file and its weight.
    pub data: Vec<(String, f64)>,
    pub augmentation: Option<String>,
    pub teacher: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// Steps that were taken.
    step: u64,
    #[serde(flatten)]
    identity: Identity,
}

/// A slot's tensors with the names that they have in the file.
fn tensors(slot: &Slot) -> impl Iterator<Item = (String, &Var)> {
    let all = [
        ("weight", Some(&slot.weight)),
        ("m", Some(&slot.first_moment)),
        ("v", Some(&slot.second_moment)),
        ("average", slot.average.as_ref()),
    ];
    all.into_iter().filter_map(|(kind, var)| Some((format!("{kind}.{}", slot.name), var?)))
}

/// Writes the state after `step` steps.
///
/// # Errors
/// [`ErrorCode::Io`]; the checkpoint before it stays.
pub fn save(dir: &Path, optimiser: &Optimiser, step: u64, identity: &Identity) -> Result<()> {
    let mut all = BTreeMap::new();
    for (name, var) in optimiser.slots.iter().flat_map(tensors) {
        all.insert(name, Weight { shape: var.dims().to_vec(), values: numbers(var)? });
    }
    let header = Header { version: VERSION, step, identity: identity.clone() };
    let header = serde_json::to_string(&header).map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
    let (path, beside) = (dir.join(FILE), dir.join(BESIDE));
    write_tensors(&beside, &all, Some(header))?;
    fs::rename(&beside, &path).map_err(|e| Error::io(&path, e))
}

/// Puts a checkpoint's state into the optimiser's variables and gives the number of steps taken.
///
/// # Errors
/// [`ErrorCode::Io`], [`ErrorCode::ModelFormat`] for a file that is no checkpoint, [`ErrorCode::ModelCorrupt`] for one whose checksum
/// differs, [`ErrorCode::InvalidArgument`] naming the settings or inputs that are not those of the checkpoint.
pub fn restore(dir: &Path, optimiser: &Optimiser, identity: &Identity) -> Result<u64> {
    let path = dir.join(FILE);
    let bytes = fs::read(&path).map_err(|e| Error::io(&path, e).context("nothing to resume from"))?;
    let malformed = |what: String| Error::new(ErrorCode::ModelFormat, format!("{}: {what}", path.display()));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| malformed(e.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|m| m.get("pie")).ok_or_else(|| malformed("no checkpoint of a run".to_owned()))?;
    let stored: Value = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
    if stored["version"] != VERSION {
        return Err(malformed(format!("version {}; this is version {VERSION}: start the run anew with --force", stored["version"])));
    }
    check_sum(&path, &bytes)?;
    check_identity(&path, &stored, identity)?;
    let header: Header = serde_json::from_value(stored).map_err(|e| malformed(e.to_string()))?;

    let file = SafeTensors::deserialize(&bytes).map_err(|e| malformed(e.to_string()))?;
    for (name, var) in optimiser.slots.iter().flat_map(tensors) {
        let view = file.tensor(&name).map_err(|e| malformed(format!("{name}: {e}")))?;
        if view.shape() != var.dims() {
            return Err(malformed(format!("{name} has shape {:?}; the model's is {:?}", view.shape(), var.dims())));
        }
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
    }
    Ok(header.step)
}

/// An error unless the file has the checksum that it says. Without it a flipped bit would be trained on, and nobody would know.
fn check_sum(path: &Path, bytes: &[u8]) -> Result<()> {
    let corrupt = |what: String| {
        let message = format!("{}: {what}; put back a copy of it, or start the run anew with --force", path.display());
        Error::new(ErrorCode::ModelCorrupt, message)
    };
    let place = checksum_place(bytes).ok_or_else(|| corrupt("it has no checksum".to_owned()))?;
    let computed = sha256_hex_of([&bytes[..place.start], UNSUMMED.as_bytes(), &bytes[place.end..]]);
    let stored = &bytes[place];
    if computed.as_bytes() == stored {
        return Ok(());
    }
    let stored = String::from_utf8_lossy(stored);
    Err(corrupt(format!("its sha256 is {computed}, the file says {stored:?}: {} bytes, some of them altered", bytes.len())))
}

/// Compares field by field, so that the error can name what differs.
fn check_identity(path: &Path, stored: &Value, identity: &Identity) -> Result<()> {
    // By way of text, as the stored one: reading a number may change its last bit.
    let text = serde_json::to_string(identity).and_then(|text| serde_json::from_str::<Value>(&text));
    let now = text.map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
    let mut differences = Vec::new();
    for part in ["settings", "inputs"] {
        compare(part, &stored[part], &now[part], &mut differences);
    }
    if differences.is_empty() {
        return Ok(());
    }
    let message = format!("{} was made by another run: {}", path.display(), differences.join("; "));
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

fn compare(name: &str, stored: &Value, now: &Value, differences: &mut Vec<String>) {
    match (stored, now) {
        (Value::Object(stored), Value::Object(now)) => {
            let keys: std::collections::BTreeSet<&String> = stored.keys().chain(now.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&format!("{name}.{key}"), &of(stored), &of(now), differences);
            }
        }
        _ if stored != now => differences.push(format!("{name} was {stored}, is {now}")),
        _ => {}
    }
}
