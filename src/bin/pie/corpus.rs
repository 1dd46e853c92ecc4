//! Texts out of files of several shapes.

use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::Value;

/// The fields of an object that hold a text.
const FIELDS: [&str; 4] = ["instruction", "text", "instruction1", "instruction2"];

/// The texts of all files, in their order.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<String>> {
    Ok(read_each(paths)?.concat())
}

/// The texts of each file.
pub fn read_each(paths: &[PathBuf]) -> Result<Vec<Vec<String>>> {
    paths.iter().map(|path| read_corpus(path)).collect()
}

/// At most `n` of the texts, evenly spread.
pub fn spread(texts: &[String], n: usize) -> Vec<String> {
    let n = n.min(texts.len());
    (0..n).filter_map(|at| texts.get(at * texts.len() / n)).cloned().collect()
}

/// The texts of a file, blank ones left out: of `.json` the strings of a list, and in objects at any depth the fields
/// `instruction`, `text`, `instruction1`, `instruction2`; of `.jsonl` the same, a value a line; of any other file the lines.
fn read_corpus(path: &Path) -> Result<Vec<String>> {
    let file = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let faulty = |line: usize, e: serde_json::Error| {
        let place = if line == 0 { String::new() } else { format!("line {line}: ") };
        Error::new(ErrorCode::Data, format!("{}: {place}no JSON: {e}", path.display())).with_source(e)
    };
    let mut texts = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => collect(serde_json::from_str(&file).map_err(|e| faulty(0, e))?, true, &mut texts),
        Some("jsonl") => {
            for (n, line) in (1..).zip(file.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                collect(serde_json::from_str(line).map_err(|e| faulty(n, e))?, true, &mut texts);
            }
        }
        _ => texts.extend(file.lines().map(str::to_owned)),
    }
    texts.retain(|text| !text.trim().is_empty());
    if texts.is_empty() {
        return Err(Error::new(ErrorCode::Data, format!("{}: no text in it", path.display())));
    }
    Ok(texts)
}

/// `wanted`: whether strings here are texts.
fn collect(value: Value, wanted: bool, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if wanted => texts.push(text),
        Value::Array(values) => values.into_iter().for_each(|value| collect(value, wanted, texts)),
        Value::Object(fields) => fields.into_iter().for_each(|(name, value)| collect(value, FIELDS.contains(&name.as_str()), texts)),
        _ => {}
    }
}
