//! Rows of Parquet files and Arrow streams, a batch at a time. Types, nulls and nesting are those that `arrow-json` makes of them: dates
//! are texts, structs are objects. Columns of a type that it cannot write are left out of rows.

use std::fs::File;
use std::io::Read;

use arrow_array::{RecordBatch, new_empty_array};
use arrow_ipc::reader::StreamReader;
use arrow_json::WriterBuilder;
use arrow_json::writer::{EncoderOptions, LineDelimited, make_encoder};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::error::{Error, ErrorCode, Result};

use super::Meter;
use super::isolate::isolated;
use super::parquet::ParquetFile;
use super::reader::Content;
use super::record::{Object, Record};
use super::weight;

/// Rows that are decoded at a time.
const BATCH: usize = 1024;
/// Bytes of rows that are made at a time, and of one row; longer ones are passed over with an error, as lines are.
const PIECE_BYTES: u64 = 16 << 20;
const MAX_ROW_BYTES: u64 = 64 << 20;
/// Rows of a batch that may take less than a bit each: columns of nulls and of runs have any number in a few bytes.
const MOST_WITHOUT_BYTES: usize = 1 << 20;

/// Reads batches as rows, a piece at a time: a batch may name one text a million times, and rows hold it as often.
pub struct Batches {
    schema: SchemaRef,
    /// The columns of types that are read.
    readable: Vec<usize>,
    next: Box<dyn FnMut() -> Result<Option<RecordBatch>>>,
    /// The batch whose rows are being read, and how many of them were.
    batch: RecordBatch,
    read: usize,
    rows: std::vec::IntoIter<Content>,
}

impl Batches {
    /// A Parquet file, page by page; the meter is told bytes, as its rows share them.
    pub fn parquet(file: File, meter: &Meter) -> Result<Self> {
        let mut file = ParquetFile::open(file, meter)?;
        Self::new(file.schema(), move || file.batch())
    }

    /// An Arrow IPC stream.
    pub fn arrow(stream: impl Read + 'static) -> Result<Self> {
        let mut stream = ArrowStream::open(stream)?;
        Self::new(stream.schema(), move || stream.batch())
    }

    fn new(schema: SchemaRef, next: impl FnMut() -> Result<Option<RecordBatch>> + 'static) -> Result<Self> {
        let options = EncoderOptions::default();
        let is_readable = |field: &arrow_schema::FieldRef| make_encoder(field, &new_empty_array(field.data_type()), &options).is_ok();
        let fields = schema.fields().iter().enumerate();
        let readable = isolated("the schema", || fields.filter(|(_, field)| is_readable(field)).map(|(at, _)| at).collect())?;
        let batch = RecordBatch::new_empty(schema.clone());
        Ok(Self { schema, readable, next: Box::new(next), batch, read: 0, rows: Vec::new().into_iter() })
    }

    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// What the file says of itself.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.schema.metadata().get(key).map(String::as_str)
    }

    /// The type of a column that holds no text.
    pub fn other_type(&self, column: &str) -> Option<String> {
        let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let kind = self.schema.field_with_name(column).ok()?.data_type();
        match kind {
            DataType::Dictionary(_, values) if is_text(values) => None,
            kind => (!is_text(kind)).then(|| kind.to_string()),
        }
    }

    /// The next row; none at the end.
    pub fn row(&mut self) -> Result<Option<Content>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            if self.read == self.batch.num_rows() {
                let Some(batch) = (self.next)()? else { return Ok(None) };
                (self.batch, self.read) = (batch.project(&self.readable).map_err(faulty)?, 0);
                continue;
            }
            let rows = isolated("a batch of rows", || piece(&self.batch, self.read))??;
            self.read += rows.len();
            self.rows = rows.into_iter();
        }
    }
}

/// An Arrow IPC stream. Its decoder panics on some damaged input, so each call is isolated.
pub struct ArrowStream {
    reader: StreamReader<Box<dyn Read>>,
    /// Batches that were begun.
    begun: usize,
}

impl ArrowStream {
    pub fn open(stream: impl Read + 'static) -> Result<Self> {
        let stream: Box<dyn Read> = Box::new(stream);
        let reader = isolated("the schema of the Arrow stream", || StreamReader::try_new(stream, None))?.map_err(faulty)?;
        Ok(Self { reader, begun: 0 })
    }

    pub fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    /// The next batch; none at the end.
    pub fn batch(&mut self) -> Result<Option<RecordBatch>> {
        self.begun += 1;
        let place = format!("batch {} of the Arrow stream", self.begun);
        let Some(batch) = isolated(&place, || self.reader.next())? else { return Ok(None) };
        let batch = batch.map_err(|e| Error::new(ErrorCode::Data, format!("columns cannot be read from {place}: {e}")).with_source(e))?;
        let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
        if rows > MOST_WITHOUT_BYTES && rows / 8 > bytes {
            return Err(Error::new(ErrorCode::Data, format!("{place} has {rows} rows in {bytes} bytes; rows of no content are not read")));
        }
        Ok(Some(batch))
    }
}

fn faulty(e: ArrowError) -> Error {
    Error::new(ErrorCode::Data, format!("columns cannot be read: {e}")).with_source(e)
}

/// The rows from `start` on that come to no more than a piece, at least one.
fn piece(batch: &RecordBatch, start: usize) -> Result<Vec<Content>> {
    let (mut end, mut bytes) = (start, 0);
    while end < batch.num_rows().min(start + BATCH) {
        let Some(weight) = weight::of_row(batch, end, MAX_ROW_BYTES) else { break };
        bytes += weight;
        if end > start && bytes > PIECE_BYTES {
            break;
        }
        end += 1;
    }
    if end == start {
        let error = format!("the row has more than {MAX_ROW_BYTES} bytes, or a column of a type that is not read");
        return Ok(vec![Content::Faulty { text: String::new(), error }]);
    }
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(&batch.slice(start, end - start)).and_then(|()| writer.finish()).map_err(faulty)?;
    let json = writer.into_inner();
    let json = String::from_utf8(json).map_err(|e| Error::new(ErrorCode::Data, format!("columns cannot be read: {e}")).with_source(e))?;
    let rows: Vec<Content> = json
        .lines()
        .map(|line| match Object::new(line.to_owned()) {
            Ok(object) => Content::Record(Record::Json(object)),
            Err((text, e)) => Content::Faulty { text, error: format!("the row cannot be read as JSON: {e}") },
        })
        .collect();
    if rows.len() != end - start {
        return Err(Error::new(ErrorCode::Data, format!("columns cannot be read: {} rows came of {}", rows.len(), end - start)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
