//! `pie train`: a general sentence model into an instruction model.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::train::{
    AdamW, DataFile, Decay, Distillation, Event, Freeze, Job, Loss, Probabilities, Proxies, Rounding, Settings, Summary, Target, Width,
    device, train,
};
use pie_embed_wasm::{Prompt, Result};

use crate::output::{Stdout, say};
use crate::signal;

/// Train an encoder on labelled instructions.
#[derive(clap::Args)]
pub struct Args {
    /// JSONL of {"instruction", "category", "conf"}, or a folder of such files; its share of the batches behind a colon
    #[arg(long, required = true, value_name = "FILE[:WEIGHT]")]
    data: Vec<DataFile>,
    /// Hugging Face folder to start from (BERT: config.json, tokenizer.json, model.safetensors)
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// Run folder: model/, checkpoint.safetensors, metrics.jsonl, curve.svg
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Labelled JSONL to measure on as well
    #[arg(long, value_name = "FILE")]
    dev: Vec<PathBuf>,
    /// Go on from the run folder's checkpoint; a run that ended before its first one begins anew
    #[arg(long)]
    resume: bool,
    /// Replace a run in the folder
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,

    /// Optimiser steps
    #[arg(long, default_value_t = 300, conflicts_with = "epochs")]
    steps: u64,
    /// Passes over the data, in place of steps
    #[arg(long)]
    epochs: Option<f64>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Keep the first N layers
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// mean or cls; the base's own unless given
    #[arg(long)]
    pooling: Option<Pooling>,
    /// pie, short, none, or a text with one {instruction}
    #[arg(long, default_value = "none")]
    prompt: Prompt,
    /// Tokens of a text, [CLS] and [SEP] included; the middle of longer ones is left out
    #[arg(long, default_value_t = 48)]
    max_tokens: usize,

    #[arg(long, value_parser = ["supcon", "pair"], default_value = "supcon", help_heading = "Loss")]
    loss: String,
    #[arg(long, default_value_t = 0.05, help_heading = "Loss")]
    temperature: f64,
    /// Widths to train for, as 384,256,128,64
    #[arg(long, value_delimiter = ',', value_name = "DIMS", help_heading = "Loss")]
    matryoshka: Vec<usize>,
    /// Hugging Face folder of an encoder to learn from
    #[arg(long, value_name = "DIR", help_heading = "Loss")]
    teacher: Option<PathBuf>,
    /// What to learn from it: which texts are near each other, the vectors, the view of the meaning, or both views each by itself
    #[arg(long, value_parser = ["similarity", "vectors", "meaning", "views"], default_value = "similarity", help_heading = "Loss")]
    distill: String,
    /// The teacher's share in the loss
    #[arg(long, default_value_t = 1.0, value_name = "W", help_heading = "Loss")]
    distill_weight: f64,
    /// The share of a batch's texts that the teacher reads
    #[arg(long, default_value_t = 1.0, value_name = "SHARE", requires = "teacher", help_heading = "Loss")]
    teacher_share: f64,
    /// The language that the teacher reads, as en: of a row whose "language" is another one it reads the "twin", or nothing without one
    #[arg(long, value_name = "CODE", requires = "teacher", help_heading = "Loss")]
    teacher_language: Option<String>,
    /// Learn a vector for each label too, and add with this weight the softmax of an example over all labels
    #[arg(long, value_name = "W", help_heading = "Loss")]
    proxies: Option<f64>,
    /// The temperature of that softmax
    #[arg(long, default_value_t = 0.05, value_name = "T", requires = "proxies", help_heading = "Loss")]
    proxy_temperature: f64,

    /// Tasks in a batch
    #[arg(long, default_value_t = 32, help_heading = "Batches")]
    tasks: usize,
    /// Examples of a task in a batch
    #[arg(long, default_value_t = 4, help_heading = "Batches")]
    samples: usize,
    /// Tasks of the same family, verb or noun that a task brings along
    #[arg(long, default_value_t = 3, help_heading = "Batches")]
    hard: usize,
    /// Power of a task's size that it is drawn with
    #[arg(long, default_value_t = 0.5, help_heading = "Batches")]
    balance: f64,
    /// Batches to an optimiser step
    #[arg(long, default_value_t = 1, help_heading = "Batches")]
    accumulate: usize,
    /// Leave out examples less sure than this
    #[arg(long, default_value_t = 0.0, value_name = "CONF", help_heading = "Batches")]
    min_conf: f64,
    /// Share of the examples to hold out, as whole tasks
    #[arg(long, default_value_t = 0.1, help_heading = "Batches")]
    dev_fraction: f64,

