//! The benchmark's files, and the paraphrase file. Errors name the entry or the line.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};

/// Instructions by task, as `eft_test.json` has them: `{"write|poem": {"number": 1, "samples": [{"category": ["write", "poem"],
/// "instruction": …, "input": …, "output": …}]}}`. Synonyms are joined: `compute|value##calculate|value`.
#[derive(Clone, Debug, Default)]
pub struct TaskSet {
    /// The labels, in the order they are read.
    pub tasks: Vec<String>,
    pub instructions: Vec<Instruction>,
}

/// One instruction and its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub text: String,
    /// Index into [`TaskSet::tasks`].
    pub task: usize,
}

fn data(message: String) -> Error {
    Error::new(ErrorCode::Data, message)
}

/// The first characters of a text, quoted.
fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

fn parse_json(json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|e| data(format!("no JSON: {e}")).with_source(e))
}

impl TaskSet {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] naming the task and the sample.
    pub fn parse(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Sample {
            instruction: String,
        }
        let Value::Object(file) = parse_json(json)? else {
            return Err(data("an object {task: {\"samples\": […]}} is expected at the top".to_owned()));
        };
        let mut set = Self::default();
        for (label, entry) in file {
            let at = format!("task {} ({})", set.tasks.len() + 1, quote(&label));
            let wrong = label.split("##").find(|part| !matches!(part.split_once('|'), Some((verb, noun)) if !verb.trim().is_empty() && !noun.trim().is_empty() && !noun.contains('|')));
            if let Some(part) = wrong {
                return Err(data(format!("{at}: {} is no verb|noun", quote(part))));
            }
            let Some(samples) = entry.get("samples") else {
                return Err(data(format!("{at} has no \"samples\"")));
            };
            let Some(samples) = samples.as_array() else {
                return Err(data(format!("{at}: \"samples\" is no list")));
            };
            if samples.is_empty() {
                return Err(data(format!("{at} has no sample")));
            }
            for (n, sample) in samples.iter().enumerate() {
                let sample = Sample::deserialize(sample).map_err(|e| data(format!("{at}, sample {}: {e}", n + 1)).with_source(e))?;
                if sample.instruction.trim().is_empty() {
                    return Err(data(format!("{at}, sample {}: the instruction is blank", n + 1)));
                }
                set.instructions.push(Instruction { text: sample.instruction, task: set.tasks.len() });
            }
            set.tasks.push(label);
        }
        if set.tasks.is_empty() {
            return Err(data("the file has no task".to_owned()));
        }
        Ok(set)
    }

    /// The instructions' texts.
    pub fn texts(&self) -> Vec<&str> {
        self.instructions.iter().map(|row| row.text.as_str()).collect()
    }

    /// The instructions' tasks.
    pub fn labels(&self) -> Vec<usize> {
        self.instructions.iter().map(|row| row.task).collect()
    }

    /// Rows whose text an earlier row has too: with the same task, and with another one.
    pub fn duplicates(&self) -> (usize, usize) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let (mut same, mut conflicting) = (0, 0);
        for row in &self.instructions {
            match seen.insert(row.text.trim(), row.task) {
                Some(task) if task == row.task => same += 1,
                Some(_) => conflicting += 1,
                None => {}
            }
        }
        (same, conflicting)
    }
}

/// Pairs of instructions with a 0/1 label, as `intention_similarity_test.json` has them.
#[derive(Clone, Debug, Default)]
pub struct PairSet {
    pub pairs: Vec<Pair>,
}

/// Two instructions and whether they ask for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub first: String,
    pub second: String,
    pub same: bool,
}

