//! The learned vectors of labels, which training moves along with the weights and the model does without.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};

use super::dataset::Source;
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
    /// For each source the row of each of its labels.
    rows: Vec<Vec<u32>>,
    settings: Settings,
}

impl Proxies {
    /// Vectors of `width` zeros.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) when memory cannot be had on the device.
    pub fn new(sources: &[Source], settings: Settings, width: usize, device: &Device) -> Result<Self> {
        let names = || sources.iter().flat_map(|source| &source.labels).map(|label| label.name.as_str());
        let ids: BTreeMap<&str, u32> = names().collect::<std::collections::BTreeSet<_>>().into_iter().zip(0..).collect();
        let rows = sources.iter().map(|source| source.labels.iter().map(|label| ids[label.name.as_str()]).collect()).collect();
        Ok(Self { table: Var::zeros((ids.len(), width), DType::F32, device)?, rows, settings })
    }

    /// The examples that each label's proxy begins as the mean of: row of the table, and text.
    pub fn beginnings<'s>(&self, sources: &'s [Source]) -> Vec<(u32, &'s str)> {
        let mut beginnings = Vec::new();
        for (source, rows) in sources.iter().zip(&self.rows) {
            for (label, &row) in source.labels.iter().zip(rows) {
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
        let mut sums = vec![0.0_f32; labels * width];
        for (&row, vector) in rows.iter().zip(vectors) {
            sums[row as usize * width..][..width].iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
        Ok(self.table.set(&Tensor::from_vec(sums, (labels, width), self.table.device())?)?)
    }

    /// The weighted loss of vectors `[batch, width]` against the labels of their source.
    ///
    /// # Errors
    /// Those of the device.
    pub fn loss(&self, vectors: &Tensor, source: usize, positives: &[&[u32]], dims: &[usize]) -> Result<Tensor> {
        let rows = &self.rows[source];
        let proxies = self.table.index_select(&Tensor::from_slice(rows, rows.len(), self.table.device())?, 0)?;
        let Settings { weight, temperature } = self.settings;
        let loss = matryoshka_of([vectors, &proxies], dims, |[vectors, proxies]| proxy_softmax(vectors, proxies, positives, temperature))?;
        Ok((loss * weight)?)
    }
}
