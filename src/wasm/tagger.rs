//! Labels of the caller's own.

use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{from_options, read, strings, to_js};
use super::{DEFAULT_TOP_K, js_error, whole};
use crate::embedder::Embeddings;
use crate::error::{Error, ErrorCode};
use crate::tasks::{Confusion, Judged, LabelFigures, Suspect, Tagger, TaggerLabel, TaggerOptions};

/// A tagger, without its model.
#[wasm_bindgen(js_name = Tagger)]
pub struct WasmTagger(Tagger);

#[derive(serde::Serialize)]
struct JsDescription<'a> {
    labels: Vec<&'a str>,
    judged: Judged,
}

/// Labels, and their texts that have no vectors yet.
#[derive(serde::Serialize)]
struct JsChange {
    labels: Vec<TaggerLabel>,
    texts: Vec<String>,
}

#[wasm_bindgen(js_class = Tagger)]
impl WasmTagger {
    /// Reads a tagger's file for the model of this sha256, whose vectors have these views and dimensions.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8], sha256: &str, views: usize, dimensions: usize) -> Result<WasmTagger, JsValue> {
        Ok(Self(Tagger::from_bytes_of(bytes, sha256, views, dimensions).map_err(js_error)?))
    }

    /// `{labels: string[], judged: {right, examples}}`
    pub fn describe(&self) -> Result<JsValue, JsValue> {
        let labels = self.0.labels().iter().map(|label| label.name.as_str()).collect();
        to_js(&JsDescription { labels, judged: self.0.judged() })
    }

    /// The labels with other examples of one: `{labels, texts}`, of which the texts must be embedded for `learn`.
    pub fn change(&self, label: &str, add: Vec<JsValue>, remove: Vec<JsValue>) -> Result<JsValue, JsValue> {
        let (add, remove) = (strings(&add)?, strings(&remove)?);
        let change = || {
            let labels = if remove.is_empty() { self.0.labels_with(label, &add) } else { self.0.labels_without(label, &remove)? };
            Ok(JsChange { texts: self.0.missing(&labels)?, labels })
        };
        to_js(&change().map_err(js_error)?)
    }

    /// Returns one list of `{label, name, score, reason}` for each text, like `Engine.classify`. `vectors` has the rows of the texts first, then
    /// those of their requests; `parts` has, for each request, the number of its text.
    pub fn tag(&self, vectors: &[f32], unread: &[f32], top_k: Option<f64>, parts: &[u32]) -> Result<JsValue, JsValue> {
        let top_k = whole("topK", top_k).map_err(js_error)?.unwrap_or(DEFAULT_TOP_K);
        let read = read(vectors, self.0.dimensions(), unread, parts);
        let tags = read.iter().map(|(text, requests)| self.0.tag_requests(*text, requests, top_k));
        to_js(&tags.collect::<Result<Vec<_>, _>>().map_err(js_error)?)
    }

    /// Returns `{tags, evidence: [{label, score, nearest: [{text, cosine}]}]}` for each text.
    pub fn explain(&self, vectors: &[f32], unread: &[f32], parts: &[u32]) -> Result<JsValue, JsValue> {
        let read = read(vectors, self.0.dimensions(), unread, parts);
        let explanations = read.iter().map(|(text, requests)| self.0.explain_requests(*text, requests));
        to_js(&explanations.collect::<Result<Vec<_>, _>>().map_err(js_error)?)
    }
}

/// The texts of labels, whose vectors `learn` takes.
#[wasm_bindgen(js_name = labelTexts)]
pub fn label_texts(labels: JsValue) -> Result<JsValue, JsValue> {
    to_js(&Tagger::texts(&from_options::<Vec<TaggerLabel>>(labels)?).map_err(js_error)?)
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JsLesson {
    labels: Vec<TaggerLabel>,
    /// The share of each text that is unread.
    unread: Vec<f32>,
    /// Of the model.
    sha256: String,
    views: usize,
    /// The file of the tagger that learns anew, whose options hold; else these.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    known: JsValue,
    unknown_share: Option<f32>,
    thresholds: bool,
    multi: bool,
}

/// Learns from the vectors of the texts that `labelTexts` or `Tagger.change` named. Returns the tagger's file.
#[wasm_bindgen]
pub fn learn(data: Vec<f32>, dimensions: usize, options: JsValue) -> Result<Uint8Array, JsValue> {
    let JsLesson { labels, unread, sha256, views, known, unknown_share, thresholds, multi } = from_options(options)?;
    let embeddings = Embeddings { data, dimensions, unread, ..Embeddings::default() };
    let learn = || match known.dyn_ref::<Uint8Array>() {
        Some(bytes) => Tagger::from_bytes_of(&bytes.to_vec(), &sha256, views, dimensions)?.relearn_from(labels, &embeddings),
        None => {
            let unknown_share = unknown_share.unwrap_or(TaggerOptions::default().unknown_share);
            Tagger::from_embeddings(labels, &embeddings, views, &sha256, TaggerOptions { unknown_share, thresholds, multi })
        }
    };
    Ok(Uint8Array::from(learn().map_err(js_error)?.to_bytes().as_slice()))
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct JsRows {
    texts: Vec<String>,
    /// The right label of each text, and the one that it was given.
    labels: Vec<String>,
    said: Vec<String>,
    /// Of the model.
    sha256: String,
    views: usize,
    #[serde(with = "serde_wasm_bindgen::preserve")]
    tagger: JsValue,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct JsEvaluation {
    rows: usize,
    accuracy: f64,
    called_unknown: Option<f64>,
    labels: Vec<LabelFigures>,
    confusions: Vec<Confusion>,
    suspects: Vec<Suspect>,
}

/// How well a tagger did on texts whose labels and vectors are known.
#[wasm_bindgen]
pub fn evaluate(data: Vec<f32>, dimensions: usize, options: JsValue) -> Result<JsValue, JsValue> {
    let JsRows { texts, labels, said, sha256, views, tagger } = from_options(options)?;
    let evaluate = || {
        let Some(bytes) = tagger.dyn_ref::<Uint8Array>() else {
            return Err(Error::new(ErrorCode::InvalidArgument, "tagger is missing"));
        };
        let rows: Vec<(String, String)> = texts.into_iter().zip(labels).collect();
        Tagger::from_bytes_of(&bytes.to_vec(), &sha256, views, dimensions)?.compare(&rows, &said, &data)
    };
    let evaluation = evaluate().map_err(js_error)?;
    to_js(&JsEvaluation {
        rows: evaluation.rows,
        accuracy: evaluation.accuracy,
        called_unknown: evaluation.called_unknown,
        labels: evaluation.labels,
        confusions: evaluation.confusions,
        suspects: evaluation.suspects,
    })
}
