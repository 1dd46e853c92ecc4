//! What is done on x86-64 with AVX2, chosen at run time.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi16, _mm256_storeu_ps,
};

use super::attention::{AttentionScratch, attention_portable};
use super::elementwise::gelu_portable;
use super::gemm::{gemm_f32_portable, store};
use super::gemm_i8::{PackedInt, Panel, Rows, Width, gemm_i8_with};
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

pub(super) fn quantize(x: &[f32], out: &mut Quantized) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { quantize_avx2(x, out) }
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
unsafe fn quantize_avx2(x: &[f32], out: &mut Quantized) {
    out.quantize_portable(x);
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
        Width::Four => gemm_i8_with!(tile, true, x.values, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x.values, x, w, bias, out),
    }
}

/// Two registers hold sixteen columns of a row. While a block is summed, each column has two sums of 16 bits: sixteen products of
/// 127 · 15 at most, the offset taken away, stay within them.
type Sums<const ROWS: usize> = [[__m256i; 2]; ROWS];

/// The columns of [`Sums`].
const COLUMNS: usize = 16;

/// The panel in two halves, which leaves registers for the sums of four rows.
#[target_feature(enable = "avx2")]
#[inline]
fn tile<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i8>, w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let blocks = w.blocks::<_, ROWS, FOUR>(x);
    let mut rows = [[0.0; PANEL_I8]; ROWS];
    for first in (0..PANEL_I8).step_by(COLUMNS) {
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for (block, scales) in w.scales.iter().enumerate() {
            let dots = dots::<ROWS, FOUR>(x, w, blocks, block, first);
            let scales = &scales[first..first + COLUMNS];
            // SAFETY: there are sixteen scales.
            let w_scales = unsafe { [_mm256_loadu_ps(scales.as_ptr()), _mm256_loadu_ps(scales.as_ptr().add(COLUMNS / 2))] };
            for (r, (sums, dots)) in sums.iter_mut().zip(dots).enumerate() {
                let x_scale = _mm256_set1_ps(x.scales[r * blocks + block]);
                for ((sum, dot), w_scale) in sums.iter_mut().zip(dots).zip(w_scales) {
                    *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(w_scale, x_scale)));
                }
            }
        }
        for (row, [low, high]) in rows.iter_mut().zip(sums) {
            let row = &mut row[first..first + COLUMNS];
            // SAFETY: there is room for both registers.
            unsafe {
                _mm256_storeu_ps(row.as_mut_ptr(), low);
                _mm256_storeu_ps(row.as_mut_ptr().add(COLUMNS / 2), high);
            }
        }
    }
    rows
}

/// The dot products of one block: of weights of 8 bits, those of the high halves and of the low halves by themselves.
#[target_feature(enable = "avx2")]
#[inline]
fn dots<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i8>, w: &Panel<'_>, blocks: usize, block: usize, first: usize) -> Sums<ROWS> {
    let steps = BLOCK / if FOUR { 8 } else { 4 };
    let (mask, ones) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(1));
    let bytes = |step: usize| {
        assert!(step < steps && first + COLUMNS <= PANEL_I8);
        // SAFETY: a step is 32 columns of four bytes, and a block has so many steps: `Panel::blocks` asserts it.
        unsafe {
            let at = w.values.as_ptr().add(((block * steps + step) * PANEL_I8 + first) * 4).cast::<__m256i>();
            [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]
        }
    };
    let low = |w| _mm256_and_si256(w, mask);
    let high = |w| _mm256_and_si256(_mm256_srli_epi16::<4>(w), mask);
    // The offset in the first of a column's two sums.
    let mut sums: Sums<ROWS> = std::array::from_fn(|r| [_mm256_set1_epi32(x.offsets[r * blocks + block] & 0xffff); 2]);
    if FOUR {
        for step in 0..steps {
            let ([a, b], at) = (bytes(step), block * BLOCK + 4 * step);
            add(&mut sums, x, blocks, at, [low(a), low(b)]);
            add(&mut sums, x, blocks, at + BLOCK / 2, [high(a), high(b)]);
        }
        for sum in sums.as_flattened_mut() {
            *sum = _mm256_madd_epi16(*sum, ones);
        }
        return sums;
    }
    let mut lows: Sums<ROWS> = [[_mm256_setzero_si256(); 2]; ROWS];
    for step in 0..steps {
        let [a, b] = bytes(step);
        add(&mut sums, x, blocks, block * BLOCK + 4 * step, [high(a), high(b)]);
    }
    for step in 0..steps {
        let [a, b] = bytes(step);
        add(&mut lows, x, blocks, block * BLOCK + 4 * step, [low(a), low(b)]);
    }
    for (sum, &low) in sums.as_flattened_mut().iter_mut().zip(lows.as_flattened()) {
        *sum = _mm256_add_epi32(_mm256_slli_epi32::<4>(_mm256_madd_epi16(*sum, ones)), _mm256_madd_epi16(low, ones));
    }
    sums
}

/// Adds the products of four numbers of each row, broadcast over the columns.
#[target_feature(enable = "avx2")]
#[inline]
fn add<const ROWS: usize>(sums: &mut Sums<ROWS>, x: &Rows<'_, i8>, blocks: usize, at: usize, w: [__m256i; 2]) {
    for (r, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the four numbers lie within a block of a row that is there: `Panel::blocks` asserts it.
        let x = _mm256_set1_epi32(unsafe { x.values.as_ptr().add(r * blocks * BLOCK + at).cast::<i32>().read_unaligned() });
        for (sum, w) in sums.iter_mut().zip(w) {
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(w, x));
        }
    }
}
