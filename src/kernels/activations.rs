//! Activations in 8 bits, as the quantised product takes them.

use super::BLOCK;

/// Numbers as 8-bit integers with a scale per 32: `x ≈ value · scale`. Kept between calls for its memory.
#[derive(Default)]
pub struct Quantized {
    /// In -127..=127.
    pub(super) values: Vec<i8>,
    pub(super) scales: Vec<f32>,
    /// `-8 · Σ value` of each block: where the sums start when weights are read as 0..=15 instead of -8..=7.
    pub(super) offsets: Vec<i32>,
    /// The values again in 16 bits, those of each four as [`super::simd128`] takes them.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    pub(super) wide: Vec<i16>,
}

impl Quantized {
    /// Replaces what is held by these numbers.
    ///
    /// # Panics
    /// When the numbers are no whole blocks of 32.
    pub fn quantize(&mut self, x: &[f32]) {
        assert!(x.len().is_multiple_of(BLOCK), "Quantized: {} numbers", x.len());
        self.values.resize(x.len(), 0);
        self.scales.resize(x.len() / BLOCK, 0.0);
        self.offsets.resize(x.len() / BLOCK, 0);
        #[cfg(target_arch = "x86_64")]
        if super::avx2::available() {
            return super::avx2::quantize(x, self);
        }
        self.quantize_portable(x);
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        super::simd128::widen(&self.values, &mut self.wide);
    }

    /// Vectorised by the compiler, for the registers of whoever calls it. The lengths have been set.
    #[inline(always)]
    pub(super) fn quantize_portable(&mut self, x: &[f32]) {
        let blocks = x.as_chunks::<BLOCK>().0.iter().zip(self.values.as_chunks_mut::<BLOCK>().0);
        for ((x, values), (scale, offset)) in blocks.zip(self.scales.iter_mut().zip(&mut self.offsets)) {
            (*scale, *offset) = quantize_block(x, values);
        }
    }

    /// The integers.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// A scale for each 32 of them.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }
}

/// By the largest magnitude. Gives the scale and the offset.
#[inline(always)]
fn quantize_block(x: &[f32; BLOCK], values: &mut [i8; BLOCK]) -> (f32, i32) {
    // 1.5 · 2²³ rounds to an integer and leaves it, in two's complement, in the low 8 bits.
    const ROUND: f32 = 12_582_912.0;
    const LEVELS: f32 = 127.0;
    // Of smaller numbers the inverse may be infinite; they are as good as zero.
    const SMALLEST: f32 = 1e-30;
    // Magnitudes are in the order of their bits, and a maximum of integers vectorises.
    let largest = f32::from_bits(x.iter().map(|x| x.abs().to_bits()).fold(0, u32::max));
    let inverse = if largest > SMALLEST { LEVELS / largest } else { 0.0 };
    let mut sum = 0;
    for (value, &x) in values.iter_mut().zip(x) {
        *value = (x * inverse + ROUND).to_bits() as i8;
        sum += i32::from(*value);
    }
    (largest / LEVELS, -8 * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_trip_by_their_own_scales() {
        let x: Vec<f32> = (0..96).map(|i| (i as f32 * 0.7).sin() * 10_f32.powi(i / 32)).collect();
        let mut quantized = Quantized::default();
        quantized.quantize(&x);
        for (block, x) in x.chunks(BLOCK).enumerate() {
            let (values, scale) = (&quantized.values[block * BLOCK..][..BLOCK], quantized.scales[block]);
            assert_eq!(values.iter().map(|v| v.unsigned_abs()).max(), Some(127));
            for (x, &value) in x.iter().zip(values) {
                assert!((x - f32::from(value) * scale).abs() <= scale * 0.501, "{x}: {value} of {scale}");
            }
            assert_eq!(quantized.offsets[block], -8 * values.iter().map(|&v| i32::from(v)).sum::<i32>());
        }
    }

    #[test]
    fn what_has_no_inverse_is_zero() {
        let mut quantized = Quantized::default();
        for x in [0.0, f32::MIN_POSITIVE, f32::from_bits(1)] {
            quantized.quantize(&[x; BLOCK]);
            assert_eq!((&quantized.values[..], quantized.offsets[0]), (&[0; BLOCK][..], 0), "{x}");
            assert!(quantized.scales[0].is_finite());
        }
    }
}
