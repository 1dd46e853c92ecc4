//! Places in the plane for rows: t-SNE (van der Maaten 2014, by the `bhtsne` crate) over the nearest rows by cosine.

use bhtsne::Neighbor;

use super::{Random, Vectors, search};
use crate::error::{Error, ErrorCode, Result};

/// Fewer rows make no map.
pub const MIN_ROWS: usize = 8;
/// Perplexity of the paper's examples; fewer rows get a third of their number.
const PERPLEXITY: f64 = 30.0;
const EPOCHS: usize = 1000;
/// Barnes–Hut accuracy: the customary trade.
const THETA: f64 = 0.5;

/// Places each row in the plane so that near rows stay near. Rows must be of length 1.
///
/// In doubles: the last bits of an exponential differ between machines, and a thousand steps carry that through the whole of a map in
/// singles, but not above 1 % of its extent in doubles. So the same seed gives the same map to that tolerance everywhere.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for fewer than [`MIN_ROWS`] rows.
pub fn t_sne(vectors: &Vectors, seed: u64) -> Result<Vec<[f32; 2]>> {
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
    map.perplexity(perplexity).epochs(EPOCHS).initial_embedding(start).barnes_hut_with_neighbors(THETA, &neighbours);
    Ok(map.embedding().as_chunks::<2>().0.iter().map(|place| place.map(|x| x as f32)).collect())
}

/// Of each row the `k` nearest others by Euclidean distance, which is `√(2 − 2 cosine)` between rows of length 1.
fn neighbours(vectors: &Vectors, k: usize) -> Result<Vec<Vec<Neighbor<f64>>>> {
    let found = search(vectors, vectors, k + 1)?;
    let others = found.iter().enumerate().map(|(row, hits)| {
        // Mostly the row itself is the first; among more than `k` equal rows it may be missing.
        let others = hits.iter().filter(|hit| hit.row != row).take(k);
        others.map(|hit| Neighbor { index: hit.row, distance: (2.0 - 2.0 * f64::from(hit.cosine)).max(0.0).sqrt() }).collect()
    });
    Ok(others.collect())
}
