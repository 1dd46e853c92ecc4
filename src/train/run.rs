//! A whole run: reads its inputs, steps, looks at the development sets, keeps what is needed to resume, and writes the model.

use std::path::PathBuf;
use std::time::Instant;

use candle_core::{Device, Tensor};

use super::augment::{Augmenter, Material};
use super::checkpoint::{self, Identity, Inputs};
use super::dataset::{Source, files};
use super::encoder::{Encoder, numbers};
use super::evaluate::{Quality, choose, measure};
use super::folder::RunFolder;
use super::optimiser::Optimiser;
use super::proxies::{self, Proxies};
use super::sampler::Sampler;
use super::settings::{DataFile, Settings};
use super::teacher::{Teacher, weights_sha256};
use super::trainer::{Step, Trainer};
use crate::checkpoint::Checkpoint;
use crate::config::Pooling;
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::keep_freed_memory;
use crate::tokenizer::Tokenizer;

/// What to train from what, and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// A Hugging Face folder.
    pub base: PathBuf,
    /// The run folder.
    pub out: PathBuf,
    pub data: Vec<DataFile>,
    /// Labelled files to measure on, beside what is held out of the data.
    pub dev: Vec<PathBuf>,
    /// A folder for [`Material::load`].
    pub augment: Option<PathBuf>,
    /// A Hugging Face folder; needs [`Settings::distillation`].
    pub teacher: Option<PathBuf>,
    pub settings: Settings,
    /// Passes over the data, in place of [`Settings::steps`].
    pub epochs: Option<f64>,
    /// Steps between two looks at the development sets; 0 looks at the end alone.
    pub eval_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    pub resume: bool,
    /// Replaces a run that is there.
    pub force: bool,
    pub device: Device,
}

/// What happens in a run.
#[derive(Debug)]
pub enum Event<'e> {
    Data { source: &'e Source, held_out: usize },
    Resumed { step: u64, steps: u64 },
    Step { step: u64, steps: u64, report: &'e Step, ms: f64 },
    Dev { step: u64, set: &'e str, quality: Quality },
    Checkpoint { step: u64 },
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The model's folder.
    pub model: PathBuf,
    pub steps: u64,
    /// Figures of the written model by development set.
    pub quality: Vec<(String, Quality)>,
}

/// Trains. `on_event` is told of all that happens; when it gives `false` the run keeps a checkpoint and stops.
///
/// # Errors
/// [`ErrorCode::Data`] for data that nothing can be learnt from, [`ErrorCode::InvalidArgument`] for settings out of range, a run
/// folder in use and a checkpoint of other settings, [`ErrorCode::NonFinite`] with the step, [`ErrorCode::Interrupted`], those of
/// [`Checkpoint::load`], and [`ErrorCode::Io`].
pub fn train(job: &Job, on_event: &mut dyn FnMut(&Event<'_>) -> bool) -> Result<Summary> {
    keep_freed_memory();
    let mut base = Checkpoint::load(&job.base)?;
    if let Some(layers) = job.settings.layers {
        base = base.with_layers(layers)?;
    }
    let mut settings = job.settings.clone();
    settings.validate(&base.config, base.two_views, &job.device)?;
    let (sources, dev) = load_data(job, on_event)?;
    if let Some(epochs) = job.epochs {
        if !(epochs > 0.0 && epochs <= 1e6) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("epochs is {epochs}; it must lie above 0 and up to 1000000")));
        }
        let examples: usize = sources.iter().map(|source| source.examples.len()).sum();
        settings.steps = (epochs * examples as f64 / (settings.batch_rows() * settings.accumulate) as f64).ceil().max(1.0) as u64;
    }
    let material = job.augment.as_deref().map_or_else(|| Ok(Material::default()), Material::load)?;
    let teacher = match (&job.teacher, settings.distillation.clone()) {
        (Some(dir), Some(distillation)) => {
            Some(Teacher::load(dir, distillation, base.config.hidden_size, settings.max_tokens, &job.device)?)
        }
        (None, None) => None,
        _ => return Err(Error::new(ErrorCode::InvalidArgument, "distillation needs both a teacher and its weight")),
    };
    let identity = Identity {
        inputs: Inputs {
            base: weights_sha256(&job.base)?,
            data: sources.iter().map(|source| (source.sha256.clone(), source.weight)).collect(),
            augmentation: (!settings.augment.is_none()).then(|| material.sha256()),
            teacher: job.teacher.as_deref().map(weights_sha256).transpose()?,
        },
        settings,
    };
    let settings = &identity.settings;
    let pooling = settings.pooling.or(base.pooling).unwrap_or(Pooling::Mean);
    let encoder = Encoder::new(&base, pooling, settings.freeze, settings.width.dtype(), &job.device)?;
    let encoder = encoder.rounded(settings.rounding)?;
    let width = if encoder.two_views { base.config.hidden_size / 2 } else { base.config.hidden_size };
    let proxies = settings.proxies.map(|proxies| Proxies::new(&sources, proxies, width, &job.device)).transpose()?;
    let mut variables = encoder.variables().to_vec();
    variables.extend(proxies.iter().map(|proxies| (proxies::NAME.to_owned(), proxies.table.clone())));
    let mut run = Run {
        job,
        identity: &identity,
        trainer: Trainer {
            optimiser: Optimiser::new(&variables, settings.optimiser, settings.average)?,
            encoder,
            tokenizer: Tokenizer::new(base.vocabulary.clone())?,
            prompt: settings.prompt.parse()?,
            augmenter: Augmenter::new(&material, settings.augment),
            teacher,
            proxies,
            sampler: Sampler::new(&sources, settings.shape(), settings.balance, settings.seed),
            sources: &sources,
            settings: settings.clone(),
        },
        dev: &dev,
        folder: RunFolder::open(&job.out, job.resume, job.force)?,
        on_event,
    };
    run.all_steps()?;
    run.finish(&base)
}

