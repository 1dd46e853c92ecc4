//! Packed weights of 4 or 8 bits, and the product over them.
//!
//! Weights are stored without sign, and what that adds to a sum is taken away by where it starts ([`Quantized`]'s offsets), since the
//! instructions multiply signed bytes with unsigned ones. With `P` = [`PANEL_I8`] columns side by side (the last panel is filled up with
//! columns that nobody reads), four numbers of a column together:
//! - [`Width::Eight`]: bytes `[columns / P][k / 4][P][4]` of `w + 128`, which are `16 · (high + 8) + low` for two halves of 4 bits
//! - [`Width::Four`]: bytes `[columns / P][k / 32][4][P][4]` of `w + 8` twice: of a block, the low halves are the first 16 numbers and the
//!   high halves the others
//! - scales: `[columns / P][k / 32][P]` [`Multiple`]s of `[columns / P][P]` units

use super::activations::{Word, Words};
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

    /// The bytes of 32 weights, as GGML has them: the weights themselves, or 16 of `w + 8` twice, the low halves for the first 16 weights.
    pub fn stored(self, weights: &[i8; BLOCK]) -> Vec<u8> {
        let (first, second) = weights.split_at(BLOCK / 2);
        match self {
            Self::Four => first.iter().zip(second).map(|(low, high)| (low + 8) as u8 | ((high + 8) as u8) << 4).collect(),
            Self::Eight => weights.iter().map(|&w| w as u8).collect(),
        }
    }
}

/// A whole number of 16 bits: the scale of a block in its column's units, as the tiles take it.
#[cfg(target_arch = "x86_64")]
pub(super) type Multiple = f32;
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Multiple = i16;

/// Integer weights of a dense layer with a scale per 32, packed.
pub struct PackedInt {
    pub(super) width: Width,
    values: Vec<u8>,
    scales: Vec<Multiple>,
    units: Vec<f32>,
    columns: usize,
    pub(super) k: usize,
}

/// Scales as multiples of a unit, the largest 32,767: an integer dot product can then be scaled before it becomes a float. Gives the unit
/// and the multiples; no scale changes by more than half a unit.
pub fn integer_scales(scales: &[f32]) -> (f32, impl Iterator<Item = i16>) {
    let largest = scales.iter().fold(0.0_f32, |largest, scale| largest.max(scale.abs()));
    let unit = largest / f32::from(i16::MAX);
    // Where the unit is too small to divide by, the scales are as good as zero.
    let integer = move |scale: &f32| if unit > f32::MIN_POSITIVE { (scale / unit).round_ties_even() as i16 } else { 0 };
    (unit, scales.iter().map(integer))
}

impl PackedInt {
    /// A matrix `[columns, k]` whose columns are to be set.
    ///
    /// # Panics
    /// When `k` is no multiple of 32.
    pub fn new(width: Width, columns: usize, k: usize) -> Self {
        assert!(k.is_multiple_of(BLOCK), "PackedInt: k = {k}");
        let all = columns.next_multiple_of(PANEL_I8);
        let (values, scales) = (vec![0; width.bytes_of(all * k)], vec![Multiple::default(); all * k / BLOCK]);
        Self { width, values, scales, units: vec![0.0; all], columns, k }
    }

    /// Sets a column by the bytes of each 32 weights, as [`Width::stored`] gives them, and their scales.
    ///
    /// # Panics
    /// When there is no such column or a length does not fit.
    pub fn set_column(&mut self, column: usize, stored: impl Iterator<Item = impl AsRef<[u8]>>, scales: &[f32]) {
        let blocks = self.k / BLOCK;
        assert!(column < self.columns, "PackedInt: column {column} of {}", self.columns);
        assert_eq!(scales.len(), blocks, "PackedInt: scales");
        let (panel, at) = (column / PANEL_I8, column % PANEL_I8);
        let bytes = self.panel_bytes();
        let quads = self.values[panel * bytes..][..bytes].as_chunks_mut::<4>().0;
        // Of 4 bits they are stored without sign already.
        let sign = if self.width == Width::Eight { 0x80 } else { 0 };
        let mut set = 0;
        for (block, stored) in quads.chunks_exact_mut(self.width.bytes_of(BLOCK) / 4 * PANEL_I8).zip(stored) {
            let stored = stored.as_ref().as_chunks::<4>().0;
            assert_eq!(stored.len(), block.len() / PANEL_I8, "PackedInt: a block");
            for (i, quad) in stored.iter().enumerate() {
                block[i * PANEL_I8 + at] = quad.map(|byte| byte ^ sign);
            }
            set += 1;
        }
        assert_eq!(set, blocks, "PackedInt: blocks");

        let (unit, integers) = integer_scales(scales);
        self.units[column] = unit;
        let panel = &mut self.scales[panel * blocks * PANEL_I8..][..blocks * PANEL_I8];
        for (i, integer) in integers.enumerate() {
            #[allow(clippy::useless_conversion, reason = "a multiple is no float everywhere")]
            let integer = integer.into();
            panel[i * PANEL_I8 + at] = integer;
        }
    }

