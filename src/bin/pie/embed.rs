//! `pie embed`: texts to vectors.

use arrow_schema::{DataType, Field, Schema};
use pie_embed_wasm::{EmbedOptions, Prompt, Result};
use serde::Serialize;

use crate::cache::CacheArgs;
use crate::columnar::{MODEL_SHA256, PROMPT, vector_type};
use crate::encode::{EMBEDDING, ERROR, Encoder};
use crate::input::{self, CHUNK, Faults, InputArgs};
use crate::model::{Model, ModelArgs};
use crate::sink::{OutputArgs, SinkRow};
use crate::view::{Made, VIEW, ViewArgs};

/// Embed texts: a NumPy file [n, dim] of float32, JSON lines, Parquet or Arrow
///
/// One output row an input line, in order. A line without text (blank, broken JSON, no UTF-8) keeps its row: zeros, with an `error`
/// but in NumPy's file; the exit status is then 1, unless --allow-faulty says otherwise. Where the model's vocabulary lacks pieces of a
/// text, `unread` is their share, 0 to 1. What is read from --input is kept in the cache: after Ctrl-C or a kill the same command goes on
/// where it was. Of stdin that is so with --cache.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    view: ViewArgs,
    /// Keep the first D dimensions and normalise again; of both views the first D/2 of each
    #[arg(long, value_name = "D")]
    dimensions: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    cache: CacheArgs,
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
    pub fn options(&self) -> Result<EmbedOptions> {
        let prompt = self.prompt.as_deref().map(str::parse::<Prompt>).transpose()?;
        Ok(EmbedOptions { prompt, max_tokens: self.max_tokens, ..EmbedOptions::default() })
    }
}

#[derive(Serialize)]
struct Row<'a> {
    text: &'a str,
    embedding: &'a [f32],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// Above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl SinkRow for Row<'_> {
    fn vector(&self) -> &[f32] {
        self.embedding
    }
}

pub fn run(args: Args) -> Result<()> {
    let model = args.model.load()?;
    let options = args.view.apply(EmbedOptions { dimensions: args.dimensions, ..args.prompt.options()? });
    let prompt = model.prompt(options.prompt.as_ref()).to_string();
    let mut encoder = Encoder::new(&model, options, &args.cache, args.input.is_file())?;
    let dimensions = encoder.dimensions;
    let schema = schema(&model, prompt, encoder.made, dimensions);
    let mut sink = args.output.open(schema, Some(dimensions))?;
    let mut input = args.input.open()?;
    let (mut faults, mut done) = (Faults::default(), 0_u64);
    let zeros = vec![0.0; dimensions];
    loop {
        let rows = input.chunk(CHUNK)?;
        if rows.is_empty() {
            break;
        }
        faults.note(&rows, input.progress());
        let texts: Vec<&str> = rows.iter().filter_map(input::Row::request).collect();
        let encoded = encoder.encode(&texts, input.progress())?;
        let unread = model.unread(&texts)?;
        let mut vectors = encoded.rows().zip(&encoded.truncated).zip(&unread);
        let rows = rows.iter().map(|row| {
            let vector = if row.error.is_none() { vectors.next() } else { None };
            let ((embedding, &truncated), &unread) = vector.unwrap_or(((&zeros[..], &false), &0.0));
            Row { text: &row.text, embedding, truncated, unread: (unread > 0.0).then_some(unread), error: row.error.as_deref() }
        });
        let rows: Vec<Row<'_>> = rows.collect();
        sink.write(&rows)?;
        done += rows.len() as u64;
        input.progress().message(format!("{done} texts"));
    }
    input.finish();
    sink.finish()?;
    encoder.say_found();
    args.input.finish(faults)
}

fn schema(model: &Model, prompt: String, made: Made, dimensions: usize) -> Schema {
    let columns = vec![
        Field::new("text", DataType::Utf8, false),
        Field::new(EMBEDDING, vector_type(dimensions), false),
        Field::new("truncated", DataType::Boolean, true),
        Field::new("unread", DataType::Float32, true),
        Field::new(ERROR, DataType::Utf8, true),
    ];
    let metadata = [(MODEL_SHA256, model.sha256.clone()), (PROMPT, prompt), (VIEW, made.to_string())];
    Schema::new_with_metadata(columns, metadata.map(|(key, value)| (key.to_owned(), value)))
}
