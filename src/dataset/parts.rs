//! The files of a data set: one, or the parts of what engines write into a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorCode, Result};

use super::{Format, Meter, data};

/// Files about a data set of Hugging Face.
const BESIDE: [&str; 2] = ["dataset_info.json", "state.json"];

/// The files of a data set, in their order.
pub struct Parts {
    files: Vec<PathBuf>,
    /// Whether they are those of a folder.
    pub in_folder: bool,
    /// What they have together, where they are regular files.
    pub bytes: Option<u64>,
}

impl Parts {
    /// # Errors
    /// Where a path cannot be read, or a folder is no data set.
    pub fn of(path: &Path) -> Result<Self> {
        let files = parts(path)?;
        let mut bytes = Some(0);
        for file in &files {
            let metadata = fs::metadata(file).map_err(|e| Error::io(file, e))?;
            bytes = bytes.filter(|_| metadata.is_file()).map(|bytes| bytes + metadata.len());
        }
        Ok(Self { files, in_folder: path.is_dir(), bytes })
    }

    /// # Errors
    /// Where the names say that files are of two kinds.
    pub(super) fn check(&self, format: Format) -> Result<()> {
        let kind = |file: &PathBuf| Format::by_name(file);
        match self.files.iter().find(|file| format == Format::Auto && kind(file) != kind(&self.files[0])) {
            None => Ok(()),
            Some(other) => {
                let folder = other.parent().unwrap_or(Path::new(".")).display();
                Err(data(format!("the folder {folder} holds files of two kinds: {} and {}", part_name(&self.files[0]), part_name(other))))
            }
        }
    }

    /// The first file, and those after it.
    pub(super) fn rest(self, meter: &Meter) -> (PathBuf, Rest) {
        let mut files = self.files.into_iter();
        (files.next().unwrap_or_default(), Rest(Some((files, meter.clone()))))
    }
}

/// Files that are still to be read.
#[derive(Default)]
pub struct Rest(Option<(std::vec::IntoIter<PathBuf>, Meter)>);

impl Rest {
    pub fn next(&mut self) -> Option<(PathBuf, Meter)> {
        let (files, meter) = self.0.as_mut()?;
        Some((files.next()?, meter.clone()))
    }
}

/// A file's name, for messages.
pub fn part_name(part: &Path) -> Arc<str> {
    part.file_name().unwrap_or_default().to_string_lossy().into()
}

/// The files that hold a path's rows: the path itself, or the parts of a folder by name. Passed over are hidden files, those that begin
/// with `_` (`_SUCCESS`), checksums (`.crc`), what `save_to_disk` of Hugging Face writes beside the rows, and parts without a byte.
pub fn parts(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| Error::io(path, e);
    if !fs::metadata(path).map_err(io)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |what: String| Error::new(ErrorCode::Data, format!("the folder {} {what}", path.display()));
    let mut parts = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let part = entry.map_err(io)?.path();
        let name = part.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(['.', '_']) || name.ends_with(".crc") || BESIDE.contains(&name.as_ref()) {
            continue;
        }
        let metadata = fs::metadata(&part).map_err(|e| Error::io(&part, e))?;
        if metadata.is_dir() {
            return Err(wrong(format!("holds another, {name}: the parts of a data set must be files")));
        }
        if metadata.len() > 0 {
            parts.push(part);
        }
    }
    parts.sort();
    if parts.is_empty() { Err(wrong("holds no part of a data set".to_owned())) } else { Ok(parts) }
}
