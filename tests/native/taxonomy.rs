//! Taxonomies on the tiny model: built, written, read, used, and refused.

use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::gguf::{GgufWriter, MetadataValue};
use pie_embed_wasm::tasks::{BuildOptions, Labelled, Level, Reason, Source, Taxonomy, UNKNOWN, build, largest_bytes};
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
            family: None,
            family_name: None,
            language: None,
            twin: None,
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
        let tags = taxonomy.classify(&vectors.data, 0.0, Level::Task, 10).unwrap();
        let best = tags.iter().find(|t| t.label != UNKNOWN).unwrap();
        let same = best.label == row.category || (best.label.ends_with("|poem") && row.category.ends_with("|poem"));
        assert!(same, "{row:?}: {tags:?}");
        assert!(tags.iter().map(|t| t.score).sum::<f32>() <= 1.0 + 1e-5);
    }
    let vectors = embedder.embed(&["x"], &EmbedOptions::default()).unwrap();
    assert_eq!(taxonomy.classify(&vectors.data, 0.0, Level::Kind, 3).unwrap_err().code(), ErrorCode::LevelUnavailable);
    // The same rows give the same bytes.
    assert_eq!(build(&embedder, &sha256, &source(&rows), |_| ()).unwrap().0, file);
}

/// Three kinds, of which two are of one family.
pub fn kinds() -> Vec<Labelled> {
    let of = |category: &str| match category {
        "find|error" => ("proofread", "find errors", "editing"),
        "sort|list" => ("sort", "sort a list", "chores"),
        _ => ("verse", "write verse", "writing"),
    };
    let kind = |row: Labelled| {
        let (label, name, family) = of(&row.category);
        let [label, name, family] = [label, name, family].map(str::to_owned);
        Labelled { category: label, name: Some(name), family_name: Some(format!("{family} texts")), family: Some(family), ..row }
    };
    labelled().into_iter().map(kind).collect()
}

fn two_levels<'a>(tasks: &'a [Labelled], kinds: &'a [Labelled], held_out: &'a [Labelled]) -> [Source<'a>; 2] {
    let [task] = source(tasks);
    let kind = Source { level: Level::Kind, rows: kinds, held_out, lenders: &[], options: task.options.clone() };
    [task, kind]
}

#[test]
fn kinds_stand_beside_tasks() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let sha256 = sha256_hex(&bytes);
    let tasks = labelled();
    let kinds: Vec<Labelled> = kinds().into_iter().map(|row| Labelled { family: None, family_name: None, ..row }).collect();
    let (train, dev) = kinds.split_at(kinds.len() - 6);
    let (file, reports) = build(&embedder, &sha256, &two_levels(&tasks, train, dev), |_| ()).unwrap();
    assert_eq!(reports.iter().map(|r| (r.level, r.labels)).collect::<Vec<_>>(), [(Level::Task, 3), (Level::Kind, 3)]);
    let taxonomy = Taxonomy::from_bytes(&file, &sha256, 64).unwrap();
    assert!(taxonomy.has_kinds() && !taxonomy.has_families() && taxonomy.default_level() == Level::Kind);
    let vectors = embedder.embed(&["Write a poem about rain"], &EmbedOptions::default()).unwrap();
    let tags = taxonomy.classify(&vectors.data, 0.0, Level::Kind, 3).unwrap();
    let best = tags.iter().find(|t| t.label != UNKNOWN).unwrap();
    assert_eq!((best.label.as_str(), best.name.as_str(), &best.family), ("verse", "write verse", &None));
    let e = taxonomy.classify(&vectors.data, 0.0, Level::Family, 3).unwrap_err();
    assert_eq!(e.code(), ErrorCode::LevelUnavailable);
    assert_eq!(e.to_string(), "level family is not in this model's taxonomy, which has 3 tasks, 3 kinds");
}

#[test]
fn families_stand_above_kinds() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let sha256 = sha256_hex(&bytes);
    let (tasks, kinds) = (labelled(), kinds());
    let sources = two_levels(&tasks, &kinds, &[]);
    let (file, reports) = build(&embedder, &sha256, &sources, |_| ()).unwrap();
    let levels = [(Level::Task, 3), (Level::Kind, 3), (Level::Family, 3)];
    assert_eq!(reports.iter().map(|r| (r.level, r.labels)).collect::<Vec<_>>(), levels);
    let taxonomy = Taxonomy::from_bytes(&file, &sha256, 64).unwrap();
    assert!(taxonomy.has_families());
    let names: Vec<&str> = taxonomy.labels(Level::Family).unwrap().iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["chores texts", "editing texts", "writing texts"]);
    for (row, kind) in tasks.iter().zip(&kinds) {
        let vectors = embedder.embed(&[&row.instruction], &EmbedOptions::default()).unwrap();
        let best = |level| {
            let tags = taxonomy.classify(&vectors.data, 0.0, level, 5).unwrap();
            assert!(tags.iter().all(|tag| tag.family.is_some() == (level == Level::Kind && tag.label != UNKNOWN)), "{tags:?}");
            tags.into_iter().find(|tag| tag.label != UNKNOWN).unwrap()
        };
        assert_eq!(Some(best(Level::Family).label), kind.family);
        let tag = best(Level::Kind);
        assert_eq!((tag.label, tag.family), (kind.category.clone(), kind.family.clone()));
    }
    // A text that was not read has no label of any level, whatever its vector is near to.
    let vectors = embedder.embed(&[&kinds[0].instruction], &EmbedOptions::default()).unwrap();
    for level in [Level::Family, Level::Kind, Level::Task] {
        let tags = taxonomy.classify(&vectors.data, 0.75, level, 5).unwrap();
        assert_eq!(tags.iter().map(|tag| (tag.label.as_str(), tag.reason)).collect::<Vec<_>>(), [(UNKNOWN, Some(Reason::Unread))]);
    }

    // The size is known beforehand: of labels that do not merge it is exact.
    let own = two_levels(&kinds, &kinds, &[]);
    let file_of_own = build(&embedder, &sha256, &own, |_| ()).unwrap().0;
    assert_eq!(largest_bytes(&own, 64).unwrap(), file_of_own.len());
    // The rows of tasks name families too; the file has those of the kinds alone.
    assert_eq!(Taxonomy::from_bytes(&file_of_own, &sha256, 64).unwrap().labels(Level::Family).unwrap().len(), 3);
    let (alone, _) = build(&embedder, &sha256, &source(&kinds), |_| ()).unwrap();
    assert!(!Taxonomy::from_bytes(&alone, &sha256, 64).unwrap().has_families());
    assert!(largest_bytes(&sources, 64).unwrap() > file.len());
}

