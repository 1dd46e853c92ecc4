//! The quantised product in wasm's 128-bit SIMD.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_mul, i16x8_load_extend_i8x8, i32x4, i32x4_add, i32x4_dot_i16x8, v128, v128_load,
    v128_load32_splat, v128_store,
};

use super::gemm::{PackedI8, gemm_i8_with, store};
use super::{BLOCK, PANEL_I8, TILE_ROWS};

pub(super) fn gemm_i8(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    gemm_i8_with!(tile, x, x_scales, w, bias, out);
}

/// Two registers hold a row's eight columns; a pair of activations is splat over them. A call of its own: a browser swaps its first,
/// slow code of a function for the optimised one at a call, and never within a loop; the first text waits for that. (A call for all
/// panels of four rows is compiled to worse code: 24 GMAC/s in Chromium 156, and 35 so.)
#[inline(never)]
fn tile<const ROWS: usize>(x: &[i16], k: usize, values: &[i8], scales: &[f32]) -> [[f32; PANEL_I8]; ROWS] {
    assert!(x.len() >= ROWS * k && values.len() == k * PANEL_I8 && scales.len() == k / BLOCK * PANEL_I8);
    let mut sums = [[f32x4(0.0, 0.0, 0.0, 0.0); 2]; ROWS];
    for block in 0..k / BLOCK {
        let mut dots: [[v128; 2]; ROWS] = [[i32x4(0, 0, 0, 0); 2]; ROWS];
        for pair in block * (BLOCK / 2)..(block + 1) * (BLOCK / 2) {
            // SAFETY: pair < k / 2, so both loads of eight bytes end within `values`, which the assertion says is k * 8 long.
            let w = unsafe {
                let at = values.as_ptr().add(pair * 2 * PANEL_I8);
                [i16x8_load_extend_i8x8(at), i16x8_load_extend_i8x8(at.add(PANEL_I8))]
            };
            for (r, dots) in dots.iter_mut().enumerate() {
                // SAFETY: r < ROWS and pair < k / 2, so the two numbers lie within `x`; wasm loads need no alignment.
                let x = unsafe { v128_load32_splat(x.as_ptr().add(r * k + 2 * pair).cast()) };
                dots[0] = i32x4_add(dots[0], i32x4_dot_i16x8(x, w[0]));
                dots[1] = i32x4_add(dots[1], i32x4_dot_i16x8(x, w[1]));
            }
        }
        // SAFETY: block < k / 32, so eight scales lie there.
        let scale = unsafe {
            let at = scales.as_ptr().add(block * PANEL_I8);
            [v128_load(at.cast()), v128_load(at.add(PANEL_I8 / 2).cast())]
        };
        for (sums, dots) in sums.iter_mut().zip(dots) {
            for half in 0..2 {
                sums[half] = f32x4_add(sums[half], f32x4_mul(f32x4_convert_i32x4(dots[half]), scale[half]));
            }
        }
    }
    sums.map(|[low, high]| {
        let mut row = [0.0; PANEL_I8];
        // SAFETY: a row holds two registers.
        unsafe {
            v128_store(row.as_mut_ptr().cast(), low);
            v128_store(row.as_mut_ptr().add(PANEL_I8 / 2).cast(), high);
        }
        row
    })
}
