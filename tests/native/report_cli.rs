//! `pie report` on the tiny model, which has no taxonomy: the page's text, what bad input does, and that nothing breaks out of its place.

use std::fs;

use crate::uses_cli::{Bench, example};

const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<!-- <script> \u{2028}",
    "\"' onload=alert(1) x='",
    "&lt;b&gt; <b>bold</b>",
    "{{instruction}} </style><style>*{display:none}",
    "\u{202e}right to left\u{0}\u{7}",
];

fn page(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path(name)).unwrap()
}

fn jsonl(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{}\n", serde_json::json!({"instruction": text}))).collect()
}

#[test]
fn a_page_repeats_and_needs_nothing_else() {
    let bench = Bench::new();
    let line = format!("report --input {} --seed 3", example("instructions.jsonl"));
    assert!(bench.ok(&format!("{line} -o a.html")).contains("360 rows, 360 different texts"));
    bench.ok(&format!("{line} -o b.html --no-cache"));
    let page = page(&bench, "a.html");
    assert_eq!(fs::read_to_string(bench.path("b.html")).unwrap(), page);
    assert!(page.len() < 300_000 && page.matches("<circle").count() == 361, "{}", page.len());
    for outside in [" src=", "@import", "url(", "xmlns", " style=", " onclick="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.matches(" href=").count() == 1 && page.contains("href=\"data:,\""));
    assert!(page.contains("The model has no taxonomy") && !page.contains("Kinds of task"));
}

#[test]
fn repeated_and_nearly_repeated_texts_are_counted() {
    let bench = Bench::new();
    // The tokenizer of the model folds case, so that these two have the same vector.
    let texts = ["Write a poem", "write a POEM", "Write a poem", "Sum the list", "Write a poem", "Translate this"];
    bench.write("pool.jsonl", jsonl(&texts));
    assert!(bench.ok("report --input pool.jsonl -o out.html").contains("6 rows, 4 different texts"));
    let page = page(&bench, "out.html");
    for said in [
        "<dd>6</dd><dt>rows with a text",
        "<dd>33 %</dd><dt>of them repeat",
        "<dd>50 %</dd><dt>of the different texts have a near-duplicate",
        "<span class=\"figure\">3×</span>",
        "<span class=\"figure\">1.000</span>",
        "Too few texts for a map.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Of equal vectors the cosine may fall short of 1.
    bench.ok("report --input pool.jsonl -o exact.html --near-duplicate 1");
    assert!(
        fs::read_to_string(bench.path("exact.html")).unwrap().contains("<dd>50 %</dd><dt>of the different texts have a near-duplicate")
    );
    bench.write("one.txt", "Write a poem\n");
    bench.ok("report --input one.txt -o one.html");
}

#[test]
fn hostile_texts_stay_texts() {
    let bench = Bench::new();
    // Enough of them for a map.
    bench.write("<b>pool.jsonl", jsonl(&[&HOSTILE[..], &["a", "b", "c", "d"]].concat()));
    bench.ok("report --input <b>pool.jsonl -o out.html");
    let page = page(&bench, "out.html");
    // Those of the page's own, and nothing more.
    for (tag, count) in [("<script", 2), ("</script", 2), ("<style", 1), ("</style", 1), ("<!--", 0), ("<b>", 0), ("<title", 1)] {
        assert_eq!(page.matches(tag).count(), count, "{tag}");
    }
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)") && !page.contains(['\u{0}', '\u{7}']));
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: serde_json::Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["dots"][0][4], HOSTILE[0]);
}

#[test]
fn faulty_rows_are_left_out_and_counted() {
    let bench = Bench::new();
    bench.write("pool.jsonl", "{\"text\":\"a\"}\n{broken\n\n{\"text\":null}\n{\"text\":\"b\"}\n");
    let output = bench.run("report --input pool.jsonl -o out.html");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("line 2: no JSON object"), "{stderr}");
    assert!(page(&bench, "out.html").contains("2 rows could not be read"));
}

#[test]
fn what_cannot_be_reported_on_is_refused() {
    let bench = Bench::new();
    bench.write("pool.jsonl", jsonl(&["a"]));
    bench.write("blank.txt", "\n \n");
    bench.write("there.html", "kept");
    bench.refuses(&[
        ("report --input pool.jsonl -o there.html", 1, "there.html"),
        ("report --input pool.jsonl -o x.html --near-duplicate 1.5", 1, "--near-duplicate is 1.5"),
        ("report --input pool.jsonl -o x.html --near-duplicate NaN", 1, "--near-duplicate is NaN"),
        ("report --input pool.jsonl -o x.html --column prompt", 1, "no row has a text"),
        ("report --input blank.txt -o x.html", 1, "no row has a text"),
        ("report --input missing.jsonl -o x.html", 1, "missing.jsonl"),
        ("report --input pool.jsonl -o missing/x.html", 1, "[io]"),
        ("report --input pool.jsonl", 2, "--output"),
    ]);
    assert_eq!(page(&bench, "there.html"), "kept");
}

#[test]
fn the_rows_go_out_with_what_was_found() {
    let bench = Bench::new();
    let texts = ["Write a poem", "write a POEM", "Sum the list", "Write a poem"];
    bench.write("pool.jsonl", jsonl(&texts));
    bench.ok("report --input pool.jsonl -o out.html --rows rows.jsonl");
    let rows = bench.rows("rows.jsonl");
    assert_eq!(rows.len(), 4);
    for (row, text) in rows.iter().zip(texts) {
        assert_eq!(row["instruction"], text);
        assert_eq!(row["pie_length"], text.len());
        assert!(row["pie_kind"].is_null(), "the model has no taxonomy");
    }
    let repeats: Vec<_> = rows.iter().map(|row| row["pie_duplicate_of"].as_u64()).collect();
    assert_eq!(repeats, [None, Some(1), None, Some(1)]);
    bench.ok("report --input pool.jsonl -o csv.html --rows rows.csv");
    let csv = page(&bench, "rows.csv");
    assert!(
        csv.starts_with("instruction,pie_family,pie_kind,pie_kind_score,pie_second_kind,pie_length,pie_unread,pie_duplicate_of\n"),
        "{csv}"
    );
    assert!(csv.contains("write a POEM,,,,,12,0.0,1\n"), "{csv}");
    // Neither file is written where a column is there already, or where one of the files is.
    let output = bench.run("report --input rows.jsonl -o twice.html --rows twice.jsonl");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("row 1 has a column \"pie_family\" already"), "{error}");
    assert!(!bench.path("twice.html").exists());
    assert!(!bench.run("report --input pool.jsonl -o new.html --rows rows.csv").status.success() && !bench.path("new.html").exists());
}
