//! The BERT encoder with gradients, over batches without padding: the tokens of all texts stand in one `[tokens, hidden]` matrix.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::ops;
use crate::checkpoint::{Checkpoint, HEAD, Weight};
use crate::config::{Dtype, EncoderConfig, Pooling};
use crate::error::{Error, ErrorCode, Result};

const WORDS: &str = "embeddings.word_embeddings.weight";
const POSITIONS: &str = "embeddings.position_embeddings.weight";
const TYPES: &str = "embeddings.token_type_embeddings.weight";

/// Which embedding tables stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    None,
    /// The word embeddings.
    #[default]
    Words,
    /// Words, positions and token types.
    Embeddings,
}

/// How a model file will store the weights: the forward pass sees them rounded that way, the optimiser keeps them in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounding {
    /// Attention's dense layers.
    pub attention: Dtype,
    /// The feed-forward ones.
    pub ffn: Dtype,
    /// Word embeddings.
    pub words: Dtype,
}

impl Default for Rounding {
    /// None.
    fn default() -> Self {
        Self { attention: Dtype::F32, ffn: Dtype::F32, words: Dtype::F32 }
    }
}

/// The token ids of several texts, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input_ids: Vec<u32>,
    pub lengths: Vec<usize>,
}

impl Tokens {
    /// Appends a text's ids.
    pub fn push(&mut self, input_ids: &[u32]) {
        self.input_ids.extend_from_slice(input_ids);
        self.lengths.push(input_ids.len());
    }
}

/// Dropout: each number is 0 with this probability, the others grow to keep the mean (arXiv 1207.0580).
pub struct Dropout {
    pub probability: f64,
    pub rng: ChaCha8Rng,
}

impl Dropout {
    fn apply(dropout: &mut Option<Self>, x: Tensor) -> candle_core::Result<Tensor> {
        let Some(Self { probability, rng }) = dropout else { return Ok(x) };
        let keep = 1.0 - *probability as f32;
        let mask: Vec<f32> = (0..x.elem_count()).map(|_| if rng.random::<f32>() < keep { 1.0 / keep } else { 0.0 }).collect();
        &x * Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?
    }
}

/// Weight and bias of a dense layer or a layer-norm.
struct Pair {
    weight: Tensor,
    bias: Tensor,
}

impl Pair {
    fn linear(&self, x: &Tensor, dtype: Dtype) -> candle_core::Result<Tensor> {
        ops::linear(x, &ops::stored_as(&self.weight, dtype)?, &self.bias)
    }

    fn add_norm(&self, x: &Tensor, branch: &Tensor, eps: f32) -> candle_core::Result<Tensor> {
        ops::add_layer_norm(x, branch, &self.weight, &self.bias, eps)
    }
}

struct Layer {
    query: Pair,
    key: Pair,
    value: Pair,
    attention_output: Pair,
    attention_norm: Pair,
    up: Pair,
    down: Pair,
    output_norm: Pair,
}

/// A trainable encoder. Its weights are f32; `dtype` is that of the activations.
pub struct Encoder {
    pub config: EncoderConfig,
    pub pooling: Pooling,
    dtype: DType,
    rounding: Rounding,
    device: Device,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    embedding_norm: Pair,
    layers: Vec<Layer>,
    head: Option<Pair>,
    /// Whether the halves of a vector are two views.
    pub two_views: bool,
    variables: Vec<(String, Var)>,
    frozen: Vec<(String, Tensor)>,
}

/// Puts a checkpoint's weights on the device, as variables or as constants.
struct Loader<'c> {
    checkpoint: &'c Checkpoint,
    device: &'c Device,
    variables: Vec<(String, Var)>,
    frozen: Vec<(String, Tensor)>,
}

impl Loader<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize], trained: bool) -> Result<Tensor> {
        let values = self.checkpoint.weight(name, shape)?;
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::new(ErrorCode::ModelCorrupt, format!("weight {name:?} holds {} at number {at}", values[at])));
        }
        let tensor = Tensor::from_slice(values, shape, self.device)?;
        if !trained {
            self.frozen.push((name.to_owned(), tensor.clone()));
            return Ok(tensor);
        }
        let variable = Var::from_tensor(&tensor)?;
        let tensor = variable.as_tensor().clone();
        self.variables.push((name.to_owned(), variable));
        Ok(tensor)
    }

    fn pair(&mut self, name: &str, shape: &[usize]) -> Result<Pair> {
        let weight = self.tensor(&format!("{name}.weight"), shape, true)?;
        Ok(Pair { weight, bias: self.tensor(&format!("{name}.bias"), &shape[..1], true)? })
    }

    fn layer(&mut self, index: usize, hidden: usize, intermediate: usize) -> Result<Layer> {
        let mut pair = |name: &str, shape: &[usize]| self.pair(&format!("encoder.layer.{index}.{name}"), shape);
        Ok(Layer {
            query: pair("attention.self.query", &[hidden, hidden])?,
            key: pair("attention.self.key", &[hidden, hidden])?,
            value: pair("attention.self.value", &[hidden, hidden])?,
            attention_output: pair("attention.output.dense", &[hidden, hidden])?,
            attention_norm: pair("attention.output.LayerNorm", &[hidden])?,
            up: pair("intermediate.dense", &[intermediate, hidden])?,
            down: pair("output.dense", &[hidden, intermediate])?,
            output_norm: pair("output.LayerNorm", &[hidden])?,
        })
    }
}

