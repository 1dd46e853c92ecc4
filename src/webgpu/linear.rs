//! A dense layer, `y = x Wᵀ + b`, with what follows it.

use std::sync::Arc;

use super::context::{Buffer, Context, Dispatch, Pipeline, Slot};
use super::matrix::{Matrix, Stored};
use super::shader;

/// Rows of all activations are a multiple of it, so that no tile reads or writes beyond them.
pub(super) const ROWS: usize = 128;

/// How a product is cut up: what a workgroup makes of `y`, in what steps over the inputs, and what a thread makes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tile {
    m: usize,
    n: usize,
    k: usize,
    thread_m: usize,
    thread_n: usize,
}

impl Tile {
    /// For many rows: the fewest loads a multiplication.
    const LARGE: Self = Self { m: 128, n: 128, k: 16, thread_m: 8, thread_n: 8 };
    /// For few rows: more workgroups.
    const SMALL: Self = Self { m: 32, n: 32, k: 16, thread_m: 4, thread_n: 4 };
}

/// From so many rows on, large tiles are used.
const LARGE_FROM: usize = 1024;

/// What is done to a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    None,
    Gelu,
    /// The layer's own input is added.
    Residual,
}

pub(super) struct Linear {
    weights: Matrix,
    bias: Buffer,
    outputs: usize,
    large: Arc<Pipeline>,
    small: Arc<Pipeline>,
}

impl Linear {
    pub(super) fn new(context: &Context, weights: &Stored, bias: &[f32], inputs: usize, finish: Finish) -> Self {
        let outputs = bias.len();
        Self {
            large: pipeline(context, weights, inputs, outputs, finish, Tile::LARGE),
            small: pipeline(context, weights, inputs, outputs, finish, Tile::SMALL),
            weights: weights.upload(context, "weights", 0, outputs.next_multiple_of(Tile::LARGE.n), inputs),
            bias: context.upload("bias", bias),
            outputs,
        }
    }

    /// `x` is `[rows, inputs]`, `residual` and `y` are `[rows, outputs]`.
    pub(super) fn bind(&self, context: &Context, x: &Buffer, residual: &Buffer, y: &Buffer) -> Product {
        let buffers = [x, &self.weights.words, &self.weights.scales, &self.bias, residual, y];
        Product {
            large: context.dispatch(&self.large, &buffers),
            small: context.dispatch(&self.small, &buffers),
            outputs: self.outputs,
        }
    }
}

fn pipeline(context: &Context, weights: &Stored, inputs: usize, outputs: usize, finish: Finish, tile: Tile) -> Arc<Pipeline> {
    let constants = [
        ("INPUTS", inputs),
        ("OUTPUTS", outputs),
        ("TILE_M", tile.m),
        ("TILE_N", tile.n),
        ("TILE_K", tile.k),
        ("THREAD_M", tile.thread_m),
        ("THREAD_N", tile.thread_n),
    ];
    let finish = match finish {
        Finish::None => shader::FINISH_NONE,
        Finish::Gelu => shader::FINISH_GELU,
        Finish::Residual => shader::FINISH_RESIDUAL,
    };
    let source = shader::compose(&constants, &[weights.reader(), finish, shader::LINEAR]);
    context.pipeline("linear", source, &[Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Write])
}

/// A dense layer with its buffers.
pub(super) struct Product {
    large: Dispatch,
    small: Dispatch,
    outputs: usize,
}

impl Product {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, rows: usize) {
        let (dispatch, tile) = if rows >= LARGE_FROM { (&self.large, Tile::LARGE) } else { (&self.small, Tile::SMALL) };
        dispatch.record(pass, self.outputs.div_ceil(tile.n) as u32, rows.div_ceil(tile.m) as u32);
    }
}
