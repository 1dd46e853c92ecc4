//! A Hugging Face BERT checkpoint: `config.json`, `tokenizer.json` and `model.safetensors` in one folder, with sentence-transformers'
//! `1_Pooling` and `2_Dense` where they are there.

mod charsmap;
mod prune;
mod save;
mod spelling;
mod tokenizer;
mod vocabulary;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype as StoredDtype, SafeTensors};
use serde::Deserialize;

use crate::config::{EncoderConfig, Pooling};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::keys::VIEWS;
use crate::tokenizer::{Segmentation, Vocabulary};
use vocabulary::read_vocabulary;

pub use prune::{Coverage, Pruned, prune};

/// The name that the weights of the head have in [`Checkpoint::weights`], before `.weight` and `.bias`.
pub const HEAD: &str = "head";
/// What the names of a layer's weights begin with, before its number.
const LAYER: &str = "encoder.layer.";
#[cfg(feature = "train")]
pub(crate) use save::{UNSUMMED, checksum_place, write_tensors};

const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// A checkpoint in memory. Weights keep Hugging Face's names without a `bert.` in front, as f32, row-major.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub name: String,
    pub config: EncoderConfig,
    pub vocabulary: Vocabulary,
    /// What sentence-transformers' `1_Pooling/config.json` says, where there is one.
    pub pooling: Option<Pooling>,
    pub weights: BTreeMap<String, Weight>,
    /// Whether the first half of a vector is the view of the task and the second half that of the meaning.
    pub two_views: bool,
}

/// One tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Slowest dimension first.
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Checkpoint {
    /// Keeps the first so many layers.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for none, and for more than there are.
    pub fn with_layers(mut self, layers: usize) -> Result<Self> {
        let has = self.config.num_hidden_layers;
        if layers == 0 || layers > has {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("{layers} layers were asked for; the base has {has}")));
        }
        let layer = |name: &str| name.strip_prefix(LAYER)?.split('.').next()?.parse::<usize>().ok();
        self.weights.retain(|name, _| layer(name).is_none_or(|layer| layer < layers));
        self.config.num_hidden_layers = layers;
        Ok(self)
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// [`ErrorCode::Io`] for files that cannot be read, [`ErrorCode::ModelUnsupported`] for another architecture, activation or
    /// tokenizer, [`ErrorCode::ModelFormat`] for files that do not say what they should.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut config = read_config(&dir.join("config.json"))?;
        let vocabulary = read_vocabulary(&dir.join("tokenizer.json"))?;
        let mut weights = read_weights(&dir.join("model.safetensors"))?;
        if matches!(vocabulary.segmentation, Segmentation::Unigram(_)) {
            drop_padding(&mut config, &mut weights, vocabulary.tokens.len());
        }
        if vocabulary.tokens.len() != config.vocab_size {
            let message =
                format!("{}: config.json says {} tokens, tokenizer.json has {}", dir.display(), config.vocab_size, vocabulary.tokens.len());
            return Err(Error::new(ErrorCode::ModelFormat, message));
        }
        let pooling_file = dir.join("1_Pooling/config.json");
        let pooling = if pooling_file.exists() { Some(read_pooling(&pooling_file)?) } else { None };
        let head = dir.join("2_Dense/model.safetensors");
        if head.exists() {
            check_head(&dir.join("2_Dense/config.json"), config.hidden_size)?;
            let mut head = read_weights(&head)?;
            for part in ["weight", "bias"] {
                let weight = head.remove(&format!("linear.{part}")).ok_or_else(|| {
                    Error::new(ErrorCode::ModelFormat, format!("{}: 2_Dense has no weight \"linear.{part}\"", dir.display()))
                })?;
                weights.insert(format!("{HEAD}.{part}"), weight);
            }
        }
        let name = fs::canonicalize(dir).ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
        let two_views = read_views(&dir.join("config.json"))?;
        Ok(Self { name, config, vocabulary, pooling, weights, two_views })
    }

    /// Whether a dense layer follows the pooling.
    pub fn has_head(&self) -> bool {
        self.weights.contains_key(&format!("{HEAD}.weight"))
    }

    /// The weight of this name and shape (slowest dimension first).
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when it is missing or its shape differs.
    pub fn weight(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let weight =
            self.weights.get(name).ok_or_else(|| Error::new(ErrorCode::ModelFormat, format!("the checkpoint has no weight {name:?}")))?;
        if weight.shape != shape {
            let message = format!("weight {name:?} has shape {:?}; config.json asks for {shape:?}", weight.shape);
            return Err(Error::new(ErrorCode::ModelFormat, message));
        }
        Ok(&weight.values)
    }
}

/// XLM-R's embeddings have rows behind the last token's, which no text reaches.
fn drop_padding(config: &mut EncoderConfig, weights: &mut BTreeMap<String, Weight>, tokens: usize) {
    if let Some(words) = weights.get_mut(WORD_EMBEDDINGS)
        && words.shape == [config.vocab_size, config.hidden_size]
        && tokens < config.vocab_size
    {
        words.values.truncate(tokens * config.hidden_size);
        words.shape[0] = tokens;
        config.vocab_size = tokens;
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::io(path, e))
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|e| Error::new(ErrorCode::ModelFormat, format!("{}: {e}", path.display())).with_source(e))
}

