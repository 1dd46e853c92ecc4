//! `pie tag`: texts to tasks.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use pie_embed_wasm::tasks::{Level, Tag};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::cache::CacheArgs;
use crate::embed::PromptArgs;
use crate::encode::{CHUNK, Encoder};
use crate::input::{Faults, InputArgs, Row};
use crate::model::ModelArgs;
use crate::progress::Progress;
use crate::reader::Place;
use crate::sink::{OutputArgs, SinkRow};

/// Name the task that each text asks for: one JSON line a text, best task first
///
/// Texts are the arguments, or the lines of --input, or those of stdin. `unknown` stands first when a text is like no known task.
#[derive(clap::Args)]
pub struct Args {
    /// Texts to tag
    #[arg(value_name = "TEXT", conflicts_with = "input")]
    texts: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    /// At most this many tasks a text
    #[arg(long, value_name = "K", default_value_t = 3)]
    top_k: usize,
    /// A taxonomy file other than the model's own
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    /// JSON lines also on a terminal
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

#[derive(Serialize)]
struct Kind {
    label: String,
    score: f32,
}

#[derive(Serialize)]
struct Tagged<'a> {
    text: &'a str,
    tasks: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub fn run(args: Args) -> Result<()> {
    if args.top_k == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "--top-k is 0; it must be at least 1"));
    }
    let model = args.model.load()?;
    let taxonomy = model.taxonomy(args.taxonomy.as_deref())?;
    let mut encoder = Encoder::new(&model, args.prompt.options()?, &args.cache, args.input.is_file())?;
    let for_people = args.output.is_plain() && !args.json && std::io::stdout().is_terminal();
    let mut sink = args.output.open(schema(), None)?;
    let (mut faults, mut done) = (Faults::default(), 0_u64);

    let mut tag = |rows: &[Row], progress: &Progress| -> Result<()> {
        let texts: Vec<&str> = rows.iter().filter(|row| row.error.is_none()).map(|row| row.text.as_str()).collect();
        let encoded = encoder.encode(&texts, progress)?;
        let mut vectors = encoded.rows().zip(&encoded.truncated);
        let tagged = rows.iter().map(|row| {
            let vector = if row.error.is_none() { vectors.next() } else { None };
            let tasks = vector.map_or(Ok(Vec::new()), |(v, _)| taxonomy.classify(v, Level::Task, args.top_k))?;
            let kind = match vector.filter(|_| taxonomy.has_kinds()) {
                Some((v, _)) => taxonomy.classify(v, Level::Kind, 1)?.pop().map(|tag| Kind { label: tag.label, score: tag.score }),
                None => None,
            };
            let truncated = vector.is_some_and(|(_, truncated)| *truncated);
            Ok(Tagged { text: &row.text, tasks, kind, truncated, error: row.error.as_deref() })
        });
        let tagged = tagged.collect::<Result<Vec<Tagged<'_>>>>()?;
        if for_people {
            tagged.iter().try_for_each(|row| sink.print(&row.for_people()))?;
        } else {
            sink.write(&tagged)?;
        }
        sink.flush()
    };

    if args.texts.is_empty() {
        let mut input = args.input.open()?;
        loop {
            let rows = input.chunk(CHUNK)?;
            if rows.is_empty() {
                break;
            }
            faults.note(&rows, input.progress());
            tag(&rows, input.progress())?;
            done += rows.len() as u64;
            input.progress().message(format!("{done} texts"));
        }
        input.progress().finish();
    } else {
        let blank = |text: &str| text.trim().is_empty().then(|| "the text is blank".to_owned());
        let row = |(text, line): (String, u64)| Row { place: Place { part: None, line }, error: blank(&text), text };
        let rows: Vec<Row> = args.texts.into_iter().zip(1..).map(row).collect();
        let progress = Progress::rows();
        faults.note(&rows, &progress);
        tag(&rows, &progress)?;
    }
    sink.finish()?;
    encoder.say_found();
    args.input.finish(faults)
}

fn schema() -> Schema {
    let label = || Field::new("label", DataType::Utf8, false);
    let score = || Field::new("score", DataType::Float32, false);
    let task = DataType::Struct(vec![label(), Field::new("name", DataType::Utf8, false), score()].into());
    Schema::new(vec![
        Field::new("text", DataType::Utf8, false),
        Field::new("tasks", DataType::List(Arc::new(Field::new("item", task, false))), false),
        Field::new("kind", DataType::Struct(vec![label(), score()].into()), true),
        Field::new("truncated", DataType::Boolean, true),
        Field::new("error", DataType::Utf8, true),
    ])
}

impl SinkRow for Tagged<'_> {
    fn vector(&self) -> &[f32] {
        &[]
    }
}

impl Tagged<'_> {
    fn for_people(&self) -> String {
        let first: String = self.text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let tasks: Vec<String> = self.tasks.iter().map(|t| format!("  {:>5.1} %  {}  ({})", t.score * 100.0, t.name, t.label)).collect();
        let kind = self.kind.iter().map(|k| format!("  {:>5.1} %  {}", k.score * 100.0, k.label)).collect();
        [vec![first], kind, self.error.map(|e| format!("  error: {e}")).into_iter().collect(), tasks].concat().join("\n")
    }
}
