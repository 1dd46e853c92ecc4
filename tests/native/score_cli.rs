//! `pie score`: tags held against what annotators accept.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use pie_embed_wasm::sha256_hex;
use serde_json::json;

const KINDS: &str = r#"
[family.craft]
name = "crafts"
definition = "Work of the hands."
[family.voice]
name = "voice"
definition = "Work of the voice."
[kind.fold-it]
name = "fold it"
family = "craft"
definition = "Paper is to be folded."
[kind.cut-it]
name = "cut it"
family = "craft"
definition = "Paper is to be cut."
[kind.sing-it]
name = "sing it"
family = "voice"
definition = "A song is to be sung."
"#;

fn gold(text: &str, kinds: &[&str]) -> String {
    format!("{}\n", json!({"sha256": sha256_hex(text.as_bytes()), "set": "some", "id": "1", "kinds": kinds}))
}

fn tag(text: &str, label: &str, score: f32) -> String {
    format!("{}\n", json!({"text": text, "kinds": [{"label": label, "name": label, "score": score}], "tasks": []}))
}

fn score(dir: &Path, tags: &str, gold: &str) -> Output {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_pie"));
    command.arg("score").arg("--tags").arg(write("tags.jsonl", tags)).arg("--gold").arg(write("gold.jsonl", gold));
    command.arg("--kinds").arg(write("kinds.toml", KINDS)).output().unwrap()
}

#[test]
fn families_and_kinds_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let long = "sing ".repeat(300);
    let gold = gold("fold", &["fold-it"]) + &gold(&long, &["sing-it", "fold-it"]) + &gold("hm", &[]) + &gold("none", &["cut-it"]);
    // The right kind, surely; another kind of the right family; nothing where nothing fits; a text that is not annotated.
    let tags = tag("fold", "fold-it", 0.95) + &tag(&long, "cut-it", 0.5) + &tag("hm", "unknown", 0.9) + &tag("other", "sing-it", 0.9);
    let done = score(dir.path(), &tags, &gold);
    let (stdout, stderr) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(done.status.success(), "{stderr}");
    assert!(stdout.contains("| all | 3 | 1.000 | 0.667 | 0.333 | 0.333 | 1.000 | 1.000 |"), "{stdout}");
    assert!(stdout.contains("| up to 120 characters | 2 | 1.000 | 1.000 | 0.500 | 0.500 | 1.000 | 1.000 |"), "{stdout}");
    assert!(stdout.contains("| more than 1,000 | 1 | 1.000 | 0.000 | 0.000 | 0.000 | – | – |"), "{stdout}");
    assert!(stdout.contains("| voice | 1 | 1.000 | 0.000 |"), "{stdout}");
    assert!(stderr.contains("note: 1 of 4 annotated prompts have no tag"), "{stderr}");
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |tags: &str, gold: &str| {
        let done = score(dir.path(), tags, gold);
        assert!(!done.status.success() && done.stdout.is_empty());
        String::from_utf8(done.stderr).unwrap()
    };
    let good = gold("fold", &["fold-it"]);
    assert!(refused(&tag("other", "fold-it", 0.5), &good).contains("none of its texts is annotated"));
    assert!(
        refused("{\"text\": \"fold\", \"kinds\": [], \"tasks\": []}\n", &good)
            .contains("no row has a kind; tag with a model whose taxonomy has kinds")
    );
    assert!(refused(&tag("fold", "fold-it", 0.5), &gold("fold", &["tell-it"])).contains("gold.jsonl, line 1: no kind \"tell-it\""));
    assert!(refused("{\n", &good).contains("tags.jsonl, line 1: "));
    let strange = score(dir.path(), &tag("fold", "tell-it", 0.5), &good);
    assert!(String::from_utf8(strange.stderr).unwrap().contains("counted as wrong: tell-it"));
}

/// The annotations of the repository name kinds that there are.
#[test]
fn the_repository_s_annotations_are_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let kinds = pie_embed_wasm::train::Kinds::load(&root.join("phrasebook/kinds.toml")).unwrap();
    let rows = fs::read_to_string(root.join("gold/annotations.jsonl")).unwrap();
    let mut seen = std::collections::HashSet::new();
    for line in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(seen.insert(row["sha256"].as_str().unwrap().to_owned()));
        let ids: Vec<&str> = row["kinds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let family = |id: &&str| kinds.families[kinds.kinds[kinds.find(id).unwrap()].family].id.clone();
        let mut families: Vec<String> = Vec::new();
        ids.iter().map(family).for_each(|family| {
            if !families.contains(&family) {
                families.push(family);
            }
        });
        assert_eq!(row["families"], json!(families));
        assert_eq!(row["family"], json!(families[0]));
    }
    assert!(seen.len() >= 200, "{}", seen.len());
}
