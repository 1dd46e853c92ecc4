//! `pie select`: rows of a pool that cover its tasks.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::ValueEnum;
use pie_embed_wasm::ieb::silhouette;
use pie_embed_wasm::tasks::{Method, Random, UNKNOWN, Vectors, coverage, is_unread, near_duplicates, search, select_read, spread};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use crate::chart::{self, Panel, Series};
use crate::encode::EncodeArgs;
use crate::input::TextArgs;
use crate::manifest::to_json;
use crate::output::{print, refuse_existing, write_files};
use crate::progress::Progress;
use crate::table::{CsvArgs, render};
use crate::view::Uses;

/// Points of the curves.
const POINTS: usize = 40;
/// Rows of the pool on which coverage is measured; larger pools are sampled.
const MEASURED: usize = 4096;
/// Of these, those between which the silhouette takes all distances.
const SILHOUETTE: usize = 2048;

/// Choose rows of a pool that cover its tasks
///
/// Writes the chosen rows as they were, in the order chosen, and says how they cover the pool beside random choices of that number.
/// Texts of which the model cannot read more than half are chosen last; it says how many there are.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    encode: EncodeArgs,
    /// The pool: .jsonl, .csv, .tsv, .parquet, .arrow, .json (a list, or the benchmark's) or text lines, or a folder with parts of
    /// one of these; - is stdin
    #[arg(long, value_name = "FILE|DIR|-")]
    input: PathBuf,
    #[command(flatten)]
    texts_of: TextArgs,
    /// The column with the task; without one the model's taxonomy says [default: category, label or task]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Rows to choose
    #[arg(long, short = 'n', value_name = "N")]
    count: usize,
    #[arg(long, value_enum, default_value_t = By::Kmeans)]
    method: By,
    /// A column with a number of at least 0: facility-location takes a row's cosine to another times its quality
    #[arg(long, value_name = "NAME")]
    quality: Option<String>,
    /// First leave out rows with a cosine of at least this to an earlier row (a better one, with --quality), by both views of a model that
    /// has two, or by --view where it is given; of texts of which the model cannot read more than half, those that repeat one to the letter
    #[arg(long, value_name = "COSINE")]
    dedupe: Option<f32>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Random choices to compare with
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    draws: u64,
    /// The chosen rows: FILE.jsonl, FILE.csv or FILE.parquet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    csv: CsvArgs,
    /// Figures and curves as JSON
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Curves of coverage and tasks against random, drawn
    #[arg(long, value_name = "FILE.svg")]
    curve: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// The row nearest each of N k-means centres
    Kmeans,
    /// Farthest first
    KCenter,
    /// Greedy facility location; the sum runs over at most 16,384 rows, drawn from larger pools
    FacilityLocation,
}

