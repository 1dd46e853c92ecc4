//! The phrasebook: tasks with many phrasings of each, written by hand, and values for the slots in them.
//!
//! A folder of `*.txt`, where a line `# task-id: readable name` begins a task and every other line is a phrasing of it, and of
//! `slots/NAME.txt` with one value a line for `{NAME}`; `\n` in a value is a line break. A fifth of the phrasings and of the values is
//! held out for development, so that neither is seen in training. The hash of a line decides, so that new lines move no old ones.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::random::{Purpose, generator};
use crate::error::{Error, ErrorCode, Result};

const TRAINING: &str = "phrasebook.jsonl";
const DEVELOPMENT: &str = "phrasebook-dev.jsonl";
const PARAPHRASES: &str = "phrasebook-dev.txt";

/// One line in so many is held out.
const HELD_OUT: u64 = 5;
/// How many faulty lines an error names.
const NAMED: usize = 5;

/// A task and its phrasings, slots unfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    pub name: String,
    pub training: Vec<String>,
    pub development: Vec<String>,
}

/// Values of a slot.
struct Values {
    training: Vec<String>,
    development: Vec<String>,
}

/// All tasks, in the order of the files' names and of their lines.
pub struct Phrasebook {
    pub tasks: Vec<Task>,
    slots: BTreeMap<String, Values>,
}

/// A phrasing with its slots filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    pub text: String,
    /// Index into [`Expansion::tasks`].
    pub task: usize,
}

/// What a phrasebook becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// Ids and names.
    pub tasks: Vec<(String, String)>,
    pub training: Vec<Phrase>,
    pub development: Vec<Phrase>,
}

impl Phrasebook {
    /// Reads a phrasebook's folder.
    ///
    /// # Errors
    /// [`ErrorCode::Io`], and [`ErrorCode::Data`] naming files and lines: of slots without values, tasks without phrasings, tasks and
    /// phrasings that stand there twice, or when there are fewer than two tasks.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut faults = Vec::new();
        let slots = read_slots(&dir.join("slots"), &mut faults)?;
        let mut reader = Reader { slots: &slots, faults: &mut faults, tasks: Vec::new(), seen: HashMap::new() };
        for path in text_files(dir)? {
            reader.read(&path)?;
        }
        let tasks = reader.tasks;
        if !faults.is_empty() {
            let named = faults.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
            let more = if faults.len() > NAMED { format!("; and {} more faults", faults.len() - NAMED) } else { String::new() };
            return Err(Error::new(ErrorCode::Data, named + &more));
        }
        if tasks.len() < 2 {
            let what = format!("{}: {} tasks in its *.txt; at least 2 are needed", dir.display(), tasks.len());
            return Err(Error::new(ErrorCode::Data, what));
        }
        let tasks = tasks.into_iter().map(|Draft { id, name, phrasings, .. }| {
            let (training, development) = split(phrasings);
            Task { id, name, training, development }
        });
        Ok(Self { tasks: tasks.collect(), slots })
    }

    /// Fills the slots: those of a training phrasing `variants` times, never twice with the same value (so fewer times where its list
    /// is too short), those of a development phrasing once.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no variants, [`ErrorCode::Data`] for a phrasing with a slot more often than it has values.
    pub fn expand(&self, variants: usize, seed: u64) -> Result<Expansion> {
        if variants == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "0 variants of a phrasing; at least 1 is needed"));
        }
        let (mut training, mut development) = (Vec::new(), Vec::new());
        for (n, task) in self.tasks.iter().enumerate() {
            for phrasing in &task.training {
                let texts = self.fill(phrasing, variants, seed, |values| &values.training);
                training.extend(texts.map_err(|e| e.context(&task.id))?.into_iter().map(|text| Phrase { text, task: n }));
            }
            for phrasing in &task.development {
                let texts = self.fill(phrasing, 1, seed, |values| &values.development);
                development.extend(texts.map_err(|e| e.context(&task.id))?.into_iter().map(|text| Phrase { text, task: n }));
            }
        }
        let tasks = self.tasks.iter().map(|task| (task.id.clone(), task.name.clone())).collect();
        Ok(Expansion { tasks, training, development })
    }

    fn fill(&self, phrasing: &str, variants: usize, seed: u64, side: impl Fn(&Values) -> &Vec<String>) -> Result<Vec<String>> {
        let pieces = pieces(phrasing);
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        pieces.iter().filter_map(Piece::slot).for_each(|name| *uses.entry(name).or_default() += 1);
        if uses.is_empty() {
            return Ok(vec![phrasing.to_owned()]);
        }
        // From its own text, so that a phrasing's values do not hang on the lines around it.
        let mut rng = generator(seed, Purpose::Phrasebook, xxh3_64(phrasing.as_bytes()), 0);
        let (mut order, mut count) = (BTreeMap::new(), variants);
        for (&name, &times) in &uses {
            let mut values: Vec<&str> = side(&self.slots[name]).iter().map(String::as_str).collect();
            if values.len() < times {
                let what = format!("{phrasing:?} has {times} times {{{name}}}, of which one side of the split has {} values", values.len());
                return Err(Error::new(ErrorCode::Data, what));
            }
            values.shuffle(&mut rng);
            count = count.min(values.len() / times);
            order.insert(name, values.into_iter());
        }
        let mut text = || -> String {
            let filled = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Slot(name) => order.get_mut(name).and_then(Iterator::next).unwrap_or_default(),
            });
            filled.collect()
        };
        Ok((0..count).map(|_| text()).collect())
    }
}

