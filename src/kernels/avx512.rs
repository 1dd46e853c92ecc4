//! The quantised product on x86-64 with AVX-512 and its dot products of bytes (VNNI), chosen at run time.

use std::arch::x86_64::{
    __m512, __m512i, _mm512_add_ps, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_madd_epi16, _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_ps,
};

use super::elementwise::gelu_portable;
use super::gemm::store;
use super::gemm_i8::{PackedInt, Panel, Width, gemm_i8_with};
use super::{BLOCK, PANEL_I8, Quantized, TILE_ROWS};

/// Whether this processor has AVX-512 with 16-bit integers and VNNI (the standard library caches the answer).
pub(super) fn available() -> bool {
    std::arch::is_x86_feature_detected!("avx512bw") && std::arch::is_x86_feature_detected!("avx512vnni")
}

pub(super) fn gemm_i8(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX-512 with 16-bit integers and VNNI is there.
    unsafe { gemm_i8_avx512(x, w, bias, out) }
}

pub(super) fn gelu(row: &mut [f32]) {
    assert!(available());
    // SAFETY: AVX-512 is there.
    unsafe { gelu_avx512(row) }
}

/// # Safety
/// Needs AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn gelu_avx512(row: &mut [f32]) {
    gelu_portable(row);
}

/// # Safety
/// Needs AVX-512 with 16-bit integers and VNNI.
#[target_feature(enable = "avx512bw,avx512vnni")]
unsafe fn gemm_i8_avx512(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile, true, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x, w, bias, out),
    }
}

/// Four bytes of each column.
const STEP_BYTES: usize = 4 * PANEL_I8;

/// Two registers hold a row's 32 columns.
type Dots<const ROWS: usize> = [[__m512i; 2]; ROWS];

#[target_feature(enable = "avx512bw,avx512vnni")]
#[inline]
fn tile<const ROWS: usize, const FOUR: bool>(x: &[u32], w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let steps = BLOCK / if FOUR { 8 } else { 4 };
    let (mask, ones) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi16(1));
    // Called directly: what `array::map` calls has lost the target features.
    let low = |w| _mm512_and_si512(w, mask);
    let high = |w| _mm512_and_si512(_mm512_srli_epi16::<4>(w), mask);
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for ([offsets, quads @ .., x_scales], values, scales) in w.blocks::<ROWS>(x) {
        let mut dots: Dots<ROWS> = std::array::from_fn(|r| {
            let offset = _mm512_madd_epi16(_mm512_set1_epi32(offsets[r] as i32), ones);
            [if FOUR { offset } else { _mm512_slli_epi32::<4>(offset) }; 2]
        });
        assert_eq!(values.len(), steps * STEP_BYTES);
        for step in 0..steps {
            // SAFETY: a step is two registers, and there are so many steps.
            let [a, b] = unsafe {
                let at = values.as_ptr().add(step * STEP_BYTES).cast::<__m512i>();
                [_mm512_loadu_si512(at), _mm512_loadu_si512(at.add(1))]
            };
            if FOUR {
                add(&mut dots, &quads[step], [low(a), low(b)]);
                add(&mut dots, &quads[quads.len() / 2 + step], [high(a), high(b)]);
            } else {
                add(&mut dots, &quads[step], [a, b]);
            }
        }
        let w_scales = halves(scales);
        for (r, (sums, dots)) in sums.iter_mut().zip(dots).enumerate() {
            let x_scale = _mm512_set1_ps(f32::from_bits(x_scales[r]));
            for ((sum, dot), w_scale) in sums.iter_mut().zip(dots).zip(w_scales) {
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot), w_scale), x_scale));
            }
        }
    }
    let units = halves(w.units);
    sums.map(|[low, high]| {
        let mut row = [0.0; PANEL_I8];
        // SAFETY: a row holds two registers.
        unsafe {
            _mm512_storeu_ps(row.as_mut_ptr(), _mm512_mul_ps(low, units[0]));
            _mm512_storeu_ps(row.as_mut_ptr().add(PANEL_I8 / 2), _mm512_mul_ps(high, units[1]));
        }
        row
    })
}

/// A float for each column.
#[target_feature(enable = "avx512f")]
#[inline]
fn halves(floats: &[f32; PANEL_I8]) -> [__m512; 2] {
    // SAFETY: they are two registers.
    unsafe { [_mm512_loadu_ps(floats.as_ptr()), _mm512_loadu_ps(floats.as_ptr().add(PANEL_I8 / 2))] }
}

/// Adds the products of four numbers of each row: they are broadcast over the columns, and `vpdpbusd` multiplies and adds.
#[target_feature(enable = "avx512bw,avx512vnni")]
#[inline]
fn add<const ROWS: usize>(dots: &mut Dots<ROWS>, x: &[u32; ROWS], w: [__m512i; 2]) {
    for (dots, &x) in dots.iter_mut().zip(x) {
        let x = _mm512_set1_epi32(x as i32);
        for (dot, w) in dots.iter_mut().zip(w) {
            *dot = _mm512_dpbusd_epi32(*dot, w, x);
        }
    }
}
