//! Files until they are whole: `.pie-*.tmp` beside their place, each locked by the process that writes it. An interrupt removes those of
//! this process; what a kill leaves is locked by nobody, and is removed by the next run that writes into the folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pie_embed_wasm::Result;
use tempfile::NamedTempFile;

use crate::output::say;
use crate::signal;

const PREFIX: &str = ".pie-";
const SUFFIX: &str = ".tmp";

/// The files being written. The interrupt handler removes those that still have this name.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// On Ctrl-C or a termination signal: removes the unfinished files and ends, also while a read from stdin waits.
pub fn remove_on_interrupt() -> Result<()> {
    let handler = || {
        let mut files = 0_usize;
        if let Ok(unfinished) = UNFINISHED.lock() {
            // A file that has its name by now is not found, and stays.
            files = unfinished.iter().filter(|path| fs::remove_file(path).is_ok()).count();
        }
        match files {
            0 => say("pie: interrupted"),
            _ => say(&format!("pie: interrupted; {files} unfinished files are removed")),
        }
        std::process::exit(signal::exit_status().into());
    };
    signal::on_termination(handler)
}

/// A new file in the folder.
pub fn create_in(dir: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(dir);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What any new file gets; the process's umask takes its share.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    loop {
        // Held until the file is in the list, so that an interrupt in between waits and then removes it.
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        let file = builder.tempfile_in(dir)?;
        // Until it is locked, another process may take it for abandoned. A file system that cannot lock has none removed.
        let locked = file.as_file().lock();
        if locked.is_ok() && !file.path().exists() {
            continue;
        }
        unfinished.push(file.path().to_owned());
        return Ok(file);
    }
}

/// Removes files that no process writes any more. Best effort: the folder may belong to others.
fn remove_abandoned(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let metadata = if name.starts_with(PREFIX) && name.ends_with(SUFFIX) { fs::symlink_metadata(&path) } else { continue };
        let Ok(metadata) = metadata else { continue };
        // Opened to be written: a lock that is for this process alone may ask for that.
        let file = if metadata.is_file() { File::options().write(true).open(&path) } else { continue };
        if let Ok(file) = file
            && file.try_lock().is_ok()
            && fs::remove_file(&path).is_ok()
        {
            say(&format!("note: removed {}, {} bytes that a run that was killed left", path.display(), metadata.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_writes_goes() {
        let dir = tempfile::tempdir().unwrap();
        let ours = create_in(dir.path()).unwrap();
        for name in [".pie-left.tmp", ".pie-kept", "pie-kept.tmp"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(".pie-folder.tmp")).unwrap();
        let other = create_in(dir.path()).unwrap();
        let mut names: Vec<String> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| ![&ours, &other].iter().any(|file| file.path().ends_with(name)));
        names.sort();
        assert_eq!(names, [".pie-folder.tmp", ".pie-kept", "pie-kept.tmp"]);
        assert!(ours.path().exists() && other.path().exists());
    }
}
