//! Writing GGUF through candle, with a checksum of the whole file in `pie.checksum`.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use super::{Gguf, keys};
use crate::config::Dtype;
use crate::error::{Error, ErrorCode, Result};

pub use candle_core::quantized::gguf_file::Value as MetadataValue;

/// Collects metadata and tensors of one file.
#[derive(Default)]
pub struct GgufWriter {
    metadata: Vec<(String, Value)>,
    tensors: Vec<(String, QTensor)>,
}

impl GgufWriter {
    /// Adds a metadata entry.
    pub fn metadata(&mut self, key: &str, value: Value) -> &mut Self {
        self.metadata.push((key.to_owned(), value));
        self
    }

    /// Adds a text.
    pub fn string(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.metadata(key, Value::String(value.into()))
    }

    /// Adds a number.
    pub fn u32(&mut self, key: &str, value: u32) -> &mut Self {
        self.metadata(key, Value::U32(value))
    }

    /// Quantises `values` (row-major, `shape` slowest dimension first) and adds them as a tensor.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when rows are no whole blocks of `dtype` or a value is not finite.
    pub fn tensor(&mut self, name: &str, values: &[f32], shape: &[usize], dtype: Dtype) -> Result<&mut Self> {
        let row = shape.last().copied().unwrap_or(0);
        if !row.is_multiple_of(dtype.block_len()) {
            let message = format!("tensor {name:?} has rows of {row} elements; {dtype} needs multiples of {}", dtype.block_len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::new(ErrorCode::ModelCorrupt, format!("tensor {name:?} holds {} at element {at}", values[at])));
        }
        let quantised =
            Tensor::from_slice(values, shape, &Device::Cpu).and_then(|t| QTensor::quantize(&t, ggml_dtype(dtype))).map_err(candle)?;
        self.tensors.push((name.to_owned(), quantised));
        Ok(self)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] if candle cannot write them.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.metadata(keys::PIE_CHECKSUM, Value::U64(0));
        let metadata: Vec<_> = self.metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let tensors: Vec<_> = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut file = std::io::Cursor::new(Vec::new());
        gguf_file::write(&mut file, &metadata, &tensors).map_err(candle)?;
        let mut bytes = file.into_inner();
        Gguf::seal(&mut bytes)?;
        Ok(bytes)
    }
}

fn candle(e: candle_core::Error) -> Error {
    Error::new(ErrorCode::Internal, format!("writing GGUF: {e}")).with_source(e)
}

/// Candle's name of a dtype.
pub(crate) const fn ggml_dtype(dtype: Dtype) -> GgmlDType {
    match dtype {
        Dtype::F32 => GgmlDType::F32,
        Dtype::F16 => GgmlDType::F16,
        Dtype::Q8_0 => GgmlDType::Q8_0,
        Dtype::Q4_0 => GgmlDType::Q4_0,
    }
}
