//! Parquet, Arrow and NumPy in and out: files of pyarrow and NumPy (`fixtures/make_columns.py`), and what `pie` writes, read by the crates.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use serde_json::{Value, json};

use crate::common::fixtures;
use crate::uses_cli::{Bench, example};

fn fixture(name: &str) -> String {
    fixtures().join("columns").join(name).to_str().unwrap().to_owned()
}

/// What the fixtures hold, as `make_columns.py` has it.
const TEXTS: [Option<&str>; 7] = [
    Some("Write a poem about rain"),
    Some("Sum 2 and 3"),
    None,
    Some("Übersetze „Guten Tag“"),
    Some(" "),
    Some("List three rivers"),
    Some("Sum 2 and 3"),
];

#[test]
fn columns_read_as_lines_do() {
    let bench = Bench::new();
    let jsonl: String = TEXTS.iter().map(|text| format!("{}\n", json!({"text": text}))).collect();
    bench.write("rows.jsonl", jsonl);
    let expected = bench.run("embed --input rows.jsonl");
    assert_eq!(expected.status.code(), Some(1));
    let files = ["rows-none.parquet", "rows-snappy.parquet", "rows-gzip.parquet", "rows-zstd.parquet", "rows.arrow"];
    for name in files {
        let output = bench.run(&format!("embed --input {}", fixture(name)));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &output.stdout), (Some(1), &expected.stdout), "{name}: {stderr}");
        for said in ["line 3: \"text\" is missing", "line 5: the text is blank", "2 of 7 lines"] {
            assert!(stderr.contains(said), "{name}: {stderr}");
        }
    }
    // A stream needs no name.
    let mut child = bench.command("embed").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(fixture("rows.arrow")).unwrap()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, expected.stdout);
}

/// Every type as JSON has it, and back: rows of the pool come out of Parquet as they went in.
#[test]
fn rows_keep_their_types() {
    let bench = Bench::new();
    let select = |input: &str, output: &str| {
        let line = format!("select --input {input} -n 5 --label text --method k-center --draws 1 -o {output} --force");
        let said = bench.run(&line);
        assert!(bench.path(output).exists(), "{}", String::from_utf8_lossy(&said.stderr));
    };
    select(&fixture("rows-zstd.parquet"), "out.jsonl");
    let rows = bench.rows("out.jsonl");
    let row = rows.iter().find(|row| row["id"] == 1).unwrap();
    let turns = json!([{"role": "user", "n": 1}]);
    let whole = json!({"id": 1, "text": "Sum 2 and 3", "label": "sum", "quality": 2.0, "day": "2026-11-23", "turns": turns});
    assert_eq!(*row, whole);
    assert!(rows.iter().find(|row| row["id"] == 6).unwrap()["label"].is_null());
    select(&fixture("rows-zstd.parquet"), "out.parquet");
    select("out.parquet", "again.jsonl");
    let sorted = |mut rows: Vec<Value>| {
        rows.sort_by_key(|row| row["id"].as_u64());
        rows
    };
    assert_eq!(sorted(bench.rows("again.jsonl")), sorted(rows));
}

fn batches(reader: impl Iterator<Item = Result<RecordBatch, arrow_schema::ArrowError>>) -> Vec<RecordBatch> {
    reader.map(Result::unwrap).collect()
}

fn vectors(batches: &[RecordBatch]) -> Vec<f32> {
    let column = |batch: &RecordBatch| {
        let column = batch.column_by_name("embedding").unwrap().as_fixed_size_list();
        assert_eq!(column.value_length(), 64);
        column.values().as_primitive::<Float32Type>().values().to_vec()
    };
    batches.iter().flat_map(column).collect()
}

