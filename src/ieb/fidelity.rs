//! How near a quantised or pruned model stays to the one it was made of.

use super::Vectors;
use super::neighbour::{mean, nearest};
use crate::error::{Error, ErrorCode, Result};

/// Two models' vectors of the same texts, compared row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    pub rows: usize,
    pub mean_cosine: f64,
    pub worst_cosine: f64,
    /// The row of the worst cosine.
    pub worst_row: usize,
    /// The share of rows whose nearest other row is another one than in the reference; `None` of fewer than three rows.
    pub neighbour_loss: Option<f64>,
}

/// Compares `other` with `reference`; both must be of length 1.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] when there is no row or the numbers of rows differ, [`ErrorCode::InvalidDimensions`] when the
/// dimensions do.
pub fn fidelity(reference: &Vectors, other: &Vectors) -> Result<Fidelity> {
    if reference.len() != other.len() || reference.is_empty() {
        let message = format!("{} rows against {}; there must be as many, and one at least", other.len(), reference.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    if reference.dimensions() != other.dimensions() {
        let message = format!("{} dimensions against {}", other.dimensions(), reference.dimensions());
        return Err(Error::new(ErrorCode::InvalidDimensions, message));
    }
    let cosine = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>().min(1.0);
    let cosines: Vec<f64> = reference.rows().zip(other.rows()).map(cosine).collect();
    let (worst_row, worst_cosine) =
        cosines.iter().copied().enumerate().fold((0, f64::INFINITY), |worst, next| if next.1 < worst.1 { next } else { worst });
    let itself: Vec<Option<usize>> = (0..reference.len()).map(Some).collect();
    let neighbour_loss = if reference.len() < 3 {
        None
    } else {
        let (before, after) = (nearest(reference, reference, &itself)?, nearest(other, other, &itself)?);
        mean(before.iter().zip(&after).map(|(before, after)| f64::from(u8::from(before != after))))
    };
    let mean_cosine = mean(cosines.iter().copied()).unwrap_or(0.0);
    Ok(Fidelity { rows: reference.len(), mean_cosine, worst_cosine, worst_row, neighbour_loss })
}
