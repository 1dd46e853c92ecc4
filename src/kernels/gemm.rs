//! Packed weights, and the products over them.
//!
//! Layouts, with `P` = [`PANEL`] or [`PANEL_I8`] columns side by side (missing columns of the last panel are zero):
//! - [`PackedF32`]: `[columns / P][k][P]`
//! - [`PackedI8`]: values `[columns / P][k / 2][P][2]`, so that one 16-bit pair product serves a column a lane, with no sum across
//!   lanes; scales `[columns / P][k / 32][P]`

use super::{BLOCK, PANEL, PANEL_I8, Simd, TILE_ROWS};

/// Float weights of a dense layer, `[columns, k]`, packed.
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

/// Signed 8-bit weights of a dense layer with a scale per 32, packed.
pub struct PackedI8 {
    pub(super) values: Vec<i8>,
    pub(super) scales: Vec<f32>,
    columns: usize,
    pub(super) k: usize,
}

impl PackedI8 {
    /// Packs row-major weights `[columns, k]` with scales `[columns, k / 32]`.
    ///
    /// # Panics
    /// When `k` is no multiple of 32 or a length does not fit.
    pub fn pack(weights: &[i8], scales: &[f32], columns: usize, k: usize) -> Self {
        assert!(k.is_multiple_of(BLOCK), "PackedI8: k");
        assert_eq!((weights.len(), scales.len()), (columns * k, columns * k / BLOCK), "PackedI8: lengths");
        let padded = columns.next_multiple_of(PANEL_I8);
        let (mut packed, mut packed_scales) = (vec![0; padded * k], vec![0.0; padded * k / BLOCK]);
        for (column, row) in weights.chunks_exact(k).enumerate() {
            let panel = &mut packed[column / PANEL_I8 * (k * PANEL_I8)..][..k * PANEL_I8];
            pack_column(row, column % PANEL_I8, panel);
        }
        let blocks = k / BLOCK;
        for (column, row) in scales.chunks_exact(blocks.max(1)).enumerate() {
            let panel = &mut packed_scales[column / PANEL_I8 * (blocks * PANEL_I8)..][..blocks * PANEL_I8];
            for (block, &scale) in row.iter().enumerate() {
                panel[block * PANEL_I8 + column % PANEL_I8] = scale;
            }
        }
        Self { values: packed, scales: packed_scales, columns, k }
    }

    /// Number of outputs.
    pub const fn columns(&self) -> usize {
        self.columns
    }
}

/// Puts one column's weights into its panel. A call of its own: a browser swaps its first, slow code of a function for the optimised
/// one at a call, and never within a loop.
#[inline(never)]
fn pack_column(weights: &[i8], column: usize, panel: &mut [i8]) {
    let pairs = panel.as_chunks_mut::<{ 2 * PANEL_I8 }>().0;
    for (w, pair) in weights.as_chunks::<2>().0.iter().zip(pairs) {
        pair[2 * column] = w[0];
        pair[2 * column + 1] = w[1];
    }
}

/// `out = x · wᵀ + bias`: `x` is `[rows, k]`, `out` is `[rows, columns]`.
///
/// # Panics
/// When a length does not fit; the same for [`gemm_i8`].
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

#[inline(always)]
fn tile_f32<const ROWS: usize>(x: &[f32], w: &[f32], k: usize, bias: &[f32], panel: usize, out: &mut [f32]) {
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &x[r * k..][..k]);
    let mut sums = [[0.0_f32; PANEL]; ROWS];
    for (at, w) in w.as_chunks::<PANEL>().0.iter().enumerate().take(k) {
        for (sum, row) in sums.iter_mut().zip(&rows) {
            let x = row[at];
            for (sum, w) in sum.iter_mut().zip(w) {
                *sum += x * w;
            }
        }
    }
    store(&sums, [1.0; ROWS], bias, panel, out);
}

/// Scales the sums of one tile, adds the bias and writes the columns that exist.
#[inline(always)]
pub(super) fn store<const ROWS: usize, const WIDTH: usize>(
    sums: &[[f32; WIDTH]; ROWS],
    scales: [f32; ROWS],
    bias: &[f32],
    panel: usize,
    out: &mut [f32],
) {
    let columns = bias.len();
    let first = panel * WIDTH;
    let bias = &bias[first..columns.min(first + WIDTH)];
    for ((sums, scale), out) in sums.iter().zip(scales).zip(out.chunks_exact_mut(columns)) {
        for ((out, &sum), &bias) in out[first..].iter_mut().zip(sums).zip(bias) {
            *out = sum * scale + bias;
        }
    }
}

