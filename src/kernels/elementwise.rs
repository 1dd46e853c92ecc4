//! What is done to rows: layer-norm, GELU, softmax, L2 normalisation. Sums run in eight lanes, so that the compiler
//! vectorises them and every machine adds in the same order.

use super::PANEL;

/// `Σ f(x)` in eight lanes.
#[inline(always)]
fn sum(xs: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; PANEL];
    let (chunks, rest) = xs.as_chunks::<PANEL>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += f(x);
    }
    let [a, b, c, d, e, g, h, i] = lanes;
    ((a + e) + (c + h)) + ((b + g) + (d + i))
}

/// `Σ a·b` of rows of one length, in eight lanes.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; PANEL];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PANEL>(), b.as_chunks::<PANEL>());
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += a * b;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The largest `f(x)`, at least `floor`.
#[inline(always)]
fn max(xs: &[f32], floor: f32, f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [floor; PANEL];
    let (chunks, rest) = xs.as_chunks::<PANEL>();
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, f(x));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, f(x));
    }
    lanes.into_iter().fold(floor, larger)
}

/// Layer-norm of one row in place: `(x - mean) / √(variance + eps) · gamma + beta`, with the biased variance. Where that overflows the
/// row is no numbers, which whoever checks the vectors sees: all rows would be `beta`.
#[inline]
pub fn layer_norm(row: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
    let n = row.len() as f32;
    let mean = sum(row, |x| x) / n;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
    let inverse = if variance <= f32::MAX { 1.0 / (variance + eps).sqrt() } else { f32::NAN };
    for ((x, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
        *x = (*x - mean) * inverse * gamma + beta;
    }
}

/// `row = layer_norm(row + residual)`.
#[inline]
pub fn add_layer_norm(row: &mut [f32], residual: &[f32], gamma: &[f32], beta: &[f32], eps: f32) {
    for (x, residual) in row.iter_mut().zip(residual) {
        *x += residual;
    }
    layer_norm(row, gamma, beta, eps);
}

/// What [`exp`] is made of.
#[derive(Clone, Copy)]
struct Exp {
    least: f32,
    most: f32,
    log2_e: f32,
    round: f32,
    ln_2: [f32; 2],
    polynomial: [f32; 6],
    one: f32,
}

/// Cephes' polynomial after Cody-Waite reduction. Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits of the mantissa.
const EXP: Exp = Exp {
    least: -87.0,
    most: 88.0,
    log2_e: std::f32::consts::LOG2_E,
    round: 12_582_912.0,
    ln_2: [0.693_359_4, -2.121_944_4e-4],
    polynomial: [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    one: 1.0,
};

impl Exp {
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        let x = if x < self.least { self.least } else { x };
        let x = if x > self.most { self.most } else { x };
        let shifted = x * self.log2_e + self.round;
        let n = shifted - self.round;
        let r = x - n * self.ln_2[0] - n * self.ln_2[1];
        let p = polynomial(self.polynomial, r);
        let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
        (p * r * r + r + self.one) * power
    }
}

/// Constants of a loop. V8 makes those that it knows anew at each use, from three instructions; these it has to read: GELU of 16 x 1536
/// numbers takes 55 µs in Chromium 156 in place of 84.
#[inline(always)]
fn constants<T>(of: T) -> T {
    if cfg!(target_arch = "wasm32") { std::hint::black_box(of) } else { of }
}

/// `eˣ`: relative error at most 2e-7 on [-87, 88], clamped outside.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    EXP.of(x)
}

/// GELU with the error function, in place: absolute error at most 1e-6 · max(1, |x|).
pub fn gelu(row: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::avx512::available() {
        return super::avx512::gelu(row);
    } else if super::avx2::available() {
        return super::avx2::gelu(row);
    }
    gelu_portable(row);
}

/// What [`gelu`] is made of: `Φ(x) - ½ ≈ x · P(x²) / Q(x²)` up to a largest `|x|`, beyond which it hardly changes.
#[derive(Clone, Copy)]
struct Gelu {
    most: f32,
    numerator: [f32; 6],
    denominator: [f32; 5],
    half: f32,
}

/// Fitted by reweighted least squares (Lawson) to the largest error, 8e-8.
const GELU: Gelu = Gelu {
    most: 5.2,
    numerator: [-1.616_467_5e-8, 5.374_373e-6, 4.118_014_8e-4, 6.080_679_6e-3, 6.027_727_2e-2, 3.989_417_6e-1],
    denominator: [1.383_250_5e-4, 3.253_405_2e-3, 4.321_703_3e-2, 3.177_504_8e-1, 1.0],
    half: 0.5,
};

