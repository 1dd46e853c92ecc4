//! ms per instruction natively, one thread, one text a call: `cargo bench --bench encoder --features cli [-- MODEL]`, where MODEL
//! is a name in models/manifest.json. Prints one line of JSON; `./build.sh bench` puts it beside the browser's figures.
//!
//! With `-- --profile [MODEL]`, the tables of docs/profile.md instead: where the time of an instruction goes, the products' speed, and
//! the engine's cosine to f32 arithmetic over the same dequantised weights.

use std::path::Path;
use std::time::Instant;

use pie_embed_wasm::config::Dtype;
use pie_embed_wasm::encoder::Arithmetic;
use pie_embed_wasm::gguf::Gguf;
use pie_embed_wasm::gguf::keys::layer::{ATTN_OUTPUT, ATTN_Q, FFN_DOWN, FFN_UP};
use pie_embed_wasm::kernels::{
    self, AttentionScratch, BLOCK, PackedInt, Quantized, Width, add_layer_norm, attention, dot, gelu, gemm_i8, l2_normalize,
};
use pie_embed_wasm::{EmbedOptions, Embedder};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PASSES: usize = 5;
/// Of the profiled instruction: the median of the bench's.
const TOKENS: usize = 16;
/// Times that a part of the profile is run; the least counts.
const ROUNDS: usize = 300;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: Value = serde_json::from_slice(&std::fs::read(root.join("models/manifest.json"))?)?;
    // cargo adds flags of its own.
    let name = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or(manifest["default"].clone(), Value::from);
    let model = manifest["models"].as_array().and_then(|models| models.iter().find(|m| m["name"] == name));
    let file = model.and_then(|model| model["file"].as_str()).ok_or_else(|| format!("models/manifest.json has no model {name}"))?;
    let bytes = std::fs::read(root.join("models").join(file))?;
    let embedder = Embedder::from_bytes(&bytes)?;
    let lines = |file: &str| -> Result<Vec<String>> {
        let text = std::fs::read_to_string(root.join(file))?;
        Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
    };
    let texts = lines("tests/fixtures/bench-instructions.txt")?;
    let profiled = std::env::args().any(|argument| argument == "--profile");
    rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(|| {
        if !profiled {
            return time(&embedder, &texts);
        }
        profile(&embedder, &Gguf::parse(&bytes)?, &texts)?;
        let mut texts = [texts, lines("tests/fixtures/mixed-instructions.txt")?].concat();
        for line in lines("examples/uses/instructions.jsonl")? {
            let row: Value = serde_json::from_str(&line)?;
            texts.push(row["instruction"].as_str().ok_or("a row of examples/uses/instructions.jsonl has no instruction")?.to_owned());
        }
        fidelity(&embedder, &Embedder::from_bytes_with(&bytes, Arithmetic::F32)?, &texts)
    })
}

fn time(embedder: &Embedder, texts: &[String]) -> Result<()> {
    let mut times_ms = vec![Vec::with_capacity(PASSES); texts.len()];
    for text in texts {
        embedder.embed(&[text], &EmbedOptions::default())?;
    }
    for _ in 0..PASSES {
        for (times, text) in times_ms.iter_mut().zip(texts) {
            let start = Instant::now();
            embedder.embed(&[text], &EmbedOptions::default())?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let best: Vec<f64> = times_ms.iter().map(|times| times.iter().copied().fold(f64::INFINITY, f64::min)).collect();
    let medians: Vec<f64> = times_ms.into_iter().map(median).collect();
    println!(
        "{}",
        json!({"model": embedder.info().name, "simd": kernels::simd_name(), "best_ms": median(best), "median_ms": median(medians), "threads": 1})
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[half - 1], values[half]) } else { values[half] }
}

/// The least time of a call, in µs.
fn best_us(mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}

/// Numbers in -1..1, no two rows alike.
fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + i / 97) % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// µs of one product of [`TOKENS`] rows, the mean of `calls` that take one of `matrices` after the other.
fn product_us(width: Width, k: usize, columns: usize, matrices: usize, calls: usize) -> f64 {
    let weights: Vec<i8> = numbers(columns * k).iter().map(|x| (x * if width == Width::Four { 7.0 } else { 127.0 }) as i8).collect();
    let packed: Vec<_> = (0..matrices)
        .map(|_| {
            let mut packed = PackedInt::new(width, columns, k);
            for (column, w) in weights.chunks_exact(k).enumerate() {
                packed.set_column(column, w.as_chunks().0.iter().map(|block| width.stored(block)), &vec![0.01; k / BLOCK]);
            }
            packed
        })
        .collect();
    let mut x = Quantized::default();
    x.quantize(&numbers(TOKENS * k), &packed[0]);
    let (bias, mut out) = (vec![0.0; columns], vec![0.0; TOKENS * columns]);
    best_us(|| packed.iter().cycle().take(calls).for_each(|w| gemm_i8(&mut x, w, &bias, &mut out))) / calls as f64
}

