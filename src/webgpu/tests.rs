//! Every op against the CPU's, on whatever adapter there is. Where there is none the tests say so and pass, unless
//! `PIE_WEBGPU_REQUIRED` is set.

use std::sync::{Arc, LazyLock};

use half::f16;
use proptest::prelude::*;
use wgpu::BufferUsages;

use crate::config::{Dtype, EncoderConfig, Pooling};
use crate::gguf::{Tensor, dequantize};
use crate::kernels::{AttentionScratch, attention, gelu, l2_normalize, layer_norm, scalar};

use super::context::{Buffer, Context, Limits};
use super::linear::{Finish, Linear, Operands, Tile};
use super::matrix::{Matrix, Stored};
use super::workspace::Job;
use super::{Products, ops};

#[path = "../../tests/shared/random.rs"]
mod random;
use random::random;

static CONTEXT: LazyLock<Option<Arc<Context>>> = LazyLock::new(|| match pollster::block_on(Context::new(Limits::Smallest)) {
    Ok(context) => Some(context),
    Err(e) => {
        assert!(std::env::var_os("PIE_WEBGPU_REQUIRED").is_none(), "{e}");
        eprintln!("skipped: {e}");
        None
    }
});

/// A matrix as a model file stores it, and its numbers.
fn matrix(dtype: Dtype, rows: usize, columns: usize, seed: u64) -> (Vec<u8>, Vec<f32>) {
    let numbers = random(rows * columns, seed);
    let data: Vec<u8> = match dtype {
        Dtype::F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Dtype::F16 => numbers.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        // Any bytes are numbers; the first two of a block are its scale.
        Dtype::Q8_0 | Dtype::Q4_0 => (0..numbers.len() / dtype.block_len())
            .flat_map(|block| {
                let scale = f16::from_f32(numbers[block] / 100.0).to_le_bytes();
                let values = numbers[block * 32..].iter().take(dtype.block_bytes() - 2).map(|x| (x * 128.0) as i8 as u8);
                scale.into_iter().chain(values).collect::<Vec<u8>>()
            })
            .collect(),
    };
    let mut values = vec![0.0; numbers.len()];
    dequantize(dtype, &data, &mut values);
    (data, values)
}

fn output(context: &Context, numbers: usize) -> Buffer {
    context.buffer("output", (numbers * 4) as u64, BufferUsages::STORAGE | BufferUsages::COPY_SRC)
}

