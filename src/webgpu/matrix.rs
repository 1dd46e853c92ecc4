//! Matrices of a model file on the device, in the bits they are stored in.

use half::f16;

use crate::config::Dtype;
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Tensor, dequantize};

use super::context::{Buffer, Context};

/// Numbers as the `weights_*.wgsl` of their dtype read them: the values of a block in words and its scale apart, since shaders read
/// words of four bytes, and blocks of 34 or 18 are not made of such.
pub(super) struct Stored {
    pub(super) dtype: Dtype,
    words: Vec<u32>,
    scales: Vec<f32>,
}

impl Stored {
    /// The rows of one tensor behind those of another; of tensors that are stored differently, the numbers as f32.
    pub(super) fn from_tensors(tensors: &[Tensor<'_>]) -> Result<Self> {
        let same = tensors.windows(2).all(|pair| pair[0].dtype == pair[1].dtype);
        let mut stored = Self { dtype: if same { tensors[0].dtype } else { Dtype::F32 }, words: Vec::new(), scales: Vec::new() };
        for tensor in tensors {
            let (words, scales) = (stored.words.len(), stored.scales.len());
            stored.append(tensor);
            let floats = stored.words[words..].iter().map(|&word| f32::from_bits(word)).filter(|_| stored.dtype == Dtype::F32);
            if let Some(x) = floats.chain(stored.scales[scales..].iter().copied()).find(|x| !x.is_finite()) {
                return Err(Error::new(ErrorCode::ModelCorrupt, format!("tensor {:?} holds {x}", tensor.name)));
            }
        }
        Ok(stored)
    }

    fn append(&mut self, tensor: &Tensor<'_>) {
        let word = |b: &[u8; 4]| u32::from_le_bytes(*b);
        match self.dtype {
            Dtype::F32 => {
                let mut values = vec![0.0; tensor.len()];
                dequantize(tensor.dtype, &tensor.data, &mut values);
                self.words.extend(values.into_iter().map(f32::to_bits));
            }
            Dtype::F16 => self.words.extend(tensor.data.as_chunks().0.iter().map(word)),
            Dtype::Q8_0 | Dtype::Q4_0 => {
                for block in tensor.data.chunks_exact(self.dtype.block_bytes()) {
                    self.scales.push(f16::from_le_bytes([block[0], block[1]]).to_f32());
                    self.words.extend(block[2..].as_chunks().0.iter().map(word));
                }
            }
        }
    }

    /// Numbers in a word of `dtype`.
    const fn per_word(dtype: Dtype) -> usize {
        match dtype {
            Dtype::F32 => 1,
            Dtype::F16 => 2,
            Dtype::Q8_0 => 4,
            Dtype::Q4_0 => 8,
        }
    }

    /// The rows from `first` on, `rows` of them with `columns` numbers each, those that are missing as zeros.
    pub(super) fn upload(&self, context: &Context, label: &str, first: usize, rows: usize, columns: usize) -> Matrix {
        let (width, blocks) = (columns / Self::per_word(self.dtype), columns / Dtype::Q8_0.block_len());
        let part = |from: usize, len: usize, total: usize| from.min(total)..(from + len).min(total);
        let mut words = self.words[part(first * width, rows * width, self.words.len())].to_vec();
        let mut scales = self.scales[part(first * blocks, rows * blocks, self.scales.len())].to_vec();
        words.resize(rows * width, 0);
        if !scales.is_empty() {
            scales.resize(rows * blocks, 0.0);
        }
        Matrix { words: context.upload(label, &words), scales: context.upload(label, &scales) }
    }

    /// Whether the numbers are whole ones with a scale per 32.
    pub(super) const fn is_quantized(&self) -> bool {
        matches!(self.dtype, Dtype::Q8_0 | Dtype::Q4_0)
    }

    /// Rows of `columns` numbers that one buffer of `bytes` holds.
    pub(super) const fn rows_in(&self, bytes: u64, columns: usize) -> usize {
        bytes as usize / (columns / Self::per_word(self.dtype) * size_of::<u32>())
    }

    /// The shader part that reads the numbers.
    pub(super) const fn reader(&self) -> &'static str {
        match self.dtype {
            Dtype::F32 => include_str!("shaders/weights_f32.wgsl"),
            Dtype::F16 => include_str!("shaders/weights_f16.wgsl"),
            Dtype::Q8_0 => include_str!("shaders/weights_q8_0.wgsl"),
            Dtype::Q4_0 => include_str!("shaders/weights_q4_0.wgsl"),
        }
    }
}

/// A matrix on the device: words of numbers, and scales where blocks have one.
pub(super) struct Matrix {
    pub(super) words: Buffer,
    pub(super) scales: Buffer,
}
