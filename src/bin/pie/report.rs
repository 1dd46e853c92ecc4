//! `pie report`: what a data set asks for, as one HTML page.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::{Place, Record};
use pie_embed_wasm::tasks::{
    Hit, Level, MIN_ROWS, Method, Random, Read, Tag, Taxonomy, UNKNOWN, WithRequests, coverage, is_unread, search, select, t_sne,
};
use pie_embed_wasm::{EmbedOptions, Error, ErrorCode, Prompt, Result};
use rayon::prelude::*;

use crate::cache::CacheArgs;
use crate::encode::encode;
use crate::input::TextArgs;
use crate::model::ModelArgs;
use crate::output::{print, refuse_existing, write_files};
use crate::progress::Progress;
use crate::table::{CsvArgs, Entry, Table, render};
use crate::view::{Readings, Uses, ViewArgs};

mod page;
mod rows;

/// Texts of which neighbours, map and coverage are shown; of more, so many are drawn. The page stays below 1.5 MB and the time grows with
/// the data set, not with its square.
const SAMPLE: usize = 4096;
/// Rows of the coverage curve.
const CHOSEN: usize = 40;
/// Random choices that it is compared with.
const DRAWS: usize = 20;

/// Show what a data set asks for: one HTML page that needs no network
///
/// Tasks and kinds by count, a map, repeated and nearly repeated rows, how few rows cover all, and the most typical and most unusual
/// ones. Counts are of all rows; of more than 4,096 different texts the rest is taken from so many, drawn by the seed, and the page says
/// so. Texts of which the model cannot read more than half are counted, and left out of that rest.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// The data set: .jsonl, .csv, .tsv, .parquet, .arrow, .json (a list, or the benchmark's) or text lines, or a folder with parts of
    /// one of these; - is stdin
    #[arg(long, value_name = "FILE|DIR|-")]
    input: PathBuf,
    #[command(flatten)]
    texts_of: TextArgs,
    /// Texts with a cosine of at least this are near-duplicates, by both views of a model that has two, or by --view where it is given
    #[arg(long, value_name = "COSINE", default_value_t = 0.98)]
    near_duplicate: f32,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// pie, short, none, or a template with {instruction} [default: the model's]
    #[arg(long)]
    prompt: Option<Prompt>,
    #[command(flatten)]
    view: ViewArgs,
    /// The page
    #[arg(long, short, value_name = "FILE.html")]
    output: PathBuf,
    /// Write the rows too, with family, kind, second kind, score, length, share unread and near-duplicates in columns behind their own
    #[arg(long, value_name = "FILE.jsonl|csv|parquet")]
    rows: Option<PathBuf>,
    #[command(flatten)]
    csv: CsvArgs,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// The different texts of a data set, in the order in which they first come.
struct Pool {
    texts: Vec<String>,
    /// Of each text where it first stands, and how many rows have it.
    places: Vec<Place>,
    counts: Vec<usize>,
    /// All rows, each with the number of its text; none where they are not written.
    rows: Vec<(Record, usize)>,
}

/// A label, and how many rows have it.
struct Counted {
    name: String,
    known: bool,
    rows: usize,
}

/// How often each label of a level was given.
struct Tally {
    /// Most often first; what is unknown stands last.
    labels: Vec<Counted>,
    /// Of each text the place of its label among these.
    of: Vec<usize>,
}

/// What is shown of some of the texts.
#[derive(Default)]
struct Sample {
    /// Their numbers, ascending; all can be read.
    texts: Vec<usize>,
    /// Of each the nearest other text of the data set that can be read; none where there is no other.
    nearest: Vec<Option<Hit>>,
    /// None where there are too few for a map.
    places: Option<Vec<[f32; 2]>>,
    coverage: Coverage,
}

/// How well few texts stand for the sample.
#[derive(Default)]
struct Coverage {
    /// The texts that stand for the most, and how many each is the nearest of.
    chosen: Vec<(usize, usize)>,
    /// The mean cosine of the sample to the nearest of the first 1, 2, … chosen, and of as many random ones.
    curve: Vec<f64>,
    random: Vec<f64>,
}

