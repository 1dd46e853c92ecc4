//! The encoder on the GPU, through WebGPU: in the browser that of the page, natively Vulkan or Metal.
//!
//! The same GGUF, the same packed batches without padding, and vectors within a cosine of .999 of f32 over the dequantised weights
//! (.985 with products of bytes). Weights stay in the bits that the file has and are decoded as their tiles are loaded. A batch is one
//! submission and one readback; one that is larger than the adapter's buffers is split.

mod context;
mod layer;
mod linear;
mod matrix;
mod ops;
#[cfg(not(target_arch = "wasm32"))]
mod profile;
mod shader;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
mod workspace;

use std::sync::Arc;

use crate::config::EncoderConfig;
use crate::encoder::{Output, TokenBatch, read_config, read_pooling};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::Gguf;

pub use context::{Context, Limits};
#[cfg(not(target_arch = "wasm32"))]
pub use profile::Measured;

use context::Pipeline;
use layer::Layer;
use linear::ROWS;
use ops::Embedding;
use workspace::{Job, Workspace};

/// Tokens of one submission: more do not make it faster.
const MAX_TOKENS: usize = 32_768;

/// What the dense layers multiply; all else is f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    F32,
    /// 16-bit floats, a few of which are added before they go to a sum in 32, in batches of many tokens.
    F16,
    /// Bytes, as quantised weights are stored; activations are made such with a scale per 32. Floats where weights are none.
    Packed,
}

impl Products {
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Packed];

    /// Whether a device has them; f32 each has.
    pub fn are_available(self, context: &Context) -> bool {
        match self {
            Self::F32 => true,
            Self::F16 => context.has_f16(),
            Self::Packed => context.has_packed(),
        }
    }

    /// The fastest, as far as is known: on NVIDIA's an instruction multiplies four bytes, and an H100 does 1.33 times as much with them
    /// (`benches/webgpu.rs`).
    pub(crate) fn fastest(context: &Context, nvidia: bool) -> Self {
        if nvidia && context.has_packed() { Self::Packed } else { Self::of_floats(context) }
    }

    /// The fastest of floats.
    fn of_floats(context: &Context) -> Self {
        if context.has_f16() { Self::F16 } else { Self::F32 }
    }
}

/// Workgroups that a dispatch may have in a row, on any adapter.
const MAX_GROUPS: usize = 65_535;

/// A BERT encoder with pooling on a GPU, ready to run.
pub struct GpuEncoder {
    context: Arc<Context>,
    config: EncoderConfig,
    products: Products,
    embedding: Embedding,
    layers: Vec<Layer>,
    pooling: Arc<Pipeline>,
    /// Tokens that one submission may have.
    max_tokens: usize,
    workspace: Option<Workspace>,
}

impl GpuEncoder {
    /// Uploads the weights of a model file and compiles the shaders for its shape, with the products that are fastest there.
    ///
    /// # Errors
    /// As [`from_gguf_with`](Self::from_gguf_with).
    pub fn from_gguf(context: Arc<Context>, gguf: &Gguf<'_>) -> Result<Self> {
        let products = Products::fastest(&context, context.is_nvidia());
        Self::from_gguf_with(context, gguf, products)
    }

