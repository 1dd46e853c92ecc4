//! `pie train` as a program: whole runs on the tiny model, killed runs, bad input.

use std::fs;
use std::path::Path;

use pie_embed_wasm::checkpoint::Checkpoint;

use crate::train_support::{Bench, fixtures, kill_after, labelled, tiny_dir};

/// Every option that changes how a step is computed.
const ALL: [&str; 24] = [
    "--average",
    "0.8",
    "--interpolate",
    "0.7",
    "--dropout",
    "0.1",
    "--accumulate",
    "2",
    "--sloppy",
    "0.3",
    "--typos",
    "0.3",
    "--wrap",
    "0.3",
    "--behind",
    "0.3",
    "--before",
    "0.3",
    "--matryoshka",
    "64,32",
    "--max-tokens",
    "24",
    "--decay",
    "cosine",
];

#[test]
fn a_run_learns_and_leaves_a_checkpoint_that_others_read() {
    let bench = Bench::new();
    bench.ok("run", &["--steps", "40", "--layers", "1"]);
    let rows = bench.metrics("run");
    let losses: Vec<f64> = rows.iter().filter(|r| r["kind"] == "step").map(|r| r["loss"].as_f64().unwrap()).collect();
    assert_eq!(losses.len(), 40);
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    assert!(mean(&losses[35..]) < 0.5 * mean(&losses[..5]), "{losses:?}");
    let dev: Vec<f64> = rows.iter().filter(|r| r["kind"] == "dev").map(|r| r["margin"].as_f64().unwrap()).collect();
    assert!(dev.len() >= 8 && dev[dev.len() - 1] > dev[0], "{dev:?}");

    let model = bench.path("run/model");
    let (trained, base) = (Checkpoint::load(&model).unwrap(), Checkpoint::load(&tiny_dir()).unwrap());
    assert_eq!((trained.config.num_hidden_layers, trained.pooling), (1, Some(pie_embed_wasm::config::Pooling::Mean)));
    assert_eq!(trained.vocabulary, base.vocabulary);
    let words = "embeddings.word_embeddings.weight";
    assert_eq!(trained.weights[words], base.weights[words], "frozen");
    assert_ne!(trained.weights["encoder.layer.0.output.dense.weight"], base.weights["encoder.layer.0.output.dense.weight"]);
    assert!(!trained.weights.keys().any(|name| name.starts_with("encoder.layer.1.")));
    let svg = fs::read_to_string(bench.path("run/curve.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("polyline"));
    assert!(!bench.path("run/model.tmp").exists() && !bench.path("run/checkpoint.safetensors.tmp").exists());
}

#[test]
fn runs_repeat_to_the_bit() {
    let bench = Bench::new();
    bench.ok("a", &ALL);
    bench.ok("b", &ALL);
    assert!(bench.weights("a") == bench.weights("b"));
    bench.ok("c", &[ALL.as_slice(), &["--seed", "1"]].concat());
    assert!(bench.weights("a") != bench.weights("c"));
    for more in [&["--loss", "pair"][..], &["--freeze", "none"], &["--pooling", "cls", "--prompt", "short"], &["--epochs", "1"]] {
        bench.ok("d", &[more, &["--force"]].concat());
        let first = bench.weights("d");
        bench.ok("e", &[more, &["--force"]].concat());
        assert!(first == bench.weights("e"), "{more:?}");
    }
}

#[test]
fn a_teacher_draws_its_pupil_near() {
    let bench = Bench::new();
    let teacher = tiny_dir().display().to_string();
    for target in ["similarity", "vectors"] {
        bench.ok(target, &["--teacher", &teacher, "--distill", target, "--distill-weight", "1000"]);
    }
    bench.ok("free", &[]);
    let name = "encoder.layer.1.output.dense.weight";
    let base = Checkpoint::load(&tiny_dir()).unwrap();
    let distance = |out: &str| {
        let trained = Checkpoint::load(&bench.path(out).join("model")).unwrap();
        let pairs = trained.weights[name].values.iter().zip(&base.weights[name].values);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    // Its own teacher, at a thousandfold weight: there is nothing else to learn.
    assert!(distance("vectors") < distance("free"), "{} {}", distance("vectors"), distance("free"));
    assert!(distance("similarity") > 0.0);
}

#[test]
fn a_killed_run_resumes_to_the_same_weights() {
    let bench = Bench::new();
    let settings = [ALL.as_slice(), &["--steps", "30"]].concat();
    bench.ok("whole", &settings);
    let resume = [settings.as_slice(), &["--resume"]].concat();
    kill_after(&bench, "killed", 7, &settings);
    kill_after(&bench, "killed", 18, &resume);
    assert!(!bench.path("killed/model").exists(), "killed too late to test anything");
    let log = bench.ok("killed", &resume);
    assert!(log.contains("resumed after step"), "{log}");
    assert!(bench.weights("whole") == bench.weights("killed"));

    // The records are those of one run: each step once, in order, with the same losses.
    let steps = |out: &str| -> Vec<(u64, f64)> {
        let rows = bench.metrics(out);
        rows.iter().filter(|r| r["kind"] == "step").map(|r| (r["step"].as_u64().unwrap(), r["loss"].as_f64().unwrap())).collect()
    };
    assert_eq!(steps("whole"), steps("killed"));
    // A finished run resumed is the same again.
    bench.ok("killed", &resume);
    assert!(bench.weights("whole") == bench.weights("killed"));
}

#[test]
fn resume_refuses_another_run() {
    let bench = Bench::new();
    bench.ok("run", &[]);
    let before = bench.weights("run");
    let error = bench.fails("run", &["--resume", "--lr", "2e-3", "--tasks", "5"]);
    assert!(error.contains("settings.learning_rate was 0.001, is 0.002") && error.contains("settings.tasks was 6, is 5"), "{error}");
    let error = bench.fails("run", &["--resume", "--average", "0.9"]);
    assert!(error.contains("settings.average was null, is 0.9"), "{error}");

    fs::write(bench.path("other.jsonl"), labelled().replace("poem", "song")).unwrap();
    let error = bench.fails("run", &["--resume", "--data", &bench.path("other.jsonl").display().to_string()]);
    assert!(error.contains("inputs.data was"), "{error}");

    // Another base: the same shape, one weight changed.
    let base = bench.path("base");
    fs::create_dir(&base).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(tiny_dir().join(name), base.join(name)).unwrap();
    }
    let mut bytes = fs::read(base.join("model.safetensors")).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(base.join("model.safetensors"), bytes).unwrap();
    let error = bench.fails("run", &["--resume", "--base", &base.display().to_string()]);
    assert!(error.contains("inputs.base was"), "{error}");

    let checkpoint = bench.path("run/checkpoint.safetensors");
    let whole = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &whole[..whole.len() / 2]).unwrap();
    assert!(bench.fails("run", &["--resume"]).contains("checkpoint.safetensors"));
    fs::copy(tiny_dir().join("model.safetensors"), &checkpoint).unwrap();
    assert!(bench.fails("run", &["--resume"]).contains("no checkpoint of a run"));
    fs::remove_file(&checkpoint).unwrap();
    assert!(bench.fails("run", &["--resume"]).contains("nothing to resume from"));
    assert!(before == bench.weights("run"), "nothing was overwritten");
}

#[test]
fn folders_in_use_are_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.path("run")).unwrap();
    fs::write(bench.path("run/mine.txt"), "mine").unwrap();
    assert!(bench.fails("run", &[]).contains("not empty"));
    bench.ok("run", &["--force", "--steps", "2"]);
    bench.ok("run", &["--force", "--steps", "3"]);
    assert_eq!(fs::read_to_string(bench.path("run/mine.txt")).unwrap(), "mine");
    assert_eq!(bench.metrics("run").iter().filter(|r| r["kind"] == "step").count(), 3);
    // A file where the folder should be, and a place where nobody may write.
    assert!(bench.fails("data.jsonl", &[]).contains("data.jsonl"));
    assert!(bench.fails("x", &["--out", "/proc/no-run-here"]).contains("/proc/no-run-here"));
}