#[derive(Deserialize)]
struct RawConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f32,
    hidden_act: String,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn read_config(path: &Path) -> Result<EncoderConfig> {
    // The architecture first: another one may lack the fields, and that is not what is wrong with it.
    #[derive(Deserialize)]
    struct Kind {
        model_type: Option<String>,
    }
    let unsupported = |what: String| Err(Error::new(ErrorCode::ModelUnsupported, format!("{}: {what}", path.display())));
    match parse::<Kind>(path)?.model_type.as_deref() {
        Some("bert") => {}
        Some(other) => return unsupported(format!("model_type is {other:?}; only \"bert\" is read")),
        None => return Err(Error::new(ErrorCode::ModelFormat, format!("{}: model_type is missing", path.display()))),
    }
    let raw: RawConfig = parse(path)?;
    if raw.hidden_act != "gelu" {
        return unsupported(format!("hidden_act is {:?}; only \"gelu\" is run", raw.hidden_act));
    }
    if let Some(kind) = raw.position_embedding_type.filter(|kind| kind != "absolute") {
        return unsupported(format!("position_embedding_type is {kind:?}; only \"absolute\" is run"));
    }
    if raw.is_decoder {
        return unsupported("is_decoder is true; only encoders are run".to_owned());
    }
    let config = EncoderConfig {
        vocab_size: raw.vocab_size,
        hidden_size: raw.hidden_size,
        intermediate_size: raw.intermediate_size,
        num_hidden_layers: raw.num_hidden_layers,
        num_attention_heads: raw.num_attention_heads,
        max_position_embeddings: raw.max_position_embeddings,
        type_vocab_size: raw.type_vocab_size,
        layer_norm_eps: raw.layer_norm_eps,
    };
    config.validate().map_err(|e| e.context(path.display()))?;
    Ok(config)
}

/// Refuses a head that is no affine map from the hidden size to itself.
fn check_head(path: &Path, hidden: usize) -> Result<()> {
    #[derive(Deserialize)]
    struct Raw {
        in_features: usize,
        out_features: usize,
        bias: Option<bool>,
        activation_function: String,
    }
    let Raw { in_features, out_features, bias, activation_function } = parse(path)?;
    let bias = bias.unwrap_or(true);
    let identity = activation_function.ends_with("Identity");
    if identity && bias && in_features == hidden && out_features == hidden {
        return Ok(());
    }
    let with = if bias { "with a bias" } else { "without a bias" };
    let found = format!("a dense layer from {in_features} to {out_features} {with} and {activation_function}");
    let message =
        format!("{}: {found}; only one from {hidden} to {hidden} with a bias and no activation (Identity) is read", path.display());
    Err(Error::new(ErrorCode::ModelUnsupported, message))
}

/// Whether `config.json` says that vectors hold two views.
fn read_views(path: &Path) -> Result<bool> {
    #[derive(Deserialize)]
    struct Raw {
        pie_views: Option<Vec<String>>,
        hidden_size: usize,
    }
    let malformed = |what: String| Err(Error::new(ErrorCode::ModelFormat, format!("{}: {what}", path.display())));
    match parse::<Raw>(path)? {
        Raw { pie_views: None, .. } => Ok(false),
        Raw { pie_views: Some(views), .. } if views != VIEWS => malformed(format!("pie_views is {views:?}; it must be {VIEWS:?}")),
        Raw { hidden_size, .. } if !hidden_size.is_multiple_of(2) => {
            malformed(format!("two views of one size do not fit into hidden_size {hidden_size}"))
        }
        _ => Ok(true),
    }
}

fn read_pooling(path: &Path) -> Result<Pooling> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        pooling_mode_cls_token: bool,
        #[serde(default)]
        pooling_mode_mean_tokens: bool,
    }
    match parse::<Raw>(path)? {
        Raw { pooling_mode_cls_token: false, pooling_mode_mean_tokens: true } => Ok(Pooling::Mean),
        Raw { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false } => Ok(Pooling::Cls),
        _ => Err(Error::new(ErrorCode::ModelUnsupported, format!("{}: neither mean nor cls pooling alone", path.display()))),
    }
}

fn read_weights(path: &Path) -> Result<BTreeMap<String, Weight>> {
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| Error::new(ErrorCode::ModelFormat, format!("{}: {e} ({} bytes)", path.display(), bytes.len())).with_source(e))?;
    let mut weights = BTreeMap::new();
    for (name, view) in file.tensors() {
        let values = match view.dtype() {
            StoredDtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            StoredDtype::F16 => view.data().as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            StoredDtype::BF16 => view.data().as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            // Index buffers such as `embeddings.position_ids`.
            _ => continue,
        };
        let name = name.strip_prefix("bert.").unwrap_or(&name).to_owned();
        weights.insert(name, Weight { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}