    #[arg(long, default_value_t = 5e-5, help_heading = "Optimiser")]
    lr: f64,
    /// Steps of the learning rate's rise; a tenth of all unless given
    #[arg(long, help_heading = "Optimiser")]
    warmup: Option<u64>,
    #[arg(long, value_parser = ["constant", "linear", "cosine"], default_value = "linear", help_heading = "Optimiser")]
    decay: String,
    #[arg(long, default_value_t = 0.01, help_heading = "Optimiser")]
    weight_decay: f64,
    /// Longest gradient; 0 leaves all as they are
    #[arg(long, default_value_t = 1.0, help_heading = "Optimiser")]
    clip: f64,
    /// Embedding tables to leave as they are
    #[arg(long, value_parser = ["none", "words", "embeddings"], default_value = "words", help_heading = "Optimiser")]
    freeze: String,
    #[arg(long, default_value_t = 0.0, help_heading = "Optimiser")]
    dropout: f64,
    /// Keep a moving average of the weights with this share of the past, and give it as the result
    #[arg(long, value_name = "SHARE", help_heading = "Optimiser")]
    average: Option<f64>,
    /// How far the result lies from the base (0) to the trained weights (1)
    #[arg(long, default_value_t = 1.0, value_name = "SHARE", help_heading = "Optimiser")]
    interpolate: f64,
    /// Numbers of the activations (bf16 on CUDA alone)
    #[arg(long, value_parser = ["f32", "bf16"], default_value = "f32", help_heading = "Optimiser")]
    width: String,

    /// Round attention's dense layers in the forward pass as the model file will store them
    #[arg(long, default_value = "f32", help_heading = "Rounding")]
    dtype: Dtype,
    /// The same for the feed-forward part; as --dtype by default
    #[arg(long, help_heading = "Rounding")]
    ffn_dtype: Option<Dtype>,
    /// The same for word embeddings
    #[arg(long, default_value = "f32", help_heading = "Rounding")]
    embedding_dtype: Dtype,

    /// Folder with wrappers.txt and documents.txt in place of the built-in ones
    #[arg(long, value_name = "DIR", help_heading = "Augmentation")]
    augment: Option<PathBuf>,
    /// How often case and punctuation are dropped, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "P", help_heading = "Augmentation")]
    sloppy: f64,
    /// How often words are mistyped
    #[arg(long, default_value_t = 0.0, value_name = "P", help_heading = "Augmentation")]
    typos: f64,
    /// How often a polite sentence is put around
    #[arg(long, default_value_t = 0.0, value_name = "P", help_heading = "Augmentation")]
    wrap: f64,
    /// How often a document is pasted behind
    #[arg(long, default_value_t = 0.0, value_name = "P", help_heading = "Augmentation")]
    behind: f64,
    /// How often context is put before
    #[arg(long, default_value_t = 0.0, value_name = "P", help_heading = "Augmentation")]
    before: f64,

    /// Steps between two looks at the development sets
    #[arg(long, default_value_t = 50, value_name = "N")]
    eval_every: u64,
    /// Steps between two checkpoints
    #[arg(long, default_value_t = 50, value_name = "N")]
    checkpoint_every: u64,
}