/// Vectorised by the compiler, for the registers of whoever calls it.
#[inline(always)]
pub(super) fn gelu_portable(row: &mut [f32]) {
    let Gelu { most, numerator, denominator, half } = constants(GELU);
    for x in row {
        let near = if *x > most { most } else { *x };
        let near = if near < -most { -most } else { near };
        let square = near * near;
        *x *= half + near * polynomial(numerator, square) / polynomial(denominator, square);
    }
}

/// A polynomial, its highest coefficient first.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    coefficients.into_iter().reduce(|sum, next| sum * x + next).unwrap_or_default()
}

/// Softmax of one row in place.
#[inline(always)]
pub(super) fn softmax(row: &mut [f32]) {
    let largest = max(row, f32::NEG_INFINITY, |x| x);
    let exp = constants(EXP);
    for x in row.iter_mut() {
        *x = exp.of(*x - largest);
    }
    let inverse = 1.0 / sum(row, |x| x);
    for x in row {
        *x *= inverse;
    }
}

/// Squares of lengths that are numbers to the last digit: below, single squares vanish, and above, their sum is infinite.
const SQUARES: std::ops::RangeInclusive<f32> = 1e-25..=f32::MAX;

/// Scales a vector of finite numbers to length 1, whatever its length; a zero vector stays zero.
#[inline]
pub fn l2_normalize(row: &mut [f32]) {
    let squares = sum(row, |x| x * x);
    if SQUARES.contains(&squares) {
        let norm = squares.sqrt();
        for x in row {
            *x /= norm;
        }
    } else {
        normalize_extreme(row);
    }
}

/// [`l2_normalize`] by way of a vector whose largest number is 1.
#[cold]
fn normalize_extreme(row: &mut [f32]) {
    let largest = max(row, 0.0, f32::abs);
    if largest > 0.0 && largest.is_finite() {
        row.iter_mut().for_each(|x| *x /= largest);
        let norm = sum(row, |x| x * x).sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_any_length_are_scaled_to_one() {
        for length in [1e-44, 1e-30, 1e-20, 1e-10, 1.0, 1e10, 1e18, 1e20, 8e37] {
            let mut row = [3.0 * length, -4.0 * length, 0.0];
            l2_normalize(&mut row);
            let error = (row[0] - 0.6).abs().max((row[1] + 0.8).abs());
            // The smallest numbers have few digits themselves.
            assert!(error < if length < 1e-40 { 0.05 } else { 1e-6 }, "{length}: {row:?}");
        }
        let mut zero = [0.0; 9];
        l2_normalize(&mut zero);
        assert_eq!(zero, [0.0; 9]);
        let mut row = [1e25, -1e25, 0.0];
        layer_norm(&mut row, &[1.0; 3], &[0.5; 3], 1e-12);
        assert!(row.iter().all(|x| x.is_nan()), "{row:?}");
    }

    #[test]
    fn exp_and_gelu_are_within_their_stated_errors() {
        // Φ(x) by a numerical integral of the density, in f64.
        let mut phi = 0.5_f64;
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let step = 1e-4;
        for i in 0..100_000_u32 {
            let x = f64::from(i) * step;
            if i.is_multiple_of(97) {
                for (x, phi) in [(x, phi), (-x, 1.0 - phi)] {
                    let mut y = [x as f32];
                    gelu(&mut y);
                    assert!((f64::from(y[0]) - x * phi).abs() <= 1e-6 * x.abs().max(1.0), "gelu({x}) = {} not {}", y[0], x * phi);
                    let (got, want) = (f64::from(exp((x * 8.0) as f32)), f64::from((x * 8.0) as f32).exp());
                    assert!((got / want - 1.0).abs() <= 2e-7, "exp({}) = {got} not {want}", x * 8.0);
                }
            }
            phi += step / 6.0 * (density(x) + 4.0 * density(x + step / 2.0) + density(x + step));
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn layer_norm_has_mean_zero_and_variance_one() {
        for n in [1, 7, 8, 9, 384] {
            let mut row: Vec<f32> = (0..n).map(|i| (i * i % 17) as f32 - 3.0).collect();
            layer_norm(&mut row, &vec![1.0; n], &vec![0.0; n], 1e-12);
            let mean: f32 = row.iter().sum::<f32>() / n as f32;
            assert!(mean.abs() < 1e-5, "{n}: {mean}");
            if n > 1 {
                let variance: f32 = row.iter().map(|x| x * x).sum::<f32>() / n as f32;
                assert!((variance - 1.0).abs() < 1e-4, "{n}: {variance}");
            }
        }
    }

    #[test]
    fn softmax_sums_to_one_for_large_scores() {
        let mut row = [1e4, 1e4, -1e4, 0.0, f32::MIN];
        softmax(&mut row);
        assert_eq!(row, [0.5, 0.5, row[2], row[3], row[4]]);
        assert!(row[2..].iter().all(|&x| (0.0..1e-30).contains(&x)));
    }
}
