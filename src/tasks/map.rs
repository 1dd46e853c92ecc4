//! Places in the plane for rows: t-SNE (van der Maaten 2014, by the `bhtsne` crate) over the nearest rows by cosine.

use bhtsne::Neighbor;

use super::{Random, Steps, Vectors, search};
use crate::error::{Error, ErrorCode, Result};

/// Fewer rows make no map.
pub const MIN_ROWS: usize = 8;
/// Perplexity of the paper's examples; fewer rows get a third of their number.
const PERPLEXITY: f32 = 30.0;
const EPOCHS: usize = 1000;
const EPOCHS_A_STEP: usize = 10;
/// Barnes–Hut accuracy: the customary trade.
const THETA: f32 = 0.5;

/// Places each row in the plane so that near rows stay near. Rows must be of length 1.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for fewer than [`MIN_ROWS`] rows.
pub fn t_sne(vectors: &Vectors, seed: u64, step: Steps<'_>) -> Result<Vec<[f32; 2]>> {
    if vectors.len() < MIN_ROWS {
        let message = format!("{} rows make no map; there must be at least {MIN_ROWS}", vectors.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let perplexity = PERPLEXITY.min((vectors.len() - 1) as f32 / 3.0).floor();
    let neighbours = neighbours(vectors, (3.0 * perplexity) as usize)?;
    let mut random = Random::new(seed);
    let start: Vec<f32> = (0..2 * vectors.len()).map(|_| (random.unit() - 0.5) as f32 * 1e-4).collect();
    // The crate counts the rows only: their neighbours are given.
    let rows = vec![(); vectors.len()];
    let mut map = bhtsne::tSNE::<f32, (), 2>::new(&rows);
    map.perplexity(perplexity).epochs(EPOCHS).initial_embedding(start).epoch_callback(|epoch, _| {
        if (epoch + 1) % EPOCHS_A_STEP == 0 {
            step((epoch + 1) / EPOCHS_A_STEP, EPOCHS / EPOCHS_A_STEP);
        }
    });
    map.barnes_hut_with_neighbors(THETA, &neighbours);
    Ok(map.embedding().as_chunks::<2>().0.to_vec())
}

/// Of each row the `k` nearest others by Euclidean distance, which is `√(2 − 2 cosine)` between rows of length 1.
fn neighbours(vectors: &Vectors, k: usize) -> Result<Vec<Vec<Neighbor<f32>>>> {
    let found = search(vectors, vectors, k + 1)?;
    let others = found.iter().enumerate().map(|(row, hits)| {
        // Mostly the row itself is the first; among more than `k` equal rows it may be missing.
        let others = hits.iter().filter(|hit| hit.row != row).take(k);
        others.map(|hit| Neighbor { index: hit.row, distance: (2.0 - 2.0 * hit.cosine).max(0.0).sqrt() }).collect()
    });
    Ok(others.collect())
}
