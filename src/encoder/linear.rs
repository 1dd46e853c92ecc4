//! A dense layer, `y = x Wᵀ + b`.

use crate::error::{Error, ErrorCode, Result};
use crate::gguf::Gguf;
use crate::kernels::{PackedF32, PackedI8, gemm_f32, gemm_i8, quantize_row};

use super::Arithmetic;
use super::tensor::{load_f32, load_i8};

/// Activations quantised for one product.
#[derive(Default)]
pub(super) struct Quantized {
    values: Vec<i16>,
    scales: Vec<f32>,
}

enum Weights {
    F32(PackedF32),
    I8(PackedI8),
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
        let (mut floats, mut bytes, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let weight = format!("{name}.weight");
            let quantized = match arithmetic {
                Arithmetic::Integer => load_i8(gguf, &weight, &[inputs, outputs])?,
                Arithmetic::F32 => None,
            };
            match quantized {
                Some((values, block_scales)) => {
                    bytes.extend(values);
                    scales.extend(block_scales);
                }
                None => floats.extend(load_f32(gguf, &weight, &[inputs, outputs])?),
            }
            bias.extend(load_f32(gguf, &format!("{name}.bias"), &[outputs])?);
        }
        let columns = bias.len();
        let weights = match (floats.len(), bytes.len()) {
            (n, 0) if n == columns * inputs => Weights::F32(PackedF32::pack(&floats, columns, inputs)),
            (0, n) if n == columns * inputs => Weights::I8(PackedI8::pack(&bytes, &scales, columns, inputs)),
            _ => {
                let message = format!("{} are stored in part as floats, in part quantised; they must be alike", names.join(", "));
                return Err(Error::new(ErrorCode::ModelUnsupported, message));
            }
        };
        Ok(Self { weights, bias, inputs })
    }

    /// `x` is `[tokens, inputs]`; `out` becomes `[tokens, outputs]`.
    pub(super) fn forward(&self, x: &[f32], quantized: &mut Quantized, out: &mut Vec<f32>) {
        out.resize(x.len() / self.inputs * self.bias.len(), 0.0);
        match &self.weights {
            Weights::F32(weights) => gemm_f32(x, weights, &self.bias, out),
            Weights::I8(weights) => {
                quantized.values.resize(x.len(), 0);
                quantized.scales.clear();
                let rows = x.chunks_exact(self.inputs).zip(quantized.values.chunks_exact_mut(self.inputs));
                quantized.scales.extend(rows.map(|(x, out)| quantize_row(x, out)));
                gemm_i8(&quantized.values, &quantized.scales, weights, &self.bias, out);
            }
        }
    }
}
