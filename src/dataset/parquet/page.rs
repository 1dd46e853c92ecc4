//! The pages of a row group against the limits, by their headers alone: what each takes when it is unpacked, and how much rows may
//! repeat of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::error::{Error, Result};
use ::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use ::parquet::basic::{Compression, Type};
use ::parquet::column::page::{Page, PageReader};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use ::parquet::file::serialized_reader::SerializedPageReader;
use arrow_schema::DataType;

use super::thrift::{Fault, Kind, Walked, Walker};
use super::{BATCH_BYTES, BATCH_ROWS, MAX_FIXED_BYTES, MAX_PAGE_BYTES, MAX_PAGES_BYTES, data};
use crate::dataset::memory;

/// A page's header, with the smallest and largest value that it may name.
const HEADER_BYTES: usize = 1 << 12;
const MAX_HEADER_BYTES: usize = 16 << 20;
/// A page, the column made of it, its rows as JSON and as values.
const COPIES: u64 = 4;
/// Numbers of the fields in `PageHeader` and of a data page's in both versions.
const KIND: i64 = 1;
const UNPACKED: i64 = 2;
const PACKED: i64 = 3;
const DATA_PAGE: i64 = 5;
const DICTIONARY_PAGE: i64 = 7;
const DATA_PAGE_V2: i64 = 8;
const NUM_VALUES: i64 = 1;
const ENCODING: i64 = 2;
const ENCODING_V2: i64 = 4;
/// Values of `PageType` and `Encoding`.
const IS_DICTIONARY: i64 = 2;
const DELTA_BYTE_ARRAY: i64 = 7;

#[derive(Default)]
struct Header {
    kind: i64,
    unpacked: u64,
    packed: u64,
    values: u64,
    encoding: i64,
}

/// Chunks of columns that share bytes would let a small file hold any number of rows.
pub fn check_chunks(metadata: &ParquetMetaData, bytes: u64) -> Result<()> {
    let mut chunks = Vec::new();
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        for column in row_group.columns() {
            let unread = match column.compression() {
                Compression::BROTLI(_) => Some("Brotli"),
                Compression::LZO => Some("LZO"),
                _ => None,
            };
            if let Some(codec) = unread {
                let message = format!("column {} is packed by {codec}: write the file with snappy, zstd or gzip", column.column_path());
                return Err(data(message));
            }
            let (start, len) =
                range(column).filter(|(start, len)| start.checked_add(*len).is_some_and(|end| end <= bytes)).ok_or_else(|| {
                    let path = column.column_path();
                    data(format!("no Parquet: column {path} of row group {} lies outside of the file's {bytes} bytes", group + 1))
                })?;
            chunks.push((start, start + len, group));
        }
    }
    chunks.sort_unstable();
    match chunks.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        None => Ok(()),
        Some(pair) => {
            let (first, second, at) = (pair[0].2 + 1, pair[1].2 + 1, pair[1].0);
            Err(data(format!("no Parquet: columns of row groups {first} and {second} share the byte {at}")))
        }
    }
}

fn range(column: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    Some((u64::try_from(start).ok()?, u64::try_from(column.compressed_size()).ok()?))
}

/// Rows of a batch that may be decoded at a time of this row group.
pub fn batch_rows(file: &File, metadata: &ArrowReaderMetadata, group: usize) -> Result<usize> {
    let row_group = metadata.metadata().row_group(group);
    let (mut pages, mut repeated, mut nested) = (0, 0, 0_u64);
    for column in row_group.columns() {
        let found = Pages::walk(file, column).map_err(|e| e.context(format!("column {}", column.column_path())))?;
        pages += found.largest;
        let value = found.repeated(file, column, row_group.num_rows())?;
        repeated += value;
        if column.column_descr().max_rep_level() > 0 {
            // A single row may hold all of them.
            nested = nested.saturating_add(found.values.saturating_mul(value));
        }
    }
    if pages > MAX_PAGES_BYTES {
        return Err(data(format!("a page of each column takes {pages} bytes unpacked; at most {MAX_PAGES_BYTES} are read")));
    }
    memory::check(COPIES.saturating_mul(pages).saturating_add(nested), "pages unpacked")?;
    let fixed = metadata.schema().fields().iter().fold(0_u64, |sum, field| sum.saturating_add(fixed_bytes(field.data_type())));
    if fixed > MAX_FIXED_BYTES {
        return Err(data(format!("a row takes {fixed} bytes, also where it is null; at most {MAX_FIXED_BYTES} are read")));
    }
    Ok((BATCH_BYTES / (repeated + fixed).max(1)).clamp(1, BATCH_ROWS) as usize)
}

/// What a value takes whatever it is: one that is missing has as many bytes or numbers as the type says.
fn fixed_bytes(kind: &DataType) -> u64 {
    match kind {
        DataType::FixedSizeBinary(width) => u64::try_from(*width).unwrap_or(u64::MAX),
        DataType::FixedSizeList(of, len) => fixed_bytes(of.data_type()).saturating_mul(u64::try_from(*len).unwrap_or(u64::MAX)),
        DataType::Struct(fields) => fields.iter().fold(0, |sum, field| sum.saturating_add(fixed_bytes(field.data_type()))),
        DataType::List(of) | DataType::LargeList(of) | DataType::ListView(of) | DataType::LargeListView(of) | DataType::Map(of, _) => {
            fixed_bytes(of.data_type())
        }
        _ => 8,
    }
}

