//! Vectors that were computed once, kept on disk: where a run stopped, by Ctrl-C, a kill or a full disk, the next one goes on.
//!
//! Two files for each model, prompt and view. In `.vectors` a line says for which, then come records of one length: the text's hash (24 bytes
//! of its SHA-256), the vector, whether the text was truncated (1 byte), and a hash of these (XXH3, 8 bytes). `.texts` has the texts'
//! hashes alone, in the same order, so that a start reads 24 bytes a record. Records are only appended, so that a kill leaves none
//! half-written but the last, which is cut off; one that is not what was written counts as not kept.
//!
//! Texts come from others, so their hash must be one for which nobody can make two texts: a text would get the other's vector. The hash
//! of a record is against accidents alone.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::BaseStrategy;
use pie_embed_wasm::encoder::Reading;
use pie_embed_wasm::{EmbedOptions, Embeddings, Error, ErrorCode, Result, sha256, sha256_hex};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::Model;
use crate::output::say;
use crate::view::Made;

/// Told apart by the name of the file, so that one of another format is left as it is.
const FORMAT: u32 = 3;
const HASH_BYTES: usize = 24;
const CHECK_BYTES: usize = 8;
const VECTORS: &str = "vectors";
const TEXTS: &str = "texts";
/// Digits of the name of a file.
const NAME: usize = 32;

#[derive(clap::Args)]
pub struct CacheArgs {
    /// The folder in which vectors are kept: what Ctrl-C or a kill interrupts goes on there when it is run again [default: `pie` in the
    /// user's cache folder, but not of stdin]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Keep no vectors and use none that were kept
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Gigabytes that the folder may hold: what was used least recently goes first, and nothing that is in use
    #[arg(long, value_name = "GB", default_value_t = 4.0, value_parser = gigabytes)]
    cache_limit: f64,
}

fn gigabytes(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse::<f64>().map_err(|e| e.to_string())?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err(format!("{number} is no number of at least 0")) }
}

/// What tells texts apart.
pub type TextHash = [u8; HASH_BYTES];

/// The hash of a text.
pub fn text_hash(text: &str) -> TextHash {
    let mut hash = [0; HASH_BYTES];
    hash.iter_mut().zip(sha256(text.as_bytes())).for_each(|(to, from)| *to = from);
    hash
}

/// The vectors of one model, prompt and view.
pub struct Cache {
    path: PathBuf,
    file: File,
    /// The texts' hashes.
    texts: File,
    dimensions: usize,
    /// Which record each text has.
    records: HashMap<TextHash, u64>,
    /// Where the first record begins, and how many whole ones there are.
    start: u64,
    count: u64,
    /// Bytes that the folder may hold, and those of them that are free.
    limit: u64,
    free: u64,
    /// Whether a record was found that is not what was written.
    damaged: bool,
}

impl CacheArgs {
    /// Opens the cache of a model and these options; none where none is wanted, or there is no place for one. `keep` says whether one is
    /// wanted where no folder is named.
    pub fn open(&self, model: &Model, options: &EmbedOptions, reading: Reading, keep: bool) -> Result<Option<Cache>> {
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
            "view": Made::from(reading).to_string(),
            "dimensions": reading.dimensions,
        });
        let header = format!("{header}\n");
        let path = dir.join(format!("{}.{VECTORS}", &sha256_hex(header.as_bytes())[..NAME]));
        let opened = Cache::open(&path, header.as_bytes(), reading.dimensions, (self.cache_limit * 1e9) as u64);
        let mut cache = match opened {
            Ok(cache) => cache,
            // A folder that was not asked for is no reason to fail, whatever is wrong with it.
            Err(e) if self.cache.is_none() => return Ok(not_kept(&e)),
            Err(e) => return Err(e),
        };
        Ok(match cache.index().map_err(|e| Error::io(&path, e)).and_then(|()| cache.make_room(0)) {
            Ok(()) => Some(cache),
            Err(e) => not_kept(&e),
        })
    }
}

fn not_kept(e: &Error) -> Option<Cache> {
    say(&format!("note: vectors are not kept: {e}"));
    None
}

