//! Loss and gradients against PyTorch: `tests/fixtures/train/make_train_goldens.py` made the goldens.

use candle_core::{DType, Device, Tensor};
use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::Pooling;
use pie_embed_wasm::train::loss::SameTask;
use pie_embed_wasm::train::{AdamW, Encoder, Freeze, Loss, Optimiser, Settings, Tokens, contrastive};
use serde::Deserialize;

use crate::train_support::{fixtures, tiny_dir};

#[derive(Deserialize)]
struct Goldens {
    input_ids: Vec<Vec<u32>>,
    labels: Vec<Vec<u32>>,
    triples: Vec<usize>,
    temperature: f64,
    loss: std::collections::HashMap<String, f64>,
}

fn goldens() -> Goldens {
    serde_json::from_slice(&std::fs::read(fixtures().join("train/goldens.json")).unwrap()).unwrap()
}

struct Case {
    encoder: Encoder,
    loss: Tensor,
    expected: f64,
}

fn case(name: &str, pooling: Pooling, freeze: Freeze) -> Case {
    let goldens = goldens();
    let rows: Vec<usize> = if name == "pair" { goldens.triples.clone() } else { (0..goldens.input_ids.len()).collect() };
    let mut tokens = Tokens::default();
    rows.iter().for_each(|&row| tokens.push(&goldens.input_ids[row]));
    let same = SameTask::new(rows.len(), |i, j| goldens.labels[rows[i]].iter().any(|l| goldens.labels[rows[j]].contains(l)));
    let settings = Settings {
        loss: if name == "pair" { Loss::Pair } else { Loss::Supcon },
        temperature: goldens.temperature,
        matryoshka: if name == "matryoshka" { vec![64, 32] } else { Vec::new() },
        ..Settings::default()
    };
    let checkpoint = Checkpoint::load(&tiny_dir()).unwrap();
    let encoder = Encoder::new(&checkpoint, pooling, freeze, DType::F32, &Device::Cpu).unwrap();
    let loss = contrastive(&settings, &encoder.forward(&tokens, None).unwrap(), &same).unwrap();
    Case { encoder, loss, expected: goldens.loss[name] }
}

fn scalar(x: &Tensor) -> f64 {
    f64::from(x.to_scalar::<f32>().unwrap())
}

fn length(x: &Tensor) -> f64 {
    scalar(&x.sqr().unwrap().sum_all().unwrap()).sqrt()
}

#[test]
fn loss_and_every_gradient_are_pytorchs() {
    let golden = candle_core::safetensors::load(fixtures().join("train/goldens.safetensors"), &Device::Cpu).unwrap();
    for (name, pooling) in [("supcon", Pooling::Mean), ("pair", Pooling::Cls), ("matryoshka", Pooling::Mean)] {
        let Case { encoder, loss, expected } = case(name, pooling, Freeze::None);
        assert!((scalar(&loss) - expected).abs() < 1e-4, "{name}: loss {} for {expected}", scalar(&loss));
        let gradients = loss.backward().unwrap();
        assert_eq!(encoder.variables().len(), golden.keys().filter(|key| key.starts_with(&format!("{name}."))).count());
        for (parameter, variable) in encoder.variables() {
            let theirs = &golden[&format!("{name}.{parameter}")];
            let ours = gradients.get(variable).unwrap_or_else(|| panic!("{name}: {parameter} has no gradient"));
            let off = length(&(ours - theirs).unwrap());
            // A key's bias has no effect (softmax cancels it), so that its gradient is rounding alone.
            assert!(off <= 1e-3 * length(theirs) + 1e-6, "{name}: {parameter} is off by {off}, its length {}", length(theirs));
        }
    }
}

#[test]
fn frozen_tables_have_no_gradient_and_change_no_other() {
    let trained = case("supcon", Pooling::Mean, Freeze::None);
    let frozen = case("supcon", Pooling::Mean, Freeze::Words);
    let (a, b) = (trained.loss.backward().unwrap(), frozen.loss.backward().unwrap());
    assert_eq!(trained.encoder.variables().len(), frozen.encoder.variables().len() + 1);
    for (name, variable) in frozen.encoder.variables() {
        let other = &trained.encoder.variables().iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!(length(&(a.get(other).unwrap() - b.get(variable).unwrap()).unwrap()), 0.0, "{name}");
    }
}

#[test]
fn adamw_follows_its_equations() {
    let Case { encoder, loss, .. } = case("supcon", Pooling::Mean, Freeze::Words);
    let settings = AdamW::default();
    let mut optimiser = Optimiser::new(encoder.variables(), settings, Some(0.9)).unwrap();
    let mut found = loss.backward().unwrap();
    let gradients: Vec<_> = optimiser.slots.iter().map(|slot| found.remove(&slot.weight)).collect();
    let read = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let before: Vec<Vec<f32>> = optimiser.slots.iter().map(|slot| read(&slot.weight)).collect();
    let (rate, scale) = (1e-3, 0.5);
    optimiser.step(&gradients, scale, rate, 0).unwrap();
    optimiser.step(&gradients, scale, rate, 1).unwrap();
    let mut norm = 0.0;
    for ((slot, gradient), before) in optimiser.slots.iter().zip(&gradients).zip(before) {
        let decay = if slot.weight.rank() > 1 { settings.weight_decay } else { 0.0 };
        let (after, average) = (read(&slot.weight), read(slot.average.as_ref().unwrap()));
        for (n, g) in read(gradient.as_ref().unwrap()).into_iter().enumerate() {
            norm += f64::from(g) * f64::from(g);
            let g = f64::from(g) * scale;
            let (mut w, mut m, mut v, mut a) = (f64::from(before[n]), 0.0, 0.0, f64::from(before[n]));
            for t in 1..=2 {
                m = settings.beta1 * m + (1.0 - settings.beta1) * g;
                v = settings.beta2 * v + (1.0 - settings.beta2) * g * g;
                let (m_hat, v_hat) = (m / (1.0 - settings.beta1.powi(t)), v / (1.0 - settings.beta2.powi(t)));
                w -= rate * (m_hat / (v_hat.sqrt() + settings.eps) + decay * w);
                a = 0.9 * a + 0.1 * w;
            }
            // Where the gradient is of eps' size, rounding decides the direction.
            if g.abs() > 1e-6 {
                assert!((f64::from(after[n]) - w).abs() < 2e-6, "{} [{n}]: {} for {w}", slot.name, after[n]);
                assert!((f64::from(average[n]) - a).abs() < 2e-6, "{} [{n}]: average {} for {a}", slot.name, average[n]);
            }
        }
    }
    assert!((optimiser.norm(&gradients).unwrap() / norm.sqrt() - 1.0).abs() < 1e-9);
}

#[test]
fn bf16_activations_come_close() {
    let goldens = goldens();
    let mut tokens = Tokens::default();
    goldens.input_ids.iter().for_each(|ids| tokens.push(ids));
    let checkpoint = Checkpoint::load(&tiny_dir()).unwrap();
    let vectors = |dtype| {
        let encoder = Encoder::new(&checkpoint, Pooling::Mean, Freeze::Words, dtype, &Device::Cpu).unwrap();
        encoder.forward(&tokens, None).unwrap()
    };
    let (full, half) = (vectors(DType::F32), vectors(DType::BF16));
    assert!(length(&(&full - half).unwrap()) < 0.02 * length(&full));
}
