//! Reading GGUF (versions 2 and 3, little endian) without copying: every string and tensor borrows from the file's bytes. Of a file whose
//! bytes lie elsewhere, only the header is taken into memory, and each tensor when somebody wants it.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

use super::keys;
use crate::config::Dtype;
use crate::error::{Error, ErrorCode, Result};

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
/// What is read of a file at once when all of it is gone through.
const CHUNK: usize = 1 << 18;
/// The longest header of a file that lies elsewhere: a vocabulary of a million long tokens takes a fifth of it.
const MAX_HEADER: usize = 1 << 28;

/// A file whose bytes lie where they can only be copied from.
pub trait Source {
    /// Number of bytes.
    fn size(&self) -> usize;

    /// The bytes of a range, which lies within the file.
    fn read(&self, range: Range<usize>) -> Vec<u8>;

    /// All of them, piece by piece.
    fn pieces(&self) -> impl Iterator<Item = Vec<u8>>
    where
        Self: Sized,
    {
        chunks(0..self.size()).map(|range| self.read(range))
    }
}

#[derive(Clone, Copy)]
enum Bytes<'a> {
    Here(&'a [u8]),
    Elsewhere(&'a dyn Source),
}

impl<'a> Bytes<'a> {
    fn size(self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::Elsewhere(source) => source.size(),
        }
    }

    fn read(self, range: Range<usize>) -> Cow<'a, [u8]> {
        match self {
            Self::Here(bytes) => Cow::Borrowed(&bytes[range]),
            Self::Elsewhere(source) => Cow::Owned(source.read(range)),
        }
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size())
    }
}

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(&'a str),
    Array(Array<'a>),
}

/// An array of metadata values. Numbers stay as the file has them, so that a large array costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Array<'a> {
    Strings(Vec<&'a str>),
    /// Little-endian numbers of `width` bytes each.
    Numbers {
        width: usize,
        bytes: &'a [u8],
    },
}

/// One tensor: dimensions as GGML has them, fastest first, so a matrix `[out, in]` reads `[in, out]`.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    pub name: &'a str,
    pub dimensions: Vec<usize>,
    pub dtype: Dtype,
    /// Whole blocks; borrowed where the file is in memory.
    pub data: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    /// Elements of one row (the fastest dimension).
    pub fn row_len(&self) -> usize {
        self.dimensions.first().copied().unwrap_or(1)
    }

    /// The bytes of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.data.chunks_exact(self.row_len() / self.dtype.block_len() * self.dtype.block_bytes())
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dimensions.iter().product()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a tensor lies.
#[derive(Clone, Debug)]
struct Place<'a> {
    name: &'a str,
    dimensions: Vec<usize>,
    dtype: Dtype,
    range: Range<usize>,
}

/// A parsed file.
#[derive(Debug)]
pub struct Gguf<'a> {
    file: Bytes<'a>,
    metadata: Vec<(&'a str, Value<'a>)>,
    tensors: Vec<Place<'a>>,
    /// Where the value of `pie.checksum` stands in the file, and the value.
    checksum: Option<(usize, u64)>,
}