#[test]
fn vectors_leave_as_columns() {
    let bench = Bench::new();
    let lines: String = (0..2500).map(|n| if n == 7 { "\n".to_owned() } else { format!("Write {n} lines\n") }).collect();
    bench.write("in.txt", lines);
    let run = |options: &str| {
        let output = bench.run(&format!("embed --input in.txt {options}"));
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run("-o a.npy");
    let npy = fs::read(bench.path("a.npy")).unwrap();
    let expected: Vec<f32> = npy[128..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    run("-o a.parquet");
    run("-o a.arrow");
    let parquet = batches(ParquetRecordBatchReader::try_new(File::open(bench.path("a.parquet")).unwrap(), 1000).unwrap());
    let arrow = batches(StreamReader::try_new(File::open(bench.path("a.arrow")).unwrap(), None).unwrap());
    let stdout = batches(StreamReader::try_new(&run("--arrow")[..], None).unwrap());
    for batches in [&parquet, &arrow, &stdout] {
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2500);
        assert!(vectors(batches) == expected);
        let (text, error) = (batches[0].column_by_name("text").unwrap(), batches[0].column_by_name("error").unwrap());
        assert_eq!((text.as_string::<i32>().value(8), error.as_string::<i32>().value(7)), ("Write 8 lines", "the text is blank"));
        assert!(error.is_null(8));
    }
    assert!(stdout == arrow);
    // What was written can be read.
    assert_eq!(bench.run("embed --input a.parquet -o b.npy").status.code(), Some(1));
    assert!(fs::read(bench.path("b.npy")).unwrap() == npy);
}

#[test]
fn other_columns_are_refused() {
    let bench = Bench::new();
    let whole = fs::read(fixture("rows-snappy.parquet")).unwrap();
    bench.write("half.parquet", &whole[..whole.len() / 2]);
    // The pages of the first row group are lost, and what says where they are is not.
    let mut holed = whole.clone();
    holed[4..600].fill(0xff);
    bench.write("holed.parquet", holed);
    bench.write("text.parquet", "{\"text\":\"a\"}\n");
    bench.write("none.parquet", "");
    let stream = fs::read(fixture("rows.arrow")).unwrap();
    bench.write("half.arrow", &stream[..stream.len() / 2]);
    bench.write("there.parquet", "kept");
    let select = |name: &str| format!("select --input {} -n 1 -o x.jsonl", fixture(name));
    bench.refuses(&[
        (&select("numbers.parquet"), 1, "numbers.parquet: column \"text\" is Int32, not a text [data]"),
        (&select("binary.parquet"), 1, "column \"text\" is Binary, not a text"),
        (&select("list.parquet"), 1, "column \"text\" is List"),
        (
            &format!("{} --column goal", select("other-names.parquet")),
            1,
            "there is no column \"goal\"; there are \"prompt\", \"id\" [data]",
        ),
        (&select("twice.parquet"), 1, "two columns are called \"text\""),
        (&select("empty.parquet"), 1, "empty.parquet: no row has a text"),
        (&select("rows-brotli.parquet"), 1, "brotli"),
        (&format!("{} --label turns", select("rows-none.parquet")), 1, "line 1: \"turns\" is a list, not a text"),
        (&format!("{} --label label", select("rows-none.parquet")), 1, "line 7: \"label\" is missing, not a text"),
        ("select --input half.parquet -n 1 -o x.jsonl", 1, "half.parquet: no Parquet"),
        ("select --input holed.parquet -n 1 -o x.jsonl", 1, "holed.parquet: line 1: columns cannot be read"),
        ("select --input text.parquet -n 1 -o x.jsonl", 1, "text.parquet: no Parquet"),
        ("select --input none.parquet -n 1 -o x.jsonl", 1, "none.parquet: no Parquet"),
        ("select --input half.arrow -n 1 -o x.jsonl", 1, "half.arrow: line 1: columns cannot be read"),
        // A file (Feather) is read as its stream is.
        (&select("file.arrow"), 1, "file.arrow: line 7: \"label\" is missing"),
        ("embed --input - --format parquet", 1, "stdin: Parquet is read from a file"),
        (&format!("embed --input {} -o there.parquet", fixture("rows-none.parquet")), 1, "there.parquet exists: --force"),
    ]);
}

#[test]
fn vectors_are_taken_from_numpy() {
    let bench = Bench::new();
    let pool = example("instructions.jsonl");
    bench.ok(&format!("embed --input {pool} -o pool.npy"));
    let line = |output: &str| format!("select --input {pool} -n 20 --seed 1 --draws 1 -o {output}");
    bench.ok(&line("a.jsonl"));
    bench.ok(&format!("{} --vectors pool.npy", line("b.jsonl")));
    assert_eq!(bench.rows("a.jsonl"), bench.rows("b.jsonl"));
    bench.write("four.txt", "a\nb\nc\nd\n");
    let chosen = |name: &str| {
        let file = fixture(name);
        bench.ok(&format!("select --input four.txt -n 4 --method k-center --draws 1 -o four.jsonl --vectors {file} --force"));
        bench.rows("four.jsonl")
    };
    assert!(chosen("single.npy") == chosen("double.npy") && chosen("single.npy") == chosen("big-endian.npy"));
    let whole = fs::read(fixture("single.npy")).unwrap();
    bench.write("half.npy", &whole[..whole.len() / 2]);
    bench.write("no.npy", "text");
    let refused = |name: &str| format!("select --input four.txt -n 1 -o x.jsonl --vectors {name}");
    bench.refuses(&[
        (&refused("half.npy"), 1, "half.npy: an array [4, 64] of '<f4', but 576 bytes: the file is cut off [data]"),
        (&refused("no.npy"), 1, "no.npy: no NumPy array"),
        (&refused(&fixture("fortran.npy")), 1, "an array [4, 64] in Fortran order; [rows, 64] in C order is wanted"),
        (&refused(&fixture("integers.npy")), 1, "an array of '<i4'; float32 and float64 are read"),
        (&refused(&fixture("flat.npy")), 1, "an array [64] in C order"),
        (&refused(&fixture("narrow.npy")), 1, "an array [4, 63] in C order; [rows, 64]"),
        (&refused(&fixture("nan.npy")), 1, "nan.npy: vector 2 holds NaN at dimension 5"),
        (&refused("pool.npy"), 1, "pool.npy: 360 vectors of 4 sound rows in four.txt"),
        (&format!("{} --vectors pool.npy", refused("pool.npy")), 1, "--vectors names 2 files for 1 data sets"),
        (&refused("missing.npy"), 1, "[io]"),
    ]);
}
