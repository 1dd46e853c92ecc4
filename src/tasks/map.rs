//! Places in the plane for rows: t-SNE (van der Maaten 2014, by the `bhtsne` crate) over the nearest rows by cosine.

use bhtsne::Neighbor;

use super::{Hit, Random, Steps, Vectors, search};
use crate::error::{Error, ErrorCode, Result};

/// Fewer rows make no map.
pub const MIN_ROWS: usize = 8;
/// Perplexity of the paper's examples; fewer rows get a third of their number.
const PERPLEXITY: f64 = 30.0;
const EPOCHS: usize = 1000;
const EPOCHS_A_STEP: usize = 10;
/// Barnes–Hut accuracy: the customary trade.
const THETA: f64 = 0.5;
/// Neighbours beyond those wanted that are looked at.
const SPARE: usize = 8;

/// Places each row in the plane so that near rows stay near. Rows must be of length 1.
///
/// A thousand steps make of one bit of a single another map, and bits differ between machines: in products that are fused or not, in
/// exponentials, in the order of sums. In doubles what remains of that moves half of the rows by less than 1 % of the map's extent with
/// most seeds, so that the same seed gives the same map to look at everywhere; with one that leads close to a fork, by some percent.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for fewer than [`MIN_ROWS`] rows.
pub fn t_sne(vectors: &Vectors, seed: u64, step: Steps<'_>) -> Result<Vec<[f32; 2]>> {
    if vectors.len() < MIN_ROWS {
        let message = format!("{} rows make no map; there must be at least {MIN_ROWS}", vectors.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let perplexity = PERPLEXITY.min((vectors.len() - 1) as f64 / 3.0).floor();
    let neighbours = neighbours(vectors, (3.0 * perplexity) as usize)?;
    let mut random = Random::new(seed);
    let start: Vec<f64> = (0..2 * vectors.len()).map(|_| (random.unit() - 0.5) * 1e-4).collect();
    // The crate counts the rows only: their neighbours are given.
    let rows = vec![(); vectors.len()];
    let mut map = bhtsne::tSNE::<f64, (), 2>::new(&rows);
    map.perplexity(perplexity).epochs(EPOCHS).initial_embedding(start).epoch_callback(|epoch, _| {
        if (epoch + 1) % EPOCHS_A_STEP == 0 {
            step((epoch + 1) / EPOCHS_A_STEP, EPOCHS / EPOCHS_A_STEP);
        }
    });
    map.barnes_hut_with_neighbors(THETA, &neighbours);
    Ok(map.embedding().as_chunks::<2>().0.iter().map(|place| place.map(|x| x as f32)).collect())
}

/// Of each row the `k` nearest others. The search's cosines are singles: by them some more are taken than are wanted, and their distances
/// in doubles say which.
fn neighbours(vectors: &Vectors, k: usize) -> Result<Vec<Vec<Neighbor<f64>>>> {
    let found = search(vectors, vectors, k + 1 + SPARE)?;
    let others = found.iter().enumerate().map(|(row, hits)| {
        let neighbour = |hit: &Hit| Neighbor { index: hit.row, distance: distance(vectors.row(row), vectors.row(hit.row)) };
        // Mostly the row itself is the first; among many equal rows it may be missing.
        let mut others: Vec<Neighbor<f64>> = hits.iter().filter(|hit| hit.row != row).map(neighbour).collect();
        others.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index)));
        others.truncate(k);
        others
    });
    Ok(others.collect())
}

/// Euclidean.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}
