//! What is double in a set of rows, and how well some of them stand for the others. Rows must be of length 1.

use super::blocks::map_blocks;
use super::products::Factor;
use super::{Vectors, search};
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::dot;

/// Rows whose products with one walk over the others are computed together.
const TILE: usize = 64;
/// Cosines of equal texts fall short of 1 by rounding.
const ROUNDING: f32 = 1e-6;

/// Whether a cosine reaches the threshold of near-duplicates; that of equal texts reaches 1.
pub fn is_near_duplicate(cosine: f32, threshold: f32) -> bool {
    cosine >= threshold - ROUNDING
}

/// Walks the rows in the order given, and keeps those that have no kept row at `threshold` or nearer. For each row of the pool the
/// kept row that it repeats (the first such), or nothing where it is kept.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when the threshold is not in `0..=1`.
pub fn near_duplicates(pool: &Vectors, order: &[usize], threshold: f32) -> Result<Vec<Option<usize>>> {
    if !(0.0..=1.0).contains(&threshold) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("the threshold is {threshold}; it must lie in 0..=1")));
    }
    let mut repeats = vec![None; pool.len()];
    let mut kept = Vec::new();
    for tile in order.chunks(TILE) {
        let rows = pool.pick(tile);
        let factor = Factor::new(rows.data(), pool.dimensions());
        let before = kept.len();
        let blocks = map_blocks(before, |rows| {
            let cosines = factor.products(pool.pick(&kept[rows.clone()]).data());
            let first = |column: usize| {
                rows.clone().zip(cosines.iter().skip(column).step_by(tile.len())).find(|(_, c)| is_near_duplicate(**c, threshold))
            };
            (0..tile.len()).map(|column| first(column).map(|(at, _)| at)).collect::<Vec<_>>()
        });
        for (column, &row) in tile.iter().enumerate() {
            let earlier = blocks.iter().find_map(|block| block[column]);
            let here = || (before..kept.len()).find(|&at| is_near_duplicate(dot(pool.row(kept[at]), pool.row(row)), threshold));
            match earlier.or_else(here) {
                Some(at) => repeats[row] = Some(kept[at]),
                None => kept.push(row),
            }
        }
    }
    Ok(repeats)
}

/// How well the first 1, 2, … chosen rows stand for `rows`: for each of `sizes`, ascending, the mean over `rows` of the highest cosine
/// to one of the first so many of `chosen`.
///
/// # Errors
/// [`ErrorCode::InvalidDimensions`] when the dimensions differ.
pub fn coverage(rows: &Vectors, chosen: &Vectors, sizes: &[usize]) -> Result<Vec<f64>> {
    rows.same_dimensions(chosen)?;
    let dimensions = rows.dimensions();
    let mut best = vec![-1.0_f32; rows.len()];
    let mut means = Vec::with_capacity(sizes.len());
    let mut done = 0;
    for &size in sizes {
        for tile in chosen.data()[done * dimensions..size.clamp(done, chosen.len()) * dimensions].chunks(TILE * dimensions) {
            best = Factor::new(tile, dimensions).raise(&best, rows);
        }
        done = size.clamp(done, chosen.len());
        means.push(mean(best.iter().map(|&c| f64::from(c))));
    }
    Ok(means)
}

/// How alike rows are among themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean cosine of a row to the nearest other one.
    pub redundancy: f64,
    /// The mean of `1 − cosine` of a row to the nearest one before it: what each adds when they are read in their order.
    pub novelty: f64,
}

/// The spread of rows in their order; `None` of fewer than two.
pub fn spread(rows: &Vectors) -> Option<Spread> {
    if rows.len() < 2 {
        return None;
    }
    let others = search(rows, rows, 2).ok()?;
    // The nearest is mostly the row itself, or another one at the same place.
    let nearest = others.iter().enumerate().filter_map(|(row, hits)| hits.iter().find(|hit| hit.row != row));
    let redundancy = mean(nearest.map(|hit| f64::from(hit.cosine)));
    let before = map_blocks(rows.len(), |range| {
        let nearest = |row: usize| (0..row).map(|other| dot(rows.row(other), rows.row(row))).fold(f32::NEG_INFINITY, f32::max);
        range.filter(|&row| row > 0).map(|row| 1.0 - f64::from(nearest(row))).collect::<Vec<f64>>()
    });
    Some(Spread { redundancy, novelty: mean(before.into_iter().flatten()) })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    sum / n.max(1) as f64
}