    /// How wide the integers are.
    pub const fn width(&self) -> Width {
        self.width
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
        let panels = self.values.chunks_exact(self.panel_bytes()).zip(scales).zip(self.units.as_chunks().0);
        panels.map(|((values, scales), units)| Panel { values, scales, units })
    }
}

/// The weights of [`PANEL_I8`] columns.
pub(super) struct Panel<'a> {
    pub(super) values: &'a [u8],
    pub(super) scales: &'a [[Multiple; PANEL_I8]],
    pub(super) units: &'a [f32; PANEL_I8],
}

impl Panel<'_> {
    /// Each block's words of the rows of a tile, one array a word, with its weights and their scales.
    #[inline(always)]
    pub(super) fn blocks<'a, const ROWS: usize>(
        &'a self,
        x: &'a [u32],
    ) -> impl Iterator<Item = (&'a Words<ROWS>, &'a [u8], &'a [Multiple; PANEL_I8])> {
        let values = self.values.chunks_exact(self.values.len() / self.scales.len());
        let x = x.as_chunks::<ROWS>().0.as_chunks().0;
        assert_eq!(x.len(), self.scales.len(), "gemm_i8: blocks");
        x.iter().zip(values).zip(self.scales).map(|((x, values), scales)| (x, values, scales))
    }
}

/// The fastest that this machine has.
pub(super) fn best() -> Simd {
    Simd::available().next().unwrap_or(Simd::Scalar)
}

impl Quantized {
    /// Quantises rows of numbers for their product with these weights.
    ///
    /// # Panics
    /// When the numbers are no whole rows.
    pub fn quantize(&mut self, x: &[f32], w: &PackedInt) {
        self.quantize_for(best(), x, w);
    }

    /// [`quantize`](Self::quantize) for these instructions.
    ///
    /// # Panics
    /// As [`quantize`](Self::quantize).
    pub fn quantize_for(&mut self, simd: Simd, x: &[f32], w: &PackedInt) {
        self.set(x, w.k, word(simd, w.width));
    }
}

/// What the product by these instructions takes. Two halves of 4 bits are as many products of bytes as one of 16 bits.
fn word(simd: Simd, width: Width) -> Word {
    match (simd, width) {
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        (Simd::Simd128, _) | (Simd::RelaxedPairs | Simd::RelaxedQuads, Width::Eight) => Word::Pair,
        _ => Word::Quad,
    }
}

/// The quantised product: `x` holds `[rows, k]`, quantised for these weights, and `out` is `[rows, columns]`. Only the buffer for unpacked
/// weights changes in `x`.
///
/// # Panics
/// When a length does not fit.
pub fn gemm_i8(x: &mut Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    gemm_i8_by(best(), x, w, bias, out);
}