impl Expansion {
    /// Writes the three files into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let files =
            [(TRAINING, self.lines(&self.training)), (DEVELOPMENT, self.lines(&self.development)), (PARAPHRASES, self.paraphrases())];
        let paths = files.each_ref().map(|(name, _)| (dir.join(format!("{name}.tmp")), dir.join(name)));
        for ((beside, _), (_, text)) in paths.iter().zip(&files) {
            fs::write(beside, text).map_err(|e| Error::io(beside, e))?;
        }
        paths.iter().try_for_each(|(beside, path)| fs::rename(beside, path).map_err(|e| Error::io(path, e)))
    }

    fn lines(&self, phrases: &[Phrase]) -> String {
        let line = |Phrase { text, task }: &Phrase| {
            let (category, name) = &self.tasks[*task];
            let row = json!({"instruction": text, "category": category, "name": name, "conf": 1.0});
            format!("{row}\n")
        };
        phrases.iter().map(line).collect()
    }

    fn paraphrases(&self) -> String {
        let blocks = self.development.chunk_by(|a, b| a.task == b.task).map(|phrases| {
            let sentences: String = phrases.iter().map(|phrase| phrase.text.replace('\n', " ") + "\n").collect();
            format!("# {}\n{sentences}", self.tasks[phrases[0].task].1)
        });
        blocks.collect::<Vec<_>>().join("\n")
    }
}

/// A part of a phrasing.
enum Piece<'a> {
    Text(&'a str),
    Slot(&'a str),
}

impl<'a> Piece<'a> {
    fn slot(&self) -> Option<&'a str> {
        match self {
            Self::Slot(name) => Some(name),
            Self::Text(_) => None,
        }
    }
}

/// Small letters in braces are a slot; all else is text, so that code may stand in a phrasing.
fn pieces(phrasing: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut text, mut at) = (Vec::new(), 0, 0);
    while let Some(open) = phrasing[at..].find('{').map(|n| at + n) {
        at = open + 1;
        let Some(name) = phrasing[at..].split_once('}').map(|(name, _)| name) else { break };
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) {
            pieces.extend([Piece::Text(&phrasing[text..open]), Piece::Slot(name)]);
            at += name.len() + 1;
            text = at;
        }
    }
    pieces.push(Piece::Text(&phrasing[text..]));
    pieces
}

/// Training and development lines, at least one of each where there are two.
fn split(lines: Vec<String>) -> (Vec<String>, Vec<String>) {
    let mut hashes: Vec<u64> = lines.iter().map(|line| xxh3_64(line.as_bytes())).collect();
    hashes.sort_unstable();
    let held_out = hashes.partition_point(|&hash| hash < u64::MAX / HELD_OUT);
    let limit = hashes[held_out.max(1).min(hashes.len() - 1)];
    lines.into_iter().partition(|line| xxh3_64(line.as_bytes()) >= limit)
}

