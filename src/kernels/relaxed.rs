//! The quantised product in wasm's relaxed SIMD: dot products of signed bytes with unsigned numbers of 7 bits, for which every engine
//! gives the same. Weights are halves of 4 bits, so no sum saturates.
//!
//! What an engine makes of `i32x4.relaxed_dot_i8x16_i7x16_add_s` is one instruction where the processor has one (ARM's `sdot`, AVX-VNNI's
//! `vpdpbusd`), else `pmaddubsw` and some more. There, `pmaddubsw` alone (`i16x8.relaxed_dot_i8x16_i7x16_s`) and sums of 16 bits are
//! better.

use std::arch::wasm32::{
    i8x16_splat, i16x8_add, i16x8_relaxed_dot_i8x16_i7x16, i32x4_add, i32x4_extadd_pairwise_i16x8, i32x4_extract_lane,
    i32x4_relaxed_dot_i8x16_i7x16_add, i32x4_shl, i32x4_splat, u16x8_shr, v128, v128_and,
};

use super::gemm::store;
use super::gemm_i8::{PackedInt, Panel, Rows, Width, gemm_i8_with};
use super::wasm::{Sums, add};
use super::{BLOCK, PANEL_I8, Quantized, TILE_ROWS, simd128, wasm};

/// Whether this engine makes several instructions of the dot product of 32 bits: `pmaddubsw`, and it alone, saturates sums of pairs.
pub(super) fn prefers_pairs() -> bool {
    let (x, w) = std::hint::black_box((i8x16_splat(127), i8x16_splat(-1)));
    i32x4_extract_lane::<0>(i32x4_relaxed_dot_i8x16_i7x16_add(x, w, i32x4_splat(0))) == 2 * i32::from(i16::MAX)
}

/// By `i32x4.relaxed_dot_i8x16_i7x16_add_s`.
pub(super) fn gemm_i8_quads(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile_quads, true, x.values, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile_quads, false, x.values, x, w, bias, out),
    }
}

/// By `i16x8.relaxed_dot_i8x16_i7x16_s`.
pub(super) fn gemm_i8_pairs(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile_pairs, true, x.values, x, w, bias, out),
        // Two halves are as many products as one of 16 bits.
        Width::Eight => simd128::gemm_i8(x, w, bias, out),
    }
}

/// A call of its own, as that of [`super::simd128`].
#[inline(never)]
fn tile_quads<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i8>, w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let start = |offset| i32x4_splat(offset);
    tile::<ROWS, FOUR>(x, w, start, |sum, x, w| i32x4_relaxed_dot_i8x16_i7x16_add(x, w, sum), |sum| sum)
}

/// While a block is summed, each column has two sums of 16 bits: sixteen products of 127 · 15 at most, the offset taken away from the
/// first, stay within them.
#[inline(never)]
fn tile_pairs<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i8>, w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let start = |offset| i32x4_splat(offset & 0xffff);
    let product = |sum, x, w| i16x8_add(sum, i16x8_relaxed_dot_i8x16_i7x16(x, w));
    tile::<ROWS, FOUR>(x, w, start, product, |sum| i32x4_extadd_pairwise_i16x8(sum))
}

/// One tile, by sums that `start` at an offset, to which `product` adds those of four numbers a column, and of which `finish` makes 32
/// bits.
#[inline(always)]
fn tile<const ROWS: usize, const FOUR: bool>(
    x: &Rows<'_, i8>,
    w: &Panel<'_>,
    start: impl Fn(i32) -> v128,
    product: impl Fn(v128, v128, v128) -> v128,
    finish: impl Fn(v128) -> v128,
) -> [[f32; PANEL_I8]; ROWS] {
    // V8 would make a constant anew at each use.
    let mask = std::hint::black_box(i8x16_splat(0x0f));
    let low = |w| v128_and(w, mask);
    let high = |w| v128_and(u16x8_shr(w, 4), mask);
    wasm::tile::<_, ROWS, FOUR>(x, w, |block, offsets| {
        let mut sums: Sums<ROWS> = std::array::from_fn(|r| [start(offsets[r]); 2]);
        if FOUR {
            add(&mut sums, block, 0, low, &product);
            add(&mut sums, block, BLOCK / 2, high, &product);
            return sums.map(|sums| sums.map(&finish));
        }
        // The high halves of a byte and the low ones by themselves.
        let mut lows: Sums<ROWS> = [[i32x4_splat(0); 2]; ROWS];
        add(&mut sums, block, 0, high, &product);
        add(&mut lows, block, 0, low, &product);
        std::array::from_fn(|r| std::array::from_fn(|half| i32x4_add(i32x4_shl(finish(sums[r][half]), 4), finish(lows[r][half]))))
    })
}
