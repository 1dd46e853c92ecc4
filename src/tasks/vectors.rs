//! Rows of numbers, one a text.

use std::ops::Range;

use crate::error::{Error, ErrorCode, Result};
use crate::kernels::{PackedF32, gemm_f32, l2_normalize};

/// `[rows, dimensions]`, row-major, every number finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    data: Vec<f32>,
    dimensions: usize,
}

impl Vectors {
    /// Takes `[rows, dimensions]`, row-major.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidDimensions`] when the data are no whole rows, [`ErrorCode::InvalidArgument`] naming the first number that
    /// is not finite.
    pub fn new(data: Vec<f32>, dimensions: usize) -> Result<Self> {
        if dimensions == 0 || !data.len().is_multiple_of(dimensions) {
            let message = format!("{} numbers are no whole rows of {dimensions} dimensions", data.len());
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        if let Some(at) = data.iter().position(|x| !x.is_finite()) {
            let message = format!("vector {} holds {} at dimension {}", at / dimensions, data[at], at % dimensions);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        Ok(Self { data, dimensions })
    }

    /// The same rows, each of length 1 (a zero row stays zero).
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.data.chunks_exact_mut(self.dimensions).for_each(l2_normalize);
        self
    }

    /// All numbers, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Numbers of one row.
    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.data.len() / self.dimensions
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.dimensions)
    }

    /// Row `n`, or nothing beyond the last.
    pub fn row(&self, n: usize) -> &[f32] {
        self.data.get(n * self.dimensions..(n + 1) * self.dimensions).unwrap_or_default()
    }

    /// The rows of these numbers, in this order; one beyond the last is left out.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Self {
        Self { data: rows.iter().flat_map(|&row| self.row(row)).copied().collect(), dimensions: self.dimensions }
    }

    /// All rows with these columns alone, which lie within them.
    #[must_use]
    pub fn columns(&self, columns: Range<usize>) -> Self {
        Self { dimensions: columns.len(), data: self.rows().flat_map(|row| &row[columns.clone()]).copied().collect() }
    }

    /// Keeps the rows of these numbers, ascending, where they are: a large pool has no room for another.
    #[must_use]
    pub fn keep(mut self, rows: &[usize]) -> Self {
        let (len, mut kept) = (self.len(), 0);
        for &row in rows.iter().filter(|row| **row < len) {
            self.data.copy_within(row * self.dimensions..(row + 1) * self.dimensions, kept * self.dimensions);
            kept += 1;
        }
        self.truncate(kept);
        self
    }

    /// Writes row `n`, or adds it when it is the next one.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidDimensions`] when it has others, [`ErrorCode::InvalidArgument`] when a number is not finite or rows before
    /// it are missing.
    pub fn put(&mut self, n: usize, row: &[f32]) -> Result<()> {
        if row.len() != self.dimensions {
            let message = format!("a row of {} numbers among those of {}", row.len(), self.dimensions);
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        if n > self.len() || row.iter().any(|x| !x.is_finite()) {
            let message = format!("row {n} of {} holds a number that is not finite, or does not follow the last", self.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        match self.data.get_mut(n * self.dimensions..(n + 1) * self.dimensions) {
            Some(old) => old.copy_from_slice(row),
            None => self.data.extend_from_slice(row),
        }
        Ok(())
    }

    /// Keeps the first `n` rows.
    pub fn truncate(&mut self, n: usize) {
        self.data.truncate(n.saturating_mul(self.dimensions));
    }

    /// An error unless rows here and there can be compared.
    pub(super) fn same_dimensions(&self, other: &Self) -> Result<()> {
        if self.dimensions != other.dimensions {
            let message = format!("vectors of {} and of {} dimensions cannot be compared", self.dimensions, other.dimensions);
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        Ok(())
    }

    /// `[self.len(), other.len()]`: the dot product of each row here with each row there, `S = A·Bᵀ`; cosines where both are
    /// normalised.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidDimensions`] when the dimensions differ.
    pub fn dot(&self, other: &Self) -> Result<Vec<f32>> {
        self.same_dimensions(other)?;
        let mut out = vec![0.0; self.len() * other.len()];
        if !out.is_empty() {
            let packed = PackedF32::pack(&other.data, other.len(), self.dimensions);
            gemm_f32(&self.data, &packed, &vec![0.0; other.len()], &mut out);
        }
        Ok(out)
    }
}
