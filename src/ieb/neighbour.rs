//! Retrieval among labelled vectors by cosine. Rows must be of length 1 ([`Vectors::normalized`]); equal scores go to the lower row.

use std::collections::HashMap;

use super::{Random, Vectors};
use crate::error::{Error, ErrorCode, Result};

fn check(rows: usize, labels: usize) -> Result<()> {
    if rows != labels {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{rows} vectors, but {labels} labels")));
    }
    Ok(())
}

/// For each query the row of `gallery` with the highest cosine, the row `excluded[query]` left out; `None` where no row remains.
///
/// # Errors
/// [`ErrorCode::InvalidDimensions`] when the dimensions differ, [`ErrorCode::InvalidArgument`] when `excluded` has another length.
pub fn nearest(queries: &Vectors, gallery: &Vectors, excluded: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
    check(queries.len(), excluded.len())?;
    if gallery.is_empty() {
        return Ok(vec![None; queries.len()]);
    }
    let scores = queries.dot(gallery)?;
    let best = |(row, excluded): (&[f32], &Option<usize>)| {
        let mut best: Option<usize> = None;
        for at in (0..row.len()).filter(|at| Some(*at) != *excluded) {
            if best.is_none_or(|best| row[at] > row[best]) {
                best = Some(at);
            }
        }
        best
    };
    Ok(scores.chunks_exact(gallery.len()).zip(excluded).map(best).collect())
}

/// The share of rows whose nearest other row has their label, over the rows whose label another row has too. `None` without such.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when there are not as many labels as rows.
pub fn nearest_neighbour_accuracy(vectors: &Vectors, labels: &[usize]) -> Result<Option<f64>> {
    check(vectors.len(), labels.len())?;
    let itself: Vec<Option<usize>> = (0..labels.len()).map(Some).collect();
    let found = nearest(vectors, vectors, &itself)?;
    let (labels, counts) = dense(labels);
    let answerable = (0..labels.len()).filter(|&row| counts[labels[row]] > 1);
    Ok(mean(answerable.map(|row| f64::from(u8::from(found[row].is_some_and(|at| labels[at] == labels[row]))))))
}

/// R-precision: of each row's `R` nearest others, `R` the number of other rows with its label, the share that have its label; the
/// mean over rows with `R > 0`. `None` without such.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when there are not as many labels as rows.
pub fn r_precision(vectors: &Vectors, labels: &[usize]) -> Result<Option<f64>> {
    check(vectors.len(), labels.len())?;
    if vectors.is_empty() {
        return Ok(None);
    }
    let scores = vectors.dot(vectors)?;
    let (labels, counts) = dense(labels);
    let answerable = scores.chunks_exact(labels.len()).enumerate().filter(|(row, _)| counts[labels[*row]] > 1);
    Ok(mean(answerable.map(|(row, scores)| {
        let relevant = counts[labels[row]] - 1;
        let mut others: Vec<usize> = (0..labels.len()).filter(|&at| at != row).collect();
        others.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        others.iter().take(relevant).filter(|&&at| labels[at] == labels[row]).count() as f64 / relevant as f64
    })))
}

/// Tagging from a few examples: `shots` random rows of each label make its prototype (their mean, at length 1), every other row
/// gets the label of the prototype with the highest cosine; the share that is right, one figure a seed.
///
/// A label of `n ≤ shots` rows gives `n − 1` of them as examples (its only row where it has one, which then leaves nothing to tag).
/// Empty where nothing is left to tag or there is one label only.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when `shots` is 0 or there are not as many labels as rows.
pub fn few_shot_accuracy(vectors: &Vectors, labels: &[usize], shots: usize, seeds: std::ops::Range<u64>) -> Result<Vec<f64>> {
    check(vectors.len(), labels.len())?;
    if shots == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "0 examples a label; there must be at least 1"));
    }
    let (labels, counts) = dense(labels);
    let mut accuracies = Vec::new();
    if counts.len() < 2 {
        return Ok(accuracies);
    }
    for seed in seeds {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        random.shuffle(&mut order);
        let mut taken = vec![0; counts.len()];
        let mut sums = vec![0.0; counts.len() * vectors.dimensions()];
        let mut rest = Vec::new();
        for row in order {
            let label = labels[row];
            if taken[label] < shots.min(counts[label].saturating_sub(1)).max(1) {
                taken[label] += 1;
                let sum = &mut sums[label * vectors.dimensions()..][..vectors.dimensions()];
                sum.iter_mut().zip(vectors.row(row)).for_each(|(sum, x)| *sum += x);
            } else {
                rest.push(row);
            }
        }
        let prototypes = Vectors::new(sums, vectors.dimensions())?.normalized();
        let queries = Vectors::new(rest.iter().flat_map(|&row| vectors.row(row)).copied().collect(), vectors.dimensions())?;
        let found = nearest(&queries, &prototypes, &vec![None; rest.len()])?;
        accuracies.extend(mean(rest.iter().zip(found).map(|(&row, found)| f64::from(u8::from(found == Some(labels[row]))))));
    }
    Ok(accuracies)
}

/// The labels numbered 0, 1, … as they appear, and how many rows each has.
pub(super) fn dense(labels: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut ids = HashMap::new();
    let mut counts = Vec::new();
    let labels = labels.iter().map(|label| {
        let id = *ids.entry(*label).or_insert(counts.len());
        if id == counts.len() {
            counts.push(0);
        }
        counts[id] += 1;
        id
    });
    (labels.collect(), counts)
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}
