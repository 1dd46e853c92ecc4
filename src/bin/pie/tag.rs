//! `pie tag`: texts to tasks.

use std::io::IsTerminal;
use std::path::PathBuf;

use pie_embed_wasm::tasks::{Level, Tag};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::embed::{CHUNK, PromptArgs};
use crate::input::{Faults, InputArgs, Row};
use crate::model::ModelArgs;
use crate::output::Stdout;

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
    /// JSON lines also on a terminal
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Kind {
    label: String,
    score: f32,
}

#[derive(Serialize)]
struct JsonRow<'a> {
    text: &'a str,
    tasks: &'a [Tag],
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
    let options = args.prompt.options(None)?;
    model.embedder.tokenize("a", &options)?;
    let json = args.json || !std::io::stdout().is_terminal();
    let (mut out, mut faults, mut done) = (Stdout::lock(), Faults::default(), 0_u64);

    let mut tag = |rows: &[Row]| -> Result<()> {
        let texts: Vec<&str> = rows.iter().filter(|row| row.error.is_none()).map(|row| row.text.as_str()).collect();
        let embeddings = if texts.is_empty() { None } else { Some(model.embedder.embed(&texts, &options)?) };
        let mut vectors = embeddings.iter().flat_map(|e| e.rows().zip(&e.truncated));
        for row in rows {
            let vector = if row.error.is_none() { vectors.next() } else { None };
            let tasks = vector.map_or(Ok(Vec::new()), |(v, _)| taxonomy.classify(v, Level::Task, args.top_k))?;
            let kind = match vector.filter(|_| taxonomy.has_kinds()) {
                Some((v, _)) => taxonomy.classify(v, Level::Kind, 1)?.pop().map(|tag| Kind { label: tag.label, score: tag.score }),
                None => None,
            };
            let truncated = vector.is_some_and(|(_, truncated)| *truncated);
            let row = JsonRow { text: &row.text, tasks: &tasks, kind, truncated, error: row.error.as_deref() };
            let line = if json {
                serde_json::to_string(&row).map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?
            } else {
                row.for_people()
            };
            out.write(line.as_bytes())?;
            out.write(b"\n")?;
        }
        out.flush()
    };

    if args.texts.is_empty() {
        let mut input = args.input.open()?;
        loop {
            let rows = input.chunk(CHUNK)?;
            if rows.is_empty() {
                break;
            }
            faults.note(&rows, input.progress());
            tag(&rows)?;
            done += rows.len() as u64;
            input.progress().message(format!("{done} texts"));
        }
        input.progress().finish();
    } else {
        let blank = |text: &str| text.trim().is_empty().then(|| "the text is blank".to_owned());
        let rows: Vec<Row> = args.texts.into_iter().zip(1..).map(|(text, line)| Row { line, error: blank(&text), text }).collect();
        faults.note(&rows, &crate::progress::Progress::rows());
        tag(&rows)?;
    }
    args.input.finish(faults)
}

impl JsonRow<'_> {
    fn for_people(&self) -> String {
        let first: String = self.text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let tasks: Vec<String> = self.tasks.iter().map(|t| format!("  {:>5.1} %  {}  ({})", t.score * 100.0, t.name, t.label)).collect();
        let kind = self.kind.iter().map(|k| format!("  {:>5.1} %  {}", k.score * 100.0, k.label)).collect();
        [vec![first], kind, self.error.map(|e| format!("  error: {e}")).into_iter().collect(), tasks].concat().join("\n")
    }
}
