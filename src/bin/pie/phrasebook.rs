//! `pie phrasebook`: the phrasebook into training data.

use std::path::PathBuf;

use pie_embed_wasm::Result;
use pie_embed_wasm::train::Phrasebook;

use crate::output::print;

/// Fill a phrasebook's placeholders: JSONL to train on, and other requests with other values to measure on.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with kinds.toml, english/, slots/ and what models/phrasebook/README.md names beside them
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Folder for train/, dev/, verb-noun.jsonl and material/
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Texts to make of a plain request with placeholders; other registers get twice as many
    #[arg(long, default_value_t = 4, value_name = "N")]
    variants: usize,
    /// Texts to measure on, which must share no twelve words in a row with values, passages and whole prompts (JSON lines with "text", or lines)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    apart: Vec<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let phrasebook = Phrasebook::load(&args.dir, &args.apart)?;
    let expansion = phrasebook.expand(args.variants, args.seed)?;
    expansion.write(&args.output)?;
    let (training, development) = (expansion.training.len(), expansion.development.len());
    print(format!(
        "{}: {training} rows to train on, {development} to measure on, of {} distinct requests\n{}",
        args.output.display(),
        expansion.distinct(),
        expansion.summary()
    ))
}
