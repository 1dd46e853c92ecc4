//! What the tests in wasm have of the fixtures.

use serde::Deserialize;

pub const F32_MODEL: &[u8] = include_bytes!("../fixtures/tiny/model-f32.gguf");
pub const Q8_MODEL: &[u8] = include_bytes!("../fixtures/tiny/model-q8.gguf");
const INSTRUCTIONS: &str = include_str!("../fixtures/instructions.jsonl");
const VECTORS: &[u8] = include_bytes!("../fixtures/tiny/goldens.safetensors");

pub fn instructions() -> Vec<String> {
    #[derive(Deserialize)]
    struct Line {
        text: String,
    }
    INSTRUCTIONS.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().text).collect()
}

/// Hugging Face's vectors of the instructions by the tiny model.
pub fn mean_vectors() -> Vec<f32> {
    let file = safetensors::SafeTensors::deserialize(VECTORS).unwrap();
    floats(file.tensor("mean").unwrap().data())
}

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
