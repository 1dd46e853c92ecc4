//! Vectors that were computed once, kept on disk: where a run stopped, by Ctrl-C, a kill or a full disk, the next one goes on.
//!
//! A file for each model and prompt: a line that says for which, then records of one length: the text's hash (XXH3, 16 bytes), the
//! vector, and a hash of both (8 bytes). Records are only appended, so none but the last can be half-written; that one is cut off.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use pie_embed_wasm::{Error, ErrorCode, Prompt, Result, sha256_hex};
use serde_json::json;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::output::say;

const HASH_BYTES: usize = 16;
const CHECK_BYTES: usize = 8;

#[derive(clap::Args)]
pub struct CacheArgs {
    /// The folder in which vectors are kept for the next run [default: `pie` in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Keep no vectors and use none that were kept
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

/// What tells texts apart.
pub fn text_hash(text: &str) -> u128 {
    xxh3_128(text.as_bytes())
}

/// The vectors of one model and prompt.
pub struct Cache {
    path: PathBuf,
    file: File,
    dimensions: usize,
    /// Where the next record begins; all before it is sound.
    end: u64,
}

impl CacheArgs {
    /// Opens the cache of a model on a device and a prompt; none where none is wanted, or there is no place for one.
    pub fn open(&self, model_sha256: &str, device: &str, prompt: &Prompt, dimensions: usize) -> Result<Option<Cache>> {
        if self.no_cache {
            return Ok(None);
        }
        let usual = || etcetera::choose_base_strategy().ok().map(|places| places.cache_dir().join("pie"));
        let Some(dir) = self.cache.clone().or_else(usual) else { return Ok(None) };
        // The program's version and the device too: another one may round otherwise.
        let header = json!({
            "pie_vectors": env!("CARGO_PKG_VERSION"),
            "model_sha256": model_sha256,
            "device": device,
            "prompt": prompt.to_string(),
            "dimensions": dimensions,
        });
        let header = format!("{header}\n");
        let path = dir.join(format!("{}.vectors", &sha256_hex(header.as_bytes())[..32]));
        match Cache::open(&path, header.as_bytes(), dimensions) {
            Ok(cache) => Ok(Some(cache)),
            // A folder that was not asked for is no reason to fail.
            Err(e) if self.cache.is_none() && e.code() == ErrorCode::Io => {
                say(&format!("note: vectors are not kept: {e}"));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

impl Cache {
    fn open(path: &Path, header: &[u8], dimensions: usize) -> Result<Self> {
        let io = |e| Error::io(path, e);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(io)?;
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorCode::Io, format!("{}: another pie writes to it", path.display())));
            }
            Err(TryLockError::Error(e)) => return Err(io(e)),
        }
        let mut start = Vec::new();
        BufReader::new(&file).take(header.len() as u64).read_until(b'\n', &mut start).map_err(io)?;
        if start.len() < header.len() && header.starts_with(&start) {
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(header)).map_err(io)?;
        } else if start != header {
            let message = format!("{} is no cache of this model and prompt: remove it, or name another folder by --cache", path.display());
            return Err(Error::new(ErrorCode::Data, message));
        }
        Ok(Self { path: path.to_owned(), file, dimensions, end: header.len() as u64 })
    }

    /// Calls `found` with each vector that is kept of these texts, and cuts off what is no whole record.
    pub fn read(&mut self, wanted: &HashMap<u128, usize>, mut found: impl FnMut(usize, &[f32])) -> Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.end)).map_err(|e| Error::io(&self.path, e))?;
        let length = file.metadata().map_err(|e| Error::io(&self.path, e))?.len();
        let vector_end = HASH_BYTES + self.dimensions * size_of::<f32>();
        let mut record = vec![0; vector_end + CHECK_BYTES];
        let mut vector = vec![0.0; self.dimensions];
        let mut reader = BufReader::with_capacity(1 << 20, file);
        while self.end + record.len() as u64 <= length {
            reader.read_exact(&mut record).map_err(|e| Error::io(&self.path, e))?;
            let (content, check) = record.split_at(vector_end);
            if xxh3_64(content).to_le_bytes() != check {
                break;
            }
            self.end += record.len() as u64;
            let (hash, bytes) = content.split_at(HASH_BYTES);
            let hash = hash.try_into().map_or(0, u128::from_le_bytes);
            if let Some(&text) = wanted.get(&hash) {
                let numbers = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                vector.iter_mut().zip(numbers).for_each(|(x, number)| *x = number);
                found(text, &vector);
            }
        }
        if self.end < length {
            say(&format!("note: {}: the last {} bytes are no whole vectors and are left out", self.path.display(), length - self.end));
            self.file.set_len(self.end).map_err(|e| Error::io(&self.path, e))?;
        }
        Ok(())
    }

    /// Keeps vectors, `[texts, dimensions]`.
    pub fn append(&mut self, hashes: impl Iterator<Item = u128>, vectors: &[f32]) -> Result<()> {
        let mut bytes = Vec::new();
        for (hash, vector) in hashes.zip(vectors.chunks_exact(self.dimensions)) {
            let start = bytes.len();
            bytes.extend_from_slice(&hash.to_le_bytes());
            vector.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            let check = xxh3_64(&bytes[start..]);
            bytes.extend_from_slice(&check.to_le_bytes());
        }
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&bytes));
        if let Err(e) = written {
            // The disk may be full: what others need of it is given back. The record is cut off later where that fails.
            let _ = self.file.set_len(self.end);
            return Err(Error::io(&self.path, e));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
