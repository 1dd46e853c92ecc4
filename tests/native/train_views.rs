//! Two views: the head, its components, what training does to each half, and the files that a run leaves.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use candle_core::{DType, Device};
use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::Pooling;
use pie_embed_wasm::train::{Corpus, Encoder, Freeze, Tokens, fitted_to_teacher, principal_components, with_two_views};
use pie_embed_wasm::{ErrorCode, Prompt};
use serde_json::Value;

use crate::train_support::{Bench, fixtures, tiny_dir};

/// The tiny model with two views, in a folder of the bench.
fn base(bench: &Bench) -> PathBuf {
    let out = bench.path("two-views");
    let status = Command::new(env!("CARGO_BIN_EXE_pie"))
        .args(["head", "--checkpoint", &tiny_dir().display().to_string(), "--output", &out.display().to_string(), "--corpus"])
        .args([bench.path("data.jsonl")])
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    out
}

/// Both views of some texts, at length 1.
fn views(dir: &std::path::Path) -> [Vec<Vec<f32>>; 2] {
    let checkpoint = Checkpoint::load(dir).unwrap();
    let encoder = Encoder::new(&checkpoint, Pooling::Mean, Freeze::Embeddings, DType::F32, &Device::Cpu).unwrap();
    let tokens = Tokens { input_ids: vec![2, 40, 55, 3, 2, 60, 3, 2, 99, 120, 200, 41, 3], lengths: vec![4, 3, 6] };
    let vectors = encoder.forward(&tokens, None).unwrap();
    [encoder.task_view(&vectors).unwrap(), encoder.meaning_view(&vectors).unwrap()].map(|view| view.to_vec2().unwrap())
}

fn mean_cosine(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosines = a.iter().zip(b).map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt());
    cosines.sum::<f32>() / a.len() as f32
}

#[test]
fn components_are_scikit_learns() {
    let golden: Value = serde_json::from_str(&fs::read_to_string(fixtures().join("components.json")).unwrap()).unwrap();
    let numbers = |value: &Value| -> Vec<f64> {
        value
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().map_or_else(|| vec![row.clone()], Clone::clone))
            .map(|x| x.as_f64().unwrap())
            .collect()
    };
    let rows: Vec<f32> = numbers(&golden["rows"]).iter().map(|&x| x as f32).collect();
    let found = principal_components(&rows, golden["dim"].as_u64().unwrap() as usize);
    for (name, ours, tolerance) in
        [("mean", &found.mean, 1e-6), ("variances", &found.variances, 1e-6), ("components", &found.directions, 1e-5)]
    {
        let theirs = numbers(&golden[name]);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (n, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!((a - b).abs() < tolerance, "{name} {n}: {a} {b}");
        }
    }
}

#[test]
fn both_halves_begin_alike_and_hold_the_base() {
    let bench = Bench::new();
    let dir = base(&bench);
    let [task, meaning] = views(&dir);
    assert_eq!(task, meaning);
    assert_eq!(task[0].len(), Checkpoint::load(&tiny_dir()).unwrap().config.hidden_size / 2);
    // sentence-transformers finds the layer where it looks for it.
    let modules: Value = serde_json::from_str(&fs::read_to_string(dir.join("modules.json")).unwrap()).unwrap();
    let kinds: Vec<&str> = modules.as_array().unwrap().iter().map(|m| m["type"].as_str().unwrap().rsplit('.').next().unwrap()).collect();
    assert_eq!(kinds, ["Transformer", "Pooling", "Dense"]);
    assert!(dir.join("2_Dense/config.json").exists() && dir.join("2_Dense/model.safetensors").exists());
    // A second head is refused, and so are fewer texts than dimensions.
    let checkpoint = Checkpoint::load(&dir).unwrap();
    let texts = vec!["a".to_owned(); 64];
    let prompt = Prompt::none();
    let corpus = Corpus { texts: &texts, prompt: &prompt, max_tokens: 16 };
    let refused = with_two_views(&checkpoint, corpus, |_| ()).unwrap_err();
    assert!(refused.code() == ErrorCode::InvalidArgument && refused.to_string().contains("has a head already"), "{refused}");
    let (tiny, few) = (Checkpoint::load(&tiny_dir()).unwrap(), Corpus { texts: &texts[..3], ..corpus });
    let refused = with_two_views(&tiny, few, |_| ()).unwrap_err();
    assert!(refused.to_string().contains("3 texts; a head of 64 dimensions"), "{refused}");
    let refused = fitted_to_teacher(&tiny, &tiny, corpus, |_| ()).unwrap_err();
    assert!(refused.to_string().contains("has one view and 64 numbers; two views of 64"), "{refused}");
}

