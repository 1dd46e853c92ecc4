//! `pie prune`: a checkpoint with a smaller vocabulary, to train from.

use std::path::PathBuf;

use pie_embed_wasm::Result;
use pie_embed_wasm::checkpoint::{Checkpoint, prune};

use crate::corpus::read_each;
use crate::output::{print, refuse_existing_folder};

/// Cut a checkpoint's vocabulary, so that training sees texts spelled as the shipped model will spell them
///
/// Writes a Hugging Face folder for `pie train --base`. What is trained from it needs no --vocab at export.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with config.json, tokenizer.json and model.safetensors
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Pieces to keep: those that the corpus uses most, and all that is needed to spell anything
    #[arg(long, value_name = "N")]
    vocab: usize,
    /// Texts whose pieces are counted: lines, .jsonl, or .json; each file counts alike, for instance one of each language
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    vocab_corpus: Vec<PathBuf>,
    /// The folder to write, which must not be there yet
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    refuse_existing_folder(&args.output)?;
    let checkpoint = Checkpoint::load(&args.checkpoint)?;
    let pruned = prune(&checkpoint, &read_each(&args.vocab_corpus)?, args.vocab)?;
    pruned.checkpoint.save(&args.output, checkpoint.config.max_position_embeddings)?;
    let corpora = args.vocab_corpus.iter().zip(&pruned.corpora);
    let lines: String = corpora.map(|(path, coverage)| format!("{}: {coverage}\n", path.display())).collect();
    print(format!("{}: {pruned}\n{lines}", args.output.display()))
}
