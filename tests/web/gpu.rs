//! The encoder on the browser's GPU, whole, against f32 over the dequantised weights; and what happens when the GPU fails. Only where
//! there is one: `./build.sh test wasm-webgpu` gives Chromium a software adapter.
#![cfg(target_arch = "wasm32")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use js_sys::{Function, Promise};
use pie_embed_wasm::backend::{Backend, Cpu};
use pie_embed_wasm::encoder::{Arithmetic, Output, TokenBatch};
use pie_embed_wasm::gguf::Gguf;
use pie_embed_wasm::webgpu::{Context, GpuEncoder, Limits, Products};
use pie_embed_wasm::{EmbedOptions, Embedder, ErrorCode, Result};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

mod fixtures;
use fixtures::{F32_MODEL, Q8_MODEL, instructions, mean_vectors};

const SMALL_MODEL: &[u8] = include_bytes!("../../models/pie-small.gguf");
const OUTPUT: Output = Output { dimensions: 64, normalize: true };

async fn context(limits: Limits) -> Arc<Context> {
    Context::new(limits).await.unwrap()
}

fn load(context: &Arc<Context>, model: &[u8], products: Products) -> GpuEncoder {
    GpuEncoder::from_gguf_with(context.clone(), &Gguf::parse(model).unwrap(), products).unwrap()
}

/// The token ids of the golden instructions.
fn ids(model: &[u8]) -> Vec<Vec<u32>> {
    let embedder = Embedder::from_bytes(model).unwrap();
    instructions().iter().map(|text| embedder.tokenize(text, &EmbedOptions::default()).unwrap().input_ids).collect()
}

async fn encode(gpu: &mut GpuEncoder, ids: &[Vec<u32>], output: Output) -> Result<Vec<f32>> {
    let mut batch = TokenBatch::default();
    ids.iter().for_each(|ids| batch.push(ids));
    gpu.encode(&batch, output).await
}

fn in_f32(model: &[u8], ids: &[Vec<u32>], output: Output) -> Vec<f32> {
    let cpu = Cpu::from_gguf(&Gguf::parse(model).unwrap(), Arithmetic::F32).unwrap();
    cpu.encode(&ids.iter().map(Vec::as_slice).collect::<Vec<_>>(), output).unwrap()
}

/// The mean and the worst cosine of vectors of length 1.
fn compare(what: &str, a: &[f32], b: &[f32], dimensions: usize) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let rows = a.chunks_exact(dimensions).zip(b.chunks_exact(dimensions));
    let cosines: Vec<f32> = rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum()).collect();
    let (mean, worst) = (cosines.iter().sum::<f32>() / cosines.len() as f32, cosines.iter().copied().fold(f32::INFINITY, f32::min));
    console_log!("{what}: {} texts, mean {mean:.6}, worst {worst:.6}", cosines.len());
    (mean, worst)
}

#[wasm_bindgen_test]
async fn vectors_equal_hugging_face() {
    let golden = mean_vectors();
    for limits in [Limits::Adapter, Limits::Smallest] {
        let mut gpu = load(&context(limits).await, F32_MODEL, Products::F32);
        let vectors = encode(&mut gpu, &ids(F32_MODEL), OUTPUT).await.unwrap();
        assert!(compare("f32, to the goldens", &vectors, &golden, 64).1 >= 0.99999);
    }
}

#[wasm_bindgen_test]
async fn every_golden_is_as_in_f32() {
    let context = context(Limits::Adapter).await;
    for (what, model, dimensions) in [("f32", F32_MODEL, 64), ("q8_0", Q8_MODEL, 64), ("pie-small", SMALL_MODEL, 384)] {
        let (ids, output) = (ids(model), Output { dimensions, normalize: true });
        let want = in_f32(model, &ids, output);
        let got = encode(&mut load(&context, model, Products::F32), &ids, output).await.unwrap();
        assert!(compare(what, &got, &want, dimensions).1 >= 0.999);
    }
}

#[wasm_bindgen_test]
async fn packed_products_are_near_the_floats() {
    let context = context(Limits::Adapter).await;
    assert!(Products::Packed.are_available(&context));
    for (what, model, dimensions, texts) in [("q8_0, packed", Q8_MODEL, 64, 100), ("pie-small, packed", SMALL_MODEL, 384, 12)] {
        let (ids, output) = (ids(model), Output { dimensions, normalize: true });
        let want = in_f32(model, &ids[..texts], output);
        let got = encode(&mut load(&context, model, Products::Packed), &ids[..texts], output).await.unwrap();
        let (mean, worst) = compare(what, &got, &want, dimensions);
        assert!(mean >= 0.996 && worst >= 0.985);
    }
}

