//! Labelled instructions, each with its task: `{"instruction": …, "category": "verb|noun", "conf": 0.98}`.
//!
//! A category names one task, or several that mean the same, joined by `##`: `compute|value##calculate|value`. Two instructions
//! are of the same task when their sets of names intersect. Files are sources of their own: equal names in two of them need not
//! mean the same task.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::seq::SliceRandom;

use super::random::{Purpose, generator};
use crate::dataset::{Format, Options, Parts, Place, Reader, labelled};
use crate::digest::sha256_hex;
use crate::error::{Error, ErrorCode, Result};
use crate::tasks::Labelled;

/// How many lines in conflict are named.
const NAMED: usize = 5;

/// One labelled instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub text: String,
    /// Sorted indices into [`Source::labels`].
    pub labels: Vec<u32>,
    /// The ISO 639-1 code of the text's language, where the row says it.
    pub language: Option<String>,
    /// A text in another language that says the same.
    pub twin: Option<String>,
}

impl Example {
    /// Whether both are of the same task.
    pub fn same_task(&self, other: &Self) -> bool {
        self.labels.iter().any(|label| other.labels.binary_search(label).is_ok())
    }
}

/// The name of a task with the examples that bear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub name: String,
    /// The family of kinds that its first row names.
    pub family: Option<String>,
    pub examples: Vec<u32>,
}

impl Label {
    /// What stands before and behind the bar of `verb|noun`.
    pub fn parts(&self) -> (&str, Option<&str>) {
        self.name.split_once('|').map_or((&self.name, None), |(verb, noun)| (verb, Some(noun)))
    }
}

/// What was found in a file beside its examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub lines: usize,
    /// Lines whose `conf` is below the minimum.
    pub unsure: usize,
    /// Lines that repeat a text with its task; the first is kept.
    pub duplicates: usize,
    /// Lines whose text stands elsewhere with another task; none is kept.
    pub conflicts: usize,
    /// 1-based numbers of the first such lines.
    pub conflicting_lines: Vec<usize>,
}

/// The examples of one file, with a label space of their own.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    /// Share of the batches, relative to the other sources.
    pub weight: f64,
    pub sha256: String,
    pub examples: Vec<Example>,
    pub labels: Vec<Label>,
    pub findings: Findings,
    /// How the file was read where it does not say so itself: for people, such as the encoding that was found.
    pub notes: Vec<String>,
}

