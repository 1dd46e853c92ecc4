//! `pie compress`: a small test set that stands for a large one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::Record;
use pie_embed_wasm::ieb::spearman;
use pie_embed_wasm::tasks::{Anchor, Anchors, Random, estimate, random_anchors};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use crate::chart::{self, Panel, Series};
use crate::encode::EncodeArgs;
use crate::input::TextArgs;
use crate::manifest::to_json;
use crate::output::{print, refuse_existing, write_files};
use crate::progress::Progress;
use crate::table::{CsvArgs, Table, render};

/// Models that the table on stdout names.
const SHOWN_MODELS: usize = 12;
/// The curve's sizes: halves of octaves around the number that is asked for.
const HALF_OCTAVES: std::ops::RangeInclusive<i32> = -6..=4;

/// Pick weighted anchors of a test set, and say how well they tell a model's score on the whole
///
/// Anchors are the rows that lower the variance of the mean the most where like rows have like results (Bayesian quadrature), most telling
/// first. With --results, a file of models' results row by row, the scores that the anchors tell are held against the true ones and
/// against random rows.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    encode: EncodeArgs,
    /// The test set: .jsonl, .csv, .tsv, .parquet, .arrow, .json (a list, or the benchmark's) or text lines, or a folder with parts of one
    /// of these
    #[arg(long, value_name = "FILE|DIR")]
    input: PathBuf,
    #[command(flatten)]
    texts_of: TextArgs,
    /// Anchors to pick
    #[arg(long, short = 'n', value_name = "N")]
    anchors: usize,
    /// Results: a row each of the test set, a column a model, numbers such as 0 and 1
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// The column that joins the two files; where the results have none, rows are taken in their order
    #[arg(long, value_name = "NAME", default_value = "id")]
    id: String,
    /// Draws the random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Random choices to compare with
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    draws: u64,
    /// The anchors with their `weight`: FILE.jsonl, FILE.csv or FILE.parquet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    csv: CsvArgs,
    /// Figures and curves as JSON
    #[arg(long, value_name = "FILE.json", requires = "results")]
    report: Option<PathBuf>,
    /// The error over the number of anchors, drawn
    #[arg(long, value_name = "FILE.svg", requires = "results")]
    curve: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// One model's results, in the order of the test set.
struct Results {
    model: String,
    values: Vec<f64>,
    truth: f64,
}

/// Errors at one size: means over models of |estimate − truth|.
struct Point {
    anchors: usize,
    error: f64,
    /// Of random rows: the mean over draws, and what one draw in twenty stays below and above.
    random: f64,
    low: f64,
    high: f64,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing([&args.output].into_iter().chain(&args.report).chain(&args.curve), args.force)?;
    let table = args.encode.read(&args.input, &args.texts_of)?;
    let rows = table.records.len();
    if args.anchors == 0 || args.anchors > rows {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("--anchors is {}; the test set has {rows} rows", args.anchors)));
    }
    let results = args.results.as_ref().map(|path| read_results(path, &table, &args.id)).transpose()?;
    let model = args.encode.load(1)?;
    let vectors = args.encode.encode(&model, 0, &table)?;
    let mut sizes: Vec<usize> =
        HALF_OCTAVES.map(|half| (args.anchors as f64 * 2_f64.powf(f64::from(half) / 2.0)).round() as usize).collect();
    sizes.retain(|n| (1..=rows).contains(n));
    sizes.dedup();
    let most = if results.is_some() { sizes.last().copied().unwrap_or(args.anchors) } else { args.anchors };
    let waiting = Progress::waiting(format!("picking {most} of {rows} rows"));
    let anchors = Anchors::pick(&vectors, most)?;
    waiting.finish();
    let picked = anchors.weighted(args.anchors);

    let weighted: Vec<Record> =
        picked.iter().map(|anchor| table.records[anchor.row].record.with("weight", &anchor.weight.into())).collect();
    let mut files = vec![(args.output.clone(), render(&args.output, weighted.iter(), &args.csv)?)];
    let mut text = format!("{} anchors for {rows} rows\n", picked.len());
    if let Some(results) = &results {
        let mut random = Random::new(args.seed);
        let points = sizes
            .iter()
            .map(|&n| {
                let mut drawn =
                    (0..args.draws).map(|_| error(&random_anchors(rows, n, &mut random), results)).collect::<Result<Vec<f64>>>()?;
                drawn.sort_by(f64::total_cmp);
                let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
                let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
                Ok(Point { anchors: n, error: error(&anchors.weighted(n), results)?, random: mean, low: at(0.05), high: at(0.95) })
            })
            .collect::<Result<Vec<Point>>>()?;
        let report = report(args, &picked, results, &points)?;
        if let Some(path) = &args.report {
            files.push((path.clone(), to_json(&report)?));
        }
        if let Some(path) = &args.curve {
            let title = format!("Scores of {} models on {rows} rows, told from anchors", results.len());
            files.push((path.clone(), chart::svg(&title, &[panel(&points)])?.into_bytes()));
        }
        text += &for_people(&report);
    }
    write_files(&files)?;
    print(text)?;
    table.finish()
}

