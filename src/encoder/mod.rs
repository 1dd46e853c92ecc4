//! The BERT encoder's forward pass over batches without padding: the tokens of all texts stand in one matrix, and attention runs
//! within each text.

pub(crate) mod embedding;
mod layer;
mod linear;
mod pooling;
pub(crate) mod tensor;
mod views;

use crate::config::{EncoderConfig, Pooling};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, keys};
use crate::kernels::{AttentionScratch, Quantized};

use embedding::Embedding;
use layer::Layer;
pub use views::{Reading, Views, read_views};

/// How quantised dense layers are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// Integer products of activations in 8 bits with the stored weights of 8 or 4.
    #[default]
    Integer,
    /// f32 products over the dequantised weights: the reference.
    F32,
}

/// What is made of the pooled vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The first so many numbers of each vector are kept.
    pub dimensions: usize,
    /// Whether they are scaled to length 1.
    pub normalize: bool,
}

impl Output {
    /// Refuses scaled vectors that are zero, where their lengths overflowed on the way.
    #[cfg(feature = "webgpu")]
    pub(crate) fn check_scaled(self, vectors: &[f32]) -> Result<()> {
        match vectors.chunks_exact(self.dimensions).any(|vector| self.normalize && vector.iter().all(|x| *x == 0.0)) {
            true => Err(Error::new(ErrorCode::ModelCorrupt, "the vector of a text is zero: the weights overflow")),
            false => Ok(()),
        }
    }

    /// Refuses vectors that hold what is no finite number.
    pub(crate) fn check(self, vectors: &[f32]) -> Result<()> {
        match vectors.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (x, at) = (vectors[at], at % self.dimensions);
                Err(Error::new(ErrorCode::ModelCorrupt, format!("the vector of a text holds {x} at dimension {at}: the weights overflow")))
            }
        }
    }
}

/// The token ids of several texts, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBatch {
    input_ids: Vec<u32>,
    lengths: Vec<usize>,
}

impl TokenBatch {
    /// Appends a text's ids.
    pub fn push(&mut self, input_ids: &[u32]) {
        self.input_ids.extend_from_slice(input_ids);
        self.lengths.push(input_ids.len());
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.input_ids.clear();
        self.lengths.clear();
    }

    /// Number of texts.
    pub const fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Number of tokens of all texts.
    pub const fn token_count(&self) -> usize {
        self.input_ids.len()
    }

    /// The ids of each text.
    #[cfg(feature = "webgpu")]
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u32]> {
        let mut rest = self.input_ids.as_slice();
        self.lengths.iter().map(move |&len| rest.split_off(..len).unwrap_or_default())
    }

    /// Refuses an empty text, one that is longer than the model's positions, and an id beyond its vocabulary.
    pub(crate) fn check(&self, config: &EncoderConfig) -> Result<()> {
        let positions = config.max_position_embeddings;
        if let Some((text, &len)) = self.lengths.iter().enumerate().find(|&(_, &len)| len == 0 || len > positions) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("text {text} has {len} tokens; the model takes 1 to {positions}")));
        }
        if let Some(id) = self.input_ids.iter().find(|&&id| id as usize >= config.vocab_size) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("token id {id}; the vocabulary has {} tokens", config.vocab_size)));
        }
        Ok(())
    }
}

/// Buffers of one forward pass, kept between calls so that a warm encoder allocates nothing.
#[derive(Default)]
pub struct Scratch {
    /// `[tokens, hidden]`
    hidden: Vec<f32>,
    /// `[tokens, 3 * hidden]`
    qkv: Vec<f32>,
    /// `[tokens, hidden]`
    context: Vec<f32>,
    /// `[tokens, hidden]`
    projected: Vec<f32>,
    /// `[tokens, intermediate]`
    intermediate: Vec<f32>,
    quantized: Quantized,
    attention: AttentionScratch,
}

