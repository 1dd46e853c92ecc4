//! `pie head`: a base with one view becomes one with two, to train from and to learn from.

use std::path::PathBuf;

use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::train::{Corpus, fitted_to_teacher, with_two_views};
use pie_embed_wasm::{Prompt, Result};

use crate::corpus::{read_all, spread};
use crate::output::{print, refuse_existing_folder};
use crate::progress::Progress;

/// Give a checkpoint a head with two views of a text, its task and its meaning
///
/// The head is a dense layer behind the pooling. Both of its halves begin as the principal components of the corpus's vectors; `pie train
/// --distill meaning` then trains the first for the task and holds the second where it began. With --teacher both are fitted to the views of
/// a trained model instead, so that a pupil of fewer layers (--layers) begins near it. Writes a Hugging Face folder for `pie train --base`
/// and `--teacher`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with config.json, tokenizer.json and model.safetensors
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Keep the first N layers
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Hugging Face folder of a model with two views, which the head is fitted to
    #[arg(long, value_name = "DIR")]
    teacher: Option<PathBuf>,
    /// Texts to make the head from: lines, .jsonl, or .json
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    corpus: Vec<PathBuf>,
    /// At most this many of them, evenly spread
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    texts: usize,
    /// The prompt that the base was trained with: pie, short, none, or a text with one {instruction}
    #[arg(long, default_value = "none")]
    prompt: Prompt,
    /// Tokens of a text, [CLS] and [SEP] included
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// The folder to write, which must not be there yet
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing_folder(&args.output)?;
    let mut checkpoint = Checkpoint::load(&args.checkpoint)?;
    if let Some(layers) = args.layers {
        checkpoint = checkpoint.with_layers(layers)?;
    }
    let teacher = args.teacher.as_deref().map(Checkpoint::load).transpose()?;
    let texts = spread(&read_all(&args.corpus)?, args.texts);
    let corpus = Corpus { texts: &texts, prompt: &args.prompt, max_tokens: args.max_tokens };
    let steps = if teacher.is_some() { 2 * texts.len() } else { texts.len() };
    let progress = Progress::steps(steps as u64, "texts embedded");
    let embedded = |done| progress.set(done as u64);
    let made = match &teacher {
        Some(teacher) => fitted_to_teacher(&checkpoint, teacher, corpus, embedded)?,
        None => with_two_views(&checkpoint, corpus, embedded)?,
    };
    progress.finish();
    made.save(&args.output, checkpoint.config.max_position_embeddings)?;
    print(format!("{}: two views of {} dimensions, from {} texts\n", args.output.display(), checkpoint.config.hidden_size / 2, texts.len()))
}
