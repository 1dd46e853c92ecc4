//! `pie index`: a pool's vectors and rows in one file, and reading it.
//!
//! The file is GGUF as the model is, with its checksum: `pie.model_sha256`, `pie.index.prompt`, `pie.index.texts`, `pie.index.rows`
//! (JSON objects), and the tensor `index.vectors` `[rows, hidden]`, each row of length 1.

use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::config::Dtype;
use pie_embed_wasm::gguf::{Gguf, GgufWriter, MetadataValue, dequantize, keys};
use pie_embed_wasm::tasks::Vectors;
use pie_embed_wasm::{Error, ErrorCode, Prompt, Result};

use crate::cache::CacheArgs;
use crate::model::{Model, ModelArgs};
use crate::output::{refuse_existing, write_file};
use crate::reader::Fields;
use crate::table::Table;

/// `general.architecture` of an index file.
const ARCHITECTURE: &str = "pie-index";
const MODEL_SHA256: &str = "pie.model_sha256";
const PROMPT: &str = "pie.index.prompt";
const TEXTS: &str = "pie.index.texts";
const ROWS: &str = "pie.index.rows";
const VECTORS: &str = "index.vectors";

/// Embed a pool once, for `pie retrieve`
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// The pool: .jsonl, .csv, .tsv, .json (a list, or the benchmark's), or text lines; - is stdin
    #[arg(long, value_name = "FILE|-")]
    input: PathBuf,
    /// The column with the text [default: instruction or text]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// pie, short, none, or a template with {instruction}; queries get it too [default: the model's]
    #[arg(long)]
    prompt: Option<Prompt>,
    /// The index
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing([&args.output], args.force)?;
    let table = Table::read(&args.input, args.column.as_deref())?;
    let model = args.model.load()?;
    let vectors = model.encode(&table.texts(), args.prompt.clone(), &args.cache, "texts encoded")?;
    let rows = table.records.iter().map(|record| serde_json::to_string(&record.fields));
    let rows = rows.collect::<serde_json::Result<Vec<String>>>().map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
    let strings = |values: Vec<String>| MetadataValue::Array(values.into_iter().map(MetadataValue::String).collect());
    let prompt = args.prompt.as_ref().unwrap_or(&model.embedder.info().prompt);
    let mut file = GgufWriter::default();
    file.string(keys::GENERAL_ARCHITECTURE, ARCHITECTURE)
        .string(MODEL_SHA256, &model.sha256)
        .string(PROMPT, prompt.to_string())
        .metadata(TEXTS, strings(table.records.iter().map(|record| record.text.clone()).collect()))
        .metadata(ROWS, strings(rows))
        .tensor(VECTORS, vectors.data(), &[vectors.len(), vectors.dimensions()], Dtype::F32)?;
    write_file(&args.output, &file.finish()?)?;
    println!("{}: {} rows of {} dimensions", args.output.display(), vectors.len(), vectors.dimensions());
    table.finish()
}

/// A pool that was indexed.
pub struct Index {
    pub texts: Vec<String>,
    pub rows: Vec<Fields>,
    pub vectors: Vectors,
    pub prompt: Prompt,
}

impl Index {
    /// Reads an index that was made by this model.
    pub fn read(path: &Path, model: &Model) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&bytes, model).map_err(|e| Error::new(ErrorCode::Data, format!("{}: no index: {e}", path.display())).with_source(e))
    }

    fn parse(bytes: &[u8], model: &Model) -> Result<Self> {
        let data = |message: String| Error::new(ErrorCode::Data, message);
        let gguf = Gguf::parse(bytes)?;
        let architecture = gguf.string(keys::GENERAL_ARCHITECTURE)?;
        if architecture != ARCHITECTURE {
            return Err(data(format!("architecture is {architecture:?}, not {ARCHITECTURE:?}")));
        }
        let made_by = gguf.string(MODEL_SHA256)?;
        if made_by != model.sha256 {
            return Err(data(format!("it was made by the model with sha256 {made_by}; this one has {}", model.sha256)));
        }
        let texts: Vec<String> = gguf.strings(TEXTS)?.iter().map(|&text| text.to_owned()).collect();
        let rows = gguf.strings(ROWS)?;
        if rows.len() != texts.len() {
            return Err(data(format!("{} rows of {} texts", rows.len(), texts.len())));
        }
        let parse = |(n, row): (usize, &&str)| serde_json::from_str(row).map_err(|e| data(format!("row {n}: {e}")));
        let rows = rows.iter().enumerate().map(parse).collect::<Result<Vec<Fields>>>()?;
        let dimensions = model.embedder.config().hidden_size;
        let tensor = gguf.tensor(VECTORS, &[dimensions, texts.len()])?;
        let mut vectors = vec![0.0; tensor.len()];
        dequantize(tensor.dtype, &tensor.data, &mut vectors);
        Ok(Self { texts, rows, vectors: Vectors::new(vectors, dimensions)?, prompt: gguf.string(PROMPT)?.parse()? })
    }
}
