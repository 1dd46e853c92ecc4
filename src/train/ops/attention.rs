//! Scaled dot-product attention of many texts as one node, without padding (arXiv 1706.03762).
//!
//! Per text and head, with `[len, head_dim]` matrices: `P = softmax(Q Kᵀ / sqrt(head_dim))`, `O = P V`; backward
//! `dV = Pᵀ dO`, `dS = P ∘ (dO Vᵀ - rowsum(dO ∘ O))`, `dQ = dS K / sqrt(head_dim)`, `dK = dSᵀ Q / sqrt(head_dim)`.
//! P is computed again in the backward pass: it is cheaper than to keep it.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::{dot, exp, sum};
use super::{slice, with_slices};

pub struct Attention {
    pub lengths: Vec<usize>,
    pub heads: usize,
}

/// `c[m, n] += a[m, k] b[k, n]`, row-major.
fn multiply_add(a: &[f32], b: &[f32], c: &mut [f32], k: usize, n: usize) {
    for (a, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        let (fours, rest) = a.as_chunks::<4>();
        let (b_fours, b_rest) = b.split_at(fours.len() * 4 * n);
        for (&[a0, a1, a2, a3], b) in fours.iter().zip(b_fours.chunks_exact(4 * n)) {
            let (b0, b) = b.split_at(n);
            let (b1, b) = b.split_at(n);
            let (b2, b3) = b.split_at(n);
            for ((((c, b0), b1), b2), b3) in c.iter_mut().zip(b0).zip(b1).zip(b2).zip(b3) {
                *c += (a0 * b0 + a1 * b1) + (a2 * b2 + a3 * b3);
            }
        }
        for (a, b) in rest.iter().zip(b_rest.chunks_exact(n)) {
            for (c, b) in c.iter_mut().zip(b) {
                *c += a * b;
            }
        }
    }
}

/// `to[columns, rows] = from[rows, columns]ᵀ`.
fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    let rows = from.len() / columns;
    for (row, from) in from.chunks_exact(columns).enumerate() {
        for (column, x) in from.iter().enumerate() {
            to[column * rows + row] = *x;
        }
    }
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
    row.iter_mut().for_each(|x| *x = exp(*x - max));
    let inverse = 1.0 / sum(row);
    row.iter_mut().for_each(|x| *x *= inverse);
}

/// One head of one text: matrices `[len, dim]` in contiguous memory.
struct Head {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    transposed: Vec<f32>,
    /// `[len, len]`
    weights: Vec<f32>,
    len: usize,
    dim: usize,
}

impl Head {
    fn new(len: usize, dim: usize) -> Self {
        let matrix = vec![0.0; len * dim];
        Self { q: matrix.clone(), k: matrix.clone(), v: matrix.clone(), transposed: matrix, weights: vec![0.0; len * len], len, dim }
    }

    /// Reads a head's columns of the text's rows, and computes the attention weights.
    fn load(&mut self, rows: [&[f32]; 3], hidden: usize, head: usize) {
        let scale = 1.0 / (self.dim as f32).sqrt();
        let [q, k, v] = rows;
        gather(q, hidden, head, &mut self.q, self.dim);
        gather(k, hidden, head, &mut self.k, self.dim);
        gather(v, hidden, head, &mut self.v, self.dim);
        self.q.iter_mut().for_each(|x| *x *= scale);
        transpose(&self.k, self.dim, &mut self.transposed);
        self.weights.fill(0.0);
        multiply_add(&self.q, &self.transposed, &mut self.weights, self.dim, self.len);
        self.weights.chunks_exact_mut(self.len).for_each(softmax);
    }

    /// `dO` to `[dQ, dK, dV]`.
    fn backward(&mut self, grad: &[f32], d_weights: &mut [f32], flipped: &mut [f32], out: [&mut Vec<f32>; 3]) {
        let (len, dim) = (self.len, self.dim);
        let scale = 1.0 / (dim as f32).sqrt();
        let [d_q, d_k, d_v] = out;
        d_q.fill(0.0);
        d_k.fill(0.0);
        d_v.fill(0.0);
        transpose(&self.weights, len, flipped);
        multiply_add(flipped, grad, d_v, len, dim);
        transpose(&self.v, dim, &mut self.transposed);
        d_weights.fill(0.0);
        multiply_add(grad, &self.transposed, d_weights, dim, len);
        for (d, p) in d_weights.chunks_exact_mut(len).zip(self.weights.chunks_exact(len)) {
            let mean = dot(d, p);
            for (d, p) in d.iter_mut().zip(p) {
                *d = p * (*d - mean);
            }
        }
        multiply_add(d_weights, &self.k, d_q, len, dim);
        d_q.iter_mut().for_each(|x| *x *= scale);
        transpose(d_weights, len, flipped);
        // Q was scaled when it was read.
        multiply_add(flipped, &self.q, d_k, len, dim);
    }
}

