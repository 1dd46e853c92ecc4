//! The numerics, on slices and nothing else: matrix products, layer-norm, GELU, softmax and attention.
//!
//! [`scalar`] is the oracle: plain loops that say what each product is. The SIMD files hold the same products, checked against it by
//! property tests; this facade picks one, so that callers see no `cfg`. Everything but the quantised product is written so that the
//! compiler vectorises it, and sums in an order that does not depend on the machine: wasm and native give the same bits.
//!
//! The quantised product multiplies signed 16-bit activations (one scale a row) with signed 8-bit weights (one scale per 32): that is
//! what `i32x4.dot_i16x8_s` and `vpmaddwd` do in one instruction, and 16 bits leave no visible error of the activations.

mod attention;
mod elementwise;
mod gemm;
#[cfg(feature = "train")]
mod memory;
pub mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

pub use attention::{AttentionScratch, attention};
pub use elementwise::{add_layer_norm, dot, exp, gelu, l2_normalize, layer_norm, quantize_row};
pub use gemm::{PackedF32, PackedI8, gemm_f32, gemm_i8};
#[cfg(feature = "train")]
pub use memory::keep_freed_memory;

/// Output columns that lie side by side in packed weights.
pub const PANEL: usize = 8;
/// Weights that share a scale.
pub const BLOCK: usize = 32;
/// Rows of activations that one pass over a panel serves.
const TILE_ROWS: usize = 4;

/// Whether explicit SIMD serves the quantised product here.
pub fn simd_name() -> &'static str {
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return "simd128";
    #[cfg(target_arch = "x86_64")]
    if avx2::available() {
        return "avx2";
    }
    #[allow(unreachable_code)]
    "scalar"
}
