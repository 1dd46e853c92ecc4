//! The command line with a taxonomy of three levels, and with texts that the model cannot read.

use pie_embed_wasm::config::{Dtype, Pooling};
use serde_json::{Value, json};

use crate::common::tiny;
use crate::taxonomy::{kinds, labelled};
use crate::uses_cli::Bench;

/// Words of which the tiny model's vocabulary has not one letter.
const UNREAD: [&str; 3] = ["ᚠᚢᚦ ᚨᚱᚲ", "ᛉᛊᛏ ᛒᛖᛗ", "ᚲᛊᛏ ᛗᛖᛗ"];

fn lines<T: serde::Serialize>(rows: &[T]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).unwrap() + "\n").collect()
}

/// A folder with a model, rows for its taxonomy, and the taxonomy where it has three levels.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("tiny.gguf", tiny(Dtype::Q8_0, Pooling::Mean));
    bench.write("tasks.jsonl", lines(&labelled()));
    bench.write("kinds.jsonl", lines(&kinds()));
    let output = bench.run("taxonomy --data tasks.jsonl --kinds kinds.jsonl -o tiny.taxonomy --merge-above 0.9999");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("3 kinds (") && said.contains("3 families of the same rows; "), "{said}");
    bench
}

fn tag(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let output = bench.command("tag --json").args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn tags_have_kinds_with_their_family() {
    let bench = bench();
    let rows = tag(&bench, &["Write a poem about snow", "Find 7 errors, 100 % sure, in: snow"]);
    for (row, [label, name, family]) in rows.iter().zip([["verse", "write verse", "writing"], ["proofread", "find errors", "editing"]]) {
        let kinds = row["kinds"].as_array().unwrap();
        assert_eq!(row["kind"], kinds[0]);
        let best = kinds.iter().find(|kind| kind["label"] != "unknown").unwrap();
        assert_eq!([&best["label"], &best["name"], &best["family"]], [label, name, family]);
        assert!(best["score"].as_f64().is_some() && best.get("reason").is_none());
        assert!(row["tasks"].as_array().unwrap().iter().all(|task| task.get("family").is_none()));
        assert_eq!((kinds.len(), row["tasks"].as_array().unwrap().len(), row["unread"].as_f64()), (3, 3, Some(0.0)));
    }
    // The number of kinds is asked for; that of tasks stays.
    let one = tag(&bench, &["--top-k", "1", "Write a poem about snow"]);
    assert_eq!((one[0]["kinds"].as_array().unwrap().len(), one[0]["tasks"].as_array().unwrap().len()), (1, 3));
    let with_error = tag(&bench, &[" "]);
    assert_eq!((&with_error[0]["kinds"], &with_error[0]["kind"], &with_error[0]["tasks"]), (&json!([]), &Value::Null, &json!([])));
}

#[test]
fn a_taxonomy_that_may_become_too_large_is_refused_before_it_is_made() {
    let bench = bench();
    let size = std::fs::metadata(bench.path("tiny.taxonomy")).unwrap().len();
    let make = "taxonomy --data tasks.jsonl --kinds kinds.jsonl -o x.taxonomy --max-bytes";
    bench.refuses(&[
        ("taxonomy --data tasks.jsonl -o x.taxonomy --unknown-share 0", 1, "--unknown-share is 0; it must lie between 0 and 1"),
        ("taxonomy --data tasks.jsonl -o x.taxonomy --unknown-share NaN", 1, "--unknown-share is NaN"),
        (&format!("{make} {size}"), 1, "the taxonomy may take "),
        (&format!("{make} {size}"), 1, "with vectors of 64 dimensions"),
        (&format!("{make} {size}"), 1, "--max-labels 3 fits"),
        (&format!("{make} 1000"), 1, "more than --max-bytes 1000: its kinds and the fewest tasks are too many"),
    ]);
    bench.ok(&format!("{make} {size} --max-labels 3 --merge-above 0.9999"));
}

#[test]
fn what_the_vocabulary_lacks_is_said() {
    let bench = bench();
    let rows = tag(&bench, &[UNREAD[0], "ᚠᚢᚦ, write a poem"]);
    let unknown = json!({"label": "unknown", "name": "no known task", "score": 1.0, "reason": "unread"});
    assert_eq!(rows[0], json!({"text": UNREAD[0], "kinds": [unknown], "kind": unknown, "tasks": [unknown], "unread": 1.0}));
    let share = rows[1]["unread"].as_f64().unwrap();
    assert!(share > 0.0 && share <= 0.5 && rows[1]["kind"].get("reason").is_none(), "{}", rows[1]);

    bench.write("in.txt", format!("{}\nWrite a poem\n", UNREAD[0]));
    let embedded = bench.ok("embed --input in.txt --output -");
    let embedded: Vec<Value> = embedded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((embedded[0]["unread"].as_f64(), embedded[1].get("unread")), (Some(1.0), None));
}

#[test]
fn unread_texts_are_no_duplicates_and_stand_for_nobody() {
    let bench = bench();
    let texts = [UNREAD[0], UNREAD[1], UNREAD[2], UNREAD[0], "Write a poem about snow", "Write a poem about snow", "Sort a list"];
    let rows: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
    bench.write("pool.jsonl", lines(&rows));
    let said = bench.ok("select --input pool.jsonl -n 5 --dedupe 0.999 --draws 1 -o out.jsonl --report report.json");
    assert!(said.contains("2 near-duplicates left out, 4 that the model cannot read"), "{said}");
    let chosen: Vec<String> = bench.rows("out.jsonl").iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect();
    // What can be read comes first, and of equal texts one is left, read or not.
    assert_eq!(chosen[2..], UNREAD);
    assert!(chosen[..2].contains(&"Sort a list".to_owned()), "{chosen:?}");
    assert_eq!(bench.json("report.json")["unread"], 4);

    bench.ok("report --input pool.jsonl -o out.html");
    let page = std::fs::read_to_string(bench.path("out.html")).unwrap();
    assert!(page.contains("3 of the 5 different texts are left out"), "{page}");
    assert!(page.contains("<dd>0 %</dd><dt>of the different texts have a near-duplicate</dt>"), "{page}");
    bench.write("unread.txt", UNREAD.join("\n"));
    bench.ok("report --input unread.txt -o unread.html");
    let page = std::fs::read_to_string(bench.path("unread.html")).unwrap();
    assert!(page.contains("3 of the 3 different texts are left out") && page.contains("Too few texts for a map"), "{page}");
}