impl Encoder {
    /// Puts a checkpoint's weights on the device.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] for weights that are missing or of another shape, [`ErrorCode::ModelCorrupt`] for one that is not finite.
    pub fn new(checkpoint: &Checkpoint, pooling: Pooling, freeze: Freeze, dtype: DType, device: &Device) -> Result<Self> {
        let config = checkpoint.config.clone();
        let hidden = config.hidden_size;
        let mut loader = Loader { checkpoint, device, variables: Vec::new(), frozen: Vec::new() };
        let words = loader.tensor(WORDS, &[config.vocab_size, hidden], freeze == Freeze::None)?;
        let others = freeze != Freeze::Embeddings;
        let positions = loader.tensor(POSITIONS, &[config.max_position_embeddings, hidden], others)?;
        let types = loader.tensor(TYPES, &[config.type_vocab_size, hidden], others)?;
        let embedding_norm = loader.pair("embeddings.LayerNorm", &[hidden])?;
        let layers = (0..config.num_hidden_layers).map(|n| loader.layer(n, hidden, config.intermediate_size)).collect::<Result<_>>()?;
        let head = if checkpoint.has_head() { Some(loader.pair(HEAD, &[hidden, hidden])?) } else { None };
        let Loader { variables, frozen, .. } = loader;
        let (device, rounding) = (device.clone(), Rounding::default());
        let two_views = checkpoint.two_views;
        Ok(Self {
            config,
            pooling,
            dtype,
            rounding,
            device,
            words,
            positions,
            types,
            embedding_norm,
            layers,
            head,
            two_views,
            variables,
            frozen,
        })
    }

    /// The same with weights that the forward pass sees rounded.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when rows are no whole blocks of a dtype.
    pub fn rounded(mut self, rounding: Rounding) -> Result<Self> {
        let Rounding { attention, ffn, words } = rounding;
        let EncoderConfig { hidden_size: hidden, intermediate_size: intermediate, .. } = self.config;
        for (dtype, row) in [(attention, hidden), (ffn, hidden), (ffn, intermediate), (words, hidden)] {
            if !row.is_multiple_of(dtype.block_len()) {
                let message = format!("rows of {row} numbers are no whole blocks of {dtype}, which takes {}", dtype.block_len());
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        }
        self.rounding = rounding;
        Ok(self)
    }

    /// What is trained, by Hugging Face's names, in a fixed order.
    pub fn variables(&self) -> &[(String, Var)] {
        &self.variables
    }

    /// Where the weights are.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The vectors of a batch, `[texts, hidden]` in f32, not normalised: pooled, and behind the head where there is one.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no text, an empty one, one beyond the model's positions, or an id beyond its vocabulary.
    pub fn forward(&self, tokens: &Tokens, mut dropout: Option<Dropout>) -> Result<Tensor> {
        self.check(tokens)?;
        let states = self.last_hidden_state(tokens, &mut dropout)?;
        let pooled = self.pool(&states, &tokens.lengths)?;
        match &self.head {
            Some(head) => Ok(head.linear(&pooled, self.rounding.attention.of_head())?),
            None => Ok(pooled),
        }
    }

    /// The view of the task in vectors `[texts, hidden]`: their first half, or all of it where there is one view.
    ///
    /// # Errors
    /// Those of the device.
    pub fn task_view(&self, vectors: &Tensor) -> Result<Tensor> {
        if self.two_views { half(vectors, 0) } else { Ok(vectors.clone()) }
    }

    /// The view of the meaning: the second half.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] where there is one view.
    pub fn meaning_view(&self, vectors: &Tensor) -> Result<Tensor> {
        if self.two_views {
            return half(vectors, 1);
        }
        Err(Error::new(ErrorCode::InvalidArgument, "the model has no view of the meaning; `pie head` gives it one"))
    }

    fn check(&self, tokens: &Tokens) -> Result<()> {
        let positions = self.config.max_position_embeddings;
        if tokens.lengths.is_empty() || tokens.lengths.iter().sum::<usize>() != tokens.input_ids.len() {
            let message = format!("{} texts with {} tokens", tokens.lengths.len(), tokens.input_ids.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        if let Some((text, &len)) = tokens.lengths.iter().enumerate().find(|&(_, &len)| len == 0 || len > positions) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("text {text} has {len} tokens; the model takes 1 to {positions}")));
        }
        match tokens.input_ids.iter().find(|&&id| id as usize >= self.config.vocab_size) {
            Some(id) => {
                let message = format!("token id {id}; the vocabulary has {} tokens", self.config.vocab_size);
                Err(Error::new(ErrorCode::InvalidArgument, message))
            }
            None => Ok(()),
        }
    }

