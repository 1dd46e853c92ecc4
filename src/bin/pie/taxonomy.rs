//! `pie taxonomy`: labelled instructions to the labels that a model tags with.

use std::path::PathBuf;

use pie_embed_wasm::tasks::{BuildOptions, BuildReport, Level, Source, build, largest_bytes};
use pie_embed_wasm::{EmbedOptions, Error, ErrorCode, Result};

use crate::input::read_labelled;
use crate::model::ModelArgs;
use crate::output::{say, write_files};
use crate::progress::Progress;
use crate::reliability;

/// Make the taxonomy of a model from labelled instructions
///
/// A task's prototype is the mean of its instructions' vectors; tasks whose prototypes are nearly the same merge, the larger one
/// naming both. The rows of a task that is near to one kind alone count for that kind too.
///
/// A taxonomy has one level, two or three: tasks come from --data, kinds from --kinds, and families from the rows of --kinds where each
/// has a `family`. A family's score is the sum of its kinds' probabilities, fitted on the same held-out rows as theirs. `pie phrasebook
/// --dir models/phrasebook --output DIR` writes rows for all three:
///
/// pie taxonomy --data DIR/verb-noun.jsonl --data-dev DIR/verb-noun-dev.jsonl --kinds DIR/train/en.jsonl --kinds-dev DIR/dev/en.jsonl
/// --model MODEL.gguf --output MODEL.taxonomy
#[derive(clap::Args)]
pub struct Args {
    /// Rows of {"instruction", "category": "verb|noun", "conf"}, in any format that holds rows
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Rows to fit the scores of tasks on, best such as the model was not trained on; one in five of --data by default
    #[arg(long, value_name = "FILE")]
    data_dev: Option<PathBuf>,
    /// The same for kinds of task: `category` is the kind, `name` the kind as people say it; `family` and `family_name`, in all rows or
    /// in none, are its family
    #[arg(long, value_name = "FILE")]
    kinds: Option<PathBuf>,
    /// Rows to fit the scores of kinds and families on; those whose `category` is no kind of --kinds count as unknown; one in five of
    /// --kinds by default
    #[arg(long, value_name = "FILE", requires = "kinds")]
    kinds_dev: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// The taxonomy file; <model stem>.taxonomy beside the model is found by itself
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Draw how often the first label is right against its score, on the held-out rows, as SVG
    #[arg(long, value_name = "FILE")]
    reliability: Option<PathBuf>,
    /// Leave out rows whose label is less sure
    #[arg(long, value_name = "P", default_value_t = BuildOptions::default().min_conf)]
    min_conf: f32,
    /// Leave out tasks with fewer rows
    #[arg(long, value_name = "N", default_value_t = BuildOptions::default().min_samples)]
    min_samples: usize,
    /// Keep at most this many tasks, the most frequent
    #[arg(long, value_name = "N", default_value_t = BuildOptions::default().max_labels)]
    max_labels: usize,
    /// Merge tasks whose prototypes have a higher cosine
    #[arg(long, value_name = "COSINE", default_value_t = BuildOptions::default().merge_above)]
    merge_above: f32,
    /// The same for tasks of one noun ("write a poem", "create a poem")
    #[arg(long, value_name = "COSINE", default_value_t = BuildOptions::default().merge_same_noun_above)]
    merge_same_noun_above: f32,
    /// The share of texts that are expected to be of no label, above 0 and below 1: a lower one calls fewer texts unknown, rightly or not
    #[arg(long, value_name = "SHARE", default_value_t = BuildOptions::default().unknown_share)]
    unknown_share: f64,
    /// Make each kind from its own rows only. Otherwise the rows of a task near to one kind count for that kind too; when all tasks are in
    /// one language, those rows pull the kinds of a multilingual model towards that language
    #[arg(long)]
    no_lending: bool,
    /// Bytes that the file may take, as a page downloads it beside the model; checked before anything is embedded, as if no tasks merged
    #[arg(long, value_name = "N", default_value_t = 350_000)]
    max_bytes: usize,
}

