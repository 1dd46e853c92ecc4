//! Labelled data, batches and augmentation.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use pie_embed_wasm::train::{Augmenter, Batch, DataFile, Material, Probabilities, Sampler, Shape, Source, files};
use pie_embed_wasm::{ErrorCode, Result};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::train_support::labelled;

fn parse(text: &str) -> Result<Source> {
    Source::parse(Path::new("data.jsonl"), text, 1.0, 0.0)
}

fn line(text: &str, category: &str) -> String {
    format!("{}\n", serde_json::json!({"instruction": text, "category": category}))
}

#[test]
fn synonyms_make_a_label_set() {
    let text =
        [line("a", "compute|value##calculate|value"), line("b", "calculate|value"), line("c", "compute|value"), line("d", "x|y")].concat();
    let source = parse(&text).unwrap();
    let e = &source.examples;
    assert!(e[0].same_task(&e[1]) && e[0].same_task(&e[2]) && !e[1].same_task(&e[2]) && !e[0].same_task(&e[3]));
    // Connected by the first, they are never parted by a split.
    assert_eq!(source.tasks(), [vec![0, 1, 2], vec![3]]);
}

#[test]
fn conflicts_and_duplicates_are_counted() {
    let text = [
        line("Write a poem", "write|poem"),
        line("write  a POEM", "write|poem"),
        line("Do it", "do|this"),
        line("Tell me", "tell|me"),
        line("do it", "do|that"),
    ];
    let source = parse(&text.concat()).unwrap();
    assert_eq!(source.examples.iter().map(|e| e.text.as_str()).collect::<Vec<_>>(), ["Write a poem", "Tell me"]);
    let f = &source.findings;
    assert_eq!((f.lines, f.duplicates, f.conflicts, f.conflicting_lines.as_slice()), (5, 1, 2, [3, 5].as_slice()));
}

#[test]
fn bad_data_names_its_lines() {
    let message = |text: &str| {
        let e = parse(text).unwrap_err();
        assert_eq!(e.code(), ErrorCode::Data, "{e}");
        e.to_string()
    };
    assert!(message("").contains("empty"));
    assert!(message("\n \n").contains("empty"));
    let good = line("a", "b|c");
    assert!(message(&format!("{good}{{\"instruction\": \"a\"}}\n")).contains("line 2: no \"category\""));
    assert!(message(&format!("{good}\n{{\"category\": \"a|b\"}}\n")).contains("line 3: no \"instruction\""));
    assert!(message(&line(" \t", "a|b")).contains("line 1: the instruction is blank"));
    assert!(message(&line("a", " ## ")).contains("line 1: the category is blank"));
    assert!(message(&format!("{good}{{\"instruction\"")).contains("1 of 2 lines"));
    assert!(message("[1, 2]\n").contains("line 1"));
    let all = message(&"nonsense\n".repeat(9));
    assert!(all.contains("9 of 9") && all.contains("line 5") && !all.contains("line 6") && all.ends_with('…'), "{all}");
    let unsure = r#"{"instruction": "a", "category": "b|c", "conf": 0.2}"#;
    let e = Source::parse(Path::new("d"), unsure, 1.0, 0.5).unwrap_err();
    assert!(e.to_string().contains("no example is left of 1 lines (1 below conf 0.5"), "{e}");
    assert_eq!(Source::load(Path::new("/no/such/file"), 1.0, 0.0).unwrap_err().code(), ErrorCode::Io);
}

#[test]
fn single_task_data_is_refused() {
    for text in [line("a", "b|c"), line("a", "b|c") + &line("d", "b|c"), line("a", "b|c") + &line("d", "e|f")] {
        let e = parse(&text).unwrap().check_trainable().unwrap_err();
        assert_eq!(e.code(), ErrorCode::Data);
        assert!(e.to_string().contains("tasks"), "{e}");
    }
    parse(&(line("a", "b|c") + &line("d", "b|c") + &line("g", "e|f"))).unwrap().check_trainable().unwrap();
}

