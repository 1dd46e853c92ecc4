//! Packed files: gzip and zstd as streams, and the one data set of a zip archive, such as an export of ChatGPT or Claude. Nothing is
//! unpacked as a whole, and what unpacks to far more than any data set does is an error.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Result};

use super::archive::choose;
use super::{Format, Meter, data};

const ZIP: &[u8] = b"PK\x03\x04";
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Data that packs better than this is refused, beyond so many bytes. Chats pack to a fifth, tables of one value to a hundredth.
const MOST_RATIO: u64 = 200;
const ALWAYS_BYTES: u64 = 1 << 30;

pub enum Opened {
    Parquet(File),
    /// Anything that is read from its beginning on, and what the data in it is called.
    Stream {
        reader: Box<dyn Read>,
        name: String,
    },
}

/// Opens a file; an archive by the one data set in it.
pub fn open(path: &Path, meter: &Meter) -> Result<Opened> {
    let io = |e| Error::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    let name = path.display().to_string();
    let is_parquet = Format::by_name(path) == Some(Format::Parquet);
    if file.metadata().map_err(io)?.is_file() {
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).and_then(|_| file.rewind()).map_err(io)?;
        if magic == ZIP {
            return archive(file, path, meter).map_err(|e| e.context(&name));
        }
        if is_parquet || magic == b"PAR1" {
            return Ok(Opened::Parquet(file));
        }
    }
    Ok(Opened::Stream { reader: Box::new(Metered { inner: file, meter: meter.clone() }), name })
}

/// The stream unpacked, where it begins as a packed one does.
pub fn unpack(mut raw: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    raw.by_ref().take(4).read_to_end(&mut magic)?;
    let (gzip, zstd) = (magic.starts_with(&GZIP), magic == ZSTD);
    let whole = Cursor::new(magic).chain(raw);
    if !gzip && !zstd {
        return Ok(Box::new(whole));
    }
    let (counted, packed) = Counted::new(whole);
    Ok(if gzip {
        Box::new(Unpacked { inner: MultiGzDecoder::new(counted), packed, unpacked: 0, kind: "gzip" })
    } else {
        Box::new(Unpacked { inner: zstd::stream::read::Decoder::new(counted)?, packed, unpacked: 0, kind: "zstd" })
    })
}

/// A file of an archive.
struct Entry {
    name: String,
    start: u64,
    packed: u64,
    method: CompressionMethod,
    encrypted: bool,
}

fn archive(file: File, path: &Path, meter: &Meter) -> Result<Opened> {
    let entries = chosen(entries(&file)?)?;
    let name = format!("{}: {}", path.display(), entries.first().map_or("", |entry| &entry.name));
    let mut whole: Box<dyn Read> = Box::new(io::empty());
    for entry in entries {
        // Each has a place of its own in the file.
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let damaged = |e: io::Error| data(format!("{}: {e}", entry.name)).with_source(e);
        file.seek(SeekFrom::Start(entry.start)).map_err(damaged)?;
        let (counted, packed) = Counted::new(Metered { inner: file.take(entry.packed), meter: meter.clone() });
        let reader: Box<dyn Read> = match entry.method {
            CompressionMethod::STORE => Box::new(counted),
            CompressionMethod::DEFLATE => Box::new(Unpacked { inner: DeflateDecoder::new(counted), packed, unpacked: 0, kind: "zip" }),
            other => return Err(data(format!("{} is packed by {other}, which is not read: unpack the archive", entry.name))),
        };
        whole = Box::new(whole.chain(reader));
    }
    Ok(Opened::Stream { reader: whole, name })
}

/// The entries that are the data set.
fn chosen(entries: Vec<Entry>) -> Result<Vec<Entry>> {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let chosen = choose(&names)?;
    let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    let entries: Vec<Entry> = chosen.into_iter().filter_map(|at| entries[at].take()).collect();
    match entries.iter().find(|entry| entry.encrypted) {
        Some(entry) => Err(data(format!("{} is encrypted: unpack the archive with its password", entry.name))),
        None => Ok(entries),
    }
}

fn entries(file: &File) -> Result<Vec<Entry>> {
    let damaged = |e: zip::result::ZipError| data(format!("no zip archive: {e}")).with_source(e);
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    let mut entries = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(damaged)?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(damaged)?.into_owned();
        let start = entry.data_start().ok_or_else(|| data(format!("no zip archive: {name} is nowhere")))?;
        let (packed, method, encrypted) = (entry.compressed_size(), entry.compression(), entry.encrypted());
        entries.push(Entry { name, start, packed, method, encrypted });
    }
    Ok(entries)
}

/// Tells the meter.
struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        (self.meter)(read as u64);
        Ok(read)
    }
}

/// Counts what a decoder reads.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    fn new(inner: R) -> (Self, Arc<AtomicU64>) {
        let bytes = Arc::new(AtomicU64::new(0));
        (Self { inner, bytes: bytes.clone() }, bytes)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What a decoder makes, as long as it is in proportion to what it reads.
struct Unpacked<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    kind: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let read = self.inner.read(buffer).map_err(|e| invalid(format!("the {} data is damaged or cut off: {e}", self.kind)))?;
        self.unpacked += read as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        if self.unpacked > ALWAYS_BYTES && self.unpacked / MOST_RATIO > packed {
            let message = format!("{packed} bytes of {} unpack to more than {} bytes, as no data set does", self.kind, self.unpacked);
            return Err(invalid(message));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn packed_streams_are_unpacked() {
        let text = "{\"text\":\"a\"}\n".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
        for packed in [gzip.clone(), [gzip.clone(), gzip.clone()].concat(), zstd, text.clone().into_bytes(), b"a".to_vec()] {
            let mut out = String::new();
            unpack(Box::new(Cursor::new(packed))).unwrap().read_to_string(&mut out).unwrap();
            assert!(out.starts_with(&text) || out == "a");
        }
        let mut out = Vec::new();
        let e = unpack(Box::new(Cursor::new(gzip[..gzip.len() / 2].to_vec()))).unwrap().read_to_end(&mut out).unwrap_err();
        assert!(e.to_string().contains("the gzip data is damaged or cut off"), "{e}");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let block = vec![b'a'; 1 << 20];
        (0..1100).for_each(|_| bomb.write_all(&block).unwrap());
        let mut reader = unpack(Box::new(Cursor::new(bomb.finish().unwrap()))).unwrap();
        let e = io::copy(&mut reader, &mut io::sink()).unwrap_err().to_string();
        assert!(e.contains("bytes of gzip unpack to more than 107"), "{e}");
    }
}
