//! The oracle: what the products are, in plain loops over unpacked matrices.

use super::BLOCK;

/// `out[m][n] = Σ_k x[m][k] · w[n][k] + bias[n]`, accumulated in f64.
///
/// `x` is `[rows, k]`, `w` is `[columns, k]`, `out` is `[rows, columns]`.
pub fn matmul(x: &[f32], w: &[f32], bias: &[f32], k: usize, out: &mut [f32]) {
    let columns = bias.len();
    for (x, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(columns)) {
        for ((w, &bias), out) in w.chunks_exact(k).zip(bias).zip(out) {
            let sum: f64 = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
            *out = (sum + f64::from(bias)) as f32;
        }
    }
}

/// Numbers as 8-bit integers and their scale per 32, which is a 127th of the largest magnitude.
pub fn quantize(x: &[f32]) -> (Vec<i8>, Vec<f32>) {
    let largest = |block: &[f32]| block.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let block = |x: &[f32]| {
        let largest = largest(x);
        x.iter().map(|x| if largest > 1e-30 { (x * (127.0 / largest)).round_ties_even() as i8 } else { 0 }).collect::<Vec<_>>()
    };
    (x.chunks(BLOCK).flat_map(block).collect(), x.chunks(BLOCK).map(|x| largest(x) / 127.0).collect())
}

/// The quantised product: integer dot products per block of 32, times the block's two scales, in the column's unit.
///
/// `x` is `[rows, k]` with `x_scales` `[rows, k / 32]`; `w` is `[columns, k]` with `w_scales` `[columns, k / 32]` and `units` `[columns]`.
pub fn matmul_i8(x: (&[i8], &[f32]), w: (&[i8], &[i16], &[f32]), bias: &[f32], k: usize, out: &mut [f32]) {
    let ((x, x_scales), (w, w_scales, units)) = (x, w);
    let (columns, blocks) = (bias.len(), k / BLOCK);
    for ((x, x_scales), out) in x.chunks_exact(k).zip(x_scales.chunks_exact(blocks)).zip(out.chunks_exact_mut(columns)) {
        for (n, out) in out.iter_mut().enumerate() {
            let (w, w_scales) = (&w[n * k..][..k], &w_scales[n * blocks..][..blocks]);
            let mut sum = 0.0_f32;
            for ((x, w), (&x_scale, &w_scale)) in x.chunks_exact(BLOCK).zip(w.chunks_exact(BLOCK)).zip(x_scales.iter().zip(w_scales)) {
                let dot: i32 = x.iter().zip(w).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
                sum += dot as f32 * f32::from(w_scale) * x_scale;
            }
            *out = sum * units[n] + bias[n];
        }
    }
}
