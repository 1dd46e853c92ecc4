//! Residual and layer-norm as one node (arXiv 1607.06450): `s = x + branch`, `n = (s - mean) / sqrt(var + eps)`,
//! `y = n ∘ gamma + beta`; backward `ds = (g - mean(g) - n mean(g ∘ n)) / sqrt(var + eps)` with `g = dy ∘ gamma`.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::{dot, sum};
use super::{CHUNK_ROWS, slice, with_slices};

/// Operands: x and branch `[tokens, hidden]`, gamma above beta `[2, hidden]`.
pub struct AddLayerNorm {
    pub eps: f32,
}

/// Writes the normalised sum into `out` and gives `1 / sqrt(var + eps)`.
#[inline(always)]
fn normalize(x: &[f32], branch: &[f32], eps: f32, out: &mut [f32]) -> f32 {
    for ((out, x), branch) in out.iter_mut().zip(x).zip(branch) {
        *out = x + branch;
    }
    let inverse_len = 1.0 / out.len() as f32;
    let mean = sum(out) * inverse_len;
    out.iter_mut().for_each(|x| *x -= mean);
    let variance = dot(out, out) * inverse_len;
    let scale = 1.0 / (variance + eps).sqrt();
    out.iter_mut().for_each(|x| *x *= scale);
    scale
}

impl CustomOp3 for AddLayerNorm {
    fn name(&self) -> &'static str {
        "add_layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        branch: &CpuStorage,
        branch_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, hidden) = x_layout.shape().dims2()?;
        let (x, branch) = (slice(x, x_layout)?, slice(branch, branch_layout)?);
        let (gamma, beta) = slice(affine, affine_layout)?.split_at(hidden);
        let mut out = vec![0.0; x.len()];
        let chunk = CHUNK_ROWS * hidden;
        out.par_chunks_mut(chunk).zip(x.par_chunks(chunk).zip(branch.par_chunks(chunk))).for_each(|(out, (x, branch))| {
            let rows = out.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)).zip(branch.chunks_exact(hidden));
            for ((out, x), branch) in rows {
                normalize(x, branch, self.eps, out);
                for ((out, gamma), beta) in out.iter_mut().zip(gamma).zip(beta) {
                    *out = *out * gamma + beta;
                }
            }
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        branch: &Tensor,
        affine: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let hidden = x.dim(1)?;
        let (d_sum, d_affine) = with_slices([x, branch, affine, grad], |[x, branch, affine, grad]| {
            let mut d_sum = vec![0.0; x.len()];
            let chunk = CHUNK_ROWS * hidden;
            let partial: Vec<Vec<f32>> = d_sum
                .par_chunks_mut(chunk)
                .zip(x.par_chunks(chunk).zip(branch.par_chunks(chunk)).zip(grad.par_chunks(chunk)))
                .map(|(out, ((x, branch), grad))| self.chunk_backward(x, branch, &affine[..hidden], grad, out))
                .collect();
            let mut d_affine = vec![0.0; 2 * hidden];
            for part in &partial {
                d_affine.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
            (d_sum, d_affine)
        })?;
        let d_sum = Tensor::from_vec(d_sum, x.shape(), x.device())?;
        let d_affine = Tensor::from_vec(d_affine, affine.shape(), affine.device())?;
        Ok((Some(d_sum.clone()), Some(d_sum), Some(d_affine)))
    }
}

impl AddLayerNorm {
    /// Fills `out` with the gradient of the sum and gives those of gamma and beta.
    fn chunk_backward(&self, x: &[f32], branch: &[f32], gamma: &[f32], grad: &[f32], out: &mut [f32]) -> Vec<f32> {
        let hidden = gamma.len();
        let mut d_affine = vec![0.0; 2 * hidden];
        let (d_gamma, d_beta) = d_affine.split_at_mut(hidden);
        let mut normal = vec![0.0; hidden];
        let rows = x.chunks_exact(hidden).zip(branch.chunks_exact(hidden)).zip(grad.chunks_exact(hidden));
        for (((x, branch), grad), out) in rows.zip(out.chunks_exact_mut(hidden)) {
            let scale = normalize(x, branch, self.eps, &mut normal);
            for n in 0..hidden {
                d_gamma[n] += grad[n] * normal[n];
                d_beta[n] += grad[n];
                out[n] = grad[n] * gamma[n];
            }
            let mean = sum(out) / hidden as f32;
            let mean_normal = dot(out, &normal) / hidden as f32;
            for (out, normal) in out.iter_mut().zip(&normal) {
                *out = (*out - mean - normal * mean_normal) * scale;
            }
        }
        d_affine
    }
}
