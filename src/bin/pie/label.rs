//! `pie label`: raw instructions to `verb|noun` labels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::label::{Grouping, Labeller, Picker, Source, WordNet, cross_validate, merge_synonyms, read_gold};
use pie_embed_wasm::{Error, ErrorCode, Result};
use rayon::prelude::*;
use serde::Serialize;

use crate::input::{CHUNK, Faults, InputArgs};
use crate::output::{Output, json_line, print, refuse_existing, say, write_file};

/// Folds of the cross-validation.
const FOLDS: usize = 5;

/// Label raw instructions with their task, `verb|noun`, as the benchmark's makers did
///
/// JSON lines of {"instruction", "category", "conf", "source"} come out, one a row and in order. `source` is pair (a verb and a noun of
/// the text), question (how|knowledge, yes-no|knowledge), math (solve|math) or none (summarize|none). A row without text keeps its
/// place, with an `error` and no category; the exit status is then 1.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// FILE.jsonl, or - for stdout; with --fit the weights
    #[arg(long, short, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
    /// Merge labels that WordNet calls synonyms: create|song##make|song. DIR has index.verb and index.noun
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "/usr/share/wordnet")]
    merge_synonyms: Option<PathBuf>,
    /// Leave out instructions whose label fewer have
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_count: usize,
    /// Other weights than the program's own
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Fit weights to a labelled file of the benchmark, print their agreement in cross-validation, and write them to --output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "merge_synonyms", "min_count", "weights"])]
    fit: Option<PathBuf>,
    /// Replace an --output that exists
    #[arg(long)]
    force: bool,
    /// Shuffles the folds of --fit
    #[arg(long, default_value_t = 0, requires = "fit")]
    seed: u64,
}

#[derive(Serialize)]
struct JsonRow {
    instruction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conf: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing([&args.output], args.force)?;
    match &args.fit {
        Some(gold) => fit(gold, &args.output, args.seed),
        None => label(args),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io(path, e))
}

fn label(args: &Args) -> Result<()> {
    let labeller = match &args.weights {
        Some(path) => Labeller::with_picker(Picker::parse(&read(path)?).map_err(|e| e.context(path.display()))?),
        None => Labeller::new()?,
    };
    let wordnet = args.merge_synonyms.as_deref().map(WordNet::load).transpose()?;
    let mut output = Output::open(&args.output)?;
    let mut input = args.input.open()?;
    let mut faults = Faults::default();
    // Merging and counting need all labels; otherwise each row is written as it is read.
    let keeps = wordnet.is_some() || args.min_count > 1;
    let (mut kept, mut done) = (Vec::new(), 0_u64);
    loop {
        let rows = input.chunk(CHUNK)?;
        if rows.is_empty() {
            break;
        }
        faults.note(&rows, input.progress());
        done += rows.len() as u64;
        let labelled = rows.into_par_iter().map(|row| match row.error {
            None => {
                let label = labeller.label(&row.text);
                let (category, conf, source) = (Some(label.category()), Some(label.conf), Some(label.source));
                JsonRow { instruction: row.text, category, conf, source, error: None }
            }
            error => JsonRow { instruction: row.text, category: None, conf: None, source: None, error },
        });
        let labelled: Vec<JsonRow> = labelled.collect();
        if keeps {
            kept.extend(labelled);
        } else {
            labelled.iter().try_for_each(|row| output.write(&json_line(row)?))?;
        }
        input.progress().message(format!("{done} instructions"));
    }
    input.finish();
    if let Some(wordnet) = wordnet {
        let names = merge_synonyms(&counts(&kept), &wordnet);
        say(&format!("{} of {} labels merged with synonyms", names.len(), counts(&kept).len()));
        for category in kept.iter_mut().filter_map(|row| row.category.as_mut()) {
            if let Some(name) = names.get(category) {
                category.clone_from(name);
            }
        }
    }
    let counts = counts(&kept);
    let common = |row: &&JsonRow| row.category.as_ref().is_none_or(|category| counts[category] >= args.min_count);
    kept.iter().filter(common).try_for_each(|row| output.write(&json_line(row)?))?;
    if args.min_count > 1 {
        let rare = counts.values().filter(|&&count| count < args.min_count);
        say(&format!("{} of {} labels left out with {} instructions", rare.clone().count(), counts.len(), rare.sum::<usize>()));
    }
    output.finish()?;
    args.input.finish(faults)
}

/// Instructions by label.
fn counts(rows: &[JsonRow]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for category in rows.iter().filter_map(|row| row.category.as_ref()) {
        *counts.entry(category.clone()).or_default() += 1;
    }
    counts
}

fn fit(gold: &Path, output: &Path, seed: u64) -> Result<()> {
    if output.as_os_str() == "-" {
        return Err(Error::new(ErrorCode::InvalidArgument, "--fit needs --output FILE for the weights"));
    }
    let rows = read_gold(&read(gold)?).map_err(|e| e.context(gold.display()))?;
    for (grouping, what) in [(Grouping::Instructions, "instructions"), (Grouping::Tasks, "whole tasks")] {
        let found = cross_validate(&rows, grouping, FOLDS, seed).map_err(|e| e.context(gold.display()))?;
        print(format!(
            "{} instructions, {FOLDS} folds, {what} held out: verb {:.3}, noun {:.3}, both {:.3}\n",
            found.rows, found.verb, found.noun, found.both
        ))?;
    }
    let picker = Picker::fit(&rows.iter().map(|row| &row.example).collect::<Vec<_>>());
    write_file(output, picker.to_text().as_bytes())?;
    print(format!("{}: {} weights\n", output.display(), picker.len()))
}
