//! `pie label` and `pie ieb`: labels of raw instructions, and splits of labelled ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pie_embed_wasm::ErrorCode;
use pie_embed_wasm::label::{Grouping, Labeller, Picker, Source, cross_validate, read_gold};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/instructions.csv")
}

/// The example's instructions and their tasks.
fn rows() -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_path(example()).unwrap();
    reader.records().map(|row| row.unwrap()).map(|row| (row[1].to_owned(), row[2].to_owned())).collect()
}

/// The example in the benchmark's format.
fn benchmark() -> String {
    let mut tasks = serde_json::Map::new();
    for (instruction, task) in rows() {
        let (verb, noun) = task.split_once('|').unwrap();
        let entry = tasks.entry(task.clone()).or_insert_with(|| json!({"number": 0, "samples": []}));
        let samples = entry["samples"].as_array_mut().unwrap();
        samples.push(json!({"category": [verb, noun], "instruction": instruction, "input": "", "output": ""}));
    }
    Value::Object(tasks).to_string()
}

fn pie(dir: &TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pie")).args(args).current_dir(dir).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json_lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_example_is_labelled_as_a_person_does() {
    let labeller = Labeller::new().unwrap();
    let wrong: Vec<(String, String)> = rows().into_iter().filter(|(text, task)| labeller.label(text).category() != *task).collect();
    assert!(wrong.len() <= rows().len() / 10, "{} of {} differ: {wrong:?}", wrong.len(), rows().len());
}

#[test]
fn labels_have_a_source() {
    let labeller = Labeller::new().unwrap();
    for (text, category, source) in [
        ("Write a haiku about rain", "write|haiku", Source::Pair),
        ("When was the Suez Canal opened?", "when|knowledge", Source::Question),
        ("What's the way to the harbour?", "what|knowledge", Source::Question),
        ("How do vaccines work?", "how|knowledge", Source::Question),
        ("Why is the sky blue?", "why|knowledge", Source::Question),
        ("What is the capital of Peru?", "what|knowledge", Source::Question),
        ("Who wrote Middlemarch?", "who|knowledge", Source::Question),
        ("Where is the Atacama desert?", "where|knowledge", Source::Question),
        ("Which river is the longest?", "which|knowledge", Source::Question),
        ("Is a tomato a fruit?", "yes-no|knowledge", Source::Question),
        ("Do penguins have knees?", "yes-no|knowledge", Source::Question),
        ("Is the suggested activity safe?", "yes-no|task", Source::Question),
        ("The capital of Peru", "noun|knowledge", Source::Question),
        ("Calculate 123 + 456", "calculate|math", Source::Math),
        ("Solve for x: 3x + 12 = 48", "solve|math", Source::Math),
        ("Rewriting the essays below, keep them short.", "rewrite|essay", Source::Pair),
        ("Edit the children's stories", "edit|story", Source::Pair),
        ("Summarize.", "summarize|none", Source::None),
        ("?!", "none|none", Source::None),
    ] {
        let label = labeller.label(text);
        assert_eq!((label.category().as_str(), label.source), (category, source), "{text}");
        assert!((0.0..=1.0).contains(&label.conf), "{text}: {}", label.conf);
    }
    assert_eq!(labeller.label("?!").conf, 0.0);
}

#[test]
fn a_pasted_text_changes_neither_label_nor_time() {
    let labeller = Labeller::new().unwrap();
    let long = format!("Summarize the following article in three sentences.\n{}", "the article of a newspaper. ".repeat(1 << 18));
    assert_eq!(labeller.label(&long).category(), "summarize|article");
}

proptest! {
    #[test]
    fn any_text_has_a_label(text in "\\PC{0,80}|([a-zA-Z’'\"\\-., 0-9?\n]{0,120})") {
        let label = Labeller::new().unwrap().label(&text);
        prop_assert!(!label.verb.is_empty() && !label.noun.is_empty() && label.conf.is_finite());
        prop_assert!(!label.category().contains(char::is_whitespace));
    }
}