impl<'a> Gguf<'a> {
    /// Parses the header, checks that every tensor lies within the file, and verifies `pie.checksum` where the file has one.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] for what is no well-formed GGUF file, [`ErrorCode::ModelUnsupported`] for a dtype that this
    /// crate does not read, [`ErrorCode::ModelCorrupt`] when the checksum differs.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::parse_structure(bytes, Bytes::Here(bytes)).map_err(Fault::into_error)?.verified()
    }

    /// [`parse`](Self::parse) for a file that lies elsewhere, of which `header` is the [`header`](Self::header).
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn open(header: &'a [u8], source: &'a dyn Source) -> Result<Self> {
        Self::parse_structure(header, Bytes::Elsewhere(source)).map_err(Fault::into_error)?.verified()
    }

    /// The beginning of a file, with all that stands before the tensors. Reading stops at the first part of the header that is wrong; more is
    /// read only when the header continues beyond what was read.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] and [`ErrorCode::ModelUnsupported`] as [`parse`](Self::parse); the latter also for a header of more than
    /// 256 MiB.
    pub fn header(source: &dyn Source) -> Result<Vec<u8>> {
        let mut len = CHUNK.min(source.size());
        loop {
            let header = source.read(0..len);
            match Gguf::parse_structure(&header, Bytes::Elsewhere(source)) {
                Ok(_) => return Ok(header),
                Err(Fault::Wrong(error)) => return Err(error),
                Err(Fault::CutShort(error)) if len == source.size() => return Err(error),
                Err(Fault::CutShort(_)) if len >= MAX_HEADER => {
                    let message = format!("the header is longer than {MAX_HEADER} bytes, which is the most that is read of one");
                    return Err(Error::new(ErrorCode::ModelUnsupported, message));
                }
                Err(Fault::CutShort(_)) => len = source.size().min(2 * len),
            }
        }
    }

    /// [`open`](Self::open) without a look at more than the header.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub(crate) fn open_unverified(header: &'a [u8], source: &'a dyn Source) -> Result<Self> {
        Self::parse_structure(header, Bytes::Elsewhere(source)).map_err(Fault::into_error)
    }

    fn verified(self) -> Result<Self> {
        // Files of other programs have none; ours always do, so that an altered key or type of the entry is noticed too.
        if self.checksum.is_none() && self.metadata.iter().any(|(key, _)| key.starts_with(keys::PIE)) {
            return Err(Error::new(
                ErrorCode::ModelCorrupt,
                format!("the file has {:?} metadata but no {:?}", keys::PIE, keys::PIE_CHECKSUM),
            ));
        }
        if let Some((at, stored)) = self.checksum {
            let computed = checksum(self.file, at);
            if computed != stored {
                let size = self.file.size();
                return Err(Error::new(
                    ErrorCode::ModelCorrupt,
                    format!("checksum is {computed:016x}, the file says {stored:016x}: {size} bytes, some of them altered"),
                ));
            }
        }
        Ok(self)
    }

    /// Writes the checksum into a file that has a place for it.
    #[cfg(feature = "convert")]
    pub(super) fn seal(bytes: &'a mut [u8]) -> Result<()> {
        let (at, _) = Gguf::parse_structure(bytes, Bytes::Here(bytes))
            .map_err(Fault::into_error)?
            .checksum
            .ok_or_else(|| wrong_type(keys::PIE_CHECKSUM, "a u64", None))?;
        let sum = checksum(Bytes::Here(bytes), at);
        bytes[at..at + 8].copy_from_slice(&sum.to_le_bytes());
        Ok(())
    }

    fn parse_structure(header: &'a [u8], file: Bytes<'a>) -> Parsed<Self> {
        let mut cursor = Cursor { bytes: header, at: 0, file_len: file.size() };
        let magic = cursor.take(4)?;
        if magic != MAGIC {
            return wrong(format!("the file begins with {magic:02x?}, not with \"GGUF\""));
        }
        let version = cursor.u32()?;
        if !(2..=3).contains(&version) {
            let message = format!("GGUF version {version}; versions 2 and 3 are read");
            return Err(Error::new(ErrorCode::ModelUnsupported, message).into());
        }
        let tensor_count = cursor.count("tensors", 24)?;
        let metadata_count = cursor.count("metadata entries", 12)?;

        let mut metadata = Vec::with_capacity(metadata_count);
        let mut checksum = None;
        for _ in 0..metadata_count {
            let key = cursor.string()?;
            let kind = cursor.u32()?;
            let value_at = cursor.at;
            let value = cursor.value(kind)?;
            if let (keys::PIE_CHECKSUM, &Value::U64(sum)) = (key, &value) {
                checksum = Some((value_at, sum));
            }
            metadata.push((key, value));
        }

        struct Info<'a> {
            name: &'a str,
            dimensions: Vec<usize>,
            kind: u32,
            offset: u64,
        }
        let mut infos = Vec::with_capacity(tensor_count);
        for _ in 0..tensor_count {
            let name = cursor.string()?;
            let rank = cursor.u32()?;
            if !(1..=4).contains(&rank) {
                return wrong(format!("tensor {name:?} has {rank} dimensions; 1 to 4 are allowed"));
            }
            let dimensions = (0..rank).map(|_| cursor.size()).collect::<Parsed<Vec<_>>>()?;
            infos.push(Info { name, dimensions, kind: cursor.u32()?, offset: cursor.u64()? });
        }

        let mut gguf = Self { file, metadata, tensors: Vec::with_capacity(infos.len()), checksum };
        let alignment = match gguf.get("general.alignment") {
            Some(&Value::U32(n)) if n.is_power_of_two() => u64::from(n),
            Some(other) => return wrong(format!("general.alignment is {other:?}, no power of two")),
            None => DEFAULT_ALIGNMENT,
        };
        let data_start = (cursor.at as u64).next_multiple_of(alignment);
        // Tensors that share bytes would let a small file ask for any amount of memory.
        let mut unclaimed = (file.size() as u64).saturating_sub(data_start);
        for info in infos {
            let dtype = dtype_of(info.kind).ok_or_else(|| {
                let known = "f32 (0), f16 (1), q4_0 (2) and q8_0 (8)";
                Error::new(ErrorCode::ModelUnsupported, format!("tensor {:?} has GGML type {}; {known} are read", info.name, info.kind))
            })?;
            let range = tensor_range(info.name, &info.dimensions, dtype, data_start, info.offset, file.size())?;
            let len = range.len() as u64;
            unclaimed = unclaimed.checked_sub(len).ok_or_else(|| {
                Error::new(
                    ErrorCode::ModelFormat,
                    format!("the tensors up to {:?} take more than the file's {} bytes", info.name, file.size()),
                )
            })?;
            gguf.tensors.push(Place { name: info.name, dimensions: info.dimensions, dtype, range });
        }
        Ok(gguf)
    }

    /// Number of bytes of the file.
    pub fn byte_len(&self) -> usize {
        self.file.size()
    }

    /// The value of a metadata key.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.metadata.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// All metadata, in the file's order.
    pub fn metadata(&self) -> &[(&'a str, Value<'a>)] {
        &self.metadata
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = Tensor<'a>> {
        self.tensors.iter().map(|place| self.read(place))
    }

    fn read(&self, place: &Place<'a>) -> Tensor<'a> {
        let Place { name, dimensions, dtype, range } = place.clone();
        Tensor { name, dimensions, dtype, data: self.file.read(range) }
    }

    /// Whether the file has a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.tensors.iter().any(|place| place.name == name)
    }

    /// The tensor of this name and shape (`expected` fastest dimension first, as GGML has it).
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when it is missing or its shape differs.
    pub fn tensor(&self, name: &str, expected: &[usize]) -> Result<Tensor<'a>> {
        let place = self
            .tensors
            .iter()
            .find(|t| t.name == name)
            .ok_or_else(|| Error::new(ErrorCode::ModelFormat, format!("tensor {name:?} is missing")))?;
        if place.dimensions != expected {
            let message = format!("tensor {name:?} has shape {:?}; the metadata asks for {expected:?}", place.dimensions);
            return Err(Error::new(ErrorCode::ModelFormat, message));
        }
        Ok(self.read(place))
    }

    /// A string value.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when the key is missing or holds something else; the same for the getters below.
    pub fn string(&self, key: &str) -> Result<&'a str> {
        match self.get(key) {
            Some(Value::String(s)) => Ok(s),
            other => Err(wrong_type(key, "a string", other)),
        }
    }

    /// A non-negative integer of any width.
    pub fn size(&self, key: &str) -> Result<usize> {
        let value = match self.get(key) {
            Some(&Value::U8(n)) => Some(u64::from(n)),
            Some(&Value::U16(n)) => Some(u64::from(n)),
            Some(&Value::U32(n)) => Some(u64::from(n)),
            Some(&Value::U64(n)) => Some(n),
            Some(&Value::I32(n)) => u64::try_from(n).ok(),
            Some(&Value::I64(n)) => u64::try_from(n).ok(),
            _ => None,
        };
        value.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| wrong_type(key, "a non-negative integer", self.get(key)))
    }

    /// A float.
    pub fn float(&self, key: &str) -> Result<f32> {
        match self.get(key) {
            Some(&Value::F32(x)) => Ok(x),
            other => Err(wrong_type(key, "an f32", other)),
        }
    }

    /// A truth value, or `default` where the key is missing.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(&Value::Bool(b)) => Ok(b),
            other => Err(wrong_type(key, "a bool", other)),
        }
    }

    /// A list of strings.
    pub fn strings(&self, key: &str) -> Result<&[&'a str]> {
        match self.get(key) {
            Some(Value::Array(Array::Strings(strings))) => Ok(strings),
            other => Err(wrong_type(key, "an array of strings", other)),
        }
    }

    /// A list of f32.
    pub fn floats(&self, key: &str) -> Result<Vec<f32>> {
        let bytes = self.numbers(key, 4, "an array of f32")?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// A list of bytes.
    pub fn bytes(&self, key: &str) -> Result<&'a [u8]> {
        self.numbers(key, 1, "an array of bytes")
    }

    fn numbers(&self, key: &str, expected_width: usize, expected: &str) -> Result<&'a [u8]> {
        match self.get(key) {
            Some(&Value::Array(Array::Numbers { width, bytes })) if width == expected_width => Ok(bytes),
            other => Err(wrong_type(key, expected, other)),
        }
    }
}