pub fn run(args: Args) -> Result<()> {
    if !(args.unknown_share > 0.0 && args.unknown_share < 1.0) {
        let message = format!("--unknown-share is {}; it must lie between 0 and 1", args.unknown_share);
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let tasks = read_labelled(&args.data)?;
    let tasks_dev = args.data_dev.as_deref().map(read_labelled).transpose()?.unwrap_or_default();
    let kinds = args.kinds.as_deref().map(read_labelled).transpose()?.unwrap_or_default();
    let kinds_dev = args.kinds_dev.as_deref().map(read_labelled).transpose()?.unwrap_or_default();
    let model = args.model.load()?;
    let options = BuildOptions {
        min_conf: args.min_conf,
        min_samples: args.min_samples,
        max_labels: args.max_labels,
        merge_above: args.merge_above,
        merge_same_noun_above: args.merge_same_noun_above,
        unknown_share: args.unknown_share,
        ..BuildOptions::default()
    };
    let mut sources = vec![Source { level: Level::Task, rows: &tasks, held_out: &tasks_dev, lenders: &[], options }];
    if !kinds.is_empty() {
        // Kinds are chosen by hand: none merges, and each that is left out is another task.
        let never = f32::INFINITY;
        let options = BuildOptions {
            merge_above: never,
            merge_same_noun_above: never,
            near: never,
            unknown_share: args.unknown_share,
            ..BuildOptions::default()
        };
        sources.push(Source {
            level: Level::Kind,
            rows: &kinds,
            held_out: &kinds_dev,
            lenders: if args.no_lending { &[] } else { &tasks },
            options,
        });
    }
    let dimensions = model.embedder.dimensions(&EmbedOptions::default())?;
    check_size(&mut sources, dimensions, args.max_bytes)?;
    let wanted: usize = sources.iter().map(|source| source.rows.len() + source.held_out.len() + source.lenders.len()).sum();
    let progress = Progress::steps(wanted as u64, "instructions embedded");
    let (bytes, reports) = build(&model.embedder, &model.sha256, &sources, |done| progress.set(done as u64))?;
    progress.finish();
    let mut files = vec![(args.output.clone(), bytes)];
    if let Some(path) = args.reliability {
        let name = model.path.file_stem().unwrap_or_default().to_string_lossy();
        files.push((path, reliability::svg(&format!("{name}: reliability on held-out rows"), &reports)?.into_bytes()));
    }
    write_files(&files)?;
    say(&format!("{}: {} bytes", args.output.display(), files[0].1.len()));
    reports.iter().for_each(|report| say(&told(report)));
    Ok(())
}

/// Refuses a file that may become too large, and says how many tasks would fit.
fn check_size(sources: &mut [Source<'_>], dimensions: usize, max_bytes: usize) -> Result<()> {
    let bytes = largest_bytes(sources, dimensions)?;
    if bytes <= max_bytes {
        return Ok(());
    }
    let options = sources[0].options.clone();
    let mut fits = |max_labels: usize| -> Result<bool> {
        sources[0].options = BuildOptions { max_labels, ..options.clone() };
        Ok(largest_bytes(sources, dimensions)? <= max_bytes)
    };
    // Two tasks are the fewest that a taxonomy has; of more than the rows name, the size stays the same.
    let (mut fit, mut too_many) = (1, options.max_labels);
    if fits(2)? {
        fit = 2;
        while too_many - fit > 1 {
            let middle = fit.midpoint(too_many);
            *if fits(middle)? { &mut fit } else { &mut too_many } = middle;
        }
    }
    let advice = if fit < 2 { "its kinds and the fewest tasks are too many".to_owned() } else { format!("--max-labels {fit} fits") };
    let message =
        format!("the taxonomy may take {bytes} bytes with vectors of {dimensions} dimensions, more than --max-bytes {max_bytes}: {advice}");
    Err(Error::new(ErrorCode::InvalidArgument, message))
}

fn told(report: &BuildReport) -> String {
    let BuildReport { level, fit, .. } = report;
    // Families are made of the kinds, of which it is said.
    let made = match level {
        Level::Family => "of the same rows".to_owned(),
        _ => format!(
            "({} merged into others, {} of another level lent) from {} of {} rows",
            report.merged, report.lent, report.used_rows, report.rows
        ),
    };
    format!(
        "{} {} {made}; temperature {:.4}, unknown level {:.2}\n  \
         on {} held-out rows: first label right {:.3}, among three {:.3}, calibration error {:.3}, called unknown {:.3}\n  \
         rows of left-out labels called unknown: {:.3}",
        report.labels,
        level.plural(),
        fit.calibration.temperature,
        fit.calibration.unknown,
        fit.held_out,
        fit.top1,
        fit.top3,
        fit.error,
        fit.false_unknown,
        fit.true_unknown,
    )
}
