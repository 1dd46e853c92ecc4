//! Rows that belong together. Rows must be of length 1 ([`Vectors::normalized`]).

use super::{KMeans, Representative, Steps, Vectors, near_duplicates, search};
use crate::error::Result;

/// Rows over which an iteration of k-means takes too long: a million, a thousand clusters and Lloyd's iterations are hours.
const LARGE: usize = 1 << 16;
/// Rows of a mini-batch.
const BATCH: usize = 1 << 12;

/// Every row of a pool in one cluster; clusters are numbered by their size, largest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// The cluster of each row.
    pub labels: Vec<usize>,
    /// Of each cluster the row that stands for it, and how many rows it has.
    pub clusters: Vec<Representative>,
}

impl Grouping {
    /// Numbers clusters anew. `standing` names the row that stands for each; a cluster without one has no rows.
    fn new(mut labels: Vec<usize>, standing: &[Option<usize>]) -> Self {
        let mut sizes = vec![0; standing.len()];
        labels.iter().for_each(|&label| sizes[label] += 1);
        let found = standing.iter().enumerate().filter_map(|(label, row)| row.map(|row| (label, row)));
        let mut found: Vec<(usize, Representative)> =
            found.map(|(label, row)| (label, Representative { row, size: sizes[label] })).collect();
        found.sort_by(|(_, a), (_, b)| b.size.cmp(&a.size).then(a.row.cmp(&b.row)));
        let mut numbers = vec![0; standing.len()];
        found.iter().enumerate().for_each(|(number, &(label, _))| numbers[label] = number);
        labels.iter_mut().for_each(|label| *label = numbers[*label]);
        Self { labels, clusters: found.into_iter().map(|(_, cluster)| cluster).collect() }
    }
}

/// `n` clusters by k-means, of pools of more than 65,536 rows by mini-batches, each with the row nearest its centre; fewer where rows are equal.
///
/// # Errors
/// [`crate::ErrorCode::InvalidArgument`] when `n` is 0 or more than the pool has.
pub fn cluster(pool: &Vectors, n: usize, seed: u64, step: Steps<'_>) -> Result<Grouping> {
    let batch = (pool.len() > LARGE).then_some(BATCH);
    let clusters = KMeans { seed, batch, ..KMeans::new(n) }.fit_with(pool, step)?;
    let mut nearest: Vec<Option<usize>> = vec![None; n];
    for (row, &label) in clusters.labels.iter().enumerate() {
        if nearest[label].is_none_or(|best| clusters.distances[row] < clusters.distances[best]) {
            nearest[label] = Some(row);
        }
    }
    Ok(Grouping::new(clusters.labels, &nearest))
}

/// As many clusters as it takes: a leader each (Hartigan 1975), no two of which have a cosine of `threshold` or more, and every other
/// row with the leader nearest to it, at a cosine of at least that. Rows lead in their order. Each of the rows `alone`, ascending, is a
/// cluster of its own: those of unread texts ([`is_unread`](super::is_unread)), whose vectors say nothing of them.
///
/// ```
/// use pie_embed_wasm::tasks::{Vectors, cluster_within};
/// let pool = Vectors::new(vec![0.0, 1.0, 1.0, 0.0, 0.8, 0.6], 2)?;
/// assert_eq!(cluster_within(&pool, 0.7, &[])?.labels, [1, 0, 0]);
/// # Ok::<(), pie_embed_wasm::Error>(())
/// ```
///
/// # Errors
/// [`crate::ErrorCode::InvalidArgument`] when the threshold is not in `0..=1`.
pub fn cluster_within(pool: &Vectors, threshold: f32, alone: &[usize]) -> Result<Grouping> {
    let order: Vec<usize> = (0..pool.len()).filter(|row| alone.binary_search(row).is_err()).collect();
    let repeats = near_duplicates(pool, &order, threshold)?;
    let mut leaders: Vec<usize> = order.into_iter().filter(|&row| repeats[row].is_none()).collect();
    let nearest = search(&pool.pick(&leaders), pool, 1)?;
    let mut labels: Vec<usize> = nearest.iter().map(|hits| hits.first().map_or(0, |hit| hit.row)).collect();
    leaders.extend(alone.iter().copied().filter(|row| *row < pool.len()));
    // A zero row is as far from itself as from all others.
    leaders.iter().enumerate().for_each(|(label, &row)| labels[row] = label);
    Ok(Grouping::new(labels, &leaders.into_iter().map(Some).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_alone_are_clusters_of_their_own() {
        let pool = Vectors::new(vec![1.0, 0.0, 0.6, 0.8, 1.0, 0.0, 1.0, 0.0], 2).unwrap();
        assert_eq!(cluster_within(&pool, 0.9, &[]).unwrap().labels, [0, 1, 0, 0]);
        // Row 3 is equal to row 0, and row 2 to both.
        assert_eq!(cluster_within(&pool, 0.9, &[2]).unwrap().labels, [0, 1, 2, 0]);
        let each = cluster_within(&pool, 0.9, &[0, 1, 2, 3]).unwrap();
        assert_eq!((each.labels, each.clusters.len()), (vec![0, 1, 2, 3], 4));
    }
}
