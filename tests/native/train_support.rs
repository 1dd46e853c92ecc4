//! What the training tests share: the tiny model and made-up data.

use std::fmt::Write as _;
use std::path::PathBuf;

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