impl PairSet {
    /// Reads the file's text: a list of `{"instruction1", "instruction2", "label": 0 | 1}`.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] naming the entry.
    pub fn parse(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Entry {
            instruction1: String,
            instruction2: String,
            label: u64,
        }
        let Value::Array(file) = parse_json(json)? else {
            return Err(data("a list of {\"instruction1\", \"instruction2\", \"label\"} is expected at the top".to_owned()));
        };
        let mut pairs = Vec::with_capacity(file.len());
        for (n, entry) in file.iter().enumerate() {
            let entry = Entry::deserialize(entry).map_err(|e| data(format!("pair {}: {e}", n + 1)).with_source(e))?;
            if entry.instruction1.trim().is_empty() || entry.instruction2.trim().is_empty() {
                return Err(data(format!("pair {}: an instruction is blank", n + 1)));
            }
            if entry.label > 1 {
                return Err(data(format!("pair {}: label is {}; it must be 0 or 1", n + 1, entry.label)));
            }
            pairs.push(Pair { first: entry.instruction1, second: entry.instruction2, same: entry.label == 1 });
        }
        if pairs.is_empty() {
            return Err(data("the file has no pair".to_owned()));
        }
        Ok(Self { pairs })
    }

    /// Pairs labelled 0 and 1.
    pub fn balance(&self) -> (usize, usize) {
        let positives = self.pairs.iter().filter(|pair| pair.same).count();
        (self.pairs.len() - positives, positives)
    }
}

/// Sentences that ask for the same in other words, by task. Plain text: a line `# task` begins a task, every other line that is not
/// blank is a sentence of it. A file that begins with `{` is read as JSON, `{task: [sentences]}`.
#[derive(Clone, Debug, Default)]
pub struct ParaphraseSet {
    pub tasks: Vec<String>,
    pub sentences: Vec<Paraphrase>,
}

/// One sentence and its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paraphrase {
    pub text: String,
    /// Index into [`ParaphraseSet::tasks`].
    pub task: usize,
}

impl ParaphraseSet {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] naming the line (plain text) or the task (JSON).
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let set = if text.trim_start().starts_with('{') { Self::parse_json(text) } else { Self::parse_blocks(text) }?;
        if set.tasks.len() < 2 {
            return Err(data(format!("the file has {} tasks; there must be at least 2", set.tasks.len())));
        }
        Ok(set)
    }

    fn parse_json(text: &str) -> Result<Self> {
        let file: BTreeMap<String, Vec<String>> =
            serde_json::from_str(text).map_err(|e| data(format!("no JSON of {{task: [sentences]}}: {e}")).with_source(e))?;
        let mut set = Self::default();
        for (task, sentences) in file {
            if sentences.is_empty() {
                return Err(data(format!("task {} has no sentence", quote(&task))));
            }
            for (n, text) in sentences.into_iter().enumerate() {
                if text.trim().is_empty() {
                    return Err(data(format!("task {}: sentence {} is blank", quote(&task), n + 1)));
                }
                set.sentences.push(Paraphrase { text, task: set.tasks.len() });
            }
            set.tasks.push(task);
        }
        Ok(set)
    }

    fn parse_blocks(text: &str) -> Result<Self> {
        let mut set = Self::default();
        let mut begun: HashMap<&str, usize> = HashMap::new();
        // The line of the task that has no sentence yet.
        let mut open: Option<usize> = None;
        for (n, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('#') {
                let name = name.trim();
                if name.is_empty() {
                    return Err(data(format!("line {n}: '#' without a task's name")));
                }
                if let Some(first) = begun.insert(name, n) {
                    return Err(data(format!("line {n}: task {} began on line {first} already", quote(name))));
                }
                if let Some(empty) = open.replace(n) {
                    return Err(data(format!("line {empty}: the task has no sentence")));
                }
                set.tasks.push(name.to_owned());
            } else if !line.is_empty() {
                let Some(task) = set.tasks.len().checked_sub(1) else {
                    return Err(data(format!("line {n}: a sentence stands before the first '# task'")));
                };
                set.sentences.push(Paraphrase { text: line.to_owned(), task });
                open = None;
            }
        }
        match open {
            Some(empty) => Err(data(format!("line {empty}: the task has no sentence"))),
            None => Ok(set),
        }
    }

    /// The sentences' texts.
    pub fn texts(&self) -> Vec<&str> {
        self.sentences.iter().map(|row| row.text.as_str()).collect()
    }

    /// The sentences' tasks.
    pub fn labels(&self) -> Vec<usize> {
        self.sentences.iter().map(|row| row.task).collect()
    }
}
