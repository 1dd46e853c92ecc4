//! The encoder on the GPU beside that on the CPU: `cargo bench --bench webgpu --features cli [-- MODEL.gguf] [--profile] [--gpu]`. Prints
//! the GPU's time to the first batch, and for each kind of products that it has how near they are to f32 and where a pass spends its
//! time; and (without --profile) instructions/s over batch sizes. As JSON lines and as tables. Instructions are of 16 tokens; the CPU
//! works on all cores, unless --gpu leaves it out.
//!
//! A software adapter (lavapipe, SwiftShader) only shows that it works: its figures say nothing of a GPU, and few are taken.

use std::path::Path;
use std::time::Instant;

use pie_embed_wasm::backend::{Backend, Cpu};
use pie_embed_wasm::encoder::{Arithmetic, Output, TokenBatch};
use pie_embed_wasm::gguf::Gguf;
use pie_embed_wasm::kernels::simd_name;
use pie_embed_wasm::webgpu::{Context, GpuEncoder, Limits, Products};
use serde_json::json;

const TOKENS: usize = 16;
const BATCHES: [usize; 9] = [1, 4, 16, 64, 256, 512, 1024, 2048, 4096];
/// Each batch size is run for so long.
const SECONDS: f64 = 0.5;
/// Texts that vectors are compared on, which are many to the GPU.
const COMPARED: usize = 256;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/pie-base.gguf");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // cargo adds flags of its own.
    let model = arguments.iter().find(|argument| !argument.starts_with('-')).map_or(shipped, Into::into);
    let bytes = std::fs::read(&model)?;
    let gguf = Gguf::parse(&bytes)?;

    let start = Instant::now();
    let context = pollster::block_on(Context::new(Limits::Adapter))?;
    let device_s = start.elapsed().as_secs_f64();
    let mut gpu = GpuEncoder::from_gguf(context.clone(), &gguf)?;
    let load_s = start.elapsed().as_secs_f64();
    let output = Output { dimensions: gpu.config().hidden_size, normalize: true };
    let ids = ids(gpu.config().vocab_size);
    pollster::block_on(gpu.encode(&batch(&ids[..8]), output))?;
    let adapter = context.name();
    println!("{}", json!({"adapter": adapter, "device_s": device_s, "load_s": load_s, "first_batch_s": start.elapsed().as_secs_f64()}));
    drop(gpu);

    let slices: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let reference = Cpu::from_gguf(&gguf, Arithmetic::F32)?.encode(&slices[..COMPARED], output)?;
    let peak = context.peak()?;
    let peak = peak.flops / peak.seconds;
    println!("{}", json!({"peak_f32_gflops": peak / 1e9}));
    let texts = if context.is_software() { 64 } else { 2048 };
    let mut encoders = Vec::new();
    for products in Products::ALL.into_iter().filter(|products| products.are_available(&context)) {
        let mut gpu = GpuEncoder::from_gguf_with(context.clone(), &gguf, products)?;
        let vectors = pollster::block_on(gpu.encode(&batch(&ids[..COMPARED]), output))?;
        let rows = vectors.chunks_exact(output.dimensions).zip(reference.chunks_exact(output.dimensions));
        let cosines: Vec<f64> = rows.map(|(a, b)| cosine(a, b)).collect();
        let (mean, worst) = (cosines.iter().sum::<f64>() / COMPARED as f64, cosines.iter().copied().fold(f64::INFINITY, f64::min));
        let products = format!("{products:?}").to_lowercase();
        println!("\n{}", json!({"products": products, "cosine_to_f32": {"texts": COMPARED, "mean": mean, "worst": worst}}));
        println!("{:<18} {:>10} {:>10} {:>8}", format!("{texts} x {TOKENS} tokens"), "ms", "GFLOP/s", "of peak");
        for step in gpu.profile(texts, TOKENS)? {
            let (ms, rate) = (step.seconds * 1e3, step.flops / step.seconds);
            println!("{:<18} {:>10.3} {:>10.0} {:>7.1}%", step.name, ms, rate / 1e9, rate / peak * 100.0);
            println!("{}", json!({"products": products, "step": step.name, "ms": ms, "gflops": rate / 1e9, "share_of_peak": rate / peak}));
        }
        encoders.push((products, gpu));
    }

    if given("--profile") {
        return Ok(());
    }
    let cpu = if given("--gpu") { None } else { Some(Cpu::from_gguf(&gguf, Arithmetic::default())?) };
    println!("\ninstructions/s; CPU: {}, {} threads", simd_name(), rayon::current_num_threads());
    for size in BATCHES {
        let texts = batch(&ids[..size]);
        let mut rates = serde_json::Map::new();
        if let Some(cpu) = &cpu {
            rates.insert("cpu".to_owned(), rate(size, || Ok(cpu.encode(&slices[..size], output).map(|_| ())?))?.into());
        }
        for (products, gpu) in encoders.iter_mut().filter(|_| size <= 64 || !context.is_software()) {
            rates.insert(products.clone(), rate(size, || Ok(pollster::block_on(gpu.encode(&texts, output)).map(|_| ())?))?.into());
        }
        let cells: String =
            rates.iter().map(|(name, rate)| format!("{:>18}", format!("{name} {:.0}", rate.as_f64().unwrap_or_default()))).collect();
        println!("{size:>6} {cells}");
        println!("{}", json!({"batch": size, "per_s": rates}));
    }
    Ok(())
}

/// The ids of as many texts as the largest batch has, each of [`TOKENS`] tokens.
fn ids(vocabulary: usize) -> Vec<Vec<u32>> {
    let id = |text: usize, at: usize| ((text * 31 + at * 7919) % vocabulary) as u32;
    (0..BATCHES[BATCHES.len() - 1]).map(|text| (0..TOKENS).map(|at| id(text, at)).collect()).collect()
}

fn batch(texts: &[Vec<u32>]) -> TokenBatch {
    let mut batch = TokenBatch::default();
    texts.iter().for_each(|ids| batch.push(ids));
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
