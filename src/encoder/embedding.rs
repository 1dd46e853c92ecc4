//! Token ids to states: word + position + token type, then layer-norm.

use crate::config::{Dtype, EncoderConfig};
use crate::error::Result;
use crate::gguf::{Gguf, dequantize, keys};
use crate::kernels::layer_norm;

use super::tensor::{Norm, finite, load_f32};

pub(super) struct Embedding {
    /// `[vocab, hidden]` as stored; rows are decoded when they are gathered.
    words: Vec<u8>,
    dtype: Dtype,
    row_bytes: usize,
    /// `[positions, hidden]`, the row of token type 0 added.
    positions: Vec<f32>,
    norm: Norm,
    eps: f32,
    hidden: usize,
}

impl Embedding {
    pub(super) fn from_gguf(gguf: &Gguf<'_>, config: &EncoderConfig) -> Result<Self> {
        let hidden = config.hidden_size;
        let words = finite(gguf, keys::TOKEN_EMBD, &[hidden, config.vocab_size])?;
        let positions = load_positions(gguf, config)?;
        Ok(Self {
            row_bytes: words.data.len() / config.vocab_size,
            words: words.data.into_owned(),
            dtype: words.dtype,
            positions,
            norm: Norm::from_gguf(gguf, keys::TOKEN_EMBD_NORM, hidden)?,
            eps: config.layer_norm_eps,
            hidden,
        })
    }

    /// Fills `out` with `[tokens, hidden]`. Ids and lengths have been checked.
    pub(super) fn forward(&self, input_ids: &[u32], lengths: &[usize], out: &mut Vec<f32>) {
        out.resize(input_ids.len() * self.hidden, 0.0);
        let positions = lengths.iter().flat_map(|&len| self.positions.chunks_exact(self.hidden).take(len));
        for ((&id, position), row) in input_ids.iter().zip(positions).zip(out.chunks_exact_mut(self.hidden)) {
            dequantize(self.dtype, &self.words[id as usize * self.row_bytes..][..self.row_bytes], row);
            for (x, position) in row.iter_mut().zip(position) {
                *x += position;
            }
            layer_norm(row, &self.norm.gamma, &self.norm.beta, self.eps);
        }
    }
}

/// `[positions, hidden]`, the row of token type 0 added.
pub(crate) fn load_positions(gguf: &Gguf<'_>, config: &EncoderConfig) -> Result<Vec<f32>> {
    let hidden = config.hidden_size;
    let mut positions = load_f32(gguf, keys::POSITION_EMBD, &[hidden, config.max_position_embeddings])?;
    let types = load_f32(gguf, keys::TOKEN_TYPES, &[hidden, config.type_vocab_size])?;
    for row in positions.chunks_exact_mut(hidden) {
        for (x, kind) in row.iter_mut().zip(&types) {
            *x += kind;
        }
    }
    Ok(positions)
}
