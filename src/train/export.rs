//! The trained encoder as a Hugging Face folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::checkpoint::Weight;
use crate::config::Pooling;
use crate::error::{Error, ErrorCode, Result};

/// What describes the base and holds for the trained model too.
const COPIED: [&str; 4] = ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"];

/// What the folder says beside the weights.
pub struct Description<'d> {
    pub base: &'d Path,
    pub layers: usize,
    pub hidden: usize,
    pub pooling: Pooling,
    pub max_tokens: usize,
}

/// Writes `config.json`, `model.safetensors`, the base's tokenizer, and sentence-transformers' `modules.json`,
/// `sentence_bert_config.json` and `1_Pooling/config.json`. The folder appears whole: it is written beside and then renamed.
///
/// # Errors
/// [`ErrorCode::Io`].
pub fn write_model(dir: &Path, weights: &BTreeMap<String, Weight>, description: &Description<'_>) -> Result<()> {
    let beside = dir.with_extension("tmp");
    remove(&beside)?;
    let pooling_dir = beside.join("1_Pooling");
    fs::create_dir_all(&pooling_dir).map_err(|e| Error::io(&pooling_dir, e))?;
    let Description { base, layers, hidden, pooling, max_tokens } = description;

    let config = base.join("config.json");
    let bytes = fs::read(&config).map_err(|e| Error::io(&config, e))?;
    let mut json: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|e| Error::new(ErrorCode::ModelFormat, format!("{}: {e}", config.display())).with_source(e))?;
    json["num_hidden_layers"] = (*layers).into();
    json["architectures"] = serde_json::json!(["BertModel"]);
    write_json(&beside.join("config.json"), &json)?;
    for name in COPIED.iter().filter(|name| base.join(name).exists()) {
        fs::copy(base.join(name), beside.join(name)).map_err(|e| Error::io(base.join(name), e))?;
    }
    let modules = serde_json::json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]);
    write_json(&beside.join("modules.json"), &modules)?;
    write_json(&beside.join("sentence_bert_config.json"), &serde_json::json!({"max_seq_length": max_tokens, "do_lower_case": false}))?;
    let pool = serde_json::json!({
        "word_embedding_dimension": hidden,
        "pooling_mode_cls_token": *pooling == Pooling::Cls,
        "pooling_mode_mean_tokens": *pooling == Pooling::Mean,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
    });
    write_json(&pooling_dir.join("config.json"), &pool)?;
    write_tensors(&beside.join("model.safetensors"), weights, None)?;

    remove(dir)?;
    fs::rename(&beside, dir).map_err(|e| Error::io(dir, e))
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() { fs::remove_dir_all(dir).map_err(|e| Error::io(dir, e)) } else { Ok(()) }
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    fs::write(path, format!("{value:#}\n")).map_err(|e| Error::io(path, e))
}

/// Writes f32 tensors as safetensors, and waits until they are on the disk.
///
/// # Errors
/// [`ErrorCode::Io`].
pub fn write_tensors(path: &Path, weights: &BTreeMap<String, Weight>, metadata: Option<String>) -> Result<()> {
    let internal = |e: safetensors::SafeTensorError| Error::new(ErrorCode::Internal, format!("{}: {e}", path.display())).with_source(e);
    let bytes: Vec<(&String, &Weight, Vec<u8>)> =
        weights.iter().map(|(name, w)| (name, w, w.values.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (name, weight, bytes) in &bytes {
        views.push((name.as_str(), TensorView::new(Dtype::F32, weight.shape.clone(), bytes).map_err(internal)?));
    }
    let key = if metadata.is_some() { "pie" } else { "format" };
    let metadata = [(key.to_owned(), metadata.unwrap_or_else(|| "pt".to_owned()))].into();
    let file = safetensors::serialize(views, Some(metadata)).map_err(internal)?;
    let io = |e| Error::io(path, e);
    let mut out = fs::File::create(path).map_err(io)?;
    std::io::Write::write_all(&mut out, &file).map_err(io)?;
    out.sync_all().map_err(io)
}