fn wrong_type(key: &str, expected: &str, found: Option<&Value<'_>>) -> Error {
    let found = match found {
        None => "missing".to_owned(),
        Some(value) => format!("{value:.0?}").chars().take(60).collect(),
    };
    Error::new(ErrorCode::ModelFormat, format!("metadata {key:?} should be {expected}; it is {found}"))
}

fn dtype_of(ggml_type: u32) -> Option<Dtype> {
    match ggml_type {
        0 => Some(Dtype::F32),
        1 => Some(Dtype::F16),
        2 => Some(Dtype::Q4_0),
        8 => Some(Dtype::Q8_0),
        _ => None,
    }
}

/// Where a tensor's bytes lie, every product and sum checked.
fn tensor_range(name: &str, dimensions: &[usize], dtype: Dtype, data_start: u64, offset: u64, file_len: usize) -> Result<Range<usize>> {
    let row = dimensions.first().copied().unwrap_or(0);
    if row == 0 || !row.is_multiple_of(dtype.block_len()) {
        let message = format!("tensor {name:?} has rows of {row} elements; {dtype} needs a positive multiple of {}", dtype.block_len());
        return Err(Error::new(ErrorCode::ModelFormat, message));
    }
    let bytes = dimensions
        .iter()
        .try_fold(1_u64, |n, &d| n.checked_mul(d as u64))
        .and_then(|n| (n / dtype.block_len() as u64).checked_mul(dtype.block_bytes() as u64));
    let range = bytes.and_then(|bytes| {
        let start = data_start.checked_add(offset)?;
        Some(start..start.checked_add(bytes)?)
    });
    match range {
        Some(range) if range.end <= file_len as u64 => Ok(range.start as usize..range.end as usize),
        _ => Err(Error::new(
            ErrorCode::ModelFormat,
            format!(
                "tensor {name:?} ({dimensions:?} of {dtype}) at offset {offset} does not lie within the file's {file_len} bytes: truncated?"
            ),
        )),
    }
}

