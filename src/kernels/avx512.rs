//! The quantised product on x86-64 with AVX-512 and its 16-bit dot products (VNNI), chosen at run time.

use std::arch::x86_64::{
    __m256i, _mm256_loadu_si256, _mm512_add_ps, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_loadu_ps,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
};

use super::gemm::{PackedI8, gemm_i8_with, store};
use super::{BLOCK, PANEL_I8, TILE_ROWS};

/// Whether this processor has AVX-512 with 16-bit integers and VNNI (the standard library caches the answer).
pub(super) fn available() -> bool {
    std::arch::is_x86_feature_detected!("avx512bw") && std::arch::is_x86_feature_detected!("avx512vnni")
}

pub(super) fn gemm_i8(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX-512 with 16-bit integers and VNNI is there.
    unsafe { gemm_i8_avx512(x, x_scales, w, bias, out) }
}

/// # Safety
/// Needs AVX-512 with 16-bit integers and VNNI.
#[target_feature(enable = "avx512bw,avx512vnni")]
unsafe fn gemm_i8_avx512(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    gemm_i8_with!(tile, x, x_scales, w, bias, out);
}

/// Two registers hold a row's 32 columns; a pair of activations is broadcast over them. `vpdpwssd` multiplies pairs and adds to the sum.
#[target_feature(enable = "avx512bw,avx512vnni")]
#[inline]
fn tile<const ROWS: usize>(x: &[i16], k: usize, values: &[i8], scales: &[f32]) -> [[f32; PANEL_I8]; ROWS] {
    assert!(x.len() >= ROWS * k && values.len() == k * PANEL_I8 && scales.len() == k / BLOCK * PANEL_I8);
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for block in 0..k / BLOCK {
        let mut dots = [[_mm512_setzero_si512(); 2]; ROWS];
        for pair in block * (BLOCK / 2)..(block + 1) * (BLOCK / 2) {
            // SAFETY: pair < k / 2, so both loads of 32 bytes end within `values`: the assertion says that it is k * 32 long.
            let w = unsafe {
                let at = values.as_ptr().add(pair * 2 * PANEL_I8).cast::<__m256i>();
                [_mm512_cvtepi8_epi16(_mm256_loadu_si256(at)), _mm512_cvtepi8_epi16(_mm256_loadu_si256(at.add(1)))]
            };
            for (r, dots) in dots.iter_mut().enumerate() {
                // SAFETY: r < ROWS and pair < k / 2, so the two numbers lie within `x`.
                let x = _mm512_set1_epi32(unsafe { x.as_ptr().add(r * k + 2 * pair).cast::<i32>().read_unaligned() });
                for (dot, w) in dots.iter_mut().zip(w) {
                    *dot = _mm512_dpwssd_epi32(*dot, x, w);
                }
            }
        }
        // SAFETY: block < k / 32, so 32 scales lie there.
        let scale = unsafe {
            let at = scales.as_ptr().add(block * PANEL_I8);
            [_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(PANEL_I8 / 2))]
        };
        for (sums, dots) in sums.iter_mut().zip(dots) {
            for ((sum, dot), scale) in sums.iter_mut().zip(dots).zip(scale) {
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(dot), scale));
            }
        }
    }
    sums.map(|[low, high]| {
        let mut row = [0.0; PANEL_I8];
        // SAFETY: a row holds two registers.
        unsafe {
            _mm512_storeu_ps(row.as_mut_ptr(), low);
            _mm512_storeu_ps(row.as_mut_ptr().add(PANEL_I8 / 2), high);
        }
        row
    })
}
