//! The kernels of whatever this is compiled for against the oracle: native tests call these by proptest, wasm tests over a grid.

use pie_embed_wasm::kernels::{
    AttentionScratch, BLOCK, PackedF32, PackedInt, Quantized, Simd, Width, attention, gemm_f32, gemm_i8, gemm_i8_by, integer_scales, scalar,
};

mod random;
use random::random;

pub fn gemm_f32_equals_the_oracle(rows: usize, columns: usize, k: usize, seed: u64) {
    let (x, w, bias) = (random(rows * k, seed), random(columns * k, seed ^ 1), random(columns, seed ^ 2));
    let (mut out, mut oracle) = (vec![f32::NAN; rows * columns], vec![0.0; rows * columns]);
    gemm_f32(&x, &PackedF32::pack(&w, columns, k), &bias, &mut out);
    scalar::matmul(&x, &w, &bias, k, &mut oracle);
    for (a, b) in out.iter().zip(&oracle) {
        assert!((a - b).abs() <= 1e-5 * k as f32, "{rows} x {columns} x {k}: {a} {b}");
    }
}

/// `extreme` takes the largest magnitudes, where integer sums would overflow first.
pub fn gemm_i8_equals_the_oracle(width: Width, rows: usize, columns: usize, blocks: usize, seed: u64, extreme: bool) {
    let k = blocks * BLOCK;
    let mut x = random(rows * k, seed);
    let largest = if width == Width::Four { 8.0 } else { 128.0 };
    let mut w: Vec<i8> = random(columns * k, seed ^ 1).iter().map(|x| (x * largest).floor() as i8).collect();
    if extreme {
        x.iter_mut().for_each(|x| *x = x.signum());
        w.iter_mut().for_each(|w| *w = if *w < 0 { -largest } else { largest - 1.0 } as i8);
        // Whole blocks of one sign too.
        x[..k / 2].fill(1.0);
        w[..k / 2].fill(-largest as i8);
    }
    // A block that is as good as zero, and one of which the scale is tiny.
    if blocks > 2 {
        x[..BLOCK].iter_mut().for_each(|x| *x *= 1e-38);
        x[BLOCK..2 * BLOCK].iter_mut().for_each(|x| *x *= 1e-20);
    }
    let (w_scales, bias) = (random(columns * blocks, seed ^ 2), random(columns, seed ^ 3));
    let mut packed = PackedInt::new(width, columns, k);
    let (mut integers, mut units) = (Vec::new(), Vec::new());
    for (column, (w, scales)) in w.chunks_exact(k).zip(w_scales.chunks_exact(blocks)).enumerate() {
        packed.set_column(column, w.as_chunks().0.iter().map(|block| width.stored(block)), scales);
        let (unit, multiples) = integer_scales(scales);
        units.push(unit);
        integers.extend(multiples);
    }
    let (values, scales) = scalar::quantize(&x);
    let mut oracle = vec![0.0; rows * columns];
    scalar::matmul_i8((&values, &scales), (&w, &integers, &units), &bias, k, &mut oracle);
    // Integer sums are exact and the float sums have one order: every back end gives the same bits.
    let mut quantized = Quantized::default();
    for simd in Simd::available() {
        let mut out = vec![f32::NAN; rows * columns];
        quantized.quantize_for(simd, &x, &packed);
        gemm_i8_by(simd, &mut quantized, &packed, &bias, &mut out);
        assert_eq!(out, oracle, "{simd:?}, {width:?}: {rows} x {columns} x {k}");
    }
    let mut out = vec![f32::NAN; rows * columns];
    quantized.quantize(&x, &packed);
    gemm_i8(&mut quantized, &packed, &bias, &mut out);
    assert_eq!(out, oracle, "{width:?}: {rows} x {columns} x {k}");
}

/// One scratch for sequences of several lengths, as the encoder uses it.
pub fn attention_equals_the_definition(lengths: &[usize], heads: usize, head_dim: usize, seed: u64) {
    let mut scratch = AttentionScratch::default();
    for (n, &tokens) in lengths.iter().enumerate() {
        let hidden = heads * head_dim;
        let qkv: Vec<f32> = random(tokens * 3 * hidden, seed + n as u64).iter().map(|x| x * 3.0).collect();
        let mut out = vec![f32::NAN; tokens * hidden];
        attention(&qkv, heads, head_dim, &mut scratch, &mut out);
        for (a, b) in out.iter().zip(attention_oracle(&qkv, heads, head_dim)) {
            assert!((a - b).abs() < 2e-5, "{tokens} tokens, {heads} heads of {head_dim}: {a} {b}");
        }
    }
}

/// `softmax(Q Kᵀ / √head_dim) V`, in f64.
fn attention_oracle(qkv: &[f32], heads: usize, head_dim: usize) -> Vec<f32> {
    let hidden = heads * head_dim;
    let tokens = qkv.len() / (3 * hidden);
    let at = |token: usize, which: usize, head: usize, d: usize| f64::from(qkv[token * 3 * hidden + which * hidden + head * head_dim + d]);
    let mut out = vec![0.0; tokens * hidden];
    for head in 0..heads {
        for i in 0..tokens {
            let score = |j: usize| (0..head_dim).map(|d| at(i, 0, head, d) * at(j, 1, head, d)).sum::<f64>() / (head_dim as f64).sqrt();
            let weights: Vec<f64> = (0..tokens).map(|j| score(j).exp()).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..head_dim {
                let sum: f64 = weights.iter().enumerate().map(|(j, w)| w * at(j, 2, head, d)).sum();
                out[i * hidden + head * head_dim + d] = (sum / total) as f32;
            }
        }
    }
    out
}
