//! What is done on x86-64 with AVX2, chosen at run time.

use std::arch::x86_64::{
    __m128i, _mm_loadu_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_loadu_ps,
    _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_epi32, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_ps,
};

use super::attention::{AttentionScratch, attention_portable};
use super::elementwise::gelu_portable;
use super::gemm::{PackedI8, gemm_f32_portable, gemm_i8_with, store};
use super::{BLOCK, PANEL_I8, TILE_ROWS};

/// Whether this processor has AVX2 (the standard library caches the answer).
pub(super) fn available() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

pub(super) fn gemm_i8(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX2 is there.
    unsafe { gemm_i8_avx2(x, x_scales, w, bias, out) }
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

/// As [`gemm_f32_avx2`]; the same for [`attention_avx2`].
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
unsafe fn gemm_i8_avx2(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    gemm_i8_with!(tile, x, x_scales, w, bias, out);
}

/// The columns that two registers hold.
const COLUMNS: usize = 16;

/// The panel in two halves: a row's sixteen columns take two registers, and a pair of activations is broadcast over them.
#[target_feature(enable = "avx2")]
#[inline]
fn tile<const ROWS: usize>(x: &[i16], k: usize, values: &[i8], scales: &[f32]) -> [[f32; PANEL_I8]; ROWS] {
    assert!(x.len() >= ROWS * k && values.len() == k * PANEL_I8 && scales.len() == k / BLOCK * PANEL_I8);
    let mut rows = [[0.0; PANEL_I8]; ROWS];
    for first in (0..PANEL_I8).step_by(COLUMNS) {
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for block in 0..k / BLOCK {
            let mut dots = [[_mm256_setzero_si256(); 2]; ROWS];
            for pair in block * (BLOCK / 2)..(block + 1) * (BLOCK / 2) {
                // SAFETY: pair < k / 2 and first + 16 <= 32, so both loads of sixteen bytes end within `values`: the assertion says that it
                // is k * 32 long.
                let w = unsafe {
                    let at = values.as_ptr().add((pair * PANEL_I8 + first) * 2).cast::<__m128i>();
                    [_mm256_cvtepi8_epi16(_mm_loadu_si128(at)), _mm256_cvtepi8_epi16(_mm_loadu_si128(at.add(1)))]
                };
                for (r, dots) in dots.iter_mut().enumerate() {
                    // SAFETY: r < ROWS and pair < k / 2, so the two numbers lie within `x`.
                    let x = _mm256_set1_epi32(unsafe { x.as_ptr().add(r * k + 2 * pair).cast::<i32>().read_unaligned() });
                    for (dot, w) in dots.iter_mut().zip(w) {
                        *dot = _mm256_add_epi32(*dot, _mm256_madd_epi16(x, w));
                    }
                }
            }
            // SAFETY: block < k / 32 and first + 16 <= 32, so sixteen scales lie there.
            let scale = unsafe {
                let at = scales.as_ptr().add(block * PANEL_I8 + first);
                [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(COLUMNS / 2))]
            };
            for (sums, dots) in sums.iter_mut().zip(dots) {
                for ((sum, dot), scale) in sums.iter_mut().zip(dots).zip(scale) {
                    *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtepi32_ps(dot), scale));
                }
            }
        }
        for (row, [low, high]) in rows.iter_mut().zip(sums) {
            // SAFETY: first + 16 <= 32, so both registers find room in the row.
            unsafe {
                let at = row.as_mut_ptr().add(first);
                _mm256_storeu_ps(at, low);
                _mm256_storeu_ps(at.add(COLUMNS / 2), high);
            }
        }
    }
    rows
}
