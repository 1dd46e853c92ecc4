//! `pie phrasebook`: the phrasebook into training data.

use std::path::PathBuf;

use pie_embed_wasm::Result;
use pie_embed_wasm::train::Phrasebook;

use crate::output::print;

/// Fill a phrasebook's slots: JSONL to train on, and other phrasings with other values to measure on.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of *.txt with tasks, and slots/*.txt with values
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Folder for phrasebook.jsonl, phrasebook-dev.jsonl and phrasebook-dev.txt
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Texts to make of a phrasing with slots
    #[arg(long, default_value_t = 8, value_name = "N")]
    variants: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let phrasebook = Phrasebook::load(&args.dir)?;
    let expansion = phrasebook.expand(args.variants, args.seed)?;
    expansion.write(&args.output)?;
    let phrasings: usize = phrasebook.tasks.iter().map(|task| task.training.len() + task.development.len()).sum();
    print(format!(
        "{}: {} to train on, {} to measure on, of {phrasings} phrasings of {} tasks\n",
        args.output.display(),
        expansion.training.len(),
        expansion.development.len(),
        phrasebook.tasks.len()
    ))
}
