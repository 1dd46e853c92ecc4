//! Where the time of a forward pass goes, and what the device could do at most: for the bench.

use std::time::Instant;

use crate::error::Result;

use super::context::{Context, Slot};
use super::workspace::{Job, Step};
use super::{GpuEncoder, shader};

/// Each thing is run so often in one submission, and the best of so many submissions counts.
const REPEATS: usize = 10;
const PASSES: usize = 5;

/// What one thing took.
#[derive(Clone, Debug)]
pub struct Measured {
    pub name: String,
    pub seconds: f64,
    /// Multiplications and additions of products, where it is one.
    pub flops: f64,
}

impl Context {
    /// Multiply-adds in f32 with nothing around them: the peak that products are held against.
    ///
    /// # Errors
    /// [`ErrorCode::GpuFailed`](crate::ErrorCode::GpuFailed).
    pub fn peak(&self) -> Result<Measured> {
        const STEPS: usize = 4096;
        // A software adapter would be at it for minutes.
        let groups = if self.is_software() { 4 } else { 16 * 1024 };
        let pipeline = self.pipeline("peak", shader::compose(&[("STEPS", STEPS)], &[shader::PEAK]), &[Slot::Write]);
        let out = self.upload("out", &[0.0_f32; 4 * 256]);
        let dispatch = self.dispatch(&pipeline, &[&out]);
        let seconds = self.time(|pass| dispatch.record(pass, groups as u32, 1))?;
        Ok(Measured { name: "peak".to_owned(), seconds, flops: (groups * 256 * STEPS * 64) as f64 })
    }

    /// Seconds that what is recorded takes once.
    fn time(&self, record: impl Fn(&mut wgpu::ComputePass<'_>)) -> Result<f64> {
        let mut best = f64::INFINITY;
        // The first one warms up.
        for _ in 0..=PASSES {
            let mut commands = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            (0..REPEATS).for_each(|_| record(&mut pass));
            drop(pass);
            let commands = commands.finish();
            self.wait()?;
            let start = Instant::now();
            self.queue.submit([commands]);
            self.wait()?;
            best = best.min(start.elapsed().as_secs_f64() / REPEATS as f64);
        }
        Ok(best)
    }
}

impl GpuEncoder {
    /// The steps of a pass over `texts` texts of `len` tokens, each by itself: upload, those of the first layer, pooling, readback.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn profile(&mut self, texts: usize, len: usize) -> Result<Vec<Measured>> {
        let ids: Vec<u32> = (0..len as u32).map(|id| id % self.config.vocab_size as u32).collect();
        let texts: Vec<&[u32]> = std::iter::repeat_n(ids.as_slice(), texts).collect();
        let (context, hidden, intermediate) = (self.context.clone(), self.config.hidden_size, self.config.intermediate_size);
        let workspace = self.take_workspace(&texts);

        let seconds_of = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
            let mut best = f64::INFINITY;
            for _ in 0..=PASSES {
                let start = Instant::now();
                work()?;
                best = best.min(start.elapsed().as_secs_f64());
            }
            Ok(best)
        };
        let job = Job::new(&texts, hidden, true);
        let upload = seconds_of(&|| {
            workspace.upload(&context, &Job::new(&texts, hidden, true));
            context.queue.submit([]);
            context.wait()
        })?;
        workspace.submit(&context, &job);
        let readback = seconds_of(&|| pollster::block_on(context.read(&workspace.staging, job.numbers())).map(|_| ()))?;
        let mut measured = vec![
            Measured { name: "upload".to_owned(), seconds: upload, flops: 0.0 },
            Measured { name: "readback".to_owned(), seconds: readback, flops: 0.0 },
        ];
        let tokens = (texts.len() * len) as f64;
        // The whole first: behind it the clock is up.
        let all = context.time(|pass| workspace.record(pass, &job, Step::All))?;
        for (step, name, inputs, outputs) in [
            (Step::Embedding, "embedding", 0, 0),
            (Step::Qkv, "qkv", hidden, 3 * hidden),
            (Step::Attention, "attention", 0, 0),
            (Step::AttentionOutput, "attention output", hidden, hidden),
            (Step::Norm, "norm", 0, 0),
            (Step::Up, "up", hidden, intermediate),
            (Step::Down, "down", intermediate, hidden),
            (Step::Pooling, "pooling", 0, 0),
        ] {
            let seconds = context.time(|pass| workspace.record(pass, &job, step))?;
            measured.push(Measured { name: name.to_owned(), seconds, flops: 2.0 * tokens * (inputs * outputs) as f64 });
        }
        measured.push(Measured { name: "all".to_owned(), seconds: all, flops: tokens * self.token_flops() });
        Ok(measured)
    }

    /// Multiplications and additions of the dense layers for one token.
    pub fn token_flops(&self) -> f64 {
        let (hidden, intermediate) = (self.config.hidden_size, self.config.intermediate_size);
        (2 * self.config.num_hidden_layers * (4 * hidden * hidden + 2 * hidden * intermediate)) as f64
    }
}
