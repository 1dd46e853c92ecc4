//! `pie tagger`: learns a user's own labels, and says how well it does.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pie_embed_wasm::tasks::{Evaluation, Read, Tag, Tagger, TaggerLabel, TaggerOptions, UNKNOWN, WithRequests};
use pie_embed_wasm::{Embeddings, Error, ErrorCode, Result};
use serde::Deserialize;

use crate::cache::CacheArgs;
use crate::encode::encode;
use crate::input::TextArgs;
use crate::model::{Model, ModelArgs};
use crate::output::{json_line, print, refuse_existing, say, visible, write_file};
use crate::table::Table;

/// Labels that are shown to people, the least well found first.
const SHOWN_LABELS: usize = 10;

/// Labels of your own: learn them from names, descriptions and examples, and measure how well they are found
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fit(FitArgs),
    Eval(EvalArgs),
}

/// Learn labels, for `pie tag --tagger`
///
/// A label is learned from its name, its description and its examples, whichever it has. At the end stderr says how many examples are tagged
/// right by a tagger that has not seen them.
#[derive(clap::Args)]
struct FitArgs {
    /// Rows with a `text` and a `label`: .jsonl, .csv, .tsv, .json, .parquet or .arrow; or labels.toml, where a label is a table with any of
    /// `description`, `examples` and `not` (texts that look like the label and do not have it), a list of examples, or a string that
    /// describes it
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// The tagger file
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Score labels independently of each other, for texts that have several
    #[arg(long)]
    multi: bool,
    /// Give each label its own level below which a text is unknown
    #[arg(long)]
    thresholds: bool,
    /// The share of texts with one of the labels that may be called unknown: a larger one finds more texts of other kinds
    #[arg(long, value_name = "SHARE", default_value_t = TaggerOptions::default().unknown_share)]
    unknown_share: f32,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Tag labelled texts, and show how many are right, label by label, and which are confused
///
/// Rows labelled `unknown` are right when they are called so. Rows whose nearest examples agree on another label are listed as doubtful.
#[derive(clap::Args)]
struct EvalArgs {
    /// A tagger file of `pie tagger fit`
    #[arg(long, value_name = "FILE")]
    tagger: PathBuf,
    /// Rows with a `text` and a `label`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// All figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Fit(args) => fit(args),
        Command::Eval(args) => eval(args),
    }
}

fn fit(args: &FitArgs) -> Result<()> {
    refuse_existing([&args.output], args.force)?;
    let labels =
        if args.data.extension().is_some_and(|extension| extension == "toml") { read_toml(&args.data)? } else { read_rows(&args.data)? };
    let in_data = |e: Error| e.context(args.data.display());
    let texts = Tagger::texts(&labels).map_err(in_data)?;
    let options = TaggerOptions { unknown_share: args.unknown_share, thresholds: args.thresholds, multi: args.multi };
    let model = args.model.load()?;
    let embeddings = embed(&model, &texts, &args.cache)?;
    let tagger = Tagger::from_embeddings(labels, &embeddings, model.embedder.views().len(), &model.sha256, options).map_err(in_data)?;
    let bytes = tagger.to_bytes();
    write_file(&args.output, &bytes)?;
    let (count, judged) = (tagger.labels().len(), tagger.judged());
    say(&format!("{}: {count} labels, {} bytes", args.output.display(), bytes.len()));
    if judged.examples > 0 {
        say(&format!("{} of {} examples are tagged right by a tagger that has not seen them", judged.right, judged.examples));
    }
    Ok(())
}

fn eval(args: &EvalArgs) -> Result<()> {
    let table = Table::read(&args.data, &TextArgs::default(), None)?;
    let labels = table.strings(&label_column(&table)?)?;
    let model = args.model.load()?;
    let tagger = model.tagger(&args.tagger)?;
    let rows: Vec<(&str, String)> = table.texts().into_iter().zip(labels).collect();
    let texts: Vec<&str> = rows.iter().map(|(text, _)| *text).collect();
    let with_requests = WithRequests::new(&texts);
    let embeddings = embed(&model, with_requests.all(), &args.cache)?;
    let read: Vec<Read<'_>> = embeddings.rows().zip(&embeddings.unread).map(|(vector, &unread)| Read { vector, unread }).collect();
    let pairs = with_requests.pairs(&read);
    let first = |tags: Vec<Tag>| tags.into_iter().next().map_or_else(|| UNKNOWN.to_owned(), |tag| tag.label);
    let said = pairs.iter().map(|(whole, parts)| tagger.tag_requests(*whole, parts, 1).map(first)).collect::<Result<Vec<String>>>()?;
    let vectors: Vec<f32> = pairs.iter().flat_map(|(whole, _)| whole.vector).copied().collect();
    let evaluation = tagger.compare(&rows, &said, &vectors).map_err(|e| e.context(args.data.display()))?;
    if args.json {
        print(String::from_utf8_lossy(&json_line(&evaluation)?))?;
    } else {
        print(for_people(&evaluation))?;
    }
    table.finish()
}

