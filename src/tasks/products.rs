//! Products of a few rows with many others, block by block.

use super::Vectors;
use super::blocks::map_blocks;
use crate::kernels::{PackedF32, dot, gemm_f32};

/// So few rows are multiplied one by one, at the speed of memory: packed, they would fill a panel of eight.
const FEW: usize = 2;

/// Rows that others are multiplied with.
pub(super) struct Factor<'a> {
    rows: &'a [f32],
    dimensions: usize,
    packed: Option<PackedF32>,
    zeros: Vec<f32>,
}

impl<'a> Factor<'a> {
    /// Takes `[rows, dimensions]`, row-major.
    pub(super) fn new(rows: &'a [f32], dimensions: usize) -> Self {
        let n = rows.len() / dimensions;
        let packed = (n > FEW).then(|| PackedF32::pack(rows, n, dimensions));
        Self { rows, dimensions, packed, zeros: vec![0.0; n] }
    }

    pub(super) const fn len(&self) -> usize {
        self.zeros.len()
    }

    /// `[others, rows]`: the product of each of these with each row.
    pub(super) fn products(&self, others: &[f32]) -> Vec<f32> {
        let others_len = others.len() / self.dimensions;
        match &self.packed {
            Some(packed) => {
                let mut products = vec![0.0; others_len * self.len()];
                gemm_f32(others, packed, &self.zeros, &mut products);
                products
            }
            None => {
                let with_each = |other| self.rows.chunks_exact(self.dimensions).map(move |row| dot(row, other));
                others.chunks_exact(self.dimensions).flat_map(with_each).collect()
            }
        }
    }

    /// `best`, a number for each of `others`, where a product with one of the rows is not higher; else that.
    pub(super) fn raise(&self, best: &[f32], others: &Vectors) -> Vec<f32> {
        let blocks = map_blocks(others.len(), |range| {
            let products = self.products(&others.data()[range.start * self.dimensions..range.end * self.dimensions]);
            let each = products.chunks_exact(self.len()).zip(&best[range]);
            each.map(|(products, &best)| products.iter().copied().fold(best, f32::max)).collect::<Vec<f32>>()
        });
        blocks.concat()
    }
}
