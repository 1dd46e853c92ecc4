//! The encoder on the page's GPU. It is built into a file of its own, so that who stays on the CPU loads none of it: token ids come in
//! from the engine, and vectors go back to it.

use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::file::PageFile;
use super::js_error;
use crate::encoder::{Output, TokenBatch};
use crate::error::{Error, ErrorCode};
use crate::gguf::Gguf;
use crate::webgpu::{Context, GpuEncoder, Limits, Products};

/// Tokens of one submission, at most: the buffers for them take some 100 MB of a device that draws the page too.
const MAX_TOKENS: usize = 8_192;

/// A model on the GPU.
#[wasm_bindgen]
pub struct GpuEngine {
    encoder: GpuEncoder,
}

#[wasm_bindgen]
impl GpuEngine {
    /// Reads a model file. Whose adapter it is the page knows by name.
    pub async fn load(model: Uint8Array, nvidia: bool) -> Result<GpuEngine, JsValue> {
        let context = Context::new(Limits::Adapter).await.map_err(js_error)?;
        let model = PageFile(model);
        let header = Gguf::header(&model).map_err(js_error)?;
        let gguf = Gguf::open(&header, &model).map_err(js_error)?;
        let products = Products::fastest(&context, nvidia);
        let mut encoder = GpuEncoder::from_gguf_with(context, &gguf, products).map_err(js_error)?;
        encoder.limit_tokens(MAX_TOKENS);
        Ok(Self { encoder })
    }

    /// The vectors of texts, `[texts, dimensions]`, from their token ids, one text behind the other.
    pub async fn encode(&mut self, ids: Vec<u32>, lengths: Vec<u32>, dimensions: usize, normalize: bool) -> Result<Float32Array, JsValue> {
        let mut batch = TokenBatch::default();
        let mut rest = ids.as_slice();
        for len in lengths {
            let text = rest.split_off(..len as usize).ok_or_else(|| {
                js_error(Error::new(ErrorCode::InvalidArgument, format!("a text of {len} tokens; {} are left", rest.len())))
            })?;
            batch.push(text);
        }
        let vectors = self.encoder.encode(&batch, Output { dimensions, normalize }).await.map_err(js_error)?;
        Ok(Float32Array::from(vectors.as_slice()))
    }
}
