//! Activations in 8 bits, laid out in the order in which a tile of the quantised product reads them.

use super::{BLOCK, TILE_ROWS};

/// What the four bytes of a word of activations are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Word {
    /// Four numbers of 8 bits.
    #[default]
    Quad,
    /// Two numbers of 16 bits: of each four the first and the third, then the others.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Pair,
}

impl Word {
    /// Words that hold the numbers of a block.
    pub(super) const fn steps(self) -> usize {
        match self {
            Self::Quad => BLOCK / 4,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Pair => BLOCK / 2,
        }
    }

    /// Words of a row's block: its offsets, its numbers, its scale.
    pub(super) const fn block_words(self) -> usize {
        self.steps() + 2
    }
}

/// Numbers as 8-bit integers in -127..=127 with a scale per 32: `x ≈ value · scale`. Kept between calls for its memory.
///
/// Up to [`TILE_ROWS`] rows are a tile: `[rows / TILE_ROWS][k / 32][2 + steps][rows of the tile]` words. Of a block they are
/// - the offsets, `-8 · Σ value` of the first two numbers of each four and of the others, 16 bits each: where sums start when weights are
///   read as 0..=15 instead of -8..=7,
/// - the numbers, one [`Word`] a step,
/// - the scale.
#[derive(Default)]
pub struct Quantized {
    pub(super) words: Vec<u32>,
    pub(super) word: Word,
    /// The weights of one panel, as the tiles of wasm read them.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    pub(super) panel: Vec<u8>,
}

impl Quantized {
    /// Words of a row of `k` numbers.
    pub(super) const fn row_words(&self, k: usize) -> usize {
        k / BLOCK * self.word.block_words()
    }

    /// Replaces what is held by these rows of `k` numbers.
    pub(super) fn set(&mut self, x: &[f32], k: usize, word: Word) {
        assert!(k.is_multiple_of(BLOCK) && x.len().is_multiple_of(k), "Quantized: {} numbers in rows of {k}", x.len());
        self.word = word;
        self.words.resize(self.row_words(x.len()), 0);
        #[cfg(target_arch = "x86_64")]
        if super::avx2::available() {
            return super::avx2::quantize(x, k, self);
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return super::wasm::quantize(x, k, self);
        #[allow(unreachable_code)]
        self.quantize_portable(x, k);
    }

    fn quantize_portable(&mut self, x: &[f32], k: usize) {
        self.quantize_tiles(x, k, |x| {
            let (values, scale) = quantize_block(x);
            let quads = values.as_chunks::<4>().0;
            let offset = |a, b| {
                let sum: i16 = quads.iter().map(|quad| i16::from(quad[a]) + i16::from(quad[b])).sum();
                u32::from((-8 * sum) as u16)
            };
            let words = std::array::from_fn(|step| u32::from_le_bytes(quads[step].map(|value| value as u8)));
            (words, offset(0, 1) | offset(2, 3) << 16, scale)
        });
    }

    /// Puts what `block` makes of each block where it belongs: its numbers, offsets and scale. The length has been set.
    #[inline(always)]
    pub(super) fn quantize_tiles(&mut self, x: &[f32], k: usize, block: impl Fn(&[f32; BLOCK]) -> ([u32; BLOCK / 4], u32, f32)) {
        let row_words = self.row_words(k);
        for (x, words) in x.chunks(TILE_ROWS * k).zip(self.words.chunks_mut(TILE_ROWS * row_words)) {
            match x.len() / k {
                1 => quantize_tile::<1>(x, k, words, &block),
                2 => quantize_tile::<2>(x, k, words, &block),
                3 => quantize_tile::<3>(x, k, words, &block),
                _ => quantize_tile::<TILE_ROWS>(x, k, words, &block),
            }
        }
    }
}

/// A tile's words of a block: the offsets, the numbers and the scales of its rows.
pub(super) type Words<const ROWS: usize> = [[u32; ROWS]; Word::Quad.block_words()];

#[inline(always)]
fn quantize_tile<const ROWS: usize>(x: &[f32], k: usize, words: &mut [u32], block: impl Fn(&[f32; BLOCK]) -> ([u32; BLOCK / 4], u32, f32)) {
    let words: &mut [Words<ROWS>] = words.as_chunks_mut().0.as_chunks_mut().0;
    for (row, x) in x.chunks_exact(k).take(ROWS).enumerate() {
        for (x, [offsets, quads @ .., scales]) in x.as_chunks().0.iter().zip(&mut *words) {
            let (values, offset, scale) = block(x);
            offsets[row] = offset;
            for (quads, value) in quads.iter_mut().zip(values) {
                quads[row] = value;
            }
            scales[row] = scale.to_bits();
        }
    }
}

/// 1.5 · 2²³: added to a small number, it rounds to an integer and leaves that, in two's complement, in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;

/// By the largest magnitude. Gives the integers and their scale.
#[inline(always)]
fn quantize_block(x: &[f32; BLOCK]) -> ([i8; BLOCK], f32) {
    // Magnitudes are in the order of their bits, and a maximum of integers vectorises.
    let largest = f32::from_bits(x.iter().map(|x| x.abs().to_bits()).fold(0, u32::max));
    let (scale, inverse) = scale_and_inverse(largest);
    (x.map(|x| (x * inverse + ROUND).to_bits() as i8), scale)
}

/// Of a block whose largest magnitude is this.
#[inline(always)]
pub(super) fn scale_and_inverse(largest: f32) -> (f32, f32) {
    const LEVELS: f32 = 127.0;
    // Of smaller numbers the inverse may be infinite; they are as good as zero.
    const SMALLEST: f32 = 1e-30;
    (largest / LEVELS, if largest > SMALLEST { LEVELS / largest } else { 0.0 })
}