    /// The same with products of one's choice.
    ///
    /// # Errors
    /// Those of [`Encoder::from_gguf`](crate::encoder::Encoder::from_gguf); [`ErrorCode::ModelUnsupported`] for a shape that the
    /// shaders do not have, [`ErrorCode::NoWebgpu`] for products that the device does not have, and for an adapter whose buffers do
    /// not hold a single text.
    pub fn from_gguf_with(context: Arc<Context>, gguf: &Gguf<'_>, products: Products) -> Result<Self> {
        if !products.are_available(&context) {
            return Err(Error::new(ErrorCode::NoWebgpu, format!("{} has no {products:?} products", context.name())));
        }
        let (config, pooling) = (read_config(gguf)?, read_pooling(gguf)?);
        if let Some(reason) = ops::refuse(&config) {
            return Err(Error::new(ErrorCode::ModelUnsupported, reason));
        }
        let token_bytes = (3 * config.hidden_size).max(config.intermediate_size) * size_of::<f32>();
        let fitting = context.max_binding_bytes() as usize / token_bytes / ROWS * ROWS;
        // Of all that is done to tokens, making bytes of the widest states takes the most workgroups.
        let dispatchable = MAX_GROUPS / ops::quantize_groups(ROWS, config.hidden_size.max(config.intermediate_size)) as usize * ROWS;
        let max_tokens = fitting.min(dispatchable).min(MAX_TOKENS);
        if max_tokens < config.max_position_embeddings {
            let positions = config.max_position_embeddings;
            let message = format!("the adapter has room for {max_tokens} tokens; a text may have {positions}");
            return Err(Error::new(ErrorCode::NoWebgpu, message));
        }
        let layers =
            (0..config.num_hidden_layers).map(|n| Layer::from_gguf(&context, gguf, &config, n, products)).collect::<Result<_>>()?;
        let embedding = Embedding::from_gguf(&context, gguf, &config)?;
        let pooling = ops::pool(&context, &config, pooling);
        context.check()?;
        Ok(Self { context, config, products, embedding, layers, pooling, max_tokens, workspace: None })
    }

    /// What it runs on.
    pub const fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The model's shape.
    pub const fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Limits the tokens of one submission further, to no less than a text may have.
    pub fn limit_tokens(&mut self, tokens: usize) {
        self.max_tokens = tokens.clamp(self.config.max_position_embeddings, self.max_tokens);
    }

    /// The vectors of a batch, `[batch, output.dimensions]`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for an empty text, one that is longer than the model's positions, or an id beyond its vocabulary;
    /// [`ErrorCode::InvalidDimensions`]; [`ErrorCode::GpuFailed`], after which every call fails; [`ErrorCode::ModelCorrupt`] where
    /// the weights overflow.
    pub async fn encode(&mut self, batch: &TokenBatch, output: Output) -> Result<Vec<f32>> {
        batch.check(&self.config)?;
        let (Output { dimensions, normalize }, hidden) = (output, self.config.hidden_size);
        if !(1..=hidden).contains(&dimensions) {
            return Err(Error::new(ErrorCode::InvalidDimensions, format!("dimensions is {dimensions}; the model has {hidden}")));
        }
        let context = Arc::clone(&self.context);
        let texts: Vec<&[u32]> = batch.texts().collect();
        let mut vectors = Vec::with_capacity(texts.len() * dimensions);
        let mut rest = texts.as_slice();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fitting = rest.iter().take_while(|text| {
                tokens += text.len();
                tokens <= self.max_tokens
            });
            let (part, tail) = rest.split_at(fitting.count());
            let job = Job::new(part, dimensions, normalize);
            let workspace = self.take_workspace(part);
            workspace.upload(&context, &job);
            workspace.submit(&context, &job);
            vectors.extend(context.read(&workspace.staging, job.numbers()).await?);
            self.workspace = Some(workspace);
            rest = tail;
        }
        output.check(&vectors)?;
        output.check_scaled(&vectors)?;
        Ok(vectors)
    }

    /// Buffers for these texts: those there are, or larger ones. Whoever gives up while the device is at work leaves none behind that
    /// are still being read.
    fn take_workspace(&mut self, texts: &[&[u32]]) -> Workspace {
        let tokens = texts.iter().map(|text| text.len()).sum();
        // The memory of the old ones goes back first.
        self.workspace.take().filter(|workspace| workspace.holds(tokens, texts.len())).unwrap_or_else(|| {
            let room = (tokens.next_power_of_two().min(self.max_tokens), texts.len().next_power_of_two());
            Workspace::new(&self.context, &self.config, (&self.embedding, &self.layers, &self.pooling), room, self.products)
        })
    }
}