fn chunks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(CHUNK).map(move |start| start..end.min(start + CHUNK))
}

/// XXH3-64 of a file with the eight bytes at `at` taken as zero.
fn checksum(file: Bytes<'_>, at: usize) -> u64 {
    let pieces = |range| chunks(range).map(move |chunk| file.read(chunk));
    let mut hash = Xxh3::new();
    for piece in pieces(0..at).chain([Cow::Borrowed(&[0; 8][..])]).chain(pieces(at + 8..file.size())) {
        hash.update(&piece);
    }
    hash.digest()
}

/// Why a header was not parsed. A caller that has read only the beginning retries with more after `CutShort`.
enum Fault {
    /// The header continues beyond the bytes given.
    CutShort(Error),
    /// The header is invalid, whatever follows.
    Wrong(Error),
}

impl Fault {
    fn into_error(self) -> Error {
        match self {
            Self::CutShort(error) | Self::Wrong(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

type Parsed<T> = std::result::Result<T, Fault>;

fn wrong<T>(message: String) -> Parsed<T> {
    Err(Fault::Wrong(Error::new(ErrorCode::ModelFormat, message)))
}

struct Cursor<'a> {
    /// The beginning of the file, of `file_len` bytes.
    bytes: &'a [u8],
    at: usize,
    file_len: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Parsed<&'a [u8]> {
        match self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end)) {
            Some(slice) => {
                self.at += n;
                Ok(slice)
            }
            None => self
                .beyond(n as u64, format!("the header wants {n} bytes at {}, the file has {} bytes: truncated?", self.at, self.file_len)),
        }
    }

