//! `pie eval`: a model, and a baseline beside it, on the benchmark's tests and on real prompts.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{ArgGroup, ValueEnum};
use pie_embed_wasm::encoder::Reading;
use pie_embed_wasm::ieb::{
    ModelEncoder, PairSet, ParaphraseSet, Score, TaskSet, TextEncoder, TfIdf, Vectors, clustering_scores, disturbance_scores, map,
    paraphrase_scores, similarity_scores,
};
use pie_embed_wasm::tasks::{MIN_ROWS, t_sne};
use pie_embed_wasm::{EmbedOptions, Error, Prompt, Result};
use serde_json::{Value, json};

use crate::manifest::to_json;
use crate::model::{Model, ModelArgs};
use crate::output::{print, say, write_files};
use crate::progress::Progress;
use crate::view::{Made, ViewArgs};

/// Measure a model: clustering and similarity (IEB), paraphrases, disturbed prompts
#[derive(clap::Args)]
#[command(group = ArgGroup::new("tests").required(true).multiple(true).args(["eft_test", "iis", "paraphrase", "disturb"]))]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Instruction clustering: tasks with their instructions, as eft_test.json
    #[arg(long, value_name = "FILE", num_args = 1..)]
    eft_test: Vec<PathBuf>,
    /// Instruction similarity: pairs with 0/1 labels, as intention_similarity_test.json
    #[arg(long, value_name = "FILE", num_args = 1..)]
    iis: Vec<PathBuf>,
    /// The same task in other words: blocks of sentences, each begun by a line "# task".
    #[arg(long, value_name = "FILE", num_args = 1..)]
    paraphrase: Vec<PathBuf>,
    /// Disturbed copies of the instructions of an eft_test-shaped file: is the nearest clean one of the same task?
    #[arg(long, value_name = "FILE", num_args = 1..)]
    disturb: Vec<PathBuf>,
    #[command(flatten)]
    view: ViewArgs,
    /// Keep only the first N dimensions
    #[arg(long, value_name = "N")]
    dimensions: Option<usize>,
    /// pie, short, none, or a template with {instruction} [default: the model's]
    #[arg(long)]
    prompt: Option<Prompt>,
    /// Measure another encoder beside the model
    #[arg(long, value_enum)]
    baseline: Option<Baseline>,
    /// The model of --baseline minilm
    #[arg(long, value_name = "FILE|NAME", default_value = "minilm")]
    baseline_model: String,
    /// Seeds of k-means: 0 to N - 1.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Seed of the disturbances and of the map
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write eval.json and a 2-D map (SVG) of each clustering and paraphrase file into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Baseline {
    /// The untrained sentence model, as it is: no prompt but its own, all dimensions.
    Minilm,
    /// TF-IDF over the words of the test's own texts.
    Tfidf,
}

enum Set {
    Clustering(TaskSet),
    Similarity(PairSet),
    Paraphrase(ParaphraseSet),
    Disturbance(TaskSet),
}

struct Test {
    path: PathBuf,
    set: Set,
}

impl Test {
    const fn kind(&self) -> &'static str {
        match self.set {
            Set::Clustering(_) => "clustering",
            Set::Similarity(_) => "similarity",
            Set::Paraphrase(_) => "paraphrase",
            Set::Disturbance(_) => "disturbance",
        }
    }

    fn sizes(&self) -> String {
        match &self.set {
            Set::Clustering(set) | Set::Disturbance(set) => format!("{} instructions, {} tasks", set.instructions.len(), set.tasks.len()),
            Set::Similarity(set) => format!("{} pairs", set.pairs.len()),
            Set::Paraphrase(set) => format!("{} sentences, {} tasks", set.sentences.len(), set.tasks.len()),
        }
    }

    /// Texts that a map can show, with their labels and the labels' names.
    fn labelled(&self) -> Option<(Vec<&str>, Vec<usize>, &[String])> {
        match &self.set {
            Set::Clustering(set) => Some((set.texts(), set.labels(), &set.tasks)),
            Set::Paraphrase(set) => Some((set.texts(), set.labels(), &set.tasks)),
            Set::Similarity(_) | Set::Disturbance(_) => None,
        }
    }
}

/// What one encoder made of one test.
struct Outcome {
    scores: Vec<Score>,
    /// Kept where a map is wanted.
    vectors: Option<Vectors>,
}

