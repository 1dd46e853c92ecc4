//! Vectors in 8 bits with one scale a row, as a tagger keeps and learns from them: what is loaded is what was learned.

/// Largest whole number of a row.
const LARGEST: f32 = 127.0;

/// `[rows, dimensions]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    pub scales: Vec<f32>,
    pub numbers: Vec<i8>,
}

impl Stored {
    /// Rounds a row and adds it. A row of zeros stays one.
    pub fn push(&mut self, row: &[f32]) {
        let scale = row.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / LARGEST;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        self.numbers.extend(row.iter().map(|x| (x * inverse).round().clamp(-LARGEST, LARGEST) as i8));
        self.scales.push(scale);
    }

    /// Adds row `n` of another.
    pub fn push_row(&mut self, other: &Self, n: usize, dimensions: usize) {
        self.numbers.extend_from_slice(&other.numbers[n * dimensions..][..dimensions]);
        self.scales.push(other.scales[n]);
    }

    /// All rows as floats, `[rows, dimensions]`.
    pub fn floats(&self, dimensions: usize) -> Vec<f32> {
        let rows = self.numbers.chunks_exact(dimensions).zip(&self.scales);
        rows.flat_map(|(row, scale)| row.iter().map(move |&x| f32::from(x) * scale)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_to_a_hundredth() {
        let mut stored = Stored::default();
        let row = [0.6, -0.8, 0.001, 0.0];
        stored.push(&row);
        stored.push(&[0.0; 4]);
        let mut copy = Stored::default();
        copy.push_row(&stored, 0, 4);
        copy.push_row(&stored, 1, 4);
        assert_eq!(copy, stored);
        let floats = stored.floats(4);
        assert!(floats.iter().zip(row).all(|(kept, x)| (kept - x).abs() < 0.8 / 127.0), "{floats:?}");
        assert_eq!(floats[4..], [0.0; 4]);
    }
}
