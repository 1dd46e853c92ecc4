//! A small test set that stands for a large one: anchors, each with the weight of what it stands for.

use super::{Random, Vectors, representatives};
use crate::error::{Error, ErrorCode, Result};

/// A row of the test set and its share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    pub row: usize,
    pub weight: f64,
}

/// At most `n` anchors: of each k-means cluster the row nearest the centre, weighing the cluster's share of the rows. Heaviest first;
/// the weights sum to 1. Fewer than `n` where rows are equal.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when `n` is 0 or more than there are rows.
pub fn anchors(vectors: &Vectors, n: usize, seed: u64) -> Result<Vec<Anchor>> {
    let found = representatives(vectors, n, seed)?;
    Ok(found.iter().map(|r| Anchor { row: r.row, weight: r.size as f64 / vectors.len() as f64 }).collect())
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