/// Runs what is recorded, and gives the first numbers of a buffer.
fn run(context: &Context, record: impl FnOnce(&mut wgpu::ComputePass<'_>), from: &Buffer, numbers: usize) -> Vec<f32> {
    let staging = context.buffer("staging", (numbers * 4) as u64, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
    let mut commands = context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    record(&mut commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    commands.copy_buffer_to_buffer(from, 0, &staging, 0, (numbers * 4) as u64);
    context.queue.submit([commands.finish()]);
    pollster::block_on(context.read(&staging, numbers)).unwrap()
}

fn assert_close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: number {at} is {a}, not {b}");
    }
}

fn config(heads: usize, head_dim: usize) -> EncoderConfig {
    EncoderConfig {
        vocab_size: 50,
        hidden_size: heads * head_dim,
        intermediate_size: 64,
        num_hidden_layers: 1,
        num_attention_heads: heads,
        max_position_embeddings: 64,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
    }
}

/// Numbers that are as many steps of a power of two, of which each block of 32 has the largest: made bytes, they lose nothing.
fn steps(len: usize, seed: u64) -> Vec<f32> {
    let step = |(at, x): (usize, f32)| {
        let steps = if at % 32 == seed as usize % 32 { 127.0_f32.copysign(x) } else { (x * 127.0).round() };
        steps * 0.5_f32.powi(at as i32 / 32 % 4 + 6)
    };
    random(len, seed).into_iter().enumerate().map(step).collect()
}

/// Shapes are few, since each compiles anew; rows are many.
fn check_linear(context: &Context, dtype: Dtype, finish: Finish, rows: usize, tile: Tile, seed: u64) {
    let (inputs, outputs) = (96, 160);
    let (data, weights) = matrix(dtype, outputs, inputs, seed);
    let tensor = Tensor { name: "w", dimensions: vec![inputs, outputs], dtype, data: (&data).into() };
    let packed = [Tile::SMALL_PACKED, Tile::LARGE_PACKED].contains(&tile);
    let x = if packed { steps(rows * inputs, seed ^ 1) } else { random(rows * inputs, seed ^ 1) };
    let (bias, residual) = (random(outputs, seed ^ 2), random(rows * outputs, seed ^ 3));
    let linear = Linear::new(context, &Stored::from_tensors(&[tensor]).unwrap(), &bias, inputs, finish, Products::F32);
    let padded = rows.next_multiple_of(super::linear::ROWS);
    let padded_x: Vec<f32> = x.iter().copied().chain(std::iter::repeat_n(f32::NAN, (padded - rows) * inputs)).collect();
    let y = output(context, padded * outputs);
    let inputs_buffer = context.upload("x", &padded_x);
    let residual_buffer = context.upload("residual", &residual);
    let bytes = Matrix { words: output(context, padded * inputs / 4), scales: output(context, padded * inputs / 32) };
    let product = linear.cut(context, &Operands { x: &inputs_buffer, residual: &residual_buffer, y: &y, bytes: &bytes }, tile);
    let got = run(context, |pass| product.record(pass, rows), &y, rows * outputs);

    let mut want = vec![0.0; rows * outputs];
    scalar::matmul(&x, &weights, &bias, inputs, &mut want);
    match finish {
        Finish::None => {}
        Finish::Gelu => gelu(&mut want),
        Finish::Residual => want.iter_mut().zip(&residual).for_each(|(y, x)| *y += x),
    }
    let tolerance = if tile == Tile::LARGE_F16 { 2e-2 } else { 2e-5 };
    assert_close(&got, &want, tolerance, &format!("{dtype}, {finish:?}, {rows} rows, {tile:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..Default::default() })]

    #[test]
    fn linear(rows in 1_usize..300, seed in 1_u64..u64::MAX) {
        let Some(context) = &*CONTEXT else { return Ok(()) };
        for tile in [Tile::SMALL, Tile::BARE] {
            for dtype in [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0] {
                check_linear(context, dtype, Finish::None, rows, tile, seed);
            }
            check_linear(context, Dtype::Q8_0, Finish::Gelu, rows, tile, seed);
            check_linear(context, Dtype::Q8_0, Finish::Residual, rows, tile, seed);
        }
        check_linear(context, Dtype::Q8_0, Finish::Residual, rows, Tile::SMALL_PACKED, seed);
        check_linear(context, Dtype::Q4_0, Finish::None, rows, Tile::SMALL_PACKED, seed);
    }

    #[test]
    fn quantize(rows in 1_usize..300, zero in any::<bool>(), seed in 1_u64..u64::MAX) {
        let Some(context) = &*CONTEXT else { return Ok(()) };
        let (inputs, padded) = (96, rows.next_multiple_of(super::linear::ROWS));
        let mut x = random(padded * inputs, seed);
        if zero {
            x[..32].fill(0.0);
        }
        let (numbers, [words, scales]) = (context.upload("x", &x), [4, 32].map(|per| output(context, padded * inputs / per)));
        let dispatch = context.dispatch(&ops::quantize(context), &[&numbers, &words, &scales]);
        let read = |from, per| run(context, |pass| dispatch.record(pass, ops::quantize_groups(rows, inputs), 1), from, rows * inputs / per);
        let bytes: Vec<i8> = read(&words, 4).iter().flat_map(|word| word.to_le_bytes().map(|byte| byte as i8)).collect();
        for ((x, bytes), scale) in x.chunks_exact(32).zip(bytes.chunks_exact(32)).zip(read(&scales, 32)) {
            let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            prop_assert!((scale * 127.0 - largest).abs() <= 1e-6);
            // As near as bytes come, but for the rounding of the division.
            prop_assert!(x.iter().zip(bytes).all(|(x, &byte)| (x - f32::from(byte) * scale).abs() <= scale * 0.5001));
        }
    }

    #[test]
    fn attention_within_texts(lengths in prop::collection::vec(1_usize..60, 1..5), shape in 0_usize..4, seed in 1_u64..u64::MAX) {
        let Some(context) = &*CONTEXT else { return Ok(()) };
        let (heads, head_dim) = [(2, 32), (5, 32), (3, 64), (3, 12)][shape];
        let config = config(heads, head_dim);
        let (hidden, tokens) = (config.hidden_size, lengths.iter().sum::<usize>());
        let qkv: Vec<f32> = random(tokens * 3 * hidden, seed).iter().map(|x| x * 3.0).collect();
        let texts: Vec<Vec<u32>> = lengths.iter().map(|&len| vec![0; len]).collect();
        let job = Job::new(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), 1, false);
        let got = output(context, tokens * hidden);
        let (states, tasks) = (context.upload("qkv", &qkv), context.upload("tasks", &job.tasks));
        let dispatch = context.dispatch(&ops::attention(context, &config), &[&states, &tasks, &got]);
        let groups = ops::head_groups(&config);
        let got = run(context, |pass| dispatch.record(pass, job.tasks.len() as u32, groups), &got, tokens * hidden);

        let (mut want, mut first, mut scratch) = (vec![0.0; tokens * hidden], 0, AttentionScratch::default());
        for len in lengths {
            let rows = first * hidden..(first + len) * hidden;
            attention(&qkv[3 * rows.start..3 * rows.end], heads, head_dim, &mut scratch, &mut want[rows]);
            first += len;
        }
        assert_close(&got, &want, 2e-5, &format!("{heads} heads of {head_dim}"));
    }

    #[test]
    fn norm(rows in 1_usize..40, hidden in prop::sample::select(vec![32_usize, 64, 384, 1056]), seed in 1_u64..u64::MAX) {
        let Some(context) = &*CONTEXT else { return Ok(()) };
        let (x, weights) = (random(rows * hidden, seed), random(2 * hidden, seed ^ 1));
        let got = output(context, rows * hidden);
        let (states, affine) = (context.upload("x", &x), context.upload("norm", &weights));
        let dispatch = context.dispatch(&ops::norm(context, &config(1, hidden)), &[&states, &affine, &got]);
        let got = run(context, |pass| dispatch.record(pass, rows as u32, 1), &got, rows * hidden);
        let mut want = x;
        want.chunks_exact_mut(hidden).for_each(|row| layer_norm(row, &weights[..hidden], &weights[hidden..], 1e-12));
        assert_close(&got, &want, 1e-4, &format!("{rows} rows of {hidden}"));
    }

    #[test]
    fn pool(lengths in prop::collection::vec(1_usize..30, 1..9), dimensions in 1_usize..97, cls in any::<bool>(), normalize in any::<bool>(), seed in 1_u64..u64::MAX) {
        let Some(context) = &*CONTEXT else { return Ok(()) };
        let (hidden, texts) = (96, lengths.len());
        let states = random(lengths.iter().sum::<usize>() * hidden, seed);
        let pooling = if cls { Pooling::Cls } else { Pooling::Mean };
        let ids: Vec<Vec<u32>> = lengths.iter().map(|&len| vec![0; len]).collect();
        let job = Job::new(&ids.iter().map(Vec::as_slice).collect::<Vec<_>>(), dimensions, normalize);
        let got = output(context, texts * dimensions);
        let [all, spans] = [context.upload("states", &states), context.upload("spans", &job.spans)];
        let form = context.upload("output", &job.output);
        let dispatch = context.dispatch(&ops::pool(context, &config(3, 32), pooling), &[&all, &spans, &got, &form]);
        let got = run(context, |pass| dispatch.record(pass, texts as u32, 1), &got, texts * dimensions);

        let (mut want, mut rows) = (Vec::new(), states.chunks_exact(hidden));
        for len in lengths {
            let text: Vec<&[f32]> = rows.by_ref().take(len).collect();
            let pooled = if cls { &text[..1] } else { &text[..] };
            let mean = |d: usize| pooled.iter().map(|row| row[d]).sum::<f32>() / pooled.len() as f32;
            let mut vector: Vec<f32> = (0..dimensions).map(mean).collect();
            if normalize {
                l2_normalize(&mut vector);
            }
            want.extend(vector);
        }
        assert_close(&got, &want, 1e-5, &format!("{pooling}, {dimensions} dimensions"));
    }
}

/// Once each, since they take long to compile.
#[test]
fn large_tiles() {
    let Some(context) = &*CONTEXT else { return };
    check_linear(context, Dtype::Q4_0, Finish::Gelu, 2100, Tile::LARGE, 1);
    check_linear(context, Dtype::Q8_0, Finish::Residual, 2100, Tile::LARGE_PACKED, 2);
    check_linear(context, Dtype::Q4_0, Finish::None, 2100, Tile::LARGE_PACKED, 3);
    if context.has_f16() {
        check_linear(context, Dtype::Q8_0, Finish::Residual, 2100, Tile::LARGE_F16, 4);
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let data = [f32::NAN; 32].map(f32::to_le_bytes).concat();
    let tensor = Tensor { name: "w", dimensions: vec![32, 1], dtype: Dtype::F32, data: (&data).into() };
    assert_eq!(Stored::from_tensors(&[tensor]).err().unwrap().code(), crate::ErrorCode::ModelCorrupt);
}
