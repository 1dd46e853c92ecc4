//! The learned vectors of labels, which training moves along with the weights and the model does without.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor, Var};

use super::dataset::{Label, Source};
use super::loss::{matryoshka_of, proxy_softmax};
use super::settings::Proxies as Settings;
use crate::error::Result;

/// The variable's name in checkpoints.
pub const NAME: &str = "proxies";
/// Examples that a proxy begins as the mean of, at most.
const EXAMPLES: usize = 4;

/// One vector for each name of a label. Sources that have the name share it, as the same kinds in several languages do.
pub struct Proxies {
    pub table: Var,
    /// The labels of each source that an example is held against.
    candidates: Vec<Candidates>,
    settings: Settings,
}

/// The labels of a source that have examples; all of a label's examples may be held out.
struct Candidates {
    /// Rows of the table, in the order of the labels.
    rows: Vec<u32>,
    /// For each label of the source its place in `rows`, where it has one.
    places: Vec<Option<u32>>,
}

impl Candidates {
    fn new(source: &Source, ids: &BTreeMap<&str, u32>) -> Self {
        let mut rows = Vec::new();
        let place = |label: &Label| {
            let row = ids.get(label.name.as_str()).filter(|_| !label.examples.is_empty())?;
            rows.push(*row);
            Some(rows.len() as u32 - 1)
        };
        let places = source.labels.iter().map(place).collect();
        Self { rows, places }
    }
}

impl Proxies {
    /// Vectors of `width` zeros.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) when memory cannot be had on the device.
    pub fn new(sources: &[Source], settings: Settings, width: usize, device: &Device) -> Result<Self> {
        let labels = sources.iter().flat_map(|source| &source.labels).filter(|label| !label.examples.is_empty());
        let ids: BTreeMap<&str, u32> = labels.map(|label| label.name.as_str()).collect::<BTreeSet<_>>().into_iter().zip(0..).collect();
        let candidates = sources.iter().map(|source| Candidates::new(source, &ids)).collect();
        Ok(Self { table: Var::zeros((ids.len(), width), DType::F32, device)?, candidates, settings })
    }

    /// The examples that each label's proxy begins as the mean of: row of the table, and text.
    pub fn beginnings<'s>(&self, sources: &'s [Source]) -> Vec<(u32, &'s str)> {
        let mut beginnings = Vec::new();
        for (source, candidates) in sources.iter().zip(&self.candidates) {
            let labels = source.labels.iter().filter(|label| !label.examples.is_empty());
            for (label, &row) in labels.zip(&candidates.rows) {
                // Spread over the label's examples: neighbours in a file are variants of one phrase.
                let step = label.examples.len().div_ceil(EXAMPLES).max(1);
                let texts = label.examples.iter().step_by(step).map(|&n| source.examples[n as usize].text.as_str());
                beginnings.extend(texts.map(|text| (row, text)));
            }
        }
        beginnings
    }

    /// Sets each proxy to the mean of its vectors, which have length 1.
    ///
    /// # Errors
    /// Those of the device.
    pub fn begin_at(&self, rows: &[u32], vectors: &[Vec<f32>]) -> Result<()> {
        let (labels, width) = self.table.dims2()?;
        let (mut sums, mut counts) = (vec![0.0_f32; labels * width], vec![0.0_f32; labels]);
        for (&row, vector) in rows.iter().zip(vectors) {
            sums[row as usize * width..][..width].iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            counts[row as usize] += 1.0;
        }
        for (sum, count) in sums.chunks_exact_mut(width).zip(&counts) {
            sum.iter_mut().for_each(|x| *x /= count.max(1.0));
        }
        Ok(self.table.set(&Tensor::from_vec(sums, (labels, width), self.table.device())?)?)
    }

    /// The weighted loss of vectors `[batch, width]` against the labels of their source.
    ///
    /// # Errors
    /// Those of the device.
    pub fn loss(&self, vectors: &Tensor, source: usize, positives: &[&[u32]], dims: &[usize]) -> Result<Tensor> {
        let Candidates { rows, places } = &self.candidates[source];
        let positives: Vec<Vec<u32>> = positives.iter().map(|labels| labels.iter().filter_map(|&n| places[n as usize]).collect()).collect();
        let positives: Vec<&[u32]> = positives.iter().map(Vec::as_slice).collect();
        let proxies = self.table.index_select(&Tensor::from_slice(rows, rows.len(), self.table.device())?, 0)?;
        let Settings { weight, temperature } = self.settings;
        let loss = matryoshka_of([vectors, &proxies], dims, |[vectors, proxies]| proxy_softmax(vectors, proxies, &positives, temperature))?;
        Ok((loss * weight)?)
    }
}