    /// The fault when `n` bytes are missing: `CutShort` if the file has them, `Wrong` if it is too short.
    fn beyond<T>(&self, n: u64, message: String) -> Parsed<T> {
        let error = Error::new(ErrorCode::ModelFormat, message);
        let in_file = (self.at as u64).checked_add(n).is_some_and(|end| end <= self.file_len as u64);
        Err(if in_file { Fault::CutShort(error) } else { Fault::Wrong(error) })
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn size(&mut self) -> Parsed<usize> {
        let n = self.u64()?;
        usize::try_from(n).or_else(|_| wrong(format!("a size of {n} at byte {}", self.at - 8)))
    }

    /// A count of things that take at least `min_bytes` each, so that a false count allocates nothing.
    fn count(&mut self, what: &str, min_bytes: usize) -> Parsed<usize> {
        let n = self.size()?;
        if n > (self.bytes.len() - self.at) / min_bytes {
            let message = format!("{n} {what} cannot fit in the {} bytes that follow: truncated?", self.file_len - self.at);
            return self.beyond((n as u64).saturating_mul(min_bytes as u64), message);
        }
        Ok(n)
    }

    fn string(&mut self) -> Parsed<&'a str> {
        let len = self.size()?;
        let at = self.at;
        std::str::from_utf8(self.take(len)?)
            .map_err(|e| Error::new(ErrorCode::ModelFormat, format!("a string at byte {at} is no UTF-8")).with_source(e).into())
    }

    fn value(&mut self, kind: u32) -> Parsed<Value<'a>> {
        Ok(match kind {
            0 => Value::U8(self.array::<1>()?[0]),
            1 => Value::I8(i8::from_le_bytes(self.array()?)),
            2 => Value::U16(u16::from_le_bytes(self.array()?)),
            3 => Value::I16(i16::from_le_bytes(self.array()?)),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(i32::from_le_bytes(self.array()?)),
            6 => Value::F32(f32::from_le_bytes(self.array()?)),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            8 => Value::String(self.string()?),
            9 => Value::Array(self.array_value()?),
            10 => Value::U64(self.u64()?),
            11 => Value::I64(i64::from_le_bytes(self.array()?)),
            12 => Value::F64(f64::from_le_bytes(self.array()?)),
            _ => return wrong(format!("metadata of kind {kind} at byte {}", self.at - 4)),
        })
    }

    fn array_value(&mut self) -> Parsed<Array<'a>> {
        let kind = self.u32()?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                let len = self.count("strings", 8)?;
                return Ok(Array::Strings((0..len).map(|_| self.string()).collect::<Parsed<_>>()?));
            }
            _ => return wrong(format!("an array of kind {kind} at byte {}", self.at - 4)),
        };
        let len = self.count("array elements", width)?;
        Ok(Array::Numbers { width, bytes: self.take(len * width)? })
    }
}
