//! The loss that a tagger's weights minimise.
//!
//! With weights `W = W₀ + D` of `[labels, k]`, logits `z = W·x` of a text `x`, and `λ` the regulariser's strength, the loss is
//!
//! `Σᵢ ωᵢ·(ln Σⱼ exp(zᵢⱼ) - zᵢ,yᵢ)  -  Σ ln(1 - p(not's label))  +  λ/2·‖D‖²`
//!
//! The first sum is multinomial logistic regression on the examples; the second is over the counter-examples, whose probabilities are taken
//! over all labels and a background of a constant logit, so that a single label can be left too. The weights are pulled to the prior `W₀`,
//! the labels' prototypes, where scikit-learn's regression pulls them to 0. Labels without examples and counter-examples keep the prior:
//! the others learn to beat them, and they would learn nothing but to lose.

use super::minimize::Function;
use crate::kernels::{PackedF32, gemm_f32};

/// One text that is learned from.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub label: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An example, with its weight `ω`.
    Example(f32),
    /// A counter-example.
    Not,
}

/// The loss as a function of `D`.
pub struct Objective<'a> {
    /// `[rows, k]`.
    x: &'a [f32],
    rows: &'a [Row],
    /// The same numbers, packed as `[k, rows]` for the gradient.
    columns: PackedF32,
    /// `W₀`, `[labels, k]`.
    prior: &'a [f32],
    /// Of each label whether it has an example or a counter-example.
    taught: Vec<bool>,
    k: usize,
    strength: f32,
    background: f32,
    /// Buffers: `[labels, k]`, `[rows, labels]` and its transpose.
    weights: Vec<f32>,
    logits: Vec<f32>,
    errors: Vec<f32>,
}

impl<'a> Objective<'a> {
    /// `x` is `[rows, k]`, `prior` is `[labels, k]`.
    pub fn new(x: &'a [f32], rows: &'a [Row], prior: &'a [f32], k: usize, strength: f32, background: f32) -> Self {
        let labels = prior.len() / k;
        let mut columns = vec![0.0; x.len()];
        for (row, numbers) in x.chunks_exact(k).enumerate() {
            numbers.iter().enumerate().for_each(|(at, &number)| columns[at * rows.len() + row] = number);
        }
        let mut taught = vec![false; labels];
        rows.iter().for_each(|row| taught[row.label] = true);
        Self {
            x,
            rows,
            columns: PackedF32::pack(&columns, k, rows.len()),
            prior,
            taught,
            k,
            strength,
            background,
            weights: vec![0.0; prior.len()],
            logits: vec![0.0; rows.len() * labels],
            errors: vec![0.0; rows.len() * labels],
        }
    }
}

impl Function for Objective<'_> {
    fn evaluate(&mut self, d: &[f32], gradient: &mut [f32]) -> f64 {
        let (labels, count) = (self.taught.len(), self.rows.len());
        self.weights.iter_mut().zip(self.prior.iter().zip(d)).for_each(|(w, (prior, d))| *w = prior + d);
        gemm_f32(self.x, &PackedF32::pack(&self.weights, labels, self.k), &vec![0.0; labels], &mut self.logits);
        let mut loss = 0.0;
        for (n, (row, z)) in self.rows.iter().zip(self.logits.chunks_exact_mut(labels)).enumerate() {
            loss += match row.kind {
                Kind::Example(weight) => example(z, row.label, weight),
                Kind::Not => counter_example(z, row.label, self.background),
            };
            z.iter().enumerate().for_each(|(label, &error)| self.errors[label * count + n] = error);
        }
        gemm_f32(&self.errors, &self.columns, &vec![0.0; self.k], gradient);
        let strength = self.strength;
        gradient.iter_mut().zip(d).for_each(|(g, d)| *g += strength * d);
        let labels = gradient.chunks_exact_mut(self.k).zip(&self.taught);
        labels.filter(|(_, taught)| !**taught).for_each(|(gradient, _)| gradient.fill(0.0));
        loss + f64::from(strength) / 2.0 * super::minimize::dot(d, d)
    }
}

/// The loss of an example; its logits become the loss's slopes along them.
fn example(z: &mut [f32], label: usize, weight: f32) -> f64 {
    let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let own = z[label];
    z.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let total: f64 = z.iter().map(|&z| f64::from(z)).sum();
    let scale = (f64::from(weight) / total) as f32;
    z.iter_mut().for_each(|z| *z *= scale);
    z[label] -= weight;
    f64::from(weight) * (total.ln() + f64::from(largest) - f64::from(own))
}

