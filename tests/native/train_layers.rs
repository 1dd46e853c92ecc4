//! Every operation and loss against finite differences, and the fused operations against candle's primitives.

use candle_core::{DType, Device, Result, Tensor, Var};
use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::Pooling;
use pie_embed_wasm::train::loss::{
    SameTask, matryoshka, matryoshka_of, pair_info_nce, proxy_softmax, similarity_distillation, supervised_contrastive, vector_distillation,
};
use pie_embed_wasm::train::{Encoder, Freeze, Tokens, ops};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::train_support::tiny_dir;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    values(a).iter().zip(values(b)).map(|(&a, b)| f64::from(a) * f64::from(b)).sum()
}

/// Compares the gradient along random directions with central differences, for each argument in turn.
fn check(name: &str, arguments: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let variables: Vec<Var> = arguments.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tensors: Vec<Tensor> = variables.iter().map(|v| v.as_tensor().clone()).collect();
    let out = f(&tensors).unwrap();
    // A weighted sum of the outputs, so that no symmetry hides a fault.
    let weights = random(out.dims(), 77);
    let gradients = (&out * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    for (n, variable) in variables.iter().enumerate() {
        let gradient = gradients.get(variable).unwrap_or_else(|| panic!("{name}: argument {n} has no gradient"));
        for seed in 0..3 {
            let direction = random(variable.dims(), 100 + seed);
            let expected = dot(gradient, &direction);
            let at = |step: f64| {
                let mut moved: Vec<Tensor> = arguments.to_vec();
                moved[n] = (&arguments[n] + (&direction * step).unwrap()).unwrap();
                dot(&f(&moved).unwrap(), &weights)
            };
            let h = 2e-3;
            // Two step widths together cancel the error of third order (Richardson).
            let (narrow, wide) = ((at(h) - at(-h)) / (2.0 * h), (at(2.0 * h) - at(-2.0 * h)) / (4.0 * h));
            let found = (4.0 * narrow - wide) / 3.0;
            let size = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
            let tolerance = 5e-3 * (expected.abs() + 0.3 * f64::from(size)) + 2e-4;
            assert!((found - expected).abs() < tolerance, "{name}: argument {n}: gradient says {expected}, differences {found}");
        }
    }
}

const LENGTHS: [usize; 4] = [5, 1, 7, 3];

#[test]
fn operations_have_their_gradients() {
    let x = random(&[16, 8], 1);
    check("linear", &[x.clone(), random(&[6, 8], 2), random(&[6], 3)], |a| ops::linear(&a[0], &a[1], &a[2]));
    check("gelu", &[(random(&[16, 8], 4) * 3.0).unwrap()], |a| ops::gelu(&a[0]));
    let norm = [x.clone(), random(&[16, 8], 5), random(&[8], 6), random(&[8], 7)];
    check("add_layer_norm", &norm, |a| ops::add_layer_norm(&a[0], &a[1], &a[2], &a[3], 1e-12));
    let qkv = [x, random(&[16, 8], 8), random(&[16, 8], 9)].map(|x| (x * 2.0).unwrap());
    check("attention", &qkv, |a| ops::attention(&a[0], &a[1], &a[2], &LENGTHS, 2));
    check("reference attention", &qkv, |a| ops::reference::attention(&a[0], &a[1], &a[2], &LENGTHS, 2));
    check("reference norm", &norm, |a| ops::reference::add_layer_norm(&a[0], &a[1], &a[2], &a[3], 1e-12));
}

fn outputs_and_gradients(arguments: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Vec<Vec<f32>> {
    let variables: Vec<Var> = arguments.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tensors: Vec<Tensor> = variables.iter().map(|v| v.as_tensor().clone()).collect();
    let out = f(&tensors).unwrap();
    let gradients = (&out * random(out.dims(), 55)).unwrap().sum_all().unwrap().backward().unwrap();
    let all = std::iter::once(values(&out));
    all.chain(variables.iter().map(|v| values(gradients.get(v).unwrap()))).collect()
}

#[test]
fn fused_operations_are_the_primitive_ones() {
    // Odd sizes: remainders of vectors and chunks of rows are passed through.
    let lengths = [33, 1, 48, 64, 7];
    let rows = lengths.iter().sum::<usize>();
    let x = random(&[rows, 36], 1);
    let close = |name: &str, fused: Vec<Vec<f32>>, reference: Vec<Vec<f32>>| {
        for (n, (a, b)) in fused.iter().zip(&reference).enumerate() {
            let scale = b.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
            let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-5 * scale, "{name}: tensor {n} is off by {worst} of {scale}");
        }
    };
    let linear = [x.clone(), random(&[19, 36], 2), random(&[19], 3)];
    close(
        "linear",
        outputs_and_gradients(&linear, |a| ops::linear(&a[0], &a[1], &a[2])),
        outputs_and_gradients(&linear, |a| ops::reference::linear(&a[0], &a[1], &a[2])),
    );
    let wide = [(&x * 6.0).unwrap()];
    close("gelu", outputs_and_gradients(&wide, |a| ops::gelu(&a[0])), outputs_and_gradients(&wide, |a| ops::reference::gelu(&a[0])));
    let norm = [x.clone(), random(&[rows, 36], 4), random(&[36], 5), random(&[36], 6)];
    close(
        "norm",
        outputs_and_gradients(&norm, |a| ops::add_layer_norm(&a[0], &a[1], &a[2], &a[3], 1e-12)),
        outputs_and_gradients(&norm, |a| ops::reference::add_layer_norm(&a[0], &a[1], &a[2], &a[3], 1e-12)),
    );
    for lengths in [lengths.to_vec(), vec![rows / 9; 9]] {
        let qkv = [x.clone(), random(&[rows, 36], 8), random(&[rows, 36], 9)].map(|x| (x * 3.0).unwrap());
        close(
            "attention",
            outputs_and_gradients(&qkv, |a| ops::attention(&a[0], &a[1], &a[2], &lengths, 3)),
            outputs_and_gradients(&qkv, |a| ops::reference::attention(&a[0], &a[1], &a[2], &lengths, 3)),
        );
    }
}

#[test]
fn a_padded_encoder_is_the_packed_one() {
    let base = Checkpoint::load(&tiny_dir()).unwrap();
    let tokens = Tokens { input_ids: vec![2, 40, 55, 3, 2, 3, 2, 60, 61, 62, 3], lengths: vec![4, 2, 5] };
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let [packed, padded] = [DType::F32, DType::F64].map(|dtype| {
            let encoder = Encoder::new(&base, pooling, Freeze::None, dtype, &Device::Cpu).unwrap();
            let out = encoder.forward(&tokens, None).unwrap();
            let gradients = (&out * random(out.dims(), 5)).unwrap().sum_all().unwrap().backward().unwrap();
            let all = encoder.variables().iter().map(|(name, variable)| (name.clone(), values(gradients.get(variable).unwrap())));
            std::iter::once(("vectors".to_owned(), values(&out))).chain(all).collect::<Vec<_>>()
        });
        for ((name, a), (_, b)) in packed.iter().zip(&padded) {
            let scale = b.iter().fold(1e-2_f32, |m, x| m.max(x.abs()));
            let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4 * scale, "{pooling}: {name} is off by {worst} of {scale}");
        }
    }
}