#[test]
fn a_pupil_of_fewer_layers_begins_near_its_teacher() {
    let bench = Bench::new();
    let dir = base(&bench);
    let head = |out: &str, more: &[&str]| {
        let out = bench.path(out);
        let run = Command::new(env!("CARGO_BIN_EXE_pie"))
            .args(["head", "--layers", "1", "--checkpoint"])
            .arg(if more.is_empty() { tiny_dir() } else { dir.clone() })
            .args(more)
            .arg("--output")
            .arg(&out)
            .arg("--corpus")
            .arg(bench.path("data.jsonl"))
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        out
    };
    let teacher = dir.display().to_string();
    let (own, fitted) = (head("own", &[]), head("fitted", &["--teacher", &teacher]));
    let pupil = Checkpoint::load(&fitted).unwrap();
    assert_eq!(pupil.config.num_hidden_layers, 1);
    assert!(pupil.two_views && !pupil.weights.keys().any(|name| name.starts_with("encoder.layer.1.")));
    let [_, wanted] = views(&dir);
    let ([_, own], [_, fitted]) = (views(&own), views(&fitted));
    let (far, near) = (mean_cosine(&own, &wanted), mean_cosine(&fitted, &wanted));
    // The tiny model's weights are random, so that one of its two layers tells only a part of what both do.
    assert!(near > far + 0.5, "{near} {far}");
}

#[test]
fn training_moves_the_task_and_holds_the_meaning() {
    let bench = Bench::new();
    let dir = base(&bench).display().to_string();
    let views_of = |out: &str| views(&bench.path(out).join("model"));
    let plain = ["--base", &dir, "--steps", "20", "--matryoshka", "32,16"];
    let held = [&plain[..], &["--teacher", &dir, "--distill", "meaning", "--distill-weight", "50", "--proxies", "1"]].concat();
    bench.ok("held", &held);
    bench.ok("free", &plain);
    let [task, meaning] = views(dir.as_ref());
    let ([held_task, held_meaning], [_, free_meaning]) = (views_of("held"), views_of("free"));
    let (kept, drifted) = (mean_cosine(&held_meaning, &meaning), mean_cosine(&free_meaning, &meaning));
    assert!(kept > 0.97 && kept > drifted + 0.1, "{kept} {drifted}");
    assert!(mean_cosine(&held_task, &task) < kept, "the task half moves more");
    // A pupil of both views, of half of the texts.
    let teacher = bench.path("held").join("model").display().to_string();
    bench.ok(
        "pupil",
        &[&plain[..], &["--teacher", &teacher, "--distill", "views", "--distill-weight", "50", "--teacher-share", "0.5"]].concat(),
    );
    let ([pupil_task, _], before) = (views_of("pupil"), mean_cosine(&task, &held_task));
    assert!(mean_cosine(&pupil_task, &held_task) > before);
    // Runs with proxies go on where they were stopped, to the bit.
    let settings = [held.as_slice(), &["--checkpoint-every", "1"]].concat();
    bench.ok("whole", &settings);
    crate::train_support::kill_after(&bench, "killed", 6, &settings);
    bench.ok("killed", &[settings.as_slice(), &["--resume"]].concat());
    assert!(bench.weights("whole") == bench.weights("killed"));
}

