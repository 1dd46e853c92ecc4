//! `pie eval` as a user has it, on the tiny model.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pie_embed_wasm::config::{Dtype, Pooling};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::tiny;

struct Bench {
    dir: TempDir,
    model: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let model = dir.path().join("tiny.gguf");
        std::fs::write(&model, tiny(Dtype::F32, Pooling::Mean)).unwrap();
        Self { dir, model }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn eval(&self, args: &[&Path]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pie")).arg("eval").arg("--model").arg(&self.model).args(args).output().unwrap()
    }
}

fn p(text: &str) -> &Path {
    Path::new(text)
}

fn tasks() -> String {
    let task = |verb: &str, noun: &str, texts: [&str; 3]| {
        let samples: Vec<Value> =
            texts.iter().map(|text| json!({"category": [verb, noun], "instruction": text, "input": "", "output": ""})).collect();
        (format!("{verb}|{noun}"), json!({"number": 3, "samples": samples}))
    };
    let tasks = [
        task("write", "poem", ["Write a poem about rain", "Write a short poem about the sea", "Write me a poem about love"]),
        task("translate", "sentence", ["Translate the sentence to French", "Translate this sentence", "Translate a sentence into German"]),
        task("sum", "number", ["Sum the numbers 3 and 4", "Sum these numbers", "Sum up the numbers in the list"]),
        ("fix|bug##debug|code".to_owned(), json!({"number": 1, "samples": [{"instruction": "Fix the bug in this code"}]})),
    ];
    Value::Object(tasks.into_iter().collect()).to_string()
}

const PAIRS: &str = r#"[
    {"instruction1": "Write a poem about rain", "intention1": "", "instruction2": "Write a poem about the sea", "intention2": "", "label": 1},
    {"instruction1": "Sum these numbers", "intention1": "", "instruction2": "Sum the numbers in the list", "intention2": "", "label": 1},
    {"instruction1": "Sum these numbers", "intention1": "", "instruction2": "Translate this sentence", "intention2": "", "label": 0}]"#;
const PARAPHRASES: &str = "# poem\nWrite a poem about rain\nPut the rain into rhyme\nVerses on rain\nA rainy poem, please\n\n\
    # sum\nSum these numbers\nAdd up the list\nWhat is the total?\nTotal of the figures\n";

fn mean(report: &Value, test: usize, encoder: usize, score: &str) -> f64 {
    report["tests"][test]["encoders"][encoder]["scores"][score]["mean"].as_f64().unwrap_or_else(|| panic!("{score} in {report}"))
}

#[test]
fn all_tests_in_one_run() {
    let bench = Bench::new();
    let eft = bench.file("tasks.json", &tasks());
    let iis = bench.file("pairs.json", PAIRS);
    let paraphrase = bench.file("paraphrases.txt", PARAPHRASES);
    let report_dir = bench.dir.path().join("report");
    let args = [p("--eft-test"), &eft, p("--iis"), &iis, p("--paraphrase"), &paraphrase, p("--disturb"), &eft, p("--baseline"), p("tfidf")];
    let output = bench.eval(&[&args[..], &[p("--report"), &report_dir, p("--json")]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["model"]["dimensions"], 64);
    let kinds: Vec<&str> = report["tests"].as_array().unwrap().iter().map(|test| test["test"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["clustering", "similarity", "paraphrase", "disturbance"]);
    for encoder in [0, 1] {
        for (test, scores) in [
            (0, &["ari", "purity", "homogeneity", "silhouette"][..]),
            (1, &["spearman"]),
            (2, &["nearest", "r_precision", "three_shot"]),
            (3, &["clean", "polite", "sloppy", "typos", "pasted", "context"]),
        ] {
            for score in scores {
                assert!((-1.0..=1.0).contains(&mean(&report, test, encoder, score)), "{score}");
            }
        }
    }
    // Two positives, one negative: √(3 · 2 · 1 / 8), and TF-IDF, which counts words, reaches it.
    let ceiling = report["tests"][1]["encoders"][0]["scores"]["spearman"]["ceiling"].as_f64().unwrap();
    assert!((ceiling - 0.75_f64.sqrt()).abs() < 1e-12);
    assert!((mean(&report, 1, 0, "spearman") - ceiling).abs() < 1e-9);
    assert_eq!(mean(&report, 3, 0, "clean"), 1.0);
    assert_eq!(mean(&report, 3, 0, "sloppy"), 1.0);

    let written: Value = serde_json::from_slice(&std::fs::read(report_dir.join("eval.json")).unwrap()).unwrap();
    assert_eq!(written, report);
    for map in ["map-tasks.svg", "map-paraphrases.svg"] {
        let svg = std::fs::read_to_string(report_dir.join(map)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.matches("<circle").count() >= 16, "{map}");
    }
    // A second run says the same, and the table has the same numbers.
    let table = bench.eval(&args);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("similarity") && table.contains(&format!("{:.4} of {ceiling:.4}", mean(&report, 1, 0, "spearman"))), "{table}");
    assert!(table.contains(&format!("{:.4}", mean(&report, 0, 1, "ari"))), "{table}");
}

#[test]
fn options_reach_the_model() {
    let bench = Bench::new();
    let paraphrase = bench.file("paraphrases.txt", PARAPHRASES);
    let run = |more: &[&Path]| {
        let output = bench.eval(&[&[p("--paraphrase"), &*paraphrase, p("--json")], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let report = run(&[p("--dimensions"), p("16"), p("--prompt"), p("short")]);
    assert_eq!((&report["model"]["dimensions"], &report["model"]["prompt"]), (&json!(16), &json!("short")));
    let baseline = run(&[p("--baseline"), p("minilm"), p("--baseline-model"), &bench.model]);
    assert_eq!(mean(&baseline, 0, 0, "nearest"), mean(&baseline, 0, 1, "nearest"));
}

#[test]
fn faults_end_with_a_status_and_a_reason() {
    let bench = Bench::new();
    let good = bench.file("paraphrases.txt", PARAPHRASES);
    let bad = bench.file("bad.json", r#"{"a|b": {"samples": []}}"#);
    let folder = bench.file("a-file", "");
    let missing = bench.dir.path().join("missing.json");
    for (args, status, said) in [
        (vec![], 2, "--eft-test"),
        (vec![p("--eft-test"), &*bad], 1, "has no sample [data]"),
        (vec![p("--eft-test"), &*missing], 1, "[io]"),
        (vec![p("--paraphrase"), &*good, p("--dimensions"), p("65")], 1, "[invalid_dimensions]"),
        (vec![p("--paraphrase"), &*good, p("--dimensions"), p("0")], 1, "[invalid_dimensions]"),
        (vec![p("--paraphrase"), &*good, p("--prompt"), p("no slot")], 2, "{instruction}"),
        (vec![p("--paraphrase"), &*good, p("--seeds"), p("0")], 2, "--seeds"),
        (vec![p("--paraphrase"), &*good, p("--baseline"), p("minilm"), p("--baseline-model"), &*missing], 1, "[io]"),
        (vec![p("--paraphrase"), &*good, p("--baseline"), p("minilm"), p("--baseline-model"), &*bad], 1, "[model_format]"),
        (vec![p("--paraphrase"), &*good, p("--report"), &*folder], 1, "[io]"),
    ] {
        let output = bench.eval(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}