/// What the page shows.
struct Report<'a> {
    name: String,
    model: &'a str,
    faulty: u64,
    /// Different texts that the model cannot read: they are of no known task, and not in the sample.
    unread: usize,
    pool: &'a Pool,
    kinds: Option<Tally>,
    tasks: Option<Tally>,
    sample: Sample,
    near_duplicate: f32,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing([&args.output].into_iter().chain(&args.rows), args.force)?;
    if !(0.0..=1.0).contains(&args.near_duplicate) {
        let message = format!("--near-duplicate is {}; it must lie in 0..=1", args.near_duplicate);
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut table = Table::read(&args.input, &args.texts_of, None)?;
    let pool = Pool::new(std::mem::take(&mut table.records), args.rows.is_some());
    let model = args.model.load()?;
    let taxonomy = model.own_taxonomy()?;
    let texts: Vec<&str> = pool.texts.iter().map(String::as_str).collect();
    // As `pie tag` does it, so that both count the same.
    let with_requests = taxonomy.as_ref().map(|_| WithRequests::new(&texts));
    let all = with_requests.as_ref().map_or(&texts[..], WithRequests::all);
    let options = EmbedOptions { prompt: args.prompt.clone(), ..EmbedOptions::default() };
    let uses = Uses { tasks: true, duplicates: true };
    let readings = Readings::new(args.view, uses, &model, options, |options| encode(&model, all, options, &args.cache))?;
    let unread = model.unread(all)?;
    let read: Vec<usize> = (0..texts.len()).filter(|&text| !is_unread(unread[text])).collect();
    let waiting = Progress::waiting("naming the tasks");
    let task = readings.task();
    let rows = task.iter().flat_map(|vectors| vectors.rows());
    let reads: Vec<Read<'_>> = rows.zip(&unread).map(|(vector, &unread)| Read { vector, unread }).collect();
    let pairs = with_requests.as_ref().filter(|_| task.is_some()).map(|texts| texts.pairs(&reads));
    let tagged = taxonomy.as_ref().zip(pairs);
    let tags = |level| tagged.as_ref().map(|(taxonomy, pairs)| best(taxonomy, level, pairs)).transpose();
    let kinds = if taxonomy.as_ref().is_some_and(Taxonomy::has_kinds) { tags(Level::Kind)? } else { None };
    let tasks = tags(Level::Task)?;
    let rows = args.rows.as_ref().map(|path| -> Result<(PathBuf, Vec<u8>)> {
        waiting.message("comparing the rows");
        let tags = kinds.as_ref().or(tasks.as_ref()).map(Vec::as_slice);
        let known = rows::Known { tags, unread: &unread, read: &read, near_duplicate: args.near_duplicate };
        let records = rows::records(&pool, &readings, &known).map_err(|e| e.context(args.input.display()))?;
        Ok((path.clone(), render(path, records.iter(), &args.csv)?))
    });
    let rows = rows.transpose()?;
    let tally = |tags: Option<Vec<Vec<Tag>>>| tags.map(|tags| Tally::new(tags, &pool.counts));
    let (kinds, tasks) = (tally(kinds), tally(tasks));
    let report = Report {
        name: if args.input == Path::new("-") { "stdin".into() } else { args.input.file_name().unwrap_or_default().to_string_lossy() }
            .into_owned(),
        model: &model.embedder.info().name,
        faulty: table.faulty(),
        kinds,
        tasks,
        unread: texts.len() - read.len(),
        sample: Sample::new(&readings, &read, args.seed, &waiting)?,
        pool: &pool,
        near_duplicate: args.near_duplicate,
    };
    waiting.finish();
    let mut files = vec![(args.output.clone(), page::render(&report)?.into_bytes())];
    files.extend(rows);
    write_files(&files)?;
    let count: usize = pool.counts.iter().sum();
    print(format!("{}: {count} rows, {} different texts\n", args.output.display(), pool.texts.len()))?;
    table.finish()
}

impl Pool {
    fn new(records: Vec<Entry>, keep_rows: bool) -> Self {
        let mut pool = Self { texts: Vec::new(), places: Vec::new(), counts: Vec::new(), rows: Vec::new() };
        let mut first = HashMap::with_capacity(records.len());
        let number = |record| {
            let next = first.len();
            *first.entry(record).or_insert(next)
        };
        let numbers: Vec<usize> = records.iter().map(|record| record.text.as_str()).map(number).collect();
        for (record, number) in records.into_iter().zip(numbers) {
            if number == pool.texts.len() {
                pool.texts.push(record.text);
                pool.places.push(record.place);
                pool.counts.push(0);
            }
            pool.counts[number] += 1;
            if keep_rows {
                pool.rows.push((record.record, number));
            }
        }
        pool
    }
}