pub fn run(args: &Args) -> Result<()> {
    let tests = read_tests(args)?;
    let model = args.model.load()?;
    let baseline_model = match args.baseline {
        Some(Baseline::Minilm) => Some(ModelArgs { model: Some(args.baseline_model.clone()), device: args.model.device }.load()?),
        _ => None,
    };
    let options = args.view.apply(EmbedOptions { prompt: args.prompt.clone(), dimensions: args.dimensions, ..EmbedOptions::default() });
    let reading = model.embedder.reading(&options)?;

    let progress = Progress::rows();
    let done = AtomicU64::new(0);
    let count = |n: usize| {
        let done = done.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        progress.message(format!("{done} texts encoded"));
    };
    let mut encoders: Vec<Box<dyn TextEncoder + '_>> = Vec::new();
    match (args.baseline, &baseline_model) {
        (Some(Baseline::Tfidf), _) => encoders.push(Box::new(TfIdf)),
        (_, Some(model)) => encoders.push(Box::new(encoder(model, EmbedOptions::default(), &count))),
        _ => {}
    }
    encoders.push(Box::new(encoder(&model, options, &count)));

    let mut outcomes: Vec<Vec<Outcome>> = Vec::new();
    for test in &tests {
        let mut row = Vec::new();
        for encoder in &encoders {
            let outcome = measure(&**encoder, test, args).map_err(|e| e.context(test.path.display()))?;
            row.push(outcome);
        }
        outcomes.push(row);
    }
    progress.finish();

    let names: Vec<&str> = encoders.iter().map(|encoder| encoder.name()).collect();
    let report = json!({
        "model": model_json(&model, args, reading),
        "baseline": baseline_model.as_ref().map(|model| json!({"name": name(model), "file": file_name(&model.path), "sha256": model.sha256})),
        "seeds": args.seeds,
        "seed": args.seed,
        "tests": tests.iter().zip(&outcomes).map(|(test, row)| test_json(test, &names, row)).collect::<Vec<_>>(),
    });
    if let Some(folder) = &args.report {
        write_report(folder, &tests, &names, &outcomes, &report, args.seed)?;
    }
    let text = if args.json { String::from_utf8_lossy(&to_json(&report)?).into_owned() } else { table(&tests, &names, &outcomes) };
    print(text)
}

fn read_tests(args: &Args) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    let mut read = |paths: &[PathBuf], parse: fn(&str) -> Result<Set>| -> Result<()> {
        for path in paths {
            let set = parse(&fs::read_to_string(path).map_err(|e| Error::io(path, e))?).map_err(|e| e.context(path.display()))?;
            tests.push(Test { path: path.clone(), set });
        }
        Ok(())
    };
    read(&args.eft_test, |text| TaskSet::parse(text).map(Set::Clustering))?;
    read(&args.iis, |text| PairSet::parse(text).map(Set::Similarity))?;
    read(&args.paraphrase, |text| ParaphraseSet::parse(text).map(Set::Paraphrase))?;
    read(&args.disturb, |text| TaskSet::parse(text).map(Set::Disturbance))?;
    for (at, test) in tests.iter().enumerate() {
        if let Set::Clustering(set) | Set::Disturbance(set) = &test.set
            && tests[..at].iter().all(|earlier| earlier.path != test.path)
        {
            let (same, conflicting) = set.duplicates();
            if same + conflicting > 0 {
                let (path, repeated) = (test.path.display(), same + conflicting);
                say(&format!("note: {path}: {repeated} rows repeat an earlier text, {conflicting} of them with another task"));
            }
        }
    }
    Ok(tests)
}

