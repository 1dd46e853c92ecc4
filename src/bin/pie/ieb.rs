//! `pie ieb`: what is in a labelled data set, its labels joined, and splits of it whose tasks are disjoint.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use pie_embed_wasm::ieb::Random;
use pie_embed_wasm::label::merge_like;
use pie_embed_wasm::tasks::Labelled;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use crate::bars;
use crate::input::read_labelled;
use crate::output::{print, refuse_existing, say, write_file, write_files};

/// Tasks that `stats` names, and draws.
const SHOWN_TASKS: usize = 10;
const DRAWN_TASKS: usize = 20;

/// Look into a labelled data set, join labels of one meaning, or split it by task
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print how many instructions, tasks, verbs and nouns there are
    Stats {
        /// JSON lines of {"instruction", "category"}, or the benchmark's {task: {"samples"}} as FILE.json
        #[arg(value_name = "FILE")]
        data: PathBuf,
        /// The most frequent tasks, drawn
        #[arg(long, value_name = "FILE.svg")]
        chart: Option<PathBuf>,
        /// Replace a chart that is there
        #[arg(long, requires = "chart")]
        force: bool,
    },
    /// Split into training and test data that have no task and no instruction in common
    Split(SplitArgs),
    /// Join labels whose words the labels of another data set join: create|song##make|song
    Merge {
        /// JSON lines of {"instruction", "category"}, or the benchmark's {task: {"samples"}} as FILE.json
        #[arg(value_name = "FILE")]
        data: PathBuf,
        /// The data set whose labels are joined already
        #[arg(long, value_name = "FILE")]
        like: PathBuf,
        /// FILE.jsonl, or FILE.json for the benchmark's format
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Replace an --output that exists
        #[arg(long)]
        force: bool,
    },
}

#[derive(clap::Args)]
struct SplitArgs {
    /// JSON lines of {"instruction", "category"}, or the benchmark's {task: {"samples"}} as FILE.json
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// FILE.jsonl, or FILE.json for the benchmark's format, which `pie eval` reads
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// The same for the test data
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// Share of the instructions that the test gets
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    test_share: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Stats { data, chart, force } => {
            refuse_existing(chart, *force)?;
            stats(data, chart.as_deref())
        }
        Command::Split(args) => split(args),
        Command::Merge { data, like, output, force } => {
            refuse_existing([output], *force)?;
            merge(data, like, output)
        }
    }
}

fn read(path: &Path) -> Result<Vec<Labelled>> {
    let rows = read_labelled(path)?;
    if rows.is_empty() {
        return Err(Error::new(ErrorCode::Data, format!("{} has no labelled instruction", path.display())));
    }
    Ok(rows)
}

/// Rows by task.
fn by_task(rows: &[Labelled]) -> BTreeMap<&str, Vec<&Labelled>> {
    let mut tasks: BTreeMap<&str, Vec<&Labelled>> = BTreeMap::new();
    for row in rows {
        tasks.entry(&row.category).or_default().push(row);
    }
    tasks
}

fn stats(path: &Path, chart: Option<&Path>) -> Result<()> {
    let rows = read(path)?;
    let tasks = by_task(&rows);
    let mut sizes: Vec<(&str, usize)> = tasks.iter().map(|(task, rows)| (*task, rows.len())).collect();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let halves = rows.iter().filter_map(|row| row.label().split_once('|'));
    let (verbs, nouns): (HashSet<&str>, HashSet<&str>) = halves.unzip();
    let texts: HashSet<&str> = rows.iter().map(|row| row.instruction.trim()).collect();
    let single = sizes.iter().filter(|(_, size)| *size == 1).count();
    let conf = rows.iter().map(|row| f64::from(row.conf)).sum::<f64>() / rows.len() as f64;
    let mut report = format!(
        "instructions {} ({} different), mean confidence {conf:.3}\ntasks {}, of one instruction {single}, of several synonyms {}\n\
         verbs {}, nouns {}\ninstructions a task: median {}, most {}\n",
        rows.len(),
        texts.len(),
        tasks.len(),
        tasks.keys().filter(|task| task.contains("##")).count(),
        verbs.len(),
        nouns.len(),
        sizes[sizes.len() / 2].1,
        sizes[0].1,
    );
    for (task, size) in sizes.iter().take(SHOWN_TASKS) {
        report.push_str(&format!("{size:>8} {task}\n"));
    }
    if let Some(chart) = chart {
        let shown = &sizes[..sizes.len().min(DRAWN_TASKS)];
        let title = format!("{} of {} tasks, by their instructions", shown.len(), sizes.len());
        write_file(chart, bars::svg(&title, shown)?.as_bytes())?;
    }
    print(report)
}

