//! Rows out as Parquet files and Arrow streams, a batch at a time.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::properties::WriterProperties;
use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_json::ReaderBuilder;
use arrow_json::reader::infer_json_schema_from_iterator;
use arrow_schema::{DataType, Field, SchemaRef};
use pie_embed_wasm::dataset::Fields;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;
use serde_json::Value;

/// What a schema's metadata says: the model that made the vectors, and its prompt.
pub const MODEL_SHA256: &str = "pie.model_sha256";
pub const PROMPT: &str = "pie.prompt";
/// Rows that are written at a time.
const BATCH: usize = 1024;

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