impl Args {
    fn job(self) -> Result<Job> {
        let settings = Settings {
            steps: self.steps,
            seed: self.seed,
            layers: self.layers,
            pooling: self.pooling,
            prompt: self.prompt.to_string(),
            max_tokens: self.max_tokens,
            loss: if self.loss == "pair" { Loss::Pair } else { Loss::Supcon },
            temperature: self.temperature,
            matryoshka: self.matryoshka,
            tasks: self.tasks,
            samples: self.samples,
            hard: self.hard,
            balance: self.balance,
            accumulate: self.accumulate,
            learning_rate: self.lr,
            warmup: self.warmup,
            decay: match self.decay.as_str() {
                "constant" => Decay::Constant,
                "cosine" => Decay::Cosine,
                _ => Decay::Linear,
            },
            optimiser: AdamW { weight_decay: self.weight_decay, ..AdamW::default() },
            clip: self.clip,
            freeze: match self.freeze.as_str() {
                "none" => Freeze::None,
                "embeddings" => Freeze::Embeddings,
                _ => Freeze::Words,
            },
            dropout: self.dropout,
            average: self.average,
            interpolate: self.interpolate,
            min_conf: self.min_conf,
            dev_fraction: self.dev_fraction,
            augment: Probabilities { sloppy: self.sloppy, typos: self.typos, wrap: self.wrap, behind: self.behind, before: self.before },
            distillation: self.teacher.as_ref().map(|_| Distillation {
                target: match self.distill.as_str() {
                    "vectors" => Target::Vectors,
                    "meaning" => Target::Meaning,
                    "views" => Target::Views,
                    _ => Target::Similarity,
                },
                weight: self.distill_weight,
                share: self.teacher_share,
                language: self.teacher_language,
            }),
            proxies: self.proxies.map(|weight| Proxies { weight, temperature: self.proxy_temperature }),
            width: if self.width == "bf16" { Width::Bf16 } else { Width::F32 },
            rounding: Rounding { attention: self.dtype, ffn: self.ffn_dtype.unwrap_or(self.dtype), words: self.embedding_dtype },
        };
        Ok(Job {
            base: self.base,
            out: self.out,
            data: self.data,
            dev: self.dev,
            augment: self.augment,
            teacher: self.teacher,
            settings,
            epochs: self.epochs,
            eval_every: self.eval_every,
            checkpoint_every: self.checkpoint_every,
            resume: self.resume,
            force: self.force,
            device: device(&self.device)?,
        })
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let job = args.job()?;
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    signal::on_termination(move || flag.store(true, Ordering::Relaxed))?;
    let bar = ProgressBar::new(job.settings.steps);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut progress = Progress { bar, mean_ms: None };
    let outcome = train(&job, &mut |event| {
        progress.show(event);
        !stopped.load(Ordering::Relaxed)
    });
    progress.bar.finish_and_clear();
    let Summary { model, steps, quality } = outcome?;
    let mut stdout = Stdout::lock()?;
    for (set, q) in quality {
        stdout.line(format_args!(
            "{set}\tnearest {:.4}\tclustering {:.4}\tcorrelation {:.4}\tmargin {:.4}\t{} examples",
            q.nearest, q.clustering, q.correlation, q.margin, q.examples
        ))?;
    }
    stdout.line(format_args!("{} after {steps} steps", model.display()))?;
    stdout.flush()
}

struct Progress {
    bar: ProgressBar,
    mean_ms: Option<f64>,
}

impl Progress {
    /// One line on stderr, whether or not it is a terminal.
    fn line(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Data { source, held_out } => {
                source.notes.iter().for_each(|note| self.line(&format!("note: {note}")));
                let f = &source.findings;
                let mut text = format!("{}: {} examples, {} held out", source.path.display(), source.examples.len(), held_out);
                for (count, what) in
                    [(f.unsure, "too unsure"), (f.duplicates, "duplicates left out"), (f.conflicts, "in conflict left out")]
                {
                    if count > 0 {
                        text += &format!(", {count} {what}");
                    }
                }
                if f.conflicts > 0 {
                    let first: Vec<String> = f.conflicting_lines.iter().map(ToString::to_string).collect();
                    text += &format!(
                        " (same text, other task: lines {}{})",
                        first.join(", "),
                        if f.conflicts > first.len() { ", …" } else { "" }
                    );
                }
                self.line(&text);
            }
            Event::Resumed { step, .. } => self.line(&format!("resumed after step {step}")),
            Event::Step { step, steps, report, ms } => {
                let mean = self.mean_ms.map_or(*ms, |mean| 0.9 * mean + 0.1 * ms);
                self.mean_ms = Some(mean);
                let left = std::time::Duration::from_secs_f64((steps - step) as f64 * mean / 1e3);
                self.bar.set_length(*steps);
                self.bar.set_position(*step);
                self.bar.set_message(format!("loss {:.4}  {mean:.0} ms/step  {} left", report.loss, HumanDuration(left)));
                if self.bar.is_hidden() && (step % 10 == 0 || step == steps) {
                    say(&format!("step {step}/{steps}  loss {:.4}  {mean:.0} ms/step  {} left", report.loss, HumanDuration(left)));
                }
            }
            Event::Dev { step, set, quality: q } => self.line(&format!(
                "step {step}  {set}: nearest {:.4}  clustering {:.4}  correlation {:.4}  margin {:.4}  ({} examples)",
                q.nearest, q.clustering, q.correlation, q.margin, q.examples
            )),
            Event::Checkpoint { .. } => {}
        }
    }
}