#[test]
fn losses_have_their_gradients() {
    let labels: [&[u32]; 9] = [&[0], &[0], &[0, 1], &[1], &[2], &[2], &[3], &[4], &[3]];
    let same = SameTask::new(9, |i, j| labels[i].iter().any(|label| labels[j].contains(label)));
    let vectors = [(random(&[9, 12], 1) * 2.0).unwrap()];
    // A temperature that leaves the differences something to measure.
    check("supcon", &vectors, |a| supervised_contrastive(&a[0], &same, 0.3));
    check("pair", &vectors, |a| pair_info_nce(&a[0], &same, 0.3));
    check("matryoshka", &vectors, |a| matryoshka(&a[0], &[12, 5], |x| supervised_contrastive(x, &same, 0.3)));
    let with_proxies = [vectors[0].clone(), random(&[5, 12], 4)];
    check("proxies", &with_proxies, |a| {
        matryoshka_of([&a[0], &a[1]], &[12, 5], |[vectors, proxies]| proxy_softmax(vectors, proxies, &labels, 0.3))
    });
    let teacher = random(&[9, 7], 2);
    check("similarity distillation", &vectors, |a| similarity_distillation(&a[0], &teacher));
    let teacher = random(&[9, 12], 3);
    check("vector distillation", &vectors, |a| vector_distillation(&a[0], &teacher));
}

