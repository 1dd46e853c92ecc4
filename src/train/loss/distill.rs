//! Distillation: what a trained teacher says of the same texts as the target.

use candle_core::{D, Result, Tensor};

use super::l2_normalize;

/// Mean squared difference of the cosine similarities within the batch, the diagonal left out (arXiv 1904.05068's distances, with
/// cosines). The teacher's vectors `[batch, any]` may have another width.
pub fn similarity_distillation(vectors: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let rows = vectors.dim(0)?;
    let similarity = |x: &Tensor| {
        let z = l2_normalize(x)?;
        z.matmul(&z.t()?)
    };
    // Both diagonals are ones.
    let pairs = (rows * rows.saturating_sub(1)).max(1);
    (similarity(vectors)? - similarity(&teacher.detach())?)?.sqr()?.sum_all()? / pairs as f64
}

/// Mean of `1 - cos(student, teacher)`; both are `[batch, dim]`.
pub fn vector_distillation(vectors: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let cosines = (l2_normalize(vectors)? * l2_normalize(&teacher.detach())?)?.sum(D::Minus1)?;
    1.0 - cosines.mean_all()?
}
