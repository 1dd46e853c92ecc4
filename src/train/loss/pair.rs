//! InfoNCE with one positive and one hard negative an anchor (PIE, arXiv 2409.19680), with a change: other rows of the anchor's
//! own task, which the paper counts as negatives, are left out.
//!
//! With `s(a, c) = cos / temperature` and candidates c of anchor i: its positive p_i, the positives and hard negatives of all
//! anchors that are of other tasks: `L = -mean_i log( exp(s(a_i, p_i)) / Σ_c exp(s(a_i, c)) )`.

use candle_core::{D, Result, Tensor};

use super::{EXCLUDED, SameTask, l2_normalize, log_sum_exp};

/// The loss of vectors `[3 * count, dim]`: anchors, then positives, then hard negatives; a scalar.
pub fn pair_info_nce(vectors: &Tensor, same: &SameTask, temperature: f64) -> Result<Tensor> {
    let (count, device) = (same.rows / 3, vectors.device());
    let mut mask = vec![0.0_f32; count * 2 * count];
    let mut target = vec![0.0_f32; count * 2 * count];
    for i in 0..count {
        for c in 0..2 * count {
            if c == i {
                target[i * 2 * count + c] = 1.0;
            } else if same.get(i, count + c) {
                mask[i * 2 * count + c] = EXCLUDED;
            }
        }
    }
    let z = l2_normalize(vectors)?;
    let (anchors, candidates) = (z.narrow(0, 0, count)?, z.narrow(0, count, 2 * count)?);
    let scores = (anchors.matmul(&candidates.t()?)? / temperature)?;
    let all = log_sum_exp(&(&scores + Tensor::from_vec(mask, (count, 2 * count), device)?)?)?;
    let own = (scores * Tensor::from_vec(target, (count, 2 * count), device)?)?.sum_keepdim(D::Minus1)?;
    (all - own)?.mean_all()
}
