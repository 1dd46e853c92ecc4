//! Packed float weights, and the product over them.

use super::{PANEL, TILE_ROWS};

/// Float weights of a dense layer, `[columns, k]`, packed: `[columns / PANEL][k][PANEL]`, missing columns of the last panel zero.
pub struct PackedF32 {
    values: Vec<f32>,
    k: usize,
}

impl PackedF32 {
    /// Packs row-major weights `[columns, k]`.
    ///
    /// # Panics
    /// When `weights` is not `columns * k` long.
    pub fn pack(weights: &[f32], columns: usize, k: usize) -> Self {
        assert_eq!(weights.len(), columns * k, "PackedF32: length");
        let mut values = vec![0.0; columns.next_multiple_of(PANEL) * k];
        for (column, row) in weights.chunks_exact(k).enumerate() {
            let panel = &mut values[column / PANEL * (k * PANEL)..][..k * PANEL];
            for (at, &w) in row.iter().enumerate() {
                panel[at * PANEL + column % PANEL] = w;
            }
        }
        Self { values, k }
    }
}

/// `out = x · wᵀ + bias`: `x` is `[rows, k]`, `out` is `[rows, columns]`.
///
/// # Panics
/// When a length does not fit.
pub fn gemm_f32(x: &[f32], w: &PackedF32, bias: &[f32], out: &mut [f32]) {
    gemm_f32_packed(x, &w.values, w.k, bias, out);
}

/// [`gemm_f32`] over weights that lie packed in a scratch buffer: `bias.len()` columns.
pub(super) fn gemm_f32_packed(x: &[f32], w: &[f32], k: usize, bias: &[f32], out: &mut [f32]) {
    let (rows, columns) = (x.len() / k, bias.len());
    let lengths = (rows * k, columns.next_multiple_of(PANEL) * k, rows * columns);
    assert_eq!((x.len(), w.len(), out.len()), lengths, "gemm_f32: lengths");
    #[cfg(target_arch = "x86_64")]
    if super::avx2::available() {
        return super::avx2::gemm_f32(x, w, k, bias, out);
    }
    gemm_f32_portable(x, w, k, bias, out);
}

/// Vectorised by the compiler: eight columns are one or two registers.
#[inline(always)]
pub(super) fn gemm_f32_portable(x: &[f32], w: &[f32], k: usize, bias: &[f32], out: &mut [f32]) {
    let tiles = x.chunks(TILE_ROWS * k).zip(out.chunks_mut(TILE_ROWS * bias.len()));
    for (x, out) in tiles {
        for (panel, w) in w.chunks_exact(k * PANEL).enumerate() {
            match x.len() / k {
                1 => tile_f32::<1>(x, w, k, bias, panel, out),
                2 => tile_f32::<2>(x, w, k, bias, panel, out),
                3 => tile_f32::<3>(x, w, k, bias, panel, out),
                _ => tile_f32::<TILE_ROWS>(x, w, k, bias, panel, out),
            }
        }
    }
}

/// By index: of iterators LLVM makes shuffles, and attention over 16 tokens takes 24 µs in place of 17.
#[inline(always)]
fn tile_f32<const ROWS: usize>(x: &[f32], w: &[f32], k: usize, bias: &[f32], panel: usize, out: &mut [f32]) {
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &x[r * k..][..k]);
    let w = &w.as_chunks::<PANEL>().0[..k];
    let mut sums = [[0.0_f32; PANEL]; ROWS];
    for at in 0..k {
        for r in 0..ROWS {
            let x = rows[r][at];
            for lane in 0..PANEL {
                sums[r][lane] += x * w[at][lane];
            }
        }
    }
    store(&sums, bias, panel, out);
}

/// Adds the bias to the sums of one tile and writes the columns that exist.
#[inline(always)]
pub(super) fn store<const ROWS: usize, const WIDTH: usize>(sums: &[[f32; WIDTH]; ROWS], bias: &[f32], panel: usize, out: &mut [f32]) {
    let columns = bias.len();
    let first = panel * WIDTH;
    let bias = &bias[first..columns.min(first + WIDTH)];
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(columns)) {
        for ((out, &sum), &bias) in out[first..].iter_mut().zip(sums).zip(bias) {
            *out = sum + bias;
        }
    }
}
