//! What is done on x86-64 with AVX2, chosen at run time.

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_epi16, _mm_cvtsi128_si32, _mm_max_epi32, _mm_setzero_si128, _mm_shuffle_epi32, _mm_slli_epi16, _mm_sub_epi16,
    _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_si128, _mm256_cvtepi32_ps,
    _mm256_cvtps_epi32, _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_max_epi32, _mm256_mul_ps, _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permutevar8x32_epi32, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srli_epi16, _mm256_storeu_ps, _mm256_storeu_si256,
};

use super::activations::scale_and_inverse;
use super::attention::{AttentionScratch, attention_portable};
use super::elementwise::gelu_portable;
use super::gemm::{gemm_f32_portable, store};
use super::gemm_i8::{PackedInt, Panel, Width, gemm_i8_with};
use super::{BLOCK, PANEL_I8, Quantized, TILE_ROWS};

/// Whether this processor has AVX2 (the standard library caches the answer).
pub(super) fn available() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

pub(super) fn gemm_i8(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { gemm_i8_avx2(x, w, bias, out) }
}

pub(super) fn quantize(x: &[f32], k: usize, out: &mut Quantized) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { quantize_avx2(x, k, out) }
}

pub(super) fn gemm_f32(x: &[f32], w: &[f32], k: usize, bias: &[f32], out: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { gemm_f32_avx2(x, w, k, bias, out) }
}

pub(super) fn gelu(row: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { gelu_avx2(row) }
}

pub(super) fn attention(qkv: &[f32], heads: usize, head_dim: usize, scratch: &mut AttentionScratch, out: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { attention_avx2(qkv, heads, head_dim, scratch, out) }
}

/// As [`gemm_f32_avx2`]; the same for [`attention_avx2`] and [`quantize_avx2`].
///
/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2")]
unsafe fn gelu_avx2(row: &mut [f32]) {
    gelu_portable(row);
}

/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2")]
unsafe fn attention_avx2(qkv: &[f32], heads: usize, head_dim: usize, scratch: &mut AttentionScratch, out: &mut [f32]) {
    attention_portable(qkv, heads, head_dim, scratch, out);
}

/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2")]
unsafe fn quantize_avx2(x: &[f32], k: usize, out: &mut Quantized) {
    out.quantize_tiles(x, k, |x| {
        // SAFETY: a block is four registers.
        let x: [__m256; 4] = unsafe { [0, 8, 16, 24].map(|at| _mm256_loadu_ps(x.as_ptr().add(at))) };
        quantize_block(x)
    });
}

/// What the portable one does, with the rounding that conversion has.
#[target_feature(enable = "avx2")]
#[inline]
fn quantize_block([a, b, c, d]: [__m256; 4]) -> ([u32; BLOCK / 4], u32, f32) {
    let magnitude = |x| _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MAX));
    // Magnitudes are in the order of their bits.
    let largest = _mm256_max_epi32(_mm256_max_epi32(magnitude(a), magnitude(b)), _mm256_max_epi32(magnitude(c), magnitude(d)));
    let largest = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256::<1>(largest));
    let largest = _mm_max_epi32(largest, _mm_shuffle_epi32::<0b01_00_11_10>(largest));
    let largest = _mm_max_epi32(largest, _mm_shuffle_epi32::<0b10_11_00_01>(largest));
    let (scale, inverse) = scale_and_inverse(f32::from_bits(_mm_cvtsi128_si32(largest) as u32));
    let inverse = _mm256_set1_ps(inverse);
    let integers = |x| _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
    let bytes = _mm256_packs_epi16(_mm256_packs_epi32(integers(a), integers(b)), _mm256_packs_epi32(integers(c), integers(d)));
    // Packing goes by halves of 128 bits: the quads came out as 0, 2, 4, 6 and 1, 3, 5, 7.
    let bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    let sums = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    let sums = _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sums = _mm_add_epi16(sums, _mm_shuffle_epi32::<0b01_00_11_10>(sums));
    let sums = _mm_add_epi16(sums, _mm_shuffle_epi32::<0b10_11_00_01>(sums));
    let offsets = _mm_sub_epi16(_mm_setzero_si128(), _mm_slli_epi16::<3>(sums));
    let mut words = [0; BLOCK / 4];
    // SAFETY: eight words are a register.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), bytes) };
    (words, _mm_cvtsi128_si32(offsets) as u32, scale)
}

/// The portable product, compiled for 256-bit registers; without fused multiply-add, so that its bits are those of every machine.
///
/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2")]
unsafe fn gemm_f32_avx2(x: &[f32], w: &[f32], k: usize, bias: &[f32], out: &mut [f32]) {
    gemm_f32_portable(x, w, k, bias, out);
}

/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2")]
unsafe fn gemm_i8_avx2(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile, true, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x, w, bias, out),
    }
}