/// The first two labels of each text, which is given with the requests that it may make.
fn best(taxonomy: &Taxonomy, level: Level, texts: &[(Read<'_>, &[Read<'_>])]) -> Result<Vec<Vec<Tag>>> {
    texts.par_iter().map(|&(whole, parts)| taxonomy.classify_requests(whole, parts, level, 2)).collect()
}

impl Tally {
    /// Takes the labels of each different text, best first.
    fn new(tags: Vec<Vec<Tag>>, counts: &[usize]) -> Self {
        let (mut labels, mut places, mut of) = (Vec::new(), HashMap::new(), Vec::with_capacity(tags.len()));
        for (tag, count) in tags.into_iter().filter_map(|tags| tags.into_iter().next()).zip(counts) {
            let known = tag.label != UNKNOWN;
            let place = *places.entry(tag.label).or_insert(labels.len());
            if place == labels.len() {
                labels.push(Counted { name: tag.name, known, rows: 0 });
            }
            labels[place].rows += count;
            of.push(place);
        }
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&place| (!labels[place].known, std::cmp::Reverse(labels[place].rows), labels[place].name.clone()));
        let mut numbers = vec![0; labels.len()];
        order.iter().enumerate().for_each(|(number, &place)| numbers[place] = number);
        of.iter_mut().for_each(|place| *place = numbers[*place]);
        let mut labels: Vec<(usize, Counted)> = numbers.into_iter().zip(labels).collect();
        labels.sort_by_key(|(number, _)| *number);
        Self { labels: labels.into_iter().map(|(_, label)| label).collect(), of }
    }
}

impl Sample {
    /// Draws from the texts of these numbers, ascending: those that can be read.
    fn new(readings: &Readings, read: &[usize], seed: u64, progress: &Progress) -> Result<Self> {
        let (vectors, near) = (readings.main(), readings.duplicates());
        let mut random = Random::new(seed);
        let drawn = if read.len() > SAMPLE { random.draw(SAMPLE, read.len()) } else { (0..read.len()).collect() };
        let mut texts: Vec<usize> = drawn.into_iter().map(|at| read[at]).collect();
        if texts.is_empty() {
            return Ok(Self::default());
        }
        texts.sort_unstable();
        let rows = vectors.pick(&texts);
        progress.message("finding the nearest texts");
        let pool = if read.len() == near.len() { Cow::Borrowed(near) } else { Cow::Owned(near.pick(read)) };
        let found = search(&pool, &near.pick(&texts), 2)?;
        let found = found.into_iter().map(|hits| hits.into_iter().map(|hit| Hit { row: read[hit.row], ..hit }));
        let nearest = texts.iter().zip(found).map(|(&text, mut hits)| hits.find(|hit| hit.row != text)).collect();

        progress.message("choosing texts that stand for all");
        let chosen = select(&rows, Method::FacilityLocation, CHOSEN.min(rows.len()), None, seed)?;
        let sizes: Vec<usize> = (1..=chosen.len()).collect();
        let curve = coverage(&rows, &rows.pick(&chosen), &sizes)?;
        let mut mean = vec![0.0; sizes.len()];
        for _ in 0..DRAWS {
            let drawn = coverage(&rows, &rows.pick(&random.draw(chosen.len(), rows.len())), &sizes)?;
            mean.iter_mut().zip(drawn).for_each(|(mean, drawn)| *mean += drawn / DRAWS as f64);
        }
        let mut served = vec![0; chosen.len()];
        search(&rows.pick(&chosen), &rows, 1)?.iter().flatten().for_each(|hit| served[hit.row] += 1);
        let chosen = chosen.iter().map(|&row| texts[row]).zip(served).collect();

        progress.message("drawing the map");
        let places = if rows.len() < MIN_ROWS {
            None
        } else {
            Some(t_sne(&rows, seed, &mut |step, of| progress.message(format!("drawing the map: step {step} of {of}")))?)
        };
        Ok(Self { texts, nearest, places, coverage: Coverage { chosen, curve, random: mean } })
    }
}