/// What the pages of a column come to.
#[derive(Default)]
struct Pages {
    /// The dictionary and the largest other one, unpacked.
    largest: u64,
    dictionary: bool,
    /// The largest page whose values repeat parts of one another.
    delta: u64,
    /// Values of all pages.
    values: u64,
}

impl Pages {
    fn walk(file: &File, column: &ColumnChunkMetaData) -> Result<Self> {
        let (mut at, len) = range(column).ok_or_else(|| data("no place in the file"))?;
        let end = at + len;
        let (mut pages, mut largest, mut dictionary, mut values) = (Self::default(), 0, 0, 0_u64);
        while at < end {
            let (header, bytes) = Header::read(file, at, end)?;
            if header.unpacked > MAX_PAGE_BYTES {
                return Err(data(format!("a page of {} bytes unpacked; at most {MAX_PAGE_BYTES} are read", header.unpacked)));
            }
            if header.kind == IS_DICTIONARY {
                (dictionary, pages.dictionary) = (header.unpacked.max(dictionary), true);
            } else {
                largest = header.unpacked.max(largest);
                values = values.saturating_add(header.values);
                if header.encoding == DELTA_BYTE_ARRAY {
                    pages.delta = pages.delta.max(header.unpacked);
                }
            }
            at = at.saturating_add(bytes).saturating_add(header.packed);
        }
        Ok(Self { largest: largest + dictionary, values, ..pages })
    }

    /// The most that a value may take of what the page has once, where rows may repeat it.
    fn repeated(&self, file: &File, column: &ColumnChunkMetaData, rows: i64) -> Result<u64> {
        if column.column_type() != Type::BYTE_ARRAY || !self.dictionary {
            return Ok(self.delta);
        }
        let faulty =
            |e: parquet::errors::ParquetError| data(format!("the dictionary of column {}: {e}", column.column_path())).with_source(e);
        let file = file.try_clone().map_err(|e| data(format!("reading: {e}")).with_source(e))?;
        let rows = usize::try_from(rows).unwrap_or(0);
        let mut reader = SerializedPageReader::new(std::sync::Arc::new(file), column, rows, None).map_err(faulty)?;
        let Some(Page::DictionaryPage { buf, .. }) = reader.get_next_page().map_err(faulty)? else { return Ok(self.delta) };
        let (mut rest, mut longest) = (&buf[..], 0);
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            let len = u32::from_le_bytes(*len) as usize;
            longest = longest.max(len);
            rest = after.get(len..).unwrap_or_default();
        }
        Ok(self.delta.max(longest as u64))
    }
}

impl Header {
    /// The header at this place, and its length.
    fn read(mut file: &File, at: u64, end: u64) -> Result<(Self, u64)> {
        let mut wanted = HEADER_BYTES;
        loop {
            let len = wanted.min((end - at) as usize);
            let mut bytes = vec![0; len];
            file.seek(SeekFrom::Start(at))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(|e| data(format!("reading: {e}")).with_source(e))?;
            let mut walker = Walker::new(&bytes);
            match Self::walk(&mut walker) {
                Ok(header) => return Ok((header, walker.walked() as u64)),
                Err(Fault::CutOff) if (len as u64) < end - at && wanted < MAX_HEADER_BYTES => wanted *= 4,
                Err(fault) => return Err(refused(&fault, at)),
            }
        }
    }

    fn walk(walker: &mut Walker<'_>) -> Walked<Self> {
        let (mut header, mut last, mut found) = (Self::default(), 0, 0);
        let size = |n: i64| u64::try_from(n).map_err(|_| Fault::Wrong("a size below 0"));
        while let Some((field, kind)) = walker.field(&mut last)? {
            found += usize::from([KIND, UNPACKED, PACKED].contains(&field));
            match (field, kind) {
                (KIND, Kind::Int) => header.kind = walker.int()?,
                (UNPACKED, Kind::Int) => header.unpacked = size(walker.int()?)?,
                (PACKED, Kind::Int) => header.packed = size(walker.int()?)?,
                (DATA_PAGE | DICTIONARY_PAGE | DATA_PAGE_V2, Kind::Struct) => {
                    let (of, mut last) = (field, 0);
                    while let Some((field, kind)) = walker.field(&mut last)? {
                        match (of, field, kind) {
                            (_, NUM_VALUES, Kind::Int) => header.values = size(walker.int()?)?,
                            (DATA_PAGE, ENCODING, Kind::Int) | (DATA_PAGE_V2, ENCODING_V2, Kind::Int) => header.encoding = walker.int()?,
                            _ => walker.skip(kind, 2)?,
                        }
                    }
                }
                _ => walker.skip(kind, 1)?,
            }
        }
        // These fields are required. Without them a header takes one byte, and a file of zeros would have as many pages as bytes.
        if found < 3 { Err(Fault::Wrong("a page without its kind and sizes")) } else { Ok(header) }
    }
}

fn refused(fault: &Fault, at: u64) -> Error {
    let what = match fault {
        Fault::CutOff => "is cut off",
        Fault::Wrong(what) => what,
    };
    data(format!("the header of the page at byte {at} is damaged: {what}"))
}
