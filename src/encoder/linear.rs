//! A dense layer, `y = x Wᵀ + b`.

use crate::config::Dtype;
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, Tensor, blocks, unpack_q4_0};
use crate::kernels::{BLOCK, PackedF32, PackedInt, Quantized, Width, gemm_f32, gemm_i8};

use super::Arithmetic;
use super::tensor::{finite, floats, load_f32};

enum Weights {
    F32(PackedF32),
    Int(PackedInt),
}

pub(super) struct Linear {
    weights: Weights,
    bias: Vec<f32>,
    inputs: usize,
}

impl Linear {
    /// Reads `{name}.weight` and `{name}.bias` for each name and stacks their outputs: one product serves query, key and value.
    pub(super) fn from_gguf(gguf: &Gguf<'_>, names: &[String], inputs: usize, outputs: usize, arithmetic: Arithmetic) -> Result<Self> {
        let mut bias = Vec::with_capacity(names.len() * outputs);
        let mut tensors = Vec::with_capacity(names.len());
        for name in names {
            tensors.push(finite(gguf, &format!("{name}.weight"), &[inputs, outputs])?);
            bias.extend(load_f32(gguf, &format!("{name}.bias"), &[outputs])?);
        }
        let quantized = tensors.iter().filter(|tensor| matches!(tensor.dtype, Dtype::Q8_0 | Dtype::Q4_0)).count();
        let weights = if arithmetic == Arithmetic::F32 || quantized == 0 {
            let floats: Vec<f32> = tensors.iter().flat_map(floats).collect();
            Weights::F32(PackedF32::pack(&floats, bias.len(), inputs))
        } else if quantized == tensors.len() {
            Weights::Int(pack(&tensors, bias.len(), inputs))
        } else {
            let message = format!("{} are stored in part as floats, in part quantised; they must be alike", names.join(", "));
            return Err(Error::new(ErrorCode::ModelUnsupported, message));
        };
        Ok(Self { weights, bias, inputs })
    }

    /// `x` is `[tokens, inputs]`; `out` becomes `[tokens, outputs]`.
    pub(super) fn forward(&self, x: &[f32], quantized: &mut Quantized, out: &mut Vec<f32>) {
        out.resize(x.len() / self.inputs * self.bias.len(), 0.0);
        match &self.weights {
            Weights::F32(weights) => gemm_f32(x, weights, &self.bias, out),
            Weights::Int(weights) => {
                quantized.quantize(x, weights);
                gemm_i8(quantized, weights, &self.bias, out);
            }
        }
    }
}

/// Packs the rows of quantised tensors, one tensor behind the other; in 4 bits where all have 4.
fn pack(tensors: &[Tensor<'_>], columns: usize, inputs: usize) -> PackedInt {
    let width = if tensors.iter().all(|tensor| tensor.dtype == Dtype::Q4_0) { Width::Four } else { Width::Eight };
    let mut packed = PackedInt::new(width, columns, inputs);
    let mut scales = vec![0.0; inputs / BLOCK];
    let rows = tensors.iter().flat_map(|tensor| tensor.rows().map(|row| (tensor.dtype, row)));
    for (column, (dtype, row)) in rows.enumerate() {
        pack_row(&mut packed, column, dtype, row, &mut scales);
    }
    packed
}

/// A call of its own, for the same reason as [`dequantize`](crate::gguf::dequantize).
#[inline(never)]
fn pack_row(packed: &mut PackedInt, column: usize, dtype: Dtype, row: &[u8], scales: &mut [f32]) {
    for ((scale, _), to) in blocks(dtype, row).zip(&mut *scales) {
        *to = scale;
    }
    let stored = blocks(dtype, row).map(|(_, integers)| integers);
    if dtype == Dtype::Q4_0 && packed.width() == Width::Eight {
        let mut integers = [0; BLOCK];
        let signed = stored.map(|block| {
            unpack_q4_0(block, &mut integers);
            integers.map(|x| x as u8)
        });
        packed.set_column(column, signed, scales);
    } else {
        packed.set_column(column, stored, scales);
    }
}
