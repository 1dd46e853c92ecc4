//! Back ends on the GPU, natively.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Backend, Cpu};
use crate::encoder::{Output, TokenBatch};
use crate::error::{Error, ErrorCode, Result};
use crate::webgpu::GpuEncoder;

/// The encoder on a GPU; calls wait for each other and block until their vectors are there.
pub struct Gpu {
    name: String,
    encoder: Mutex<GpuEncoder>,
}

impl Gpu {
    pub fn new(encoder: GpuEncoder) -> Self {
        Self { name: encoder.context().name(), encoder: encoder.into() }
    }
}

impl Backend for Gpu {
    fn device(&self) -> String {
        format!("webgpu ({})", self.name)
    }

    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>> {
        let mut batch = TokenBatch::default();
        texts.iter().for_each(|ids| batch.push(ids));
        // A panic of another caller leaves the encoder as it is between batches.
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        pollster::block_on(encoder.encode(&batch, output))
    }
}

/// The CPU for few tokens and the GPU for many; after a fault of the GPU, the CPU for all.
pub struct Routed {
    cpu: Cpu,
    gpu: Gpu,
    from_tokens: usize,
    failed: AtomicBool,
    on_fault: Box<dyn Fn(&Error) + Send + Sync>,
}

impl Routed {
    /// The GPU takes batches of `from_tokens` and more; `on_fault` hears once, when it fails, and the CPU repeats that batch.
    pub fn new(cpu: Cpu, gpu: Gpu, from_tokens: usize, on_fault: Box<dyn Fn(&Error) + Send + Sync>) -> Self {
        Self { cpu, gpu, from_tokens, failed: false.into(), on_fault }
    }
}

impl Backend for Routed {
    fn device(&self) -> String {
        match self.from_tokens {
            usize::MAX => self.cpu.device(),
            tokens => format!("{}; from {tokens} tokens on {}", self.cpu.device(), self.gpu.device()),
        }
    }

    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>> {
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        if tokens < self.from_tokens || self.failed.load(Ordering::Relaxed) {
            return self.cpu.encode(texts, output);
        }
        match self.gpu.encode(texts, output) {
            Err(e) if e.code() == ErrorCode::GpuFailed => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    (self.on_fault)(&e);
                }
                self.cpu.encode(texts, output)
            }
            result => result,
        }
    }
}
