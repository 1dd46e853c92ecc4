//! Softmax over learned vectors, one a label (Proxy-NCA, arXiv 1703.07464, with the positive in the denominator): an example is held
//! against every label in each step, where a contrastive batch shows it those of the batch alone.
//!
//! With `s_ic = cos(z_i, p_c) / temperature` and P(i) the labels of example i:
//! `L = mean_i -log( Σ_{c ∈ P(i)} exp(s_ic) / Σ_c exp(s_ic) )`.

use candle_core::{Result, Tensor};

use super::{EXCLUDED, l2_normalize, log_sum_exp};

/// The loss of vectors `[batch, dim]` against proxies `[labels, dim]`, both of any length; a scalar. `positives` has the labels of each row.
pub fn proxy_softmax(vectors: &Tensor, proxies: &Tensor, positives: &[&[u32]], temperature: f64) -> Result<Tensor> {
    let (rows, labels) = (positives.len(), proxies.dim(0)?);
    let mut mask = vec![EXCLUDED; rows * labels];
    for (mask, positives) in mask.chunks_exact_mut(labels).zip(positives) {
        positives.iter().for_each(|&label| mask[label as usize] = 0.0);
    }
    let scores = (l2_normalize(vectors)?.matmul(&l2_normalize(proxies)?.t()?)? / temperature)?;
    let own = (&scores + Tensor::from_vec(mask, (rows, labels), vectors.device())?)?;
    (log_sum_exp(&scores)? - log_sum_exp(&own)?)?.mean_all()
}