#[test]
fn weights_are_fitted_and_read_again() {
    let rows = read_gold(&benchmark()).unwrap();
    let examples: Vec<_> = rows.iter().map(|row| &row.example).collect();
    let picker = Picker::fit(&examples);
    assert_eq!(picker.to_text(), Picker::fit(&examples).to_text(), "the same examples give the same weights");
    let read = Picker::parse(&picker.to_text()).unwrap();
    assert_eq!((read.len(), read.to_text()), (picker.len(), picker.to_text()));
    let right = examples.iter().filter(|row| {
        let label = read.pick(&row.candidates);
        label.verb == row.verb && label.noun == row.noun
    });
    assert!(right.count() * 10 >= examples.len() * 9);
    for grouping in [Grouping::Instructions, Grouping::Tasks] {
        let found = cross_validate(&rows, grouping, 5, 0).unwrap();
        assert!(found.both > 0.6 && found.both <= found.verb.min(found.noun), "{found:?}");
        assert_eq!(cross_validate(&rows, grouping, 1, 0).unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(cross_validate(&rows[..3], grouping, 5, 0).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn broken_weights_and_gold_are_refused() {
    for text in ["verb=write", "verb=write NaN", "a 1\nb x"] {
        assert_eq!(Picker::parse(text).unwrap_err().code(), ErrorCode::Data, "{text}");
    }
    for text in ["", "[]", r#"{"a|b": {}}"#, r#"{"a|b": {"samples": [{"category": ["a"], "instruction": "x"}]}}"#] {
        assert_eq!(read_gold(text).unwrap_err().code(), ErrorCode::Data, "{text}");
    }
    let blank = read_gold(r#"{"a|b": {"samples": [{"category": ["a", "b"], "instruction": " "}]}}"#).unwrap_err();
    assert!(blank.to_string().contains("\"a|b\", sample 1"), "{blank}");
}

#[test]
fn text_json_and_csv_give_the_same_labels() {
    let dir = TempDir::new().unwrap();
    let texts = ["Write a poem about rain", "Name three rivers in Asia.", "Tell me a joke, \"please\""];
    let jsonl: Vec<String> = texts.iter().map(|text| json!({"q": text, "text": "else"}).to_string()).collect();
    fs::write(dir.path().join("a.txt"), texts.join("\n")).unwrap();
    fs::write(dir.path().join("a.jsonl"), jsonl.join("\n")).unwrap();
    fs::write(dir.path().join("a.csv"), format!("id,q\n1,{}\n2,{}\n3,\"Tell me a joke, \"\"please\"\"\"\n", texts[0], texts[1])).unwrap();
    let args: [&[&str]; 3] = [&["--input", "a.txt"], &["--input", "a.jsonl", "--column", "q"], &["--input", "a.csv", "--column", "q"]];
    let outputs = args.map(|args| pie(&dir, &[&["label"], args].concat()));
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    let first: Value = serde_json::from_slice(outputs[0].stdout.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!((&first["instruction"], &first["category"], &first["source"]), (&json!(texts[0]), &json!("write|poem"), &json!("pair")));
}

#[test]
fn faulty_rows_keep_their_place() {
    let dir = TempDir::new().unwrap();
    fs::write(
        dir.path().join("in.jsonl"),
        b"{\"instruction\":\"Write a poem\"}\n\n{\"instruction\":\n{\"instruction\":7}\n\xff\n{\"text\":\"Sort the list\"}\n",
    )
    .unwrap();
    let output = pie(&dir, &["label", "--input", "in.jsonl", "--output", "out.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("4 of 6 lines"), "{}", stderr(&output));
    let rows = json_lines(&dir.path().join("out.jsonl"));
    let sound: Vec<bool> = rows.iter().map(|row| row.get("category").is_some()).collect();
    assert_eq!(sound, [true, false, false, false, false, true]);
    assert!(rows.iter().all(|row| row.get("error").is_some() != row.get("category").is_some()));
    // What is labelled of it can be used.
    let stats = pie(&dir, &["ieb", "stats", "out.jsonl"]);
    assert!(stats.status.success() && String::from_utf8_lossy(&stats.stdout).starts_with("instructions 2 "), "{}", stderr(&stats));
    // Nothing is overwritten unasked.
    let again = pie(&dir, &["label", "--input", "in.jsonl", "--output", "out.jsonl"]);
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
}

#[test]
fn a_missing_column_is_named_with_those_present() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a.csv"), "id,question\n1,Write a poem\n").unwrap();
    let output = pie(&dir, &["label", "--input", "a.csv"]);
    assert!(!output.status.success() && stderr(&output).contains("\"id\", \"question\""), "{}", stderr(&output));
    let output = pie(&dir, &["label", "--input", "a.csv", "--format", "text", "--column", "id"]);
    assert!(!output.status.success() && stderr(&output).contains("no column \"id\"; there are \"instruction\""), "{}", stderr(&output));
    // A short row is the row's fault.
    fs::write(dir.path().join("b.csv"), "id,question\n1\n2,Write a poem\n").unwrap();
    let output = pie(&dir, &["label", "--input", "b.csv", "--column", "question"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("line 2: there are 1 fields; the header has 2"), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

#[test]
fn synonyms_merge_and_rare_labels_go() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("index.verb"), "  1 a licence\ncreate v 1 0 1 1 00000001  \nmake v 1 0 1 1 00000001  \n").unwrap();
    fs::write(dir.path().join("index.noun"), "song n 1 0 1 1 00000001  \n").unwrap();
    fs::write(dir.path().join("in.txt"), "Create a song about rain\nMake a song about snow\nName three rivers in Asia.\n").unwrap();
    let output = pie(&dir, &["label", "--input", "in.txt", "--output", "out.jsonl", "--merge-synonyms", ".", "--min-count", "2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let categories: Vec<Value> = json_lines(&dir.path().join("out.jsonl")).into_iter().map(|row| row["category"].clone()).collect();
    assert_eq!(categories, ["create|song##make|song", "create|song##make|song"]);
    let output = pie(&dir, &["label", "--input", "in.txt", "--merge-synonyms", "nowhere"]);
    assert!(!output.status.success() && stderr(&output).contains("nowhere/index.verb"), "{}", stderr(&output));
}

#[test]
fn the_fit_command_prints_agreement_and_its_weights_label() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("gold.json"), benchmark()).unwrap();
    let output = pie(&dir, &["label", "--fit", "gold.json", "--output", "weights.txt"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("5 folds, instructions held out: verb 0.") && printed.contains("whole tasks held out"), "{printed}");
    let output = pie(&dir, &["label", "--input", example().to_str().unwrap(), "--weights", "weights.txt"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).lines().count() == rows().len(), "{}", stderr(&output));
    let output = pie(&dir, &["label", "--fit", "gold.json"]);
    assert!(!output.status.success() && stderr(&output).contains("--output"), "{}", stderr(&output));
}

#[test]
fn splits_share_neither_task_nor_instruction() {
    let dir = TempDir::new().unwrap();
    let label = pie(&dir, &["label", "--input", example().to_str().unwrap(), "--output", "all.jsonl"]);
    assert!(label.status.success(), "{}", stderr(&label));
    let split = ["ieb", "split", "all.jsonl", "--train", "train.jsonl", "--test", "test.json", "--test-share", "0.3"];
    let output = pie(&dir, &split);
    assert!(output.status.success(), "{}", stderr(&output));
    let test: Value = serde_json::from_str(&fs::read_to_string(dir.path().join("test.json")).unwrap()).unwrap();
    let test = test.as_object().unwrap();
    let train = json_lines(&dir.path().join("train.jsonl"));
    assert!(train.iter().all(|row| !test.contains_key(row["category"].as_str().unwrap())));
    let held: u64 = test.values().map(|entry| entry["number"].as_u64().unwrap()).sum();
    assert_eq!(train.len() + held as usize, rows().len());
    assert!((held as f64 / rows().len() as f64 - 0.3).abs() < 0.1, "{held}");
    let stats = pie(&dir, &["ieb", "stats", "test.json"]);
    assert!(String::from_utf8_lossy(&stats.stdout).starts_with(&format!("instructions {held} ")), "{}", stderr(&stats));
    let args = ["ieb", "stats", "test.json", "--chart", "tasks.svg"];
    assert!(pie(&dir, &args).status.success());
    let svg = fs::read_to_string(dir.path().join("tasks.svg")).unwrap();
    assert!(test.keys().filter(|task| svg.contains(task.as_str())).count() >= test.len().min(20) - 1, "{svg}");
    assert!(stderr(&pie(&dir, &args)).contains("tasks.svg exists: --force"));
    // A text that stands under several tasks stays on one side.
    fs::write(dir.path().join("two.jsonl"), "{\"instruction\":\"x\",\"category\":\"a|b\"}\n{\"instruction\":\"x\",\"category\":\"c|d\"}\n")
        .unwrap();
    let output = pie(&dir, &["ieb", "split", "two.jsonl", "--train", "t.jsonl", "--test", "u.jsonl"]);
    assert!(stderr(&output).contains("1 instructions left out"), "{}", stderr(&output));
    let no_share: Vec<&str> = split[..7].iter().copied().chain(["--force", "--test-share", "0"]).collect();
    for args in [&split[..], &no_share[..], &["ieb", "stats", "none.jsonl"]] {
        assert!(!pie(&dir, args).status.success(), "{args:?}");
    }
}

#[test]
fn labels_are_joined_as_another_data_set_joins_its_own() {
    let dir = TempDir::new().unwrap();
    let row = |text: &str, category: &str| format!("{{\"instruction\":\"{text}\",\"category\":\"{category}\",\"conf\":0.5}}\n");
    let data = row("Make a song", "make|song") + &row("Create a song", "create|song") + &row("Make a plan", "make|plan");
    fs::write(dir.path().join("data.jsonl"), data).unwrap();
    fs::write(dir.path().join("like.jsonl"), row("Create a tale", "create|tale##make|tale")).unwrap();
    let merge = ["ieb", "merge", "data.jsonl", "--like", "like.jsonl", "-o", "joined.jsonl"];
    let output = pie(&dir, &merge);
    assert!(stderr(&output).contains("2 of 3 labels joined, 2 tasks"), "{}", stderr(&output));
    let joined = json_lines(&dir.path().join("joined.jsonl"));
    let songs: Vec<&Value> = joined.iter().filter(|row| row["category"] == "create|song##make|song").collect();
    assert_eq!((joined.len(), songs.len(), songs[0]["conf"].as_f64()), (3, 2, Some(0.5)));
    assert!(stderr(&pie(&dir, &merge)).contains("joined.jsonl exists: --force"));
}
