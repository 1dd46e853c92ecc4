//! Vectors that were computed once, kept on disk: where a run stopped, by Ctrl-C, a kill or a full disk, the next one goes on.
//!
//! A file for each model and prompt: a line that says for which, then records of one length: the text's hash (XXH3, 16 bytes), the
//! vector, whether the text was truncated (1 byte), and a hash of these (8 bytes). Records are only appended, so none but the last can
//! be half-written; that one is cut off.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use pie_embed_wasm::{EmbedOptions, Embeddings, Error, ErrorCode, Result, sha256_hex};
use serde_json::json;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::model::Model;
use crate::output::say;

/// Told apart by the name of the file, so that one of another format is left as it is.
const FORMAT: u32 = 2;
const HASH_BYTES: usize = 16;
const CHECK_BYTES: usize = 8;

#[derive(clap::Args)]
pub struct CacheArgs {
    /// The folder in which vectors are kept: what Ctrl-C or a kill interrupts goes on there when it is run again [default: `pie` in the
    /// user's cache folder, but not of stdin]
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
    /// Where the record of each text begins.
    places: HashMap<u128, u64>,
    /// Where the next record begins; all before it is sound.
    end: u64,
}

impl CacheArgs {
    /// Opens the cache of a model and these options; none where none is wanted, or there is no place for one. `keep` says whether one is
    /// wanted where no folder is named.
    pub fn open(&self, model: &Model, options: &EmbedOptions, dimensions: usize, keep: bool) -> Result<Option<Cache>> {
        if self.no_cache {
            return Ok(None);
        }
        let usual = || etcetera::choose_base_strategy().ok().filter(|_| keep).map(|places| places.cache_dir().join("pie"));
        let Some(dir) = self.cache.clone().or_else(usual) else { return Ok(None) };
        // The program's version and the device too: another one may round otherwise.
        let header = json!({
            "pie_vectors": env!("CARGO_PKG_VERSION"),
            "format": FORMAT,
            "model_sha256": model.sha256,
            "device": model.embedder.device(),
            "prompt": model.prompt(options.prompt.as_ref()).to_string(),
            "max_tokens": options.max_tokens,
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
        let mut cache = Self { path: path.to_owned(), file, dimensions, places: HashMap::new(), end: header.len() as u64 };
        cache.index().map_err(io)?;
        Ok(cache)
    }

    const fn record_bytes(&self) -> usize {
        HASH_BYTES + self.dimensions * size_of::<f32>() + 1 + CHECK_BYTES
    }

    /// Finds the records, and cuts off what is no whole one.
    fn index(&mut self) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.end))?;
        let length = file.metadata()?.len();
        let mut record = vec![0; self.record_bytes()];
        let mut reader = BufReader::with_capacity(1 << 20, file);
        while self.end + record.len() as u64 <= length {
            reader.read_exact(&mut record)?;
            let (content, check) = record.split_at(record.len() - CHECK_BYTES);
            if xxh3_64(content).to_le_bytes() != check {
                break;
            }
            if let Some(hash) = content.first_chunk() {
                self.places.insert(u128::from_le_bytes(*hash), self.end);
            }
            self.end += record.len() as u64;
        }
        if self.end < length {
            say(&format!("note: {}: the last {} bytes are no whole vectors and are left out", self.path.display(), length - self.end));
            self.file.set_len(self.end)?;
        }
        Ok(())
    }

    pub fn contains(&self, hash: u128) -> bool {
        self.places.contains_key(&hash)
    }

    /// Reads the vector of a text into `vector`, and whether the text was truncated; none where it is not kept.
    pub fn get(&mut self, hash: u128, vector: &mut [f32]) -> Result<Option<bool>> {
        let Some(&place) = self.places.get(&hash) else { return Ok(None) };
        let mut record = vec![0; self.record_bytes()];
        let read = self.file.seek(SeekFrom::Start(place)).and_then(|_| self.file.read_exact(&mut record));
        read.map_err(|e| Error::io(&self.path, e))?;
        let numbers = record[HASH_BYTES..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        vector.iter_mut().zip(numbers).for_each(|(x, number)| *x = number);
        Ok(Some(record[record.len() - CHECK_BYTES - 1] != 0))
    }

    /// Keeps the vectors of texts.
    pub fn append(&mut self, texts: &[&str], embeddings: &Embeddings) -> Result<()> {
        let (mut bytes, mut places) = (Vec::new(), Vec::with_capacity(texts.len()));
        for ((text, vector), &truncated) in texts.iter().zip(embeddings.rows()).zip(&embeddings.truncated) {
            let start = bytes.len();
            let hash = text_hash(text);
            places.push((hash, self.end + start as u64));
            bytes.extend_from_slice(&hash.to_le_bytes());
            vector.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            bytes.push(u8::from(truncated));
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
        self.places.extend(places);
        Ok(())
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
