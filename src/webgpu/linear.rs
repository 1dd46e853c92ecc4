//! A dense layer, `y = x Wᵀ + b`, with what follows it.

use std::sync::Arc;

use super::context::{Buffer, Context, Dispatch, Pipeline, Slot};
use super::matrix::{Matrix, Stored};
use super::{Products, ops, shader};

/// Rows of all activations are a multiple of it, so that no tile reads or writes beyond them.
pub(super) const ROWS: usize = 128;

/// How a product is cut up: what a workgroup makes of `y`, in what steps over the inputs, and what a thread makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    m: usize,
    n: usize,
    k: usize,
    thread_m: usize,
    thread_n: usize,
    form: Form,
}

/// Which shader has a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Loop,
    /// The steps over `k` are written out: faster, and longer to compile.
    Unrolled,
    /// That, with the products of a step added in f16.
    Half,
    /// No workgroup memory.
    Bare,
    /// Bytes on both sides; the steps over `k` are words, and written out.
    Packed,
}

impl Tile {
    /// For many rows. Of all tiles that were tried on an H100 it came nearest to the peak: 57 %, and 62 % with f16 (`benches/webgpu.rs`).
    pub(super) const LARGE: Self = Self { m: 128, n: 64, k: 16, thread_m: 8, thread_n: 8, form: Form::Unrolled };
    pub(super) const LARGE_F16: Self = Self { form: Form::Half, ..Self::LARGE };
    pub(super) const LARGE_PACKED: Self = Self { k: 8, form: Form::Packed, ..Self::LARGE };
    /// For few rows: more workgroups.
    pub(super) const SMALL: Self = Self { m: 32, n: 32, k: 16, thread_m: 4, thread_n: 4, form: Form::Loop };
    pub(super) const SMALL_PACKED: Self = Self { k: 8, form: Form::Packed, ..Self::SMALL };
    /// For what stands in for a GPU: there it is ten times as fast (SwiftShader), and large tiles compile longer than they ever win.
    pub(super) const BARE: Self = Self { m: 8, n: 32, k: 4, thread_m: 8, thread_n: 8, form: Form::Bare };

    /// The tile for few rows, and where there may be many that for those.
    fn choose(context: &Context, products: Products, rows: usize) -> (Self, Option<Self>) {
        let many = rows >= MANY && !context.is_software();
        match products {
            Products::F32 | Products::F16 if context.is_software() => (Self::BARE, None),
            Products::F32 => (Self::SMALL, many.then_some(Self::LARGE)),
            Products::F16 => (Self::SMALL, many.then_some(Self::LARGE_F16)),
            Products::Packed => (Self::SMALL_PACKED, many.then_some(Self::LARGE_PACKED)),
        }
    }
}

/// From so many rows on, large tiles are faster (there too).
const MANY: usize = 2048;

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
    products: Products,
    inputs: usize,
    outputs: usize,
    finish: Finish,
}

/// What a dense layer works on.
pub(super) struct Operands<'a> {
    /// `[rows, inputs]`
    pub(super) x: &'a Buffer,
    /// `[rows, outputs]`
    pub(super) residual: &'a Buffer,
    /// `[rows, outputs]`
    pub(super) y: &'a Buffer,
    /// Room for `x` in bytes, where products are of such.
    pub(super) bytes: &'a Matrix,
}

impl Linear {
    /// Weights that are not stored in whole numbers are multiplied as floats, whatever `products` says.
    pub(super) fn new(context: &Context, weights: &Stored, bias: &[f32], inputs: usize, finish: Finish, products: Products) -> Self {
        let outputs = bias.len();
        Self {
            weights: weights.upload(context, "weights", 0, outputs.next_multiple_of(ROWS), inputs),
            bias: context.upload("bias", bias),
            reader: weights.reader(),
            products: if weights.is_quantized() || products != Products::Packed { products } else { Products::of_floats(context) },
            inputs,
            outputs,
            finish,
        }
    }

    /// The layer over buffers of at most `rows`.
    pub(super) fn bind(&self, context: &Context, operands: &Operands<'_>, rows: usize) -> Product {
        let (few, many) = Tile::choose(context, self.products, rows);
        let cut = |tile| self.cut(context, operands, tile);
        Product { few: cut(few), many: many.map(cut) }
    }

    /// The layer in such tiles.
    pub(super) fn cut(&self, context: &Context, operands: &Operands<'_>, tile: Tile) -> Cut {
        let Operands { x, residual, y, bytes } = *operands;
        let packed = tile.form == Form::Packed;
        let quantize = packed.then(|| context.dispatch(&ops::quantize(context), &[x, &bytes.words, &bytes.scales]));
        let mut buffers = vec![if packed { &bytes.words } else { x }, &self.weights.words, &self.weights.scales, &self.bias, residual, y];
        buffers.extend(packed.then_some(&bytes.scales));
        let product = context.dispatch(&self.pipeline(context, tile), &buffers);
        Cut { tile, quantize, product, inputs: self.inputs, outputs: self.outputs }
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
        const F32: &str = "alias real = f32;";
        let (enable, real, product) = match tile.form {
            Form::Loop => ("", F32, shader::LINEAR.to_owned()),
            Form::Unrolled => ("", F32, shader::unroll(shader::LINEAR, tile.k)),
            Form::Half => ("enable f16;\n", "alias real = f16;", shader::unroll_half(tile.k)),
            Form::Bare => ("", "", shader::LINEAR_BARE.to_owned()),
            Form::Packed => ("requires packed_4x8_integer_dot_product;\n", "", shader::unroll(shader::LINEAR_PACKED, tile.k)),
        };
        let source = enable.to_owned() + &shader::compose(&constants, &[real, self.reader, shader::DENSE, finish, &product]);
        let slots = [Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Write, Slot::Read];
        context.pipeline("linear", source, if tile.form == Form::Packed { &slots } else { &slots[..6] })
    }
}

/// A dense layer with its buffers, cut up in two ways.
pub(super) struct Product {
    few: Cut,
    many: Option<Cut>,
}

impl Product {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, rows: usize) {
        match &self.many {
            Some(many) if rows >= MANY => many.record(pass, rows),
            _ => self.few.record(pass, rows),
        }
    }
}

/// A dense layer with its buffers.
pub(super) struct Cut {
    tile: Tile,
    quantize: Option<Dispatch>,
    product: Dispatch,
    inputs: usize,
    outputs: usize,
}

impl Cut {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, rows: usize) {
        if let Some(quantize) = &self.quantize {
            quantize.record(pass, ops::quantize_groups(rows, self.inputs), 1);
        }
        self.product.record(pass, self.outputs.div_ceil(self.tile.n) as u32, rows.div_ceil(self.tile.m) as u32);
    }
}
