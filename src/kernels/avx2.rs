//! The products on x86-64 with AVX2, chosen at run time.

use std::arch::x86_64::{
    __m128i, _mm_loadu_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_loadu_ps,
    _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_epi32, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_ps,
};

use super::gemm::{PackedI8, gemm_f32_portable, gemm_i8_with, store};
use super::{BLOCK, PANEL, TILE_ROWS};

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

/// One register holds a row's eight columns; a pair of activations is broadcast over them.
#[target_feature(enable = "avx2")]
#[inline]
fn tile<const ROWS: usize>(x: &[i16], k: usize, values: &[i8], scales: &[f32]) -> [[f32; PANEL]; ROWS] {
    assert!(x.len() >= ROWS * k && values.len() == k * PANEL && scales.len() == k / BLOCK * PANEL);
    let mut sums = [_mm256_setzero_ps(); ROWS];
    for block in 0..k / BLOCK {
        let mut dots = [_mm256_setzero_si256(); ROWS];
        for pair in block * (BLOCK / 2)..(block + 1) * (BLOCK / 2) {
            // SAFETY: pair < k / 2, so sixteen bytes lie there: the assertion says that `values` is k * 8 long.
            let w = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(values.as_ptr().add(pair * 2 * PANEL).cast::<__m128i>()) });
            for (r, dot) in dots.iter_mut().enumerate() {
                // SAFETY: r < ROWS and pair < k / 2, so the two numbers lie within `x`.
                let x = unsafe { x.as_ptr().add(r * k + 2 * pair).cast::<i32>().read_unaligned() };
                *dot = _mm256_add_epi32(*dot, _mm256_madd_epi16(_mm256_set1_epi32(x), w));
            }
        }
        // SAFETY: block < k / 32, so eight scales lie there.
        let scale = unsafe { _mm256_loadu_ps(scales.as_ptr().add(block * PANEL)) };
        for (sum, dot) in sums.iter_mut().zip(dots) {
            *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtepi32_ps(dot), scale));
        }
    }
    sums.map(|sum| {
        let mut row = [0.0; PANEL];
        // SAFETY: a row holds one register.
        unsafe { _mm256_storeu_ps(row.as_mut_ptr(), sum) };
        row
    })
}
