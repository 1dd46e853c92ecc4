//! Token ids and vectors against Hugging Face transformers' own (tests/fixtures/make_goldens.py), candle's BERT as a second reference,
//! and the quantised engine against an f32 pass over the same dequantised weights. Every row is checked.

use candle_core::{DType, Device, Tensor};
use candle_transformers::models::bert::{BertModel, Config};
use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::encoder::{Arithmetic, Encoder, Scratch, TokenBatch};
use pie_embed_wasm::gguf::{Gguf, convert};
use pie_embed_wasm::{EmbedOptions, Embedder, Embeddings, Prompt};

use crate::common::{Goldens, TINY, base_dir, compare, instructions, options, tiny};

fn embed(bytes: &[u8], arithmetic: Arithmetic) -> Embeddings {
    Embedder::from_bytes_with(bytes, arithmetic).unwrap().embed(&instructions(), &EmbedOptions::default()).unwrap()
}

fn check_tokens(embedder: &Embedder, goldens: &Goldens) {
    let texts = instructions();
    assert_eq!(texts.len(), goldens.items.len());
    for (n, (text, item)) in texts.iter().zip(&goldens.items).enumerate() {
        let tokens = embedder.tokenize(text, &EmbedOptions::default()).unwrap();
        assert_eq!(tokens.input_ids, item.truncated_ids, "row {n}: {text:?}");
        assert_eq!(tokens.truncated, item.truncated, "row {n}");
    }
    for case in &goldens.truncations {
        let options = EmbedOptions { max_tokens: Some(case.max_tokens), ..Default::default() };
        let tokens = embedder.tokenize(&texts[case.index], &options).unwrap();
        assert_eq!(tokens.input_ids, case.input_ids, "row {} at {} tokens", case.index, case.max_tokens);
    }
    for case in &goldens.prompted {
        assert_eq!(Prompt::pie().render(&texts[case.index]).0, case.text);
        let options = EmbedOptions { prompt: Some(Prompt::pie()), ..Default::default() };
        assert_eq!(embedder.tokenize(&texts[case.index], &options).unwrap().input_ids, case.input_ids, "row {}", case.index);
    }
}

fn check_vectors(checkpoint: &Checkpoint, goldens: &Goldens, tolerance: f32) {
    let texts = instructions();
    for (pooling, name) in [(Pooling::Mean, "mean"), (Pooling::Cls, "cls")] {
        let bytes = convert(checkpoint, &options(Dtype::F32, pooling)).unwrap();
        let embedder = Embedder::from_bytes(&bytes).unwrap();
        check_tokens(&embedder, goldens);
        let vectors = embedder.embed(&texts, &EmbedOptions::default()).unwrap();
        let golden = goldens.tensor(name);
        let (mean, worst) = compare(&vectors.data, &golden, vectors.dimensions);
        let largest = vectors.data.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name}: cosine to Hugging Face: mean {mean:.7}, worst {worst:.7}; largest difference of a number {largest:.1e}");
        assert!(worst >= 0.9999 && largest <= tolerance, "{name}: worst {worst}, largest difference {largest}");

        let prompted: Vec<&str> = goldens.prompted.iter().map(|case| texts[case.index].as_str()).collect();
        let vectors = embedder.embed(&prompted, &EmbedOptions { prompt: Some(Prompt::pie()), ..Default::default() }).unwrap();
        let (_, worst) = compare(&vectors.data, &goldens.tensor(&format!("prompted.{name}")), vectors.dimensions);
        assert!(worst >= 0.9999, "prompted {name}: worst {worst}");
    }
}

#[test]
fn tiny_equals_hugging_face() {
    check_vectors(&TINY, &Goldens::load("tiny/goldens"), 5e-6);
}

#[test]
fn tiny_equals_hugging_face_behind_the_last_layer() {
    let goldens = Goldens::load("tiny/goldens");
    let bytes = tiny(Dtype::F32, Pooling::Mean);
    let encoder = Encoder::from_gguf(&Gguf::parse(&bytes).unwrap(), Arithmetic::F32).unwrap();
    let hidden = encoder.config().hidden_size;
    let mut scratch = Scratch::default();
    for &row in &goldens.hidden_states {
        let mut batch = TokenBatch::default();
        batch.push(&goldens.items[row].truncated_ids);
        let states = encoder.last_hidden_state(&batch, &mut scratch).unwrap();
        // [embeddings, layer 1, layer 2], each [tokens, hidden].
        let golden = goldens.tensor(&format!("hidden_states.{row}"));
        let last = &golden[golden.len() - states.len()..];
        assert_eq!(golden.len(), 3 * batch.token_count() * hidden);
        for (a, b) in states.iter().zip(last) {
            assert!((a - b).abs() < 2e-5, "row {row}: {a} {b}");
        }
    }
}

#[test]
fn minilm_equals_hugging_face() {
    let Some(dir) = base_dir() else { return };
    let checkpoint = Checkpoint::load(&dir).unwrap();
    assert_eq!(checkpoint.pooling, Some(Pooling::Mean));
    check_vectors(&checkpoint, &Goldens::load("minilm.goldens"), 2e-5);
}