/// The vectors of texts as taggers read them, through the cache, with the unread share of each.
fn embed<T: AsRef<str> + Sync>(model: &Model, texts: &[T], cache: &CacheArgs) -> Result<Embeddings> {
    let borrowed: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let vectors = encode(model, &borrowed, Tagger::embed_options(&model.embedder), cache)?;
    let unread = model.unread(&borrowed)?;
    Ok(Embeddings { dimensions: vectors.dimensions(), data: vectors.data().to_vec(), unread, ..Embeddings::default() })
}

fn label_column(table: &Table) -> Result<String> {
    match table.label_column(None)? {
        Some(column) => Ok(column),
        None => table.label_column(Some("label")).map(|column| column.unwrap_or_default()),
    }
}

/// The labels of rows, in the order in which they appear.
fn read_rows(path: &Path) -> Result<Vec<TaggerLabel>> {
    let table = Table::read(path, &TextArgs::default(), None)?;
    let mut labels: Vec<TaggerLabel> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (text, label) in table.texts().into_iter().zip(table.strings(&label_column(&table)?)?) {
        let place = *places.entry(label).or_insert_with_key(|label| {
            labels.push(TaggerLabel::new(label));
            labels.len() - 1
        });
        labels[place].examples.push(text.to_owned());
    }
    table.finish()?;
    Ok(labels)
}

/// What a TOML file says of a label.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    description: Option<String>,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    not: Vec<String>,
}

/// The labels of a TOML file, in alphabetical order.
fn read_toml(path: &Path) -> Result<Vec<TaggerLabel>> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let faulty = |e: toml::de::Error| Error::new(ErrorCode::Data, format!("{}: {}", path.display(), e.to_string().trim_end()));
    let table: toml::Table = toml::from_str(&text).map_err(faulty)?;
    let label = |(name, value): (String, toml::Value)| {
        let entry = match value {
            toml::Value::String(description) => Entry { description: Some(description), examples: Vec::new(), not: Vec::new() },
            value @ toml::Value::Array(_) => {
                let examples = value.try_into().map_err(|e| faulty(e).context(format!("label {name:?}")))?;
                Entry { description: None, examples, not: Vec::new() }
            }
            value => value.try_into().map_err(|e| faulty(e).context(format!("label {name:?}")))?,
        };
        Ok(TaggerLabel { name, description: entry.description, examples: entry.examples, not: entry.not })
    };
    table.into_iter().map(label).collect()
}

fn for_people(evaluation: &Evaluation) -> String {
    let Evaluation { rows, accuracy, called_unknown, labels, confusions, suspects } = evaluation;
    let percent = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let mut text = format!("{} of {rows} rows are tagged right\n", percent(Some(*accuracy)));
    // Writing to a string cannot fail.
    if called_unknown.is_some() {
        let _ = writeln!(text, "{} of rows with a known label are called unknown", percent(*called_unknown));
    }
    let mut found: Vec<_> = labels.iter().filter(|label| label.rows > 0).collect();
    found.sort_by(|a, b| a.recall.unwrap_or(1.0).total_cmp(&b.recall.unwrap_or(1.0)));
    let _ = writeln!(text, "\n  recall  precision   rows  label (of {}, the least well found first)", found.len());
    for label in found.iter().take(SHOWN_LABELS) {
        let _ = writeln!(text, "{:>8}  {:>9}  {:>5}  {}", percent(label.recall), percent(label.precision), label.rows, label.label);
    }
    let list = |text: &mut String, head: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n{head}");
            lines.iter().for_each(|line| text.push_str(&format!("  {}\n", visible(&line.replace(['\n', '\t'], " ")))));
        }
    };
    let confused = confusions.iter().take(SHOWN_LABELS).map(|c| format!("{:>4}  {} said to be {}: {:?}", c.rows, c.label, c.said, c.text));
    list(&mut text, "confused:", confused.collect());
    let doubtful = suspects
        .iter()
        .take(SHOWN_LABELS)
        .map(|s| format!("row {}: {:?} is labelled {}, its neighbours {}", s.row, s.text, s.label, s.neighbours));
    list(&mut text, "doubtful, by their nearest examples:", doubtful.collect());
    text
}
