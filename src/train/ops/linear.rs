//! A dense layer as one node: `y = x Wᵀ + b`, `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy`.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{CHUNK_ROWS, slice, with_slices};

pub struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, inputs) = x_layout.shape().dims2()?;
        let (outputs, _) = weight_layout.shape().dims2()?;
        let product = x.matmul(weight, (1, tokens, outputs, inputs), x_layout, &weight_layout.transpose(0, 1)?)?;
        let CpuStorage::F32(mut y) = product else { candle_core::bail!("linear is fused for f32 only") };
        let bias = slice(bias, bias_layout)?;
        y.par_chunks_mut(CHUNK_ROWS * outputs).for_each(|rows| {
            for row in rows.chunks_exact_mut(outputs) {
                for (y, b) in row.iter_mut().zip(bias) {
                    *y += b;
                }
            }
        });
        Ok((CpuStorage::F32(y), Shape::from((tokens, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let sums = with_slices([&grad], |[grad]| column_sums(grad, bias.elem_count()))?;
        let d_bias = Tensor::from_vec(sums, bias.shape(), bias.device())?;
        Ok((Some(grad.matmul(weight)?), Some(grad.t()?.matmul(x)?), Some(d_bias)))
    }
}

/// The sum of all rows of `[rows, columns]`.
fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = values
        .par_chunks(CHUNK_ROWS * columns)
        .map(|rows| {
            let mut sums = vec![0.0; columns];
            rows.chunks_exact(columns).for_each(|row| add(&mut sums, row));
            sums
        })
        .collect();
    let mut sums = vec![0.0; columns];
    partial.iter().for_each(|part| add(&mut sums, part));
    sums
}

fn add(sums: &mut [f32], row: &[f32]) {
    for (sum, x) in sums.iter_mut().zip(row) {
        *sum += x;
    }
}