#[test]
fn a_proxy_loss_is_the_cross_entropy_of_its_labels() {
    let (vectors, proxies) = (random(&[2, 6], 1), random(&[3, 6], 2));
    let found = proxy_softmax(&vectors, &proxies, &[&[0], &[1, 2]], 0.5).unwrap().to_scalar::<f32>().unwrap();
    let unit = |x: &Tensor, row: usize| {
        let row: Vec<f64> = x.get(row).unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.into_iter().map(|x| x / length).collect::<Vec<_>>()
    };
    let score = |i: usize, c: usize| {
        let cosine: f64 = unit(&vectors, i).iter().zip(unit(&proxies, c)).map(|(a, b)| a * b).sum();
        (cosine / 0.5).exp()
    };
    let all = |i: usize| (0..3).map(|c| score(i, c)).sum::<f64>();
    let wanted = -((score(0, 0) / all(0)).ln() + ((score(1, 1) + score(1, 2)) / all(1)).ln()) / 2.0;
    assert!((f64::from(found) - wanted).abs() < 1e-5, "{found} {wanted}");
}

#[test]
fn same_task_pairs_do_not_repel() {
    // The first two rows at an angle in a plane of their own, so that nothing but their cosine changes.
    let loss = |angle: f32, same: &SameTask| {
        let (x, y) = (angle.cos(), angle.sin());
        let rows = vec![x, y, 0.0, 0.0, x, -y, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let vectors = Tensor::from_vec(rows, (4, 4), &Device::Cpu).unwrap();
        supervised_contrastive(&vectors, same, 0.5).unwrap().to_scalar::<f32>().unwrap()
    };
    let three = SameTask::new(4, |i, j| i == j || (i < 3 && j < 3));
    assert!(loss(0.1, &three) < loss(0.2, &three) && loss(0.2, &three) < loss(0.7, &three));
    let none = SameTask::new(4, |i, j| i == j);
    assert_eq!(loss(0.1, &none), 0.0, "no positive, no loss");
    let all = SameTask::new(4, |_, _| true);
    assert!(loss(0.7, &all).abs() < 1e-6, "no negative, nothing to do");
}

#[test]
fn the_encoder_has_a_gradient_for_every_weight() {
    let checkpoint = Checkpoint::load(&tiny_dir()).unwrap();
    let tokens = Tokens { input_ids: vec![2, 40, 55, 3, 2, 60, 3, 2, 99, 120, 200, 41, 3], lengths: vec![4, 3, 6] };
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let encoder = Encoder::new(&checkpoint, pooling, Freeze::None, candle_core::DType::F32, &Device::Cpu).unwrap();
        let weights = random(&[3, checkpoint.config.hidden_size], 5);
        let value = || dot(&encoder.forward(&tokens, None).unwrap(), &weights);
        let out = encoder.forward(&tokens, None).unwrap();
        let gradients = (&out * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        for (name, variable) in encoder.variables() {
            let gradient = gradients.get(variable).unwrap_or_else(|| panic!("{name} has no gradient"));
            let original = variable.as_detached_tensor().copy().unwrap();
            let direction = random(variable.dims(), 6);
            let expected = dot(gradient, &direction);
            // Weights differ in size: the step is in proportion.
            let h = 2e-3 * f64::from(original.abs().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap()).max(0.02);
            let at = |step: f64| {
                variable.set(&(&original + (&direction * step).unwrap()).unwrap()).unwrap();
                value()
            };
            let (narrow, wide) = ((at(h) - at(-h)) / (2.0 * h), (at(2.0 * h) - at(-2.0 * h)) / (4.0 * h));
            variable.set(&original).unwrap();
            let found = (4.0 * narrow - wide) / 3.0;
            let size = f64::from(gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt());
            let noise = 3e-5 / h;
            assert!(
                (found - expected).abs() < 0.01 * (expected.abs() + 0.3 * size) + noise.min(0.05),
                "{pooling} {name}: gradient says {expected}, differences {found}, size {size}"
            );
        }
    }
}
