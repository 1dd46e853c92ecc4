//! Matryoshka loss (arXiv 2205.13147): the mean of a loss over the vectors' first d dimensions, for several d.

use candle_core::{Result, Tensor};

/// `mean_d loss(vectors[:, ..d])`; the loss of the whole vectors when `dims` is empty.
pub fn matryoshka(vectors: &Tensor, dims: &[usize], loss: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    matryoshka_of([vectors], dims, |[vectors]| loss(vectors))
}

/// The same of a loss between several matrices of vectors, which are cut alike.
pub fn matryoshka_of<const N: usize>(
    vectors: [&Tensor; N],
    dims: &[usize],
    loss: impl Fn([&Tensor; N]) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for &dim in dims {
        let cut = vectors.map(|vectors| vectors.narrow(1, 0, dim).and_then(|cut| cut.contiguous()));
        let mut parts = Vec::with_capacity(N);
        for part in cut {
            parts.push(part?);
        }
        let part = loss(std::array::from_fn(|n| &parts[n]))?;
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
