//! Minimisation of a smooth function by L-BFGS (Nocedal and Wright, *Numerical Optimization*, algorithm 7.5), without any chance in it.

use std::collections::VecDeque;

/// Steps whose curvature is remembered.
const MEMORY: usize = 8;
/// Armijo's share of the decrease that the slope promises.
const DECREASE: f64 = 1e-4;
/// Halvings of one step before the search ends.
const HALVINGS: usize = 12;

/// A function to minimise.
pub trait Function {
    /// The value at `x`; the gradient is written to `gradient`, which has the length of `x`.
    fn evaluate(&mut self, x: &[f32], gradient: &mut [f32]) -> f64;
}

/// Lowers `function` from `x` on, in at most `max_steps` steps; it ends earlier when the gradient's largest entry is at most `tolerance`, or
/// when no step lowers the value. Gives the steps taken.
pub fn minimize(function: &mut impl Function, x: &mut [f32], max_steps: usize, tolerance: f32) -> usize {
    let n = x.len();
    let (mut gradient, mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut direction = vec![0.0_f32; n];
    // Pairs of (x' - x, g' - g) and the inverse of their product, oldest first.
    let mut pairs: VecDeque<(Vec<f32>, Vec<f32>, f64)> = VecDeque::with_capacity(MEMORY);
    let mut value = function.evaluate(x, &mut gradient);
    for step in 0..max_steps {
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            return step;
        }
        direct(&gradient, &pairs, &mut direction);
        let mut slope = dot(&gradient, &direction);
        if slope >= 0.0 {
            // Rounding has spoilt the curvature: begin again along the gradient.
            pairs.clear();
            direct(&gradient, &pairs, &mut direction);
            slope = dot(&gradient, &direction);
        }
        let mut length = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut lowered = None;
        for _ in 0..HALVINGS {
            next.iter_mut().zip(x.iter().zip(&direction)).for_each(|(next, (x, d))| *next = x + length as f32 * d);
            let there = function.evaluate(&next, &mut next_gradient);
            if there <= value + DECREASE * length * slope {
                lowered = Some(there);
                break;
            }
            length /= 2.0;
        }
        let Some(there) = lowered else { return step };
        let s: Vec<f32> = next.iter().zip(x.iter()).map(|(next, x)| next - x).collect();
        let y: Vec<f32> = next_gradient.iter().zip(&gradient).map(|(next, g)| next - g).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-10 * dot(&y, &y) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back((s, y, 1.0 / curvature));
        }
        x.copy_from_slice(&next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = there;
    }
    max_steps
}

/// The direction `-H·g`, `H` being the inverse Hessian that the pairs tell.
fn direct(gradient: &[f32], pairs: &VecDeque<(Vec<f32>, Vec<f32>, f64)>, direction: &mut [f32]) {
    direction.iter_mut().zip(gradient).for_each(|(d, g)| *d = -g);
    let mut shares = Vec::with_capacity(pairs.len());
    for (s, y, inverse) in pairs.iter().rev() {
        let share = inverse * dot(s, direction);
        add(direction, -share, y);
        shares.push(share);
    }
    if let Some((_, y, inverse)) = pairs.back() {
        let scale = (1.0 / (inverse * dot(y, y))) as f32;
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((s, y, inverse), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let other = inverse * dot(y, direction);
        add(direction, share - other, s);
    }
}

fn add(to: &mut [f32], scale: f64, numbers: &[f32]) {
    to.iter_mut().zip(numbers).for_each(|(to, x)| *to += scale as f32 * x);
}

/// The product of two vectors, summed in doubles over eight lanes.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    for (a, b) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ k·(x_k - k)², whose curvature differs by a factor of 20.
    struct Bowl(usize);

    impl Function for Bowl {
        fn evaluate(&mut self, x: &[f32], gradient: &mut [f32]) -> f64 {
            self.0 += 1;
            let mut value = 0.0;
            for (n, (x, g)) in (1_u8..).zip(x.iter().zip(gradient)) {
                let n = f32::from(n);
                value += f64::from(n * (x - n).powi(2));
                *g = 2.0 * n * (x - n);
            }
            value
        }
    }

    #[test]
    fn the_bottom_of_a_bowl_is_found() {
        let (mut x, mut bowl) = (vec![0.0; 20], Bowl(0));
        let steps = minimize(&mut bowl, &mut x, 100, 1e-4);
        assert!(steps < 40 && bowl.0 < 60, "{steps} steps, {} evaluations", bowl.0);
        assert!((1_u8..).zip(&x).all(|(n, x)| (x - f32::from(n)).abs() < 1e-4), "{x:?}");
        assert_eq!(minimize(&mut bowl, &mut x, 100, 1e-3), 0);
    }

    #[test]
    fn a_step_limit_is_kept() {
        let mut x = vec![0.0; 20];
        assert_eq!(minimize(&mut Bowl(0), &mut x, 3, 0.0), 3);
    }

    #[test]
    fn products_take_every_length() {
        for n in [0, 1, 7, 8, 9, 31] {
            let a: Vec<f32> = (0..n).map(|n| n as f32).collect();
            let expected: f64 = a.iter().map(|x| f64::from(x * x)).sum();
            assert!((dot(&a, &a) - expected).abs() < 1e-9);
        }
    }
}
