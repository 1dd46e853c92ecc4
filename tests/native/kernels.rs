//! Property tests of this machine's kernels.

use pie_embed_wasm::kernels::Width;
use proptest::prelude::*;

#[path = "../shared/kernels.rs"]
mod shared;

proptest! {
    #[test]
    fn gemm_f32(rows in 1_usize..14, columns in 1_usize..40, k in 1_usize..70, seed in 1_u64..u64::MAX) {
        shared::gemm_f32_equals_the_oracle(rows, columns, k, seed);
    }

    #[test]
    fn gemm_i8(rows in 1_usize..14, columns in 1_usize..70, blocks in 1_usize..6, seed in 1_u64..u64::MAX, extreme in any::<bool>()) {
        for width in [Width::Four, Width::Eight] {
            shared::gemm_i8_equals_the_oracle(width, rows, columns, blocks, seed, extreme);
        }
    }

    #[test]
    fn attention(lengths in prop::collection::vec(1_usize..40, 1..4), heads in 1_usize..4, head_dim in 1_usize..40, seed in 0_u64..1 << 40) {
        shared::attention_equals_the_definition(&lengths, heads, head_dim, seed);
    }
}