    fn last_hidden_state(&self, tokens: &Tokens, dropout: &mut Option<Dropout>) -> candle_core::Result<Tensor> {
        let lengths = &tokens.lengths;
        let (heads, eps) = (self.config.num_attention_heads, self.config.layer_norm_eps);
        let (ids, places) = if self.packed() { self.packed_rows(tokens)? } else { self.padded_rows(tokens)? };
        let places = places.broadcast_add(&self.types.narrow(0, 0, 1)?)?;
        let Rounding { attention, ffn, words } = self.rounding;
        // Blocks lie within rows, so that rounding the rows is rounding the table.
        let words = ops::stored_as(&self.words.index_select(&ids, 0)?, words)?;
        let (words, places) = (words.to_dtype(self.dtype)?, places.to_dtype(self.dtype)?);
        let mut x = Dropout::apply(dropout, self.embedding_norm.add_norm(&words, &places, eps)?)?;
        for layer in &self.layers {
            let (q, k, v) = (layer.query.linear(&x, attention)?, layer.key.linear(&x, attention)?, layer.value.linear(&x, attention)?);
            let context = ops::attention(&q, &k, &v, lengths, heads)?;
            let branch = Dropout::apply(dropout, layer.attention_output.linear(&context, attention)?)?;
            x = layer.attention_norm.add_norm(&x, &branch, eps)?;
            let branch = layer.down.linear(&ops::gelu(&layer.up.linear(&x, ffn)?)?, ffn)?;
            x = layer.output_norm.add_norm(&x, &Dropout::apply(dropout, branch)?, eps)?;
        }
        Ok(x)
    }

    /// Whether the rows are the tokens of all texts, one behind the other; otherwise each text is padded to the longest. The fused
    /// operations need no padding; elsewhere the gradient of rows that were gathered from others costs more than padding does, since
    /// candle adds them up one by one.
    fn packed(&self) -> bool {
        ops::are_fused(&self.device, self.dtype)
    }

    /// Token id and position embedding of each row.
    fn packed_rows(&self, Tokens { input_ids, lengths }: &Tokens) -> candle_core::Result<(Tensor, Tensor)> {
        let positions: Vec<u32> = lengths.iter().flat_map(|&len| 0..len as u32).collect();
        let positions = Tensor::from_slice(&positions, positions.len(), &self.device)?;
        Ok((Tensor::from_slice(input_ids, input_ids.len(), &self.device)?, self.positions.index_select(&positions, 0)?))
    }

    /// The same with texts padded to the longest, by any id.
    fn padded_rows(&self, Tokens { input_ids, lengths }: &Tokens) -> candle_core::Result<(Tensor, Tensor)> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (mut ids, mut rest) = (Vec::with_capacity(lengths.len() * longest), input_ids.as_slice());
        for (text, &len) in lengths.iter().enumerate() {
            let own;
            (own, rest) = rest.split_at(len);
            ids.extend_from_slice(own);
            ids.resize((text + 1) * longest, own[0]);
        }
        let rows = ids.len();
        let positions = self.positions.narrow(0, 0, longest)?.unsqueeze(0)?;
        let positions =
            positions.broadcast_as((lengths.len(), longest, self.config.hidden_size))?.reshape((rows, self.config.hidden_size))?;
        Ok((Tensor::from_vec(ids, rows, &self.device)?, positions))
    }

    /// The rows of [`last_hidden_state`](Self::last_hidden_state), `[rows, hidden]`, to `[texts, hidden]`.
    fn pool(&self, states: &Tensor, lengths: &[usize]) -> candle_core::Result<Tensor> {
        let (texts, rows) = (lengths.len(), states.dim(0)?);
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let firsts = lengths.iter().scan(0, |first, &len| {
            let this = *first;
            *first += if self.packed() { len } else { longest };
            Some(this)
        });
        match self.pooling {
            Pooling::Cls => {
                let firsts: Vec<u32> = firsts.map(|first| first as u32).collect();
                states.index_select(&Tensor::from_vec(firsts, texts, &self.device)?, 0)?.to_dtype(DType::F32)
            }
            Pooling::Mean => {
                // A product with the averaging matrix: its cost is a fraction of a percent of the layers'.
                let mut average = vec![0.0_f32; texts * rows];
                for (text, (first, &len)) in firsts.zip(lengths).enumerate() {
                    average[text * rows + first..][..len].fill(1.0 / len as f32);
                }
                Tensor::from_vec(average, (texts, rows), &self.device)?.matmul(&states.to_dtype(DType::F32)?)
            }
        }
    }

    /// All weights as they are now, frozen ones included, by Hugging Face's names.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the device cannot be read.
    pub fn weights(&self) -> Result<BTreeMap<String, Weight>> {
        let all = self.variables.iter().map(|(name, var)| (name, var.as_tensor())).chain(self.frozen.iter().map(|(n, t)| (n, t)));
        all.map(|(name, tensor)| Ok((name.clone(), Weight { shape: tensor.dims().to_vec(), values: numbers(tensor)? }))).collect()
    }
}

fn half(vectors: &Tensor, number: usize) -> Result<Tensor> {
    let width = vectors.dim(1)? / 2;
    Ok(vectors.narrow(1, number * width, width)?.contiguous()?)
}

/// A tensor's numbers, row-major.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?)
}
