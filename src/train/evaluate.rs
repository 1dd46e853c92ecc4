//! How good vectors are at telling tasks apart, on examples that were not trained on.

use std::collections::HashSet;

use rand::Rng;
use rand::seq::index;
use serde::{Deserialize, Serialize};

use super::dataset::{Example, Source};
use super::ops::float::dot;
use super::random::{Purpose, generator};
use crate::error::Result;
use crate::ieb::{KMeans, Vectors, adjusted_rand_index, spearman};

/// Examples of a source that are looked at, at most.
pub const MAX_EXAMPLES: usize = 1_000;
/// Pairs of each kind behind the correlation.
const PAIRS: usize = 1_500;

/// Figures of one development set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub examples: usize,
    /// Adjusted Rand index of k-means clusters, one a task, against the tasks (the benchmark's clustering test).
    pub clustering: f64,
    /// Share of the examples whose nearest neighbour has their task, of those whose task has another example.
    pub nearest: f64,
    /// Spearman's correlation of cosine with "same task" over as many pairs that are as that are not.
    pub correlation: f64,
    /// Mean cosine of the former less that of the latter.
    pub margin: f64,
}

/// The examples to look at, and the task of each: whole tasks of two and more, until there are [`MAX_EXAMPLES`].
pub fn choose(source: &Source) -> (Vec<u32>, Vec<usize>) {
    let (mut rows, mut tasks) = (Vec::new(), Vec::new());
    for (n, task) in source.tasks().into_iter().enumerate().filter(|(_, task)| task.len() > 1) {
        if rows.len() + task.len() <= MAX_EXAMPLES {
            tasks.extend(std::iter::repeat_n(n, task.len()));
            rows.extend(task);
        }
    }
    (rows, tasks)
}

/// Measures rows `[examples, dim]`, L2-normalised.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`](crate::ErrorCode::InvalidArgument) for a number that is not finite.
pub fn measure(vectors: &[Vec<f32>], examples: &[&Example], tasks: &[usize], seed: u64) -> Result<Quality> {
    let count = vectors.len();
    let cosine = |i: usize, j: usize| dot(&vectors[i], &vectors[j]);
    let (mut right, mut asked, mut same_pairs) = (0, 0, Vec::new());
    for i in 0..count {
        let (mut best, mut nearest, mut has_other) = (f32::NEG_INFINITY, None, false);
        for j in (0..count).filter(|&j| j != i) {
            let same = examples[i].same_task(examples[j]);
            if same && j > i {
                same_pairs.push((i, j));
            }
            has_other |= same;
            let similarity = cosine(i, j);
            if similarity > best {
                (best, nearest) = (similarity, Some(same));
            }
        }
        if has_other {
            asked += 1;
            right += usize::from(nearest == Some(true));
        }
    }
    let mut rng = generator(seed, Purpose::Evaluate, 0, 0);
    let same: Vec<f32> = index::sample(&mut rng, same_pairs.len(), PAIRS.min(same_pairs.len()))
        .into_iter()
        .map(|n| cosine(same_pairs[n].0, same_pairs[n].1))
        .collect();
    let mut different = Vec::with_capacity(same.len());
    // A set of one task has no other pairs: the number of draws is bounded.
    for _ in 0..same.len() * 20 {
        if different.len() == same.len() {
            break;
        }
        let (i, j) = (rng.random_range(0..count), rng.random_range(0..count));
        if !examples[i].same_task(examples[j]) {
            different.push(cosine(i, j));
        }
    }
    let mean = |x: &[f32]| x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len().max(1) as f64;
    Ok(Quality {
        examples: count,
        clustering: clustering(vectors, tasks, seed)?,
        nearest: f64::from(right as u32) / f64::from(asked.max(1)),
        correlation: binary_spearman(&same, &different),
        margin: mean(&same) - mean(&different),
    })
}

fn clustering(vectors: &[Vec<f32>], tasks: &[usize], seed: u64) -> Result<f64> {
    let clusters = tasks.iter().collect::<HashSet<_>>().len();
    let Some(dimensions) = vectors.first().map(Vec::len) else { return Ok(0.0) };
    let found = KMeans { seed, ..KMeans::new(clusters) }.fit(&Vectors::new(vectors.concat(), dimensions)?)?;
    Ok(adjusted_rand_index(tasks, &found.labels))
}

/// Spearman's correlation of scores with a 0/1 label; 0 where it is not defined.
fn binary_spearman(ones: &[f32], zeros: &[f32]) -> f64 {
    let scores: Vec<f64> = ones.iter().chain(zeros).map(|&x| f64::from(x)).collect();
    let labels: Vec<f64> = (0..scores.len()).map(|n| f64::from(u8::from(n < ones.len()))).collect();
    spearman(&scores, &labels).unwrap_or(0.0)
}
