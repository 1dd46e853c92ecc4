//! Weights that training sees rounded: as the model file has them, and with the gradient of those that are not.

use candle_core::{DType, Device, Tensor, Var};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::encoder::Arithmetic;
use pie_embed_wasm::gguf::{ConvertOptions, convert};
use pie_embed_wasm::train::{Encoder, Freeze, Rounding, Tokens, ops};
use pie_embed_wasm::{EmbedOptions, Embedder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::{Goldens, TINY, compare, instructions, options};

fn encoder(freeze: Freeze, rounding: Rounding) -> Encoder {
    let encoder = Encoder::new(&TINY, Pooling::Mean, freeze, DType::F32, &Device::Cpu).unwrap();
    encoder.rounded(rounding).unwrap()
}

fn vectors(rounding: Rounding, tokens: &Tokens) -> Vec<f32> {
    let vectors = encoder(Freeze::Words, rounding).forward(tokens, None).unwrap();
    vectors.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn the_forward_pass_is_that_of_the_model_file() {
    let mut tokens = Tokens::default();
    Goldens::load("tiny/goldens").items.iter().for_each(|item| tokens.push(&item.truncated_ids));
    let hidden = TINY.config.hidden_size;
    let plain = vectors(Rounding::default(), &tokens);
    for (attention, ffn, words) in [
        (Dtype::F16, Dtype::F16, Dtype::F16),
        (Dtype::Q8_0, Dtype::Q8_0, Dtype::Q4_0),
        (Dtype::Q8_0, Dtype::Q4_0, Dtype::Q4_0),
        (Dtype::Q4_0, Dtype::Q8_0, Dtype::F32),
    ] {
        let stored = ConvertOptions {
            ffn_dtype: Some(ffn),
            embedding_dtype: words,
            position_dtype: Dtype::F32,
            ..options(attention, Pooling::Mean)
        };
        let embedder = Embedder::from_bytes_with(&convert(&TINY, &stored).unwrap(), Arithmetic::F32).unwrap();
        let file = embedder.embed(&instructions(), &EmbedOptions::default()).unwrap().data;
        let rounded = vectors(Rounding { attention, ffn, words }, &tokens);
        let (_, worst) = compare(&rounded, &file, hidden);
        assert!(worst > 0.99999, "{attention} {ffn} {words}: cosine {worst}");
        // In four bits rounding tells: the file's vectors are not near those without it.
        let (_, without) = compare(&plain, &file, hidden);
        assert!(attention == Dtype::F16 || without < 0.9999, "{attention} {ffn} {words}: cosine {without} without rounding");
    }
}

#[test]
fn rounding_passes_the_gradient_unchanged() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut random = || {
        let values: Vec<f32> = (0..6 * 64).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_vec(values, (6, 64), &Device::Cpu).unwrap()
    };
    let (x, upstream) = (Var::from_tensor(&random()).unwrap(), random());
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0] {
        let rounded = ops::stored_as(&x, dtype).unwrap();
        let moved = (&rounded - x.as_tensor()).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(moved == 0.0, dtype == Dtype::F32, "{dtype} moves a weight by {moved}");
        let gradients = (rounded * &upstream).unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&x).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(gradient, upstream.to_vec2::<f32>().unwrap(), "{dtype}");
    }
}

#[test]
fn rounding_from_primitives_is_the_files() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut values: Vec<f32> = (0..40 * 64).map(|_| rng.random_range(-1.0_f32..1.0).powi(3)).collect();
    values[..64].fill(0.0);
    let x = Tensor::from_vec(values, (40, 64), &Device::Cpu).unwrap();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0] {
        let (file, primitive) = (ops::stored_as(&x, dtype).unwrap(), ops::reference::rounded(&x, dtype).unwrap());
        let off = (file - primitive).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(off < 1e-7, "{dtype}: off by {off}");
    }
}

#[test]
fn every_rounded_weight_is_trained() {
    let tokens = Tokens { input_ids: vec![2, 40, 55, 3, 2, 60, 3], lengths: vec![4, 3] };
    let gradients = |dtype| {
        let encoder = encoder(Freeze::None, Rounding { attention: dtype, ffn: dtype, words: dtype });
        let loss = encoder.forward(&tokens, None).unwrap().sqr().unwrap().sum_all().unwrap();
        let mut found = loss.backward().unwrap();
        let of =
            |(name, variable): &(String, Var)| (name.clone(), found.remove(variable).map(|g| g.flatten_all().unwrap().to_vec1().unwrap()));
        encoder.variables().iter().map(of).collect::<Vec<(String, Option<Vec<f32>>)>>()
    };
    for ((name, plain), (_, rounded)) in gradients(Dtype::F32).into_iter().zip(gradients(Dtype::Q8_0)) {
        let (plain, rounded) = (plain.unwrap(), rounded.unwrap_or_else(|| panic!("{name} has no gradient")));
        // A key's bias has no effect (softmax cancels it), so that its gradient is rounding alone.
        if !name.ends_with("key.bias") {
            let (_, cosine) = compare(&plain, &rounded, plain.len());
            assert!(cosine > 0.99, "{name}: cosine {cosine} to the gradient without rounding");
        }
    }
}
