//! Unigram in wasm: the ids are Hugging Face's.

use pie_embed_wasm::{Prompt, Segmentation, SpecialTokens, Tokenizer, UnigramModel, Vocabulary};
use serde_json::Value;
use wasm_bindgen_test::wasm_bindgen_test;

const TOKENIZER: &str = include_str!("../fixtures/unigram/tokenizer.json");
const GOLDENS: &str = include_str!("../fixtures/unigram/goldens.json");

/// The bytes of base64, six bits a character.
fn decode(base64: &str) -> Vec<u8> {
    let six = |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|&other| other == c);
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for value in base64.bytes().filter_map(six) {
        (bits, count) = ((bits << 6 | value) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[wasm_bindgen_test]
fn ids_are_those_of_hugging_face() {
    let file: Value = serde_json::from_str(TOKENIZER).unwrap();
    let vocab = file["model"]["vocab"].as_array().unwrap();
    let tokens: Vec<String> = vocab.iter().map(|entry| entry[0].as_str().unwrap().to_owned()).collect();
    let scores = vocab.iter().map(|entry| entry[1].as_f64().unwrap() as f32).collect();
    let charsmap = decode(file["normalizer"]["precompiled_charsmap"].as_str().unwrap());
    let id = |token: &str| tokens.iter().position(|other| other == token).unwrap() as u32;
    let special = SpecialTokens { cls: id("<s>"), sep: id("</s>"), unk: id("<unk>"), pad: id("<pad>"), mask: id("<mask>") };
    let segmentation = Segmentation::Unigram(UnigramModel { scores, charsmap });
    let tokenizer = Tokenizer::new(Vocabulary { tokens, special, segmentation }).unwrap();

    let goldens: Value = serde_json::from_str(GOLDENS).unwrap();
    for item in goldens["items"].as_array().unwrap() {
        let expected: Vec<u32> = serde_json::from_value(item["input_ids"].clone()).unwrap();
        let text = item["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text, &Prompt::none(), usize::MAX).unwrap().input_ids, expected, "{text:?}");
    }
}