/// The results of each model, brought into the order of the test set.
fn read_results(path: &Path, table: &Table, id: &str) -> Result<Vec<Results>> {
    let results = Table::read_columns(path)?;
    let wrong = |what: String| Error::new(ErrorCode::Data, format!("{}: {what}", path.display()));
    let models: Vec<String> = results.columns().into_iter().filter(|column| column != id).map(Cow::into_owned).collect();
    if models.is_empty() {
        return Err(wrong("there is no column with a model's results".to_owned()));
    }
    let order: Vec<usize> = if results.columns().iter().any(|column| column == id) {
        let mut places: HashMap<String, usize> = HashMap::new();
        for (at, name) in results.strings(id)?.into_iter().enumerate() {
            if places.contains_key(&name) {
                return Err(wrong(format!("{}: {id} {name:?} is there twice", results.records[at].place)));
            }
            places.insert(name, at);
        }
        let place = |name: &String| places.get(name).copied().ok_or_else(|| wrong(format!("there is no result of {id} {name:?}")));
        table.strings(id)?.iter().map(place).collect::<Result<_>>()?
    } else if results.records.len() == table.records.len() {
        (0..table.records.len()).collect()
    } else {
        let message = format!("{} results of {} rows, and no column {id:?} to join them", results.records.len(), table.records.len());
        return Err(wrong(message));
    };
    let read = |model: String| {
        let column = results.numbers(&model)?;
        let values: Vec<f64> = order.iter().map(|&at| column[at]).collect();
        Ok(Results { truth: values.iter().sum::<f64>() / values.len() as f64, values, model })
    };
    let read = models.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    results.finish()?;
    Ok(read)
}

/// The mean over models of |estimate − truth|.
fn error(anchors: &[Anchor], results: &[Results]) -> Result<f64> {
    let errors = results.iter().map(|model| Ok((estimate(anchors, &model.values)? - model.truth).abs())).collect::<Result<Vec<f64>>>()?;
    Ok(errors.iter().sum::<f64>() / errors.len() as f64)
}

fn report(args: &Args, picked: &[Anchor], results: &[Results], points: &[Point]) -> Result<Value> {
    let estimates = results.iter().map(|model| estimate(picked, &model.values)).collect::<Result<Vec<f64>>>()?;
    let truths: Vec<f64> = results.iter().map(|model| model.truth).collect();
    let models = results.iter().zip(&estimates).map(|(model, estimate)| {
        json!({"model": model.model, "truth": model.truth, "estimate": estimate, "error": (estimate - model.truth).abs()})
    });
    let at = points.iter().find(|point| point.anchors == args.anchors);
    Ok(json!({
        "anchors": picked.len(),
        "models": models.collect::<Vec<_>>(),
        "error": error(picked, results)?,
        "random_error": at.map(|point| point.random),
        "spearman": spearman(&truths, &estimates),
        "draws": args.draws,
        "curve": points
            .iter()
            .map(|p| json!({"anchors": p.anchors, "error": p.error, "random": p.random, "random_5": p.low, "random_95": p.high}))
            .collect::<Vec<_>>(),
    }))
}

fn panel<'a>(points: &[Point]) -> Panel<'a> {
    let series = |of: fn(&Point) -> f64| points.iter().map(|point| (point.anchors as f64, of(point))).collect();
    let band = points.iter().map(|point| (point.anchors as f64, point.low, point.high)).collect();
    let ours = Series { name: "anchors", points: series(|point| point.error), band: Vec::new() };
    let random = Series { name: "random rows: mean, 5 to 95 %", points: series(|point| point.random), band };
    Panel { x: "rows", y: "mean error of the score", series: vec![ours, random] }
}

fn for_people(report: &Value) -> String {
    let number = |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), |n| format!("{n:.4}"));
    let mut text = format!("{:24}{:>10}{:>10}{:>10}\n", "model", "truth", "anchors", "error");
    let models = report["models"].as_array().map_or(&[][..], Vec::as_slice);
    for model in models.iter().take(SHOWN_MODELS) {
        let name: String = model["model"].as_str().unwrap_or_default().chars().take(23).collect();
        text += &format!("{name:24}{:>10}{:>10}{:>10}\n", number(&model["truth"]), number(&model["estimate"]), number(&model["error"]));
    }
    if models.len() > SHOWN_MODELS {
        text += &format!("… and {} more models: --report has them\n", models.len() - SHOWN_MODELS);
    }
    text += &format!("mean error {}; of as many random rows {}\n", number(&report["error"]), number(&report["random_error"]));
    text += &format!("order of the models (Spearman) {}\n", number(&report["spearman"]));
    text
}
