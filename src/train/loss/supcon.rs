//! Supervised contrastive loss (arXiv 2004.11362, "out") with one change: examples of the anchor's task stay out of the
//! denominator, but for the positive itself, so that no pair of the same task is pushed apart.
//!
//! With `s_ij = cos(z_i, z_j) / temperature`, P(i) the other rows of i's task and N(i) the rows of other tasks:
//! `L = mean_i 1/|P(i)| Σ_{p ∈ P(i)} -log( exp(s_ip) / (exp(s_ip) + Σ_{n ∈ N(i)} exp(s_in)) )`,
//! over the rows that have a positive. Each term is `softplus(log Σ exp(s_in) - s_ip)`.

use candle_core::{Result, Tensor};

use super::{EXCLUDED, SameTask, l2_normalize, log_sum_exp};

/// The loss of vectors `[batch, dim]` (any length), a scalar; 0 when no row has a positive.
pub fn supervised_contrastive(vectors: &Tensor, same: &SameTask, temperature: f64) -> Result<Tensor> {
    let (rows, device) = (same.rows, vectors.device());
    let positives: Vec<usize> = (0..rows).map(|i| (0..rows).filter(|&j| j != i && same.get(i, j)).count()).collect();
    let anchors = positives.iter().filter(|&&count| count > 0).count().max(1);
    let mut weights = vec![0.0_f32; rows * rows];
    let mut mask = vec![0.0_f32; rows * rows];
    for i in 0..rows {
        for j in 0..rows {
            if same.get(i, j) {
                mask[i * rows + j] = EXCLUDED;
                if i != j {
                    weights[i * rows + j] = 1.0 / (positives[i] * anchors) as f32;
                }
            }
        }
    }
    let z = l2_normalize(vectors)?;
    let scores = (z.matmul(&z.t()?)? / temperature)?;
    let negatives = log_sum_exp(&(&scores + Tensor::from_vec(mask, (rows, rows), device)?)?)?;
    let margins = negatives.broadcast_sub(&scores)?;
    // softplus(x) = max(x, 0) + log(1 + exp(-|x|))
    let terms = (margins.relu()? + (margins.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    (terms * Tensor::from_vec(weights, (rows, rows), device)?)?.sum_all()
}
