//! The quantised product in wasm's relaxed SIMD: dot products of signed bytes with unsigned numbers of 7 bits, for which every engine
//! gives the same. Weights are halves of 4 bits, so no sum saturates.
//!
//! What an engine makes of `i32x4.relaxed_dot_i8x16_i7x16_add_s` is one instruction where the processor has one (ARM's `sdot`, AVX-VNNI's
//! `vpdpbusd`), else `pmaddubsw` and some more. There, `pmaddubsw` alone (`i16x8.relaxed_dot_i8x16_i7x16_s`) and sums of 16 bits are
//! better.

use std::arch::wasm32::{
    f32x4_convert_i32x4, i8x16_splat, i16x8_add, i16x8_relaxed_dot_i8x16_i7x16, i16x8_shuffle, i32x4_dot_i16x8,
    i32x4_extadd_pairwise_i16x8, i32x4_extract_lane, i32x4_relaxed_dot_i8x16_i7x16_add, i32x4_splat, u16x8_shr, v128, v128_and, v128_load,
};

use super::PANEL_I8;
use super::activations::Word;
use super::wasm::{Product, load, put, put_float_scales};

/// Whether this engine makes several instructions of the dot product of 32 bits: `pmaddubsw`, and it alone, saturates sums of pairs.
pub(super) fn prefers_pairs() -> bool {
    let (x, w) = std::hint::black_box((i8x16_splat(127), i8x16_splat(-1)));
    i32x4_extract_lane::<0>(i32x4_relaxed_dot_i8x16_i7x16_add(x, w, i32x4_splat(0))) == 2 * i32::from(i16::MAX)
}

/// By `i32x4.relaxed_dot_i8x16_i7x16_add_s`.
pub(super) struct Quads;

/// By `i16x8.relaxed_dot_i8x16_i7x16_s`. While a block is summed, each column has two sums of 16 bits: sixteen products of 127 · 15 at most,
/// their offset taken away, stay within them; a last multiplication of 16 bits scales them and adds them to one.
pub(super) struct Pairs;

impl Product for Quads {
    const WORD: Word = Word::Quad;
    const MASK: i16 = 0x0f0f;
    const REGISTERS: usize = 8;

    fn unpack(values: &[[u8; 16]], scales: &[i16; PANEL_I8], mask: v128, block: &mut [[u8; 16]]) {
        put_float_scales(scales, unpack_halves(values, mask, block));
    }

    fn start(offsets: v128) -> v128 {
        i32x4_extadd_pairwise_i16x8(offsets)
    }

    fn add(sums: v128, x: v128, w: v128) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(x, w, sums)
    }
}

impl Product for Pairs {
    const WORD: Word = Word::Quad;
    const MASK: i16 = 0x0f0f;
    const REGISTERS: usize = 8;

    fn unpack(values: &[[u8; 16]], scales: &[i16; PANEL_I8], mask: v128, block: &mut [[u8; 16]]) {
        let [low, high] = unpack_halves(values, mask, block);
        // SAFETY: eight numbers of 16 bits are a register.
        let scales = unsafe { v128_load(scales.as_ptr().cast()) };
        put(low, i16x8_shuffle::<0, 0, 1, 1, 2, 2, 3, 3>(scales, scales));
        put(high, i16x8_shuffle::<4, 4, 5, 5, 6, 6, 7, 7>(scales, scales));
    }

    fn start(offsets: v128) -> v128 {
        offsets
    }

    fn add(sums: v128, x: v128, w: v128) -> v128 {
        i16x8_add(sums, i16x8_relaxed_dot_i8x16_i7x16(x, w))
    }

    fn scaled(sums: v128, scales: v128) -> v128 {
        f32x4_convert_i32x4(i32x4_dot_i16x8(sums, scales))
    }
}

/// The low halves of all bytes, then the high ones. Gives where the scales belong.
#[inline(always)]
fn unpack_halves<'a>(values: &[[u8; 16]], mask: v128, block: &'a mut [[u8; 16]]) -> &'a mut [[u8; 16]; 2] {
    let (lows, rest) = block.split_at_mut(values.len());
    let (highs, scales) = rest.split_at_mut(values.len());
    for ((bytes, low), high) in values.iter().zip(lows).zip(highs) {
        let bytes = load(bytes);
        put(low, v128_and(bytes, mask));
        put(high, v128_and(u16x8_shr(bytes, 4), mask));
    }
    scales.first_chunk_mut().expect("a block ends in the scales of its columns")
}
