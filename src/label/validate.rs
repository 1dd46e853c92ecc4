//! How often the labels are right: cross-validation on labelled instructions.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Candidate, Example, Picker, Tagger, candidates};
use crate::error::{Error, ErrorCode, Result};
use crate::ieb::Random;

/// A labelled instruction.
#[derive(Clone, Debug)]
pub struct Gold {
    /// The task it stands under, synonyms and all.
    pub task: String,
    pub example: Example,
}

/// What a fold leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Instructions, whatever their task.
    Instructions,
    /// Whole tasks, so that none in the test has been seen.
    Tasks,
}

/// Shares of instructions whose label is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    pub rows: usize,
    pub verb: f64,
    pub noun: f64,
    pub both: f64,
}

/// Reads a file of the benchmark, and finds the candidates of its instructions.
///
/// # Errors
/// [`ErrorCode::Data`] naming the task and the sample.
pub fn read_gold(json: &str) -> Result<Vec<Gold>> {
    #[derive(Deserialize)]
    struct Entry {
        samples: Vec<Sample>,
    }
    #[derive(Deserialize)]
    struct Sample {
        category: (String, String),
        instruction: String,
    }
    let file: BTreeMap<String, Entry> = serde_json::from_str(json).map_err(|e| {
        let message = format!("no JSON of {{task: {{\"samples\": [{{\"category\": [verb, noun], \"instruction\"}}]}}}}: {e}");
        Error::new(ErrorCode::Data, message).with_source(e)
    })?;
    let tagger = Tagger::new();
    let mut rows = Vec::new();
    for (task, entry) in file {
        for (number, sample) in (1..).zip(entry.samples) {
            let (verb, noun) = sample.category;
            if [&verb, &noun, &sample.instruction].iter().any(|text| text.trim().is_empty()) {
                return Err(Error::new(ErrorCode::Data, format!("task {task:?}, sample {number}: verb, noun or instruction is blank")));
            }
            let candidates: Vec<Candidate> = candidates(&tagger, &sample.instruction);
            rows.push(Gold { task: task.clone(), example: Example { candidates, verb, noun } });
        }
    }
    Ok(rows)
}

/// Agreement of pickers that are fitted to all folds but one, on that one.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] with fewer than two folds or fewer groups than folds.
pub fn cross_validate(rows: &[Gold], grouping: Grouping, folds: usize, seed: u64) -> Result<Agreement> {
    let mut groups: HashMap<&str, usize> = HashMap::new();
    let group = rows.iter().enumerate().map(|(row, gold)| match grouping {
        Grouping::Instructions => row,
        Grouping::Tasks => {
            let next = groups.len();
            *groups.entry(gold.task.as_str()).or_insert(next)
        }
    });
    let group: Vec<usize> = group.collect();
    let count = group.iter().max().map_or(0, |last| last + 1);
    if folds < 2 || count < folds {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("{folds} folds of {count} groups: at least 2 folds, each with a group"),
        ));
    }
    let mut order: Vec<usize> = (0..count).collect();
    Random::new(seed).shuffle(&mut order);
    let fold_of = |row: usize| order[group[row]] % folds;

    let (mut verb, mut noun, mut both) = (0, 0, 0);
    for fold in 0..folds {
        let (held_out, training): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&row| fold_of(row) == fold);
        let training: Vec<&Example> = training.into_iter().map(|row| &rows[row].example).collect();
        let picker = Picker::fit(&training);
        for example in held_out.into_iter().map(|row| &rows[row].example) {
            let label = picker.pick(&example.candidates);
            let (same_verb, same_noun) = (label.verb == example.verb, label.noun == example.noun);
            verb += usize::from(same_verb);
            noun += usize::from(same_noun);
            both += usize::from(same_verb && same_noun);
        }
    }
    let share = |right: usize| right as f64 / rows.len() as f64;
    Ok(Agreement { rows: rows.len(), verb: share(verb), noun: share(noun), both: share(both) })
}
