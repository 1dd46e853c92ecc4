//! What is done to token states besides products: embedding, layer-norm, attention, pooling. Each knows its shader and its workgroups.

use std::sync::Arc;

use crate::config::{Dtype, EncoderConfig, Pooling};
use crate::encoder::embedding::load_positions;
use crate::encoder::tensor::load_f32;
use crate::error::Result;
use crate::gguf::{Gguf, keys};

use super::context::{Buffer, Context, Dispatch, Pipeline, Slot};
use super::linear::ROWS;
use super::matrix::{Matrix, Stored};
use super::shader::{self, compose};

/// Threads that share a row.
const ROW_THREADS: usize = 32;
/// Threads that share a text's pooled vector.
const POOL_THREADS: usize = 64;
/// Tokens of one text that a workgroup of the attention has as queries.
pub(super) const QUERIES: usize = 16;
/// Numbers of a key that such a workgroup keeps: with 16 keys and values, 16 KiB.
const KEY_WIDTH: usize = 128;

/// Word embeddings, in as many parts as the adapter's buffers need, with positions and layer-norm.
pub(super) struct Embedding {
    parts: Vec<(Matrix, Buffer)>,
    positions: Buffer,
    norm: Buffer,
    pipeline: Arc<Pipeline>,
}

impl Embedding {
    pub(super) fn from_gguf(context: &Context, gguf: &Gguf<'_>, config: &EncoderConfig) -> Result<Self> {
        let hidden = config.hidden_size;
        let words = Stored::from_tensors(&[gguf.tensor(keys::TOKEN_EMBD, &[hidden, config.vocab_size])?])?;
        let rows = words.rows_in(context.max_binding_bytes(), hidden).min(config.vocab_size);
        let parts = (0..config.vocab_size).step_by(rows).map(|first| {
            let rows = rows.min(config.vocab_size - first);
            (words.upload(context, "words", first, rows, hidden), context.upload("part", &[first as u32, rows as u32, 0, 0]))
        });
        let constants = [("HIDDEN", hidden), ("THREADS", ROW_THREADS)];
        let source = compose(&constants, &[&eps(config), words.reader(), shader::SUM, shader::LAYER_NORM, shader::EMBEDDING]);
        let slots = [Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Write, Slot::Uniform];
        Ok(Self {
            parts: parts.collect(),
            positions: context.upload("positions", &load_positions(gguf, config)?),
            norm: load_norm(context, gguf, keys::TOKEN_EMBD_NORM, hidden)?,
            pipeline: context.pipeline("embedding", source, &slots),
        })
    }

    /// `tokens` is `[tokens, 2]`, id and position; `states` is `[tokens, hidden]`. A dispatch a part, each of a workgroup a token.
    pub(super) fn bind(&self, context: &Context, tokens: &Buffer, states: &Buffer) -> Vec<Dispatch> {
        let bind = |(words, part): &(Matrix, Buffer)| {
            let buffers = [tokens, &words.words, &words.scales, &self.positions, &self.norm, states, part];
            context.dispatch(&self.pipeline, &buffers)
        };
        self.parts.iter().map(bind).collect()
    }
}

fn eps(config: &EncoderConfig) -> String {
    format!("const EPS = {:e}f;", config.layer_norm_eps)
}

/// Weight and bias of a layer-norm, one behind the other.
pub(super) fn load_norm(context: &Context, gguf: &Gguf<'_>, name: &str, hidden: usize) -> Result<Buffer> {
    let mut norm = load_f32(gguf, &format!("{name}.weight"), &[hidden])?;
    norm.extend(load_f32(gguf, &format!("{name}.bias"), &[hidden])?);
    Ok(context.upload("norm", &norm))
}

/// Layer-norm of `[tokens, hidden]`: a workgroup a row.
pub(super) fn norm(context: &Context, config: &EncoderConfig) -> Arc<Pipeline> {
    let constants = [("HIDDEN", config.hidden_size), ("THREADS", ROW_THREADS)];
    let source = compose(&constants, &[&eps(config), shader::SUM, shader::LAYER_NORM, shader::NORM]);
    context.pipeline("norm", source, &[Slot::Read, Slot::Read, Slot::Write])
}

/// Attention within each text: workgroups are [tasks](QUERIES) by [groups](head_groups) of heads.
pub(super) fn attention(context: &Context, config: &EncoderConfig) -> Arc<Pipeline> {
    let head_dim = config.head_dim();
    let constants = [
        ("HEADS", config.num_attention_heads),
        ("HEAD_DIM", head_dim),
        ("GROUP", KEY_WIDTH / head_dim),
        ("QUERIES", QUERIES),
        ("KEYS", 16),
    ];
    context.pipeline("attention", compose(&constants, &[shader::ATTENTION]), &[Slot::Read, Slot::Read, Slot::Write])
}

/// Heads that one workgroup serves together, as workgroups.
pub(super) const fn head_groups(config: &EncoderConfig) -> u32 {
    config.num_attention_heads.div_ceil(KEY_WIDTH / config.head_dim()) as u32
}

/// Rows of a dense layer's input as bytes with a scale per 32: a thread a block.
pub(super) fn quantize(context: &Context) -> Arc<Pipeline> {
    context.pipeline("quantize", compose(&[("THREADS", ROWS)], &[shader::QUANTIZE]), &[Slot::Read, Slot::Write, Slot::Write])
}

/// Workgroups for `rows`: so many threads as rows are a multiple of need no end within one.
pub(super) const fn quantize_groups(rows: usize, inputs: usize) -> u32 {
    (rows.div_ceil(ROWS) * (inputs / Dtype::Q8_0.block_len())) as u32
}

/// Whether the shaders have this shape: the reason where they do not.
pub(super) fn refuse(config: &EncoderConfig) -> Option<String> {
    let EncoderConfig { hidden_size, intermediate_size, .. } = *config;
    let head_dim = config.head_dim();
    if !hidden_size.is_multiple_of(32) || !intermediate_size.is_multiple_of(32) {
        return Some(format!("sizes {hidden_size} and {intermediate_size}; on the GPU both must be multiples of 32"));
    }
    let fits = head_dim.is_multiple_of(4) && head_dim <= KEY_WIDTH;
    (!fits).then(|| format!("heads of {head_dim}; on the GPU their size must be a multiple of 4 up to {KEY_WIDTH}"))
}

/// Token states to vectors: a workgroup a text.
pub(super) fn pool(context: &Context, config: &EncoderConfig, pooling: Pooling) -> Arc<Pipeline> {
    let cls = usize::from(pooling == Pooling::Cls);
    let constants = [("HIDDEN", config.hidden_size), ("THREADS", POOL_THREADS), ("CLS", cls)];
    let source = compose(&constants, &[shader::SUM, shader::POOLING]);
    context.pipeline("pooling", source, &[Slot::Read, Slot::Read, Slot::Write, Slot::Uniform])
}