/// A BERT encoder with pooling, ready to run.
pub struct Encoder {
    config: EncoderConfig,
    pooling: Pooling,
    embedding: Embedding,
    layers: Vec<Layer>,
}

impl Encoder {
    /// Reads the weights of a model file and packs them for the kernels.
    ///
    /// # Errors
    /// [`ErrorCode::ModelUnsupported`] for an architecture other than `bert`, [`ErrorCode::ModelFormat`] when metadata and tensors do
    /// not fit each other, [`ErrorCode::ModelCorrupt`] for a weight that is no finite number.
    pub fn from_gguf(gguf: &Gguf<'_>, arithmetic: Arithmetic) -> Result<Self> {
        let config = read_config(gguf)?;
        let pooling = read_pooling(gguf)?;
        let embedding = Embedding::from_gguf(gguf, &config)?;
        let layers = (0..config.num_hidden_layers).map(|n| Layer::from_gguf(gguf, &config, n, arithmetic)).collect::<Result<_>>()?;
        Ok(Self { config, pooling, embedding, layers })
    }

    /// The model's shape.
    pub const fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// How token states become one vector.
    pub const fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The pooled vectors of a batch, `[batch, hidden]`, not normalised.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for an empty text, one that is longer than the model's positions, or an id beyond its vocabulary.
    pub fn forward(&self, batch: &TokenBatch, scratch: &mut Scratch, out: &mut Vec<f32>) -> Result<()> {
        let hidden = self.last_hidden_state(batch, scratch)?;
        pooling::pool(self.pooling, hidden, &batch.lengths, self.config.hidden_size, out);
        Ok(())
    }

    /// The states of all tokens behind the last layer, `[tokens, hidden]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn last_hidden_state<'s>(&self, batch: &TokenBatch, scratch: &'s mut Scratch) -> Result<&'s [f32]> {
        batch.check(&self.config)?;
        self.embedding.forward(&batch.input_ids, &batch.lengths, &mut scratch.hidden);
        for layer in &self.layers {
            layer.forward(&batch.lengths, scratch);
        }
        Ok(&scratch.hidden)
    }
}

pub(crate) fn read_config(gguf: &Gguf<'_>) -> Result<EncoderConfig> {
    let architecture = gguf.string(keys::GENERAL_ARCHITECTURE)?;
    if architecture != keys::ARCHITECTURE {
        let message = format!("architecture {architecture:?}; only {:?} is run", keys::ARCHITECTURE);
        return Err(Error::new(ErrorCode::ModelUnsupported, message));
    }
    if gguf.bool_or(keys::CAUSAL, false)? {
        return Err(Error::new(ErrorCode::ModelUnsupported, format!("{} is true; attention runs in both directions here", keys::CAUSAL)));
    }
    let config = EncoderConfig {
        vocab_size: gguf.strings(keys::TOKENS)?.len(),
        hidden_size: gguf.size(keys::EMBEDDING_LENGTH)?,
        intermediate_size: gguf.size(keys::FEED_FORWARD_LENGTH)?,
        num_hidden_layers: gguf.size(keys::BLOCK_COUNT)?,
        num_attention_heads: gguf.size(keys::HEAD_COUNT)?,
        max_position_embeddings: gguf.size(keys::CONTEXT_LENGTH)?,
        type_vocab_size: gguf.size(keys::TOKEN_TYPE_COUNT)?,
        layer_norm_eps: gguf.float(keys::LAYER_NORM_EPS)?,
    };
    config.validate()?;
    Ok(config)
}

pub(crate) fn read_pooling(gguf: &Gguf<'_>) -> Result<Pooling> {
    match gguf.size(keys::POOLING_TYPE)? {
        1 => Ok(Pooling::Mean),
        2 => Ok(Pooling::Cls),
        other => {
            let message = format!("{} is {other}; 1 (mean) and 2 (cls) are run", keys::POOLING_TYPE);
            Err(Error::new(ErrorCode::ModelUnsupported, message))
        }
    }
}