/// Two registers hold sixteen columns of a row. While a block is summed, each column has two sums of 16 bits: sixteen products of
/// 127 · 15 at most, their offset taken away, stay within them.
type Sums<const ROWS: usize> = [[__m256i; 2]; ROWS];

/// The columns of [`Sums`].
const COLUMNS: usize = 16;

/// The panel in two halves, which leaves registers for the sums of four rows.
#[target_feature(enable = "avx2")]
#[inline]
fn tile<const ROWS: usize, const FOUR: bool>(x: &[u32], w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let mut rows = [[0.0; PANEL_I8]; ROWS];
    for first in (0..PANEL_I8).step_by(COLUMNS) {
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for ([offsets, quads @ .., x_scales], values, scales) in w.blocks::<ROWS>(x) {
            let dots = dots::<ROWS, FOUR>(offsets, quads, values, first);
            let w_scales = halves(scales, first);
            for ((sums, dots), &x_scale) in sums.iter_mut().zip(dots).zip(x_scales) {
                let x_scale = _mm256_set1_ps(f32::from_bits(x_scale));
                for ((sum, dot), w_scale) in sums.iter_mut().zip(dots).zip(w_scales) {
                    *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(dot), w_scale), x_scale));
                }
            }
        }
        let units = halves(w.units, first);
        for (row, [low, high]) in rows.iter_mut().zip(sums) {
            let row = &mut row[first..first + COLUMNS];
            // SAFETY: there is room for both registers.
            unsafe {
                _mm256_storeu_ps(row.as_mut_ptr(), _mm256_mul_ps(low, units[0]));
                _mm256_storeu_ps(row.as_mut_ptr().add(COLUMNS / 2), _mm256_mul_ps(high, units[1]));
            }
        }
    }
    rows
}

/// A float for each of [`COLUMNS`], from the first one on.
#[target_feature(enable = "avx2")]
#[inline]
fn halves(floats: &[f32; PANEL_I8], first: usize) -> [__m256; 2] {
    let floats = &floats[first..first + COLUMNS];
    // SAFETY: they are two registers.
    unsafe { [_mm256_loadu_ps(floats.as_ptr()), _mm256_loadu_ps(floats.as_ptr().add(COLUMNS / 2))] }
}

/// The dot products of one block: of weights of 8 bits, those of the high halves and of the low halves by themselves.
#[target_feature(enable = "avx2")]
#[inline]
fn dots<const ROWS: usize, const FOUR: bool>(offsets: &[u32; ROWS], quads: &[[u32; ROWS]], w: &[u8], first: usize) -> Sums<ROWS> {
    let steps = BLOCK / if FOUR { 8 } else { 4 };
    let (mask, ones) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(1));
    let bytes = |step: usize| {
        let w = &w[(step * PANEL_I8 + first) * 4..][..4 * COLUMNS];
        // SAFETY: they are 64 bytes.
        unsafe {
            let at = w.as_ptr().cast::<__m256i>();
            [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]
        }
    };
    let low = |w| _mm256_and_si256(w, mask);
    let high = |w| _mm256_and_si256(_mm256_srli_epi16::<4>(w), mask);
    let mut sums: Sums<ROWS> = std::array::from_fn(|r| [_mm256_set1_epi32(offsets[r] as i32); 2]);
    if FOUR {
        for step in 0..steps {
            let [a, b] = bytes(step);
            add(&mut sums, &quads[step], [low(a), low(b)]);
            add(&mut sums, &quads[steps + step], [high(a), high(b)]);
        }
        for sum in sums.as_flattened_mut() {
            *sum = _mm256_madd_epi16(*sum, ones);
        }
        return sums;
    }
    let mut lows: Sums<ROWS> = [[_mm256_setzero_si256(); 2]; ROWS];
    for (step, quads) in quads.iter().enumerate() {
        let [a, b] = bytes(step);
        add(&mut sums, quads, [high(a), high(b)]);
    }
    for (step, quads) in quads.iter().enumerate() {
        let [a, b] = bytes(step);
        add(&mut lows, quads, [low(a), low(b)]);
    }
    for (sum, &low) in sums.as_flattened_mut().iter_mut().zip(lows.as_flattened()) {
        *sum = _mm256_add_epi32(_mm256_slli_epi32::<4>(_mm256_madd_epi16(*sum, ones)), _mm256_madd_epi16(low, ones));
    }
    sums
}

/// Adds the products of four numbers of each row, broadcast over the columns.
#[target_feature(enable = "avx2")]
#[inline]
fn add<const ROWS: usize>(sums: &mut Sums<ROWS>, x: &[u32; ROWS], w: [__m256i; 2]) {
    for (sums, &x) in sums.iter_mut().zip(x) {
        let x = _mm256_set1_epi32(x as i32);
        for (sum, w) in sums.iter_mut().zip(w) {
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(w, x));
        }
    }
}
