//! `pie retrieve`: demonstrations for instructions, from an indexed pool.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use pie_embed_wasm::dataset::Fields;
use pie_embed_wasm::ieb::{TextEncoder, TfIdf};
use pie_embed_wasm::tasks::{Hit, Random, Template, Vectors, diverse, search};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use crate::cache::CacheArgs;
use crate::encode::encode;
use crate::graph::{Graph, MOST, path_of};
use crate::index::Index;
use crate::input::TextArgs;
use crate::model::ModelArgs;
use crate::output::{print, refuse_existing, say, write_file};
use crate::progress::Progress;
use crate::table::Table;
use crate::view::ViewArgs;

/// Nearest rows from which `--diverse` chooses, as a multiple of what is wanted.
const CANDIDATES: usize = 10;
/// Rows up to which a pool is searched exactly where nothing else is said.
const EXACT: usize = 1_000_000;
/// Instructions on which the graph is held against the exact search.
const MEASURED: usize = 100;

/// Find the demonstrations nearest each instruction in an index
///
/// One JSON line an instruction, in order: its demonstrations, nearest first, and with --template the few-shot prompt. Rows of the pool
/// with the very text of the instruction are passed over, so that a pool can be searched with its own rows. Where both sides have a
/// column with the task, the share of demonstrations of the same task is said on stderr, of the instructions that have any such.
#[derive(clap::Args)]
pub struct Args {
    /// Instructions
    #[arg(value_name = "TEXT", conflicts_with = "input", required_unless_present = "input")]
    texts: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Made by `pie index` with the same model; its view is that of the search
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    #[command(flatten)]
    view: ViewArgs,
    /// Instructions: .jsonl, .csv, .tsv, .parquet, .arrow, .json (a list, or the benchmark's) or text lines, or a folder with parts of
    /// one of these; - is stdin
    #[arg(long, value_name = "FILE|DIR|-")]
    input: Option<PathBuf>,
    #[command(flatten)]
    texts_of: TextArgs,
    /// The column with the task, in the pool and in --input [default: category, label or task]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Demonstrations an instruction
    #[arg(long, short = 'k', value_name = "K", default_value_t = 5)]
    top_k: usize,
    /// Demonstrations unlike each other (MMR): 1 is by cosine alone, the lower the more unlike
    #[arg(long, value_name = "LAMBDA")]
    diverse: Option<f32>,
    /// A few-shot prompt: a text with {{query}}, and {{#demonstrations}}…{{/demonstrations}} with {{column}} slots; the nearest stands last
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// How the pool is searched
    #[arg(long, value_enum, default_value_t, conflicts_with = "tfidf")]
    search: By,
    /// Search by TF-IDF over the words of the pool, as a baseline
    #[arg(long)]
    tfidf: bool,
    /// FILE.jsonl; stdout by default
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// Exactly up to 1,000,000 rows; beyond that by the graph, where there is one
    #[default]
    Auto,
    Exact,
    /// By the graph that `pie index --hnsw` made; how much it finds is said on stderr.
    Hnsw,
}

impl Args {
    /// Rows to find of each instruction.
    fn candidates(&self) -> usize {
        if self.diverse.is_some() { self.top_k.saturating_mul(CANDIDATES) } else { self.top_k }
    }
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing(&args.output, args.force)?;
    if args.top_k == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "--top-k is 0; it must be at least 1"));
    }
    let template = args.template.as_ref().map(|path| {
        let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        text.parse::<Template>().map_err(|e| e.context(path.display()))
    });
    let template = template.transpose()?;
    let table = args.input.as_ref().map(|path| Table::read(path, &args.texts_of, None)).transpose()?;
    let texts: Vec<&str> = table.as_ref().map_or_else(|| args.texts.iter().map(String::as_str).collect(), Table::texts);
    let label = table.as_ref().map(|table| table.label_column(args.label.as_deref())).transpose()?.flatten();

    let model = args.model.load()?;
    let index = Index::read(&args.index, &model)?;
    args.view.check(&model, &index.options).map_err(|e| e.context(args.index.display()))?;
    let found = if args.tfidf {
        let corpus: Vec<&str> = index.texts.iter().map(String::as_str).collect();
        retrieve(&TfIdf.encode(&corpus, &corpus)?, None, &index.texts, &TfIdf.encode(&corpus, &texts)?, &texts, args)?
    } else {
        let queries = encode(&model, &texts, index.options.clone(), &args.cache)?;
        let graph = graph(&index, args)?;
        if let Some(graph) = &graph {
            say_recall(&index.vectors, graph, &queries, args.top_k)?;
        }
        retrieve(&index.vectors, graph.as_ref(), &index.texts, &queries, &texts, args)?
    };

    let mut lines = String::new();
    for (text, hits) in texts.iter().zip(&found) {
        let rows = hits.iter().map(|hit| index.row(hit.row)).collect::<Result<Vec<Fields>>>()?;
        let demonstration = |(hit, row): (&Hit, &Fields)| json!({"text": index.texts[hit.row], "score": hit.cosine, "row": row});
        let mut line = json!({"text": text, "demonstrations": hits.iter().zip(&rows).map(demonstration).collect::<Vec<_>>()});
        if let Some(template) = &template {
            // Nearest last: a language model heeds most what stands next to the query.
            let nearest_last: Vec<&Fields> = rows.iter().rev().collect();
            line["prompt"] = template.render(&nearest_last, |row, name| cell(row, name), text)?.into();
        }
        lines += &line.to_string();
        lines.push('\n');
    }
    match &args.output {
        Some(path) => write_file(path, lines.as_bytes())?,
        None => {
            print(lines)?;
        }
    }
    if let Some((table, label)) = table.as_ref().zip(label) {
        say_share(&table.strings(&label)?, &label, &texts, &index, &found)?;
    }
    table.map_or(Ok(()), Table::finish)
}