/// [`gemm_i8`] by these instructions.
///
/// # Panics
/// Also when this machine has no such instructions, or when `x` was quantised for others.
pub fn gemm_i8_by(simd: Simd, x: &mut Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    let row_words = x.row_words(w.k);
    let rows = x.words.len() / row_words;
    assert_eq!((x.words.len(), out.len(), bias.len()), (rows * row_words, rows * w.columns, w.columns), "gemm_i8: lengths");
    assert_eq!(x.word, word(simd, w.width), "gemm_i8: activations for {simd:?}");
    match (simd, w.width) {
        #[cfg(target_arch = "x86_64")]
        (Simd::Avx512Vnni, _) => super::avx512::gemm_i8(x, w, bias, out),
        #[cfg(target_arch = "x86_64")]
        (Simd::Avx2, _) => super::avx2::gemm_i8(x, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        (Simd::RelaxedPairs, Width::Four) => super::wasm::gemm_i8::<super::relaxed::Pairs>(x, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        (Simd::RelaxedQuads, Width::Four) => super::wasm::gemm_i8::<super::relaxed::Quads>(x, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        (Simd::Simd128 | Simd::RelaxedPairs | Simd::RelaxedQuads, Width::Eight) => {
            super::wasm::gemm_i8::<super::simd128::Eight>(x, w, bias, out)
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        (Simd::Simd128, Width::Four) => super::wasm::gemm_i8::<super::simd128::Four>(x, w, bias, out),
        (Simd::Scalar, _) => gemm_i8_portable(x, w, bias, out),
        #[allow(unreachable_patterns)]
        (other, _) => panic!("gemm_i8: {other:?} is not for this machine"),
    }
}

/// Walks tiles of rows and panels of columns with a back end's `tile::<ROWS, FOUR>`, which gives the sums of one panel of weights of four
/// bits or not. A macro, since a closure would not inherit the caller's target features.
macro_rules! gemm_i8_with {
    ($tile:ident, $four:literal, $x:ident, $w:ident, $bias:ident, $out:ident) => {{
        let (row_words, columns) = ($x.row_words($w.k), $w.columns());
        for (x, out) in $x.words.chunks(TILE_ROWS * row_words).zip($out.chunks_mut(TILE_ROWS * columns)) {
            for (panel, w) in $w.panels().enumerate() {
                match x.len() / row_words {
                    1 => store(&$tile::<1, $four>(x, &w), $bias, panel, out),
                    2 => store(&$tile::<2, $four>(x, &w), $bias, panel, out),
                    3 => store(&$tile::<3, $four>(x, &w), $bias, panel, out),
                    _ => store(&$tile::<TILE_ROWS, $four>(x, &w), $bias, panel, out),
                }
            }
        }
    }};
}
#[cfg(target_arch = "x86_64")]
pub(super) use gemm_i8_with;

fn gemm_i8_portable(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile, true, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x, w, bias, out),
    }
}

fn tile<const ROWS: usize, const FOUR: bool>(x: &[u32], w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let mut sums = [[0.0_f32; PANEL_I8]; ROWS];
    for ([offsets, quads @ .., x_scales], values, scales) in w.blocks::<ROWS>(x) {
        for (r, sums) in sums.iter_mut().enumerate() {
            let quad = |step: usize| quads[step][r].to_le_bytes().map(|x| x as i8);
            let [first, second] = [offsets[r] as i16, (offsets[r] >> 16) as i16].map(i32::from);
            let mut dots = [(first + second) * if FOUR { 1 } else { 16 }; PANEL_I8];
            for (step, columns) in values.chunks_exact(4 * PANEL_I8).enumerate() {
                for (dot, w) in dots.iter_mut().zip(columns.as_chunks::<4>().0) {
                    *dot += if FOUR {
                        dot4(quad(step), w.map(|w| w & 0x0f)) + dot4(quad(quads.len() / 2 + step), w.map(|w| w >> 4))
                    } else {
                        dot4(quad(step), *w)
                    };
                }
            }
            for ((sum, dot), &w_scale) in sums.iter_mut().zip(dots).zip(scales) {
                #[allow(clippy::useless_conversion, reason = "a multiple is no integer everywhere")]
                let w_scale = f32::from(w_scale);
                *sum += dot as f32 * w_scale * f32::from_bits(x_scales[r]);
            }
        }
    }
    sums.map(|sums| std::array::from_fn(|column| sums[column] * w.units[column]))
}

#[inline(always)]
fn dot4(x: [i8; 4], w: [u8; 4]) -> i32 {
    x.iter().zip(w).map(|(&x, w)| i32::from(x) * i32::from(w)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_multiples_of_a_unit() {
        let scales: Vec<f32> = (0..48).map(|i| (i as f32 * 0.7).sin() * 10_f32.powi(i % 5 - 6)).collect();
        let (unit, integers) = integer_scales(&scales);
        let integers: Vec<i16> = integers.collect();
        assert_eq!(integers.iter().map(|i| i.unsigned_abs()).max(), Some(32_767));
        for (scale, &integer) in scales.iter().zip(&integers) {
            assert!((scale - f32::from(integer) * unit).abs() <= unit * 0.501, "{scale}: {integer} of {unit}");
        }
    }

    #[test]
    fn scales_without_a_unit_are_zero() {
        for scale in [0.0, f32::MIN_POSITIVE, -f32::from_bits(1)] {
            let (unit, integers) = integer_scales(std::slice::from_ref(&scale));
            assert!(unit.is_finite());
            assert_eq!(integers.collect::<Vec<_>>(), [0], "{scale}");
        }
    }
}
