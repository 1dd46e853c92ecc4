//! What the training tests share: the tiny model, made-up data, runs of the program.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub fn tiny_dir() -> PathBuf {
    fixtures().join("tiny")
}

/// Twelve tasks with eight instructions each, as JSONL.
pub fn labelled() -> String {
    let topics = ["the sea", "a cat", "rain", "the old town", "a train", "bread", "the moon", "a garden"];
    let mut out = String::new();
    for verb in ["write", "find", "explain", "list"] {
        for noun in ["poem", "answer", "story"] {
            for topic in topics {
                writeln!(out, r#"{{"instruction": "{verb} the {noun} of {topic}", "category": "{verb}|{noun}", "conf": 0.9}}"#).unwrap();
            }
        }
    }
    out
}

/// A folder with data, for runs of `pie train`.
pub struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        fs::write(bench.path("data.jsonl"), labelled()).unwrap();
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `pie train` with small batches into `out`; a setting given again takes the place of these.
    pub fn command(&self, out: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pie"));
        let mut options = vec![
            ("--data", self.path("data.jsonl").display().to_string()),
            ("--base", tiny_dir().display().to_string()),
            ("--out", self.path(out).display().to_string()),
        ];
        options.extend([("--steps", "12"), ("--tasks", "6"), ("--samples", "3"), ("--lr", "1e-3")].map(|(k, v)| (k, v.to_owned())));
        options.extend([("--eval-every", "5"), ("--checkpoint-every", "2"), ("--dev-fraction", "0.25")].map(|(k, v)| (k, v.to_owned())));
        options.retain(|(name, _)| !more.contains(name) && (*name != "--steps" || !more.contains(&"--epochs")));
        command.arg("train").args(options.iter().flat_map(|(k, v)| [*k, v.as_str()])).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, out: &str, more: &[&str]) -> Output {
        self.command(out, more).output().unwrap()
    }

    pub fn ok(&self, out: &str, more: &[&str]) -> String {
        let output = self.run(out, more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        error
    }

    /// The message of a run that must fail.
    pub fn fails(&self, out: &str, more: &[&str]) -> String {
        let output = self.run(out, more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(!error.contains("panicked"), "{error}");
        error
    }

    pub fn weights(&self, out: &str) -> Vec<u8> {
        fs::read(self.path(out).join("model/model.safetensors")).unwrap()
    }

    pub fn metrics(&self, out: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path(out).join("metrics.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Starts a run and kills it without warning once it has recorded so many steps.
pub fn kill_after(bench: &Bench, out: &str, steps: usize, more: &[&str]) {
    let mut child = bench.command(out, more).spawn().unwrap();
    let metrics = bench.path(out).join("metrics.jsonl");
    let start = Instant::now();
    loop {
        let lines = fs::read_to_string(&metrics)
            .map_or(0, |text| text.lines().filter(|l| l.contains("\"step\",") || l.contains("\"loss\"")).count());
        if lines >= steps {
            break;
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