fn split(args: &SplitArgs) -> Result<()> {
    if !(args.test_share > 0.0 && args.test_share < 1.0) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("--test-share is {}; it must lie between 0 and 1", args.test_share)));
    }
    refuse_existing([&args.train, &args.test], args.force)?;
    let rows = read(&args.data)?;
    let mut tasks: Vec<(&str, Vec<&Labelled>)> = by_task(&rows).into_iter().collect();
    if tasks.len() < 2 {
        return Err(Error::new(ErrorCode::Data, format!("{} has {} task; a split needs 2", args.data.display(), tasks.len())));
    }
    Random::new(args.seed).shuffle(&mut tasks);
    let wanted = args.test_share * rows.len() as f64;
    let (mut held, mut taken) = (0, 0);
    // One task at least is left to train on.
    while held < tasks.len() - 1 && (held == 0 || (taken as f64) < wanted) {
        taken += tasks[held].1.len();
        held += 1;
    }
    let (test, train) = tasks.split_at(held);
    let test_texts: HashSet<&str> = test.iter().flat_map(|(_, rows)| rows).map(|row| row.instruction.trim()).collect();
    let mut train: Vec<(&str, Vec<&Labelled>)> = train.to_vec();
    for (_, rows) in &mut train {
        rows.retain(|row| !test_texts.contains(row.instruction.trim()));
    }
    train.retain(|(_, rows)| !rows.is_empty());
    let count = |tasks: &[(&str, Vec<&Labelled>)]| tasks.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    let dropped = rows.len() - count(test) - count(&train);
    write_files(&[(args.train.clone(), render(&args.train, &train)?), (args.test.clone(), render(&args.test, test)?)])?;
    say(&format!(
        "{}: {} instructions of {} tasks\n{}: {} instructions of {} tasks\n{dropped} instructions left out, whose text the test has too",
        args.train.display(),
        count(&train),
        train.len(),
        args.test.display(),
        count(test),
        test.len()
    ));
    Ok(())
}

fn merge(data: &Path, like: &Path, output: &Path) -> Result<()> {
    let mut rows = read(data)?;
    let like: Vec<String> = by_task(&read(like)?).into_keys().map(str::to_owned).collect();
    let labels: BTreeSet<&str> = rows.iter().map(|row| row.category.as_str()).collect();
    let (names, before) = (merge_like(&labels, &like), labels.len());
    for row in &mut rows {
        if let Some(name) = names.get(&row.category) {
            row.category.clone_from(name);
        }
    }
    let tasks: Vec<(&str, Vec<&Labelled>)> = by_task(&rows).into_iter().collect();
    write_file(output, &render(output, &tasks)?)?;
    say(&format!("{}: {} of {before} labels joined, {} tasks", output.display(), names.len(), tasks.len()));
    Ok(())
}

/// The bytes of a file: the benchmark's format for `.json`, else JSON lines.
fn render(path: &Path, tasks: &[(&str, Vec<&Labelled>)]) -> Result<Vec<u8>> {
    let internal = |e: serde_json::Error| Error::new(ErrorCode::Internal, e.to_string());
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|e| e == "json") {
        let file: serde_json::Map<String, Value> = tasks
            .iter()
            .map(|(task, rows)| {
                let sample = |row: &&Labelled| {
                    let (verb, noun) = row.label().split_once('|').unwrap_or((row.label(), "none"));
                    json!({"category": [verb, noun], "instruction": row.instruction, "input": "", "output": ""})
                };
                let samples: Vec<Value> = rows.iter().map(sample).collect();
                ((*task).to_owned(), json!({"number": samples.len(), "samples": samples}))
            })
            .collect();
        serde_json::to_writer_pretty(&mut bytes, &file).map_err(internal)?;
        bytes.push(b'\n');
    } else {
        for row in tasks.iter().flat_map(|(_, rows)| rows) {
            serde_json::to_writer(&mut bytes, row).map_err(internal)?;
            bytes.push(b'\n');
        }
    }
    Ok(bytes)
}
