//! Tensors of a model file as numbers, each checked to be finite.

use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, Tensor, dequantize, find_non_finite};

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
    finite(gguf, name, shape).map(|tensor| floats(&tensor))
}

/// The numbers of a tensor as f32, row-major.
pub(super) fn floats(tensor: &Tensor<'_>) -> Vec<f32> {
    let mut values = vec![0.0; tensor.len()];
    for (row, data) in values.chunks_exact_mut(tensor.row_len()).zip(tensor.rows()) {
        dequantize(tensor.dtype, data, row);
    }
    values
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
