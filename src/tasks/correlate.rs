//! How two data sets relate, by their vectors and by their tasks.

use std::collections::HashMap;
use std::ops::Range;

use kodama::{Method, linkage};

use super::blocks::map_blocks_of;
use super::{Vectors, search};
use crate::error::{Error, ErrorCode, Result};

/// Columns that are sorted at a time: those of a cache line.
const COLUMNS: usize = 16;

/// Each row divided by the sum of its components, as the paper's code does before it takes [`wasserstein`] and the cosines of
/// [`mean_of_max`]. A cosine knows no length: all that the division does to it is to turn rows round whose sum is negative.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] naming a row whose components sum to 0.
pub fn divided_by_sum(vectors: &Vectors) -> Result<Vectors> {
    let mut data = Vec::with_capacity(vectors.data().len());
    for (n, row) in vectors.rows().enumerate() {
        let sum: f64 = row.iter().map(|&x| f64::from(x)).sum();
        let divided = row.iter().map(|&x| (f64::from(x) / sum) as f32);
        if sum == 0.0 || divided.clone().any(|x| !x.is_finite()) {
            let message = format!("the components of vector {n} sum to {sum}: it cannot be divided by that");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        data.extend(divided);
    }
    Vectors::new(data, vectors.dimensions())
}

/// Between each two of some data sets, `[sets, sets]`: the mean over dimensions of the Wasserstein-1 distance between the values of the
/// one and of the other.
///
/// # Errors
/// [`ErrorCode::InvalidDimensions`] when the dimensions differ, [`ErrorCode::NoTexts`] when a data set is empty.
pub fn wasserstein(sets: &[&Vectors]) -> Result<Vec<f64>> {
    let n = sets.len();
    let Some(first) = sets.first() else { return Ok(Vec::new()) };
    for set in sets {
        first.same_dimensions(set)?;
        if set.is_empty() {
            return Err(Error::new(ErrorCode::NoTexts, "a data set without rows has no distribution"));
        }
    }
    let pairs = || (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
    // Few columns at a time, so that no sorted copy of all is held.
    let parts = map_blocks_of(COLUMNS, first.dimensions(), |range| {
        let sorted: Vec<Vec<Vec<f32>>> = sets.iter().map(|set| sorted_columns(set, range.clone())).collect();
        let distance = |a: usize, b: usize| sorted[a].iter().zip(&sorted[b]).map(|(a, b)| wasserstein_1(a, b)).sum::<f64>();
        // Symmetric; what is above the diagonal is that below it.
        pairs().map(|(a, b)| if a < b { distance(a, b) } else { 0.0 }).collect::<Vec<f64>>()
    });
    let mean = |a: usize, b: usize| parts.iter().map(|part| part[a.min(b) * n + a.max(b)]).sum::<f64>() / first.dimensions() as f64;
    Ok(pairs().map(|(a, b)| mean(a, b)).collect())
}

/// These columns of a data set, each sorted.
fn sorted_columns(set: &Vectors, range: Range<usize>) -> Vec<Vec<f32>> {
    let mut columns = vec![Vec::with_capacity(set.len()); range.len()];
    for row in set.rows() {
        columns.iter_mut().zip(&row[range.clone()]).for_each(|(column, &x)| column.push(x));
    }
    columns.iter_mut().for_each(|column| column.sort_unstable_by(f32::total_cmp));
    columns
}

/// `∫ |F_a − F_b|` of two sorted samples, as SciPy's `wasserstein_distance`.
fn wasserstein_1(a: &[f32], b: &[f32]) -> f64 {
    let (mut at_a, mut at_b, mut sum) = (0, 0, 0.0);
    let mut last = f64::from(a[0].min(b[0]));
    while at_a < a.len() || at_b < b.len() {
        let from_a = at_b == b.len() || (at_a < a.len() && a[at_a] <= b[at_b]);
        let value = f64::from(if from_a { a[at_a] } else { b[at_b] });
        sum += (value - last) * (at_a as f64 / a.len() as f64 - at_b as f64 / b.len() as f64).abs();
        last = value;
        if from_a { at_a += 1 } else { at_b += 1 }
    }
    sum
}

/// How well `b` serves `a`: the mean over the rows of `a` of the highest product with a row of `b`. With rows of length 1 that is the
/// paper's directional mean-of-max cosine.
///
/// # Errors
/// [`ErrorCode::InvalidDimensions`] when the dimensions differ, [`ErrorCode::NoTexts`] when either is empty.
pub fn mean_of_max(a: &Vectors, b: &Vectors) -> Result<f64> {
    if a.is_empty() || b.is_empty() {
        return Err(Error::new(ErrorCode::NoTexts, format!("data sets of {} and of {} rows cannot be compared", a.len(), b.len())));
    }
    let nearest = search(b, a, 1)?;
    Ok(nearest.iter().flatten().map(|hit| f64::from(hit.cosine)).sum::<f64>() / a.len() as f64)
}

/// What two distributions of labels have in common: `Σ_label min(share in a, share in b)`; 0 where either has none.
///
/// ```
/// use pie_embed_wasm::tasks::overlap;
/// assert_eq!(overlap(&["x", "x", "y", "z"], &["x", "y"]), 0.75);
/// ```
pub fn overlap<T: AsRef<str>>(a: &[T], b: &[T]) -> f64 {
    let mut counts: HashMap<&str, [usize; 2]> = HashMap::new();
    for (side, labels) in [a, b].into_iter().enumerate() {
        labels.iter().for_each(|label| counts.entry(label.as_ref()).or_default()[side] += 1);
    }
    // In whole numbers, so that the sum does not depend on the map's order.
    let shared: usize = counts.values().map(|[in_a, in_b]| (in_a * b.len()).min(in_b * a.len())).sum();
    shared as f64 / (a.len() * b.len()).max(1) as f64
}

/// An order in which like stands beside like: the leaves of average linkage over `distances`, `[n, n]`, whose two directions are
/// averaged.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when the matrix is not square or holds what is no number.
pub fn similar_order(distances: &[f64], n: usize) -> Result<Vec<usize>> {
    if distances.len() != n * n || distances.iter().any(|d| d.is_nan()) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{} distances of {n} data sets", distances.len())));
    }
    let mut condensed: Vec<f64> =
        (0..n).flat_map(|a| (a + 1..n).map(move |b| (distances[a * n + b] + distances[b * n + a]) / 2.0)).collect();
    let dendrogram = linkage(&mut condensed, n, Method::Average);
    let mut clusters: Vec<Vec<usize>> = (0..n).map(|leaf| vec![leaf]).collect();
    for step in dendrogram.steps() {
        let joined = [std::mem::take(&mut clusters[step.cluster1]), std::mem::take(&mut clusters[step.cluster2])].concat();
        clusters.push(joined);
    }
    Ok(clusters.pop().unwrap_or_default())
}
