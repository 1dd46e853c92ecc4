//! `pie correlate`: how data sets relate.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::{Fields, Record};
use pie_embed_wasm::tasks::{Random, Vectors, divided_by_sum, mean_of_max, overlap, similar_order, wasserstein};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use crate::encode::EncodeArgs;
use crate::heatmap::{self, Matrix};
use crate::input::TextArgs;
use crate::manifest::to_json;
use crate::model::Model;
use crate::output::{print, refuse_existing, write_files};
use crate::progress::Progress;
use crate::table::{CsvArgs, Table, render};
use crate::view::{Readings, Uses};

/// Compare data sets in pairs, by their vectors and by their tasks
///
/// Of each pair: `wasserstein`, the mean over dimensions of the Wasserstein-1 distance; `cosine`, the mean over the rows of the first
/// of the highest cosine with a row of the second; `overlap`, the share of tasks in common.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    encode: EncodeArgs,
    /// Two or more: .jsonl, .csv, .tsv, .parquet, .arrow, .json (a list, or the benchmark's) or text lines, or a folder with parts of one
    /// of these
    #[arg(value_name = "[NAME=]FILE|DIR", num_args = 2.., required = true)]
    data: Vec<String>,
    #[command(flatten)]
    texts_of: TextArgs,
    /// The column with the task; where not all have one, the model's taxonomy says [default: category, label or task]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Divide vectors by the sum of their components, as the paper's code does: it scales the distances, and a cosine changes its sign
    /// where one sum is negative
    #[arg(long)]
    paper: bool,
    /// Rows of a data set, drawn, over which the mean of highest cosines is taken, each against all of the other
    #[arg(long, value_name = "N", default_value_t = 4096)]
    sample: usize,
    /// The figures: FILE.json with matrices, FILE.jsonl, FILE.csv or FILE.parquet with a row a pair; a table on stdout by default
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    csv: CsvArgs,
    /// The matrices drawn, like beside like
    #[arg(long, value_name = "FILE.svg")]
    heat_map: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

struct DataSet {
    name: String,
    table: Table,
}

/// `[n, n]` each, row-major.
struct Figures {
    wasserstein: Vec<f64>,
    cosine: Vec<f64>,
    overlap: Option<Vec<f64>>,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing(args.output.iter().chain(&args.heat_map), args.force)?;
    if args.sample == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "--sample is 0; it must be at least 1"));
    }
    let named: Vec<(String, PathBuf)> = args.data.iter().map(|data| name_and_path(data)).collect();
    let mut seen = HashSet::new();
    if let Some((name, _)) = named.iter().find(|(name, _)| !seen.insert(name)) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("two data sets are called {name:?}: say NAME=FILE")));
    }
    let tables = named.iter().map(|(_, path)| args.encode.read(path, &args.texts_of)).collect::<Result<Vec<_>>>()?;
    let model = args.encode.load(tables.len())?;
    let sets: Vec<DataSet> = named.into_iter().zip(tables).map(|((name, _), table)| DataSet { name, table }).collect();
    let columns = sets.iter().map(|set| set.table.label_column(args.label.as_deref())).collect::<Result<Option<Vec<String>>>>()?;
    let uses = Uses { tasks: columns.is_none(), ..Uses::default() };
    let readings = sets.iter().enumerate().map(|(at, set)| args.encode.encode_for(&model, at, &set.table, uses));
    let readings = readings.collect::<Result<Vec<_>>>()?;
    let (source, labels) = labels(&model, columns, &sets, &readings)?;
    let figures = compare(&sets, readings.into_iter().map(Readings::into_main).collect(), labels.as_deref(), args)?;
    let n = sets.len();
    let distances: Vec<f64> = figures.cosine.iter().map(|cosine| 1.0 - cosine).collect();
    let order = similar_order(&distances, n)?;

    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    let mut files = Vec::new();
    if let Some(path) = &args.output {
        files.push((path.clone(), written(path, args, &model, &sets, &figures, &order, &source)?));
    }
    if let Some(path) = &args.heat_map {
        let mut matrices = vec![
            Matrix { title: "mean of highest cosine, row to column", values: &figures.cosine },
            Matrix { title: "Wasserstein-1, mean of dimensions", values: &figures.wasserstein },
        ];
        matrices.extend(figures.overlap.as_ref().map(|values| Matrix { title: "tasks in common", values }));
        files.push((path.clone(), heatmap::svg(&names, &order, &matrices)?.into_bytes()));
    }
    write_files(&files)?;
    if args.output.is_none() {
        print(for_people(&names, &order, &figures))?;
    }
    sets.into_iter().try_for_each(|set| set.table.finish())
}