/// Sources to train on, and named ones to measure on.
type Data = (Vec<Source>, Vec<(String, Source)>);

/// Reads all sources and splits their development parts off; those of `--dev` follow.
fn load_data(job: &Job, on_event: &mut dyn FnMut(&Event<'_>) -> bool) -> Result<Data> {
    let Settings { min_conf, dev_fraction, seed, .. } = job.settings;
    let (mut sources, mut dev) = (Vec::new(), Vec::new());
    let name = |path: &std::path::Path| path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    for DataFile { path, weight } in &job.data {
        for file in files(path)? {
            let (rest, held_out) = Source::load(&file, *weight, min_conf)?.split(dev_fraction, seed);
            on_event(&Event::Data { source: &rest, held_out: held_out.examples.len() });
            rest.check_trainable()?;
            if !held_out.examples.is_empty() {
                dev.push((name(&file), held_out));
            }
            sources.push(rest);
        }
    }
    if sources.is_empty() {
        return Err(Error::new(ErrorCode::Data, "no data was given"));
    }
    for path in &job.dev {
        for file in files(path)? {
            let source = Source::load(&file, 1.0, 0.0)?;
            dev.push((name(&file), source));
        }
    }
    Ok((sources, dev))
}

struct Run<'r> {
    job: &'r Job,
    identity: &'r Identity,
    trainer: Trainer<'r>,
    dev: &'r [(String, Source)],
    folder: RunFolder,
    on_event: &'r mut dyn FnMut(&Event<'_>) -> bool,
}

