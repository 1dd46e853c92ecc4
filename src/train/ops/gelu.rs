//! GELU with the exact Φ: `y = x Φ(x)`, `dy/dx = Φ(x) + x φ(x)` (arXiv 1606.08415).

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::normal;
use super::{slice, with_slices};

const CHUNK: usize = 1 << 15;

pub struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(storage, layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = x * normal(x).0;
            }
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        const INV_SQRT_2PI: f32 = 0.398_942_3;
        let out = with_slices([x, grad], |[x, grad]| {
            let mut out = vec![0.0; x.len()];
            out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK).zip(grad.par_chunks(CHUNK))).for_each(|(out, (x, grad))| {
                for ((out, &x), grad) in out.iter_mut().zip(x).zip(grad) {
                    let (cdf, bell) = normal(x);
                    *out = grad * (cdf + x * INV_SQRT_2PI * bell);
                }
            });
            out
        })?;
        Tensor::from_vec(out, x.shape(), x.device()).map(Some)
    }
}
