//! Files that are there whole or not at all, and stdout.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::descriptor::stdout_was_closed;
use crate::unfinished;

/// Makes a write beyond the shell's limit of file sizes (`ulimit -f`) an error like that of a full disk, where a signal would end the
/// program.
pub fn outlive_file_size_limit() -> Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default())
        .map_err(|e| Error::new(ErrorCode::Internal, format!("signal handler: {e}")).with_source(e))?;
    Ok(())
}

/// A file written beside its place, and moved there by [`AtomicFile::persist`].
pub struct AtomicFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl AtomicFile {
    pub fn create(path: &Path) -> Result<Self> {
        // What a link points to is replaced, not the link; a pipe or a device is nobody's to replace.
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            let what = if path.is_dir() { "a folder" } else { "no regular file" };
            return Err(Error::new(ErrorCode::Io, format!("{} is {what}", path.display())));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = unfinished::create_in(dir).map_err(|e| Error::io(path, e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), path: path.to_owned() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io(&self.path, e))
    }

    /// Overwrites the first bytes.
    pub fn rewrite_start(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(bytes)).map_err(|e| Error::io(&self.path, e))
    }

    /// Waits until all that was written is on the disk.
    fn sync(&mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().as_file().sync_all()).map_err(|e| Error::io(&self.path, e))
    }

    /// Moves the finished file to its place.
    pub fn persist(mut self) -> Result<()> {
        self.sync()?;
        let Self { file, path } = self;
        let file = file.into_inner().map_err(|e| Error::io(&path, e.into_error()))?;
        file.persist(&path).map_err(|e| Error::io(&path, e.error))?;
        Ok(())
    }
}

/// An error when one of these files is there already and must not be replaced.
pub fn refuse_existing<'a>(paths: impl IntoIterator<Item = &'a PathBuf>, force: bool) -> Result<()> {
    match paths.into_iter().find(|path| !force && path.exists()) {
        Some(path) => Err(Error::new(ErrorCode::InvalidArgument, format!("{} exists: --force replaces it", path.display()))),
        None => Ok(()),
    }
}

/// An error when a folder to write is there already.
pub fn refuse_existing_folder(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(Error::new(ErrorCode::InvalidArgument, format!("{} is there already; name another folder", path.display()))),
        false => Ok(()),
    }
}

/// Writes a whole file.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.persist()
}

/// Writes several files: all of them are on the disk before the first gets its name.
pub fn write_files(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let mut ready = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let mut file = AtomicFile::create(path)?;
        file.write(bytes)?;
        file.sync()?;
        ready.push(file);
    }
    ready.into_iter().try_for_each(AtomicFile::persist)
}

/// A row as a line of JSON.
pub fn json_line(row: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(row).map_err(|e| Error::new(ErrorCode::Internal, format!("writing JSON: {e}")))?;
    line.push(b'\n');
    Ok(line)
}

/// A file, or stdout.
pub enum Output {
    File(AtomicFile),
    Stdout(Stdout),
}

impl Output {
    /// Stdout is `-`.
    pub fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" { Stdout::lock().map(Self::Stdout) } else { AtomicFile::create(path).map(Self::File) }
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    /// Overwrites the first bytes of a file.
    pub fn rewrite_start(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => file.rewrite_start(bytes),
            Self::Stdout(_) => Err(Error::new(ErrorCode::Internal, "stdout cannot be rewritten")),
        }
    }

    /// What was written so far reaches a reader of stdout.
    pub fn flush(&mut self) -> Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }

    /// The file is at its place.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::File(file) => file.persist(),
            Self::Stdout(mut stdout) => stdout.flush(),
        }
    }
}

/// A line on stderr. Nobody may be listening there; that stops nothing.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(line));
}

/// Text on stdout, whole, for a command that has no more to print; of JSON it stays the JSON that it was.
pub fn print(text: impl AsRef<str>) -> Result<()> {
    let mut stdout = Stdout::lock()?;
    stdout.write(visible(text.as_ref()).as_bytes())?;
    stdout.flush()
}

/// The text with control characters written as `\u001b`, but line ends and tabs: what a file says of itself must not move the cursor,
/// or have the terminal do anything else.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(hidden) {
        return text.into();
    }
    text.chars()
        .fold(String::with_capacity(text.len()), |text, c| {
            if hidden(c) { text + &format!("\\u{:04x}", c as u32) } else { text + c.encode_utf8(&mut [0; 4]) }
        })
        .into()
}

/// Stdout, for all that is written there: a reader that went away ends the program without a word, another failure with an error.
pub struct Stdout(BufWriter<io::StdoutLock<'static>>);

impl Stdout {
    /// An error where the program was started without one.
    pub fn lock() -> Result<Self> {
        if stdout_was_closed() {
            return Err(Error::new(ErrorCode::Io, "stdout is closed: give it a file or /dev/null, or name a file by --output"));
        }
        Ok(Self(BufWriter::new(io::stdout().lock())))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(stdout_error)
    }

    pub fn line(&mut self, line: impl Display) -> Result<()> {
        writeln!(self.0, "{line}").map_err(stdout_error)
    }

    pub fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(stdout_error)
    }
}

fn stdout_error(e: io::Error) -> Error {
    Error::io("stdout", e)
}

/// Whether the reader of stdout went away.
pub fn is_broken_pipe(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    source.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
