//! The benchmark's files: what is read, and what faults are said of which entry or line.

use pie_embed_wasm::ErrorCode;
use pie_embed_wasm::ieb::{PairSet, ParaphraseSet, TaskSet};

#[test]
fn tasks_are_read() {
    let set = TaskSet::parse(
        r#"{"compute|value##calculate|value": {"number": 2, "samples": [
              {"category": ["compute", "value"], "instruction": "Compute 2 + 2", "input": "", "output": "4"},
              {"category": ["calculate", "value"], "instruction": "Calculate 3 · 3"}]},
            "write|poem": {"number": 2, "samples": [{"instruction": "Compute 2 + 2"}, {"instruction": "Compute 2 + 2 "}]}}"#,
    )
    .unwrap();
    assert_eq!(set.tasks, ["compute|value##calculate|value", "write|poem"]);
    assert_eq!(set.labels(), [0, 0, 1, 1]);
    assert_eq!(set.texts()[1], "Calculate 3 · 3");
    assert_eq!(set.duplicates(), (1, 1));
}

#[test]
fn pairs_are_read() {
    let set = PairSet::parse(r#"[{"instruction1": "a", "intention1": "x", "instruction2": "b", "intention2": "y", "label": 1}]"#).unwrap();
    assert_eq!(set.balance(), (0, 1));
    assert_eq!((set.pairs[0].first.as_str(), set.pairs[0].second.as_str()), ("a", "b"));
}

#[test]
fn paraphrases_are_read() {
    let blocks = "\u{feff}# write a poem\r\nPut the harbour into rhyme\r\n\r\n  Verses, please  \n#explain\nHow do tides work?\n";
    let set = ParaphraseSet::parse(blocks).unwrap();
    assert_eq!(set.tasks, ["write a poem", "explain"]);
    assert_eq!(set.texts(), ["Put the harbour into rhyme", "Verses, please", "How do tides work?"]);
    assert_eq!(set.labels(), [0, 0, 1]);
    let json = ParaphraseSet::parse(r#"{"explain": ["How?"], "write": ["Verses", "Rhyme it"]}"#).unwrap();
    assert_eq!((json.tasks.len(), json.labels()), (2, vec![0, 1, 1]));
}

#[test]
fn faults_are_located() {
    type Parse = fn(&str) -> pie_embed_wasm::Result<()>;
    let tasks: Parse = |text| TaskSet::parse(text).map(drop);
    let pairs: Parse = |text| PairSet::parse(text).map(drop);
    let paraphrases: Parse = |text| ParaphraseSet::parse(text).map(drop);
    for (parse, text, said) in [
        (tasks, "", "no JSON"),
        (tasks, "[]", "an object"),
        (tasks, "{}", "no task"),
        (tasks, r#"{"write|poem": {"samples": [}}"#, "line 1 column"),
        (tasks, r#"{"writepoem": {"samples": [{"instruction": "x"}]}}"#, "\"writepoem\" is no verb|noun"),
        (tasks, r#"{"write|poem##|value": {"samples": [{"instruction": "x"}]}}"#, "\"|value\" is no verb|noun"),
        (tasks, r#"{"a|b": {"samples": [{"instruction": "x"}]}, "c|d": {"number": 1}}"#, "task 2 (\"c|d\") has no \"samples\""),
        (tasks, r#"{"a|b": {"samples": "none"}}"#, "\"samples\" is no list"),
        (tasks, r#"{"a|b": {"samples": []}}"#, "task 1 (\"a|b\") has no sample"),
        (tasks, r#"{"a|b": {"samples": [{"instruction": "x"}, {"input": "x"}]}}"#, "sample 2: missing field `instruction`"),
        (tasks, r#"{"a|b": {"samples": [{"instruction": 3}]}}"#, "sample 1: invalid type"),
        (tasks, r#"{"a|b": {"samples": [{"instruction": " \n"}]}}"#, "sample 1: the instruction is blank"),
        (pairs, "{}", "a list"),
        (pairs, "[]", "no pair"),
        (pairs, r#"[{"instruction1": "a", "instruction2": "b", "label": 1}, {"instruction1": "a", "label": 0}]"#, "pair 2: missing field"),
        (pairs, r#"[{"instruction1": "a", "instruction2": "b", "label": 2}]"#, "pair 1: label is 2"),
        (pairs, r#"[{"instruction1": "a", "instruction2": "b", "label": 0.5}]"#, "pair 1: invalid type"),
        (pairs, r#"[{"instruction1": "a", "instruction2": "", "label": 0}]"#, "pair 1: an instruction is blank"),
        (paraphrases, "", "0 tasks"),
        (paraphrases, "# a\nx\n", "1 tasks"),
        (paraphrases, "x\n# a\ny\n", "line 1: a sentence stands before"),
        (paraphrases, "# a\n\n# b\ny\n", "line 1: the task has no sentence"),
        (paraphrases, "# a\nx\n# b\n", "line 3: the task has no sentence"),
        (paraphrases, "# a\nx\n# b\ny\n# a\nz\n", "line 5: task \"a\" began on line 1"),
        (paraphrases, "# a\nx\n#  \ny\n", "line 3: '#' without"),
        (paraphrases, r#"{"a": ["x"], "b": []}"#, "task \"b\" has no sentence"),
        (paraphrases, r#"{"a": ["x", " "], "b": ["y"]}"#, "sentence 2 is blank"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Data, "{text}");
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
}