fn measure(encoder: &dyn TextEncoder, test: &Test, args: &Args) -> Result<Outcome> {
    let mut vectors = None;
    if let Some((texts, _, _)) = test.labelled() {
        vectors = Some(encoder.encode(&texts, &texts)?);
    }
    let scores = match (&test.set, &vectors) {
        (Set::Clustering(set), Some(vectors)) => clustering_scores(vectors, &set.labels(), args.seeds)?,
        (Set::Paraphrase(set), Some(vectors)) => paraphrase_scores(vectors, set)?,
        (Set::Similarity(set), _) => similarity_scores(encoder, set)?,
        (Set::Disturbance(set), _) => disturbance_scores(encoder, set, args.seed)?,
        (Set::Clustering(_) | Set::Paraphrase(_), None) => Vec::new(),
    };
    Ok(Outcome { scores, vectors: vectors.filter(|_| args.report.is_some()) })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What the model file calls itself, or the file's name.
fn name(model: &Model) -> String {
    Some(model.embedder.info().name.clone()).filter(|name| !name.is_empty()).unwrap_or_else(|| file_name(&model.path))
}

fn encoder<'a>(model: &'a Model, options: EmbedOptions, count: &'a (dyn Fn(usize) + Sync)) -> ModelEncoder<'a> {
    ModelEncoder { name: name(model), embedder: &model.embedder, options, on_progress: Some(count) }
}

fn model_json(model: &Model, args: &Args, reading: Reading) -> Value {
    let info = model.embedder.info();
    json!({
        "name": name(model),
        "file": file_name(&model.path),
        "sha256": model.sha256,
        "bytes": info.bytes,
        "view": Made::from(reading).to_string(),
        "dimensions": reading.dimensions,
        "prompt": args.prompt.as_ref().unwrap_or(&info.prompt).to_string(),
    })
}

fn test_json(test: &Test, names: &[&str], outcomes: &[Outcome]) -> Value {
    let encoders: Vec<Value> = names
        .iter()
        .zip(outcomes)
        .map(|(name, outcome)| {
            let scores: serde_json::Map<String, Value> = outcome
                .scores
                .iter()
                .map(|score| {
                    let mut value = json!({"mean": score.mean});
                    if let Some(deviation) = score.deviation {
                        value["deviation"] = deviation.into();
                    }
                    if let Some(ceiling) = score.ceiling {
                        value["ceiling"] = ceiling.into();
                    }
                    (score.name.to_owned(), value)
                })
                .collect();
            json!({"name": name, "scores": scores})
        })
        .collect();
    json!({"test": test.kind(), "file": file_name(&test.path), "size": test.sizes(), "encoders": encoders})
}

fn figure(score: &Score) -> String {
    let Some(mean) = score.mean else {
        return "–".to_owned();
    };
    let mut text = format!("{mean:.4}");
    if let Some(deviation) = score.deviation {
        let _ = write!(text, " ± {deviation:.4}");
    }
    if let Some(ceiling) = score.ceiling {
        let _ = write!(text, " of {ceiling:.4}");
    }
    text
}

/// One block a test; a line a measure, a column an encoder.
fn table(tests: &[Test], names: &[&str], outcomes: &[Vec<Outcome>]) -> String {
    let mut text = String::new();
    for (test, row) in tests.iter().zip(outcomes) {
        let _ = writeln!(text, "{} · {} ({})", test.kind(), test.path.display(), test.sizes());
        let measures: Vec<&str> = row.first().map(|outcome| outcome.scores.iter().map(|score| score.name).collect()).unwrap_or_default();
        let first = measures.iter().map(|name| name.len()).max().unwrap_or(0);
        let columns: Vec<Vec<String>> = row.iter().map(|outcome| outcome.scores.iter().map(figure).collect()).collect();
        let widths: Vec<usize> = columns
            .iter()
            .zip(names)
            .map(|(cells, name)| cells.iter().map(|cell| cell.chars().count()).chain([name.chars().count()]).max().unwrap_or(0))
            .collect();
        let mut line = |head: &str, cells: &mut dyn Iterator<Item = &str>| {
            let _ = write!(text, "  {head:first$}");
            for (cell, width) in cells.zip(&widths) {
                let _ = write!(text, "  {cell:>width$}");
            }
            text.push('\n');
        };
        line("", &mut names.iter().copied());
        for (at, measure) in measures.iter().enumerate() {
            line(measure, &mut columns.iter().filter_map(|cells| cells.get(at).map(String::as_str)));
        }
        text.push('\n');
    }
    text
}

fn write_report(folder: &Path, tests: &[Test], names: &[&str], outcomes: &[Vec<Outcome>], report: &Value, seed: u64) -> Result<()> {
    let mut files = vec![(folder.join("eval.json"), to_json(report)?)];
    for (test, row) in tests.iter().zip(outcomes) {
        let Some((texts, labels, tasks)) = test.labelled() else { continue };
        if texts.len() < MIN_ROWS {
            say(&format!("note: {}: {} rows make no map ({MIN_ROWS} do)", test.path.display(), texts.len()));
            continue;
        }
        let maps = row
            .iter()
            .filter_map(|outcome| outcome.vectors.as_ref())
            .map(|vectors| t_sne(&vectors.clone().normalized(), seed, &mut |_, _| {}))
            .collect::<Result<Vec<_>>>()?;
        let panels: Vec<map::Panel<'_>> = names.iter().zip(&maps).map(|(title, points)| map::Panel { title, points }).collect();
        let stem = test.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let svg = map::svg(&format!("{stem}: {}", test.sizes()), &panels, &labels, tasks)?;
        files.push((folder.join(format!("map-{stem}.svg")), svg.into_bytes()));
    }
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    write_files(&files)?;
    files.iter().for_each(|(path, _)| say(&format!("wrote {}", path.display())));
    Ok(())
}
