//! The same operations from candle's primitives that have a gradient: for CUDA and bf16, and the oracle of the fused ones.

use candle_core::{D, DType, Result, Tensor};

use crate::config::Dtype;

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

/// Attention within each text. The rows of q, k and v, `[rows, hidden]`, are those of all texts one behind the other, or of texts
/// padded to the longest; so are the result's.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, lengths: &[usize], heads: usize) -> Result<Tensor> {
    let (rows, _) = q.dims2()?;
    let (texts, longest) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0));
    if rows == texts * longest {
        return padded_attention(q, k, v, lengths, heads);
    }
    // Row of each padded place (a text's first row stands in for padding), and place of each row.
    let (mut from, mut places, mut first) = (Vec::with_capacity(texts * longest), Vec::with_capacity(rows), 0);
    for (text, &len) in lengths.iter().enumerate() {
        from.extend((0..longest).map(|at| (if at < len { first + at } else { first }) as u32));
        places.extend((0..len).map(|at| (text * longest + at) as u32));
        first += len;
    }
    let from = Tensor::from_vec(from, texts * longest, q.device())?;
    let pad = |x: &Tensor| x.index_select(&from, 0);
    let context = padded_attention(&pad(q)?, &pad(k)?, &pad(v)?, lengths, heads)?;
    context.index_select(&Tensor::from_vec(places, first, q.device())?, 0)
}

/// The same over texts padded to the longest: `[texts * longest, hidden]`.
fn padded_attention(q: &Tensor, k: &Tensor, v: &Tensor, lengths: &[usize], heads: usize) -> Result<Tensor> {
    let (rows, hidden) = q.dims2()?;
    let (texts, dim) = (lengths.len(), hidden / heads);
    let longest = rows / texts.max(1);
    let split = |x: &Tensor| x.reshape((texts, longest, heads, dim))?.transpose(1, 2)?.contiguous();
    let mut scores = (split(q)?.matmul(&split(k)?.t()?)? / (dim as f64).sqrt())?.to_dtype(DType::F32)?;
    if lengths.iter().any(|&len| len != longest) {
        let mask: Vec<f32> = lengths.iter().flat_map(|&len| (0..longest).map(move |at| if at < len { 0.0 } else { f32::MIN })).collect();
        scores = scores.broadcast_add(&Tensor::from_vec(mask, (texts, 1, 1, longest), q.device())?)?;
    }
    let context = softmax(&scores)?.to_dtype(q.dtype())?.matmul(&split(v)?)?;
    context.transpose(1, 2)?.reshape((rows, hidden))
}

/// The numbers that blocks of this dtype give back, as `quantized` in ggml-quants.c computes them.
pub fn rounded(x: &Tensor, dtype: Dtype) -> Result<Tensor> {
    let blocks = x.reshape(((), dtype.block_len()))?;
    // A block of zeros has no scale.
    let divisor = |scale: &Tensor| scale.eq(0.0)?.where_cond(&scale.ones_like()?, scale);
    let stored = |scale: &Tensor| scale.to_dtype(DType::F16)?.to_dtype(DType::F32);
    let rounded = match dtype {
        Dtype::F32 => return Ok(x.clone()),
        Dtype::F16 => stored(&blocks)?,
        Dtype::Q8_0 => {
            let scale = (blocks.abs()?.max_keepdim(1)? / 127.0)?;
            blocks.broadcast_div(&divisor(&scale)?)?.round()?.broadcast_mul(&stored(&scale)?)?
        }
        Dtype::Q4_0 => {
            // The number farthest from zero, with its sign, becomes -8.
            let (high, low) = (blocks.max_keepdim(1)?, blocks.min_keepdim(1)?);
            let farthest = low.neg()?.gt(&high)?.where_cond(&low, &high)?;
            let scale = (farthest / -8.0)?;
            let steps = (blocks.broadcast_div(&divisor(&scale)?)? + 8.5)?.floor()?.clamp(0.0, 15.0)?;
            (steps - 8.0)?.broadcast_mul(&stored(&scale)?)?
        }
    };
    rounded.reshape(x.shape())
}