#[test]
fn a_loss_beyond_numbers_stops_the_run() {
    let bench = Bench::new();
    let error = bench.fails("run", &["--lr", "1e38", "--clip", "0", "--warmup", "0", "--checkpoint-every", "1"]);
    assert!(error.contains("step 1: the loss is") && error.contains("last good state"), "{error}");
    let row: serde_json::Value = serde_json::from_slice(&fs::read(bench.path("run/nonfinite.json")).unwrap()).unwrap();
    assert_eq!(row["step"], 1);
    assert_eq!(row["texts"].as_array().unwrap().len(), 18);
    assert!(bench.path("run/checkpoint.safetensors").exists() && !bench.path("run/model").exists());
}

#[test]
fn bad_input_is_named() {
    let bench = Bench::new();
    let write = |name: &str, text: &str| {
        fs::write(bench.path(name), text).unwrap();
        bench.path(name).display().to_string()
    };
    let one = r#"{"instruction": "a", "category": "b|c"}"#;
    for (text, expected) in
        [("", "empty"), ("{\"instruction\": \"a\"}\n", "no \"category\""), (one, "1 examples of 1 tasks"), ("\u{0}\u{1}", "line 1")]
    {
        let error = bench.fails("run", &["--data", &write("bad.jsonl", text)]);
        assert!(error.contains(expected), "{error}");
    }
    fs::write(bench.path("latin.jsonl"), b"{\"instruction\": \"caf\xe9\"}").unwrap();
    let latin = bench.fails("run", &["--data", &bench.path("latin.jsonl").display().to_string()]);
    assert!(latin.contains("line 1: no UTF-8 from byte 20 on"), "{latin}");
    let conflict = write("conflict.jsonl", &(labelled() + r#"{"instruction": "write the poem of rain", "category": "x|y"}"#));
    let log = bench.ok("conflict", &["--data", &conflict]);
    assert!(log.contains("2 in conflict left out") && log.contains("lines 3, 97"), "{log}");

    // A base of another architecture, and one that is not there.
    let base = bench.path("roberta");
    fs::create_dir(&base).unwrap();
    fs::copy(fixtures().join("bad/config-roberta.json"), base.join("config.json")).unwrap();
    assert!(bench.fails("run", &["--base", &base.display().to_string()]).contains("model_type"));
    assert!(bench.fails("run", &["--base", "/no/such/base"]).contains("/no/such/base"));

    for (more, expected) in [
        (&["--layers", "3"][..], "3 layers were asked for; the base has 2"),
        (&["--layers", "0"], "0 layers"),
        (&["--max-tokens", "129"], "max tokens is 129; it must lie in 3..=128"),
        (&["--tasks", "1"], "tasks is 1"),
        (&["--temperature", "0"], "temperature is 0"),
        (&["--temperature", "NaN"], "temperature is NaN"),
        (&["--matryoshka", "64,65"], "a matryoshka width is 65"),
        (&["--epochs", "0"], "epochs is 0"),
        (&["--width", "bf16"], "bf16 is for CUDA"),
        (&["--device", "cuda"], "device cuda: "),
        (&["--device", "tpu"], "device is \"tpu\""),
        (&["--prompt", "pie", "--max-tokens", "20"], "prompt"),
    ] {
        let error = bench.fails("never", more);
        assert!(error.contains(expected), "{more:?}: {error}");
    }
    assert!(!Path::new(&bench.path("never/model")).exists());
}