/// The *.txt of a folder, by name.
fn text_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "txt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The lines of a file that are not blank, trimmed, with their numbers.
fn numbered_lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::new(ErrorCode::Data, format!("{}: not UTF-8 from byte {at} on", path.display()))
    })?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
    Ok(lines.filter(|(line, _)| !line.is_empty()).map(|(line, n)| (n, line.to_owned())).collect())
}

/// The text by which two lines are the same.
fn folded(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn read_slots(dir: &Path, faults: &mut Vec<String>) -> Result<BTreeMap<String, Values>> {
    let mut slots = BTreeMap::new();
    // A phrasebook without slots needs no folder for them.
    for path in if dir.is_dir() { text_files(dir)? } else { Vec::new() } {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_lowercase()) {
            faults.push(format!("{}: a slot's name has small letters alone", path.display()));
        }
        let (mut seen, mut values) = (HashMap::new(), Vec::new());
        for (n, line) in numbered_lines(&path)? {
            if line.starts_with('#') {
                faults.push(format!("{}, line {n}: a value begins with '#', as a task does", path.display()));
            }
            if let Some(first) = seen.insert(folded(&line), n) {
                faults.push(format!("{}, line {n}: the value stands in line {first} already", path.display()));
            }
            values.push(line);
        }
        if values.len() < 2 {
            let what = "at least 2 are needed, one to train on and one to measure on";
            faults.push(format!("{}: {} values; {what}", path.display(), values.len()));
            continue;
        }
        let unescaped = |values: Vec<String>| values.into_iter().map(|value| value.replace("\\n", "\n")).collect();
        let (training, development) = split(values);
        slots.insert(name, Values { training: unescaped(training), development: unescaped(development) });
    }
    Ok(slots)
}

/// A task as it is read.
struct Draft {
    id: String,
    name: String,
    place: String,
    phrasings: Vec<String>,
}

struct Reader<'a> {
    slots: &'a BTreeMap<String, Values>,
    faults: &'a mut Vec<String>,
    tasks: Vec<Draft>,
    /// Where each phrasing stands.
    seen: HashMap<String, String>,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path) -> Result<()> {
        let first = self.tasks.len();
        for (n, line) in numbered_lines(path)? {
            let place = format!("{}, line {n}", path.display());
            let fault = match line.strip_prefix('#') {
                Some(header) => self.begin(header, &place),
                None if self.tasks.len() == first => Err("a phrasing stands before the first task".to_owned()),
                None => self.add(line, &place),
            };
            if let Err(why) = fault {
                self.faults.push(format!("{place}: {why}"));
            }
        }
        for Draft { id, place, phrasings, .. } in &self.tasks[first..] {
            if phrasings.len() < 2 {
                let what = "at least 2 are needed, one to train on and one to measure on";
                self.faults.push(format!("{place}: task {id} has {} phrasings; {what}", phrasings.len()));
            }
        }
        Ok(())
    }

    fn begin(&mut self, header: &str, place: &str) -> std::result::Result<(), String> {
        let (id, name) = header.split_once(':').unwrap_or((header, ""));
        let (id, name) = (id.trim().to_owned(), name.trim().to_owned());
        let fault = if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') || name.is_empty() {
            Err("a task begins as `# task-id: readable name`, the id of small letters, digits and hyphens; no phrasing begins with '#'"
                .to_owned())
        } else if let Some(other) = self.tasks.iter().find(|task| task.id == id || task.name == name) {
            let what = if other.id == id { &id } else { &name };
            Err(format!("task {what:?} begins at {} already", other.place))
        } else {
            Ok(())
        };
        // A faulty one too, so that its phrasings are not taken for those of the task before.
        self.tasks.push(Draft { id, name, place: place.to_owned(), phrasings: Vec::new() });
        fault
    }

    fn add(&mut self, line: String, place: &str) -> std::result::Result<(), String> {
        let unknown = pieces(&line).iter().filter_map(Piece::slot).find(|name| !self.slots.contains_key(*name)).map(str::to_owned);
        let repeated = self.seen.insert(folded(&line), place.to_owned());
        if let Some(task) = self.tasks.last_mut() {
            task.phrasings.push(line);
        }
        match (unknown, repeated) {
            (Some(name), _) => {
                let known = self.slots.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(format!("no values for the slot {{{name}}}; there are some for: {known}"))
            }
            (None, Some(first)) => Err(format!("the phrasing stands at {first} already")),
            (None, None) => Ok(()),
        }
    }
}
