//! The encoder on the GPU beside that on the CPU: `cargo bench --bench webgpu --features cli [-- MODEL.gguf] [--profile]`. Prints the
//! GPU's time to the first batch, where a pass spends its time, and (without --profile) instructions/s over batch sizes, as JSON lines
//! and as a table. Instructions are of 16 tokens; the CPU works on all cores.
//!
//! A software adapter (lavapipe, SwiftShader) only shows that it works: its figures say nothing of a GPU, and few are taken.

use std::path::Path;
use std::time::Instant;

use pie_embed_wasm::encoder::{Arithmetic, Encoder, Output, Scratch, TokenBatch};
use pie_embed_wasm::gguf::Gguf;
use pie_embed_wasm::kernels::simd_name;
use pie_embed_wasm::webgpu::{Context, GpuEncoder, Limits};
use rayon::prelude::*;
use serde_json::json;

const TOKENS: usize = 16;
const BATCHES: [usize; 9] = [1, 4, 16, 64, 256, 512, 1024, 2048, 4096];
/// Each batch size is run for so long.
const SECONDS: f64 = 0.5;
/// Texts that one core takes at a time, as the embedder does.
const CPU_TEXTS: usize = 16;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/pie-base.gguf");
    // cargo adds flags of its own.
    let model = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or(shipped, Into::into);
    let bytes = std::fs::read(&model)?;
    let gguf = Gguf::parse(&bytes)?;

    let start = Instant::now();
    let context = pollster::block_on(Context::new(Limits::Adapter))?;
    let device_s = start.elapsed().as_secs_f64();
    let mut gpu = GpuEncoder::from_gguf(context.clone(), &gguf)?;
    let load_s = start.elapsed().as_secs_f64();
    let output = Output { dimensions: gpu.config().hidden_size, normalize: true };
    let vocabulary = gpu.config().vocab_size;
    let first = pollster::block_on(gpu.encode(&batch(8, vocabulary), output))?;
    let adapter = context.name();
    println!("{}", json!({"adapter": adapter, "device_s": device_s, "load_s": load_s, "first_batch_s": start.elapsed().as_secs_f64()}));

    let cpu = Encoder::from_gguf(&gguf, Arithmetic::default())?;
    let reference = Encoder::from_gguf(&gguf, Arithmetic::F32)?;
    let mut pooled = Vec::new();
    reference.forward(&batch(8, vocabulary), &mut Scratch::default(), &mut pooled)?;
    let rows = first.chunks_exact(output.dimensions).zip(pooled.chunks_exact(output.dimensions));
    println!("{}", json!({"cosine_to_f32": rows.map(|(a, b)| cosine(a, b)).fold(f64::INFINITY, f64::min)}));

    let peak = context.peak()?;
    let peak = peak.flops / peak.seconds;
    println!("{}", json!({"peak_f32_gflops": peak / 1e9}));
    let texts = if context.is_software() { 64 } else { 2048 };
    println!("\n{:<18} {:>10} {:>10} {:>8}", format!("{texts} x {TOKENS} tokens"), "ms", "GFLOP/s", "of peak");
    for step in gpu.profile(texts, TOKENS)? {
        let rate = step.flops / step.seconds;
        println!("{:<18} {:>10.3} {:>10.0} {:>7.1}%", step.name, step.seconds * 1e3, rate / 1e9, rate / peak * 100.0);
        println!("{}", json!({"step": step.name, "ms": step.seconds * 1e3, "gflops": rate / 1e9, "share_of_peak": rate / peak}));
    }

    if std::env::args().any(|argument| argument == "--profile") {
        return Ok(());
    }
    println!("\n{:>6} {:>16} {:>16}", "batch", "CPU, texts/s", "GPU, texts/s");
    for size in BATCHES.into_iter().filter(|&size| size <= if context.is_software() { 64 } else { usize::MAX }) {
        let texts = batch(size, vocabulary);
        let parts: Vec<TokenBatch> = (0..size).step_by(CPU_TEXTS).map(|at| batch(CPU_TEXTS.min(size - at), vocabulary)).collect();
        let on_cpu = rate(size, || {
            let pass = |(scratch, out): &mut (Scratch, Vec<f32>), part| cpu.forward(part, scratch, out);
            Ok(parts.par_iter().map_init(Default::default, pass).collect::<Result<(), _>>()?)
        })?;
        let on_gpu = rate(size, || Ok(pollster::block_on(gpu.encode(&texts, output)).map(|_| ())?))?;
        println!("{size:>6} {on_cpu:>16.0} {on_gpu:>16.0}");
        println!(
            "{}",
            json!({"batch": size, "cpu_per_s": on_cpu, "gpu_per_s": on_gpu, "simd": simd_name(), "threads": rayon::current_num_threads()})
        );
    }
    Ok(())
}

/// Texts of [`TOKENS`] tokens.
fn batch(texts: usize, vocabulary: usize) -> TokenBatch {
    let mut batch = TokenBatch::default();
    for text in 0..texts {
        let ids: Vec<u32> = (0..TOKENS).map(|at| ((text * 31 + at * 7919) % vocabulary) as u32).collect();
        batch.push(&ids);
    }
    batch
}

/// Texts a second, after a while that lets a device come up to its clock.
fn rate(texts: usize, mut pass: impl FnMut() -> Fallible<()>) -> Fallible<f64> {
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < SECONDS {
        pass()?;
    }
    let (start, mut passes) = (Instant::now(), 0);
    while passes < 3 || start.elapsed().as_secs_f64() < SECONDS {
        pass()?;
        passes += 1;
    }
    Ok((texts * passes) as f64 / start.elapsed().as_secs_f64())
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
