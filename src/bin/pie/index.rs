//! `pie index`: a pool's vectors and rows in one file, and reading it.
//!
//! The file is an Arrow IPC stream, written and read batch by batch, with the columns `text`, `row` (a JSON object), `vector` (of length 1)
//! and `check` (XXH3-64 of the three); its schema's metadata says by which model, prompt and view, and of how many rows.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use pie_embed_wasm::dataset::{ArrowStream, Fields};
use pie_embed_wasm::tasks::Vectors;
use pie_embed_wasm::{EmbedOptions, Error, ErrorCode, Result};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3Default;

use crate::columnar::{ColumnWriter, MODEL_SHA256, vector_type};
use crate::encode::EncodeArgs;
use crate::graph::{self, Graph};
use crate::input::{CHUNK, TextArgs};
use crate::model::Model;
use crate::output::{AtomicFile, print, refuse_existing};
use crate::progress::Progress;
use crate::view::{Made, VIEW};

const PROMPT: &str = "pie.index.prompt";
const ROWS: &str = "pie.index.rows";

/// Embed a pool once, for `pie retrieve`
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    encode: EncodeArgs,
    /// The pool: .jsonl, .csv, .tsv, .parquet, .arrow, .json (a list, or the benchmark's) or text lines, or a folder with parts of
    /// one of these; - is stdin
    #[arg(long, value_name = "FILE|DIR|-")]
    input: PathBuf,
    #[command(flatten)]
    texts_of: TextArgs,
    /// The index
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Also make a graph beside it, FILE.hnsw, by which a pool of more than a million rows is searched faster, but not exactly; it takes
    /// some 5 ms of a core a row
    #[arg(long)]
    hnsw: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// A row of the file.
#[derive(Serialize)]
struct Entry<'a> {
    text: &'a str,
    row: String,
    vector: &'a [f32],
    check: u64,
}

