//! A small test set that stands for a large one: anchors, each with a weight.
//!
//! Bayesian quadrature (O'Hagan 1991): a model's results are taken for a level, something smooth in the vectors, and chance. Under that
//! prior each anchor is the row that lowers the variance of the mean over all rows the most, and the weights are those of the best linear
//! estimate. As chance takes its part, no weight strays far from `1 / n`: unequal weights would let the chance of single rows count for
//! more than the vectors can make good.

use super::blocks::map_blocks;
use super::products::Factor;
use super::{Random, Vectors};
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::dot;

/// Prior covariance of two rows' results: `LEVEL + SMOOTH · cosine⁶`, and `CHANCE` more of a row with itself.
///
/// Shares of 0.2 to 0.5 and powers of 4 to 8 do about as well as each other: of 20 simulations, 6 was best by a little on average.
const SMOOTH: f64 = 0.4;
const CHANCE: f64 = 1.0 - SMOOTH;
/// Large beside the others, so that nothing is supposed of the level.
const LEVEL: f64 = 10.0;
/// Rows that one walk over the others serves.
const TILE: usize = 64;
/// Rows over which a row's mean covariance is taken at most; of larger sets so many are drawn.
const AVERAGED: usize = 1 << 14;

/// A row of the test set and its share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    pub row: usize,
    pub weight: f64,
}

/// Rows in the order in which they tell the most: the first `k` are the anchors that `k` would have been.
///
/// ```
/// use pie_embed_wasm::tasks::{Anchors, Vectors};
/// let rows = Vectors::new(vec![1.0, 0.0, 1.0, 0.1, 0.9, 0.1, 0.0, 1.0], 2)?.normalized();
/// let anchors = Anchors::pick(&rows, 2)?.weighted(2);
/// assert!(anchors[0].row < 3 && anchors[1].row == 3);
/// # Ok::<(), pie_embed_wasm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Anchors {
    rows: Vec<usize>,
    /// The Cholesky factor of the rows' covariance: row `k` has `k + 1` numbers.
    factor: Vec<Vec<f64>>,
    /// The mean's covariance with each row, less what the rows before it tell, in units of the row's own deviation.
    gains: Vec<f64>,
}

fn covariance(cosine: f32) -> f64 {
    LEVEL + SMOOTH * f64::from(cosine).powi(6)
}

/// Of each row, the mean over all rows of its covariance with them.
fn mean_covariance(vectors: &Vectors) -> Result<Vec<f64>> {
    let rows = vectors.len();
    let drawn = (rows > AVERAGED).then(|| vectors.pick(&Random::new(0).draw(AVERAGED, rows)));
    let others = drawn.as_ref().unwrap_or(vectors);
    let dimensions = vectors.dimensions();
    let mut sums = vec![0.0; rows];
    for tile in others.data().chunks(TILE * dimensions) {
        let factor = Factor::new(tile, dimensions);
        let parts = map_blocks(rows, |range| {
            let cosines = factor.products(&vectors.data()[range.start * dimensions..range.end * dimensions]);
            cosines.chunks_exact(factor.len()).map(|row| row.iter().map(|&cosine| covariance(cosine)).sum::<f64>()).collect::<Vec<f64>>()
        });
        sums.iter_mut().zip(parts.iter().flatten()).for_each(|(sum, part)| *sum += part);
    }
    // A row's own chance is part of the mean over all rows, drawn or not.
    Ok(sums.into_iter().map(|sum| sum / others.len() as f64 + CHANCE / rows as f64).collect())
}

impl Anchors {
    /// Picks `n` anchors of a test set whose rows have length 1.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when `n` is 0 or more than there are rows.
    pub fn pick(vectors: &Vectors, n: usize) -> Result<Self> {
        let rows = vectors.len();
        if n == 0 || n > rows {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("{n} anchors of {rows} rows; it must be 1 to {rows}")));
        }
        // What is not told yet: of the mean by each row, and of each row itself.
        let mut untold = mean_covariance(vectors)?;
        let mut variance: Vec<f64> = vectors.rows().map(|row| covariance(dot(row, row)) + CHANCE).collect();
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(n);
        let mut found = Self { rows: Vec::with_capacity(n), factor: Vec::with_capacity(n), gains: Vec::with_capacity(n) };
        let mut free = vec![true; rows];
        for _ in 0..n {
            let told = |row: usize| untold[row] * untold[row] / variance[row];
            let best = (0..rows).filter(|&row| free[row]).reduce(|best, row| if told(row) > told(best) { row } else { best });
            let Some(best) = best else { break };
            free[best] = false;
            let deviation = variance[best].sqrt();
            let mut factor: Vec<f64> = columns.iter().map(|column| column[best]).collect();
            let column = map_blocks(rows, |range| {
                let untold = |row: usize| {
                    let before: f64 = columns.iter().zip(&factor).map(|(column, factor)| column[row] * factor).sum();
                    let own = if row == best { CHANCE } else { 0.0 };
                    (covariance(dot(vectors.row(row), vectors.row(best))) + own - before) / deviation
                };
                range.map(untold).collect::<Vec<f64>>()
            })
            .concat();
            let gain = untold[best] / deviation;
            for ((untold, variance), part) in untold.iter_mut().zip(&mut variance).zip(&column) {
                *untold -= part * gain;
                *variance = (*variance - part * part).max(f64::MIN_POSITIVE);
            }
            factor.push(deviation);
            found.rows.push(best);
            found.factor.push(factor);
            found.gains.push(gain);
            columns.push(column);
        }
        Ok(found)
    }

    /// The first `k` anchors; their weights sum to 1.
    pub fn weighted(&self, k: usize) -> Vec<Anchor> {
        let k = k.min(self.rows.len());
        // Lᵀ w = gains
        let mut weights = self.gains[..k].to_vec();
        for at in (0..k).rev() {
            let later: f64 = (at + 1..k).map(|later| self.factor[later][at] * weights[later]).sum();
            weights[at] = (weights[at] - later) / self.factor[at][at];
        }
        let sum: f64 = weights.iter().sum();
        self.rows.iter().zip(weights).map(|(&row, weight)| Anchor { row, weight: weight / sum }).collect()
    }
}

/// A model's score on the whole test set as its results on the anchors tell it: `Σ weight · result / Σ weight`.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when an anchor has no result, or there is no weight.
pub fn estimate(anchors: &[Anchor], results: &[f64]) -> Result<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for anchor in anchors {
        let Some(result) = results.get(anchor.row) else {
            let message = format!("an anchor is row {}, but there are {} results", anchor.row, results.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        };
        sum += anchor.weight * result;
        weights += anchor.weight;
    }
    if weights > 0.0 {
        Ok(sum / weights)
    } else {
        Err(Error::new(ErrorCode::InvalidArgument, format!("the weights of {} anchors sum to {weights}", anchors.len())))
    }
}

/// `n` different rows of `rows`, drawn at random, each with the same weight: what anchors are held against.
pub fn random_anchors(rows: usize, n: usize, random: &mut Random) -> Vec<Anchor> {
    let n = n.min(rows);
    let mut order: Vec<usize> = (0..rows).collect();
    random.shuffle(&mut order);
    order.truncate(n);
    order.into_iter().map(|row| Anchor { row, weight: 1.0 / n as f64 }).collect()
}
