//! Milliseconds of a training step on a fixed shape: forward, supervised contrastive loss, backward, clipping, AdamW.
//!
//! `cargo bench --features cli,train --bench train -- --base DIR [--batch 64] [--tokens 32] [--steps 8]`; prints a line of
//! JSON. `benches/train_peer.py` runs it against PyTorch.

use std::path::PathBuf;
use std::time::Instant;

use pie_embed_wasm::Error;
use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::Pooling;
use pie_embed_wasm::kernels::keep_freed_memory;
use pie_embed_wasm::train::loss::{SameTask, supervised_contrastive};
use pie_embed_wasm::train::{AdamW, Encoder, Freeze, Optimiser, Tokens};

use process::processor_seconds;

mod process;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|at| args.get(at + 1));
    let number = |name: &str, default: usize| value(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let Some(base) = value("--base").map(PathBuf::from).or_else(|| std::env::var_os("PIE_BASE_DIR").map(PathBuf::from)) else {
        println!("skipped: no --base DIR and no PIE_BASE_DIR");
        return Ok(());
    };
    let (batch, length, steps) = (number("--batch", 64), number("--tokens", 32), number("--steps", 8));
    keep_freed_memory();
    let device = candle_core::Device::Cpu;
    let checkpoint = Checkpoint::load(&base)?;
    let vocabulary = checkpoint.config.vocab_size;
    let encoder = Encoder::new(&checkpoint, Pooling::Mean, Freeze::Words, candle_core::DType::F32, &device)?;
    let mut optimiser = Optimiser::new(encoder.variables(), AdamW::default(), None)?;

    let mut tokens = Tokens::default();
    for row in 0..batch {
        let ids: Vec<u32> = (0..length).map(|at| ((row * 7919 + at * 104_729 + 1) % vocabulary) as u32).collect();
        tokens.push(&ids);
    }
    let same = SameTask::new(batch, |i, j| i / 4 == j / 4);
    let (mut times, mut cpu_start, mut first_loss) = (Vec::new(), 0.0, 0.0);
    for step in 0..steps as u64 + 2 {
        if step == 2 {
            cpu_start = cpu_ms();
        }
        let start = Instant::now();
        let loss = supervised_contrastive(&encoder.forward(&tokens, None)?, &same, 0.05)?;
        let value = loss.to_scalar::<f32>()?;
        if step == 0 {
            first_loss = value;
        }
        let forward = start.elapsed();
        let mut found = loss.backward()?;
        let backward = start.elapsed() - forward;
        let gradients = optimiser.slots.iter().map(|slot| found.remove(&slot.weight)).collect();
        let norm = optimiser.norm(&gradients)?;
        optimiser.step(&gradients, (1.0 / norm).min(1.0), 5e-5, step)?;
        drop((gradients, found, loss));
        let all = start.elapsed();
        if step >= 2 {
            times.push((all, forward, backward));
        }
    }
    let cpu = (cpu_ms() - cpu_start) / times.len() as f64;
    times.sort_by_key(|t| t.0);
    let (all, forward, backward) = times[times.len() / 2];
    let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    println!(
        "{{\"ms\": {:.1}, \"cpu_ms\": {cpu:.1}, \"forward_ms\": {:.1}, \"backward_ms\": {:.1}, \"optimiser_ms\": {:.1}, \"least_ms\": {:.1}, \"first_loss\": {first_loss}}}",
        ms(all),
        ms(forward),
        ms(backward),
        ms(all - forward - backward),
        ms(times[0].0)
    );
    Ok(())
}

/// Processor time of this process so far (0 where it is not known): what a busy machine does not distort.
fn cpu_ms() -> f64 {
    processor_seconds(std::process::id()).unwrap_or(0.0) * 1e3
}