/// Integer products against f32 products over the same dequantised weights, and what the quantisation itself costs.
#[test]
fn quantised_minilm_equals_its_dequantised_weights() {
    let Some(dir) = base_dir() else { return };
    let checkpoint = Checkpoint::load(&dir).unwrap();
    let full = embed(&convert(&checkpoint, &options(Dtype::F32, Pooling::Mean)).unwrap(), Arithmetic::F32);
    for (dtype, ffn_dtype, embedding_dtype) in [
        (Dtype::F16, None, Dtype::F16),
        (Dtype::Q8_0, None, Dtype::Q8_0),
        (Dtype::Q8_0, None, Dtype::Q4_0),
        (Dtype::Q8_0, Some(Dtype::Q4_0), Dtype::Q4_0),
        (Dtype::Q4_0, None, Dtype::Q4_0),
    ] {
        let bytes =
            convert(&checkpoint, &pie_embed_wasm::gguf::ConvertOptions { ffn_dtype, embedding_dtype, ..options(dtype, Pooling::Mean) })
                .unwrap();
        let (integer, reference) = (embed(&bytes, Arithmetic::Integer), embed(&bytes, Arithmetic::F32));
        let (mean, worst) = compare(&integer.data, &reference.data, integer.dimensions);
        let (cost_mean, cost_worst) = compare(&reference.data, &full.data, integer.dimensions);
        println!(
            "linears {dtype}, ffn {}, embeddings {embedding_dtype}: engine to dequantised f32 mean {mean:.6}, worst {worst:.6}; \
             dequantised to full weights mean {cost_mean:.4}, worst {cost_worst:.4}",
            ffn_dtype.unwrap_or(dtype)
        );
        assert!(mean >= 0.9995 && worst >= 0.998, "{dtype}: mean {mean}, worst {worst}");
    }
}

#[test]
fn quantised_tiny_equals_its_dequantised_weights() {
    for dtype in [Dtype::F16, Dtype::Q8_0, Dtype::Q4_0] {
        let bytes = tiny(dtype, Pooling::Mean);
        let (integer, reference) = (embed(&bytes, Arithmetic::Integer), embed(&bytes, Arithmetic::F32));
        let (mean, worst) = compare(&integer.data, &reference.data, integer.dimensions);
        assert!(mean >= 0.9995 && worst >= 0.998, "{dtype}: mean {mean}, worst {worst}");
    }
}

/// candle-transformers' BERT, which shares no code with ours, on the same weights.
#[test]
fn tiny_equals_candle() {
    let mut weights: std::collections::HashMap<String, Tensor> = std::collections::HashMap::new();
    for (name, weight) in &TINY.weights {
        weights.insert(name.clone(), Tensor::from_slice(&weight.values, weight.shape.as_slice(), &Device::Cpu).unwrap());
    }
    let config: Config = serde_json::from_slice(&std::fs::read(crate::common::fixtures().join("tiny/config.json")).unwrap()).unwrap();
    let model = BertModel::load(candle_nn::VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu), &config).unwrap();
    let bytes = tiny(Dtype::F32, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    for text in instructions() {
        let ids = embedder.tokenize(&text, &EmbedOptions::default()).unwrap().input_ids;
        let input = Tensor::new(ids.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let states = model.forward(&input, &input.zeros_like().unwrap(), None).unwrap();
        let theirs: Vec<f32> = states.mean(1).unwrap().squeeze(0).unwrap().to_vec1().unwrap();
        let ours = embedder.embed(&[&text], &EmbedOptions::default()).unwrap();
        let cosine = crate::common::cosine(&ours.data, &theirs);
        assert!(cosine >= 0.99999, "{text:?}: {cosine}");
    }
}

/// A text's vector does not depend on its neighbours: to the bit, whatever the batch.
#[test]
fn batch_equals_single() {
    for dtype in [Dtype::F32, Dtype::Q8_0] {
        let embedder = Embedder::from_bytes(&tiny(dtype, Pooling::Mean)).unwrap();
        let texts = instructions();
        let batch = embedder.embed(&texts, &EmbedOptions::default()).unwrap();
        for (text, row) in texts.iter().zip(batch.rows()) {
            let single = embedder.embed(&[text], &EmbedOptions::default()).unwrap();
            assert_eq!(single.data, row, "{dtype}: {text:?}");
        }
    }
}

#[test]
fn dimensions_keep_the_first_and_normalise_again() {
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    let texts = instructions();
    let full = embedder.embed(&texts, &EmbedOptions::default()).unwrap();
    let cut = embedder.embed(&texts, &EmbedOptions { dimensions: Some(24), ..Default::default() }).unwrap();
    assert_eq!((cut.dimensions, cut.data.len()), (24, 24 * texts.len()));
    for (full, cut) in full.rows().zip(cut.rows()) {
        assert!((cut.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!((crate::common::cosine(&full[..24], cut) - 1.0).abs() < 1e-6);
    }
}
