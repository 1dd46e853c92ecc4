//! The numerics, on slices and nothing else: matrix products, layer-norm, GELU, softmax and attention.
//!
//! [`scalar`] is the oracle: plain loops that say what each product is. The SIMD files hold the same products, checked against it by
//! property tests; this facade picks one, so that callers see no `cfg`. Everything but the quantised product is written so that the
//! compiler vectorises it, and sums in an order that does not depend on the machine: wasm and native give the same bits.
//!
//! The quantised product multiplies activations of 8 bits with weights of 8 or 4, each with a scale per 32. Sums of integers are exact
//! in any order and none reaches where an instruction saturates, so only the sums of floats need one order.

mod activations;
mod attention;
mod elementwise;
mod gemm;
mod gemm_i8;
#[cfg(feature = "train")]
mod memory;
pub mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
mod relaxed;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

pub use activations::Quantized;
pub use attention::{AttentionScratch, attention};
pub use elementwise::{add_layer_norm, dot, exp, gelu, l2_normalize, layer_norm};
pub use gemm::{PackedF32, gemm_f32};
pub use gemm_i8::{PackedInt, Width, gemm_i8, gemm_i8_by, integer_scales};
#[cfg(feature = "train")]
pub use memory::keep_freed_memory;

/// Output columns that lie side by side in packed float weights.
pub const PANEL: usize = 8;
/// Output columns that lie side by side in packed quantised weights: two registers of sums, of 512 bits (16 columns were a quarter slower,
/// AMD Zen 4), or of 128 in wasm, where more columns are more registers than there are.
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
    /// Relaxed dot products of pairs.
    RelaxedPairs,
    /// Relaxed dot products of four.
    RelaxedQuads,
    Simd128,
    Scalar,
}

impl Simd {
    /// Those that this machine has, the fastest first; the last one it always has.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let simd = [(Self::Avx512Vnni, avx512::available()), (Self::Avx2, avx2::available())];
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        let simd =
            [(Self::RelaxedPairs, relaxed::prefers_pairs()), (Self::RelaxedQuads, true), (Self::RelaxedPairs, true), (Self::Simd128, true)];
        #[cfg(all(target_arch = "wasm32", not(target_feature = "relaxed-simd")))]
        let simd = [(Self::Simd128, cfg!(target_feature = "simd128"))];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "wasm32")))]
        let simd: [(Self, bool); 0] = [];
        simd.into_iter().filter_map(|(simd, available)| available.then_some(simd)).chain([Self::Scalar])
    }
}

/// The instructions that serve the quantised product here.
pub fn simd_name() -> &'static str {
    match gemm_i8::best() {
        Simd::Avx512Vnni => "avx512vnni",
        Simd::Avx2 => "avx2",
        Simd::RelaxedPairs | Simd::RelaxedQuads => "relaxed-simd",
        Simd::Simd128 => "simd128",
        Simd::Scalar => "scalar",
    }
}

/// Runs what a forward pass runs, on nothing: a browser begins with quick, slow code, and makes the fast code of what has run for a while on
/// another thread. Called before a model is there, that is done when the first text comes.
pub fn warm_up() {
    const K: usize = 384;
    let (mut x, mut scratch, mut context) = (Quantized::default(), AttentionScratch::default(), vec![0.0; 4 * K]);
    let mut floats = vec![0.5; 12 * K];
    let weights = PackedInt::new(Width::Four, 8 * PANEL_I8, K);
    for _ in 0..16 {
        x.quantize(&floats[..4 * K], &weights);
        gemm_i8(&mut x, &weights, &[0.0; 8 * PANEL_I8], &mut context[..4 * 8 * PANEL_I8]);
    }
    for _ in 0..4 {
        gelu(&mut floats);
        attention(&floats, 12, K / 12, &mut scratch, &mut context);
        layer_norm(&mut context, &floats[..4 * K], &floats[..4 * K], 1e-12);
    }
}
