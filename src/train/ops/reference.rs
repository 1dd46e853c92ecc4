//! The same operations from candle's primitives that have a gradient: for CUDA and bf16, and the oracle of the fused ones.

use candle_core::{D, DType, Result, Tensor};

/// `x Wᵀ + b` in x's dtype.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.to_dtype(x.dtype())?.t()?)?.broadcast_add(&bias.to_dtype(x.dtype())?)
}

/// `x Φ(x)`.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.gelu_erf()
}

/// `LayerNorm(x + branch) ∘ gamma + beta`, computed in f32.
pub fn add_layer_norm(x: &Tensor, branch: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f32) -> Result<Tensor> {
    let sum = (x + branch)?.to_dtype(DType::F32)?;
    let hidden = sum.dim(D::Minus1)? as f64;
    let centred = sum.broadcast_sub(&(sum.sum_keepdim(D::Minus1)? / hidden)?)?;
    let variance = (centred.sqr()?.sum_keepdim(D::Minus1)? / hidden)?;
    let normal = centred.broadcast_div(&(variance + f64::from(eps))?.sqrt()?)?;
    normal.broadcast_mul(gamma)?.broadcast_add(beta)?.to_dtype(x.dtype())
}

/// Softmax over the last dimension, in f32.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let x = x.to_dtype(DType::F32)?;
    // The maximum only shifts the exponents: no gradient goes through it.
    let exp = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// Attention within each text, by way of a padded batch `[texts, heads, longest, head_dim]`.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, lengths: &[usize], heads: usize) -> Result<Tensor> {
    let (_, hidden) = q.dims2()?;
    let (texts, longest, dim) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0), hidden / heads);
    let device = q.device();
    let ragged = lengths.iter().any(|&len| len != longest);

    // Row of each padded place (a text's first row stands in for padding), and place of each row.
    let (mut rows, mut places, mut mask, mut first) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (text, &len) in lengths.iter().enumerate() {
        for at in 0..longest {
            rows.push((if at < len { first + at } else { first }) as u32);
            mask.push(if at < len { 0.0 } else { f32::MIN });
        }
        places.extend((0..len).map(|at| (text * longest + at) as u32));
        first += len;
    }
    let rows = Tensor::from_vec(rows, texts * longest, device)?;
    let split = |x: &Tensor| {
        let x = if ragged { x.index_select(&rows, 0)? } else { x.clone() };
        x.reshape((texts, longest, heads, dim))?.transpose(1, 2)?.contiguous()
    };
    let scores = (split(q)?.matmul(&split(k)?.t()?)? / (dim as f64).sqrt())?.to_dtype(DType::F32)?;
    let scores = if ragged { scores.broadcast_add(&Tensor::from_vec(mask, (texts, 1, 1, longest), device)?)? } else { scores };
    let context = softmax(&scores)?.to_dtype(q.dtype())?.matmul(&split(v)?)?;
    let context = context.transpose(1, 2)?.reshape((texts * longest, hidden))?;
    if ragged { context.index_select(&Tensor::from_vec(places, first, device)?, 0) } else { Ok(context) }
}
