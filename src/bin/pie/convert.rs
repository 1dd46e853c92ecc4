//! `pie convert`: a Hugging Face checkpoint to a model file.

use std::path::PathBuf;

use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::gguf::{ConvertOptions, convert};
use pie_embed_wasm::{Error, ErrorCode, Prompt, Result, sha256_hex};

use crate::output::{say, write_file};

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
    /// Dense layers
    #[arg(long, default_value = "q8_0")]
    dtype: Dtype,
    /// Dense layers of the feed-forward part; as --dtype by default
    #[arg(long)]
    ffn_dtype: Option<Dtype>,
    /// Word embeddings
    #[arg(long, default_value = "q4_0")]
    embedding_dtype: Dtype,
    /// Position embeddings: f32 or f16
    #[arg(long, default_value = "f16")]
    position_dtype: Dtype,
    /// mean or cls; what the checkpoint says by default, or mean
    #[arg(long)]
    pooling: Option<Pooling>,
    /// The prompt that the model was trained with: pie, short, none, or a text with one {instruction}
    #[arg(long, default_value = "none")]
    prompt: String,
    /// The most tokens of one text; all positions by default
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Name in the file's metadata; the folder's by default
    #[arg(long)]
    name: Option<String>,
    /// Licence of the weights (SPDX)
    #[arg(long, default_value = "")]
    license: String,
    /// Base model, data and command, in words
    #[arg(long, default_value = "")]
    provenance: String,
}

pub fn run(args: Args) -> Result<()> {
    if !matches!(args.position_dtype, Dtype::F32 | Dtype::F16) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("--position-dtype is {}; it must be f32 or f16", args.position_dtype)));
    }
    let checkpoint = Checkpoint::load(&args.base)?;
    let positions = checkpoint.config.max_position_embeddings;
    if let Some(n) = args.max_tokens.filter(|n| !(3..=positions).contains(n)) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("--max-tokens is {n}; it must lie in 3..={positions}")));
    }
    let options = ConvertOptions {
        dtype: args.dtype,
        ffn_dtype: args.ffn_dtype,
        embedding_dtype: args.embedding_dtype,
        position_dtype: args.position_dtype,
        pooling: args.pooling.or(checkpoint.pooling).unwrap_or(Pooling::Mean),
        prompt: args.prompt.parse::<Prompt>()?,
        normalize: true,
        max_tokens: args.max_tokens,
        name: args.name.unwrap_or_else(|| checkpoint.name.clone()),
        license: args.license,
        provenance: args.provenance,
    };
    let bytes = convert(&checkpoint, &options)?;
    write_file(&args.output, &bytes)?;
    say(&format!("{}: {} bytes, sha256 {}", args.output.display(), bytes.len(), sha256_hex(&bytes)));
    Ok(())
}