impl Source {
    /// Reads a file of labelled rows.
    ///
    /// # Errors
    /// [`ErrorCode::Io`], and those of [`labelled`]; [`ErrorCode::Data`] when nothing is left.
    pub fn load(path: &Path, weight: f64, min_conf: f64) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        let mut reader = Reader::open(Parts::of(path)?, Options::default(), &(Arc::new(|_| ()) as _))?;
        let rows = labelled(&mut reader)?;
        Ok(Self { notes: reader.take_notes(), ..Self::new(path, rows, sha256_hex(&bytes), weight, min_conf)? })
    }

    /// As [`load`](Self::load), from a file's text.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(path: &Path, text: &str, weight: f64, min_conf: f64) -> Result<Self> {
        let options = Options { format: Format::Jsonl, ..Options::default() };
        let mut reader = Reader::stream(Box::new(Cursor::new(text.to_owned())), &path.display().to_string(), options)?;
        Self::new(path, labelled(&mut reader)?, sha256_hex(text.as_bytes()), weight, min_conf)
    }

    fn new(path: &Path, found: Vec<(Place, Labelled)>, sha256: String, weight: f64, min_conf: f64) -> Result<Self> {
        let lines = found.len();
        let sure: Vec<Row> =
            found.into_iter().filter(|(_, row)| row.conf >= min_conf as f32).map(|(place, row)| Row::new(&place, row)).collect();
        let mut findings = Findings { lines, unsure: lines - sure.len(), ..Findings::default() };
        let rows = drop_repeated(sure, &mut findings);
        if rows.is_empty() {
            let Findings { lines, unsure, conflicts, .. } = findings;
            let what = format!("no example is left of {lines} lines ({unsure} below conf {min_conf}, {conflicts} in conflict)");
            return Err(data(path, what));
        }
        let names: BTreeMap<&str, u32> = rows.iter().flat_map(|row| &row.names).map(|name| (name.as_str(), 0)).collect();
        let names: BTreeMap<&str, u32> = names.into_keys().zip(0..).collect();
        let mut labels: Vec<Label> =
            names.keys().map(|name| Label { name: (*name).to_owned(), family: None, examples: Vec::new() }).collect();
        let mut examples = Vec::with_capacity(rows.len());
        for (n, row) in rows.iter().enumerate() {
            let mut ids: Vec<u32> = row.names.iter().filter_map(|name| names.get(name.as_str()).copied()).collect();
            ids.sort_unstable();
            ids.dedup();
            for &id in &ids {
                let label = &mut labels[id as usize];
                label.examples.push(n as u32);
                if label.family.is_none() {
                    label.family.clone_from(&row.family);
                }
            }
            examples.push(Example { text: row.text.clone(), labels: ids, language: row.language.clone(), twin: row.twin.clone() });
        }
        Ok(Self { path: path.to_owned(), weight, sha256, examples, labels, findings, notes: Vec::new() })
    }

    /// Tasks: groups of examples connected by shared labels, in the order of their first example.
    pub fn tasks(&self) -> Vec<Vec<u32>> {
        // Union-find over labels; an example joins all of its own.
        let mut parent: Vec<u32> = (0..self.labels.len() as u32).collect();
        fn root(parent: &mut [u32], mut n: u32) -> u32 {
            while parent[n as usize] != n {
                parent[n as usize] = parent[parent[n as usize] as usize];
                n = parent[n as usize];
            }
            n
        }
        for example in &self.examples {
            for pair in example.labels.windows(2) {
                let (a, b) = (root(&mut parent, pair[0]), root(&mut parent, pair[1]));
                parent[a.max(b) as usize] = a.min(b);
            }
        }
        let mut order = HashMap::new();
        let mut tasks: Vec<Vec<u32>> = Vec::new();
        for (n, example) in self.examples.iter().enumerate() {
            let task = *order.entry(root(&mut parent, example.labels[0])).or_insert(tasks.len());
            if task == tasks.len() {
                tasks.push(Vec::new());
            }
            tasks[task].push(n as u32);
        }
        tasks
    }

    /// Splits off whole tasks of two examples and more, at random, until they hold `fraction` of the examples.
    /// Gives the rest and the part that was split off.
    pub fn split(&self, fraction: f64, seed: u64) -> (Self, Self) {
        let mut tasks: Vec<Vec<u32>> = self.tasks().into_iter().filter(|task| task.len() > 1).collect();
        tasks.shuffle(&mut generator(seed, Purpose::Split, 0, 0));
        let wanted = (self.examples.len() as f64 * fraction) as usize;
        let mut held_out = vec![false; self.examples.len()];
        let mut count = 0;
        for task in tasks {
            if count + task.len() <= wanted {
                count += task.len();
                task.into_iter().for_each(|n| held_out[n as usize] = true);
            }
        }
        (self.filtered(|n| !held_out[n]), self.filtered(|n| held_out[n]))
    }

    fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut labels: Vec<Label> = self.labels.iter().map(|label| Label { examples: Vec::new(), ..label.clone() }).collect();
        let mut examples = Vec::new();
        for (_, example) in self.examples.iter().enumerate().filter(|(n, _)| keep(*n)) {
            example.labels.iter().for_each(|&id| labels[id as usize].examples.push(examples.len() as u32));
            examples.push(example.clone());
        }
        Self {
            path: self.path.clone(),
            weight: self.weight,
            sha256: self.sha256.clone(),
            examples,
            labels,
            findings: self.findings.clone(),
            notes: self.notes.clone(),
        }
    }

    /// Refuses data that nothing can be learnt from: fewer than two tasks, or none with two examples.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] with the counts.
    pub fn check_trainable(&self) -> Result<()> {
        let tasks = self.tasks();
        let paired = tasks.iter().filter(|task| task.len() > 1).count();
        if tasks.len() < 2 || paired == 0 {
            let what = format!(
                "{} examples of {} tasks, {paired} of them with two examples; at least two tasks are needed, one of them with two",
                self.examples.len(),
                tasks.len()
            );
            return Err(data(&self.path, what));
        }
        Ok(())
    }
}

/// The JSONL files that an argument names: itself, or those in the folder, by name.
///
/// # Errors
/// [`ErrorCode::Io`], or [`ErrorCode::Data`] for a folder without any.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| Error::io(path, e))? {
        let file = entry.map_err(|e| Error::io(path, e))?.path();
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(data(path, "the folder holds no *.jsonl".to_owned()));
    }
    Ok(found)
}

fn data(path: &Path, what: String) -> Error {
    Error::new(ErrorCode::Data, format!("{}: {what}", path.display()))
}

struct Row {
    line: usize,
    text: String,
    names: Vec<String>,
    family: Option<String>,
    language: Option<String>,
    twin: Option<String>,
}

impl Row {
    fn new(place: &Place, row: Labelled) -> Self {
        let names = row.category.split("##").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let Labelled { instruction: text, family, language, twin, .. } = row;
        Self { line: place.line as usize, text, names, family, language, twin }
    }
}

/// Keeps one row of each text, and none where its rows are of different tasks.
fn drop_repeated(rows: Vec<Row>, findings: &mut Findings) -> Vec<Row> {
    let mut by_text: HashMap<String, Vec<usize>> = HashMap::new();
    for (n, row) in rows.iter().enumerate() {
        let key = row.text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        by_text.entry(key).or_default().push(n);
    }
    let mut keep = vec![true; rows.len()];
    for same in by_text.values().filter(|same| same.len() > 1) {
        let first = &rows[same[0]];
        let agree = same.iter().all(|&n| rows[n].names.iter().any(|name| first.names.contains(name)));
        if agree {
            findings.duplicates += same.len() - 1;
            same[1..].iter().for_each(|&n| keep[n] = false);
        } else {
            findings.conflicts += same.len();
            findings.conflicting_lines.extend(same.iter().map(|&n| rows[n].line));
            same.iter().for_each(|&n| keep[n] = false);
        }
    }
    findings.conflicting_lines.sort_unstable();
    findings.conflicting_lines.truncate(NAMED);
    let mut keep = keep.into_iter();
    rows.into_iter().filter(|_| keep.next().unwrap_or(false)).collect()
}
