//! Losses over vectors of a batch; one a file.

mod distill;
mod matryoshka;
mod pair;
mod proxy;
mod supcon;

pub use distill::{similarity_distillation, vector_distillation};
pub use matryoshka::{matryoshka, matryoshka_of};
pub use pair::pair_info_nce;
pub use proxy::proxy_softmax;
pub use supcon::supervised_contrastive;

use candle_core::{D, Result, Tensor};

/// Added to the score of what must not count in a sum of exponentials.
const EXCLUDED: f32 = -1e30;

/// Rows divided by their length: `[batch, dim]`.
pub fn l2_normalize(x: &Tensor) -> Result<Tensor> {
    x.broadcast_div(&(x.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?)
}

/// `log Σ exp` over the last dimension, which is kept.
fn log_sum_exp(x: &Tensor) -> Result<Tensor> {
    // The maximum only shifts the exponents: no gradient goes through it.
    let max = x.max_keepdim(D::Minus1)?.detach();
    x.broadcast_sub(&max)?.exp()?.sum_keepdim(D::Minus1)?.log()?.broadcast_add(&max)
}

/// `same[i * n + j]`: whether rows i and j of the batch are of the same task.
#[derive(Clone, Debug)]
pub struct SameTask {
    pub rows: usize,
    pub same: Vec<bool>,
}

impl SameTask {
    /// By a relation between rows.
    pub fn new(rows: usize, same: impl Fn(usize, usize) -> bool) -> Self {
        Self { rows, same: (0..rows * rows).map(|n| same(n / rows, n % rows)).collect() }
    }

    /// Whether rows i and j are of the same task.
    pub fn get(&self, i: usize, j: usize) -> bool {
        self.same[i * self.rows + j]
    }
}
