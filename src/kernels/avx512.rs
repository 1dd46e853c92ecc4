//! The quantised product on x86-64 with AVX-512 and its dot products of bytes (VNNI), chosen at run time.

use std::arch::x86_64::{
    __m512i, _mm512_add_ps, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_ps,
};

use super::elementwise::gelu_portable;
use super::gemm::store;
use super::gemm_i8::{PackedInt, Panel, Rows, Width, gemm_i8_with};
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
        Width::Four => gemm_i8_with!(tile, true, x.values, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x.values, x, w, bias, out),
    }
}

/// Two registers hold a row's 32 columns.
type Dots<const ROWS: usize> = [[__m512i; 2]; ROWS];

#[target_feature(enable = "avx512bw,avx512vnni")]
#[inline]
fn tile<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i8>, w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let blocks = w.blocks::<_, ROWS, FOUR>(x);
    let steps = BLOCK / if FOUR { 8 } else { 4 };
    let mask = _mm512_set1_epi8(0x0f);
    // Called directly: what `array::map` calls has lost the target features.
    let low = |w| _mm512_and_si512(w, mask);
    let high = |w| _mm512_and_si512(_mm512_srli_epi16::<4>(w), mask);
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (block, scales) in w.scales.iter().enumerate() {
        let mut dots: Dots<ROWS> = std::array::from_fn(|r| {
            let offset = _mm512_set1_epi32(x.offsets[r * blocks + block]);
            [if FOUR { offset } else { _mm512_slli_epi32::<4>(offset) }; 2]
        });
        for step in 0..steps {
            // SAFETY: a step is 128 bytes, and a block has so many of them: `Panel::blocks` asserts it.
            let [a, b] = unsafe {
                let at = w.values.as_ptr().add((block * steps + step) * 4 * PANEL_I8).cast::<__m512i>();
                [_mm512_loadu_si512(at), _mm512_loadu_si512(at.add(1))]
            };
            let at = block * BLOCK + 4 * step;
            if FOUR {
                add(&mut dots, x, blocks, at, [low(a), low(b)]);
                add(&mut dots, x, blocks, at + BLOCK / 2, [high(a), high(b)]);
            } else {
                add(&mut dots, x, blocks, at, [a, b]);
            }
        }
        // SAFETY: there are 32 scales.
        let w_scales = unsafe { [_mm512_loadu_ps(scales.as_ptr()), _mm512_loadu_ps(scales.as_ptr().add(PANEL_I8 / 2))] };
        for (r, (sums, dots)) in sums.iter_mut().zip(dots).enumerate() {
            let x_scale = _mm512_set1_ps(x.scales[r * blocks + block]);
            for ((sum, dot), w_scale) in sums.iter_mut().zip(dots).zip(w_scales) {
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(w_scale, x_scale)));
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

/// Adds the products of four numbers of each row: they are broadcast over the columns, and `vpdpbusd` multiplies and adds.
#[target_feature(enable = "avx512bw,avx512vnni")]
#[inline]
fn add<const ROWS: usize>(dots: &mut Dots<ROWS>, x: &Rows<'_, i8>, blocks: usize, at: usize, w: [__m512i; 2]) {
    for (r, dots) in dots.iter_mut().enumerate() {
        // SAFETY: the four numbers lie within a block of a row that is there: `Panel::blocks` asserts it.
        let x = _mm512_set1_epi32(unsafe { x.values.as_ptr().add(r * blocks * BLOCK + at).cast::<i32>().read_unaligned() });
        for (dot, w) in dots.iter_mut().zip(w) {
            *dot = _mm512_dpbusd_epi32(*dot, w, x);
        }
    }
}
