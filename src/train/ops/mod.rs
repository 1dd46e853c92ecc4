//! The encoder's operations on candle tensors, each with a gradient.
//!
//! On the CPU in f32 they are fused ([`linear`], [`gelu`], [`norm`], [`attention`]): one node of the graph where the primitive form
//! has ten, no padding, and memory passed over once. Elsewhere (CUDA, bf16) the same functions are put together from candle's
//! primitives in [`reference`], which is also what the fused ones are tested against. Candle's own fused layer-norm and softmax
//! have no backward pass, and cut the gradient without a word.

mod attention;
pub(super) mod float;
mod gelu;
mod linear;
mod norm;
pub mod reference;
mod rounding;

use candle_core::{CpuStorage, DType, Device, Layout, Result, Tensor};

pub use rounding::stored_as;

/// Rows of a chunk that one thread takes. Sums over rows are first taken within a chunk, then over chunks in order, so that they
/// do not depend on the number of threads.
const CHUNK_ROWS: usize = 64;

/// Whether the fused forms run there on such numbers.
pub(super) fn are_fused(device: &Device, dtype: DType) -> bool {
    device.is_cpu() && dtype == DType::F32
}

fn fused(x: &Tensor) -> bool {
    are_fused(x.device(), x.dtype())
}

/// `x Wᵀ + b`: x is `[tokens, inputs]`, W `[outputs, inputs]`, b `[outputs]`; the result is `[tokens, outputs]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if fused(x) { x.apply_op3(weight, bias, linear::Linear) } else { reference::linear(x, weight, bias) }
}

/// `x Φ(x)` with the normal distribution's Φ (BERT's "gelu").
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if fused(x) { x.apply_op1(gelu::Gelu) } else { reference::gelu(x) }
}

/// `LayerNorm(x + branch) ∘ gamma + beta` over the last dimension of `[tokens, hidden]`.
pub fn add_layer_norm(x: &Tensor, branch: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f32) -> Result<Tensor> {
    if fused(x) {
        // Custom operations take three tensors.
        x.apply_op3(branch, &Tensor::stack(&[gamma, beta], 0)?, norm::AddLayerNorm { eps })
    } else {
        reference::add_layer_norm(x, branch, gamma, beta, eps)
    }
}

/// Multi-head self-attention within each text: q, k and v are `[tokens, hidden]`, and `lengths` sum up to `tokens`.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, lengths: &[usize], heads: usize) -> Result<Tensor> {
    if fused(q) {
        q.apply_op3(k, v, attention::Attention { lengths: lengths.to_vec(), heads })
    } else {
        reference::attention(q, k, v, lengths, heads)
    }
}

/// The numbers of a contiguous f32 operand.
fn slice<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => candle_core::bail!("an operand of shape {:?} is not contiguous", layout.shape()),
    }
}

/// Runs `f` on the numbers of contiguous f32 tensors on the CPU.
fn with_slices<const N: usize, T>(tensors: [&Tensor; N], f: impl FnOnce([&[f32]; N]) -> T) -> Result<T> {
    let tensors = tensors.map(Tensor::contiguous);
    let mut contiguous = Vec::with_capacity(N);
    for tensor in tensors {
        contiguous.push(tensor?);
    }
    let guards: Vec<_> = contiguous.iter().map(Tensor::storage_and_layout).collect();
    let mut slices = [&[][..]; N];
    for (out, (storage, layout)) in slices.iter_mut().zip(&guards) {
        *out = match &**storage {
            candle_core::Storage::Cpu(storage) => slice(storage, layout)?,
            _ => candle_core::bail!("an operand is not on the CPU"),
        };
    }
    Ok(f(slices))
}