impl From<By> for Method {
    fn from(by: By) -> Self {
        match by {
            By::Kmeans => Self::KMeans,
            By::KCenter => Self::KCenter,
            By::FacilityLocation => Self::FacilityLocation,
        }
    }
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing([&args.output].into_iter().chain(&args.report).chain(&args.curve), args.force)?;
    let method = Method::from(args.method);
    let table = args.encode.read(&args.input, &args.texts_of)?;
    if args.count == 0 || args.count > table.records.len() {
        let message = format!("--count is {}; the pool has {} rows", args.count, table.records.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let quality = args.quality.as_deref().map(|column| table.numbers(column)).transpose()?;
    let label = table.label_column(args.label.as_deref())?;
    let labels = label.as_deref().map(|column| table.strings(column)).transpose()?;
    let model = args.encode.load(1)?;
    let uses = Uses { tasks: labels.is_none(), duplicates: args.dedupe.is_some() };
    let readings = args.encode.encode_for(&model, 0, &table, uses)?;
    let unread = model.unread(&table.texts())?;
    let (source, labels) = match labels {
        Some(labels) => (format!("column {}", label.unwrap_or_default()), Some(labels)),
        None => ("taxonomy".to_owned(), model.tasks(&readings, &unread)?),
    };

    // Row numbers from here on are those of the rows that are kept.
    let kept = distinct(&table.texts(), readings.duplicates(), &unread, quality.as_deref(), args.dedupe)?;
    let vectors = readings.into_main();
    let duplicates = vectors.len() - kept.len();
    let pool = vectors.keep(&kept);
    let quality: Option<Vec<f64>> = quality.map(|quality| kept.iter().map(|&row| quality[row]).collect());
    let labels: Option<Vec<&str>> = labels.as_ref().map(|labels| kept.iter().map(|&row| labels[row].as_str()).collect());
    let waiting = Progress::waiting(format!("choosing {} of {} rows", args.count, pool.len()));
    let apart: Vec<usize> = (0..kept.len()).filter(|&at| is_unread(unread[kept[at]])).collect();
    let chosen = select_read(&pool, method, args.count, quality.as_deref(), args.seed, &apart)
        .map_err(|e| e.context(format!("without the {duplicates} near-duplicates of {} rows", table.records.len())))?;

    let mut random = Random::new(args.seed);
    let mut draw = |n: usize| random.draw(n, pool.len());
    let measured = pool.pick(&draw(MEASURED));
    let mut sizes: Vec<usize> = (1..=POINTS).map(|at| (args.count * at).div_ceil(POINTS)).collect();
    sizes.dedup();
    let measure = |rows: &[usize]| Course::new(&pool, &measured, labels.as_deref(), rows, &sizes);
    waiting.message("measuring the choice and random ones");
    let ours = measure(&chosen)?;
    let drawn = (0..args.draws).map(|_| measure(&draw(args.count))).collect::<Result<Vec<_>>>()?;

    waiting.finish();
    let in_pool = labels.as_deref().map(|labels| tasks(labels, 0..pool.len()));
    let report = json!({
        "model": {"file": model.path.file_name().map(|name| name.to_string_lossy()), "sha256": model.sha256},
        "method": method.to_string(),
        "seed": args.seed,
        "rows": table.records.len(),
        "exact_duplicates": table.records.len() - table.texts().iter().collect::<HashSet<_>>().len(),
        "near_duplicates": args.dedupe.map(|_| duplicates),
        "unread": unread.iter().filter(|share| is_unread(**share)).count(),
        "chosen": chosen.len(),
        "draws": args.draws,
        "tasks": in_pool.map(|in_pool| json!({"source": source, "in_pool": in_pool})),
        "selection": ours.json(),
        "random": Course::mean(&drawn).json(),
        "silhouette": silhouette_of(&chosen, &pool, &measured)?,
        "sizes": sizes,
    });
    let rows = chosen.iter().map(|&row| &table.records[kept[row]].record);
    let mut files = vec![(args.output.clone(), render(&args.output, rows, &args.csv)?)];
    if let Some(path) = &args.report {
        files.push((path.clone(), to_json(&report)?));
    }
    if let Some(path) = &args.curve {
        let title = format!("{} of {} rows by {method}", chosen.len(), pool.len());
        files.push((path.clone(), chart::svg(&title, &panels(&sizes, &ours, &drawn))?.into_bytes()));
    }
    write_files(&files)?;
    print(for_people(&report))?;
    table.finish()
}

/// The rows that are no near-duplicates, ascending; of such the better one is kept, or the first. Vectors say nothing of unread texts, so
/// that of those only equal ones are duplicates.
fn distinct(texts: &[&str], vectors: &Vectors, unread: &[f32], quality: Option<&[f64]>, threshold: Option<f32>) -> Result<Vec<usize>> {
    let mut rows: Vec<usize> = (0..vectors.len()).collect();
    let Some(threshold) = threshold else { return Ok(rows) };
    if let Some(quality) = quality {
        rows.sort_by(|&a, &b| quality[b].total_cmp(&quality[a]).then(a.cmp(&b)));
    }
    let (apart, rows): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|&row| is_unread(unread[row]));
    let repeats = near_duplicates(vectors, &rows, threshold).map_err(|e| e.context("--dedupe"))?;
    let mut seen = HashSet::new();
    let repeated: HashSet<usize> = apart.into_iter().filter(|&row| !seen.insert(texts[row])).collect();
    Ok((0..vectors.len()).filter(|row| repeats[*row].is_none() && !repeated.contains(row)).collect())
}

/// The silhouette of rows, each with the chosen row that is nearest to it.
fn silhouette_of(chosen: &[usize], pool: &Vectors, rows: &Vectors) -> Result<Option<f64>> {
    let rows = rows.pick(&(0..rows.len().min(SILHOUETTE)).collect::<Vec<_>>());
    let nearest = search(&pool.pick(chosen), &rows, 1)?;
    let clusters: Vec<usize> = nearest.iter().filter_map(|hits| hits.first()).map(|hit| hit.row).collect();
    Ok(silhouette(rows.data(), rows.dimensions(), &clusters))
}

/// How many tasks rows have; those that no task fits have none.
fn tasks(labels: &[&str], rows: impl Iterator<Item = usize>) -> usize {
    rows.map(|row| labels[row]).filter(|label| *label != UNKNOWN).collect::<HashSet<_>>().len()
}

/// How a choice does as it grows, and in the end.
struct Course {
    coverage: Vec<f64>,
    tasks: Option<Vec<f64>>,
    redundancy: Option<f64>,
    novelty: Option<f64>,
}

impl Course {
    fn new(pool: &Vectors, measured: &Vectors, labels: Option<&[&str]>, rows: &[usize], sizes: &[usize]) -> Result<Self> {
        let chosen = pool.pick(rows);
        let counts = |labels: &[&str]| {
            let mut first: HashMap<&str, usize> = HashMap::new();
            for (at, &row) in rows.iter().enumerate().filter(|(_, row)| labels[**row] != UNKNOWN) {
                first.entry(labels[row]).or_insert(at);
            }
            sizes.iter().map(|&size| first.values().filter(|at| **at < size).count() as f64).collect()
        };
        let spread = spread(&chosen);
        Ok(Self {
            coverage: coverage(measured, &chosen, sizes)?,
            tasks: labels.map(counts),
            redundancy: spread.map(|spread| spread.redundancy),
            novelty: spread.map(|spread| spread.novelty),
        })
    }

