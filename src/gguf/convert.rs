//! A checkpoint as a model file.

use super::{GgufWriter, MetadataValue, keys};
use crate::checkpoint::{Checkpoint, HEAD};
use crate::config::{Dtype, EncoderConfig, Pooling};
use crate::error::Result;
use crate::prompt::Prompt;

/// What a model file says beside the weights, and how it stores them.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// Attention's dense layers, and the feed-forward ones unless `ffn_dtype` says otherwise.
    pub dtype: Dtype,
    pub ffn_dtype: Option<Dtype>,
    pub embedding_dtype: Dtype,
    /// F32 or F16.
    pub position_dtype: Dtype,
    pub pooling: Pooling,
    pub prompt: Prompt,
    pub normalize: bool,
    /// The most tokens of one text, as many as the file has positions; all of the checkpoint's when `None`.
    pub max_tokens: Option<usize>,
    pub name: String,
    pub license: String,
    pub provenance: String,
}

impl ConvertOptions {
    fn positions(&self, config: &EncoderConfig) -> usize {
        self.max_tokens.unwrap_or(config.max_position_embeddings).min(config.max_position_embeddings)
    }
}

/// The bytes of the GGUF file: llama.cpp's `bert` tensors, the vocabulary, and this project's metadata.
///
/// # Errors
/// [`ErrorCode::ModelFormat`](crate::ErrorCode::ModelFormat) when a weight is missing or of another shape,
/// [`ErrorCode::ModelCorrupt`](crate::ErrorCode::ModelCorrupt) for one that is not finite,
/// [`ErrorCode::InvalidArgument`](crate::ErrorCode::InvalidArgument) when rows are no whole blocks of a dtype.
pub fn convert(checkpoint: &Checkpoint, options: &ConvertOptions) -> Result<Vec<u8>> {
    let mut file = GgufWriter::default();
    write_metadata(&mut file, checkpoint, options);
    write_tensors(&mut file, checkpoint, options)?;
    file.finish()
}

fn write_metadata(file: &mut GgufWriter, checkpoint: &Checkpoint, options: &ConvertOptions) {
    let (config, vocabulary) = (&checkpoint.config, &checkpoint.vocabulary);
    // llama.cpp's `general.file_type`: the dtype that most weights have.
    let file_type = match options.dtype {
        Dtype::F32 => 0,
        Dtype::F16 => 1,
        Dtype::Q4_0 => 2,
        Dtype::Q8_0 => 7,
    };
    file.string(keys::GENERAL_ARCHITECTURE, keys::ARCHITECTURE)
        .string(keys::GENERAL_NAME, &options.name)
        .string(keys::GENERAL_LICENSE, &options.license)
        .u32("general.file_type", file_type)
        .u32("general.quantization_version", 2)
        .u32(keys::BLOCK_COUNT, config.num_hidden_layers as u32)
        .u32(keys::CONTEXT_LENGTH, options.positions(config) as u32)
        .u32(keys::EMBEDDING_LENGTH, config.hidden_size as u32)
        .u32(keys::FEED_FORWARD_LENGTH, config.intermediate_size as u32)
        .u32(keys::HEAD_COUNT, config.num_attention_heads as u32)
        .metadata(keys::LAYER_NORM_EPS, MetadataValue::F32(config.layer_norm_eps))
        .metadata(keys::CAUSAL, MetadataValue::Bool(false))
        .u32(keys::POOLING_TYPE, if options.pooling == Pooling::Mean { 1 } else { 2 });

    vocabulary.write_tokens(file);
    file.u32(keys::TOKEN_TYPE_COUNT, config.type_vocab_size as u32);
    vocabulary.write_special(file);
    file.string(keys::PIE_PROMPT, options.prompt.to_string())
        .string(keys::PIE_PROVENANCE, &options.provenance)
        .metadata(keys::PIE_NORMALIZE, MetadataValue::Bool(options.normalize))
        .u32(keys::PIE_MAX_TOKENS, options.positions(config) as u32);
    vocabulary.write_segmentation(file);
    if checkpoint.two_views {
        let views = keys::VIEWS.map(|view| MetadataValue::String(view.to_owned()));
        file.metadata(keys::PIE_VIEWS, MetadataValue::Array(views.to_vec()));
    }
}

fn write_tensors(file: &mut GgufWriter, checkpoint: &Checkpoint, options: &ConvertOptions) -> Result<()> {
    use keys::layer::{ATTN_K, ATTN_OUTPUT, ATTN_OUTPUT_NORM, ATTN_Q, ATTN_V, FFN_DOWN, FFN_UP, LAYER_OUTPUT_NORM};
    let config = &checkpoint.config;
    let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
    let words = [config.vocab_size, hidden];
    let values = checkpoint.weight("embeddings.word_embeddings.weight", &words)?;
    file.tensor(keys::TOKEN_EMBD, values, &words, options.embedding_dtype)?;
    let positions = checkpoint.weight("embeddings.position_embeddings.weight", &[config.max_position_embeddings, hidden])?;
    let kept = options.positions(config);
    file.tensor(keys::POSITION_EMBD, &positions[..kept * hidden], &[kept, hidden], options.position_dtype)?;
    let mut tensor = |name: &str, source: &str, shape: &[usize], dtype| {
        let values = checkpoint.weight(source, shape)?;
        file.tensor(name, values, shape, dtype).map(|_| ())
    };

    tensor(keys::TOKEN_TYPES, "embeddings.token_type_embeddings.weight", &[config.type_vocab_size, hidden], Dtype::F32)?;
    for part in ["weight", "bias"] {
        tensor(&format!("{}.{part}", keys::TOKEN_EMBD_NORM), &format!("embeddings.LayerNorm.{part}"), &[hidden], Dtype::F32)?;
    }
    if checkpoint.has_head() {
        tensor(&format!("{}.weight", keys::HEAD), &format!("{HEAD}.weight"), &[hidden, hidden], options.dtype.of_head())?;
        tensor(&format!("{}.bias", keys::HEAD), &format!("{HEAD}.bias"), &[hidden], Dtype::F32)?;
    }
    let ffn = options.ffn_dtype.unwrap_or(options.dtype);
    for layer in 0..config.num_hidden_layers {
        for (name, source, outputs, inputs, dtype) in [
            (ATTN_Q, "attention.self.query", hidden, hidden, options.dtype),
            (ATTN_K, "attention.self.key", hidden, hidden, options.dtype),
            (ATTN_V, "attention.self.value", hidden, hidden, options.dtype),
            (ATTN_OUTPUT, "attention.output.dense", hidden, hidden, options.dtype),
            (FFN_UP, "intermediate.dense", intermediate, hidden, ffn),
            (FFN_DOWN, "output.dense", hidden, intermediate, ffn),
        ] {
            let source = format!("encoder.layer.{layer}.{source}");
            tensor(&format!("blk.{layer}.{name}.weight"), &format!("{source}.weight"), &[outputs, inputs], dtype)?;
            tensor(&format!("blk.{layer}.{name}.bias"), &format!("{source}.bias"), &[outputs], Dtype::F32)?;
        }
        for (name, source) in [(ATTN_OUTPUT_NORM, "attention.output.LayerNorm"), (LAYER_OUTPUT_NORM, "output.LayerNorm")] {
            for part in ["weight", "bias"] {
                tensor(&format!("blk.{layer}.{name}.{part}"), &format!("encoder.layer.{layer}.{source}.{part}"), &[hidden], Dtype::F32)?;
            }
        }
    }
    Ok(())
}
