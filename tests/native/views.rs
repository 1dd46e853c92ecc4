//! The task view, the meaning view and both, against NumPy's own (tests/fixtures/make_views.py). Every row is checked.

use pie_embed_wasm::backend::{Backend, Cpu};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::encoder::{Arithmetic, Output};
use pie_embed_wasm::gguf::{Gguf, GgufWriter, convert};
use pie_embed_wasm::train::Candle;
use pie_embed_wasm::{EmbedOptions, Embedder, Embeddings, ErrorCode, View};
use proptest::prelude::*;

use crate::common::{Parts, TINY, compare, cosine, instructions, options, tiny, two_views, view_golden};

/// Half of tiny's 64 numbers.
const HALF: usize = 32;

fn view(view: View) -> EmbedOptions {
    EmbedOptions { view: Some(view), ..EmbedOptions::default() }
}

fn embed(embedder: &Embedder, options: &EmbedOptions) -> Embeddings {
    embedder.embed(&instructions(), options).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// What is read, and the golden that it should be.
fn readings() -> Vec<(EmbedOptions, &'static str)> {
    let cut = |of: View, dimensions| EmbedOptions { dimensions: Some(dimensions), ..view(of) };
    vec![
        (EmbedOptions::default(), "task"),
        (view(View::Task), "task"),
        (view(View::Meaning), "meaning"),
        (view(View::Both), "both"),
        (EmbedOptions { mix: Some(0.5), ..view(View::Both) }, "both"),
        (EmbedOptions { mix: Some(0.25), ..view(View::Both) }, "both.mix"),
        (cut(View::Task, 12), "task.12"),
        (cut(View::Meaning, 12), "meaning.12"),
        (cut(View::Both, 24), "both.24"),
    ]
}

#[test]
fn every_row_of_every_view_equals_numpy() {
    let bytes = two_views(Dtype::F32);
    let candle = Embedder::from_bytes_on(&bytes, |gguf| Ok(Box::new(Candle::from_gguf(gguf, "cpu")?))).unwrap();
    for embedder in [Embedder::from_bytes(&bytes).unwrap(), candle] {
        assert_eq!((embedder.views(), embedder.view_size()), (&[View::Task, View::Meaning][..], HALF));
        for (options, name) in readings() {
            let (vectors, golden) = (embed(&embedder, &options), view_golden(name));
            let largest = largest_difference(&vectors.data, &golden);
            assert_eq!((vectors.dimensions, vectors.len()), (embedder.dimensions(&options).unwrap(), 100));
            assert!(largest <= 1e-5, "{}, {name}: {largest}", embedder.device());
        }
    }
}

#[test]
fn views_without_a_head_split_the_pooled_vector() {
    let bytes = Parts { head: Vec::new(), ..Parts::new(Dtype::F32) }.add_to(&tiny(Dtype::F32, Pooling::Mean));
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    for (of, name) in [(View::Meaning, "headless.meaning"), (View::Both, "headless.both")] {
        let largest = largest_difference(&embed(&embedder, &view(of)).data, &view_golden(name));
        assert!(largest <= 1e-5, "{name}: {largest}");
    }
}

#[test]
fn a_head_without_views_gives_one_view() {
    let bytes = Parts { views: None, ..Parts::new(Dtype::F32) }.add_to(&tiny(Dtype::F32, Pooling::Mean));
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    assert_eq!((embedder.views(), embedder.view_size()), (&[View::Task][..], 2 * HALF));
    let vectors = embed(&embedder, &EmbedOptions::default());
    let largest = largest_difference(&vectors.data, &view_golden("viewless"));
    assert!(largest <= 1e-5, "{largest}");
    assert_eq!(embedder.embed(&["a"], &view(View::Both)).unwrap_err().code(), ErrorCode::ViewUnavailable);
}

#[test]
fn a_head_of_any_dtype_is_near_the_floats() {
    for (dtype, least) in [(Dtype::F16, 0.9999), (Dtype::Q8_0, 0.999), (Dtype::Q4_0, 0.98)] {
        // The encoder in floats, so that the head's own rounding is measured.
        let embedder = Embedder::from_bytes(&Parts::new(dtype).add_to(&tiny(Dtype::F32, Pooling::Mean))).unwrap();
        for (options, name) in readings() {
            let vectors = embed(&embedder, &options);
            let (mean, worst) = compare(&vectors.data, &view_golden(name), vectors.dimensions);
            println!("{dtype}, {name}: mean {mean:.6}, worst {worst:.6}");
            assert!(mean >= least, "{dtype}, {name}: {mean}");
        }
    }
}

#[test]
fn batch_equals_single_in_every_view() {
    for dtype in [Dtype::F32, Dtype::Q8_0] {
        let embedder = Embedder::from_bytes(&two_views(dtype)).unwrap();
        for (options, name) in readings() {
            let batch = embed(&embedder, &options);
            for (text, row) in instructions().iter().zip(batch.rows()) {
                assert_eq!(embedder.embed(&[text], &options).unwrap().data, row, "{dtype}, {name}: {text:?}");
            }
        }
    }
}

#[test]
fn each_view_has_length_one_and_prefixes_are_those_of_the_whole() {
    let embedder = Embedder::from_bytes(&two_views(Dtype::Q8_0)).unwrap();
    let length = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt();
    for of in [View::Task, View::Meaning, View::Both] {
        let halves = if of == View::Both { 2 } else { 1 };
        let whole = embed(&embedder, &view(of));
        for dimensions in [1, 8, HALF - 1, HALF] {
            let cut = embed(&embedder, &EmbedOptions { dimensions: Some(halves * dimensions), ..view(of) });
            for (whole, cut) in whole.rows().zip(cut.rows()) {
                assert!((length(cut) - 1.0).abs() < 1e-5, "{of}, {dimensions}: {}", length(cut));
                for (whole, cut) in whole.chunks(HALF).zip(cut.chunks(dimensions)) {
                    let from_whole = cosine(&whole[..dimensions], cut);
                    assert!((from_whole - 1.0).abs() < 1e-6, "{of}, {dimensions}: {from_whole}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// The cosine of both views is the mean of those of the two, weighed by the mix.
    #[test]
    fn a_cosine_of_both_is_the_weighed_mean(mix in prop_oneof![Just(0.0_f32), Just(1.0), 0.0..=1.0_f32], a in 0_usize..100, b in 0_usize..100) {
        let embedder = Embedder::from_bytes(&two_views(Dtype::Q8_0)).unwrap();
        let texts = instructions();
        let dot = |options: &EmbedOptions| {
            let vectors = embedder.embed(&[&texts[a], &texts[b]], options).unwrap();
            let (a, b) = vectors.data.split_at(vectors.dimensions);
            a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>()
        };
        let (task, meaning) = (dot(&view(View::Task)), dot(&view(View::Meaning)));
        let both = dot(&EmbedOptions { mix: Some(mix), ..view(View::Both) });
        let weighed = f64::from(mix) * task + f64::from(1.0 - mix) * meaning;
        prop_assert!((both - weighed).abs() < 1e-5, "mix {mix}: {both} against {weighed}");
    }
}

#[test]
fn a_model_of_one_view_has_the_task_view_as_its_whole_vector() {
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    assert_eq!((embedder.views(), embedder.view_size(), embedder.duplicates_view()), (&[View::Task][..], 2 * HALF, View::Task));
    assert_eq!(embed(&embedder, &EmbedOptions::default()), embed(&embedder, &view(View::Task)));
    for of in [View::Meaning, View::Both] {
        let refused = embedder.embed(&["a"], &view(of)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ViewUnavailable);
        assert_eq!(refused.to_string(), format!("view is {of}; the model \"test\" has one view, task, of 64 dimensions"));
    }
}

#[test]
fn bad_views_mixes_and_dimensions_are_refused_with_their_numbers() {
    let embedder = Embedder::from_bytes(&two_views(Dtype::Q8_0)).unwrap();
    assert_eq!(embedder.duplicates_view(), View::Both);
    let cut = |of: View, dimensions| EmbedOptions { dimensions: Some(dimensions), ..view(of) };
    let mixed = |of: View, mix| EmbedOptions { mix: Some(mix), ..view(of) };
    use ErrorCode::{InvalidArgument, InvalidDimensions};
    for (options, code, said) in [
        (cut(View::Task, 0), InvalidDimensions, "dimensions is 0; the task view has 32"),
        (cut(View::Task, 33), InvalidDimensions, "dimensions is 33; the task view has 32"),
        (EmbedOptions { dimensions: Some(64), ..EmbedOptions::default() }, InvalidDimensions, "dimensions is 64; the task view has 32"),
        (cut(View::Meaning, usize::MAX), InvalidDimensions, "the meaning view has 32"),
        (cut(View::Both, 66), InvalidDimensions, "dimensions is 66; both views have 64"),
        (cut(View::Both, 0), InvalidDimensions, "dimensions is 0; both views have 64"),
        (cut(View::Both, 33), InvalidDimensions, "dimensions is 33; both views give half each, so it must be even"),
        (mixed(View::Both, 1.5), InvalidArgument, "mix is 1.5; it must lie in 0..=1"),
        (mixed(View::Both, -0.1), InvalidArgument, "mix is -0.1; it must lie in 0..=1"),
        (mixed(View::Both, f32::NAN), InvalidArgument, "mix is NaN; it must lie in 0..=1"),
        (mixed(View::Meaning, 0.3), InvalidArgument, "mix is 0.3, but view is meaning"),
        (EmbedOptions { mix: Some(0.5), ..EmbedOptions::default() }, InvalidArgument, "mix is 0.5, but view is task"),
    ] {
        let refused = embedder.embed(&["a"], &options).unwrap_err();
        assert!(refused.code() == code && refused.to_string().contains(said), "{options:?}: {refused}");
    }
    for text in ["", "Task", "tasks"] {
        assert_eq!(text.parse::<View>().unwrap_err().code(), InvalidArgument);
    }
}

/// What a back end outside the embedder goes through, as in a browser.
#[test]
fn pooled_vectors_of_another_back_end_are_finished_alike() {
    for bytes in [two_views(Dtype::Q8_0), tiny(Dtype::Q8_0, Pooling::Mean)] {
        let embedder = Embedder::from_bytes(&bytes).unwrap();
        let cpu = Cpu::from_gguf(&Gguf::parse(&bytes).unwrap(), Arithmetic::default()).unwrap();
        let ids = |text: &String| embedder.tokenize(text, &EmbedOptions::default()).unwrap().input_ids;
        let ids: Vec<Vec<u32>> = instructions().iter().map(ids).collect();
        let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
        let possible = readings().into_iter().filter(|(options, _)| embedder.dimensions(options).is_ok());
        for (options, name) in possible {
            let pooled = cpu.encode(&ids, embedder.output(&options).unwrap()).unwrap();
            assert_eq!(embedder.finish(pooled, &options).unwrap(), embed(&embedder, &options).data, "{name}");
        }
        assert_eq!(embedder.finish(vec![0.0; 65], &EmbedOptions::default()).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    let embedder = Embedder::from_bytes(&two_views(Dtype::Q8_0)).unwrap();
    assert_eq!(embedder.output(&view(View::Both)).unwrap(), Output { dimensions: 64, normalize: false });
}

#[test]
fn a_model_that_does_not_normalise_keeps_the_lengths_of_its_views() {
    let plain = convert(&TINY, &pie_embed_wasm::gguf::ConvertOptions { normalize: false, ..options(Dtype::F32, Pooling::Mean) }).unwrap();
    let embedder = Embedder::from_bytes(&Parts::new(Dtype::F32).add_to(&plain)).unwrap();
    let both = embed(&embedder, &EmbedOptions { mix: Some(0.25), ..view(View::Both) });
    let (task, meaning) = (embed(&embedder, &view(View::Task)), embed(&embedder, &view(View::Meaning)));
    assert!(task.rows().all(|row| row.iter().map(|x| x * x).sum::<f32>() > 2.0));
    for ((both, task), meaning) in both.rows().zip(task.rows()).zip(meaning.rows()) {
        let expected: Vec<f32> = task.iter().map(|x| x * 0.5).chain(meaning.iter().map(|x| x * 0.75_f32.sqrt())).collect();
        assert_eq!(both, expected);
    }
}

#[test]
fn files_whose_views_or_head_are_wrong_are_refused() {
    let good = tiny(Dtype::F32, Pooling::Mean);
    let parts = || Parts::new(Dtype::F32);
    let refused = |parts: Parts<'_>| Embedder::from_bytes(&parts.add_to(&good)).err().expect("was loaded");
    for views in [&["task"][..], &["meaning", "task"], &["task", "meaning", "both"], &["task", "sense"]] {
        let error = refused(Parts { views: Some(views), ..parts() });
        assert!(error.code() == ErrorCode::ModelFormat && error.to_string().contains("it must be [\"task\", \"meaning\"]"), "{error}");
    }
    assert_eq!(refused(Parts { views: Some(&[]), ..parts() }).code(), ErrorCode::ModelFormat);
    for (at, missing) in [(0, "cls.weight"), (1, "cls.bias")] {
        let mut parts = parts();
        parts.head.remove(at);
        let error = refused(parts);
        assert!(error.code() == ErrorCode::ModelFormat && error.to_string().contains(&format!("{missing:?} is missing")), "{error}");
    }
    for (at, shape) in [(0, vec![32, 64]), (0, vec![4096]), (1, vec![32])] {
        let mut parts = parts();
        parts.head[at].2.truncate(shape.iter().product());
        parts.head[at].1 = shape;
        let error = refused(parts);
        assert!(error.code() == ErrorCode::ModelFormat && error.to_string().contains("has shape"), "{error}");
    }
    // A head whose products are too large for an f32.
    let mut huge = parts();
    huge.head[0].2.fill(f32::MAX);
    let embedder = Embedder::from_bytes(&huge.add_to(&good)).unwrap();
    assert_eq!(embedder.embed(&["Write a poem"], &EmbedOptions::default()).unwrap_err().code(), ErrorCode::ModelCorrupt);
}

#[test]
fn numbers_of_the_head_that_are_not_finite_are_refused() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0] {
        let good = two_views(dtype);
        let gguf = Gguf::parse(&good).unwrap();
        for name in ["cls.weight", "cls.bias"] {
            let tensor = gguf.tensors().find(|tensor| tensor.name == name).unwrap();
            let at = tensor.data.as_ptr() as usize - good.as_ptr() as usize;
            let mut bytes = good.clone();
            let bad: &[u8] = if tensor.dtype == Dtype::F32 { &[0, 0, 0x80, 0x7f] } else { &[0, 0x7e] };
            bytes[at..at + bad.len()].copy_from_slice(bad);
            let refused = Embedder::from_bytes(&crate::model_file::resealed(bytes)).err().expect("was loaded");
            assert!(refused.code() == ErrorCode::ModelCorrupt && refused.to_string().contains(name), "{dtype}: {refused}");
        }
    }
}

/// Two views of an odd number of dimensions: the header alone says so.
#[test]
fn two_views_of_an_odd_vector_are_refused() {
    let gguf = |hidden: u32| {
        let mut file = GgufWriter::default();
        file.string("general.architecture", "bert").u32("bert.embedding_length", hidden);
        let views = ["task", "meaning"].map(|view| pie_embed_wasm::gguf::MetadataValue::String(view.to_owned()));
        file.metadata("pie.views", pie_embed_wasm::gguf::MetadataValue::Array(views.to_vec()));
        file.finish().unwrap()
    };
    let names = |hidden: u32| pie_embed_wasm::encoder::read_views(&Gguf::parse(&gguf(hidden)).unwrap(), hidden as usize);
    assert_eq!(names(64).unwrap(), [View::Task, View::Meaning]);
    let refused = names(63).unwrap_err();
    assert!(refused.code() == ErrorCode::ModelFormat && refused.to_string().contains("a vector of 63 numbers"), "{refused}");
}