/// `NAME=FILE`, or a file that gives the name.
fn name_and_path(data: &str) -> (String, PathBuf) {
    if let Some((name, path)) = data.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains('/')) {
        return (name.to_owned(), path.into());
    }
    let path = Path::new(data);
    (path.file_stem().map_or_else(|| data.to_owned(), |stem| stem.to_string_lossy().into_owned()), path.to_owned())
}

/// Where the tasks come from, and those of each data set.
fn labels(
    model: &Model,
    columns: Option<Vec<String>>,
    sets: &[DataSet],
    readings: &[Readings],
) -> Result<(String, Option<Vec<Vec<String>>>)> {
    Ok(match columns {
        Some(columns) => {
            let labels = sets.iter().zip(&columns).map(|(set, column)| set.table.strings(column)).collect::<Result<Vec<_>>>()?;
            ("columns".to_owned(), Some(labels))
        }
        None => {
            let tasks = |(set, readings): (&DataSet, &Readings)| model.tasks(readings, &model.unread(&set.table.texts())?);
            ("taxonomy".to_owned(), sets.iter().zip(readings).map(tasks).collect::<Result<Option<Vec<_>>>>()?)
        }
    })
}

fn compare(sets: &[DataSet], mut vectors: Vec<Vectors>, labels: Option<&[Vec<String>]>, args: &Args) -> Result<Figures> {
    let n = sets.len();
    if args.paper {
        let divided = sets.iter().zip(vectors).map(|(set, vectors)| divided_by_sum(&vectors).map_err(|e| e.context(&set.name)));
        vectors = divided.collect::<Result<_>>()?;
    }
    let waiting = Progress::waiting("comparing columns");
    let distances = wasserstein(&vectors.iter().collect::<Vec<_>>())?;
    waiting.finish();
    // Of length 1 in any case, but turned round where the components sum to less than 0.
    let vectors: Vec<Vectors> = vectors.into_iter().map(Vectors::normalized).collect();
    let progress = Progress::steps((n * n) as u64, "pairs compared");
    let mut cosines = Vec::with_capacity(n * n);
    for a in &vectors {
        let asked = a.pick(&Random::new(0).draw(args.sample, a.len()));
        for b in &vectors {
            cosines.push(mean_of_max(&asked, b)?);
            progress.set(cosines.len() as u64);
        }
    }
    progress.finish();
    let overlap = labels.map(|labels| labels.iter().flat_map(|a| labels.iter().map(move |b| overlap(a, b))).collect());
    Ok(Figures { wasserstein: distances, cosine: cosines, overlap })
}

fn written(path: &Path, args: &Args, model: &Model, sets: &[DataSet], figures: &Figures, order: &[usize], source: &str) -> Result<Vec<u8>> {
    let n = sets.len();
    if path.extension().is_some_and(|extension| extension == "json") {
        let matrix = |values: &[f64]| values.chunks(n).map(<[f64]>::to_vec).collect::<Vec<_>>();
        return to_json(&json!({
            "model": {"file": model.path.file_name().map(|name| name.to_string_lossy()), "sha256": model.sha256},
            "normalization": if args.paper { "sum" } else { "length" },
            "data": sets.iter().map(|set| json!({"name": set.name, "rows": set.table.records.len()})).collect::<Vec<_>>(),
            "sample": args.sample,
            "order": order.iter().map(|&at| &sets[at].name).collect::<Vec<_>>(),
            "wasserstein": matrix(&figures.wasserstein),
            "cosine": matrix(&figures.cosine),
            "overlap": figures.overlap.as_deref().map(matrix),
            "tasks": figures.overlap.is_some().then_some(source),
        }));
    }
    let pair = |at: usize| {
        Record::new(&Fields::from_iter([
            ("first".to_owned(), sets[at / n].name.clone().into()),
            ("second".to_owned(), sets[at % n].name.clone().into()),
            ("wasserstein".to_owned(), figures.wasserstein[at].into()),
            ("cosine".to_owned(), figures.cosine[at].into()),
            ("overlap".to_owned(), figures.overlap.as_ref().map_or(Value::Null, |overlap| overlap[at].into())),
        ]))
    };
    let rows: Vec<Record> = (0..n * n).map(pair).collect();
    render(path, rows.iter(), &args.csv)
}

fn for_people(names: &[&str], order: &[usize], figures: &Figures) -> String {
    let n = names.len();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = String::new();
    let matrices = [("cosine", Some(&figures.cosine)), ("wasserstein", Some(&figures.wasserstein)), ("overlap", figures.overlap.as_ref())];
    for (title, values) in matrices.into_iter().filter_map(|(title, values)| Some((title, values?))) {
        text += &format!("{title}\n  {:width$}", "");
        order.iter().for_each(|&b| text += &format!("  {:>width$}", names[b]));
        for &a in order {
            text += &format!("\n  {:width$}", names[a]);
            order.iter().for_each(|&b| text += &format!("  {:>width$.4}", values[a * n + b]));
        }
        text += "\n";
    }
    text
}
