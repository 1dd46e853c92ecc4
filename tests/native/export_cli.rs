//! `pie export` as a user has it, on the tiny checkpoint.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pie_embed_wasm::Embedder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::fixtures;

fn export(args: &[&str]) -> Output {
    let tiny = fixtures().join("tiny");
    Command::new(env!("CARGO_BIN_EXE_pie")).arg("export").arg("--checkpoint").arg(tiny).args(args).output().unwrap()
}

fn succeed(args: &[&str]) -> Value {
    let output = export(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn corpus() -> PathBuf {
    fixtures().join("instructions.jsonl")
}

#[test]
fn a_pruned_quantised_model_with_manifest_and_card() {
    let dir = TempDir::new().unwrap();
    let (output, manifest, card) = (dir.path().join("pie-tiny.gguf"), dir.path().join("manifest.json"), dir.path().join("CARD.md"));
    let other = json!({"version": 1, "default": "minilm", "note": "kept", "models": [
        {"name": "minilm", "file": "m.gguf", "sha256": "0", "bytes": 1, "license": "Apache-2.0", "base": "b", "dtype": {}, "extra": [1]},
        {"name": "pie-tiny", "file": "old.gguf", "sha256": "1", "bytes": 2, "figures": {"old": 1}, "mine": true}]});
    std::fs::write(&manifest, other.to_string()).unwrap();
    let corpus = corpus();
    let args = [
        "--output",
        text(&output),
        "--ffn-dtype",
        "q4_0",
        "--vocab",
        "460",
        "--vocab-corpus",
        text(&corpus),
        "--license",
        "Apache-2.0",
        "--base",
        "a random BERT",
        "--data",
        "none (random)",
        "--limitation",
        "Everything: its weights are random.",
        "--manifest",
        text(&manifest),
        "--card",
        text(&card),
    ];
    let report = succeed(&args);
    let bytes = std::fs::read(&output).unwrap();
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    assert_eq!(embedder.config().vocab_size, 460);
    let entry = &report["entry"];
    assert_eq!(entry["bytes"], bytes.len());
    assert_eq!(entry["sha256"], pie_embed_wasm::sha256_hex(&bytes));
    assert_eq!(entry["dtype"], json!({"attention": "q8_0", "ffn": "q4_0", "embeddings": "q4_0", "positions": "f16"}));
    let comparison = &report["comparison"];
    let cosine = |value: &Value| value.as_f64().unwrap();
    assert!(cosine(&comparison["mean_cosine"]) > 0.9 && cosine(&comparison["worst_cosine"]) <= cosine(&comparison["mean_cosine"]));
    assert!(comparison["vocabulary_alone"]["rows"].as_u64().unwrap() > 90);

    let merged: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    assert_eq!((&merged["default"], &merged["note"], merged["models"].as_array().unwrap().len()), (&json!("minilm"), &json!("kept"), 2));
    assert_eq!(merged["models"][0]["extra"], json!([1]));
    let mut ours = merged["models"][1].clone();
    assert_eq!((&ours["file"], &ours["mine"], &ours["figures"]["old"]), (&json!("pie-tiny.gguf"), &json!(true), &Value::Null));
    ours.as_object_mut().unwrap().remove("mine");
    assert_eq!(ours, *entry);

    let words = std::fs::read_to_string(&card).unwrap();
    for said in ["# pie-tiny", "a random BERT", "- none (random)", "Everything: its weights", "cut to 460 pieces", "Against its f32"] {
        assert!(words.contains(said), "{said} in {words}");
    }

    // Figures of this very file go into entry and card; the same command gives the same bytes.
    let figures = dir.path().join("eval.json");
    let eval = |sha256: &str| {
        json!({"model": {"sha256": sha256}, "tests": [{"test": "clustering", "file": "dev.json", "encoders": [
            {"name": "tfidf", "scores": {"ari": {"mean": 0.1}}}, {"name": "pie-tiny", "scores": {"ari": {"mean": 0.25, "deviation": 0.01}}}]}]})
    };
    std::fs::write(&figures, eval(entry["sha256"].as_str().unwrap()).to_string()).unwrap();
    let again = succeed(&[&args[..], &["--figures", text(&figures), "--make-default"]].concat());
    assert_eq!(again["entry"]["sha256"], entry["sha256"]);
    assert_eq!(again["entry"]["figures"]["clustering dev.json"]["ari"]["mean"], 0.25);
    assert!(std::fs::read_to_string(&card).unwrap().contains("| ari | 0.2500 ± 0.0100 |"));
    let merged: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    assert_eq!(merged["default"], "pie-tiny");

    // Figures of another file are refused, and nothing changes.
    std::fs::write(&figures, eval("abc").to_string()).unwrap();
    let refused = export(&[&args[..], &["--figures", text(&figures), "--dtype", "f32"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("measured on a file with sha256 abc"));
    assert_eq!(std::fs::read(&output).unwrap(), bytes);
}

#[test]
fn f32_is_the_checkpoint_itself() {
    let dir = TempDir::new().unwrap();
    let output = dir.path().join("tiny.gguf");
    let corpus = corpus();
    let f32s = ["--dtype", "f32", "--embedding-dtype", "f32", "--position-dtype", "f32"];
    let report = succeed(&[&["-o", text(&output), "--sample", text(&corpus)][..], &f32s].concat());
    assert!(report["comparison"]["worst_cosine"].as_f64().unwrap() > 1.0 - 1e-6);
    assert_eq!(report["comparison"]["neighbour_loss"], 0.0);
    assert_eq!((&report["vocabulary"], &report["comparison"]["vocabulary_alone"]), (&Value::Null, &Value::Null));
    let printed = export(&["-o", text(&output), "--sample", text(&corpus)]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("manifest entry:") && printed.contains("worst text:"), "{printed}");
}

#[test]
fn faults_end_with_a_status_and_write_nothing() {
    let dir = TempDir::new().unwrap();
    let output = dir.path().join("tiny.gguf");
    let corpus = corpus();
    let blank = dir.path().join("blank.txt");
    std::fs::write(&blank, " \n\n").unwrap();
    let broken = dir.path().join("broken.jsonl");
    std::fs::write(&broken, "{\"text\": \"x\"}\n{\"text\": \n").unwrap();
    let manifest = dir.path().join("manifest.json");
    std::fs::write(&manifest, "{\"version\": 7, \"models\": []}").unwrap();
    let elsewhere = std::env::temp_dir().join("manifest.json");
    let folder = dir.path().join("nowhere/tiny.gguf");
    for (args, status, said) in [
        (vec!["--vocab", "400"], 2, "--vocab-corpus"),
        (vec!["--vocab", "9999", "--vocab-corpus", text(&corpus)], 1, "9999 pieces are wanted; the vocabulary has 482"),
        (vec!["--vocab", "3", "--vocab-corpus", text(&corpus)], 1, "3 pieces are wanted"),
        (vec!["--vocab", "460", "--vocab-corpus", text(&blank)], 1, "no text in it [data]"),
        (vec!["--vocab", "460", "--vocab-corpus", text(&broken)], 1, "line 2: no JSON"),
        (vec!["--dtype", "q5_0"], 2, "q5_0"),
        (vec!["--position-dtype", "q8_0"], 1, "--position-dtype is q8_0"),
        (vec!["--max-tokens", "129"], 1, "--max-tokens is 129; it must lie in 3..=128"),
        (vec!["--manifest", text(&manifest)], 1, "version 7"),
        (vec!["--manifest", text(&elsewhere)], 1, "must lie beside"),
        (vec!["--taxonomy", "missing.taxonomy"], 1, "[io]"),
        (vec!["--figures", text(&manifest)], 1, "no report of `pie eval --json`"),
        (vec!["--make-default"], 2, "--manifest"),
    ] {
        let result = export(&[&["--output", text(&output)][..], &args].concat());
        let stderr = String::from_utf8_lossy(&result.stderr);
        assert_eq!(result.status.code(), Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert!(!output.exists(), "{args:?}");
    }
    assert_eq!(export(&["--output", text(&folder)]).status.code(), Some(1));
    let missing =
        Command::new(env!("CARGO_BIN_EXE_pie")).args(["export", "--checkpoint", "missing", "-o", text(&output)]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}
