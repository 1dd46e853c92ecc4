//! The quantised product in wasm's 128-bit SIMD, which multiplies pairs of 16 bits.

use std::arch::wasm32::{i16x8_splat, i32x4_add, i32x4_dot_i16x8, i32x4_splat, u16x8_shr, v128_and};

use super::gemm::store;
use super::gemm_i8::{PackedInt, Panel, Rows, Width, gemm_i8_with};
use super::wasm::{Sums, add};
use super::{BLOCK, PANEL_I8, Quantized, TILE_ROWS, wasm};

pub(super) fn gemm_i8(x: &Quantized, w: &PackedInt, bias: &[f32], out: &mut [f32]) {
    match w.width {
        Width::Four => gemm_i8_with!(tile, true, x.wide, x, w, bias, out),
        Width::Eight => gemm_i8_with!(tile, false, x.wide, x, w, bias, out),
    }
}

/// Activations in 16 bits, each four in the order in which shifts and masks of 16 bits give the weights: every other byte.
pub(super) fn widen(values: &[i8], wide: &mut Vec<i16>) {
    wide.resize(values.len(), 0);
    for ([a, b, c, d], wide) in values.as_chunks::<4>().0.iter().zip(wide.as_chunks_mut::<4>().0) {
        *wide = [a, c, b, d].map(|value| i16::from(*value));
    }
}

/// A call of its own: a browser swaps its first, slow code of a function for the optimised one at a call, and never within a loop; the
/// first text waits for that. (A call for all panels of four rows is compiled to worse code: 24 GMAC/s in Chromium 156, and 35 so.)
#[inline(never)]
fn tile<const ROWS: usize, const FOUR: bool>(x: &Rows<'_, i16>, w: &Panel<'_>) -> [[f32; PANEL_I8]; ROWS] {
    let (byte, half) = (i16x8_splat(0xff), i16x8_splat(0x0f));
    let product = |sum, x, w| i32x4_add(sum, i32x4_dot_i16x8(x, w));
    wasm::tile::<_, ROWS, FOUR>(x, w, |block, offsets| {
        let mut dots: Sums<ROWS> = std::array::from_fn(|r| [i32x4_splat(offsets[r] * if FOUR { 1 } else { 16 }); 2]);
        if FOUR {
            add(&mut dots, block, 0, |w| v128_and(w, half), product);
            add(&mut dots, block, 2, |w| v128_and(u16x8_shr(w, 8), half), product);
            add(&mut dots, block, BLOCK / 2, |w| v128_and(u16x8_shr(w, 4), half), product);
            add(&mut dots, block, BLOCK / 2 + 2, |w| u16x8_shr(w, 12), product);
        } else {
            add(&mut dots, block, 0, |w| v128_and(w, byte), product);
            add(&mut dots, block, 2, |w| u16x8_shr(w, 8), product);
        }
        dots
    })
}
