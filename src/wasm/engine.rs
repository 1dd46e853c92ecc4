//! The engine on the CPU: texts in, vectors and tasks out.

use js_sys::{Array, Float32Array, Object, Reflect, Uint8Array, Uint32Array};
use wasm_bindgen::prelude::*;

use super::convert::{from_options, read, strings, texts, to_js};
use super::file::PageFile;
use super::{DEFAULT_TOP_K, js_error, whole};
use crate::config::View;
use crate::embedder::{EmbedOptions, Embedder};
use crate::error::{Error, ErrorCode};
use crate::gguf::Source;
use crate::kernels::{dot, l2_normalize};
use crate::prompt::Prompt;
use crate::tasks::{Level, Taxonomy, requests};
use crate::tokenizer::{Normalization, Segmentation, SpecialTokens, Tokenizer, Vocabulary};

/// A loaded model, and the taxonomy when there is one.
#[wasm_bindgen]
pub struct Engine {
    embedder: Embedder,
    sha256: String,
    taxonomy: Option<Taxonomy>,
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JsEmbedOptions {
    prompt: Option<String>,
    view: Option<String>,
    mix: Option<f32>,
    dimensions: Option<f64>,
    max_tokens: Option<f64>,
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JsClassifyOptions {
    top_k: Option<f64>,
    level: Option<String>,
}

#[derive(serde::Serialize)]
struct JsRequests<'a> {
    texts: Vec<&'a str>,
    rows: Vec<u32>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct JsInfo<'a> {
    architecture: &'static str,
    name: &'a str,
    license: &'a str,
    provenance: &'a str,
    hidden_size: usize,
    views: &'static [View],
    view_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_tokens: usize,
    pooling: String,
    normalize: bool,
    prompt: String,
    sha256: &'a str,
    bytes: usize,
    simd: &'static str,
    taxonomy: Option<JsTaxonomyInfo>,
    version: &'static str,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct JsTaxonomyInfo {
    tasks: usize,
    kinds: usize,
    families: usize,
}

#[wasm_bindgen]
impl Engine {
    /// Reads a model file, whose sha256 is made here where the caller has not got it.
    #[wasm_bindgen(constructor)]
    pub fn new(model: Uint8Array, sha256: Option<String>) -> Result<Engine, JsValue> {
        let model = PageFile(model);
        let embedder = Embedder::from_source(&model).map_err(js_error)?;
        let sha256 = sha256.unwrap_or_else(|| crate::digest::sha256_hex_of(model.pieces()));
        Ok(Self { embedder, sha256, taxonomy: None })
    }

    /// Takes a taxonomy file's bytes.
    #[wasm_bindgen(js_name = loadTaxonomy)]
    pub fn load_taxonomy(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.taxonomy = Some(Taxonomy::from_bytes(bytes, &self.sha256, self.embedder.view_size()).map_err(js_error)?);
        Ok(())
    }

    /// Texts are strings or chats: `{data: Float32Array, dims: [n, d], truncated: boolean[], unread: Float32Array, tokens: number[]}`
    pub fn embed(&self, given: Vec<JsValue>, options: JsValue) -> Result<Object, JsValue> {
        let options: JsEmbedOptions = from_options(options)?;
        let options = embed_options(options).map_err(js_error)?;
        let embeddings = self.embedder.embed(&texts(&given)?, &options).map_err(js_error)?;
        let result = Object::new();
        let set = |key: &str, value: &JsValue| Reflect::set(&result, &key.into(), value).map(|_| ());
        set("data", &Float32Array::from(embeddings.data.as_slice()))?;
        set("dims", &Array::of2(&(embeddings.len() as f64).into(), &(embeddings.dimensions as f64).into()))?;
        set("truncated", &embeddings.truncated.iter().map(|&t| JsValue::from_bool(t)).collect::<Array>())?;
        set("unread", &Float32Array::from(embeddings.unread.as_slice()))?;
        set("tokens", &embeddings.token_counts.iter().map(|&n| JsValue::from_f64(n as f64)).collect::<Array>())?;
        Ok(result)
    }

    /// What the GPU takes, and what is known of the texts: `{ids: Uint32Array, lengths: Uint32Array, truncated: boolean[],
    /// unread: Float32Array, dimensions, normalize, pooled}`; where `pooled` is true, what the GPU gives is no vectors yet, and `finish` makes
    /// such of it.
    pub fn tokenize(&self, given: Vec<JsValue>, options: JsValue) -> Result<Object, JsValue> {
        let options = embed_options(from_options(options)?).map_err(js_error)?;
        let output = self.embedder.output(&options).map_err(js_error)?;
        let tokens = texts(&given)?.iter().map(|text| self.embedder.tokenize(text, &options)).collect::<Result<Vec<_>, _>>();
        let tokens = tokens.map_err(js_error)?;
        let ids: Vec<u32> = tokens.iter().flat_map(|t| t.input_ids.iter().copied()).collect();
        let lengths: Vec<u32> = tokens.iter().map(|t| t.input_ids.len() as u32).collect();
        let result = Object::new();
        let set = |key: &str, value: &JsValue| Reflect::set(&result, &key.into(), value).map(|_| ());
        set("ids", &Uint32Array::from(ids.as_slice()))?;
        set("lengths", &Uint32Array::from(lengths.as_slice()))?;
        set("truncated", &tokens.iter().map(|t| JsValue::from_bool(t.truncated)).collect::<Array>())?;
        set("unread", &Float32Array::from(tokens.iter().map(|t| t.unread).collect::<Vec<f32>>().as_slice()))?;
        set("dimensions", &(output.dimensions as f64).into())?;
        set("normalize", &output.normalize.into())?;
        set("pooled", &self.embedder.is_finishing().into())?;
        Ok(result)
    }

