//! The parts of what engines write into a folder.

use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::{Error, ErrorCode, Result};

/// The files that hold a path's rows: the path itself, or the parts of a folder by name. Passed over are hidden files, those that begin
/// with `_` (`_SUCCESS`), checksums (`.crc`), and parts without a byte.
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
        if name.starts_with(['.', '_']) || name.ends_with(".crc") {
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
