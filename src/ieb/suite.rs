//! The tests of the benchmark as figures.

use super::disturb::Disturbance;
use super::neighbour::{dense, mean};
use super::{
    KMeans, PairSet, ParaphraseSet, Random, TaskSet, TextEncoder, Vectors, adjusted_rand_index, binary_ceiling, few_shot_accuracy,
    homogeneity, nearest, nearest_neighbour_accuracy, purity, r_precision, silhouette, spearman,
};
use crate::error::{Error, ErrorCode, Result};

/// One figure of one encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub name: &'static str,
    /// The mean over seeds where there are several; `None` where the measure is not defined.
    pub mean: Option<f64>,
    /// The standard deviation over seeds (of the population), where there are several.
    pub deviation: Option<f64>,
    /// The highest value that the data allow, where it is not 1.
    pub ceiling: Option<f64>,
}

impl Score {
    const fn one(name: &'static str, mean: Option<f64>) -> Self {
        Self { name, mean, deviation: None, ceiling: None }
    }

    /// Mean and deviation; a seed for which the measure is not defined makes the whole not defined.
    fn over_seeds(name: &'static str, values: &[Option<f64>]) -> Self {
        let values: Option<Vec<f64>> = values.iter().copied().collect();
        let values = values.unwrap_or_default();
        let average = mean(values.iter().copied());
        let deviation = average.filter(|_| values.len() > 1).and_then(|average| mean(values.iter().map(|x| (x - average).powi(2))));
        Self { name, mean: average, deviation: deviation.map(f64::sqrt), ceiling: None }
    }
}

/// Instruction clustering (ICT): k-means++ on all rows with one cluster a task, one run a seed (0, 1, …), then `ari`, `purity` and
/// `homogeneity` against the tasks, and the Euclidean `silhouette` of the clusters found.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when there are not as many labels as vectors, or none.
pub fn clustering_scores(vectors: &Vectors, labels: &[usize], seeds: u64) -> Result<Vec<Score>> {
    if vectors.len() != labels.len() {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{} vectors, but {} labels", vectors.len(), labels.len())));
    }
    let (_, counts) = dense(labels);
    let mut values: [Vec<Option<f64>>; 4] = Default::default();
    for seed in 0..seeds {
        let found = KMeans { seed, ..KMeans::new(counts.len()) }.fit(vectors)?.labels;
        values[0].push(Some(adjusted_rand_index(labels, &found)));
        values[1].push(Some(purity(labels, &found)));
        values[2].push(Some(homogeneity(labels, &found)));
        values[3].push(silhouette(vectors.data(), vectors.dimensions(), &found));
    }
    let names = ["ari", "purity", "homogeneity", "silhouette"];
    Ok(names.iter().zip(&values).map(|(name, values)| Score::over_seeds(name, values)).collect())
}

/// Instruction similarity (IIS): `spearman` correlation of the pairs' cosines with their labels, with its ceiling.
///
/// # Errors
/// Those of the encoder.
pub fn similarity_scores(encoder: &dyn TextEncoder, set: &PairSet) -> Result<Vec<Score>> {
    let texts: Vec<&str> = set.pairs.iter().flat_map(|pair| [pair.first.as_str(), pair.second.as_str()]).collect();
    let vectors = encoder.encode(&texts, &texts)?;
    let dot = |n: usize| -> f64 { vectors.row(2 * n).iter().zip(vectors.row(2 * n + 1)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let cosines: Vec<f64> = (0..set.pairs.len()).map(dot).collect();
    let labels: Vec<f64> = set.pairs.iter().map(|pair| f64::from(u8::from(pair.same))).collect();
    let (negatives, positives) = set.balance();
    let score = Score { ceiling: binary_ceiling(negatives, positives), ..Score::one("spearman", spearman(&cosines, &labels)) };
    Ok(vec![score])
}

/// Examples a task in few-shot tagging.
const SHOTS: usize = 3;
/// Draws of the examples: few rows a task, so one draw says little.
const DRAWS: u64 = 10;

/// The same task in other words: `nearest` (leave-one-out 1-NN accuracy), `r_precision`, and `three_shot` (tagging from three
/// examples a task, over ten draws).
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when there are not as many labels as vectors.
pub fn paraphrase_scores(vectors: &Vectors, set: &ParaphraseSet) -> Result<Vec<Score>> {
    let labels = set.labels();
    let few: Vec<Option<f64>> = few_shot_accuracy(vectors, &labels, SHOTS, 0..DRAWS)?.into_iter().map(Some).collect();
    Ok(vec![
        Score::one("nearest", nearest_neighbour_accuracy(vectors, &labels)?),
        Score::one("r_precision", r_precision(vectors, &labels)?),
        Score::over_seeds("three_shot", &few),
    ])
}

/// Real prompts: for each disturbance the share of disturbed instructions whose nearest *clean* one has their task; `clean` is the
/// same for the instructions as they are.
///
/// All clean rows can be found but the one that the disturbed row was made of; only rows whose task another row has too are asked
/// for, since no other could be right. Each row gets its own random numbers, so a file's figures do not depend on the order in
/// which disturbances are made.
///
/// # Errors
/// Those of the encoder.
pub fn disturbance_scores(encoder: &dyn TextEncoder, set: &TaskSet, seed: u64) -> Result<Vec<Score>> {
    let (texts, labels) = (set.texts(), set.labels());
    let mut counts = vec![0_usize; set.tasks.len()];
    labels.iter().for_each(|&label| counts[label] += 1);
    let asked: Vec<usize> = (0..labels.len()).filter(|&row| counts[labels[row]] > 1).collect();
    let clean = encoder.encode(&texts, &texts)?;
    let mut scores = vec![Score::one("clean", nearest_neighbour_accuracy(&clean, &labels)?)];
    if asked.is_empty() {
        scores.extend(Disturbance::ALL.map(|disturbance| Score::one(disturbance.as_str(), None)));
        return Ok(scores);
    }
    let itself: Vec<Option<usize>> = asked.iter().copied().map(Some).collect();
    for (kind, disturbance) in (0_u64..).zip(Disturbance::ALL) {
        let disturbed: Vec<String> = asked
            .iter()
            .map(|&row| {
                let mut random = Random::new(seed ^ (kind << 32) ^ row as u64);
                disturbance.apply(texts[row], &mut random)
            })
            .collect();
        let disturbed: Vec<&str> = disturbed.iter().map(String::as_str).collect();
        let found = nearest(&encoder.encode(&texts, &disturbed)?, &clean, &itself)?;
        let right = asked.iter().zip(found).map(|(&row, found)| f64::from(u8::from(found.is_some_and(|at| labels[at] == labels[row]))));
        scores.push(Score::one(disturbance.as_str(), mean(right)));
    }
    Ok(scores)
}
