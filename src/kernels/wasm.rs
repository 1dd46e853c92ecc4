//! What the quantised products in wasm's 128-bit SIMD have in common. A panel is unpacked once for a few tiles, into the order in which a
//! tile reads it: a browser's code is as fast as it has few instructions, and shifts, masks and addresses would be a third of them.

use std::arch::wasm32::{
    f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane, f32x4_mul, f32x4_splat, i8x16_narrow_i16x8, i16x8_add, i16x8_extadd_pairwise_i8x16,
    i16x8_narrow_i32x4, i16x8_neg, i16x8_shl, i16x8_shuffle, i16x8_splat, i32x4_extend_high_i16x8, i32x4_extend_low_i16x8, i32x4_max,
    i32x4_shuffle, i32x4_splat, i32x4_sub, u32x4_extract_lane, v128, v128_and, v128_load, v128_load32_splat, v128_store,
};

use super::activations::{ROUND, Word, scale_and_inverse};
use super::gemm_i8::{PackedInt, Panel};
use super::{BLOCK, PANEL_I8, Quantized, TILE_ROWS};

/// Rows that an unpacked panel serves. Unpacking takes as long as the products of three; of 16 rows, 384 x 1536, the products of a large batch
/// take 182 µs with 16, 172 with 32 and 167 with 64 (Chromium 156).
const UNPACKED_ROWS: usize = 16 * TILE_ROWS;
/// Bytes of a panel's step, and of its scales: four for each column, in two registers.
const STEP_BYTES: usize = 4 * PANEL_I8;

/// How a product is made of words of activations and steps of weights.
pub(super) trait Product {
    const WORD: Word;

    /// In each 16 bits, where a weight is.
    const MASK: i16;

    /// Registers of a block's packed weights.
    const REGISTERS: usize;

    /// Writes a block's weights, two registers for each word, and behind them the two that [`scaled`](Self::scaled) takes as scales.
    fn unpack(values: &[[u8; 16]], scales: &[i16; PANEL_I8], mask: v128, block: &mut [[u8; 16]]);

    /// Where the sums start, of a row's offsets.
    fn start(offsets: v128) -> v128;

    /// Adds the products of a word, broadcast, and a step's weights.
    fn add(sums: v128, x: v128, w: v128) -> v128;

    /// The sums of a block, as floats, times the scales of four columns.
    fn scaled(sums: v128, scales: v128) -> v128 {
        f32x4_mul(f32x4_convert_i32x4(sums), scales)
    }
}

pub(super) fn gemm_i8<P: Product>(x: &mut Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    let (row_words, columns, blocks) = (x.row_words(w.k), w.columns(), w.k / BLOCK);
    let Quantized { words, panel: unpacked, .. } = x;
    unpacked.resize(blocks * (P::WORD.steps() + 1) * STEP_BYTES, 0);
    // Hidden: a loop that LLVM unrolls has its products in the order of their sums, and V8 has 15 registers; and a constant that V8 knows
    // is made anew at each use.
    let (steps, mask) = std::hint::black_box((P::WORD.steps(), i16x8_splat(P::MASK)));
    for (words, out) in words.chunks(UNPACKED_ROWS * row_words).zip(out.chunks_mut(UNPACKED_ROWS * columns)) {
        for (panel, w) in w.panels().enumerate() {
            unpack::<P>(&w, mask, unpacked);
            let first = panel * PANEL_I8;
            let bias = std::array::from_fn(|i| bias.get(first + i).copied().unwrap_or_default());
            let tile_of = |x: &[u32], out: &mut [f32], stride| match x.len() / row_words {
                1 => tile::<P, 1>(x, unpacked, blocks, steps, (w.units, &bias), out, stride),
                2 => tile::<P, 2>(x, unpacked, blocks, steps, (w.units, &bias), out, stride),
                3 => tile::<P, 3>(x, unpacked, blocks, steps, (w.units, &bias), out, stride),
                _ => tile::<P, TILE_ROWS>(x, unpacked, blocks, steps, (w.units, &bias), out, stride),
            };
            for (x, out) in words.chunks(TILE_ROWS * row_words).zip(out.chunks_mut(TILE_ROWS * columns)) {
                if first + PANEL_I8 <= columns {
                    tile_of(x, &mut out[first..], columns);
                    continue;
                }
                let mut whole = [[0.0; PANEL_I8]; TILE_ROWS];
                tile_of(x, whole.as_flattened_mut(), PANEL_I8);
                for (out, row) in out.chunks_exact_mut(columns).zip(&whole) {
                    out[first..].copy_from_slice(&row[..columns - first]);
                }
            }
        }
    }
}

