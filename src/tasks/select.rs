//! Choosing rows that stand for a pool. Rows must be of length 1 ([`Vectors::normalized`]); equal rows go by their number.

use std::fmt;
use std::str::FromStr;

use super::facility::facility_location;
use super::products::Factor;
use super::{Random, Vectors, cluster};
use crate::error::{Error, ErrorCode, Result};

/// Chosen rows whose products with one walk over the pool are computed together.
const TILE: usize = 64;

/// How rows are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As many k-means clusters as rows are wanted, and of each the row nearest its centre (the paper's way). Where equal rows leave
    /// fewer clusters, the farthest rows make up the number.
    KMeans,
    /// Farthest first (Gonzalez 1985): each next row is the one least like those before it, so that no row of the pool is farther
    /// from a chosen one than twice the least possible.
    KCenter,
    /// The rows that raise `Σ_i max_j quality_j · max(0, cosine_ij)` the most, one after another; greedy reaches 63 % of the
    /// best sum (Nemhauser and others 1978). Of more than 16,384 rows so many are drawn for `i`.
    FacilityLocation,
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "kmeans" => Ok(Self::KMeans),
            "k-center" => Ok(Self::KCenter),
            "facility-location" => Ok(Self::FacilityLocation),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("method is {s:?}; it must be kmeans, k-center or facility-location"))),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KMeans => "kmeans",
            Self::KCenter => "k-center",
            Self::FacilityLocation => "facility-location",
        })
    }
}

/// The row nearest its cluster's centre, and how many rows the cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Representative {
    pub row: usize,
    pub size: usize,
}

/// `n` rows of the pool, in the order they were chosen; those of k-means by the size of their cluster. `quality`, a number of at
/// least 0 a row, weighs the rows of [`Method::FacilityLocation`].
///
/// ```
/// use pie_embed_wasm::tasks::{Method, Vectors, select};
/// let pool = Vectors::new(vec![1.0, 0.0, 0.99, 0.1, 0.98, 0.2, 0.0, 1.0], 2)?.normalized();
/// assert_eq!(select(&pool, Method::KMeans, 2, None, 0)?, [1, 3]);
/// # Ok::<(), pie_embed_wasm::Error>(())
/// ```
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when `n` is 0 or more than the pool has, or `quality` does not fit or goes with another method.
pub fn select(pool: &Vectors, method: Method, n: usize, quality: Option<&[f64]>, seed: u64) -> Result<Vec<usize>> {
    within(n, pool)?;
    if let Some(quality) = quality {
        if method != Method::FacilityLocation {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("quality counts with facility-location only, not with {method}")));
        }
        if quality.len() != pool.len() {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("{} rows, but {} qualities", pool.len(), quality.len())));
        }
        if let Some(row) = quality.iter().position(|q| !q.is_finite() || *q < 0.0) {
            return Err(Error::new(
                ErrorCode::InvalidArgument,
                format!("the quality of row {row} is {}; it must be at least 0", quality[row]),
            ));
        }
    }
    Ok(match method {
        Method::KMeans => farthest_first(pool, representatives(pool, n, seed)?.iter().map(|r| r.row).collect(), n),
        Method::KCenter => farthest_first(pool, vec![Random::new(seed).below(pool.len())], n),
        Method::FacilityLocation => facility_location(pool, quality, n, seed),
    })
}

/// [`select`] among the rows that are not `apart`, ascending: those of unread texts ([`is_unread`](super::is_unread)), whose vectors say
/// nothing of them. They come last, in their order, and only where the others are too few.
///
/// # Errors
/// As [`select`].
pub fn select_read(pool: &Vectors, method: Method, n: usize, quality: Option<&[f64]>, seed: u64, apart: &[usize]) -> Result<Vec<usize>> {
    within(n, pool)?;
    let read: Vec<usize> = (0..pool.len()).filter(|row| apart.binary_search(row).is_err()).collect();
    if read.len() == pool.len() {
        return select(pool, method, n, quality, seed);
    }
    let of_read = n.min(read.len());
    let mut chosen = Vec::new();
    if of_read > 0 {
        let quality: Option<Vec<f64>> = quality.map(|quality| read.iter().filter_map(|&row| quality.get(row).copied()).collect());
        let found = select(&pool.pick(&read), method, of_read, quality.as_deref(), seed)?;
        chosen.extend(found.into_iter().map(|at| read[at]));
    }
    chosen.extend(apart.iter().copied().filter(|row| *row < pool.len()).take(n - of_read));
    Ok(chosen)
}

/// Of each of `n` k-means clusters the row nearest the centre, largest cluster first. Fewer than `n` where rows are equal.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when `n` is 0 or more than the pool has.
pub fn representatives(pool: &Vectors, n: usize, seed: u64) -> Result<Vec<Representative>> {
    within(n, pool)?;
    Ok(cluster(pool, n, seed, &mut |_, _| {})?.clusters)
}

fn within(n: usize, pool: &Vectors) -> Result<()> {
    if n == 0 || n > pool.len() {
        let message = format!("{n} rows of a pool of {}; it must be 1 to {}", pool.len(), pool.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

/// Adds to `chosen`, until it has `n` rows, the row that is least like any chosen one.
fn farthest_first(pool: &Vectors, mut chosen: Vec<usize>, n: usize) -> Vec<usize> {
    let mut nearest = vec![f32::NEG_INFINITY; pool.len()];
    let mut seen = 0;
    while chosen.len() < n {
        for tile in chosen[seen..].chunks(TILE) {
            let rows = pool.pick(tile);
            let factor = Factor::new(rows.data(), pool.dimensions());
            nearest = factor.raise(&nearest, pool);
            // Never again, also where every other row equals a chosen one.
            tile.iter().for_each(|&row| nearest[row] = f32::INFINITY);
        }
        seen = chosen.len();
        let farthest = (0..pool.len()).min_by(|&a, &b| nearest[a].total_cmp(&nearest[b]));
        chosen.extend(farthest);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_apart_are_chosen_last() {
        let pool = Vectors::new(vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0, 1.0, 0.0], 2).unwrap();
        for method in [Method::KMeans, Method::KCenter, Method::FacilityLocation] {
            let choose = |n, apart: &[usize]| select_read(&pool, method, n, None, 0, apart).unwrap();
            assert_eq!(choose(2, &[]), select(&pool, method, 2, None, 0).unwrap());
            assert!(choose(2, &[0, 3]).iter().all(|row| [1, 2].contains(row)));
            assert_eq!(choose(3, &[0, 3])[2], 0);
            assert_eq!(choose(3, &[0, 1, 2, 3]), [0, 1, 2]);
            for n in [0, 5] {
                assert_eq!(select_read(&pool, method, n, None, 0, &[0]).unwrap_err().code(), ErrorCode::InvalidArgument);
            }
        }
        let quality = [9.0, 1.0, 2.0, 9.0];
        assert_eq!(select_read(&pool, Method::FacilityLocation, 1, Some(&quality), 0, &[0, 3]).unwrap(), [2]);
    }
}
