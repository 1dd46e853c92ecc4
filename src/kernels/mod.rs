//! The numerics, on slices and nothing else: matrix products, layer-norm, GELU, softmax and attention.
//!
//! [`scalar`] is the oracle: plain loops that say what each product is. The SIMD files hold the same products, checked against it by
//! property tests; this facade picks one, so that callers see no `cfg`. Everything but the quantised product is written so that the
//! compiler vectorises it, and sums in an order that does not depend on the machine: wasm and native give the same bits.
//!
//! The quantised product multiplies signed 16-bit activations (one scale a row) with signed 8-bit weights (one scale per 32): that is
//! what `i32x4.dot_i16x8_s`, `vpmaddwd` and `vpdpwssd` do in one instruction, and 16 bits leave no visible error of the activations.

mod attention;
mod elementwise;
mod gemm;
#[cfg(feature = "train")]
mod memory;
pub mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

pub use attention::{AttentionScratch, attention};
pub use elementwise::{add_layer_norm, dot, exp, gelu, l2_normalize, layer_norm, quantize_row};
pub use gemm::{PackedF32, PackedI8, gemm_f32, gemm_i8, gemm_i8_by};
#[cfg(feature = "train")]
pub use memory::keep_freed_memory;

/// Output columns that lie side by side in packed float weights.
pub const PANEL: usize = 8;
/// Output columns that lie side by side in packed quantised weights: two registers of sums. Of 512 bits, for which 32 columns give
/// 104 GMAC/s, 16 give 82 (4 rows of 384 x 1536, AMD Zen 4); and of 128 in wasm, where more columns are more registers than there are.
const PANEL_I8: usize = if cfg!(target_arch = "x86_64") { 32 } else { 8 };
/// Weights that share a scale.
pub const BLOCK: usize = 32;
/// Rows of activations that one pass over a panel serves.
const TILE_ROWS: usize = 4;

/// Instructions that the quantised product has code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    Avx512Vnni,
    Avx2,
    Simd128,
    Scalar,
}

impl Simd {
    /// Those that this machine has, the fastest first; the last one it always has.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Avx512Vnni, Self::Avx2, Self::Simd128, Self::Scalar].into_iter().filter(|simd| simd.is_available())
    }

    fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => avx512::available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512Vnni | Self::Avx2 => false,
            Self::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            Self::Scalar => true,
        }
    }
}

/// The instructions that serve the quantised product here.
pub fn simd_name() -> &'static str {
    match gemm::best() {
        Simd::Avx512Vnni => "avx512vnni",
        Simd::Avx2 => "avx2",
        Simd::Simd128 => "simd128",
        Simd::Scalar => "scalar",
    }
}
