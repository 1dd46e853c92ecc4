//! GGML's storage blocks: [`Dtype::Q8_0`] is an f16 scale and 32 signed bytes, [`Dtype::Q4_0`] an f16 scale and 16 bytes whose low
//! nibbles are elements 0..16 and whose high nibbles are elements 16..32, each less 8.

use half::f16;

use crate::config::Dtype;

const BLOCK: usize = 32;

fn read_f16(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// Without the branches that infinities and the smallest numbers take: there are hundred thousands of scales, and who loads a model in a
/// browser waits for them.
fn read_finite_f16(bytes: &[u8]) -> f32 {
    // The exponent moves to where f32 has it, and from a bias of 15 to one of 127.
    const BIAS: f32 = (1_u128 << 112) as f32;
    let bits = u32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    f32::from_bits((bits & 0x8000) << 16 | (bits & 0x7fff) << 13) * BIAS
}

/// The integers of a block.
pub fn unpack_q4_0(packed: &[u8], out: &mut [i8; BLOCK]) {
    let (low, high) = out.split_at_mut(BLOCK / 2);
    for ((byte, low), high) in packed.iter().zip(low).zip(high) {
        *low = (byte & 0x0f) as i8 - 8;
        *high = (byte >> 4) as i8 - 8;
    }
}

/// Decodes `data` (whole blocks of `dtype`) to `out`.
///
/// A call of its own also where it has one caller: a browser swaps its first, slow code of a function for the optimised one at a call, and
/// never within a loop. Whoever has a large tensor calls this a row at a time.
///
/// # Panics
/// When `out` is not exactly as long as `data` says.
#[inline(never)]
pub fn dequantize(dtype: Dtype, data: &[u8], out: &mut [f32]) {
    assert_eq!(out.len() * dtype.block_bytes(), data.len() * dtype.block_len(), "dequantize: lengths");
    match dtype {
        Dtype::F32 => {
            for (x, bytes) in out.iter_mut().zip(data.chunks_exact(4)) {
                *x = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        Dtype::F16 => {
            for (x, bytes) in out.iter_mut().zip(data.chunks_exact(2)) {
                *x = read_f16(bytes);
            }
        }
        Dtype::Q8_0 => {
            for (xs, block) in out.chunks_exact_mut(BLOCK).zip(data.chunks_exact(34)) {
                let scale = read_f16(block);
                for (x, &q) in xs.iter_mut().zip(&block[2..]) {
                    *x = f32::from(q as i8) * scale;
                }
            }
        }
        Dtype::Q4_0 => {
            let mut values = [0; BLOCK];
            for (xs, block) in out.chunks_exact_mut(BLOCK).zip(data.chunks_exact(18)) {
                let scale = read_f16(block);
                unpack_q4_0(&block[2..], &mut values);
                for (x, &q) in xs.iter_mut().zip(&values) {
                    *x = f32::from(q) * scale;
                }
            }
        }
    }
}

/// The first number that is infinite or none, and where it stands. Of quantised data the scales tell: an integer times a finite f16 is
/// finite.
pub fn find_non_finite(dtype: Dtype, data: &[u8]) -> Option<(usize, f32)> {
    // Told by the exponent: that is quicker than to decode an f16.
    const F16_EXPONENT: u8 = 0x7c;
    match dtype {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).enumerate().find(|(_, x)| !x.is_finite()),
        Dtype::F16 | Dtype::Q8_0 | Dtype::Q4_0 => {
            let mut blocks = data.chunks_exact(dtype.block_bytes()).enumerate();
            let (at, block) = blocks.find(|(_, block)| block[1] & F16_EXPONENT == F16_EXPONENT)?;
            Some((at * dtype.block_len(), read_f16(block)))
        }
    }
}

/// Each block's scale, which has been found to be finite, and its integers as they are stored.
///
/// # Panics
/// When the data is not quantised.
pub fn blocks(dtype: Dtype, data: &[u8]) -> impl Iterator<Item = (f32, &[u8])> {
    assert!(matches!(dtype, Dtype::Q8_0 | Dtype::Q4_0), "blocks: of {dtype}");
    data.chunks_exact(dtype.block_bytes()).map(|block| (read_finite_f16(block), &block[2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_f16_is_read() {
        for bits in 0..=u16::MAX {
            let (bytes, expected) = (bits.to_le_bytes(), f16::from_bits(bits).to_f32());
            if expected.is_finite() {
                assert_eq!(read_finite_f16(&bytes).to_bits(), expected.to_bits(), "{bits:04x}");
            }
        }
    }
}