    /// The vectors, of what the GPU gave for `tokenize` with the same options.
    pub fn finish(&self, pooled: Vec<f32>, options: JsValue) -> Result<Float32Array, JsValue> {
        let options = embed_options(from_options(options)?).map_err(js_error)?;
        let vectors = self.embedder.finish(pooled, &options).map_err(js_error)?;
        Ok(Float32Array::from(vectors.as_slice()))
    }

    /// Returns one list of `{label, name, family, score, reason}` for each text, without `family` and `reason` where there is none. `vectors` has
    /// the rows of the texts first, then those of their `requests`; `parts` has, for each request, the number of its text. `unread` has the
    /// unread share of each row, or is empty.
    pub fn classify(&self, vectors: &[f32], unread: &[f32], options: JsValue, parts: &[u32]) -> Result<JsValue, JsValue> {
        let options: JsClassifyOptions = from_options(options)?;
        let level: Option<Level> = options.level.as_deref().map(str::parse).transpose().map_err(js_error)?;
        let top_k = whole("topK", options.top_k).map_err(js_error)?.unwrap_or(DEFAULT_TOP_K);
        let Some(taxonomy) = &self.taxonomy else {
            return Err(js_error(Error::new(ErrorCode::NoTaxonomy, "no taxonomy is loaded: classify needs one")));
        };
        let level = level.unwrap_or(taxonomy.default_level());
        let read = read(vectors, self.embedder.view_size(), unread, parts);
        let answers = read.iter().map(|(text, requests)| taxonomy.classify_requests(*text, requests, level, top_k));
        to_js(&answers.collect::<Result<Vec<_>, _>>().map_err(js_error)?)
    }

    /// The requests of each text that may make several: `{texts: string[], rows: number[]}`, the rows being those of the texts given.
    pub fn requests(&self, given: Vec<JsValue>) -> Result<JsValue, JsValue> {
        let texts = texts(&given)?;
        let parts = (0..).zip(&texts).flat_map(|(row, text)| requests(text).into_iter().map(move |part| (part, row)));
        let (texts, rows) = parts.unzip();
        to_js(&JsRequests { texts, rows })
    }

    /// The cosine of two texts' vectors.
    pub fn similarity(&self, a: JsValue, b: JsValue, options: JsValue) -> Result<f32, JsValue> {
        let options = embed_options(from_options(options)?).map_err(js_error)?;
        let embeddings = self.embedder.embed(&strings(&[a, b])?, &options).map_err(js_error)?;
        // Of a model that does not normalise, products of lengths may overflow.
        let mut data = embeddings.data;
        data.chunks_exact_mut(embeddings.dimensions).for_each(l2_normalize);
        let (a, b) = data.split_at(embeddings.dimensions);
        Ok(dot(a, b).clamp(-1.0, 1.0))
    }

    /// What is loaded.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let (config, info) = (self.embedder.config(), self.embedder.info());
        let count = |taxonomy: &Taxonomy, level| taxonomy.labels(level).map_or(0, <[_]>::len);
        to_js(&JsInfo {
            architecture: crate::gguf::keys::ARCHITECTURE,
            name: &info.name,
            license: &info.license,
            provenance: &info.provenance,
            hidden_size: config.hidden_size,
            views: self.embedder.views(),
            view_size: self.embedder.view_size(),
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
            intermediate_size: config.intermediate_size,
            vocab_size: config.vocab_size,
            max_tokens: info.max_tokens,
            pooling: self.embedder.pooling().to_string(),
            normalize: info.normalize,
            prompt: info.prompt.to_string(),
            sha256: &self.sha256,
            bytes: info.bytes,
            simd: crate::kernels::simd_name(),
            taxonomy: self.taxonomy.as_ref().map(|taxonomy| JsTaxonomyInfo {
                tasks: count(taxonomy, Level::Task),
                kinds: count(taxonomy, Level::Kind),
                families: count(taxonomy, Level::Family),
            }),
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Has the browser make fast code of what a text runs through, for a worker that waits for its model.
#[wasm_bindgen(js_name = warmUp)]
pub fn warm_up() {
    crate::kernels::warm_up();
    // Of letters: what tokenizes is compiled when it is first called, whatever the vocabulary.
    let letters = ('a'..='z').flat_map(|letter| [letter.to_string(), format!("##{letter}")]);
    let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into_iter().chain(letters).collect();
    let special = SpecialTokens { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
    let tokenizer = Tokenizer::new(Vocabulary { tokens, special, segmentation: Segmentation::WordPiece(Normalization::default()) });
    // Nobody reads what comes of it.
    drop(tokenizer.map(|tokenizer| tokenizer.encode("Write a poem.", &Prompt::none(), usize::MAX)));
}

fn embed_options(options: JsEmbedOptions) -> Result<EmbedOptions, Error> {
    Ok(EmbedOptions {
        prompt: options.prompt.as_deref().map(str::parse).transpose()?,
        view: options.view.as_deref().map(str::parse).transpose()?,
        mix: options.mix,
        dimensions: whole("dimensions", options.dimensions)?,
        max_tokens: whole("maxTokens", options.max_tokens)?,
    })
}
