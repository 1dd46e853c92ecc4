//! Tensors of a model file as numbers, each checked to be finite.

use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, Tensor, dequantize, int8_blocks};

/// A tensor's numbers as f32, row-major.
pub(crate) fn load_f32(gguf: &Gguf<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let tensor = gguf.tensor(name, shape)?;
    let mut values = vec![0.0; tensor.len()];
    dequantize(tensor.dtype, tensor.data, &mut values);
    check_finite(tensor, &values)?;
    Ok(values)
}

/// A quantised matrix as signed bytes and scales per 32, or `None` where it is stored as floats.
pub(super) fn load_i8(gguf: &Gguf<'_>, name: &str, shape: &[usize]) -> Result<Option<(Vec<i8>, Vec<f32>)>> {
    let tensor = gguf.tensor(name, shape)?;
    let blocks = int8_blocks(tensor.dtype, tensor.data);
    if let Some((_, scales)) = &blocks {
        check_finite(tensor, scales)?;
    }
    Ok(blocks)
}

fn check_finite(tensor: &Tensor<'_>, values: &[f32]) -> Result<()> {
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::new(ErrorCode::ModelCorrupt, format!("tensor {:?} holds {} at number {at}", tensor.name, values[at]))),
    }
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