#[test]
fn folders_and_weights_are_read() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(files(dir.path()).unwrap_err().code(), ErrorCode::Data);
    for name in ["b.jsonl", "a.jsonl", "c.json"] {
        std::fs::write(dir.path().join(name), labelled()).unwrap();
    }
    let found = files(dir.path()).unwrap();
    assert_eq!(found.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>(), ["a.jsonl", "b.jsonl"]);

    let file = |text: &str| text.parse::<DataFile>();
    assert_eq!(file("x.jsonl:0.5").unwrap(), DataFile { path: "x.jsonl".into(), weight: 0.5 });
    assert_eq!(file("x.jsonl").unwrap().weight, 1.0);
    assert_eq!(file("dir:with/colon").unwrap().path, Path::new("dir:with/colon"));
    assert_eq!(file("x.jsonl:0").unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(file("x.jsonl:-1").unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_split_holds_out_whole_tasks() {
    let source = parse(&labelled()).unwrap();
    let (rest, held_out) = source.split(0.25, 7);
    assert_eq!(rest.examples.len() + held_out.examples.len(), source.examples.len());
    assert_eq!(held_out.examples.len(), 24);
    assert!(!rest.examples.iter().any(|a| held_out.examples.iter().any(|b| a.same_task(b))));
    assert_eq!(source.split(0.25, 7).1.examples, held_out.examples);
    assert_ne!(source.split(0.25, 8).1.examples, held_out.examples);
    assert!(source.split(0.0, 7).1.examples.is_empty());
}

fn sampler_rows(source: &Source, batch: &Batch) -> HashMap<u32, usize> {
    let mut tasks = HashMap::new();
    batch.rows.iter().for_each(|&row| *tasks.entry(source.examples[row as usize].labels[0]).or_insert(0) += 1);
    tasks
}

#[test]
fn groups_hold_hard_tasks_together() {
    let sources = [parse(&labelled()).unwrap()];
    let sampler = Sampler::new(&sources, Shape::Groups { tasks: 6, samples: 4, hard: 2 }, 0.5, 3);
    let mut seen = HashSet::new();
    for n in 0..50 {
        let batch = sampler.batch(n);
        assert_eq!(batch, Sampler::new(&sources, Shape::Groups { tasks: 6, samples: 4, hard: 2 }, 0.5, 3).batch(n), "no state");
        let tasks = sampler_rows(&sources[0], &batch);
        assert_eq!((batch.rows.len(), tasks.len()), (24, 6));
        assert!(tasks.values().all(|&count| count == 4));
        assert_eq!(batch.rows.iter().collect::<HashSet<_>>().len(), 24, "no example twice");
        let part = |id: &u32| sources[0].labels[*id as usize].parts();
        let shares = |a: (&str, Option<&str>), b: (&str, Option<&str>)| a != b && (a.0 == b.0 || a.1 == b.1);
        assert!(tasks.keys().any(|a| tasks.keys().any(|b| shares(part(a), part(b)))));
        seen.extend(batch.rows);
    }
    assert_eq!(seen.len(), sources[0].examples.len(), "all examples come up");
}

#[test]
fn triples_are_anchor_positive_and_hard_negative() {
    let sources = [parse(&labelled()).unwrap()];
    let sampler = Sampler::new(&sources, Shape::Triples { count: 10 }, 0.5, 3);
    for n in 0..20 {
        let Batch { rows, .. } = sampler.batch(n);
        let of = |row: u32| &sources[0].examples[row as usize];
        for i in 0..10 {
            let (anchor, positive, negative) = (of(rows[i]), of(rows[10 + i]), of(rows[20 + i]));
            assert!(rows[i] != rows[10 + i] && anchor.same_task(positive) && !anchor.same_task(negative));
            let parts = |label: u32| sources[0].labels[label as usize].parts();
            let (a, b) = (parts(anchor.labels[0]), parts(negative.labels[0]));
            assert!(a.0 == b.0 || a.1 == b.1);
        }
    }
}

#[test]
fn sources_are_drawn_by_weight_and_never_mixed() {
    let mut sources = [parse(&labelled()).unwrap(), parse(&labelled()).unwrap()];
    sources[1].weight = 3.0;
    let sampler = Sampler::new(&sources, Shape::Groups { tasks: 4, samples: 2, hard: 0 }, 0.0, 1);
    let second = (0..400).filter(|&n| sampler.batch(n).source == 1).count();
    assert!((270..330).contains(&second), "{second} of 400");
}

#[test]
fn material_is_read_from_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    assert_eq!(Material::load(dir.path()).unwrap_err().code(), ErrorCode::Data);
    write("wrappers.txt", "Please {instruction}\n\nDo this: {instruction}\n");
    write("documents.txt", "One two.\nThree.\n\nFour.\n");
    let material = Material::load(dir.path()).unwrap();
    assert_eq!((material.wrappers.len(), material.documents.len()), (2, 2));
    write("wrappers.txt", "no slot\n");
    assert!(Material::load(dir.path()).unwrap_err().to_string().contains("no slot"));
    write("wrappers.txt", "\n");
    assert_eq!(Material::load(dir.path()).unwrap_err().code(), ErrorCode::Data);
}

#[test]
fn augmentation_keeps_the_words() {
    let text = "Write a poem about the sea";
    let changed = |probabilities| {
        let augmenter = Augmenter::new(&Material::default(), probabilities);
        (0..40).map(|n| augmenter.apply(text, &mut ChaCha8Rng::seed_from_u64(n))).collect::<Vec<_>>()
    };
    let none = Probabilities::default();
    assert!(changed(none).iter().all(|t| t == text));
    assert!(changed(Probabilities { behind: 1.0, ..none }).iter().all(|t| t.starts_with(text) && t.len() > 60));
    assert!(changed(Probabilities { before: 1.0, ..none }).iter().all(|t| t.ends_with(text) && t.len() > 60));
    assert!(
        changed(Probabilities { wrap: 1.0, ..none }).iter().all(|t| t.to_lowercase().contains("write a poem about the sea") && t != text)
    );
    assert!(changed(Probabilities { sloppy: 1.0, ..none }).iter().any(|t| t == "write a poem about the sea"));
    let typos = changed(Probabilities { typos: 1.0, ..none });
    assert!(typos.iter().filter(|t| *t != text).count() > 30 && typos.iter().collect::<HashSet<_>>().len() > 10);
    assert!(typos.iter().all(|t| t.split(' ').count() == 6 && t.len().abs_diff(text.len()) <= 4));
}

proptest! {
    #[test]
    fn augmentation_takes_any_text(text in "\\PC{0,40}", seed in 0_u64..1_000) {
        let all = Probabilities { sloppy: 1.0, typos: 1.0, wrap: 1.0, behind: 1.0, before: 1.0 };
        let augmenter = Augmenter::new(&Material::default(), all);
        let once = augmenter.apply(&text, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(&once, &augmenter.apply(&text, &mut ChaCha8Rng::seed_from_u64(seed)));
        prop_assert!(!once.trim().is_empty());
    }

    #[test]
    fn any_lines_are_examples_or_an_error(text in "(\\{\"instruction\": ?\"[a-c ]{0,3}\", ?\"category\": ?\"[ab|#]{0,6}\"\\}?\n){0,8}") {
        if let Ok(source) = parse(&text) {
            prop_assert!(source.examples.iter().all(|e| !e.labels.is_empty()));
            prop_assert_eq!(source.tasks().iter().map(Vec::len).sum::<usize>(), source.examples.len());
            if source.check_trainable().is_ok() {
                let sources = [source];
                for shape in [Shape::Groups { tasks: 3, samples: 2, hard: 1 }, Shape::Triples { count: 2 }] {
                    prop_assert!(!Sampler::new(&sources, shape, 0.5, 0).batch(0).rows.is_empty());
                }
            }
        }
    }
}