fn profile(embedder: &Embedder, gguf: &Gguf<'_>, texts: &[String]) -> Result<()> {
    let options = EmbedOptions::default();
    let mut text = None;
    for candidate in texts {
        if embedder.tokenize(candidate, &options)?.input_ids.len() == TOKENS {
            text = Some(candidate);
        }
    }
    let text = text.ok_or_else(|| format!("no instruction has {TOKENS} tokens"))?;
    let config = embedder.config();
    let (hidden, intermediate, layers) = (config.hidden_size, config.intermediate_size, config.num_hidden_layers);
    let (heads, head_dim) = (config.num_attention_heads, config.head_dim());

    // Weights that stay in the first-level cache are as fast as the product can be.
    let peak = (TOKENS * hidden * 32) as f64 / product_us(Width::Four, hidden, 32, 1, 100) / 1e3;
    println!("`{}`, {TOKENS} tokens, one thread, {}\n", embedder.info().name, kernels::simd_name());
    println!("| product | weights | times | µs each | GMAC/s | of {peak:.0} within the cache |\n|---|---|---|---|---|---|");
    let mut products = 0.0;
    for (name, tensor, k, columns) in [
        ("query, key, value", ATTN_Q, hidden, 3 * hidden),
        ("attention's output", ATTN_OUTPUT, hidden, hidden),
        ("up", FFN_UP, hidden, intermediate),
        ("down", FFN_DOWN, intermediate, hidden),
    ] {
        let dtype = gguf.tensor(&format!("blk.0.{tensor}.weight"), &[k, if tensor == ATTN_Q { hidden } else { columns }])?.dtype;
        let width = if dtype == Dtype::Q4_0 { Width::Four } else { Width::Eight };
        // Each layer's weights in turn, so that they come from where they do in the encoder.
        let us = product_us(width, k, columns, layers, layers);
        let speed = (TOKENS * k * columns) as f64 / us / 1e3;
        println!("| {name}, {k} x {columns} | {dtype} | {layers} | {us:.1} | {speed:.0} | {:.0} % |", 100.0 * speed / peak);
        products += us * layers as f64;
    }

    let (wide, narrow) = (numbers(TOKENS * intermediate), numbers(TOKENS * hidden));
    let (mut rows, mut quantized) = (wide.clone(), Quantized::default());
    let mut quantize = |x: &[f32]| {
        let weights = PackedInt::new(Width::Four, 1, x.len() / TOKENS);
        best_us(|| quantized.quantize(x, &weights))
    };
    let (qkv, mut context, mut scratch) = (numbers(TOKENS * 3 * hidden), vec![0.0; TOKENS * hidden], AttentionScratch::default());
    let each_layer = [
        ("quantisation of activations", 3.0 * quantize(&narrow) + quantize(&wide)),
        ("attention", best_us(|| attention(&qkv, heads, head_dim, &mut scratch, &mut context))),
        // Of the same numbers each time: GELU of its own output would soon be of denormals.
        (
            "GELU",
            best_us(|| {
                rows.copy_from_slice(&wide);
                gelu(&mut rows);
            }),
        ),
        (
            "residuals and layer-norms",
            2.0 * best_us(|| {
                for (row, residual) in context.chunks_exact_mut(hidden).zip(narrow.chunks_exact(hidden)) {
                    add_layer_norm(row, residual, &narrow[..hidden], &narrow[..hidden], 1e-12);
                }
            }),
        ),
    ];

    let mut failed = None;
    let mut keep = |result: pie_embed_wasm::Result<()>| failed = failed.take().or(result.err());
    let tokenize = best_us(|| keep(embedder.tokenize(text, &options).map(drop)));
    let total = best_us(|| keep(embedder.embed(&[text], &options).map(drop)));
    if let Some(error) = failed {
        return Err(error.into());
    }
    let mut parts = vec![("tokens of the text", tokenize), ("integer products", products)];
    parts.extend(each_layer.map(|(name, us)| (name, us * layers as f64)));
    let rest = total - parts.iter().map(|(_, us)| us).sum::<f64>();
    parts.extend([("embeddings, pooling, weights from farther away", rest), ("one call", total)]);
    println!("\n| part | µs | share |\n|---|---|---|");
    for (name, us) in parts {
        println!("| {name} | {us:.0} | {:.1} % |", 100.0 * us / total);
    }
    Ok(())
}

fn fidelity(integer: &Embedder, reference: &Embedder, texts: &[String]) -> Result<()> {
    let vectors = |embedder: &Embedder| -> Result<Vec<Vec<f32>>> {
        let mut rows: Vec<Vec<f32>> = embedder.embed(texts, &EmbedOptions::default())?.rows().map(<[f32]>::to_vec).collect();
        rows.iter_mut().for_each(|row| l2_normalize(row));
        Ok(rows)
    };
    let cosines: Vec<f32> = vectors(integer)?.iter().zip(&vectors(reference)?).map(|(a, b)| dot(a, b)).collect();
    let (mean, worst) = (cosines.iter().sum::<f32>() / cosines.len() as f32, cosines.iter().copied().fold(f32::INFINITY, f32::min));
    println!("\nCosine to f32 arithmetic over the same dequantised weights, {} texts: mean {mean:.6}, worst {worst:.6}", texts.len());
    Ok(())
}
