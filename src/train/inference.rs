//! A model file on candle, to run and not to train: what an NVIDIA GPU is used by.

use std::collections::BTreeMap;

use candle_core::DType;

use super::encoder::numbers;
use super::{Encoder, Freeze, Tokens, device};
use crate::backend::Backend;
use crate::checkpoint::{Checkpoint, Weight};
use crate::encoder::{Output, read_config, read_pooling};
use crate::error::Result;
use crate::gguf::{Gguf, dequantize, keys};
use crate::kernels::l2_normalize;
use crate::tokenizer::Vocabulary;

/// Texts that go through the encoder at a time; the averaging matrix of the pooling takes their square.
const TEXTS: usize = 256;

/// The dequantised encoder on one of candle's devices.
pub struct Candle {
    name: String,
    encoder: Encoder,
}

impl Candle {
    /// A model on `cpu`, `cuda` or `cuda:N`.
    ///
    /// # Errors
    /// Those of the model file, and [`ErrorCode::InvalidArgument`](crate::ErrorCode::InvalidArgument) for a device that is not there.
    pub fn from_gguf(gguf: &Gguf<'_>, name: &str) -> Result<Self> {
        let config = read_config(gguf)?;
        let mut weights = BTreeMap::new();
        // The embedder applies the head, on whatever back end.
        let head = format!("{}.", keys::HEAD);
        for tensor in gguf.tensors().filter(|tensor| !tensor.name.starts_with(&head)) {
            let mut values = vec![0.0; tensor.len()];
            dequantize(tensor.dtype, &tensor.data, &mut values);
            let shape = tensor.dimensions.iter().rev().copied().collect();
            weights.insert(checkpoint_name(tensor.name), Weight { shape, values });
        }
        let vocabulary = Vocabulary::from_gguf(gguf)?;
        let pooling = read_pooling(gguf)?;
        let checkpoint = Checkpoint { name: String::new(), config, vocabulary, pooling: Some(pooling), weights, two_views: false };
        let encoder = Encoder::new(&checkpoint, pooling, Freeze::Embeddings, DType::F32, &device(name)?)?;
        Ok(Self { name: name.to_owned(), encoder })
    }
}

/// Hugging Face's name of a tensor.
fn checkpoint_name(name: &str) -> String {
    use keys::layer::{ATTN_K, ATTN_OUTPUT, ATTN_OUTPUT_NORM, ATTN_Q, ATTN_V, FFN_DOWN, FFN_UP, LAYER_OUTPUT_NORM};
    let Some((layer, rest)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
        return match name {
            keys::TOKEN_EMBD => "embeddings.word_embeddings.weight".to_owned(),
            keys::POSITION_EMBD => "embeddings.position_embeddings.weight".to_owned(),
            keys::TOKEN_TYPES => "embeddings.token_type_embeddings.weight".to_owned(),
            _ => name.replace(keys::TOKEN_EMBD_NORM, "embeddings.LayerNorm"),
        };
    };
    let (part, kind) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let part = match part {
        ATTN_Q => "attention.self.query",
        ATTN_K => "attention.self.key",
        ATTN_V => "attention.self.value",
        ATTN_OUTPUT => "attention.output.dense",
        ATTN_OUTPUT_NORM => "attention.output.LayerNorm",
        FFN_UP => "intermediate.dense",
        FFN_DOWN => "output.dense",
        LAYER_OUTPUT_NORM => "output.LayerNorm",
        other => other,
    };
    format!("encoder.layer.{layer}.{part}.{kind}")
}

impl Backend for Candle {
    fn device(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>> {
        let (Output { dimensions, normalize }, hidden) = (output, self.encoder.config.hidden_size);
        let mut vectors = Vec::with_capacity(texts.len() * dimensions);
        for texts in texts.chunks(TEXTS) {
            let mut tokens = Tokens::default();
            texts.iter().for_each(|ids| tokens.push(ids));
            let pooled = numbers(&self.encoder.forward(&tokens, None)?)?;
            vectors.extend(pooled.chunks_exact(hidden).flat_map(|row| &row[..dimensions]));
        }
        output.check(&vectors)?;
        if normalize {
            vectors.chunks_exact_mut(dimensions).for_each(l2_normalize);
        }
        Ok(vectors)
    }
}
