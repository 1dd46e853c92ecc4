//! The quantised product in wasm's 128-bit SIMD, which multiplies pairs of 16 bits; weights have their sign again.

use std::arch::wasm32::{i16x8_splat, i16x8_sub, i32x4_add, i32x4_dot_i16x8, i32x4_splat, u16x8_avgr, u16x8_shr, v128, v128_and};

use super::PANEL_I8;
use super::activations::Word;
use super::wasm::{Product, load, put, put_float_scales};

/// Of weights of 4 bits.
pub(super) struct Four;

/// Of weights of 8 bits.
pub(super) struct Eight;

impl Product for Four {
    const WORD: Word = Word::Pair;
    const MASK: i16 = 0x0f;
    const REGISTERS: usize = 8;

    fn unpack(values: &[[u8; 16]], scales: &[i16; PANEL_I8], mask: v128, block: &mut [[u8; 16]]) {
        let (weights, to) = block.split_at_mut(4 * values.len());
        let (lows, highs) = weights.split_at_mut(2 * values.len());
        unpack_pairs(values.iter().map(load), mask, lows);
        unpack_pairs(values.iter().map(|bytes| u16x8_shr(load(bytes), 4)), mask, highs);
        put_float_scales(scales, to.first_chunk_mut().expect("a block ends in the scales of its columns"));
    }

    fn start(_: v128) -> v128 {
        i32x4_splat(0)
    }

    fn add(sums: v128, x: v128, w: v128) -> v128 {
        i32x4_add(sums, i32x4_dot_i16x8(x, w))
    }
}

impl Product for Eight {
    const WORD: Word = Word::Pair;
    const MASK: i16 = 0xff;
    const REGISTERS: usize = 16;

    fn unpack(values: &[[u8; 16]], scales: &[i16; PANEL_I8], mask: v128, block: &mut [[u8; 16]]) {
        let (weights, to) = block.split_at_mut(2 * values.len());
        unpack_pairs(values.iter().map(load), mask, weights);
        put_float_scales(scales, to.first_chunk_mut().expect("a block ends in the scales of its columns"));
    }

    fn start(offsets: v128) -> v128 {
        Four::start(offsets)
    }

    fn add(sums: v128, x: v128, w: v128) -> v128 {
        Four::add(sums, x, w)
    }
}

/// Of each step's two registers of four bytes a column, two steps: the first and the third byte, as 16 bits, then the others.
#[inline(always)]
fn unpack_pairs(registers: impl Iterator<Item = v128>, mask: v128, to: &mut [[u8; 16]]) {
    // Half of what the mask holds and one more: 8 of 0..=15, 128 of 0..=255.
    let zero = u16x8_avgr(mask, i16x8_splat(0));
    for (i, bytes) in registers.enumerate() {
        let first = 4 * (i / 2) + i % 2;
        put(&mut to[first], i16x8_sub(v128_and(bytes, mask), zero));
        put(&mut to[first + 2], i16x8_sub(v128_and(u16x8_shr(bytes, 8), mask), zero));
    }
}