/// The fastest that this machine has.
pub(super) fn best() -> Simd {
    Simd::available().next().unwrap_or(Simd::Scalar)
}

/// The quantised product: `x` is `[rows, k]` with one scale a row, `out` is `[rows, columns]`.
pub fn gemm_i8(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    gemm_i8_by(best(), x, x_scales, w, bias, out);
}

/// [`gemm_i8`] by these instructions.
///
/// # Panics
/// Also when this machine has no such instructions.
pub fn gemm_i8_by(simd: Simd, x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    let rows = x_scales.len();
    assert_eq!((x.len(), out.len(), bias.len()), (rows * w.k, rows * w.columns, w.columns), "gemm_i8: lengths");
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512Vnni => super::avx512::gemm_i8(x, x_scales, w, bias, out),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => super::avx2::gemm_i8(x, x_scales, w, bias, out),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Simd::Simd128 => super::simd128::gemm_i8(x, x_scales, w, bias, out),
        Simd::Scalar => gemm_i8_portable(x, x_scales, w, bias, out),
        #[allow(unreachable_patterns)]
        other => panic!("gemm_i8: {other:?} is not for this machine"),
    }
}

/// Walks tiles of rows and panels of columns with a back end's `tile::<ROWS>`, which gives the scaled sums of one panel. A macro, since
/// a closure would not inherit the caller's target features.
macro_rules! gemm_i8_with {
    ($tile:ident, $x:ident, $x_scales:ident, $w:ident, $bias:ident, $out:ident) => {{
        let (k, columns) = ($w.k, $w.columns());
        let tiles = $x.chunks(TILE_ROWS * k).zip($x_scales.chunks(TILE_ROWS)).zip($out.chunks_mut(TILE_ROWS * columns));
        for ((x, x_scales), out) in tiles {
            let panels = $w.values.chunks_exact(k * PANEL_I8).zip($w.scales.chunks_exact(k / BLOCK * PANEL_I8));
            for (panel, (values, scales)) in panels.enumerate() {
                match x_scales.len() {
                    1 => store(&$tile::<1>(x, k, values, scales), std::array::from_fn(|r| x_scales[r]), $bias, panel, out),
                    2 => store(&$tile::<2>(x, k, values, scales), std::array::from_fn(|r| x_scales[r]), $bias, panel, out),
                    3 => store(&$tile::<3>(x, k, values, scales), std::array::from_fn(|r| x_scales[r]), $bias, panel, out),
                    _ => store(&$tile::<TILE_ROWS>(x, k, values, scales), std::array::from_fn(|r| x_scales[r]), $bias, panel, out),
                }
            }
        }
    }};
}
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use gemm_i8_with;

fn gemm_i8_portable(x: &[i16], x_scales: &[f32], w: &PackedI8, bias: &[f32], out: &mut [f32]) {
    gemm_i8_with!(tile_i8, x, x_scales, w, bias, out);
}

fn tile_i8<const ROWS: usize>(x: &[i16], k: usize, values: &[i8], scales: &[f32]) -> [[f32; PANEL_I8]; ROWS] {
    let mut sums = [[0.0_f32; PANEL_I8]; ROWS];
    let blocks = values.as_chunks::<{ BLOCK * PANEL_I8 }>().0.iter().zip(scales.as_chunks::<PANEL_I8>().0);
    for (block, (values, scales)) in blocks.enumerate() {
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = &x[r * k + block * BLOCK..][..BLOCK];
            let mut dots = [0_i32; PANEL_I8];
            for (x, w) in x.as_chunks::<2>().0.iter().zip(values.as_chunks::<{ 2 * PANEL_I8 }>().0) {
                for (dot, w) in dots.iter_mut().zip(w.as_chunks::<2>().0) {
                    *dot += i32::from(x[0]) * i32::from(w[0]) + i32::from(x[1]) * i32::from(w[1]);
                }
            }
            for ((sum, dot), scale) in sums.iter_mut().zip(dots).zip(scales) {
                *sum += dot as f32 * scale;
            }
        }
    }
    sums
}
