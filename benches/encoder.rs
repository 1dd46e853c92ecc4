//! ms per instruction natively, one thread, one text a call: `cargo bench --bench encoder --features cli [-- MODEL]`, where MODEL
//! is a name in models/manifest.json. Prints one line of JSON; `./build.sh bench` puts it beside the browser's figures.

use std::path::Path;
use std::time::Instant;

use pie_embed_wasm::{EmbedOptions, Embedder, kernels};
use serde_json::{Value, json};

const PASSES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: Value = serde_json::from_slice(&std::fs::read(root.join("models/manifest.json"))?)?;
    // cargo adds flags of its own.
    let name = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or(manifest["default"].clone(), Value::from);
    let model = manifest["models"].as_array().and_then(|models| models.iter().find(|m| m["name"] == name));
    let file = model.and_then(|model| model["file"].as_str()).ok_or_else(|| format!("models/manifest.json has no model {name}"))?;
    let embedder = Embedder::from_bytes(&std::fs::read(root.join("models").join(file))?)?;
    let texts = std::fs::read_to_string(root.join("tests/fixtures/bench-instructions.txt"))?;
    let texts: Vec<&str> = texts.lines().filter(|line| !line.trim().is_empty()).collect();

    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut times_ms = vec![Vec::with_capacity(PASSES); texts.len()];
    pool.install(|| -> pie_embed_wasm::Result<()> {
        for text in &texts {
            embedder.embed(&[text], &EmbedOptions::default())?;
        }
        for _ in 0..PASSES {
            for (times, text) in times_ms.iter_mut().zip(&texts) {
                let start = Instant::now();
                embedder.embed(&[text], &EmbedOptions::default())?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(())
    })?;
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
