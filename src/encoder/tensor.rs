//! Tensors of a model file as numbers, each checked to be finite.

use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, Tensor, dequantize, find_non_finite, int8_blocks};

/// The tensor of this name and shape, checked to be finite.
pub(super) fn finite<'a>(gguf: &Gguf<'a>, name: &str, shape: &[usize]) -> Result<Tensor<'a>> {
    let tensor = gguf.tensor(name, shape)?;
    match find_non_finite(tensor.dtype, &tensor.data) {
        None => Ok(tensor),
        Some((at, x)) => Err(Error::new(ErrorCode::ModelCorrupt, format!("tensor {name:?} holds {x} at number {at}"))),
    }
}

/// A tensor's numbers as f32, row-major.
pub(crate) fn load_f32(gguf: &Gguf<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let tensor = finite(gguf, name, shape)?;
    let mut values = vec![0.0; tensor.len()];
    let row_len = tensor.row_len();
    let row_bytes = row_len / tensor.dtype.block_len() * tensor.dtype.block_bytes();
    for (row, data) in values.chunks_exact_mut(row_len).zip(tensor.data.chunks_exact(row_bytes)) {
        dequantize(tensor.dtype, data, row);
    }
    Ok(values)
}

/// A quantised matrix as signed bytes and scales per 32, or `None` where it is stored as floats.
pub(super) fn load_i8(gguf: &Gguf<'_>, name: &str, shape: &[usize]) -> Result<Option<(Vec<i8>, Vec<f32>)>> {
    let tensor = finite(gguf, name, shape)?;
    Ok(int8_blocks(tensor.dtype, &tensor.data))
}

/// Weight and bias of a layer-norm.
pub(super) struct Norm {
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
}

impl Norm {
    pub(super) fn from_gguf(gguf: &Gguf<'_>, name: &str, size: usize) -> Result<Self> {
        Ok(Self { gamma: load_f32(gguf, &format!("{name}.weight"), &[size])?, beta: load_f32(gguf, &format!("{name}.bias"), &[size])? })
    }
}
