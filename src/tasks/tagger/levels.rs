//! From logits to probabilities, and the level below which a text is unknown.

use super::learn::HeldOut;

/// Held-out examples at which what they say counts as much as what is assumed without any.
const TRUST: f64 = 10.0;
/// Bounds of the temperature, and steps of its search.
const TEMPERATURES: (f64, f64) = (0.1, 10.0);
const SEARCH: usize = 40;

/// How logits become scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// `T` of the scores `exp(z / T) / (exp(u / T) + Σ exp(z / T))`.
    pub temperature: f32,
    /// `u`: a text whose best logit is lower is unknown.
    pub unknown: f32,
    /// `u` of each label, where labels have their own.
    pub thresholds: Vec<f32>,
    /// A label's independent score is `1 / (1 + exp(-(slope · z + offset)))`.
    pub slope: f32,
    pub offset: f32,
}

impl Levels {
    /// Fits the levels so that about `unknown_share` of held-out examples would be unknown; `assumed` is `u` where there is no example.
    pub fn fit(held_out: &HeldOut, labels: usize, assumed: f32, unknown_share: f32, own: bool) -> Self {
        let HeldOut { logits, owners } = held_out;
        let rows = || logits.chunks_exact(labels).zip(owners);
        let n = owners.len() as f64;
        let told = n / (n + TRUST);
        let blend = |found: f64, assumed: f64| told * found + (1.0 - told) * assumed;
        let mut best: Vec<f32> = rows().map(|(row, _)| row.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect();
        let unknown = quantile(&mut best, unknown_share).map_or(assumed, |found| blend(f64::from(found), f64::from(assumed)) as f32);
        let temperature = if owners.is_empty() { 1.0 } else { blend(temperature(held_out, labels, unknown).ln(), 0.0).exp() as f32 };
        let (slope, offset) = independent(held_out, labels, unknown);
        let mut thresholds = Vec::new();
        if own {
            for label in 0..labels {
                let mut own: Vec<f32> = rows().filter(|(_, owner)| **owner == label).map(|(row, _)| row[label]).collect();
                let n = own.len() as f64;
                let level = quantile(&mut own, unknown_share).unwrap_or(unknown);
                thresholds.push(((n * f64::from(level) + TRUST * f64::from(unknown)) / (n + TRUST)) as f32);
            }
        }
        Self { temperature, unknown, thresholds, slope, offset }
    }

    /// The level below which a text is unknown whose best label is this one.
    pub fn unknown_of(&self, label: usize) -> f32 {
        self.thresholds.get(label).copied().unwrap_or(self.unknown)
    }

    /// A label's score by itself, 0 to 1.
    pub fn alone(&self, logit: f32) -> f32 {
        1.0 / (1.0 + (-(self.slope * logit + self.offset)).exp())
    }

    /// Whether scores can be computed from these numbers.
    pub fn is_valid(&self) -> bool {
        let numbers = [self.temperature, self.unknown, self.slope, self.offset];
        numbers.iter().chain(&self.thresholds).all(|x| x.is_finite()) && self.temperature > 0.0
    }
}

/// The number below which this share of them lies, between the two that are next to it.
fn quantile(numbers: &mut [f32], share: f32) -> Option<f32> {
    numbers.sort_by(f32::total_cmp);
    let at = share * numbers.len().checked_sub(1)? as f32;
    let (low, high) = (numbers[at as usize], numbers[(at as usize + 1).min(numbers.len() - 1)]);
    Some(low + (high - low) * at.fract())
}

/// The temperature at which the held-out labels are likeliest, by golden-section search over its logarithm.
fn temperature(held_out: &HeldOut, labels: usize, unknown: f32) -> f64 {
    let loss = |log: f64| -> f64 {
        let scale = (-log).exp() as f32;
        let row = |(row, &owner): (&[f32], &usize)| {
            let largest = row.iter().copied().fold(unknown, f32::max);
            let sum: f32 = row.iter().chain([&unknown]).map(|z| ((z - largest) * scale).exp()).sum();
            f64::from(sum.ln() + (largest - row[owner]) * scale)
        };
        held_out.logits.chunks_exact(labels).zip(&held_out.owners).map(row).sum()
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (TEMPERATURES.0.ln(), TEMPERATURES.1.ln());
    let inner = |low: f64, high: f64| (high - golden * (high - low), low + golden * (high - low));
    let (mut a, mut b) = inner(low, high);
    let (mut at_a, mut at_b) = (loss(a), loss(b));
    for _ in 0..SEARCH {
        if at_a <= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = inner(low, high).0;
            at_a = loss(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = inner(low, high).1;
            at_b = loss(b);
        }
    }
    low.midpoint(high).exp()
}

/// The slope and offset of independent scores: a logistic regression of "has the label" on the logit over all pairs of a held-out example and
/// a label, pulled to a slope of 1 that gives a half at the unknown level.
fn independent(held_out: &HeldOut, labels: usize, unknown: f32) -> (f32, f32) {
    // Measured from the unknown level, slope and offset hardly depend on each other.
    let (mut slope, mut offset) = (1.0_f64, 0.0_f64);
    for _ in 0..20 {
        let (mut g, mut h) = ([TRUST * (slope - 1.0), TRUST * offset], [TRUST, 0.0, TRUST]);
        for (row, &owner) in held_out.logits.chunks_exact(labels).zip(&held_out.owners) {
            for (label, &z) in row.iter().enumerate() {
                let z = f64::from(z - unknown);
                let p = 1.0 / (1.0 + (-(slope * z + offset)).exp());
                let (error, weight) = (p - f64::from(u8::from(label == owner)), p * (1.0 - p));
                g = [g[0] + error * z, g[1] + error];
                h = [h[0] + weight * z * z, h[1] + weight * z, h[2] + weight];
            }
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        // A whole Newton step from far away may overshoot.
        let scale = 1.0 / step[0].abs().max(step[1].abs()).max(1.0);
        slope -= scale * step[0];
        offset -= scale * step[1];
        if step[0].abs().max(step[1].abs()) < 1e-6 {
            break;
        }
    }
    (slope as f32, (offset - slope * f64::from(unknown)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two labels: of 40 examples all but 4 have their own logit higher.
    fn held_out() -> HeldOut {
        let rows = (0..40_u8).map(|n| {
            let (owner, sure) = (usize::from(n % 2), if n < 4 { -2.0 } else { 4.0 + f32::from(n) / 40.0 });
            let mut logits = vec![10.0, 10.0];
            logits[owner] += sure;
            (logits, owner)
        });
        let (logits, owners): (Vec<Vec<f32>>, Vec<usize>) = rows.unzip();
        HeldOut { logits: logits.concat(), owners }
    }

    #[test]
    fn levels_keep_the_share_that_was_asked_for() {
        let held_out = held_out();
        let levels = Levels::fit(&held_out, 2, 10.0, 0.2, true);
        let kept = held_out.logits.chunks_exact(2).filter(|row| row[0].max(row[1]) >= levels.unknown).count();
        assert!((32..=36).contains(&kept), "{kept} {levels:?}");
        assert!(levels.is_valid() && levels.thresholds.len() == 2 && levels.unknown_of(1) == levels.thresholds[1]);
        // Nine of ten are right: the temperature makes the sure ones no surer than that.
        let p = 1.0 / (1.0 + (-4.5 / levels.temperature).exp());
        assert!((0.8..0.97).contains(&p), "{p} {levels:?}");
        assert!(levels.alone(14.5) > 0.8 && levels.alone(8.0) < 0.2, "{levels:?}");
    }

    #[test]
    fn without_examples_the_assumption_stands() {
        let none = HeldOut { logits: Vec::new(), owners: Vec::new() };
        let levels = Levels::fit(&none, 3, 7.0, 0.05, false);
        assert_eq!((levels.temperature, levels.unknown, levels.unknown_of(2)), (1.0, 7.0, 7.0));
        assert!((levels.alone(7.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn quantiles_lie_between_numbers() {
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&mut [4.0, 1.0, 2.0], 0.25), Some(1.5));
    }
}