fn gather(rows: &[f32], hidden: usize, head: usize, out: &mut [f32], dim: usize) {
    for (row, out) in rows.chunks_exact(hidden).zip(out.chunks_exact_mut(dim)) {
        out.copy_from_slice(&row[head * dim..][..dim]);
    }
}

fn scatter(values: &[f32], hidden: usize, head: usize, rows: &mut [f32], dim: usize) {
    for (row, values) in rows.chunks_exact_mut(hidden).zip(values.chunks_exact(dim)) {
        row[head * dim..][..dim].copy_from_slice(values);
    }
}

impl Attention {
    fn hidden(&self, elements: usize) -> usize {
        elements / self.lengths.iter().sum::<usize>().max(1)
    }

    /// Each text's rows.
    fn split<'s>(&self, values: &'s [f32], hidden: usize) -> Vec<&'s [f32]> {
        let mut rest = values;
        self.lengths.iter().filter_map(|len| rest.split_off(..len * hidden)).collect()
    }

    fn split_mut<'s>(&self, values: &'s mut [f32], hidden: usize) -> Vec<&'s mut [f32]> {
        let mut rest = values;
        self.lengths.iter().filter_map(|len| rest.split_off_mut(..len * hidden)).collect()
    }

    fn forward(&self, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        let hidden = self.hidden(q.len());
        let dim = hidden / self.heads;
        let mut out = vec![0.0; q.len()];
        let [q, k, v] = [q, k, v].map(|x| self.split(x, hidden));
        self.split_mut(&mut out, hidden).into_par_iter().enumerate().for_each(|(text, out)| {
            let len = self.lengths[text];
            let (mut state, mut context) = (Head::new(len, dim), vec![0.0; len * dim]);
            for head in 0..self.heads {
                state.load([q[text], k[text], v[text]], hidden, head);
                context.fill(0.0);
                multiply_add(&state.weights, &state.v, &mut context, len, dim);
                scatter(&context, hidden, head, out, dim);
            }
        });
        out
    }

    fn backward(&self, q: &[f32], k: &[f32], v: &[f32], grad: &[f32]) -> [Vec<f32>; 3] {
        let hidden = self.hidden(q.len());
        let dim = hidden / self.heads;
        let mut out = [vec![0.0; q.len()], vec![0.0; q.len()], vec![0.0; q.len()]];
        let [d_q, d_k, d_v] = out.each_mut().map(|x| self.split_mut(x, hidden));
        let [q, k, v, grad] = [q, k, v, grad].map(|x| self.split(x, hidden));
        d_q.into_par_iter().zip(d_k).zip(d_v).enumerate().for_each(|(text, ((d_q, d_k), d_v))| {
            let len = self.lengths[text];
            let matrix = vec![0.0; len * dim];
            let mut state = Head::new(len, dim);
            let (mut head_grad, mut d_weights, mut flipped) = (matrix.clone(), vec![0.0; len * len], vec![0.0; len * len]);
            let (mut head_q, mut head_k, mut head_v) = (matrix.clone(), matrix.clone(), matrix);
            for head in 0..self.heads {
                state.load([q[text], k[text], v[text]], hidden, head);
                gather(grad[text], hidden, head, &mut head_grad, dim);
                state.backward(&head_grad, &mut d_weights, &mut flipped, [&mut head_q, &mut head_k, &mut head_v]);
                scatter(&head_q, hidden, head, d_q, dim);
                scatter(&head_k, hidden, head, d_k, dim);
                scatter(&head_v, hidden, head, d_v, dim);
            }
        });
        out
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, hidden) = q_layout.shape().dims2()?;
        if tokens != self.lengths.iter().sum::<usize>() || !hidden.is_multiple_of(self.heads) {
            candle_core::bail!("attention of {tokens} tokens in texts of {:?}, {hidden} wide in {} heads", self.lengths, self.heads);
        }
        let out = self.forward(slice(q, q_layout)?, slice(k, k_layout)?, slice(v, v_layout)?);
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [d_q, d_k, d_v] = with_slices([q, k, v, grad], |[q, k, v, grad]| self.backward(q, k, v, grad))?;
        let tensor = |values| Tensor::from_vec(values, q.shape(), q.device());
        Ok((Some(tensor(d_q)?), Some(tensor(d_k)?), Some(tensor(d_v)?)))
    }
}
