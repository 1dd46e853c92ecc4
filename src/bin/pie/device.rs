//! `--device`: what a model runs on.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use etcetera::BaseStrategy;
use pie_embed_wasm::backend::{Backend, Cpu, Gpu, Routed};
use pie_embed_wasm::encoder::{Arithmetic, Output};
use pie_embed_wasm::gguf::Gguf;
use pie_embed_wasm::webgpu::{Context, GpuEncoder, Limits};
use pie_embed_wasm::{Embedder, Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};

use crate::output::{say, write_file};

/// Tokens of the texts that `auto` measures with, and how many of them it tries: instructions are as short.
const PROBE_TOKENS: usize = 16;
const PROBE_TEXTS: [usize; 4] = [8, 64, 256, 1024];

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Device {
    #[default]
    Cpu,
    /// Vulkan or Metal
    Webgpu,
    /// An NVIDIA GPU; needs a build with it
    Cuda,
    /// The CPU, and the GPU for as many texts as it is faster with; measured once
    Auto,
}

impl Device {
    /// Loads a model onto it.
    pub fn load(self, bytes: &[u8]) -> Result<Embedder> {
        let cpu = |gguf: &Gguf<'_>| Cpu::from_gguf(gguf, Arithmetic::default());
        let gpu = |gguf: &Gguf<'_>| GpuEncoder::from_gguf(Context::blocking(Limits::Adapter)?, gguf).map(Gpu::new);
        Embedder::from_bytes_on(bytes, |gguf| match self {
            Self::Cpu => Ok(Box::new(cpu(gguf)?)),
            Self::Webgpu => Ok(Box::new(gpu(gguf)?)),
            Self::Cuda => cuda(gguf),
            Self::Auto => match gpu(gguf) {
                Ok(gpu) => route(cpu(gguf)?, gpu, gguf),
                Err(e) => {
                    say(&format!("note: on the CPU: {e}"));
                    Ok(Box::new(cpu(gguf)?))
                }
            },
        })
    }
}

#[cfg(feature = "cuda")]
fn cuda(gguf: &Gguf<'_>) -> Result<Box<dyn Backend>> {
    Ok(Box::new(pie_embed_wasm::train::Candle::from_gguf(gguf, "cuda")?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: &Gguf<'_>) -> Result<Box<dyn Backend>> {
    Err(Error::new(ErrorCode::InvalidArgument, "--device cuda: this program was built without it (`./build.sh cuda` builds one with it)"))
}

/// What `auto` found for an adapter, a program and a model's shape.
#[derive(Serialize, Deserialize)]
struct Answer {
    key: String,
    /// From so many tokens on the GPU is faster; `None` where it never was.
    from_tokens: Option<usize>,
}

/// Measures both once, keeps the answer in the user's cache folder, and routes by it.
fn route(cpu: Cpu, gpu: Gpu, gguf: &Gguf<'_>) -> Result<Box<dyn Backend>> {
    let shape = gguf.tensors().map(|tensor| tensor.data.len()).sum::<usize>();
    let key = format!("{} {} {shape}", gpu.device(), env!("CARGO_PKG_VERSION"));
    let file = cache_file();
    let mut answers: Vec<Answer> =
        file.as_ref().and_then(|file| fs::read(file).ok()).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let from_tokens = match answers.iter().find(|answer| answer.key == key) {
        Some(answer) => answer.from_tokens,
        None => {
            let from_tokens = measure(&cpu, &gpu)?;
            answers.push(Answer { key, from_tokens });
            if let Some(file) = file {
                keep(&file, &answers);
            }
            from_tokens
        }
    };
    let on_fault = Box::new(|e: &Error| say(&format!("note: on the CPU from here on: {e}")));
    Ok(Box::new(Routed::new(cpu, gpu, from_tokens.unwrap_or(usize::MAX), on_fault)))
}

/// The least number of tokens from which on the GPU is faster.
fn measure(cpu: &Cpu, gpu: &Gpu) -> Result<Option<usize>> {
    let output = Output { dimensions: 1, normalize: false };
    let ids = [0_u32; PROBE_TOKENS];
    let seconds = |backend: &dyn Backend, texts: usize| -> Result<f64> {
        let texts = vec![ids.as_slice(); texts];
        backend.encode(&texts, output)?;
        let start = Instant::now();
        backend.encode(&texts, output)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut from = None;
    for texts in PROBE_TEXTS.into_iter().rev() {
        if seconds(gpu, texts)? >= seconds(cpu, texts)? {
            break;
        }
        from = Some(texts * PROBE_TOKENS);
    }
    Ok(from)
}

/// `devices.json` in the user's cache folder.
fn cache_file() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|places| places.cache_dir().join("pie/devices.json"))
}

/// Without a cache folder that can be written, the next run measures anew.
fn keep(file: &std::path::Path, answers: &[Answer]) {
    let written = serde_json::to_vec(answers).map_err(std::io::Error::from).map_err(|e| Error::io(file, e)).and_then(|bytes| {
        fs::create_dir_all(file.parent().unwrap_or(file)).map_err(|e| Error::io(file, e))?;
        write_file(file, &bytes)
    });
    if let Err(e) = written {
        say(&format!("note: what --device auto measured is not kept: {e}"));
    }
}
