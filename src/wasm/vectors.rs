//! What is done with vectors and needs no model: free functions, for workers that hold none.

use js_sys::Function;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{from_options, to_js};
use super::{js_error, whole};
use crate::error::{Error, ErrorCode, Result};
use crate::tasks::{self, Grouping, Hit, Method, Vectors};

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct JsOptions {
    k: Option<f64>,
    threshold: Option<f32>,
    count: Option<f64>,
    method: Option<String>,
    seed: Option<f64>,
    /// The share of each row's text that is unread, or nothing; of `cluster` with a threshold, `select` and `duplicates`.
    unread: Vec<f32>,
    /// A function of the steps that are done and those there are; of `cluster` by k-means and `map`.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    step: JsValue,
}

impl JsOptions {
    fn seed(&self) -> Result<u64> {
        Ok(whole("seed", self.seed)?.unwrap_or_default() as u64)
    }

    /// Rows of unread texts, ascending: vectors say nothing of them.
    fn apart(&self) -> Vec<usize> {
        self.unread.iter().enumerate().filter(|(_, share)| tasks::is_unread(**share)).map(|(row, _)| row).collect()
    }

    fn step(&self, done: usize, total: usize) {
        if let Some(step) = self.step.dyn_ref::<Function>() {
            // What it throws is its caller's to know.
            let _ = step.call2(&JsValue::UNDEFINED, &(done as f64).into(), &(total as f64).into());
        }
    }
}

fn missing(what: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("{what} is missing"))
}

/// Rows of length 1.
pub(super) fn vectors(data: Vec<f32>, dimensions: usize) -> Result<Vectors> {
    Ok(Vectors::new(data, dimensions)?.normalized())
}

#[derive(serde::Serialize)]
struct JsGrouping {
    labels: Vec<usize>,
    clusters: Vec<JsCluster>,
}

#[derive(serde::Serialize)]
struct JsCluster {
    representative: usize,
    size: usize,
}

/// `{labels, clusters: [{representative, size}]}`: by k-means where `k` is given, around leaders where `threshold` is.
#[wasm_bindgen]
pub fn cluster(data: Vec<f32>, dimensions: usize, options: JsValue) -> std::result::Result<JsValue, JsValue> {
    let options: JsOptions = from_options(options)?;
    let group = || {
        let pool = vectors(data, dimensions)?;
        match (whole("k", options.k)?, options.threshold) {
            (Some(k), None) => tasks::cluster(&pool, k, options.seed()?, &mut |done, total| options.step(done, total)),
            (None, Some(threshold)) => tasks::cluster_within(&pool, threshold, &options.apart()),
            _ => Err(missing("one of k and threshold")),
        }
    };
    let Grouping { labels, clusters } = group().map_err(js_error)?;
    let clusters = clusters.iter().map(|cluster| JsCluster { representative: cluster.row, size: cluster.size }).collect();
    to_js(&JsGrouping { labels, clusters })
}

/// The rows chosen, in that order; of those apart, the first ones, and only where the others are too few.
#[wasm_bindgen]
pub fn select(data: Vec<f32>, dimensions: usize, options: JsValue) -> std::result::Result<JsValue, JsValue> {
    let options: JsOptions = from_options(options)?;
    let choose = || {
        let method: Method = options.method.as_deref().ok_or_else(|| missing("method"))?.parse()?;
        let count = whole("count", options.count)?.ok_or_else(|| missing("count"))?;
        tasks::select_read(&vectors(data, dimensions)?, method, count, None, options.seed()?, &options.apart())
    };
    to_js(&choose().map_err(js_error)?)
}

/// Of each row the earlier one that it repeats, or null; rows apart repeat none.
#[wasm_bindgen]
pub fn duplicates(data: Vec<f32>, dimensions: usize, options: JsValue) -> std::result::Result<JsValue, JsValue> {
    let options: JsOptions = from_options(options)?;
    let find = || {
        let pool = vectors(data, dimensions)?;
        let apart = options.apart();
        let order: Vec<usize> = (0..pool.len()).filter(|row| apart.binary_search(row).is_err()).collect();
        tasks::near_duplicates(&pool, &order, options.threshold.ok_or_else(|| missing("threshold"))?)
    };
    to_js(&find().map_err(js_error)?)
}

/// Of each row its place in the plane, `[x, y]`.
#[wasm_bindgen]
pub fn map(data: Vec<f32>, dimensions: usize, options: JsValue) -> std::result::Result<JsValue, JsValue> {
    let options: JsOptions = from_options(options)?;
    let place = || tasks::t_sne(&vectors(data, dimensions)?, options.seed()?, &mut |done, total| options.step(done, total));
    to_js(&place().map_err(js_error)?)
}

/// Rows to search.
#[wasm_bindgen(js_name = Index)]
pub struct WasmIndex(Vectors);

#[derive(serde::Serialize)]
struct JsHit {
    row: usize,
    score: f32,
}

#[wasm_bindgen(js_class = Index)]
impl WasmIndex {
    /// No rows yet, of these dimensions.
    #[wasm_bindgen(constructor)]
    pub fn new(dimensions: usize) -> std::result::Result<WasmIndex, JsValue> {
        Ok(Self(Vectors::new(Vec::new(), dimensions).map_err(js_error)?))
    }

    /// Leaves `size` rows, of which those named become these: ascending, and all that were not there before among them.
    pub fn put(&mut self, size: usize, rows: &[u32], data: Vec<f32>) -> std::result::Result<(), JsValue> {
        let put = || {
            self.0.truncate(size);
            let changed = vectors(data, self.0.dimensions())?;
            rows.iter().zip(changed.rows()).try_for_each(|(&row, vector)| self.0.put(row as usize, vector))
        };
        put().map_err(js_error)
    }

    /// A list of `[{row, score}]`, one a query, best first.
    pub fn search(&self, queries: Vec<f32>, k: usize) -> std::result::Result<JsValue, JsValue> {
        let find = || tasks::search(&self.0, &vectors(queries, self.0.dimensions())?, k);
        let hits = |hits: Vec<Hit>| hits.iter().map(|hit| JsHit { row: hit.row, score: hit.cosine }).collect::<Vec<_>>();
        to_js(&find().map_err(js_error)?.into_iter().map(hits).collect::<Vec<_>>())
    }
}
