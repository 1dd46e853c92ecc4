//! Weights as a model file gives them back, so that training sees what rounding costs.

use candle_core::quantized::QTensor;
use candle_core::{Device, Result, Tensor};

use super::reference;
use crate::config::Dtype;
use crate::gguf::ggml_dtype;

/// `x`, rounded block by block as a file of this dtype stores it. The gradient passes unchanged (straight-through estimator,
/// arXiv 1308.3432).
pub fn stored_as(x: &Tensor, dtype: Dtype) -> Result<Tensor> {
    if dtype == Dtype::F32 {
        return Ok(x.clone());
    }
    let constant = x.detach();
    // Candle quantises on the CPU alone.
    let rounded = match x.device() {
        Device::Cpu => QTensor::quantize(&constant, ggml_dtype(dtype))?.dequantize(x.device())?,
        _ => reference::rounded(&constant, dtype)?,
    };
    x + (rounded - constant)?
}
