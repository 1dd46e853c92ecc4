//! The seam between token ids and vectors: what an [`Embedder`](crate::Embedder) runs on.

#[cfg(all(feature = "webgpu", not(target_arch = "wasm32")))]
mod gpu;

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
pub struct Cpu(Encoder);

impl Cpu {
    /// # Errors
    /// As [`Encoder::from_gguf`].
    pub fn from_gguf(gguf: &Gguf<'_>, arithmetic: Arithmetic) -> Result<Self> {
        Encoder::from_gguf(gguf, arithmetic).map(Self)
    }

    fn encode_batch<'b>(&self, texts: &[&[u32]], output: Output, buffers: &'b mut Buffers) -> Result<&'b [f32]> {
        let Buffers { batch, scratch, pooled } = buffers;
        batch.clear();
        texts.iter().for_each(|ids| batch.push(ids));
        self.0.forward(batch, scratch, pooled)?;
        let (Output { dimensions, normalize }, hidden) = (output, self.0.config().hidden_size);
        if dimensions < hidden {
            for row in 0..texts.len() {
                pooled.copy_within(row * hidden..row * hidden + dimensions, row * dimensions);
            }
            pooled.truncate(texts.len() * dimensions);
        }
        output.check(pooled)?;
        if normalize {
            pooled.chunks_exact_mut(dimensions).for_each(l2_normalize);
        }
        Ok(pooled)
    }
}

impl Backend for Cpu {
    fn device(&self) -> String {
        format!("cpu ({})", crate::kernels::simd_name())
    }

    #[cfg(feature = "parallel")]
    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>> {
        use rayon::prelude::*;
        let rows: Vec<Vec<f32>> = batches(texts)
            .par_iter()
            .map_init(Buffers::default, |buffers, batch| self.encode_batch(batch, output, buffers).map(<[f32]>::to_vec))
            .collect::<Result<_>>()?;
        Ok(rows.concat())
    }

    #[cfg(not(feature = "parallel"))]
    fn encode(&self, texts: &[&[u32]], output: Output) -> Result<Vec<f32>> {
        let mut data = Vec::with_capacity(texts.len() * output.dimensions);
        let mut buffers = Buffers::default();
        for batch in batches(texts) {
            data.extend_from_slice(self.encode_batch(batch, output, &mut buffers)?);
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
fn batches<'t>(texts: &'t [&'t [u32]]) -> Vec<&'t [&'t [u32]]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while !rest.is_empty() {
        let mut total = 0;
        let fitting = rest.iter().take_while(|ids| {
            total += ids.len();
            total <= BATCH_TOKENS
        });
        let (batch, tail) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = tail;
    }
    batches
}
