//! Taxonomies and taggers on the tiny model: built, written, read, used, and refused.

use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::tasks::{BuildOptions, Labelled, Level, Source, Tagger, Taxonomy, UNKNOWN, build, read_labelled};
use pie_embed_wasm::{EmbedOptions, Embedder, ErrorCode, sha256_hex};

use crate::common::tiny;

/// A few tasks that even a random model tells apart, since their words differ.
pub fn labelled() -> Vec<Labelled> {
    let topics = ["rain", "snow", "the sea", "a cat", "my town", "night", "the moon", "a river"];
    let tasks = [
        ("write|poem", "Write a poem about"),
        ("compose|poem", "Write a poem about"),
        ("find|error", "Find 7 errors, 100 % sure, in:"),
        ("sort|list", "[Sort] {this}; list: of;"),
    ];
    let rows = tasks.iter().flat_map(|(category, start)| {
        topics.iter().map(move |topic| Labelled {
            instruction: format!("{start} {topic}"),
            category: (*category).to_owned(),
            conf: 1.0,
            name: None,
        })
    });
    rows.collect()
}

fn source(rows: &[Labelled]) -> [Source<'_>; 1] {
    // A random model's vectors all lie close together.
    let options = BuildOptions { merge_above: 0.9999, merge_same_noun_above: 0.9999, ..Default::default() };
    [Source { level: Level::Task, rows, held_out: &[], lenders: &[], options }]
}

#[test]
fn a_taxonomy_tags_what_it_was_made_of() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let sha256 = sha256_hex(&bytes);
    let rows = labelled();
    let mut seen = Vec::new();
    let (file, report) = build(&embedder, &sha256, &source(&rows), |done| seen.push(done)).unwrap();
    // Two labels of the same sentences are one task with an alias.
    assert_eq!((report[0].labels, report[0].merged, report[0].used_rows), (3, 1, rows.len()));
    assert_eq!(seen.last(), Some(&rows.len()));
    let taxonomy = Taxonomy::from_bytes(&file, &sha256, 64).unwrap();
    for row in &rows {
        let vectors = embedder.embed(&[&row.instruction], &EmbedOptions::default()).unwrap();
        let tags = taxonomy.classify(&vectors.data, Level::Task, 10).unwrap();
        let best = tags.iter().find(|t| t.label != UNKNOWN).unwrap();
        let same = best.label == row.category || (best.label.ends_with("|poem") && row.category.ends_with("|poem"));
        assert!(same, "{row:?}: {tags:?}");
        assert!(tags.iter().map(|t| t.score).sum::<f32>() <= 1.0 + 1e-5);
    }
    let vectors = embedder.embed(&["x"], &EmbedOptions::default()).unwrap();
    assert_eq!(taxonomy.classify(&vectors.data, Level::Kind, 3).unwrap_err().code(), ErrorCode::LevelUnavailable);
    // The same rows give the same bytes.
    assert_eq!(build(&embedder, &sha256, &source(&rows), |_| ()).unwrap().0, file);
}

#[test]
fn kinds_stand_beside_tasks() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let sha256 = sha256_hex(&bytes);
    let tasks = labelled();
    let kinds: Vec<Labelled> = tasks
        .iter()
        .map(|row| {
            let (label, name) = if row.category.ends_with("poem") { ("verse", "write verse") } else { ("chores", "do chores") };
            Labelled { category: label.to_owned(), name: Some(name.to_owned()), ..row.clone() }
        })
        .collect();
    let (train, dev) = kinds.split_at(kinds.len() - 6);
    let [task] = source(&tasks);
    let kind = Source { level: Level::Kind, rows: train, held_out: dev, lenders: &[], options: task.options.clone() };
    let (file, reports) = build(&embedder, &sha256, &[task, kind], |_| ()).unwrap();
    assert_eq!(reports.iter().map(|r| (r.level, r.labels)).collect::<Vec<_>>(), [(Level::Task, 3), (Level::Kind, 2)]);
    let taxonomy = Taxonomy::from_bytes(&file, &sha256, 64).unwrap();
    let vectors = embedder.embed(&["Write a poem about rain"], &EmbedOptions::default()).unwrap();
    let tags = taxonomy.classify(&vectors.data, Level::Kind, 3).unwrap();
    let best = tags.iter().find(|t| t.label != UNKNOWN).unwrap();
    assert_eq!((best.label.as_str(), best.name.as_str()), ("verse", "write verse"));
}

#[test]
fn bad_taxonomies_are_refused() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let sha256 = sha256_hex(&bytes);
    let code = |bytes: &[u8], sha256: &str, hidden| Taxonomy::from_bytes(bytes, sha256, hidden).map(|_| ()).unwrap_err().code();
    let (file, _) = build(&embedder, &sha256, &source(&labelled()), |_| ()).unwrap();
    assert_eq!(code(&file, &sha256_hex(b"another"), 64), ErrorCode::TaxonomyMismatch);
    assert_eq!(code(&file, &sha256, 32), ErrorCode::TaxonomyFormat);
    assert_eq!(code(&bytes, &sha256, 64), ErrorCode::TaxonomyFormat);
    assert_eq!(code(b"nothing", &sha256, 64), ErrorCode::TaxonomyFormat);
    for len in (0..file.len()).step_by(61) {
        assert_eq!(code(&file[..len], &sha256, 64), ErrorCode::TaxonomyFormat, "{len} bytes");
    }
    let mut altered = file;
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(code(&altered, &sha256, 64), ErrorCode::TaxonomyFormat);
}

#[test]
fn too_little_data_makes_no_taxonomy() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let rows = labelled();
    for rows in [&rows[..0], &rows[..8], &rows[..9]] {
        let e = build(&embedder, "", &source(rows), |_| ()).unwrap_err();
        assert_eq!(e.code(), ErrorCode::Data, "{e}");
    }
    for (text, line) in [
        ("{}", "line 1"),
        ("{\"instruction\":\"a\",\"category\":\"b|c\"}\n{\"instruction\":\" \",\"category\":\"b\"}", "line 2"),
        ("[", "line 1"),
    ] {
        let e = read_labelled(text.as_bytes()).unwrap_err();
        assert!(e.code() == ErrorCode::Data && e.to_string().contains(line), "{e}");
    }
}

#[test]
fn a_tagger_learns_from_a_few_examples() {
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    let options = EmbedOptions::default();
    let examples = [
        ("billing", vec!["Where is my invoice?", "Why was I charged twice?"]),
        ("poetry", vec!["Write a poem about rain", "Write a poem about the sea"]),
    ];
    let tagger = Tagger::new(&embedder, &examples, &options).unwrap();
    let tags = tagger.classify(&embedder, &["Write a poem about snow"], 5).unwrap();
    assert_eq!(tags[0].iter().find(|t| t.label != UNKNOWN).unwrap().label, "poetry");

    let none: [(&str, Vec<&str>); 0] = [];
    assert_eq!(Tagger::new(&embedder, &none, &options).map(|_| ()).unwrap_err().code(), ErrorCode::InvalidArgument);
    for bad in [vec![("a", vec![])], vec![("", vec!["x"])], vec![("a", vec!["x"]), ("a", vec!["y"])]] {
        assert_eq!(Tagger::new(&embedder, &bad, &options).map(|_| ()).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    assert_eq!(Tagger::new(&embedder, &[("a", vec![" "])], &options).map(|_| ()).unwrap_err().code(), ErrorCode::BlankText);
}
