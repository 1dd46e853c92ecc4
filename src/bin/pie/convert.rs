//! `pie convert`: a Hugging Face checkpoint to a model file.

use std::path::PathBuf;

use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::gguf::convert;
use pie_embed_wasm::{Prompt, Result, sha256_hex};

use crate::output::{say, write_file};
use crate::storage::StorageArgs;

/// Make a model file (GGUF) from a Hugging Face BERT checkpoint
///
/// Dtypes are f32, f16, q8_0 or q4_0. Token types, norms and biases stay f32.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with config.json, tokenizer.json and model.safetensors
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// The model file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
    /// The prompt that the model was trained with: pie, short, none, or a text with one {instruction}
    #[arg(long, default_value = "none")]
    prompt: String,
    /// Name in the file's metadata; the folder's by default
    #[arg(long)]
    name: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    args.storage.check()?;
    let checkpoint = Checkpoint::load(&args.base)?;
    let name = args.name.unwrap_or_else(|| checkpoint.name.clone());
    let options = args.storage.options(&checkpoint, name, args.prompt.parse::<Prompt>()?)?;
    let bytes = convert(&checkpoint, &options)?;
    write_file(&args.output, &bytes)?;
    say(&format!("{}: {} bytes, sha256 {}", args.output.display(), bytes.len(), sha256_hex(&bytes)));
    Ok(())
}
