//! Exact search by cosine, and a choice among what is found that does not repeat itself.
//!
//! Rows must be of length 1 ([`Vectors::normalized`]); equal cosines go to the lower row.

use std::cmp::Ordering;

use super::Vectors;
use super::blocks::map_blocks;
use super::products::Factor;
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::dot;

/// Queries that one pass over the pool serves: their packed rows stay in the second-level cache.
const QUERIES: usize = 64;
/// Rows of the pool between two merges of what was found: bounds the memory that many hits take.
const SPAN: usize = 1 << 15;

/// A row of the pool and its cosine to the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    pub row: usize,
    pub cosine: f32,
}

impl Hit {
    /// Best first: by the cosine, and equal ones by the row.
    pub fn better(a: &Self, b: &Self) -> Ordering {
        b.cosine.total_cmp(&a.cosine).then(a.row.cmp(&b.row))
    }
}

/// Keeps the `k` best, in no order.
fn keep(hits: &mut Vec<Hit>, k: usize) {
    if hits.len() > k {
        hits.select_nth_unstable_by(k - 1, Hit::better);
        hits.truncate(k);
    }
}

/// The `k` rows of `pool` with the highest cosine to each query, best first; all rows where the pool has fewer.
///
/// ```
/// use pie_embed_wasm::tasks::{Vectors, search};
/// let pool = Vectors::new(vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8], 2)?;
/// let found = search(&pool, &Vectors::new(vec![0.0, 1.0], 2)?, 2)?;
/// assert_eq!(found[0].iter().map(|hit| hit.row).collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), pie_embed_wasm::Error>(())
/// ```
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when `k` is 0, [`ErrorCode::InvalidDimensions`] when the dimensions differ.
pub fn search(pool: &Vectors, queries: &Vectors, k: usize) -> Result<Vec<Vec<Hit>>> {
    if k == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "k is 0; it must be at least 1"));
    }
    pool.same_dimensions(queries)?;
    let dimensions = pool.dimensions();
    let mut found = Vec::with_capacity(queries.len());
    for tile in queries.data().chunks(QUERIES * dimensions) {
        let factor = Factor::new(tile, dimensions);
        let columns = factor.len();
        let mut best: Vec<Vec<Hit>> = vec![Vec::new(); columns];
        for start in (0..pool.len()).step_by(SPAN) {
            let span = SPAN.min(pool.len() - start);
            let blocks = map_blocks(span, |rows| {
                let rows = start + rows.start..start + rows.end;
                let cosines = factor.products(&pool.data()[rows.start * dimensions..rows.end * dimensions]);
                let hits = |query: usize| {
                    let column = cosines.iter().skip(query).step_by(columns);
                    let mut hits: Vec<Hit> = rows.clone().zip(column).map(|(row, &cosine)| Hit { row, cosine }).collect();
                    keep(&mut hits, k);
                    hits
                };
                (0..columns).map(hits).collect::<Vec<_>>()
            });
            for block in blocks {
                best.iter_mut().zip(block).for_each(|(best, hits)| best.extend(hits));
            }
            best.iter_mut().for_each(|best| keep(best, k));
        }
        for (best, query) in best.iter_mut().zip(tile.chunks_exact(dimensions)) {
            // The last bit of a product depends on how many were computed beside it; what a query gets does not.
            best.iter_mut().for_each(|hit| hit.cosine = dot(pool.row(hit.row), query));
            best.sort_by(Hit::better);
        }
        found.append(&mut best);
    }
    Ok(found)
}

/// Of `hits`, the `k` that tell the most together: maximal marginal relevance (Carbonell and Goldstein 1998). Each next one has the
/// highest `λ · cosine − (1 − λ) · c`, `c` its highest cosine to one that was taken before; with `λ` 1 the best `k` remain.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when `lambda` is outside `0..=1`.
pub fn diverse(pool: &Vectors, hits: &[Hit], k: usize, lambda: f32) -> Result<Vec<Hit>> {
    if !(0.0..=1.0).contains(&lambda) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("lambda is {lambda}; it must lie in 0..=1")));
    }
    // The first has none before it, so that only its cosine counts.
    let mut rest: Vec<(Hit, Option<f32>)> = hits.iter().map(|&hit| (hit, None)).collect();
    let mut taken = Vec::with_capacity(k.min(hits.len()));
    let worth = |(hit, nearest): &(Hit, Option<f32>)| lambda * hit.cosine - (1.0 - lambda) * nearest.unwrap_or(0.0);
    while taken.len() < k {
        let next = (0..rest.len()).min_by(|&a, &b| {
            let (a, b) = (&rest[a], &rest[b]);
            worth(b).total_cmp(&worth(a)).then_with(|| Hit::better(&a.0, &b.0))
        });
        let Some(next) = next else { break };
        let (hit, _) = rest.swap_remove(next);
        for (other, nearest) in &mut rest {
            let cosine = dot(pool.row(hit.row), pool.row(other.row));
            *nearest = Some(nearest.map_or(cosine, |nearest| nearest.max(cosine)));
        }
        taken.push(hit);
    }
    Ok(taken)
}
