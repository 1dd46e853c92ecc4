//! The choice among candidates: a logistic regression over all the candidates of one instruction.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use super::{Candidate, Label, Source};
use crate::error::{Error, ErrorCode, Result};
use crate::ieb::Random;

/// Passes over the examples.
const EPOCHS: usize = 40;
const LEARNING_RATE: f64 = 0.3;
/// The penalty on squared weights, shared out over the examples that have the feature.
const L2: f64 = 1.0;
/// Features that fewer examples have tell nothing of other instructions.
const MIN_EXAMPLES: usize = 5;
/// Smaller weights are dropped: they change no figure and make the file long.
const MIN_WEIGHT: f32 = 0.1;

/// Weights by feature. Those of a candidate's features add up to its score; probabilities are the softmax over an instruction's scores.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    weights: HashMap<String, f32>,
}

/// An instruction to learn from: its candidates, and its true verb and noun.
#[derive(Clone, Debug)]
pub struct Example {
    pub candidates: Vec<Candidate>,
    pub verb: String,
    pub noun: String,
}

impl Picker {
    /// Reads weights: a feature and its weight a line.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] naming the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut weights = HashMap::new();
        for (line, number) in text.lines().zip(1..) {
            let weight = line.split_once(' ').and_then(|(feature, weight)| Some((feature, weight.parse::<f32>().ok()?)));
            match weight.filter(|(_, weight)| weight.is_finite()) {
                Some((feature, weight)) => weights.insert(feature.to_owned(), weight),
                None => return Err(Error::new(ErrorCode::Data, format!("line {number}: a feature and its weight are expected"))),
            };
        }
        Ok(Self { weights })
    }

    /// The weights as [`Picker::parse`] reads them, sorted by feature.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<(&String, &f32)> = self.weights.iter().collect();
        lines.sort_by_key(|(feature, _)| *feature);
        lines.into_iter().fold(String::new(), |mut text, (feature, weight)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{feature} {weight:.2}");
            text
        })
    }

    /// Weights that are not 0.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The likeliest label. The candidates of one label share their probability.
    pub fn pick(&self, candidates: &[Candidate]) -> Label {
        let weight = |feature: &String| self.weights.get(feature).copied().unwrap_or_default();
        let scores: Vec<f32> = candidates.iter().map(|candidate| candidate.features.iter().map(weight).sum()).collect();
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        let mut labels: Vec<(&Candidate, f32)> = Vec::new();
        for (candidate, score) in candidates.iter().zip(scores) {
            let likelihood = (score - highest).exp();
            total += likelihood;
            match labels.iter_mut().find(|(other, _)| other.verb == candidate.verb && other.noun == candidate.noun) {
                Some((_, sum)) => *sum += likelihood,
                None => labels.push((candidate, likelihood)),
            }
        }
        // Of equals the first, whose words stand first.
        let best = labels.into_iter().reduce(|best, other| if other.1 > best.1 { other } else { best });
        match best {
            Some((candidate, likelihood)) => {
                Label { verb: candidate.verb.clone(), noun: candidate.noun.clone(), conf: likelihood / total, source: candidate.source }
            }
            None => Label { verb: "none".to_owned(), noun: "none".to_owned(), conf: 0.0, source: Source::None },
        }
    }

    /// Fits weights to examples: AdaGrad on the likelihood of the true label, with an L2 penalty. The same examples give the same weights.
    pub fn fit(examples: &[&Example]) -> Self {
        let (features, rows) = intern(examples);
        let mut counts = vec![0_u32; features.len()];
        let mut weights = vec![0.0_f64; features.len()];
        let mut squares = vec![1e-6_f64; features.len()];
        for ids in rows.iter().map(Row::features) {
            ids.into_iter().for_each(|id| counts[id] += 1);
        }
        let mut gradient: HashMap<usize, f64> = HashMap::new();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut random = Random::new(0);
        for _ in 0..EPOCHS {
            random.shuffle(&mut order);
            for &row in &order {
                let Row { candidates, right } = &rows[row];
                let scores: Vec<f64> = candidates.iter().map(|features| features.iter().map(|&id| weights[id]).sum()).collect();
                let all = softmax(&scores, |_| true);
                let true_ones = softmax(&scores, |at| right[at]);
                gradient.clear();
                for ((features, p), q) in candidates.iter().zip(all).zip(true_ones) {
                    for &id in features {
                        *gradient.entry(id).or_default() += p - q;
                    }
                }
                for (&id, &slope) in &gradient {
                    let slope = slope + L2 / f64::from(counts[id]) * weights[id];
                    squares[id] += slope * slope;
                    weights[id] -= LEARNING_RATE * slope / squares[id].sqrt();
                }
            }
        }
        let weights = features.into_iter().zip(weights).map(|(feature, weight)| (feature.to_owned(), weight as f32));
        Self { weights: weights.filter(|(_, weight)| weight.abs() >= MIN_WEIGHT).collect() }
    }
}

/// Candidates as feature numbers, and which of them are right.
struct Row {
    candidates: Vec<Vec<usize>>,
    right: Vec<bool>,
}

impl Row {
    /// The features that any candidate has.
    fn features(&self) -> BTreeSet<usize> {
        self.candidates.iter().flatten().copied().collect()
    }
}

/// The features that enough examples have, and the examples among whose candidates the true label is.
fn intern<'a>(examples: &[&'a Example]) -> (Vec<&'a str>, Vec<Row>) {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for (number, example) in (1..).zip(examples) {
        for feature in example.candidates.iter().flat_map(|candidate| &candidate.features) {
            let (count, last) = counts.entry(feature).or_default();
            *count += usize::from(*last != number);
            *last = number;
        }
    }
    let mut features: Vec<&str> = counts.into_iter().filter(|(_, (count, _))| *count >= MIN_EXAMPLES).map(|(feature, _)| feature).collect();
    features.sort_unstable();
    let ids: HashMap<&str, usize> = features.iter().enumerate().map(|(id, feature)| (*feature, id)).collect();
    let numbers = |candidate: &Candidate| candidate.features.iter().filter_map(|feature| ids.get(feature.as_str()).copied()).collect();
    let rows = examples.iter().map(|example| {
        let right = example.candidates.iter().map(|candidate| candidate.verb == example.verb && candidate.noun == example.noun);
        Row { candidates: example.candidates.iter().map(numbers).collect(), right: right.collect() }
    });
    let rows = rows.filter(|row| row.right.contains(&true)).collect();
    (features, rows)
}

/// Probabilities among the scores that are `chosen`; 0 for the others.
fn softmax(scores: &[f64], chosen: impl Fn(usize) -> bool) -> Vec<f64> {
    let highest = scores.iter().enumerate().filter(|(at, _)| chosen(*at)).map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().enumerate().map(|(at, score)| if chosen(at) { (score - highest).exp() } else { 0.0 }).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}
