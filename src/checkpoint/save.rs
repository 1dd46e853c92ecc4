//! A checkpoint as a Hugging Face folder, which transformers and sentence-transformers load too.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use super::tokenizer::{tokenizer_config_json, tokenizer_json};
use super::{Checkpoint, HEAD, Weight};
use crate::config::{EncoderConfig, Pooling};
use crate::digest::sha256_hex;
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::keys::VIEWS;
use crate::tokenizer::{Segmentation, Vocabulary};

impl Checkpoint {
    /// Writes `config.json`, `model.safetensors`, the tokenizer (`tokenizer.json`, `tokenizer_config.json`, of WordPiece `vocab.txt`), and
    /// sentence-transformers' `modules.json`, `sentence_bert_config.json` (with `max_tokens`) and `1_Pooling/config.json`; a head as
    /// `2_Dense`. Vectors of two views are not normalised there, since each half has a length of its own.
    ///
    /// The folder appears whole, in the place of one that is there: it is written beside and then renamed.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn save(&self, dir: &Path, max_tokens: usize) -> Result<()> {
        let beside = dir.with_extension("tmp");
        remove(&beside)?;
        if let Err(e) = self.write_files(&beside, max_tokens) {
            let _ = remove(&beside);
            return Err(e);
        }
        remove(dir)?;
        fs::rename(&beside, dir).map_err(|e| Error::io(dir, e))
    }

    fn write_files(&self, dir: &Path, max_tokens: usize) -> Result<()> {
        let pooling_dir = dir.join("1_Pooling");
        fs::create_dir_all(&pooling_dir).map_err(|e| Error::io(&pooling_dir, e))?;
        let Self { config, vocabulary, .. } = self;
        let pooling = self.pooling.unwrap_or(Pooling::Mean);
        let mut modules = vec![("", "Transformer"), ("1_Pooling", "Pooling")];
        if self.has_head() {
            modules.push(("2_Dense", "Dense"));
        }
        if !self.two_views {
            modules.push((if self.has_head() { "3_Normalize" } else { "2_Normalize" }, "Normalize"));
        }
        let module = |(idx, (path, kind)): (usize, &(&str, &str))| json!({"idx": idx, "name": idx.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let modules = Value::Array(modules.iter().enumerate().map(module).collect());
        let pool = json!({
            "word_embedding_dimension": config.hidden_size,
            "pooling_mode_cls_token": pooling == Pooling::Cls,
            "pooling_mode_mean_tokens": pooling == Pooling::Mean,
            "pooling_mode_max_tokens": false,
            "pooling_mode_mean_sqrt_len_tokens": false,
        });
        for (name, value) in [
            ("config.json", self.config_json()),
            ("tokenizer.json", tokenizer_json(vocabulary)),
            ("tokenizer_config.json", tokenizer_config_json(config, vocabulary)),
            ("modules.json", modules),
            ("sentence_bert_config.json", json!({"max_seq_length": max_tokens, "do_lower_case": false})),
            ("1_Pooling/config.json", pool),
        ] {
            let path = dir.join(name);
            fs::write(&path, format!("{value:#}\n")).map_err(|e| Error::io(&path, e))?;
        }
        if matches!(vocabulary.segmentation, Segmentation::WordPiece(_)) {
            let path = dir.join("vocab.txt");
            fs::write(&path, vocabulary.tokens.join("\n") + "\n").map_err(|e| Error::io(&path, e))?;
        }
        let (head, encoder): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.weights.clone().into_iter().partition(|(name, _)| name.starts_with(&format!("{HEAD}.")));
        write_tensors(&dir.join("model.safetensors"), &encoder, None)?;
        if self.has_head() { write_head(&dir.join("2_Dense"), config.hidden_size, head) } else { Ok(()) }
    }

    fn config_json(&self) -> Value {
        let mut value = config_json(&self.config, &self.vocabulary);
        if self.two_views {
            value["pie_views"] = json!(VIEWS);
        }
        value
    }
}

/// sentence-transformers' dense layer behind the pooling.
fn write_head(dir: &Path, hidden: usize, head: BTreeMap<String, Weight>) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let config = json!({
        "in_features": hidden, "out_features": hidden, "bias": true, "activation_function": "torch.nn.modules.linear.Identity",
    });
    let path = dir.join("config.json");
    fs::write(&path, format!("{config:#}\n")).map_err(|e| Error::io(&path, e))?;
    let head = head.into_iter().map(|(name, weight)| (name.replacen(HEAD, "linear", 1), weight)).collect();
    write_tensors(&dir.join("model.safetensors"), &head, None)
}

fn config_json(config: &EncoderConfig, vocabulary: &Vocabulary) -> Value {
    json!({
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "type_vocab_size": config.type_vocab_size,
        // The shortest decimal that reads back as the same f32.
        "layer_norm_eps": config.layer_norm_eps.to_string().parse::<f64>().unwrap_or(1e-12),
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "pad_token_id": vocabulary.special.pad,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
    })
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() { fs::remove_dir_all(dir).map_err(|e| Error::io(dir, e)) } else { Ok(()) }
}

/// What stands in the place of a file's checksum while it is made.
pub const UNSUMMED: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The checksum's key in the metadata.
const SHA256: &str = "pie.sha256";

/// Where the checksum's digits stand: in the header, behind their key.
pub fn checksum_place(file: &[u8]) -> Option<Range<usize>> {
    let header = u64::from_le_bytes(*file.first_chunk()?).checked_add(8)?;
    let header = file.get(..usize::try_from(header).ok()?)?;
    let key = format!("\"{SHA256}\":\"");
    let start = header.windows(key.len()).position(|window| window == key.as_bytes())? + key.len();
    (start + UNSUMMED.len() <= header.len()).then(|| start..start + UNSUMMED.len())
}

/// Writes f32 tensors as safetensors, and waits until they are on the disk; of what cannot be written whole nothing stays.
/// `metadata` goes into the header under `pie`, and with it the file's sha256, of which [`checksum_place`] tells the place.
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
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let metadata = match metadata {
        Some(metadata) => vec![pair("pie", &metadata), pair(SHA256, UNSUMMED)],
        None => vec![pair("format", "pt")],
    };
    let mut file = safetensors::serialize(views, Some(metadata.into_iter().collect())).map_err(internal)?;
    if let Some(place) = checksum_place(&file) {
        let sum = sha256_hex(&file);
        file[place].copy_from_slice(sum.as_bytes());
    }
    let written = fs::File::create(path).and_then(|mut out| {
        out.write_all(&file)?;
        out.sync_all()
    });
    written.map_err(|e| {
        // A full disk is given its bytes back; what went wrong is the error that counts.
        let _ = fs::remove_file(path);
        Error::io(path, e)
    })
}
