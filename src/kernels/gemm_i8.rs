//! Packed weights of 4 or 8 bits, and the product over them.
//!
//! Weights are stored without sign, and what that adds to a sum is taken away by where it starts ([`Quantized`]'s offsets), since the
//! instructions multiply signed bytes with unsigned ones. With `P` = [`PANEL_I8`] columns side by side (the last panel is filled up with
//! columns that nobody reads), four numbers of a column together:
//! - [`Width::Eight`]: bytes `[columns / P][k / 4][P][4]` of `w + 128`, which are `16 · (high + 8) + low` for two halves of 4 bits
//! - [`Width::Four`]: bytes `[columns / P][k / 32][4][P][4]` of `w + 8` twice: of a block, the low halves are the first 16 numbers and the
//!   high halves the others
//! - scales: `[columns / P][k / 32][P]`

use super::gemm::store;
use super::{BLOCK, PANEL_I8, Quantized, Simd, TILE_ROWS};

/// How wide the integers of packed weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// -8..=7
    Four,
    /// -128..=127
    Eight,
}

impl Width {
    const fn bytes_of(self, weights: usize) -> usize {
        match self {
            Self::Four => weights / 2,
            Self::Eight => weights,
        }
    }
}

/// Integer weights of a dense layer with a scale per 32, packed.
pub struct PackedInt {
    pub(super) width: Width,
    values: Vec<u8>,
    scales: Vec<f32>,
    columns: usize,
    pub(super) k: usize,
}

impl PackedInt {
    /// A matrix `[columns, k]` whose columns are to be set.
    ///
    /// # Panics
    /// When `k` is no multiple of 32.
    pub fn new(width: Width, columns: usize, k: usize) -> Self {
        assert!(k.is_multiple_of(BLOCK), "PackedInt: k = {k}");
        let weights = columns.next_multiple_of(PANEL_I8) * k;
        Self { width, values: vec![0; width.bytes_of(weights)], scales: vec![0.0; weights / BLOCK], columns, k }
    }

    /// Sets a column: `k` weights within [`Width`], of which no more bits are kept, and a scale for each 32. A call of its own: a browser
    /// swaps its first, slow code of a function for the optimised one at a call, and never within a loop.
    ///
    /// # Panics
    /// When there is no such column or a length does not fit.
    #[inline(never)]
    pub fn set_column(&mut self, column: usize, weights: &[i8], scales: &[f32]) {
        assert!(column < self.columns, "PackedInt: column {column} of {}", self.columns);
        assert_eq!((weights.len(), scales.len()), (self.k, self.k / BLOCK), "PackedInt: lengths");
        let (panel, at) = (column / PANEL_I8, column % PANEL_I8);
        let bytes = self.panel_bytes();
        let quads = self.values[panel * bytes..][..bytes].as_chunks_mut::<4>().0.iter_mut().skip(at).step_by(PANEL_I8);
        match self.width {
            Width::Eight => {
                for (quad, w) in quads.zip(weights.as_chunks::<4>().0) {
                    *quad = w.map(|w| w as u8 ^ 0x80);
                }
            }
            Width::Four => {
                let pairs = weights.as_chunks::<BLOCK>().0.iter().flat_map(|block| {
                    let (first, second) = block.split_at(BLOCK / 2);
                    first.as_chunks::<4>().0.iter().zip(second.as_chunks::<4>().0)
                });
                for (quad, (low, high)) in quads.zip(pairs) {
                    *quad = std::array::from_fn(|i| (low[i] as u8 ^ 0x08) & 0x0f | (high[i] as u8 ^ 0x08) << 4);
                }
            }
        }
        let blocks = self.k / BLOCK;
        let panel = &mut self.scales[panel * blocks * PANEL_I8..][..blocks * PANEL_I8];
        for (to, &scale) in panel.iter_mut().skip(at).step_by(PANEL_I8).zip(scales) {
            *to = scale;
        }
    }

    /// Number of outputs.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    const fn panel_bytes(&self) -> usize {
        self.width.bytes_of(self.k * PANEL_I8)
    }

    pub(super) fn panels(&self) -> impl Iterator<Item = Panel<'_>> {
        let scales = self.scales.as_chunks().0.chunks_exact(self.k / BLOCK);
        self.values.chunks_exact(self.panel_bytes()).zip(scales).map(|(values, scales)| Panel { values, scales })
    }
}

/// Up to [`TILE_ROWS`] rows of activations, as one tile takes them.
pub(super) struct Rows<'a, T> {
    pub(super) values: &'a [T],
    pub(super) scales: &'a [f32],
    pub(super) offsets: &'a [i32],
}

/// The weights of [`PANEL_I8`] columns.
pub(super) struct Panel<'a> {
    pub(super) values: &'a [u8],
    pub(super) scales: &'a [[f32; PANEL_I8]],
}

