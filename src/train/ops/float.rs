//! Elementary functions without branches or calls, so that loops over them become vector code.

use std::f32::consts::FRAC_1_SQRT_2;

pub use crate::kernels::exp;

/// The normal distribution's Φ(x) and `e^(-x²/2)`; absolute error of Φ below 2e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub fn normal(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * FRAC_1_SQRT_2 * x.abs());
    let mut poly = 1.061_405_4;
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        poly = poly * t + c;
    }
    let upper = 0.5 * poly * t * bell;
    (if x < 0.0 { upper } else { 1.0 - upper }, bell)
}

/// The sum of a row, in eight lanes.
#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    let (blocks, rest) = x.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += x;
        }
    }
    lanes.iter().chain(rest).sum()
}

/// The inner product of two rows, in eight lanes.
#[inline(always)]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let ((x_blocks, x_rest), (y_blocks, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_normal_are_close() {
        for n in -8_000..8_000 {
            let x = n as f32 / 1_000.0;
            let (want, got) = (f64::from(x).exp(), f64::from(exp(x)));
            assert!((got / want - 1.0).abs() < 2e-7, "exp({x}) is {got}");
        }
        // Φ from a table (NIST handbook).
        for (x, want) in [(0.0, 0.5), (1.0, 0.841_344_8), (-2.0, 0.022_750_132), (3.0, 0.998_650_1), (-10.0, 0.0)] {
            assert!((normal(x).0 - want).abs() < 2e-7, "Φ({x}) is {}", normal(x).0);
        }
    }
}
