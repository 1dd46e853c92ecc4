//! Matryoshka loss (arXiv 2205.13147): the mean of a loss over the vectors' first d dimensions, for several d.

use candle_core::{Result, Tensor};

/// `mean_d loss(vectors[:, ..d])`; the loss of the whole vectors when `dims` is empty.
pub fn matryoshka(vectors: &Tensor, dims: &[usize], loss: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for &dim in dims {
        let part = loss(&vectors.narrow(1, 0, dim)?.contiguous()?)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    match sum {
        Some(sum) => sum / dims.len() as f64,
        None => loss(vectors),
    }
}
