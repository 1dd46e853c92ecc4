//! The engine in wasm, in a browser and in Node, with SIMD and without: the same goldens and the same bits as natively.
#![cfg(target_arch = "wasm32")]

use pie_embed_wasm::{EmbedOptions, Embedder, ErrorCode, kernels};
use serde::Deserialize;
use wasm_bindgen_test::wasm_bindgen_test;

mod fixtures;
#[path = "../shared/kernels.rs"]
mod shared;
mod unigram;

use fixtures::{F32_MODEL, Q8_MODEL, floats, instructions, mean_vectors};

const NATIVE: &[u8] = include_bytes!("../fixtures/tiny/model-q8.native.f32");
const GOLDENS: &str = include_str!("../fixtures/tiny/goldens.json");

#[wasm_bindgen_test]
fn the_build_has_the_kernels_it_was_made_for() {
    let name = match (cfg!(target_feature = "relaxed-simd"), cfg!(target_feature = "simd128")) {
        (true, _) => "relaxed-simd",
        (false, true) => "simd128",
        (false, false) => "scalar",
    };
    assert_eq!(kernels::simd_name(), name);
}

#[wasm_bindgen_test]
fn kernels_equal_the_oracle() {
    for seed in 1..400_u64 {
        let of = |n: u64, modulus: u64| ((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> n) % modulus) as usize + 1;
        shared::gemm_f32_equals_the_oracle(of(3, 13), of(11, 39), of(19, 69), seed);
        for width in [kernels::Width::Four, kernels::Width::Eight] {
            shared::gemm_i8_equals_the_oracle(width, of(3, 13), of(11, 39), of(19, 5), seed, seed.is_multiple_of(2));
        }
        shared::attention_equals_the_definition(&[of(5, 39), of(9, 39)], of(13, 3), of(17, 39), seed);
    }
}

#[wasm_bindgen_test]
fn token_ids_and_vectors_equal_hugging_face() {
    #[derive(Deserialize)]
    struct Goldens {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        truncated_ids: Vec<u32>,
    }
    let goldens: Goldens = serde_json::from_str(GOLDENS).unwrap();
    let embedder = Embedder::from_bytes(F32_MODEL).unwrap();
    let texts = instructions();
    for (text, item) in texts.iter().zip(&goldens.items) {
        assert_eq!(embedder.tokenize(text, &EmbedOptions::default()).unwrap().input_ids, item.truncated_ids, "{text:?}");
    }
    let golden = mean_vectors();
    let vectors = embedder.embed(&texts, &EmbedOptions::default()).unwrap();
    assert_eq!(vectors.data.len(), golden.len());
    for (a, b) in vectors.data.iter().zip(&golden) {
        assert!((a - b).abs() <= 5e-6, "{a} {b}");
    }
}

#[wasm_bindgen_test]
fn quantised_vectors_equal_the_native_ones_to_the_bit() {
    let embedder = Embedder::from_bytes(Q8_MODEL).unwrap();
    let vectors = embedder.embed(&instructions(), &EmbedOptions::default()).unwrap();
    assert_eq!(vectors.data, floats(NATIVE));
    for (text, row) in instructions().iter().zip(vectors.rows()) {
        assert_eq!(embedder.embed(&[text], &EmbedOptions::default()).unwrap().data, row, "{text:?}");
    }
}

#[wasm_bindgen_test]
fn bad_input_is_refused_and_the_instance_works_on() {
    assert_eq!(Embedder::from_bytes(&Q8_MODEL[..Q8_MODEL.len() / 2]).err().unwrap().code(), ErrorCode::ModelFormat);
    let mut altered = Q8_MODEL.to_vec();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(Embedder::from_bytes(&altered).err().unwrap().code(), ErrorCode::ModelCorrupt);
    let embedder = Embedder::from_bytes(Q8_MODEL).unwrap();
    let none: [&str; 0] = [];
    assert_eq!(embedder.embed(&none, &EmbedOptions::default()).unwrap_err().code(), ErrorCode::NoTexts);
    assert_eq!(embedder.embed(&[" "], &EmbedOptions::default()).unwrap_err().code(), ErrorCode::BlankText);
    let million = "word ".repeat(200_000);
    assert_eq!(embedder.embed(&["a", &million], &EmbedOptions::default()).unwrap().truncated, [false, true]);
}
