//! Damaged and hostile files: each ends with rows or an error, in bounded time and memory.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow_array::builder::{ListBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int32Array, NullArray, RecordBatchOptions, StringArray};
use arrow_ipc::writer::StreamWriter;

use arrow_schema::{Field, Schema};

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/columns").join(name)).unwrap()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// How many rows there are, and how many of them are passed over.
fn drain(batches: Result<Batches>) -> Result<(usize, usize)> {
    let (mut batches, mut rows, mut faulty) = (batches?, 0, 0);
    while let Some(row) = batches.row()? {
        rows += 1;
        faulty += usize::from(matches!(row, Content::Faulty { .. }));
    }
    Ok((rows, faulty))
}

fn arrow(bytes: Vec<u8>) -> Result<(usize, usize)> {
    drain(Batches::arrow(Cursor::new(bytes)))
}

fn parquet(bytes: &[u8]) -> Result<(usize, usize)> {
    drain(Batches::parquet(file(bytes), &(Arc::new(|_| ()) as Meter)))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// Rows that name one text by its number.
fn repeated(text: &str, rows: usize) -> ArrayRef {
    let values = StringArray::from(vec![text]);
    Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0; rows]), Arc::new(values)))
}

#[test]
fn a_flipped_bit_is_an_error_or_another_row() {
    for (name, stride) in [("rows.arrow", 1), ("rows-none.parquet", 23), ("rows-snappy.parquet", 61), ("rows-zstd.parquet", 61)] {
        let whole = fixture(name);
        for bit in (0..whole.len() * 8).step_by(stride) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = if name.ends_with("arrow") { arrow(bytes) } else { parquet(&bytes) };
            if let Err(e) = read {
                assert!(e.code() == ErrorCode::Data, "{name}, bit {bit}: {e}");
            }
        }
        for len in (0..whole.len()).step_by(97) {
            let bytes = whole[..len].to_vec();
            let read = if name.ends_with("arrow") { arrow(bytes) } else { parquet(&bytes) };
            assert!(read.is_err() || name.ends_with("arrow"), "{name} cut to {len}");
        }
    }
}

#[test]
fn one_text_named_often_is_no_reason_to_take_memory() {
    let rows = batch(vec![("text", repeated(&"x".repeat(2000), 200_000))]);
    let bytes = stream(&rows);
    let used = allocation_counter::measure(|| assert_eq!(arrow(bytes).unwrap(), (200_000, 0)));
    // Two pieces, as JSON and as values: all rows would take a gigabyte.
    assert!(used.bytes_max < 200 << 20, "{}", used.bytes_max);

    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    let used = allocation_counter::measure(|| assert_eq!(parquet(&bytes).unwrap(), (200_000, 0)));
    assert!(bytes.len() < 10_000 && used.bytes_max < 200 << 20, "{} {}", bytes.len(), used.bytes_max);
}

#[test]
fn a_row_that_is_too_long_is_passed_over() {
    // A list that names one text a thousand times, and one that names it three times.
    let text = "x".repeat(1 << 20);
    let mut lists = ListBuilder::new(StringDictionaryBuilder::<Int32Type>::new());
    for len in [1000, 3] {
        (0..len).for_each(|_| lists.values().append_value(&text));
        lists.append(true);
    }
    assert_eq!(arrow(stream(&batch(vec![("text", Arc::new(lists.finish()) as ArrayRef)]))).unwrap(), (2, 1));
    let long = StringArray::from(vec!["x".repeat(MAX_ROW_BYTES as usize), "short".to_owned()]);
    let rows = batch(vec![("text", Arc::new(long))]);
    assert_eq!(arrow(stream(&rows)).unwrap(), (2, 1));
}

#[test]
fn a_small_file_of_a_giant_text_is_refused() {
    let rows = batch(vec![("text", Arc::new(StringArray::from(vec!["x".repeat(300 << 20)])))]);
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    drop(rows);
    let bytes = writer.into_inner().unwrap();
    let used = allocation_counter::measure(|| {
        let e = parquet(&bytes).unwrap_err().to_string();
        assert!(e.contains("row group 1 of 1: column \"text\": a page of 3145"), "{e}");
    });
    assert!(bytes.len() < 100_000 && used.bytes_max < 4 << 20, "{} {}", bytes.len(), used.bytes_max);
}

#[test]
fn rows_of_no_content_are_refused() {
    let rows = RecordBatchOptions::new().with_row_count(Some(1 << 40));
    let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Null, true)]));
    let nulls = RecordBatch::try_new_with_options(schema, vec![Arc::new(NullArray::new(1 << 40))], &rows).unwrap();
    let e = arrow(stream(&nulls)).unwrap_err().to_string();
    assert!(e.contains("batch 1 of the Arrow stream has 1099511627776 rows in"), "{e}");
}

#[test]
fn types_that_make_nulls_long_are_refused() {
    let width = 100 << 20;
    let rows = batch(vec![("text", Arc::new(FixedSizeBinaryArray::try_from_iter([vec![b'x'; width]].into_iter()).unwrap()) as ArrayRef)]);
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    let e = parquet(&writer.into_inner().unwrap()).unwrap_err().to_string();
    assert!(e.contains("row group 1 of 1: a row takes 104857600 bytes, also where it is null"), "{e}");
}
