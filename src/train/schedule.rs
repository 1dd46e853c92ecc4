//! The learning rate over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate goes from its peak to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    Constant,
    #[default]
    Linear,
    Cosine,
}

/// The learning rate of a step: a linear rise over `warmup` steps to `peak`, then the decay to 0 at `steps`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pub peak: f64,
    pub warmup: u64,
    pub steps: u64,
    pub decay: Decay,
}

impl Schedule {
    /// The rate of step 0, 1, …
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / self.steps.saturating_sub(self.warmup).max(1) as f64;
        self.peak
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => 1.0 - progress,
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let schedule = |decay| Schedule { peak: 1.0, warmup: 4, steps: 14, decay };
        assert_eq!((0..5).map(|n| schedule(Decay::Linear).rate(n)).collect::<Vec<_>>(), [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((schedule(Decay::Linear).rate(9) - 0.5).abs() < 1e-12);
        assert!((schedule(Decay::Cosine).rate(9) - 0.5).abs() < 1e-12);
        assert_eq!(schedule(Decay::Constant).rate(13), 1.0);
        assert!(schedule(Decay::Linear).rate(13) > 0.0);
        assert_eq!(Schedule { peak: 1.0, warmup: 0, steps: 0, decay: Decay::Linear }.rate(0), 1.0);
    }
}