#[test]
fn a_teacher_of_one_language_reads_the_twins() {
    let bench = Bench::new();
    let dir = base(&bench).display().to_string();
    // The same rows as their pupil's language has them: each with a twin of another task, or with none.
    let rows = |twin: Option<&str>| {
        let line = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row["language"] = "de".into();
            twin.inspect(|twin| row["twin"] = (*twin).into());
            format!("{row}\n")
        };
        crate::train_support::labelled().lines().map(line).collect::<String>()
    };
    let teach = |name: &str, data: String, more: &[&str]| {
        let file = bench.path(&format!("{name}.jsonl"));
        fs::write(&file, data).unwrap();
        let file = file.display().to_string();
        let plain = ["--base", &dir, "--data", &file, "--teacher", &dir, "--distill", "views", "--distill-weight", "1000", "--steps", "20"];
        bench.ok(name, &[&plain[..], more].concat());
        bench.weights(name)
    };
    let language = ["--teacher-language", "en"];
    let same = teach("same", rows(None), &["--teacher-language", "de"]);
    assert!(same == teach("all", rows(None), &[]), "a teacher of the rows' language reads them as it reads any");
    let twins = teach("twins", rows(Some("find the answer of a cat")), &language);
    assert!(same != twins);
    // All texts were drawn to one: their views come together.
    let apart = |name: &str| {
        let [task, _] = views(&bench.path(name).join("model"));
        mean_cosine(&[task[0].clone(), task[1].clone()], &[task[1].clone(), task[2].clone()])
    };
    assert!(apart("twins") > apart("same"), "{} {}", apart("twins"), apart("same"));
    // Without a twin there is nothing to read: the loss is that of the tasks alone.
    let loss = |name: &str| bench.metrics(name).iter().find_map(|row| row["loss"].as_f64()).unwrap();
    teach("none", rows(None), &language);
    bench.ok("alone", &["--base", &dir, "--steps", "20"]);
    assert!((loss("none") - loss("alone")).abs() < 1e-6, "{} {}", loss("none"), loss("alone"));
}

#[test]
fn views_that_are_not_there_are_named() {
    let bench = Bench::new();
    let dir = base(&bench).display().to_string();
    let tiny = tiny_dir().display().to_string();
    for (more, expected) in [
        (vec!["--teacher", &dir, "--distill", "meaning"], "the base has one view; `pie head` gives it"),
        (vec!["--base", &dir, "--teacher", &tiny, "--distill", "views"], "has one view and 64 numbers; the pupil's two views have 64"),
        (vec!["--base", &dir, "--matryoshka", "64"], "a matryoshka width is 64; it must lie in 1..=32 of a view"),
        (vec!["--base", &dir, "--teacher", &dir, "--distill", "meaning", "--teacher-share", "0"], "teacher's share is 0"),
        (vec!["--proxies", "1", "--proxy-temperature", "0"], "proxies' temperature is 0"),
        (vec!["--proxies=-1"], "proxies' weight is -1"),
    ] {
        let output = bench.run("never", &more);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{more:?}: {error}");
    }
    // A head that is not whole, and views of other names.
    let config = bench.path("two-views/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"meaning\"", "\"style\"")).unwrap();
    assert!(Checkpoint::load(dir.as_ref()).unwrap_err().to_string().contains("pie_views is [\"task\", \"style\"]"));
    fs::write(&config, text).unwrap();
    let dense = bench.path("two-views/2_Dense/config.json");
    let text = fs::read_to_string(&dense).unwrap();
    fs::write(&dense, text.replace("linear.Identity", "activation.Tanh")).unwrap();
    let refused = Checkpoint::load(dir.as_ref()).unwrap_err();
    assert!(refused.code() == ErrorCode::ModelUnsupported, "{refused}");
    assert!(refused.to_string().contains("from 64 to 64 with a bias and torch.nn.modules.activation.Tanh; only one"), "{refused}");
    fs::write(&dense, text).unwrap();
    fs::copy(bench.path("two-views/model.safetensors"), bench.path("two-views/2_Dense/model.safetensors")).unwrap();
    assert!(Checkpoint::load(dir.as_ref()).unwrap_err().to_string().contains("2_Dense has no weight \"linear.weight\""));
}
