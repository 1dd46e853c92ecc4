//! One encoder layer: self-attention and feed-forward, each with a residual and a layer-norm behind it.

use std::sync::Arc;

use crate::config::EncoderConfig;
use crate::encoder::tensor::load_f32;
use crate::error::Result;
use crate::gguf::{Gguf, keys};

use super::context::{Buffer, Context, Dispatch, Pipeline};
use super::linear::{Finish, Linear, Operands, Product};
use super::matrix::Stored;
use super::workspace::{States, Step};
use super::{Products, ops};

pub(super) struct Layer {
    qkv: Linear,
    attention: Arc<Pipeline>,
    attention_output: Linear,
    attention_norm: Buffer,
    up: Linear,
    down: Linear,
    output_norm: Buffer,
    norm: Arc<Pipeline>,
    head_groups: u32,
}

impl Layer {
    pub(super) fn from_gguf(context: &Context, gguf: &Gguf<'_>, config: &EncoderConfig, index: usize, products: Products) -> Result<Self> {
        use keys::layer::{ATTN_K, ATTN_OUTPUT, ATTN_OUTPUT_NORM, ATTN_Q, ATTN_V, FFN_DOWN, FFN_UP, LAYER_OUTPUT_NORM};
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let linear = |names: &[&str], inputs, outputs, finish| -> Result<Linear> {
            let mut bias = Vec::new();
            let mut tensors = Vec::new();
            for name in names {
                tensors.push(gguf.tensor(&format!("blk.{index}.{name}.weight"), &[inputs, outputs])?);
                bias.extend(load_f32(gguf, &format!("blk.{index}.{name}.bias"), &[outputs])?);
            }
            Ok(Linear::new(context, &Stored::from_tensors(&tensors)?, &bias, inputs, finish, products))
        };
        let load_norm = |name| ops::load_norm(context, gguf, &format!("blk.{index}.{name}"), hidden);
        Ok(Self {
            qkv: linear(&[ATTN_Q, ATTN_K, ATTN_V], hidden, hidden, Finish::None)?,
            attention: ops::attention(context, config),
            attention_output: linear(&[ATTN_OUTPUT], hidden, hidden, Finish::Residual)?,
            attention_norm: load_norm(ATTN_OUTPUT_NORM)?,
            up: linear(&[FFN_UP], hidden, intermediate, Finish::Gelu)?,
            down: linear(&[FFN_DOWN], intermediate, hidden, Finish::Residual)?,
            output_norm: load_norm(LAYER_OUTPUT_NORM)?,
            norm: ops::norm(context, config),
            head_groups: ops::head_groups(config),
        })
    }

    /// The layer over these buffers of at most `tokens`: it replaces `states.hidden` by its output.
    pub(super) fn bind(&self, context: &Context, tasks: &Buffer, states: &States, tokens: usize) -> BoundLayer {
        let States { hidden, qkv, context: attended, projected, intermediate, bytes } = states;
        let bind = |linear: &Linear, x, y| linear.bind(context, &Operands { x, residual: hidden, y, bytes }, tokens);
        BoundLayer {
            qkv: bind(&self.qkv, hidden, qkv),
            attention: context.dispatch(&self.attention, &[qkv, tasks, attended]),
            attention_output: bind(&self.attention_output, attended, projected),
            attention_norm: context.dispatch(&self.norm, &[projected, &self.attention_norm, hidden]),
            up: bind(&self.up, hidden, intermediate),
            down: bind(&self.down, intermediate, projected),
            output_norm: context.dispatch(&self.norm, &[projected, &self.output_norm, hidden]),
            head_groups: self.head_groups,
        }
    }
}

pub(super) struct BoundLayer {
    qkv: Product,
    attention: Dispatch,
    attention_output: Product,
    attention_norm: Dispatch,
    up: Product,
    down: Product,
    output_norm: Dispatch,
    head_groups: u32,
}

impl BoundLayer {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, tokens: usize, tasks: usize, step: Step) {
        if step.includes(Step::Qkv) {
            self.qkv.record(pass, tokens);
        }
        if step.includes(Step::Attention) {
            self.attention.record(pass, tasks as u32, self.head_groups);
        }
        if step.includes(Step::AttentionOutput) {
            self.attention_output.record(pass, tokens);
        }
        if step.includes(Step::Norm) {
            self.attention_norm.record(pass, tokens as u32, 1);
        }
        if step.includes(Step::Up) {
            self.up.record(pass, tokens);
        }
        if step.includes(Step::Down) {
            self.down.record(pass, tokens);
        }
        if step == Step::All {
            self.output_norm.record(pass, tokens as u32, 1);
        }
    }
}