#[wasm_bindgen_test]
async fn small_limits_split_the_batch_and_the_table() {
    let ids = ids(F32_MODEL);
    let whole = encode(&mut load(&context(Limits::Adapter).await, F32_MODEL, Products::F32), &ids, OUTPUT).await.unwrap();
    // 482 rows of 256 bytes do not go into one such buffer, and no more than 128 tokens into one submission.
    let small = context(Limits::Buffers(100_000)).await;
    assert_eq!(encode(&mut load(&small, F32_MODEL, Products::F32), &ids, OUTPUT).await.unwrap(), whole);
    let smallest = context(Limits::Buffers(65_536)).await;
    assert_eq!(GpuEncoder::from_gguf(smallest, &Gguf::parse(F32_MODEL).unwrap()).err().unwrap().code(), ErrorCode::NoWebgpu);
}

#[wasm_bindgen_test]
async fn encoders_share_a_device_and_outlive_each_other() {
    let (context, ids) = (context(Limits::Smallest).await, ids(F32_MODEL));
    let (mut a, mut b) = (load(&context, F32_MODEL, Products::F32), load(&context, Q8_MODEL, Products::F32));
    let (first, other) = (encode(&mut a, &ids, OUTPUT).await.unwrap(), encode(&mut b, &ids, OUTPUT).await.unwrap());
    assert_ne!(first, other);
    assert_eq!(encode(&mut a, &ids, OUTPUT).await.unwrap(), first);
    drop(a);
    assert_eq!(encode(&mut b, &ids, OUTPUT).await.unwrap(), other);
}

/// At whatever moment the device goes, the call ends: with all vectors, or with an error that says so.
#[wasm_bindgen_test]
async fn a_lost_device_is_an_error_and_never_a_wait() {
    let (first, ids) = (context(Limits::Smallest).await, ids(Q8_MODEL));
    first.destroy();
    let outcome = match GpuEncoder::from_gguf(first, &Gguf::parse(Q8_MODEL).unwrap()) {
        Ok(mut gpu) => encode(&mut gpu, &ids, OUTPUT).await,
        Err(e) => Err(e),
    };
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::GpuFailed);
    for delay_ms in [0, 1, 5, 20, 100] {
        let context = context(Limits::Smallest).await;
        let mut gpu = load(&context, Q8_MODEL, Products::F32);
        let killer = context.clone();
        wasm_bindgen_futures::spawn_local(async move {
            sleep(delay_ms).await;
            killer.destroy();
        });
        match encode(&mut gpu, &ids, OUTPUT).await {
            Ok(vectors) => assert_eq!(vectors.len(), ids.len() * 64),
            Err(e) => assert_eq!(e.code(), ErrorCode::GpuFailed, "{e}"),
        }
        context.destroy();
        assert_eq!(encode(&mut gpu, &ids, OUTPUT).await.unwrap_err().code(), ErrorCode::GpuFailed);
    }
}

#[wasm_bindgen_test]
async fn who_gives_up_in_mid_batch_leaves_nothing_behind() {
    // What the page has of the device's memory.
    Function::new_no_args(
        "globalThis.held = new Set();
        const { createBuffer } = GPUDevice.prototype, { destroy } = GPUBuffer.prototype;
        GPUDevice.prototype.createBuffer = function (...given) {
            const buffer = createBuffer.apply(this, given);
            held.add(buffer);
            return buffer;
        };
        GPUBuffer.prototype.destroy = function () {
            held.delete(this);
            return destroy.call(this);
        };",
    )
    .call0(&JsValue::NULL)
    .unwrap();
    let held = || Function::new_no_args("return held.size").call0(&JsValue::NULL).unwrap().as_f64().unwrap();
    let (context, ids) = (context(Limits::Smallest).await, ids(Q8_MODEL));
    let mut gpu = load(&context, Q8_MODEL, Products::F32);
    let weights = held();
    assert!(weights > 0.0);
    let want = encode(&mut gpu, &ids, OUTPUT).await.unwrap();
    for delay_ms in [0, 1, 5, 20, 100] {
        {
            let mut working = pin!(encode(&mut gpu, &ids, OUTPUT));
            poll_fn(|waker| Poll::Ready(working.as_mut().poll(waker).is_ready())).await;
            sleep(delay_ms).await;
            poll_fn(|waker| Poll::Ready(working.as_mut().poll(waker).is_ready())).await;
        }
        assert_eq!(encode(&mut gpu, &ids, OUTPUT).await.unwrap(), want);
    }
    drop(gpu);
    assert_eq!(held(), 0.0);
    let mut other = load(&context, F32_MODEL, Products::F32);
    encode(&mut other, &ids, OUTPUT).await.unwrap();
}

async fn sleep(ms: i32) {
    let wait = Function::new_with_args("ms", "return new Promise((resolve) => setTimeout(resolve, ms))");
    let promise: Promise = wait.call1(&JsValue::NULL, &ms.into()).unwrap().into();
    JsFuture::from(promise).await.unwrap();
}
