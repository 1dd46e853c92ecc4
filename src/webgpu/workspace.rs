//! Buffers of one forward pass and all that is bound to them, kept between batches.

use std::sync::Arc;

use wgpu::BufferUsages;

use crate::config::EncoderConfig;

use super::Products;
use super::context::{Buffer, Context, Dispatch, Pipeline};
use super::layer::{BoundLayer, Layer};
use super::linear::ROWS;
use super::matrix::Matrix;
use super::ops::{Embedding, QUERIES};

/// Token states between the layers' steps.
pub(super) struct States {
    /// `[tokens, hidden]`
    pub(super) hidden: Buffer,
    /// `[tokens, 3 * hidden]`
    pub(super) qkv: Buffer,
    /// `[tokens, hidden]`
    pub(super) context: Buffer,
    /// `[tokens, hidden]`
    pub(super) projected: Buffer,
    /// `[tokens, intermediate]`
    pub(super) intermediate: Buffer,
    /// The input of a dense layer in bytes, where products are of such.
    pub(super) bytes: Matrix,
}

pub(super) struct Workspace {
    /// Tokens and texts that the buffers hold.
    tokens: usize,
    texts: usize,
    /// `[tokens, 2]`: id and position.
    ids: Buffer,
    /// `[tasks, 4]`: start and length of a text, and the first of its queries.
    tasks: Buffer,
    /// `[texts, 2]`: start and length.
    spans: Buffer,
    /// Dimensions, and whether to normalise.
    output: Buffer,
    /// `[texts, dimensions]`
    vectors: Buffer,
    /// Held for the bindings: dropped, their memory would go back.
    _states: States,
    pub(super) staging: Buffer,
    embedding: Vec<Dispatch>,
    layers: Vec<BoundLayer>,
    pooling: Dispatch,
}

/// What a forward pass takes and gives.
pub(super) struct Job {
    ids: Vec<[u32; 2]>,
    pub(super) tasks: Vec<[u32; 4]>,
    pub(super) spans: Vec<[u32; 2]>,
    pub(super) output: [u32; 4],
}

impl Job {
    pub(super) fn new(texts: &[&[u32]], dimensions: usize, normalize: bool) -> Self {
        let mut job =
            Self { ids: Vec::new(), tasks: Vec::new(), spans: Vec::new(), output: [dimensions as u32, u32::from(normalize), 0, 0] };
        for text in texts {
            let (start, len) = (job.ids.len() as u32, text.len() as u32);
            job.ids.extend(text.iter().zip(0..).map(|(&id, position)| [id, position]));
            job.tasks.extend((0..len).step_by(QUERIES).map(|first| [start, len, first, 0]));
            job.spans.push([start, len]);
        }
        job
    }

    /// Numbers of the result.
    pub(super) fn numbers(&self) -> usize {
        self.spans.len() * self.output[0] as usize
    }
}

impl Workspace {
    /// Room for `tokens` tokens of `texts` texts.
    pub(super) fn new(
        context: &Context,
        config: &EncoderConfig,
        (embedding, layers, pooling): (&Embedding, &[Layer], &Arc<Pipeline>),
        (tokens, texts): (usize, usize),
        products: Products,
    ) -> Self {
        let rows = tokens.next_multiple_of(ROWS) as u64;
        let (hidden, intermediate) = (config.hidden_size as u64, config.intermediate_size as u64);
        let input = BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let states = |label, width| context.buffer(label, rows * width * 4, BufferUsages::STORAGE);
        let packed = if products == Products::Packed { hidden.max(intermediate) } else { 0 };
        let (ids, tasks) = (context.buffer("ids", rows * 8, input), context.buffer("tasks", rows * 16, input));
        let (spans, output) = (context.buffer("spans", texts as u64 * 8, input), context.buffer("output", 16, input));
        let vectors = context.buffer("vectors", texts as u64 * hidden * 4, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let states = States {
            hidden: states("hidden", hidden),
            qkv: states("qkv", 3 * hidden),
            context: states("context", hidden),
            projected: states("projected", hidden),
            intermediate: states("intermediate", intermediate),
            bytes: Matrix { words: states("bytes", packed / 4), scales: states("scales", packed / 32) },
        };
        Self {
            tokens,
            texts,
            staging: context.buffer("staging", texts as u64 * hidden * 4, BufferUsages::MAP_READ | BufferUsages::COPY_DST),
            embedding: embedding.bind(context, &ids, &states.hidden),
            layers: layers.iter().map(|layer| layer.bind(context, &tasks, &states, tokens)).collect(),
            pooling: context.dispatch(pooling, &[&states.hidden, &spans, &vectors, &output]),
            ids,
            tasks,
            spans,
            output,
            vectors,
            _states: states,
        }
    }

    pub(super) const fn holds(&self, tokens: usize, texts: usize) -> bool {
        tokens <= self.tokens && texts <= self.texts
    }

    /// Uploads what the job takes.
    pub(super) fn upload(&self, context: &Context, job: &Job) {
        let write = |buffer: &Buffer, bytes: &[u8]| context.queue.write_buffer(buffer, 0, bytes);
        write(&self.ids, bytemuck::cast_slice(&job.ids));
        write(&self.tasks, bytemuck::cast_slice(&job.tasks));
        write(&self.spans, bytemuck::cast_slice(&job.spans));
        write(&self.output, bytemuck::cast_slice(&job.output));
    }

    /// Puts the whole pass into one submission, at whose end `staging` holds the vectors.
    pub(super) fn submit(&self, context: &Context, job: &Job) {
        let mut commands = context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        self.record(&mut pass, job, Step::All);
        drop(pass);
        commands.copy_buffer_to_buffer(&self.vectors, 0, &self.staging, 0, (job.numbers() * size_of::<f32>()) as u64);
        context.queue.submit([commands.finish()]);
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, job: &Job, step: Step) {
        let (tokens, tasks) = (job.ids.len(), job.tasks.len());
        if step.includes(Step::Embedding) {
            self.embedding.iter().for_each(|part| part.record(pass, tokens as u32, 1));
        }
        let layers = if step == Step::All { self.layers.len() } else { 1 };
        self.layers.iter().take(layers).for_each(|layer| layer.record(pass, tokens, tasks, step));
        if step.includes(Step::Pooling) {
            self.pooling.record(pass, job.spans.len() as u32, 1);
        }
    }
}

/// What of a pass is recorded: all of it, or for a profile one step, of the first layer where it is a layer's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    All,
    Embedding,
    Qkv,
    Attention,
    AttentionOutput,
    Norm,
    Up,
    Down,
    Pooling,
}

impl Step {
    pub(super) fn includes(self, step: Self) -> bool {
        self == Self::All || self == step
    }
}
