//! `--view` and `--mix` as a user has them, on the tiny model with two views.

use pie_embed_wasm::{EmbedOptions, Embedder, View};
use serde_json::Value;

use crate::common::{cosine, two_views};
use crate::uses_cli::{Bench, example};
use pie_embed_wasm::config::Dtype;

/// A bench whose default model has two views, with eight texts.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("tiny.gguf", two_views(Dtype::F32));
    let texts = ["Write a poem", "Write a poem about rain", "Sort numbers", "Translate a letter", "Explain a rule", "List three cats"];
    bench.write("texts.txt", texts.map(|text| format!("{text}\n")).concat() + "Write a poem!\nCompare two books\n");
    bench
}

fn vectors(bench: &Bench, line: &str) -> Vec<Vec<f32>> {
    let rows = bench.ok(line);
    let row = |line: &str| serde_json::from_str::<Value>(line).unwrap()["embedding"].as_array().unwrap().iter().map(number).collect();
    rows.lines().map(row).collect()
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

#[test]
fn embed_gives_the_view_that_is_asked_for_and_keeps_views_apart() {
    let bench = bench();
    let embedder = Embedder::from_bytes(&two_views(Dtype::F32)).unwrap();
    let texts = std::fs::read_to_string(bench.path("texts.txt")).unwrap();
    let texts: Vec<&str> = texts.lines().collect();
    // Twice, so that the second time each comes from the cache.
    for _ in 0..2 {
        for (flags, options) in [
            ("", EmbedOptions::default()),
            ("--view task", EmbedOptions::default()),
            ("--view meaning", EmbedOptions { view: Some(View::Meaning), ..EmbedOptions::default() }),
            ("--view both", EmbedOptions { view: Some(View::Both), ..EmbedOptions::default() }),
            ("--view both --mix 0.25", EmbedOptions { view: Some(View::Both), mix: Some(0.25), ..EmbedOptions::default() }),
            ("--view both --dimensions 24", EmbedOptions { view: Some(View::Both), dimensions: Some(24), ..EmbedOptions::default() }),
            ("--view meaning --dimensions 24", EmbedOptions { view: Some(View::Meaning), dimensions: Some(24), ..EmbedOptions::default() }),
        ] {
            let expected = embedder.embed(&texts, &options).unwrap();
            let found = vectors(&bench, &format!("embed --input texts.txt {flags}"));
            assert_eq!(found, expected.rows().map(<[f32]>::to_vec).collect::<Vec<_>>(), "{flags}");
        }
    }
}

#[test]
fn views_that_cannot_be_are_refused() {
    let bench = bench();
    bench.write("one.gguf", crate::common::tiny(Dtype::F32, pie_embed_wasm::config::Pooling::Mean));
    bench.refuses(&[
        ("embed --input texts.txt --view sense", 2, "it must be task, meaning or both"),
        ("embed --input texts.txt --mix 0.3", 1, "mix is 0.3, but view is task"),
        ("embed --input texts.txt --view both --mix 2", 1, "mix is 2; it must lie in 0..=1"),
        ("embed --input texts.txt --dimensions 33", 1, "dimensions is 33; the task view has 32"),
        ("embed --input texts.txt --view both --dimensions 9", 1, "so it must be even"),
        ("embed --input texts.txt --view meaning --model one.gguf", 1, "has one view, task, of 64 dimensions [view_unavailable]"),
        ("select --input texts.txt -n 2 --view both --model one.gguf -o out.jsonl", 1, "[view_unavailable]"),
        ("compress --input texts.txt -n 2 --mix 0.5 -o out.jsonl", 1, "but view is task"),
    ]);
}

#[test]
fn files_of_vectors_say_their_view() {
    let bench = bench();
    bench.ok("embed --input texts.txt --view both --mix 0.25 -o both.parquet");
    bench.ok("embed --input texts.txt --view meaning -o meaning.arrow");
    bench.ok("embed --input texts.txt --view meaning -o meaning.npy");
    bench.ok("embed --input texts.txt --view both -o both.npy");
    bench.ok("select --input texts.txt -n 3 --vectors both.parquet --view both --mix 0.25 -o a.jsonl");
    bench.ok("select --input texts.txt -n 3 --vectors meaning.npy --view meaning -o b.jsonl");
    bench.refuses(&[
        ("select --input texts.txt -n 3 --vectors both.parquet -o x.jsonl", 1, "pie.view \"both 0.25\"; here it is \"task\""),
        ("select --input texts.txt -n 3 --vectors both.parquet --view both -o x.jsonl", 1, "here it is \"both 0.5\""),
        ("select --input texts.txt -n 3 --vectors meaning.arrow --view task -o x.jsonl", 1, "pie.view \"meaning\""),
        ("select --input texts.txt -n 3 --vectors both.npy -o x.jsonl", 1, "64"),
    ]);
}

#[test]
fn an_index_has_a_view_and_is_searched_by_it() {
    let bench = bench();
    let embedder = Embedder::from_bytes(&two_views(Dtype::F32)).unwrap();
    for (flags, mix, view) in
        [("", None, View::Task), ("--view meaning", None, View::Meaning), ("--view both --mix 0.25", Some(0.25), View::Both)]
    {
        bench.ok(&format!("index --input texts.txt {flags} -o pool.idx --force"));
        // The flags may be said again, or not.
        let found = bench.ok("retrieve --index pool.idx -k 8 Sort");
        assert_eq!(found, bench.ok(&format!("retrieve --index pool.idx -k 8 {flags} Sort")));
        let found: Value = serde_json::from_str(&found).unwrap();
        let options = EmbedOptions { view: Some(view), mix, ..EmbedOptions::default() };
        for hit in found["demonstrations"].as_array().unwrap() {
            let pair = embedder.embed(&["Sort", hit["text"].as_str().unwrap()], &options).unwrap();
            let (a, b) = pair.data.split_at(pair.dimensions);
            assert!((cosine(a, b) - hit["score"].as_f64().unwrap()).abs() < 1e-5, "{flags}: {hit}");
        }
    }
    bench.refuses(&[
        ("retrieve --index pool.idx Sort --view task", 1, "pool.idx: its vectors were made with view both 0.25; task is asked for"),
        ("retrieve --index pool.idx Sort --view both", 1, "both 0.5 is asked for"),
        ("retrieve --index pool.idx Sort --mix 0.25", 1, "but view is task"),
    ]);
}

/// Tasks are named by the task view, and near-duplicates found by both, whatever the rows are chosen by.
#[test]
fn near_duplicates_are_found_by_both_views_unless_one_is_named() {
    let bench = bench();
    let pool = example("instructions.jsonl");
    let left_out = |flags: &str| {
        bench.ok(&format!("select --input {pool} -n 5 {flags} -o out.jsonl --report report.json --force"));
        bench.json("report.json")["near_duplicates"].as_u64().unwrap()
    };
    // As many as the library finds with the very view.
    let expected = |options: EmbedOptions, threshold: f32| {
        let embedder = Embedder::from_bytes(&two_views(Dtype::F32)).unwrap();
        let texts: Vec<String> = bench.rows(&pool).iter().map(|row| row["instruction"].as_str().unwrap().to_owned()).collect();
        let vectors = embedder.embed(&texts, &options).unwrap();
        let vectors = pie_embed_wasm::tasks::Vectors::new(vectors.data, vectors.dimensions).unwrap();
        let order: Vec<usize> = (0..vectors.len()).collect();
        let repeats = pie_embed_wasm::tasks::near_duplicates(&vectors, &order, threshold).unwrap();
        repeats.iter().flatten().count() as u64
    };
    let view = |view| EmbedOptions { view: Some(view), ..EmbedOptions::default() };
    let (both, task, meaning) = (expected(view(View::Both), 0.9), expected(view(View::Task), 0.9), expected(view(View::Meaning), 0.9));
    assert!(both != task && both != meaning && task != meaning, "the threshold tells {both}, {task} and {meaning} not apart");
    assert_eq!(left_out("--dedupe 0.9"), both);
    assert_eq!(left_out("--dedupe 0.9 --view both"), both);
    assert_eq!(left_out("--dedupe 0.9 --view task"), task);
    assert_eq!(left_out("--dedupe 0.9 --view meaning"), meaning);
}

/// The report's share of texts with a near-duplicate.
#[test]
fn a_report_finds_near_duplicates_by_both_views() {
    let bench = bench();
    let share = |flags: &str| {
        bench.ok(&format!("report --input {} --near-duplicate 0.9 {flags} -o report.html --force", example("instructions.jsonl")));
        let page = std::fs::read_to_string(bench.path("report.html")).unwrap();
        let end = page.find("</dd><dt>of the different texts have a near-duplicate").unwrap();
        page[..end].rsplit("<dd>").next().unwrap().to_owned()
    };
    let both = share("--view both");
    assert_eq!(share(""), both);
    assert_ne!(share("--view task"), both);
}

#[test]
fn every_command_that_embeds_takes_a_view() {
    let bench = bench();
    let (rows, results) = (example("instructions.jsonl"), example("results.csv"));
    for view in ["task", "meaning", "both"] {
        bench.ok(&format!("compress --input {rows} --results {results} -n 9 --view {view} -o anchors.jsonl --force"));
        bench.ok(&format!("correlate {rows} other={} --view {view} -o pairs.json --force", example("life.jsonl")));
        bench.ok(&format!("report --input {rows} --view {view} -o report.html --force"));
    }
    bench.write("same.txt", "# sort\nSort the list\nPut it in order\n# poem\nWrite a poem\nSome lines about rain\n");
    let seen = |flags: &str| {
        let report: Value = serde_json::from_str(&bench.ok(&format!("eval --paraphrase same.txt --json {flags}"))).unwrap();
        (report["model"]["view"].as_str().unwrap().to_owned(), report["model"]["dimensions"].as_u64().unwrap())
    };
    assert_eq!(seen(""), ("task".to_owned(), 32));
    assert_eq!(seen("--view meaning --dimensions 8"), ("meaning".to_owned(), 8));
    assert_eq!(seen("--view both --mix 0.75"), ("both 0.75".to_owned(), 64));
}

#[test]
fn info_names_the_views() {
    let bench = bench();
    assert!(bench.ok("info tiny.gguf").contains("views: task of 32 dimensions, meaning of 32 dimensions"));
    let info: Value = serde_json::from_str(&bench.ok("info tiny.gguf --json")).unwrap();
    assert_eq!(info["views"], serde_json::json!([{"name": "task", "dimensions": 32}, {"name": "meaning", "dimensions": 32}]));
    assert_eq!(info["metadata"]["pie.views"], serde_json::json!(["task", "meaning"]));
    bench.write("one.gguf", crate::common::tiny(Dtype::F32, pie_embed_wasm::config::Pooling::Mean));
    assert!(bench.ok("info one.gguf").contains("views: task of 64 dimensions"));
}

/// The taxonomy has the task view's dimensions, and tagging reads that view.
#[test]
fn a_taxonomy_is_of_the_task_view() {
    let bench = bench();
    let row = |n: usize, what: &str, category: &str| {
        format!("{{\"instruction\": \"{what} number {n}\", \"category\": \"{category}\", \"conf\": 1}}\n")
    };
    let rows: String = (0..40).map(|n| row(n, "Write a poem about", "write|poem") + &row(n, "Sort the list of", "sort|list")).collect();
    bench.write("rows.jsonl", rows);
    bench.ok("taxonomy --data rows.jsonl -o tiny.taxonomy");
    let info: Value = serde_json::from_str(&bench.ok("info tiny.taxonomy --json")).unwrap();
    let prototypes = info["tensors"].as_array().unwrap().iter().find(|tensor| tensor["name"] == "tasks.prototypes").unwrap();
    assert_eq!((&prototypes["dimensions"][0], &info["views"]), (&Value::from(32), &serde_json::json!([])));
    let tagged: Value = serde_json::from_str(&bench.ok("tag --json Sort")).unwrap();
    assert!(tagged["tasks"][0]["label"].is_string(), "{tagged}");
    // Tasks are counted whichever view rows are chosen by.
    for view in ["task", "meaning", "both"] {
        bench.ok(&format!("select --input rows.jsonl --label category -n 2 --view {view} -o a.jsonl --force"));
        bench.ok(&format!("select --input texts.txt -n 2 --view {view} -o a.jsonl --report r.json --force"));
        assert_eq!(bench.json("r.json")["tasks"]["source"], "taxonomy", "{view}");
    }
}
