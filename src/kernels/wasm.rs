//! What the quantised products in wasm's 128-bit SIMD have in common.

use std::arch::wasm32::{f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_splat, v128, v128_load, v128_load32_splat, v128_store};

use super::gemm_i8::{Panel, Rows};
use super::{BLOCK, PANEL_I8};

/// A number for each of a row's eight columns, in two registers.
pub(super) type Sums<const ROWS: usize> = [[v128; 2]; ROWS];

/// One tile, by the integer dot products of a block, from their offsets.
#[inline(always)]
pub(super) fn tile<T, const ROWS: usize, const FOUR: bool>(
    x: &Rows<'_, T>,
    w: &Panel<'_>,
    dots: impl Fn(&Block<'_, T>, [i32; ROWS]) -> Sums<ROWS>,
) -> [[f32; PANEL_I8]; ROWS] {
    let blocks = w.blocks::<_, ROWS, FOUR>(x);
    let mut sums: Sums<ROWS> = [[f32x4(0.0, 0.0, 0.0, 0.0); 2]; ROWS];
    let steps = std::hint::black_box(BLOCK / if FOUR { 8 } else { 4 });
    for (block, scales) in w.scales.iter().enumerate() {
        let offsets = std::array::from_fn(|r| x.offsets[r * blocks + block]);
        let dots = dots(&Block { x, w: w.values, blocks, block, steps }, offsets);
        // SAFETY: there are eight scales.
        let w_scales = unsafe { [v128_load(scales.as_ptr().cast()), v128_load(scales.as_ptr().add(4).cast())] };
        for (r, (sums, dots)) in sums.iter_mut().zip(dots).enumerate() {
            let x_scale = f32x4_splat(x.scales[r * blocks + block]);
            for ((sum, dot), w_scale) in sums.iter_mut().zip(dots).zip(w_scales) {
                *sum = f32x4_add(*sum, f32x4_mul(f32x4_convert_i32x4(dot), f32x4_mul(w_scale, x_scale)));
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

/// One block of a tile, as [`add`] walks it.
pub(super) struct Block<'a, T> {
    x: &'a Rows<'a, T>,
    w: &'a [u8],
    blocks: usize,
    block: usize,
    steps: usize,
}

/// Adds the products of one part of the block's weights, which `part` makes of four bytes a column, with four bytes of each row, those of
/// the first step from number `at` on. A loop that stays one: unrolled, it needs more registers than there are.
#[inline(always)]
pub(super) fn add<T, const ROWS: usize>(
    sums: &mut Sums<ROWS>,
    Block { x, w, blocks, block, steps }: &Block<'_, T>,
    at: usize,
    part: impl Fn(v128) -> v128,
    add: impl Fn(v128, v128, v128) -> v128,
) {
    for step in 0..*steps {
        // SAFETY: a step is eight columns of four bytes, and a block has so many of them: `Panel::blocks` asserts it.
        let (a, b) = unsafe {
            let at = w.as_ptr().add((block * steps + step) * 4 * PANEL_I8).cast::<v128>();
            (part(v128_load(at)), part(v128_load(at.add(1))))
        };
        for (r, [low, high]) in sums.iter_mut().enumerate() {
            let at = (r * blocks + block) * BLOCK + at + 4 * step;
            // SAFETY: they lie within a block of a row that is there, too. Wasm loads need no alignment.
            let x = unsafe { v128_load32_splat(x.values.as_ptr().add(at).cast()) };
            *low = add(*low, x, a);
            *high = add(*high, x, b);
        }
    }
}
