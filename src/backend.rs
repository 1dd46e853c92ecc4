//! The seam between token ids and vectors: what an [`Embedder`](crate::Embedder) runs on.

#[cfg(all(feature = "webgpu", not(target_arch = "wasm32")))]
mod gpu;

use std::sync::{Mutex, PoisonError};

use crate::encoder::{Arithmetic, Encoder, Output, Scratch, TokenBatch};
use crate::error::Result;
use crate::gguf::Gguf;
use crate::kernels::l2_normalize;

#[cfg(all(feature = "webgpu", not(target_arch = "wasm32")))]
pub use gpu::{Gpu, Routed};

/// On the CPU, texts go through the encoder in batches of about this many tokens: more do not make a product faster, and the buffers
/// of fewer stay in the second-level cache.
const BATCH_TOKENS: usize = 256;

/// A loaded encoder, on whatever device.
pub trait Backend: Send + Sync {
    /// The device, for people.
    fn device(&self) -> String;

    /// The pooled vectors of texts, `[texts, output.dimensions]`, from their token ids.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`](crate::ErrorCode::InvalidArgument) for an empty text, one that is longer than the model's
    /// positions, or an id beyond its vocabulary; [`ErrorCode::ModelCorrupt`](crate::ErrorCode::ModelCorrupt) where the weights
    /// overflow; what the device has of its own.
    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>>;
}

/// The encoder on the CPU, with feature `parallel` on all cores.
pub struct Cpu {
    encoder: Encoder,
    /// What calls that are over have left for the next ones, which take no memory from the system then.
    buffers: Mutex<Vec<Buffers>>,
}

impl Cpu {
    /// # Errors
    /// As [`Encoder::from_gguf`].
    pub fn from_gguf(gguf: &Gguf<'_>, arithmetic: Arithmetic) -> Result<Self> {
        Ok(Self { encoder: Encoder::from_gguf(gguf, arithmetic)?, buffers: Mutex::default() })
    }

    fn encode_batch(&self, texts: &[&[u32]], output: Output, out: &mut [f32]) -> Result<()> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let Buffers { batch, scratch, pooled } = &mut buffers;
        batch.clear();
        texts.iter().for_each(|ids| batch.push(ids));
        self.encoder.forward(batch, scratch, pooled)?;
        let rows = out.chunks_exact_mut(output.dimensions);
        for (out, row) in rows.zip(pooled.chunks_exact(self.encoder.config().hidden_size)) {
            out.copy_from_slice(&row[..output.dimensions]);
        }
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        output.check(out)?;
        if output.normalize {
            out.chunks_exact_mut(output.dimensions).for_each(l2_normalize);
        }
        Ok(())
    }
}

impl Backend for Cpu {
    fn device(&self) -> String {
        format!("cpu ({})", crate::kernels::simd_name())
    }

    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>> {
        let mut data = vec![0.0; texts.len() * output.dimensions];
        let mut rest = data.as_mut_slice();
        let mut batches = batches(texts).map(|batch| (batch, rest.split_off_mut(..batch.len() * output.dimensions).unwrap_or_default()));
        let encode = |(batch, out)| self.encode_batch(batch, output, out);
        #[cfg(not(feature = "parallel"))]
        batches.try_for_each(encode)?;
        #[cfg(feature = "parallel")]
        match (batches.next(), batches.next()) {
            // One batch needs no other thread, and no list.
            (Some(only), None) => encode(only)?,
            (first, second) => {
                use rayon::prelude::*;
                let batches: Vec<_> = first.into_iter().chain(second).chain(batches).collect();
                batches.into_par_iter().try_for_each(encode)?;
            }
        }
        Ok(data)
    }
}

#[derive(Default)]
struct Buffers {
    batch: TokenBatch,
    scratch: Scratch,
    pooled: Vec<f32>,
}

/// Splits texts, in order, into batches of at most [`BATCH_TOKENS`] tokens (a longer text is alone in its batch).
fn batches<'t>(texts: &'t [&'t [u32]]) -> impl Iterator<Item = &'t [&'t [u32]]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fitting = rest.iter().take_while(|ids| {
            total += ids.len();
            total <= BATCH_TOKENS
        });
        let count = fitting.count().max(1);
        rest.split_off(..count)
    })
}
