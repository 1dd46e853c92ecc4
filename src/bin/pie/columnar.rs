//! Rows of Parquet files and Arrow streams, in and out, a batch at a time. Types, nulls and nesting are those that `arrow-json` makes
//! of them: dates are texts, structs are objects.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::properties::WriterProperties;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_json::reader::infer_json_schema_from_iterator;
use arrow_json::writer::LineDelimited;
use arrow_json::{ReaderBuilder, WriterBuilder};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;
use serde_json::Value;

use crate::isolate::isolated;
use crate::parquet::ParquetFile;
use crate::progress::Progress;
use crate::reader::{Content, Fields, distinct};
use crate::weight;

/// What a schema's metadata says: the model that made the vectors, and its prompt.
pub const MODEL_SHA256: &str = "pie.model_sha256";
pub const PROMPT: &str = "pie.prompt";
/// Rows that are decoded or written at a time.
const BATCH: usize = 1024;

/// Bytes of rows that are made at a time, and of one row; longer ones are passed over with an error, as lines are.
const PIECE_BYTES: u64 = 16 << 20;
const MAX_ROW_BYTES: u64 = 64 << 20;
/// Rows of a batch that may take less than a bit each: columns of nulls and of runs have any number in a few bytes.
const MOST_WITHOUT_BYTES: usize = 1 << 20;

/// Reads batches as rows, a piece at a time: a batch may name one text a million times, and rows hold it as often.
pub struct Batches {
    schema: SchemaRef,
    next: Box<dyn FnMut() -> Result<Option<RecordBatch>>>,
    /// The batch whose rows are being read, and how many of them were.
    batch: RecordBatch,
    read: usize,
    rows: std::vec::IntoIter<Content>,
}

impl Batches {
    /// A Parquet file, page by page; progress is in bytes, as its rows share them.
    pub fn parquet(file: File, progress: &Progress) -> Result<Self> {
        let mut file = ParquetFile::open(file, progress)?;
        Self::new(file.schema(), move || file.batch())
    }

    /// An Arrow IPC stream.
    pub fn arrow(stream: impl Read + 'static) -> Result<Self> {
        let mut stream = ArrowStream::open(stream)?;
        Self::new(stream.schema(), move || stream.batch())
    }

    fn new(schema: SchemaRef, next: impl FnMut() -> Result<Option<RecordBatch>> + 'static) -> Result<Self> {
        distinct(schema.fields().iter().map(|field| field.name().as_str()))?;
        let batch = RecordBatch::new_empty(schema.clone());
        Ok(Self { schema, next: Box::new(next), batch, read: 0, rows: Vec::new().into_iter() })
    }

    pub fn columns(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// What the file says of itself.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.schema.metadata().get(key).map(String::as_str)
    }

    /// The type of a column that holds no text.
    pub fn other_type(&self, column: &str) -> Option<&DataType> {
        let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let kind = self.schema.field_with_name(column).ok()?.data_type();
        match kind {
            DataType::Dictionary(_, values) if is_text(values) => None,
            kind => (!is_text(kind)).then_some(kind),
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
                (self.batch, self.read) = (batch, 0);
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
    let rows = serde_json::Deserializer::from_slice(&json).into_iter().map(|row| row.map(Content::Fields));
    let rows = rows
        .collect::<serde_json::Result<Vec<_>>>()
        .map_err(|e| Error::new(ErrorCode::Data, format!("columns cannot be read as JSON: {e}")).with_source(e))?;
    if rows.len() != end - start {
        return Err(Error::new(ErrorCode::Data, format!("columns cannot be read: {} rows came of {}", rows.len(), end - start)));
    }
    Ok(rows)
}

fn unwritable(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let e = e.into();
    Error::new(ErrorCode::Data, format!("rows cannot be written as columns: {e}")).with_source(e)
}

/// Rows of a group, which waits in memory until it is whole: 100 MB of vectors.
const GROUP: usize = 1 << 16;

/// Makes the bytes of a file or stream, batch by batch.
pub struct ColumnWriter {
    schema: SchemaRef,
    bytes: Bytes,
}

enum Bytes {
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl ColumnWriter {
    pub fn parquet(schema: SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(GROUP)).build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(unwritable)?;
        Ok(Self { schema, bytes: Bytes::Parquet(Box::new(writer)) })
    }

    pub fn arrow(schema: SchemaRef) -> Result<Self> {
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(unwritable)?;
        Ok(Self { schema, bytes: Bytes::Arrow(Box::new(writer)) })
    }

    /// The next bytes: of these rows, and of earlier ones that waited for their row group to be whole.
    pub fn encode<T: Serialize>(&mut self, rows: &[T]) -> Result<Vec<u8>> {
        let mut decoder = ReaderBuilder::new(self.schema.clone()).with_coerce_primitive(true).build_decoder().map_err(unwritable)?;
        decoder.serialize(rows).map_err(unwritable)?;
        let batch = decoder.flush().map_err(unwritable)?.unwrap_or_else(|| RecordBatch::new_empty(self.schema.clone()));
        Ok(match &mut self.bytes {
            Bytes::Parquet(writer) => {
                writer.write(&batch).map_err(unwritable)?;
                std::mem::take(writer.inner_mut())
            }
            Bytes::Arrow(writer) => {
                writer.write(&batch).map_err(unwritable)?;
                std::mem::take(writer.get_mut())
            }
        })
    }

    /// The last bytes.
    pub fn finish(self) -> Result<Vec<u8>> {
        match self.bytes {
            Bytes::Parquet(writer) => writer.into_inner().map_err(unwritable),
            Bytes::Arrow(writer) => writer.into_inner().map_err(unwritable),
        }
    }
}

/// The type of a column of vectors.
pub fn vector_type(dimensions: usize) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), i32::try_from(dimensions).unwrap_or(i32::MAX))
}

/// Rows as a Parquet file; a column has the type that fits all its values.
pub fn parquet<'a>(rows: impl Iterator<Item = &'a Fields> + Clone) -> Result<Vec<u8>> {
    let schema = infer_json_schema_from_iterator(rows.clone().map(|row| Ok(Value::Object(row.clone())))).map_err(unwritable)?;
    let mut encoder = ColumnWriter::parquet(Arc::new(schema))?;
    let mut bytes = Vec::new();
    let rows: Vec<&Fields> = rows.collect();
    for rows in rows.chunks(BATCH) {
        bytes.append(&mut encoder.encode(rows)?);
    }
    bytes.append(&mut encoder.finish()?);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