/// A call of its own, as [`tile`].
#[inline(never)]
fn unpack<P: Product>(w: &Panel<'_>, mask: v128, unpacked: &mut [u8]) {
    let values = w.values.as_chunks().0.chunks_exact(P::REGISTERS);
    let blocks = unpacked.as_chunks_mut().0.chunks_exact_mut(2 * (P::WORD.steps() + 1));
    for ((values, scales), block) in values.zip(w.scales).zip(blocks) {
        P::unpack(values, scales, mask, block);
    }
}

/// One tile, in units, with the bias. A call of its own: a browser swaps its first, slow code of a function for the optimised one at a call,
/// and never within a loop; the first text waits for that.
#[inline(never)]
fn tile<P: Product, const ROWS: usize>(
    x: &[u32],
    w: &[u8],
    blocks: usize,
    steps: usize,
    (units, bias): (&[f32; PANEL_I8], &[f32; PANEL_I8]),
    out: &mut [f32],
    stride: usize,
) {
    assert!(steps == P::WORD.steps() && x.len() == blocks * (steps + 2) * ROWS && w.len() == blocks * (steps + 1) * STEP_BYTES);
    assert!(out.len() >= (ROWS - 1) * stride + PANEL_I8);
    let mut sums = [[f32x4_splat(0.0); 2]; ROWS];
    let (mut x, mut w) = (x.as_ptr(), w.as_ptr());
    for _ in 0..blocks {
        // SAFETY: of each row a block has offsets, a word a step and a scale, and of the panel a step of bytes for each word and one of
        // scales: the lengths have been asserted. Wasm loads need no alignment.
        unsafe {
            let mut dots: [[v128; 2]; ROWS] = std::array::from_fn(|r| [P::start(v128_load32_splat(x.add(r))); 2]);
            x = x.add(ROWS);
            for _ in 0..steps {
                let (a, b) = (v128_load(w.cast()), v128_load(w.add(STEP_BYTES / 2).cast()));
                for (r, [low, high]) in dots.iter_mut().enumerate() {
                    let x = v128_load32_splat(x.add(r));
                    *low = P::add(*low, x, a);
                    *high = P::add(*high, x, b);
                }
                w = w.add(STEP_BYTES);
                x = x.add(ROWS);
            }
            let scales = [v128_load(w.cast()), v128_load(w.add(STEP_BYTES / 2).cast())];
            for (r, (sums, dots)) in sums.iter_mut().zip(dots).enumerate() {
                let x_scale = v128_load32_splat(x.add(r));
                for ((sum, dot), scales) in sums.iter_mut().zip(dots).zip(scales) {
                    *sum = f32x4_add(*sum, f32x4_mul(P::scaled(dot, scales), x_scale));
                }
            }
            w = w.add(STEP_BYTES);
            x = x.add(ROWS);
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            let at = half * PANEL_I8 / 2;
            // SAFETY: the units and the bias of a half are four numbers, and so many have room in the row: the length has been asserted.
            unsafe {
                let (unit, bias) = (v128_load(units.as_ptr().add(at).cast()), v128_load(bias.as_ptr().add(at).cast()));
                v128_store(out.as_mut_ptr().add(r * stride + at).cast(), f32x4_add(f32x4_mul(sum, unit), bias));
            }
        }
    }
}

/// Quantises blocks into words of either kind.
pub(super) fn quantize(x: &[f32], k: usize, out: &mut Quantized) {
    let (word, row_words) = (out.word, out.row_words(k));
    for (x, words) in x.chunks(TILE_ROWS * k).zip(out.words.chunks_mut(TILE_ROWS * row_words)) {
        let rows = x.len() / k;
        for (row, x) in x.chunks_exact(k).enumerate() {
            quantize_row(x, word, rows, &mut words[row..]);
        }
    }
}

