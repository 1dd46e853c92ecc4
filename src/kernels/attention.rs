//! Multi-head self-attention within one sequence.

use super::PANEL;
use super::elementwise::softmax;
use super::gemm::gemm_f32_packed;

/// Buffers that [`attention`] reuses between calls.
#[derive(Default)]
pub struct AttentionScratch {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    scores: Vec<f32>,
    context: Vec<f32>,
    zeros: Vec<f32>,
}

/// `softmax(Q Kᵀ / √head_dim) V` for each head.
///
/// `qkv` is `[tokens, 3 * hidden]` (query, key, value side by side), `out` is `[tokens, hidden]`, `hidden = heads * head_dim`.
///
/// # Panics
/// When a length does not fit.
pub fn attention(qkv: &[f32], heads: usize, head_dim: usize, scratch: &mut AttentionScratch, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::avx2::available() {
        return super::avx2::attention(qkv, heads, head_dim, scratch, out);
    }
    attention_portable(qkv, heads, head_dim, scratch, out);
}

/// Vectorised by the compiler, for the registers of whoever calls it.
#[inline(always)]
pub(super) fn attention_portable(qkv: &[f32], heads: usize, head_dim: usize, scratch: &mut AttentionScratch, out: &mut [f32]) {
    let hidden = heads * head_dim;
    let tokens = out.len() / hidden;
    assert_eq!((qkv.len(), out.len()), (tokens * 3 * hidden, tokens * hidden), "attention: lengths");
    let AttentionScratch { query, key, value, scores, context, zeros } = scratch;
    query.resize(tokens * head_dim, 0.0);
    scores.resize(tokens * tokens, 0.0);
    context.resize(tokens * head_dim, 0.0);
    zeros.resize(tokens.max(head_dim), 0.0);
    // Padding columns of the packed matrices must be zero, and both change shape with the sequence.
    key.clear();
    key.resize(tokens.next_multiple_of(PANEL) * head_dim, 0.0);
    value.clear();
    value.resize(head_dim.next_multiple_of(PANEL) * tokens, 0.0);
    let scale = 1.0 / (head_dim as f32).sqrt();

    for head in 0..heads {
        for (token, row) in qkv.chunks_exact(3 * hidden).enumerate() {
            let part = |which: usize| &row[which * hidden + head * head_dim..][..head_dim];
            for (q, &x) in query[token * head_dim..][..head_dim].iter_mut().zip(part(0)) {
                *q = x * scale;
            }
            // The packed layout of `gemm`: tokens are the columns of Q Kᵀ ...
            let panel = &mut key[token / PANEL * (head_dim * PANEL)..][..head_dim * PANEL];
            for (at, &x) in part(1).iter().enumerate() {
                panel[at * PANEL + token % PANEL] = x;
            }
            // ... and the head's dimensions those of (...) V.
            for (panel, xs) in part(2).chunks(PANEL).enumerate() {
                value[(panel * tokens + token) * PANEL..][..xs.len()].copy_from_slice(xs);
            }
        }
        gemm_f32_packed(query, key, head_dim, &zeros[..tokens], scores);
        for row in scores.chunks_exact_mut(tokens) {
            softmax(row);
        }
        gemm_f32_packed(scores, value, tokens, &zeros[..head_dim], context);
        for (row, context) in out.chunks_exact_mut(hidden).zip(context.chunks_exact(head_dim)) {
            row[head * head_dim..][..head_dim].copy_from_slice(context);
        }
    }
}
