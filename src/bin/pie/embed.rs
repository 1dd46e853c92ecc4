//! `pie embed`: texts to vectors.

use std::path::PathBuf;

use pie_embed_wasm::{EmbedOptions, Error, ErrorCode, Prompt, Result};
use serde::Serialize;

use crate::input::{Faults, InputArgs};
use crate::model::ModelArgs;
use crate::output::{AtomicFile, Stdout};

/// Rows that are read, embedded and written at a time.
pub const CHUNK: usize = 1024;

/// Embed texts: a NumPy file [n, dim] of float32, or JSON lines
///
/// One output row an input line, in order. A line without text (blank, broken JSON, no UTF-8) keeps its row: zeros, with an `error` in
/// JSON lines; the exit status is then 1, unless --allow-faulty says otherwise.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// Keep the first D dimensions and normalise again
    #[arg(long, value_name = "D")]
    dimensions: Option<usize>,
    /// FILE.npy, FILE.jsonl, or - for JSON lines on stdout
    #[arg(long, short, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
}

#[derive(clap::Args)]
pub struct PromptArgs {
    /// pie, short, none, or a text with one {instruction}; the model's own by default
    #[arg(long, value_name = "PROMPT")]
    prompt: Option<String>,
    /// The most tokens of a text; longer ones keep their head and tail
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
}

impl PromptArgs {
    pub fn options(&self, dimensions: Option<usize>) -> Result<EmbedOptions> {
        let prompt = self.prompt.as_deref().map(str::parse::<Prompt>).transpose()?;
        Ok(EmbedOptions { prompt, dimensions, max_tokens: self.max_tokens })
    }
}

/// Where rows go.
enum Sink {
    Npy { file: AtomicFile, rows: u64 },
    JsonFile(AtomicFile),
    Stdout(Stdout),
}

#[derive(Serialize)]
struct JsonRow<'a> {
    text: &'a str,
    embedding: &'a [f32],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub fn run(args: Args) -> Result<()> {
    let model = args.model.load()?;
    let embedder = &model.embedder;
    let options = args.prompt.options(args.dimensions)?;
    let dimensions = embedder.dimensions(&options)?;
    // A prompt or limit that cannot work is said before anything is read.
    embedder.tokenize("a", &options)?;
    let mut sink = Sink::open(&args.output, dimensions)?;
    let mut input = args.input.open()?;
    let (mut faults, mut done) = (Faults::default(), 0_u64);
    let zeros = vec![0.0; dimensions];
    loop {
        let rows = input.chunk(CHUNK)?;
        if rows.is_empty() {
            break;
        }
        faults.note(&rows, input.progress());
        let texts: Vec<&str> = rows.iter().filter(|row| row.error.is_none()).map(|row| row.text.as_str()).collect();
        let embeddings = if texts.is_empty() { None } else { Some(embedder.embed(&texts, &options)?) };
        let mut vectors = embeddings.iter().flat_map(|e| e.rows().zip(&e.truncated));
        for row in &rows {
            let (embedding, truncated) = match row.error {
                None => vectors.next().map_or((&zeros[..], false), |(v, t)| (v, *t)),
                Some(_) => (&zeros[..], false),
            };
            sink.write(&JsonRow { text: &row.text, embedding, truncated, error: row.error.as_deref() })?;
        }
        done += rows.len() as u64;
        input.progress().message(format!("{done} texts"));
    }
    input.progress().finish();
    sink.finish(dimensions)?;
    args.input.finish(faults)
}

impl Sink {
    fn open(path: &std::path::Path, dimensions: usize) -> Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(Stdout::lock()));
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("npy") => {
                let mut file = AtomicFile::create(path)?;
                file.write(&npy_header(0, dimensions))?;
                Ok(Self::Npy { file, rows: 0 })
            }
            Some("jsonl" | "ndjson") => Ok(Self::JsonFile(AtomicFile::create(path)?)),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("--output {}: name a .npy or .jsonl file, or -", path.display()))),
        }
    }

    fn write(&mut self, row: &JsonRow<'_>) -> Result<()> {
        let json = || {
            serde_json::to_vec(row).map(|line| [line, b"\n".to_vec()].concat()).map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
        };
        match self {
            Self::Npy { file, rows } => {
                *rows += 1;
                row.embedding.iter().try_for_each(|x| file.write(&x.to_le_bytes()))
            }
            Self::JsonFile(file) => file.write(&json()?),
            Self::Stdout(out) => out.write(&json()?),
        }
    }

    fn finish(self, dimensions: usize) -> Result<()> {
        match self {
            Self::Npy { mut file, rows } => {
                file.rewrite_start(&npy_header(rows, dimensions))?;
                file.persist()
            }
            Self::JsonFile(file) => file.persist(),
            Self::Stdout(mut out) => out.flush(),
        }
    }
}

/// NumPy's format 1.0, padded to 128 bytes so that the number of rows can be filled in at the end.
fn npy_header(rows: u64, dimensions: usize) -> [u8; 128] {
    let mut header = [b' '; 128];
    header[..10].copy_from_slice(b"\x93NUMPY\x01\x00\x76\x00");
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimensions}), }}");
    header[10..10 + dict.len()].copy_from_slice(dict.as_bytes());
    header[127] = b'\n';
    header
}