/// The loss of a counter-example, `-ln(1 - p)`: the log of the sum over all labels minus the log of the sum over the other labels.
fn counter_example(z: &mut [f32], label: usize, background: f32) -> f64 {
    let largest = z.iter().copied().fold(background, f32::max);
    z.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let own = f64::from(z[label]);
    let others = z.iter().enumerate().filter(|(at, _)| *at != label).map(|(_, &z)| f64::from(z)).sum::<f64>();
    // Never 0: a label that is infinitely sure of a counter-example has a slope of 1, which is all that is needed.
    let others = (others + f64::from((background - largest).exp())).max(f64::from(f32::MIN_POSITIVE));
    let all = others + own;
    let (mine, rest) = ((own / all) as f32, (1.0 / all - 1.0 / others) as f32);
    z.iter_mut().enumerate().for_each(|(at, z)| *z = if at == label { mine } else { *z * rest });
    all.ln() - others.ln()
}

#[cfg(test)]
mod tests {
    use super::super::minimize::minimize;
    use super::*;
    use crate::tasks::Random;

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        // The last of the labels has no row, and keeps its prior.
        let (labels, k, mut random) = (6, 9, Random::new(3));
        let mut numbers = |n: usize, scale: f32| -> Vec<f32> { (0..n).map(|_| (random.unit() as f32 - 0.5) * scale).collect() };
        let rows: Vec<Row> = (0..14)
            .map(|n| Row { label: n % 4, kind: if n % 7 == 6 { Kind::Not } else { Kind::Example(0.5 + n as f32 / 8.0) } })
            .chain([Row { label: 4, kind: Kind::Not }])
            .collect();
        let (x, prior, d) = (numbers(rows.len() * k, 2.0), numbers(labels * k, 4.0), numbers(labels * k, 1.0));
        let mut objective = Objective::new(&x, &rows, &prior, k, 0.3, 1.0);
        let (mut gradient, mut unused) = (vec![0.0; d.len()], vec![0.0; d.len()]);
        objective.evaluate(&d, &mut gradient);
        assert!(gradient[5 * k..].iter().all(|slope| *slope == 0.0));
        for at in 0..5 * k {
            let mut value = |step: f32| {
                let mut there = d.clone();
                there[at] += step;
                objective.evaluate(&there, &mut unused)
            };
            let slope = (value(0.01) - value(-0.01)) / 0.02;
            assert!((slope - f64::from(gradient[at])).abs() < 2e-3 * slope.abs().max(1.0), "{at}: {slope} and {}", gradient[at]);
        }
    }

    #[test]
    fn a_certain_counter_example_has_a_finite_loss() {
        let mut z = [500.0, 0.0];
        let loss = counter_example(&mut z, 0, 1.0);
        assert!(loss.is_finite() && z.iter().all(|slope| slope.is_finite()) && (z[0] - 1.0).abs() < 1e-6, "{loss} {z:?}");
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        strength: f32,
        rows: Vec<Vec<f32>>,
        labels: Vec<usize>,
        row_weights: Vec<f32>,
        sklearn: Vec<Vec<f32>>,
        prior: Vec<Vec<f32>>,
        pulled_to_prior: Vec<Vec<f32>>,
    }

    #[test]
    fn the_optimum_is_that_of_scikit_learn_and_scipy() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/regression.json");
        let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (x, k) = (fixture.rows.concat(), fixture.rows[0].len());
        let rows: Vec<Row> =
            fixture.labels.iter().zip(&fixture.row_weights).map(|(&label, &weight)| Row { label, kind: Kind::Example(weight) }).collect();
        let nothing = vec![vec![0.0; k]; fixture.prior.len()];
        for (prior, expected) in [(nothing, fixture.sklearn), (fixture.prior, fixture.pulled_to_prior)] {
            let (prior, expected) = (prior.concat(), expected.concat());
            let mut difference = vec![0.0; prior.len()];
            let mut objective = Objective::new(&x, &rows, &prior, k, fixture.strength, 0.0);
            let steps = minimize(&mut objective, &mut difference, 200, 1e-4);
            let apart = prior.iter().zip(&difference).zip(&expected).map(|((w, d), expected)| (w + d - expected).abs());
            let apart = apart.fold(0.0, f32::max);
            assert!(apart < 2e-3 && steps < 100, "{apart} after {steps} steps");
        }
    }
}
