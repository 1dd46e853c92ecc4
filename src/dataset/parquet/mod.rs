//! Parquet files as a decoder of other people's files reads them: what a file claims is held against these limits and its own length
//! before memory is taken for it, one row group at a time.
//!
//! Limits:
//! - Schema: at most 64 levels, 65,536 elements and 64 MiB of column paths.
//! - Pages: at most 256 MiB each, unpacked, and 1 GiB for one page of every column.
//! - Rows: at most 64 MiB of values of fixed size. A batch takes at most 256 MiB where a dictionary repeats texts.
//! - Chunks of columns do not overlap.
//!
//! The free memory is checked before a row group is read.

mod footer;
mod page;
mod thrift;

use std::fs::File;

use crate::error::{Error, ErrorCode, Result};
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::dataset::Meter;
use crate::dataset::isolate::isolated;

const MAX_NESTING: usize = 64;
const MAX_COLUMNS: usize = 1 << 16;
const MAX_PATH_BYTES: usize = 64 << 20;
const MAX_PAGE_BYTES: u64 = 256 << 20;
const MAX_PAGES_BYTES: u64 = 1 << 30;
const MAX_FIXED_BYTES: u64 = 64 << 20;
const BATCH_BYTES: u64 = 256 << 20;
/// Rows that are decoded at a time.
const BATCH_ROWS: u64 = 1024;

fn data(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Data, message)
}

/// Reads a file's batches.
pub struct ParquetFile {
    file: File,
    metadata: ArrowReaderMetadata,
    /// The row groups that were begun, and the last of them.
    begun: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Bytes of the file a row, for the progress.
    row_bytes: f64,
    meter: Meter,
}

impl ParquetFile {
    pub fn open(mut file: File, meter: &Meter) -> Result<Self> {
        footer::check(&mut file)?;
        let loaded = isolated("the Parquet footer", || ArrowReaderMetadata::load(&file, Default::default()))?;
        let metadata = loaded.map_err(|e| data(format!("no Parquet: {e}")).with_source(e))?;
        let bytes = file.metadata().map_err(|e| data(format!("reading: {e}")).with_source(e))?.len();
        page::check_chunks(metadata.metadata(), bytes)?;
        let rows = metadata.metadata().file_metadata().num_rows().max(1) as f64;
        Ok(Self { file, metadata, begun: 0, reader: None, row_bytes: bytes as f64 / rows, meter: meter.clone() })
    }

    pub fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    /// The next batch; none at the end.
    pub fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let groups = self.metadata.metadata().num_row_groups();
        loop {
            let place = format!("row group {} of {groups}", self.begun);
            let unreadable = |e: String| data(format!("columns cannot be read from {place}: {e}"));
            if let Some(reader) = &mut self.reader {
                match isolated(&place, || reader.next()) {
                    Ok(Some(batch)) => {
                        let batch = batch.map_err(|e| unreadable(e.to_string()).with_source(e))?;
                        (self.meter)((batch.num_rows() as f64 * self.row_bytes) as u64);
                        return Ok(Some(batch));
                    }
                    Ok(None) => self.reader = None,
                    Err(e) => return Err(e.context("columns cannot be read")),
                }
            }
            if self.begun == groups {
                return Ok(None);
            }
            self.reader = Some(self.begin(self.begun)?);
            self.begun += 1;
        }
    }

    /// Begins a row group whose pages keep the limits.
    fn begin(&self, group: usize) -> Result<ParquetRecordBatchReader> {
        let place = format!("row group {} of {}", group + 1, self.metadata.metadata().num_row_groups());
        let unreadable = |e: String| data(format!("columns cannot be read from {place}: {e}"));
        let rows = isolated(&place, || page::batch_rows(&self.file, &self.metadata, group))?
            .map_err(|e| e.context(format!("columns cannot be read from {place}")))?;
        let file = self.file.try_clone().map_err(|e| unreadable(e.to_string()).with_source(e))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let built = isolated(&place, || builder.with_row_groups(vec![group]).with_batch_size(rows).build())?;
        built.map_err(|e| unreadable(e.to_string()).with_source(e))
    }
}