impl Cache {
    fn open(path: &Path, header: &[u8], dimensions: usize, limit: u64) -> Result<Self> {
        let io = |e| Error::io(path, e);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(io)?;
        let open = |path: &Path| File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(io);
        let mut file = open(path)?;
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
        // It says when the file was used last.
        file.set_modified(SystemTime::now()).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            texts: open(&path.with_extension(TEXTS))?,
            dimensions,
            records: HashMap::new(),
            start: header.len() as u64,
            count: 0,
            limit,
            free: 0,
            damaged: false,
        })
    }

    const fn record_bytes(&self) -> usize {
        HASH_BYTES + self.dimensions * size_of::<f32>() + 1 + CHECK_BYTES
    }

    /// Where a record begins; that of the first that is not there is where the whole ones end.
    const fn place(&self, record: u64) -> u64 {
        self.start + record * self.record_bytes() as u64
    }

    /// Learns which texts are kept, and cuts off what is no whole record.
    fn index(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.count = (length - self.start) / self.record_bytes() as u64;
        let end = self.place(self.count);
        if end < length {
            say(&format!("note: {}: the last {} bytes are no whole vectors and are left out", self.path.display(), length - end));
            self.file.set_len(end)?;
        }
        let mut hashes = Vec::new();
        (&self.texts).take(self.count * HASH_BYTES as u64).read_to_end(&mut hashes)?;
        let known = hashes.len() / HASH_BYTES;
        hashes.truncate(known * HASH_BYTES);
        // Where a run was killed between the two files, the records tell the rest.
        self.file.seek(SeekFrom::Start(self.place(known as u64)))?;
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        let mut record = vec![0; self.record_bytes()];
        for _ in known as u64..self.count {
            reader.read_exact(&mut record)?;
            hashes.extend_from_slice(&record[..HASH_BYTES]);
        }
        self.texts.set_len((known * HASH_BYTES) as u64)?;
        self.texts.seek(SeekFrom::End(0))?;
        self.texts.write_all(&hashes[known * HASH_BYTES..])?;
        self.records = hashes.as_chunks().0.iter().copied().zip(0..).collect();
        Ok(())
    }

    /// Removes files of the folder until there is room for so many bytes: those used least recently first, and none that is in use.
    fn make_room(&mut self, wanted: u64) -> Result<()> {
        let io = |path: &Path, e| Error::io(path, e);
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let (mut total, mut others) = (0, Vec::new());
        for entry in fs::read_dir(dir).map_err(|e| io(dir, e))? {
            let path = entry.map_err(|e| io(dir, e))?.path();
            let extension = path.extension().unwrap_or_default();
            // The folder may hold what is no cache.
            let ours =
                path.file_stem().is_some_and(|stem| stem.len() == NAME && stem.to_string_lossy().bytes().all(|b| b.is_ascii_hexdigit()));
            if !ours || (extension != VECTORS && extension != TEXTS) {
                continue;
            }
            let metadata = fs::metadata(&path).map_err(|e| io(&path, e))?;
            total += metadata.len();
            if extension == VECTORS && path != self.path {
                others.push((metadata.modified().map_err(|e| io(&path, e))?, path));
            }
        }
        others.sort();
        for (_, path) in others {
            if total + wanted <= self.limit {
                break;
            }
            let file = File::open(&path).map_err(|e| io(&path, e))?;
            if file.try_lock().is_err() {
                continue;
            }
            for path in [path.with_extension(TEXTS), path] {
                let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                match fs::remove_file(&path) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(&path, e)),
                    _ => total = total.saturating_sub(bytes),
                }
            }
        }
        self.free = self.limit.saturating_sub(total);
        Ok(())
    }

    /// Reads the vector of a text into `vector`, and whether the text was truncated; none where it is not kept.
    pub fn get(&mut self, hash: TextHash, vector: &mut [f32]) -> Result<Option<bool>> {
        let Some(&number) = self.records.get(&hash) else { return Ok(None) };
        let mut record = vec![0; self.record_bytes()];
        let place = self.place(number);
        let read = self.file.seek(SeekFrom::Start(place)).and_then(|_| self.file.read_exact(&mut record));
        read.map_err(|e| Error::io(&self.path, e))?;
        let (content, check) = record.split_at(record.len() - CHECK_BYTES);
        if content[..HASH_BYTES] != hash || xxh3_64(content).to_le_bytes() != check {
            self.records.remove(&hash);
            if !self.damaged {
                say(&format!("note: {}: what is not as it was written is computed anew", self.path.display()));
                self.damaged = true;
            }
            return Ok(None);
        }
        let numbers = content[HASH_BYTES..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        vector.iter_mut().zip(numbers).for_each(|(x, number)| *x = number);
        Ok(Some(content[content.len() - 1] != 0))
    }

    /// Keeps the vectors of texts.
    pub fn append(&mut self, texts: &[&str], embeddings: &Embeddings) -> Result<()> {
        let (mut records, mut hashes) = (Vec::new(), Vec::with_capacity(texts.len()));
        for ((text, vector), &truncated) in texts.iter().zip(embeddings.rows()).zip(&embeddings.truncated) {
            let start = records.len();
            let hash = text_hash(text);
            hashes.push(hash);
            records.extend_from_slice(&hash);
            vector.iter().for_each(|x| records.extend_from_slice(&x.to_le_bytes()));
            records.push(u8::from(truncated));
            let check = xxh3_64(&records[start..]);
            records.extend_from_slice(&check.to_le_bytes());
        }
        let bytes = (records.len() + hashes.len() * HASH_BYTES) as u64;
        if bytes > self.free {
            self.make_room(bytes)?;
        }
        let Some(free) = self.free.checked_sub(bytes) else {
            let dir = self.path.parent().unwrap_or(Path::new(".")).display();
            return Err(Error::new(ErrorCode::Io, format!("{dir} holds what --cache-limit allows, {} GB", self.limit as f64 / 1e9)));
        };
        let end = self.place(self.count);
        let written = self.file.seek(SeekFrom::Start(end)).and_then(|_| self.file.write_all(&records));
        let written = written.and_then(|()| self.texts.write_all(hashes.as_flattened()));
        if let Err(e) = written {
            // The disk may be full: what others need of it is given back. The record is cut off later where that fails.
            let _ = self.file.set_len(end);
            return Err(Error::io(&self.path, e));
        }
        self.free = free;
        self.records.extend(hashes.into_iter().zip(self.count..));
        self.count += texts.len() as u64;
        Ok(())
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
