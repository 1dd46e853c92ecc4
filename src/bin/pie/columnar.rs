//! Rows of Parquet files and Arrow streams, in and out, a batch at a time. Types, nulls and nesting are those that `arrow-json` makes
//! of them: dates are texts, structs are objects.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_json::reader::infer_json_schema_from_iterator;
use arrow_json::writer::LineDelimited;
use arrow_json::{ReaderBuilder, WriterBuilder};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;
use serde_json::Value;

use crate::progress::Progress;
use crate::reader::{Fields, distinct};

/// What a schema's metadata says: the model that made the vectors, and its prompt.
pub const MODEL_SHA256: &str = "pie.model_sha256";
pub const PROMPT: &str = "pie.prompt";
/// Rows that are decoded or written at a time.
const BATCH: usize = 1024;

type Decoded = std::result::Result<RecordBatch, ArrowError>;

/// Reads batches as rows.
pub struct Batches {
    schema: SchemaRef,
    batches: Box<dyn Iterator<Item = Decoded>>,
    rows: std::vec::IntoIter<Fields>,
}

impl Batches {
    /// A Parquet file, page by page; progress is in bytes, as its rows share them.
    pub fn parquet(file: File, progress: &Progress) -> Result<Self> {
        let faulty = |e: ParquetError| Error::new(ErrorCode::Data, format!("no Parquet: {e}")).with_source(e);
        let bytes = file.metadata().map_err(|e| faulty(e.into()))?.len();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(faulty)?.with_batch_size(BATCH);
        let rows = builder.metadata().file_metadata().num_rows().max(1).unsigned_abs();
        let schema = builder.schema().clone();
        let advance = progress.clone();
        let batches = builder.build().map_err(faulty)?;
        let batches = batches.inspect(move |batch| batch.iter().for_each(|batch| advance.add(batch.num_rows() as u64 * bytes / rows)));
        Self::new(schema, batches)
    }

    /// An Arrow IPC stream.
    pub fn arrow(stream: impl Read + 'static) -> Result<Self> {
        let reader = StreamReader::try_new(stream, None).map_err(faulty)?;
        Self::new(reader.schema(), reader)
    }

    fn new(schema: SchemaRef, batches: impl Iterator<Item = Decoded> + 'static) -> Result<Self> {
        distinct(schema.fields().iter().map(|field| field.name().as_str()))?;
        Ok(Self { schema, batches: Box::new(batches), rows: Vec::new().into_iter() })
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
    pub fn row(&mut self) -> Result<Option<Fields>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            let Some(batch) = self.batches.next() else { return Ok(None) };
            self.rows = rows(&batch.map_err(faulty)?)?.into_iter();
        }
    }
}

fn faulty(e: ArrowError) -> Error {
    Error::new(ErrorCode::Data, format!("columns cannot be read: {e}")).with_source(e)
}

fn rows(batch: &RecordBatch) -> Result<Vec<Fields>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(batch).and_then(|()| writer.finish()).map_err(faulty)?;
    let rows = serde_json::Deserializer::from_slice(&writer.into_inner()).into_iter().collect::<serde_json::Result<_>>();
    rows.map_err(|e| Error::new(ErrorCode::Data, format!("columns cannot be read as JSON: {e}")).with_source(e))
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
