//! Reading the files of a phrasebook: numbered lines, and faults that are collected before anything is refused.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode, Result};

/// Faulty lines that an error names; the rest is counted.
const NAMED: usize = 5;

/// Faults found so far, each with its file and line.
#[derive(Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    /// Notes a fault of a whole file.
    pub(super) fn file(&mut self, path: &Path, what: impl std::fmt::Display) {
        self.0.push(format!("{}: {what}", path.display()));
    }

    /// Notes a fault of one line.
    pub(super) fn line(&mut self, place: &Place, what: impl std::fmt::Display) {
        self.0.push(format!("{place}: {what}"));
    }

    /// # Errors
    /// [`ErrorCode::Data`] if there were faults; it names the first of them and counts the rest.
    pub(super) fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let named = self.0.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
        let more = if self.0.len() > NAMED { format!("; and {} more faults", self.0.len() - NAMED) } else { String::new() };
        Err(Error::new(ErrorCode::Data, named + &more))
    }
}

/// A line of a file, as messages name it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// 1-based.
    line: usize,
}

impl Place {
    pub(super) fn new(path: &Path, line: usize) -> Self {
        Self { path: path.to_owned(), line }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, line {}", self.path.display(), self.line)
    }
}

/// The `*.txt` of a folder in the order of their names; none if the folder does not exist.
pub(super) fn text_files(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "txt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The name of a file without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The text of a file. Bytes that are not UTF-8 are a fault with their line, and the file counts as empty.
pub(super) fn read_text(path: &Path, faults: &mut Faults) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
        faults.line(&Place::new(path, line), format!("not UTF-8 from byte {at} of the file on"));
        String::new()
    }))
}

/// The lines of a file that are not blank, trimmed, with their places.
pub(super) fn numbered_lines(path: &Path, faults: &mut Faults) -> Result<Vec<(Place, String)>> {
    let text = read_text(path, faults)?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
    Ok(lines.filter(|(line, _)| !line.is_empty()).map(|(line, n)| (Place::new(path, n), line.to_owned())).collect())
}

/// Texts that must differ, each with the place where it was first seen.
#[derive(Default)]
pub(super) struct Unique(HashMap<String, Place>);

impl Unique {
    /// Notes a fault if the text, apart from case and white space, was seen before.
    pub(super) fn check(&mut self, text: &str, what: &str, place: &Place, faults: &mut Faults) {
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        match self.0.entry(folded) {
            std::collections::hash_map::Entry::Occupied(first) => {
                faults.line(place, format!("the {what} stands at {} already", first.get()))
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(place.clone());
            }
        }
    }
}