impl Run<'_> {
    fn all_steps(&mut self) -> Result<()> {
        let steps = self.identity.settings.steps;
        let mut step = 0;
        if self.folder.resumes {
            step = checkpoint::restore(&self.job.out, &self.trainer.optimiser, self.identity)?;
            self.folder.resume_metrics(step, steps)?;
            (self.on_event)(&Event::Resumed { step, steps });
        } else {
            // A checkpoint comes after the records that belong to it: a run that is killed in between begins anew.
            self.folder.write_identity(self.identity)?;
            self.trainer.begin_proxies()?;
            self.look(0)?;
            self.checkpoint(0)?;
        }
        while step < steps {
            let start = Instant::now();
            let report = self.trainer.step(step)?;
            let ms = start.elapsed().as_secs_f64() * 1e3;
            if !report.is_finite() {
                return Err(self.non_finite(step, &report));
            }
            step += 1;
            self.folder.record_step(step, &report, ms)?;
            let go_on = (self.on_event)(&Event::Step { step, steps, report: &report, ms });
            let every = |n: u64| n > 0 && step.is_multiple_of(n);
            if every(self.job.eval_every) && step < steps {
                self.look(step)?;
            }
            if every(self.job.checkpoint_every) || step == steps || !go_on {
                self.checkpoint(step)?;
            }
            if !go_on {
                let message = format!("stopped after step {step} of {steps}; resume to go on from there");
                return Err(Error::new(ErrorCode::Interrupted, message));
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, step: u64) -> Result<()> {
        self.folder.sync_metrics()?;
        checkpoint::save(&self.job.out, &self.trainer.optimiser, step, self.identity)?;
        (self.on_event)(&Event::Checkpoint { step });
        Ok(())
    }

    /// Measures on all development sets and draws the curve.
    fn look(&mut self, step: u64) -> Result<Vec<(String, Quality)>> {
        let mut all = Vec::new();
        for (set, source) in self.dev {
            let (rows, tasks) = choose(source);
            let examples: Vec<_> = rows.into_iter().map(|row| &source.examples[row as usize]).collect();
            let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
            let quality = measure(&self.trainer.embed(&texts)?, &examples, &tasks, self.identity.settings.seed)?;
            self.folder.record_quality(step, set, &quality)?;
            (self.on_event)(&Event::Dev { step, set, quality });
            all.push((set.clone(), quality));
        }
        self.folder.draw_curve()?;
        Ok(all)
    }

    fn non_finite(&self, step: u64, report: &Step) -> Error {
        let kept = match self.folder.record_non_finite(step, report) {
            Ok(path) => format!("its {} texts are in {}", report.texts.len(), path.display()),
            Err(e) => format!("its texts could not be written ({e})"),
        };
        let first: String = report.texts.first().map_or("", String::as_str).chars().take(80).collect();
        let message = format!(
            "step {step}: the loss is {}, the gradient's length {}; the batch begins with {first:?}, {kept}; {} holds the last good state",
            report.loss,
            report.gradient_norm,
            self.job.out.join(checkpoint::FILE).display()
        );
        Error::new(ErrorCode::NonFinite, message)
    }

    /// Takes the averaged weights, moves them toward the base, measures and writes them.
    fn finish(&mut self, base: &Checkpoint) -> Result<Summary> {
        let Settings { interpolate, steps, max_tokens, .. } = self.identity.settings;
        for slot in self.trainer.optimiser.slots.iter().filter(|slot| slot.name != proxies::NAME) {
            let mut values = numbers(slot.average.as_ref().unwrap_or(&slot.weight))?;
            if interpolate != 1.0 {
                let share = interpolate as f32;
                for (x, from) in values.iter_mut().zip(base.weight(&slot.name, slot.weight.dims())?) {
                    *x = from + share * (*x - from);
                }
            }
            slot.weight.set(&Tensor::from_vec(values, slot.weight.shape(), slot.weight.device())?)?;
        }
        let quality = self.look(steps)?;
        let model = self.job.out.join("model");
        let Trainer { encoder, .. } = &self.trainer;
        let trained = Checkpoint {
            name: base.name.clone(),
            config: encoder.config.clone(),
            vocabulary: base.vocabulary.clone(),
            pooling: Some(encoder.pooling),
            weights: encoder.weights()?,
            two_views: encoder.two_views,
        };
        trained.save(&model, max_tokens)?;
        Ok(Summary { model, steps, quality })
    }
}

/// Where a run trains: `cpu`, or `cuda` with the number of the GPU behind a colon.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for another name and for a GPU that is not there.
pub fn device(name: &str) -> Result<Device> {
    let invalid = |what: String| Error::new(ErrorCode::InvalidArgument, what);
    let number = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        _ => name
            .strip_prefix("cuda:")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| invalid(format!("device is {name:?}; it must be cpu, cuda or cuda:N")))?,
    };
    Device::new_cuda(number).map_err(|e| invalid(format!("device {name}: {}", super::message(&e))).with_source(e))
}