    fn mean(courses: &[Self]) -> Self {
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let curve = |of: fn(&Self) -> &[f64]| -> Vec<f64> {
            (0..courses.first().map_or(0, |course| of(course).len()))
                .map(|at| mean(courses.iter().map(|course| of(course)[at]).collect()))
                .collect()
        };
        let figure = |of: fn(&Self) -> Option<f64>| courses.iter().map(of).collect::<Option<Vec<f64>>>().map(mean);
        Self {
            coverage: curve(|course| &course.coverage),
            tasks: courses.iter().all(|course| course.tasks.is_some()).then(|| curve(Self::task_counts)),
            redundancy: figure(|course| course.redundancy),
            novelty: figure(|course| course.novelty),
        }
    }

    fn task_counts(&self) -> &[f64] {
        self.tasks.as_deref().unwrap_or_default()
    }

    fn json(&self) -> Value {
        json!({
            "tasks": self.task_counts().last(),
            "coverage": self.coverage.last(),
            "redundancy": self.redundancy,
            "novelty": self.novelty,
            "coverage_curve": self.coverage,
            "task_curve": self.tasks,
        })
    }
}

fn panels<'a>(sizes: &[usize], ours: &Course, drawn: &[Course]) -> Vec<Panel<'a>> {
    let mean = Course::mean(drawn);
    let panel = |y: &'a str, of: fn(&Course) -> &[f64]| {
        let points = |course: &Course| sizes.iter().zip(of(course)).map(|(&size, &value)| (size as f64, value)).collect();
        let band = |(at, &size): (usize, &usize)| {
            let values = drawn.iter().filter_map(|course| of(course).get(at).copied());
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
            (size as f64, low, high)
        };
        let selection = Series { name: "selection", points: points(ours), band: Vec::new() };
        let random = Series { name: "random: mean and range", points: points(&mean), band: sizes.iter().enumerate().map(band).collect() };
        Panel { x: "rows chosen", y, series: vec![selection, random] }
    };
    let mut panels = vec![panel("mean cosine of the pool to the nearest chosen row", |course| &course.coverage)];
    if ours.tasks.is_some() {
        panels.push(panel("tasks covered", Course::task_counts));
    }
    panels
}

fn for_people(report: &Value) -> String {
    let mut text = format!("{} of {} rows by {}", report["chosen"], report["rows"], report["method"].as_str().unwrap_or_default());
    for (name, key) in [
        ("exact duplicates", "exact_duplicates"),
        ("near-duplicates left out", "near_duplicates"),
        ("that the model cannot read", "unread"),
    ] {
        // All models read most data sets, of which there is nothing to say.
        if let Some(n) = report[key].as_u64().filter(|n| key != "unread" || *n > 0) {
            text += &format!(", {n} {name}");
        }
    }
    text += &format!("\n{:12}{:>10}{:>10}\n", "", "selection", "random");
    for name in ["tasks", "coverage", "redundancy", "novelty"] {
        let figure = |side: &str| match report[side][name].as_f64() {
            None => "–".to_owned(),
            Some(n) if name == "tasks" => format!("{n:.1}"),
            Some(n) => format!("{n:.4}"),
        };
        text += &format!("{name:12}{:>10}{:>10}", figure("selection"), figure("random"));
        if let Some(in_pool) = report["tasks"]["in_pool"].as_u64().filter(|_| name == "tasks") {
            text += &format!("  of {in_pool} by {}", report["tasks"]["source"].as_str().unwrap_or_default());
        }
        text.push('\n');
    }
    text
}
