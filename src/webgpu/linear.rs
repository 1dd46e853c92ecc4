//! A dense layer, `y = x Wᵀ + b`, with what follows it.

use std::sync::Arc;

use super::context::{Buffer, Context, Dispatch, Pipeline, Slot};
use super::matrix::{Matrix, Stored};
use super::shader;

/// Rows of all activations are a multiple of it, so that no tile reads or writes beyond them.
pub(super) const ROWS: usize = 128;

/// How a product is cut up: what a workgroup makes of `y`, in what steps over the inputs, and what a thread makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    m: usize,
    n: usize,
    k: usize,
    thread_m: usize,
    thread_n: usize,
    /// Whether the steps over `k` are written out: faster, and longer to compile.
    unroll: bool,
    /// Whether the products of a step are added in f16.
    half: bool,
}

impl Tile {
    /// For many rows. Of all tiles that were tried on an H100 it came nearest to the peak: 57 %, and 62 % with f16 (`benches/webgpu.rs`).
    pub(super) const LARGE: Self = Self { m: 128, n: 64, k: 16, thread_m: 8, thread_n: 8, unroll: true, half: false };
    /// The same where the device has f16.
    pub(super) const LARGE_F16: Self = Self { half: true, ..Self::LARGE };
    /// For few rows: more workgroups.
    const SMALL: Self = Self { m: 32, n: 32, k: 16, thread_m: 4, thread_n: 4, unroll: false, half: false };

    /// The tile for as many as `rows`, where they are many. What stands in for a GPU compiles it longer than it ever wins by it.
    pub(super) fn large(context: &Context, rows: usize) -> Option<Self> {
        let tile = if context.has_f16() { Self::LARGE_F16 } else { Self::LARGE };
        (rows >= LARGE_FROM && !context.is_software()).then_some(tile)
    }
}

/// From so many rows on, large tiles are faster (there too).
const LARGE_FROM: usize = 2048;

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
    reader: &'static str,
    inputs: usize,
    outputs: usize,
    finish: Finish,
}

impl Linear {
    pub(super) fn new(context: &Context, weights: &Stored, bias: &[f32], inputs: usize, finish: Finish) -> Self {
        let outputs = bias.len();
        Self {
            weights: weights.upload(context, "weights", 0, outputs.next_multiple_of(ROWS), inputs),
            bias: context.upload("bias", bias),
            reader: weights.reader(),
            inputs,
            outputs,
            finish,
        }
    }

    /// `x` is `[rows, inputs]`, `residual` and `y` are `[rows, outputs]`; `large` is the tile for many rows, where there may be many.
    pub(super) fn bind(&self, context: &Context, x: &Buffer, residual: &Buffer, y: &Buffer, large: Option<Tile>) -> Product {
        let buffers = [x, &self.weights.words, &self.weights.scales, &self.bias, residual, y];
        let bind = |tile| context.dispatch(&self.pipeline(context, tile), &buffers);
        Product { large: large.map(bind), small: bind(Tile::SMALL), outputs: self.outputs }
    }

    fn pipeline(&self, context: &Context, tile: Tile) -> Arc<Pipeline> {
        let constants = [
            ("INPUTS", self.inputs),
            ("OUTPUTS", self.outputs),
            ("TILE_M", tile.m),
            ("TILE_N", tile.n),
            ("TILE_K", tile.k),
            ("THREAD_M", tile.thread_m),
            ("THREAD_N", tile.thread_n),
        ];
        let finish = match self.finish {
            Finish::None => shader::FINISH_NONE,
            Finish::Gelu => shader::FINISH_GELU,
            Finish::Residual => shader::FINISH_RESIDUAL,
        };
        let linear = if tile.unroll { shader::linear(tile.k, tile.half) } else { shader::LINEAR.to_owned() };
        let (enable, real) = if tile.half { ("enable f16;\n", "alias real = f16;") } else { ("", "alias real = f32;") };
        let source = enable.to_owned() + &shader::compose(&constants, &[real, self.reader, finish, &linear]);
        context.pipeline("linear", source, &[Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Write])
    }
}

/// A dense layer with its buffers.
pub(super) struct Product {
    large: Option<Dispatch>,
    small: Dispatch,
    outputs: usize,
}

impl Product {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, rows: usize) {
        let (dispatch, tile) = match &self.large {
            Some(large) if rows >= LARGE_FROM => (large, Tile::LARGE),
            _ => (&self.small, Tile::SMALL),
        };
        dispatch.record(pass, self.outputs.div_ceil(tile.n) as u32, rows.div_ceil(tile.m) as u32);
    }
}