/// The graph by which the index is searched, if it is.
fn graph(index: &Index, args: &Args) -> Result<Option<Graph>> {
    let path = path_of(&args.index);
    let rows = index.texts.len();
    match args.search {
        By::Exact => return Ok(None),
        By::Auto if rows <= EXACT || args.candidates() > MOST => return Ok(None),
        By::Auto if !path.exists() => {
            say(&format!("note: {rows} rows are searched exactly; `pie index --hnsw` makes a graph by which that is faster"));
            return Ok(None);
        }
        By::Hnsw if args.candidates() > MOST => {
            let message = format!("{} rows an instruction; the graph finds at most {MOST}: --search exact", args.candidates());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        By::Auto | By::Hnsw => {}
    }
    Graph::read(&path, index.checks, &index.vectors).map(Some)
}

/// Says how many of the nearest rows the graph finds.
fn say_recall(pool: &Vectors, graph: &Graph, queries: &Vectors, k: usize) -> Result<()> {
    let sample = Arc::new(queries.pick(&Random::new(0).draw(MEASURED, queries.len())));
    let (mut found, mut of) = (0, 0);
    for (exact, hits) in search(pool, &sample, k)?.iter().zip(graph.search(&sample, k)) {
        of += exact.len();
        // Of rows at the same distance any will do.
        found += exact.last().map_or(0, |last| hits.iter().filter(|hit| hit.cosine >= last.cosine).count());
    }
    let (recall, n) = (found as f64 / of.max(1) as f64, sample.len());
    say(&format!("note: the graph finds {recall:.4} of the {k} nearest rows, over {n} of the instructions"));
    Ok(())
}

/// The demonstrations of each query, without rows that have its text.
fn retrieve(
    pool: &Vectors,
    graph: Option<&Graph>,
    pool_texts: &[String],
    queries: &Vectors,
    texts: &[&str],
    args: &Args,
) -> Result<Vec<Vec<Hit>>> {
    let mut copies: HashMap<&str, usize> = HashMap::new();
    pool_texts.iter().for_each(|text| *copies.entry(text.trim()).or_default() += 1);
    let copies = |query: usize| copies.get(texts[query].trim()).copied().unwrap_or(0);
    // Each instruction once, beside those with about as many copies in the pool, which are found with the others and passed over.
    let (mut first, mut groups) = (HashMap::new(), BTreeMap::<u32, Vec<usize>>::new());
    for (query, &text) in texts.iter().enumerate() {
        if *first.entry(text).or_insert(query) == query {
            groups.entry(copies(query).next_power_of_two().ilog2()).or_default().push(query);
        }
    }
    let wanted = args.candidates();
    let waiting = Progress::waiting(format!("searching {} rows for {} instructions", pool.len(), queries.len()));
    let choose = |mut hits: Vec<Hit>, text: &str| {
        hits.retain(|hit| pool_texts[hit.row].trim() != text.trim());
        hits.truncate(wanted);
        match args.diverse {
            Some(lambda) => diverse(pool, &hits, args.top_k, lambda).map_err(|e| e.context("--diverse")),
            None => Ok(hits),
        }
    };
    let mut found = vec![Vec::new(); texts.len()];
    for group in groups.into_values() {
        let most = group.iter().map(|&query| copies(query)).max().unwrap_or(0);
        let (asked, k) = (Arc::new(queries.pick(&group)), wanted.saturating_add(most));
        let hits = match graph.filter(|_| k <= MOST) {
            Some(graph) => graph.search(&asked, k),
            None => search(pool, &asked, k)?,
        };
        for (&query, hits) in group.iter().zip(hits) {
            found[query] = choose(hits, texts[query])?;
        }
    }
    waiting.finish();
    Ok(texts.iter().map(|text| found[first[text]].clone()).collect())
}

/// What a row has in a column, as text.
fn cell(row: &Fields, column: &str) -> Option<String> {
    match row.get(column)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Says how many demonstrations have the task of their query, over the queries whose task another row of the pool has.
fn say_share(labels: &[String], column: &str, texts: &[&str], index: &Index, found: &[Vec<Hit>]) -> Result<()> {
    let pool = (0..index.texts.len()).map(|row| Ok(cell(&index.row(row)?, column))).collect::<Result<Vec<Option<String>>>>()?;
    let mut of_task: HashMap<&str, Vec<usize>> = HashMap::new();
    for (row, label) in pool.iter().enumerate() {
        of_task.entry(label.as_deref().unwrap_or_default()).or_default().push(row);
    }
    let (mut queries, mut first, mut all, mut same) = (0, 0, 0, 0);
    for ((label, text), hits) in labels.iter().zip(texts).zip(found) {
        let others = of_task.get(label.as_str()).into_iter().flatten();
        if others.filter(|&&row| index.texts[row].trim() != text.trim()).count() == 0 {
            continue;
        }
        let is_same = |hit: &&Hit| pool[hit.row].as_ref() == Some(label);
        queries += 1;
        first += usize::from(hits.first().as_ref().is_some_and(is_same));
        all += hits.len();
        same += hits.iter().filter(is_same).count();
    }
    let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
    let (nearest, demonstrations) = (share(first, queries), share(same, all));
    say(&format!(
        "same {column:?} for {nearest:.4} of the nearest demonstrations and {demonstrations:.4} of all, over {queries} instructions whose {column:?} another row of the pool has"
    ));
    Ok(())
}
