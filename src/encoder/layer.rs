//! One encoder layer: self-attention and feed-forward, each with a residual and a layer-norm behind it.

use crate::config::EncoderConfig;
use crate::error::Result;
use crate::gguf::{Gguf, keys};
use crate::kernels::{add_layer_norm, attention, gelu};

use super::linear::Linear;
use super::tensor::Norm;
use super::{Arithmetic, Scratch};

pub(super) struct Layer {
    qkv: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
    heads: usize,
    head_dim: usize,
    eps: f32,
}

impl Layer {
    pub(super) fn from_gguf(gguf: &Gguf<'_>, config: &EncoderConfig, index: usize, arithmetic: Arithmetic) -> Result<Self> {
        use keys::layer::{ATTN_K, ATTN_OUTPUT, ATTN_OUTPUT_NORM, ATTN_Q, ATTN_V, FFN_DOWN, FFN_UP, LAYER_OUTPUT_NORM};
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let linear = |names: &[&str], inputs, outputs| {
            let names: Vec<String> = names.iter().map(|name| format!("blk.{index}.{name}")).collect();
            Linear::from_gguf(gguf, &names, inputs, outputs, arithmetic)
        };
        let norm = |name| Norm::from_gguf(gguf, &format!("blk.{index}.{name}"), hidden);
        Ok(Self {
            qkv: linear(&[ATTN_Q, ATTN_K, ATTN_V], hidden, hidden)?,
            attention_output: linear(&[ATTN_OUTPUT], hidden, hidden)?,
            attention_norm: norm(ATTN_OUTPUT_NORM)?,
            up: linear(&[FFN_UP], hidden, intermediate)?,
            down: linear(&[FFN_DOWN], intermediate, hidden)?,
            output_norm: norm(LAYER_OUTPUT_NORM)?,
            heads: config.num_attention_heads,
            head_dim: config.head_dim(),
            eps: config.layer_norm_eps,
        })
    }

    /// Replaces `scratch.hidden` by this layer's output.
    pub(super) fn forward(&self, lengths: &[usize], scratch: &mut Scratch) {
        let hidden = self.heads * self.head_dim;
        let Scratch { hidden: states, qkv, context, projected, intermediate, quantized, attention: buffers } = scratch;

        self.qkv.forward(states, quantized, qkv);
        context.resize(states.len(), 0.0);
        let mut first = 0;
        for &len in lengths {
            let (tokens, last) = (first * hidden, (first + len) * hidden);
            attention(&qkv[3 * tokens..3 * last], self.heads, self.head_dim, buffers, &mut context[tokens..last]);
            first += len;
        }
        self.attention_output.forward(context, quantized, projected);
        self.add_and_norm(states, projected, &self.attention_norm);

        self.up.forward(states, quantized, intermediate);
        gelu(intermediate);
        self.down.forward(intermediate, quantized, projected);
        self.add_and_norm(states, projected, &self.output_norm);
    }

    fn add_and_norm(&self, states: &mut [f32], branch: &[f32], norm: &Norm) {
        let hidden = self.heads * self.head_dim;
        for (row, branch) in states.chunks_exact_mut(hidden).zip(branch.chunks_exact(hidden)) {
            add_layer_norm(row, branch, &norm.gamma, &norm.beta, self.eps);
        }
    }
}