#[test]
fn families_in_part_or_in_conflict_are_refused() {
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    let tasks = labelled();
    let refused = |kinds: Vec<Labelled>| {
        let sources = two_levels(&tasks, &kinds, &[]);
        let e = build(&embedder, "", &sources, |_| ()).map(|_| ()).unwrap_err();
        assert_eq!(e.code(), ErrorCode::Data);
        assert_eq!(largest_bytes(&sources, 64).unwrap_err().to_string(), e.to_string());
        e.to_string()
    };
    let mut rows = kinds();
    rows[20].family = Some("writing".to_owned());
    assert_eq!(refused(rows), "the 8 rows of kind \"proofread\" name 2 families: editing, writing");
    let mut rows = kinds();
    rows[20].family = None;
    assert_eq!(refused(rows), "the 8 rows of kind \"proofread\" name 2 families: none, editing");
    let mut rows = kinds();
    rows.iter_mut().filter(|row| row.category == "sort").for_each(|row| row.family = None);
    assert_eq!(refused(rows), "2 of 3 kinds have a family; \"sort\" has none");
}

/// The bytes of a taxonomy of two kinds for vectors of two dimensions, with these lists beside the rest.
fn with_lists(lists: &[(&str, &[&str])]) -> Vec<u8> {
    let strings = |list: &[&str]| MetadataValue::Array(list.iter().map(|&one| MetadataValue::String(one.to_owned())).collect());
    let mut file = GgufWriter::default();
    file.string("general.architecture", "pie-taxonomy").string("pie.model_sha256", "");
    for level in ["tasks", "kinds", "families"] {
        for (name, number) in [("temperature", 0.1), ("unknown", 0.5)] {
            file.metadata(&format!("pie.{level}.{name}"), MetadataValue::F32(number));
        }
    }
    file.tensor("tasks.prototypes", &[1.0, 0.0, 0.0, 1.0], &[2, 2], Dtype::F32).unwrap();
    file.tensor("kinds.prototypes", &[1.0, 0.0, 0.0, 1.0], &[2, 2], Dtype::F32).unwrap();
    for (key, list) in lists {
        file.metadata(&format!("pie.{key}"), strings(list));
    }
    file.finish().unwrap()
}

#[test]
fn families_that_do_not_fit_their_kinds_are_refused() {
    const AB: &[&str] = &["a", "b"];
    let tasks = [("tasks.labels", AB), ("tasks.names", AB)];
    let kinds = [("kinds.labels", AB), ("kinds.names", AB)];
    let read = |more: &[(&str, &[&str])], with_kinds: bool| {
        let kinds = if with_kinds { &kinds[..] } else { &[] };
        Taxonomy::from_bytes(&with_lists(&[&tasks[..], kinds, more].concat()), "", 2)
    };
    let families = [("kinds.families", &["x", "y"][..]), ("families.labels", &["x", "y"]), ("families.names", &["X", "Y"])];
    let taxonomy = read(&families, true).unwrap();
    let tags = taxonomy.classify(&[0.0, 1.0], 0.0, Level::Kind, 1).unwrap();
    assert_eq!((tags[0].label.as_str(), tags[0].family.as_deref()), ("b", Some("y")));
    assert_eq!(taxonomy.classify(&[0.0, 1.0], 0.0, Level::Family, 1).unwrap()[0].name, "Y");
    assert!(read(&[], true).is_ok_and(|taxonomy| !taxonomy.has_families()));
    let [of_kinds, labels, names] = families;
    for (lists, with_kinds, says) in [
        (vec![("kinds.families", &["x"][..]), labels, names], true, "1 families are given for 2 kinds"),
        (vec![("kinds.families", &["x", "z"]), labels, names], true, "family \"z\", which is none of the 2 listed"),
        (vec![of_kinds, labels, ("families.names", &["X"])], true, "level family has 1 names for 2 labels"),
        (vec![of_kinds], true, "pie.families.labels"),
        (vec![labels, names], true, "pie.kinds.families"),
        (vec![of_kinds, labels, names], false, "there are families but 0 kinds"),
    ] {
        let e = read(&lists, with_kinds).map(|_| ()).unwrap_err();
        assert!(e.code() == ErrorCode::TaxonomyFormat && e.to_string().contains(says), "{e}");
    }
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
}