/// A row, into words of which those of its tile's other rows lie between. A call of its own, as [`tile`].
#[inline(never)]
fn quantize_row(x: &[f32], word: Word, rows: usize, words: &mut [u32]) {
    // What `quantize_block` does, and why, by hand: of it, LLVM makes shuffles.
    let (magnitude, round) = std::hint::black_box((i32x4_splat(i32::MAX), f32x4_splat(ROUND)));
    for (x, words) in x.as_chunks::<BLOCK>().0.iter().zip(words.chunks_mut(rows * word.block_words())) {
        // SAFETY: a block is eight registers.
        let x: [v128; BLOCK / 4] = std::array::from_fn(|i| unsafe { v128_load(x.as_ptr().add(4 * i).cast()) });
        let largest = x.iter().map(|&x| v128_and(x, magnitude)).fold(i32x4_splat(0), |a, b| i32x4_max(a, b));
        let largest = i32x4_max(largest, i32x4_shuffle::<2, 3, 0, 1>(largest, largest));
        let largest = i32x4_max(largest, i32x4_shuffle::<1, 0, 3, 2>(largest, largest));
        let (scale, inverse) = scale_and_inverse(f32x4_extract_lane::<0>(largest));
        let inverse = f32x4_splat(inverse);
        let integers = x.map(|x| i32x4_sub(f32x4_add(f32x4_mul(x, inverse), round), round));
        let pairs: [v128; BLOCK / 8] = std::array::from_fn(|i| i16x8_narrow_i32x4(integers[2 * i], integers[2 * i + 1]));
        let numbers = &mut words[rows..];
        match word {
            Word::Quad => {
                let [low, high] = [i8x16_narrow_i16x8(pairs[0], pairs[1]), i8x16_narrow_i16x8(pairs[2], pairs[3])];
                let sums = i16x8_add(i16x8_extadd_pairwise_i8x16(low), i16x8_extadd_pairwise_i8x16(high));
                let sums = i16x8_add(sums, i32x4_shuffle::<2, 3, 0, 1>(sums, sums));
                let sums = i16x8_add(sums, i32x4_shuffle::<1, 0, 3, 2>(sums, sums));
                scatter(&[low, high], rows, numbers);
                words[0] = u32x4_extract_lane::<0>(i16x8_neg(i16x8_shl(sums, 3)));
            }
            Word::Pair => {
                scatter(&pairs.map(|pairs| i16x8_shuffle::<0, 2, 1, 3, 4, 6, 5, 7>(pairs, pairs)), rows, numbers);
            }
        }
        words[(1 + word.steps()) * rows] = scale.to_bits();
    }
}

/// Writes the words of the registers, so many apart.
#[inline(always)]
fn scatter(registers: &[v128], rows: usize, words: &mut [u32]) {
    for (i, &register) in registers.iter().enumerate() {
        words[4 * i * rows] = u32x4_extract_lane::<0>(register);
        words[(4 * i + 1) * rows] = u32x4_extract_lane::<1>(register);
        words[(4 * i + 2) * rows] = u32x4_extract_lane::<2>(register);
        words[(4 * i + 3) * rows] = u32x4_extract_lane::<3>(register);
    }
}

/// Sixteen bytes of packed weights.
#[inline(always)]
pub(super) fn load(bytes: &[u8; 16]) -> v128 {
    // SAFETY: sixteen bytes are a register.
    unsafe { v128_load(bytes.as_ptr().cast()) }
}

#[inline(always)]
pub(super) fn put(bytes: &mut [u8; 16], register: v128) {
    // SAFETY: sixteen bytes are a register.
    unsafe { v128_store(bytes.as_mut_ptr().cast(), register) };
}

/// Scales of eight columns, as floats, into the two registers behind a block's weights.
#[inline(always)]
pub(super) fn put_float_scales(scales: &[i16; PANEL_I8], [low, high]: &mut [[u8; 16]; 2]) {
    // SAFETY: eight numbers of 16 bits are a register.
    let scales = unsafe { v128_load(scales.as_ptr().cast()) };
    put(low, f32x4_convert_i32x4(i32x4_extend_low_i16x8(scales)));
    put(high, f32x4_convert_i32x4(i32x4_extend_high_i16x8(scales)));
}