impl Panel<'_> {
    /// The number of blocks; what the loads of a tile rely on is asserted.
    #[inline(always)]
    pub(super) fn blocks<T, const ROWS: usize, const FOUR: bool>(&self, x: &Rows<'_, T>) -> usize {
        let blocks = self.scales.len();
        let bytes = blocks * BLOCK * PANEL_I8 / if FOUR { 2 } else { 1 };
        assert!(self.values.len() == bytes && x.values.len() >= ROWS * blocks * BLOCK);
        assert!(x.scales.len() >= ROWS * blocks && x.offsets.len() >= ROWS * blocks);
        blocks
    }
}

/// The fastest that this machine has.
pub(super) fn best() -> Simd {
    Simd::available().next().unwrap_or(Simd::Scalar)
}

/// The quantised product: `x` is `[rows, k]`, `out` is `[rows, columns]`.
///
/// # Panics
/// When a length does not fit.
pub fn gemm_i8(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    gemm_i8_by(best(), x, w, bias, out);
}

/// [`gemm_i8`] by these instructions.
///
/// # Panics
/// Also when this machine has no such instructions.
pub fn gemm_i8_by(simd: Simd, x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    let rows = x.values.len() / w.k;
    assert_eq!((x.values.len(), out.len(), bias.len()), (rows * w.k, rows * w.columns, w.columns), "gemm_i8: lengths");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512Vnni => super::avx512::gemm_i8(x, w, bias, out),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => super::avx2::gemm_i8(x, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Simd::RelaxedPairs => super::relaxed::gemm_i8_pairs(x, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Simd::RelaxedQuads => super::relaxed::gemm_i8_quads(x, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Simd::Simd128 => super::simd128::gemm_i8(x, w, bias, out),
        Simd::Scalar => gemm_i8_portable(x, w, bias, out),
        #[allow(unreachable_patterns)]
        other => panic!("gemm_i8: {other:?} is not for this machine"),
    }
}

/// Walks tiles of rows and panels of columns with a back end's `tile::<ROWS, FOUR>`, which gives the sums of one panel of weights of four
/// bits or not. A macro, since a closure would not inherit the caller's target features.
macro_rules! gemm_i8_with {
    ($tile:ident, $four:literal, $values:expr, $x:ident, $w:ident, $bias:ident, $out:ident) => {{
        let (k, columns, blocks) = ($w.k, $w.columns(), $w.k / BLOCK);
        let scales = $x.scales.chunks(TILE_ROWS * blocks).zip($x.offsets.chunks(TILE_ROWS * blocks));
        let tiles = $values.chunks(TILE_ROWS * k).zip(scales).zip($out.chunks_mut(TILE_ROWS * columns));
        for ((values, (scales, offsets)), out) in tiles {
            let x = Rows { values, scales, offsets };
            for (panel, w) in $w.panels().enumerate() {
                match x.values.len() / k {
                    1 => store(&$tile::<1, $four>(&x, &w), $bias, panel, out),
                    2 => store(&$tile::<2, $four>(&x, &w), $bias, panel, out),
                    3 => store(&$tile::<3, $four>(&x, &w), $bias, panel, out),
                    _ => store(&$tile::<TILE_ROWS, $four>(&x, &w), $bias, panel, out),
                }
            }
        }
    }};
}
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use gemm_i8_with;

fn gemm_i8_portable(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile, true, x.values, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x.values, x, w, bias, out),
    }
}

fn tile<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i8>, w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let blocks = w.blocks::<_, ROWS, FOUR>(x);
    let mut sums = [[0.0_f32; PANEL_I8]; ROWS];
    for (block, (values, scales)) in w.values.chunks_exact(w.values.len() / blocks).zip(w.scales).enumerate() {
        for (r, sums) in sums.iter_mut().enumerate() {
            let at = r * blocks + block;
            let x_block = &x.values[at * BLOCK..][..BLOCK];
            let mut dots = [x.offsets[at] * if FOUR { 1 } else { 16 }; PANEL_I8];
            for (step, quads) in values.chunks_exact(4 * PANEL_I8).enumerate() {
                for (dot, quad) in dots.iter_mut().zip(quads.as_chunks::<4>().0) {
                    let at = |first| &x_block[first + 4 * step..][..4];
                    *dot += if FOUR {
                        dot4(at(0), quad.map(|w| w & 0x0f)) + dot4(at(BLOCK / 2), quad.map(|w| w >> 4))
                    } else {
                        dot4(at(0), *quad)
                    };
                }
            }
            for ((sum, dot), scale) in sums.iter_mut().zip(dots).zip(scales) {
                *sum += dot as f32 * (scale * x.scales[at]);
            }
        }
    }
    sums
}

#[inline(always)]
fn dot4(x: &[i8], w: [u8; 4]) -> i32 {
    x.iter().zip(w).map(|(&x, w)| i32::from(x) * i32::from(w)).sum()
}