pub fn run(args: &Args) -> Result<()> {
    let graph = graph::path_of(&args.output);
    refuse_existing([&args.output].into_iter().chain(args.hnsw.then_some(&graph)), args.force)?;
    let table = args.encode.read(&args.input, &args.texts_of)?;
    let model = args.encode.load(1)?;
    let vectors = Arc::new(args.encode.encode(&model, 0, &table)?);
    let prompt = model.prompt(args.encode.prompt.as_ref());
    let made = Made::from(args.encode.reading(&model)?);
    let fields = vec![
        Field::new("text", DataType::Utf8, false),
        Field::new("row", DataType::Utf8, false),
        Field::new("vector", vector_type(vectors.dimensions()), false),
        Field::new("check", DataType::UInt64, false),
    ];
    let metadata =
        [(MODEL_SHA256, model.sha256.clone()), (PROMPT, prompt.to_string()), (VIEW, made.to_string()), (ROWS, vectors.len().to_string())];
    let metadata: HashMap<String, String> = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    let mut columns = ColumnWriter::arrow(Arc::new(Schema::new_with_metadata(fields, metadata)))?;
    let mut file = AtomicFile::create(&args.output)?;
    let progress = Progress::steps(vectors.len() as u64, "rows written");
    let mut checks = Xxh3Default::new();
    let mut rows = table.records.iter().zip(vectors.rows());
    loop {
        let entries = rows.by_ref().take(CHUNK).map(|(record, vector)| {
            let fields = record.record.fields().map_err(|e| Error::new(ErrorCode::Data, format!("{}: {e}", record.place)))?;
            let row = serde_json::Value::Object(fields).to_string();
            Ok(Entry { check: check(&record.text, &row, vector), text: &record.text, row, vector })
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        if entries.is_empty() {
            break;
        }
        entries.iter().for_each(|entry| checks.update(&entry.check.to_le_bytes()));
        file.write(&columns.encode(&entries)?)?;
        progress.add(entries.len() as u64);
    }
    progress.finish();
    file.write(&columns.finish()?)?;
    if args.hnsw {
        let waiting = Progress::waiting(format!("making a graph of {} rows", vectors.len()));
        Graph::build(&vectors)?.write(&graph, checks.digest())?;
        waiting.finish();
    }
    file.persist()?;
    print(format!("{}: {} rows of {} dimensions\n", args.output.display(), vectors.len(), vectors.dimensions()))?;
    table.finish()
}

fn check(text: &str, row: &str, vector: &[f32]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(text.as_bytes());
    hash.update(row.as_bytes());
    vector.iter().for_each(|x| hash.update(&x.to_le_bytes()));
    hash.digest()
}

/// A pool that was indexed.
pub struct Index {
    pub texts: Vec<String>,
    /// JSON objects; a large pool's are parsed when they are wanted.
    rows: Vec<String>,
    pub vectors: Arc<Vectors>,
    /// The prompt and view of its vectors, which those of a query must have too.
    pub options: EmbedOptions,
    /// A hash of the checks of all rows.
    pub checks: u64,
}

impl Index {
    /// Reads an index that was made by this model.
    pub fn read(path: &Path, model: &Model) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Self::parse(file, model).map_err(|e| Error::new(ErrorCode::Data, format!("{}: no index: {e}", path.display())).with_source(e))
    }

    fn parse(file: File, model: &Model) -> Result<Self> {
        let data = |message: String| Error::new(ErrorCode::Data, message);
        let bytes = file.metadata().map_err(|e| data(e.to_string()).with_source(e))?.len();
        let mut stream = ArrowStream::open(BufReader::with_capacity(1 << 20, file))?;
        let schema = stream.schema();
        let said = |key: &str| schema.metadata().get(key).ok_or_else(|| data(format!("it does not say {key:?}")));
        let made_by = said(MODEL_SHA256)?;
        if *made_by != model.sha256 {
            return Err(data(format!("it was made by the model with sha256 {made_by}; this one has {}", model.sha256)));
        }
        // An index of an older version has the one view that there was.
        let made = schema.metadata().get(VIEW).map_or(Ok(Made::default()), |made| made.parse())?;
        let options = made.options(EmbedOptions { prompt: Some(said(PROMPT)?.parse()?), ..EmbedOptions::default() });
        let wanted: usize = said(ROWS)?.parse().map_err(|e| data(format!("{ROWS}: {e}")))?;
        let dimensions = model.embedder.dimensions(&options)?;
        // What the file says it has is held against its length before memory is taken for it.
        let most = bytes as usize / (dimensions * size_of::<f32>());
        let (mut texts, mut rows, mut vectors) = (Vec::new(), Vec::new(), Vec::with_capacity(wanted.min(most) * dimensions));
        let mut checks = Xxh3Default::new();
        while let Some(batch) = stream.batch()? {
            let entries = entries(&batch, dimensions).ok_or_else(|| data(format!("its columns are {}", schema)))?;
            for (text, row, vector, sum) in entries {
                if check(text, row, vector) != sum {
                    return Err(data(format!("row {} is not what was written", texts.len())));
                }
                checks.update(&sum.to_le_bytes());
                texts.push(text.to_owned());
                rows.push(row.to_owned());
                vectors.extend_from_slice(vector);
            }
        }
        if texts.len() != wanted {
            return Err(data(format!("{} of {wanted} rows: the file is cut off", texts.len())));
        }
        Ok(Self { texts, rows, vectors: Arc::new(Vectors::new(vectors, dimensions)?), options, checks: checks.digest() })
    }

    /// A row as it was in the pool.
    pub fn row(&self, n: usize) -> Result<Fields> {
        let row = self.rows.get(n).map_or("", String::as_str);
        serde_json::from_str(row).map_err(|e| Error::new(ErrorCode::Data, format!("row {n} of the index: {e}")).with_source(e))
    }
}

/// Texts, rows, vectors and checks of a batch; nothing where its columns are others.
fn entries(batch: &RecordBatch, dimensions: usize) -> Option<impl Iterator<Item = (&str, &str, &[f32], u64)>> {
    let column = |name| batch.column_by_name(name).filter(|column| column.null_count() == 0);
    let (texts, rows) = (column("text")?.as_string_opt::<i32>()?, column("row")?.as_string_opt::<i32>()?);
    let vectors = column("vector")?.as_fixed_size_list_opt().filter(|list| list.value_length() as usize == dimensions)?;
    let vectors = vectors.values().as_primitive_opt::<Float32Type>()?.values().chunks_exact(dimensions);
    let checks = column("check")?.as_primitive_opt::<UInt64Type>()?.values();
    Some((0..batch.num_rows()).zip(vectors).zip(checks).map(move |((n, vector), &check)| (texts.value(n), rows.value(n), vector, check)))
}
