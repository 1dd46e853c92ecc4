//! Files as people have them: `fixtures/dataset/cases.json` has inputs, and for each the rows, notes and errors that come of it, here and
//! wherever else the same bytes are read.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pie_embed_wasm::dataset::{Found, Options, Parts, Prompts, Reader, Turns, labelled};
use pie_embed_wasm::{ErrorCode, Result};
use serde::Deserialize;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use crate::common::fixtures;
use crate::uses_cli::Bench;

/// Conversation, turn, time and model.
type InConversation = (Option<String>, u32, Option<String>, Option<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    file: String,
    text: String,
    encoding: Option<String>,
    column: Option<String>,
    which: Option<String>,
    texts: Vec<String>,
    /// What the faulty rows say, in order.
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    recognised: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
    /// Where each text stands.
    #[serde(default)]
    turns: Vec<InConversation>,
    /// The rows as JSON.
    rows: Option<Vec<String>>,
    /// How the error begins or what it holds that ends the reading.
    error: Option<String>,
}

#[derive(Default)]
struct Read {
    texts: Vec<String>,
    faults: Vec<String>,
    recognised: Vec<String>,
    notes: Vec<String>,
    turns: Vec<InConversation>,
    rows: Vec<String>,
}

fn read(path: &Path, column: Option<&str>, turns: Option<Turns>) -> Result<Read> {
    let reader = Reader::open(Parts::of(path)?, Options::default(), &(Arc::new(|_| ()) as _))?;
    let mut prompts = Prompts::new(reader, column, turns)?;
    let mut read = Read { notes: prompts.reader().take_notes(), ..Read::default() };
    while let Some(prompt) = prompts.read()? {
        match prompt.found {
            Found::Text { text, record, turn } => {
                read.texts.push(text);
                read.rows.push(record.json().into_owned());
                read.turns.extend(turn.map(|turn| (turn.conversation, turn.number, turn.time, turn.model)));
            }
            Found::Blank => read.faults.push(format!("{}: blank", prompt.place)),
            Found::Faulty { error, .. } => read.faults.push(format!("{}: {error}", prompt.place)),
        }
    }
    read.recognised = prompts.recognised();
    Ok(read)
}

fn encoded(case: &Case) -> Vec<u8> {
    let units = || case.text.encode_utf16();
    match case.encoding.as_deref() {
        None => case.text.clone().into_bytes(),
        Some("utf-16le") => [0xff, 0xfe].into_iter().chain(units().flat_map(u16::to_le_bytes)).collect(),
        Some("utf-16be") => units().flat_map(u16::to_be_bytes).collect(),
        Some("windows-1252") => case.text.chars().map(|c| if c == '–' { 0x96 } else { u8::try_from(c).unwrap() }).collect(),
        Some("gzip") => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(case.text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        }
        Some("zstd") => zstd::stream::encode_all(case.text.as_bytes(), 1).unwrap(),
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn files_read_as_people_expect() {
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(fixtures().join("dataset/cases.json")).unwrap()).unwrap();
    for case in cases {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(&case.file);
        fs::write(&path, encoded(&case)).unwrap();
        let name = &case.name;
        let which = case.which.as_deref().map(|which| which.parse().unwrap());
        let found = match (read(&path, case.column.as_deref(), which), &case.error) {
            (Ok(found), None) => found,
            (Err(e), Some(said)) => {
                assert!(e.code() == ErrorCode::Data && e.to_string().contains(said.as_str()), "{name}: {e}");
                continue;
            }
            (found, _) => panic!("{name}: {:?}", found.err().map(|e| e.to_string())),
        };
        assert_eq!(found.texts, case.texts, "{name}");
        assert_eq!(found.recognised, case.recognised, "{name}");
        let folder = format!("{}/", dir.path().display());
        assert_eq!(found.notes.iter().map(|note| note.replace(&folder, "")).collect::<Vec<_>>(), case.notes, "{name}");
        assert_eq!(found.faults.len(), case.faults.len(), "{name}: {:?}", found.faults);
        for (fault, said) in found.faults.iter().zip(&case.faults) {
            assert!(fault.contains(said.as_str()), "{name}: {fault}");
        }
        if !case.turns.is_empty() {
            assert_eq!(found.turns, case.turns, "{name}");
        }
        if let Some(rows) = case.rows {
            assert_eq!(found.rows, rows, "{name}");
        }
    }
}

fn archive(path: &Path, files: &[(&str, &str)]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::STORE)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn an_archive_is_its_one_data_set() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("export.zip");
    let texts = |files: &[(&str, &str)]| {
        archive(&path, files);
        read(&path, None, None).map(|read| read.texts).map_err(|e| e.to_string())
    };
    let rows = r#"[{"text":"a"}]"#;
    assert_eq!(texts(&[("user.json", "{}"), ("conversations.json", rows), ("chat.html", "")]).unwrap(), ["a"]);
    assert_eq!(texts(&[("__MACOSX/._a.csv", "x"), ("a.csv", "text,n\nb,1\n"), ("read.me", "")]).unwrap(), ["b"]);
    // Large exports come in parts, and a text beside data tells of it.
    let parts = [("x/conversations-001.json", r#"[{"text":"c"}]"#), ("x/conversations-000.json", rows), ("x/users.json", "[]")];
    assert_eq!(texts(&parts).unwrap(), ["a", "c"]);
    assert_eq!(texts(&[("README.txt", "x"), ("a.csv", "text,n\nb,1\n")]).unwrap(), ["b"]);
    for (files, said) in [
        (&[("a/conversations.json", rows), ("b/conversations.json", rows)][..], "the archive holds 2 data sets: a/conversations.json, b/"),
        (&[("a.csv", "x"), ("b.jsonl", "x")], "the archive holds 2 data sets: a.csv, b.jsonl; unpack it and name one"),
        (&[("a/conversations-0.json", rows), ("b/conversations-1.json", rows)], "the archive holds 2 data sets"),
        (&[("picture.png", "x")], "none of the 1 files in the archive is of a format that is read"),
        (&[("xl/workbook.xml", "x")], "this is an Excel workbook: save the sheet as CSV"),
    ] {
        let e = texts(files).unwrap_err();
        assert!(e.contains(said), "{e}");
    }
}

#[test]
fn a_saved_dataset_is_its_rows() {
    let dir = TempDir::new().unwrap();
    for (name, text) in [("data-0.jsonl", "{\"text\":\"a\"}\n"), ("dataset_info.json", "{}"), ("state.json", "{}")] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    assert_eq!(read(dir.path(), None, None).unwrap().texts, ["a"]);
}

#[test]
fn what_is_no_text_is_refused() {
    let dir = TempDir::new().unwrap();
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 9]].concat();
    let pickle = [&[0x80, 4, 0x95, 0, 0, 0xff][..], b"\nabc"].concat();
    for (bytes, said) in [(png, "this is a PNG picture"), (pickle, "this is no text: it has bytes of 0"), (b"text\na\0b\n".to_vec(), "")] {
        let path = dir.path().join("d.csv");
        fs::write(&path, bytes).unwrap();
        match read(&path, None, None) {
            Ok(read) => assert!(said.is_empty() && read.texts == ["a\0b"]),
            Err(e) => assert!(e.code() == ErrorCode::Data && !said.is_empty() && e.to_string().contains(said), "{e}"),
        }
    }
}

/// Time stands in a column that nobody asked for, in every zone; rows go out as they came.
#[test]
fn rows_of_a_selection_are_those_of_the_file() {
    let bench = Bench::new();
    let json = "{\"id\":98765432109876543210,\"text\":\"Write a poem\", \"b\":1.10,\"a\":[1]}\n";
    bench.write("one.jsonl", json);
    bench.write("one.csv", "text,n,\"q\"\n\"Write a poem\",1.10,\"x\"\n");
    for name in ["one.jsonl", "one.csv"] {
        let output = format!("out-{name}");
        bench.ok(&format!("select --input {name} -n 1 -o {output}"));
        assert_eq!(fs::read(bench.path(&output)).unwrap(), fs::read(bench.path(name)).unwrap(), "{name}");
    }
    let tagged = "{\"messages\":[{\"role\":\"user\",\"content\":\"Write a poem\"}]}\n";
    bench.write("chat.jsonl", tagged);
    let output = bench.run("label --input chat.jsonl");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("OpenAI messages: 1 conversation, 1 user turn"), "{stderr}");
}

#[test]
fn a_follow_up_is_read_with_the_turn_before_it() {
    let bench = Bench::new();
    let say = |role: &str, content: &str| serde_json::json!({"role": role, "content": content});
    let turns = [
        say("user", "Write four lines about rain on a tin roof."),
        say("assistant", "The drummers came at half past ten"),
        say("user", "shorter"),
        say("assistant", "Rain drums"),
        say("user", "and in French?"),
    ];
    bench.write("chat.json", serde_json::json!([{"messages": turns}]).to_string());
    let requests = |which| {
        let reader = Reader::open(Parts::of(&bench.path("chat.json")).unwrap(), Options::default(), &(Arc::new(|_| ()) as _)).unwrap();
        let mut prompts = Prompts::new(reader, None, Some(which)).unwrap();
        let mut requests = Vec::new();
        while let Some(prompt) = prompts.read().unwrap() {
            let Found::Text { text, turn: Some(turn), .. } = prompt.found else { panic!("{prompt:?}") };
            requests.push((text, turn.request));
        }
        requests
    };
    let first = "Write four lines about rain on a tin roof.";
    let expected = [
        (first.to_owned(), None),
        ("shorter".to_owned(), Some(format!("shorter\n{first}"))),
        ("and in French?".to_owned(), Some(format!("and in French?\n{first}"))),
    ];
    assert_eq!(requests(Turns::All), expected);
    assert_eq!(requests(Turns::Last), expected[2..]);
    assert_eq!(requests(Turns::First), expected[..1]);
    // The row keeps its own text; the vector is that of both turns.
    bench.write("pairs.jsonl", format!("{}\n", serde_json::json!({"text": format!("shorter\n{first}")})));
    let vectors = |input: &str| {
        let out = bench.ok(&format!("embed --input {input}"));
        let rows = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| (row["text"].as_str().unwrap().to_owned(), row["embedding"].clone())).collect::<Vec<_>>()
    };
    let (chat, pair) = (vectors("chat.json"), vectors("pairs.jsonl"));
    assert_eq!((chat[1].0.as_str(), &chat[1].1), ("shorter", &pair[0].1));
}

#[test]
fn labelled_rows_stand_in_any_format() {
    let bench = Bench::new();
    let read = |name: &str, text: &str| {
        bench.write(name, text);
        labelled(&mut Reader::open(Parts::of(&bench.path(name)).unwrap(), Options::default(), &(Arc::new(|_| ()) as _))?)
    };
    let lines = r#"{"instruction":"Sing of rain","category":"sing|rain","conf":0.5,"twin":"Sing vom Regen"}

{"instruction":"","error":"the text is blank"}
{"instruction":"Fold it","category":"fold|it"}
"#;
    let rows = read("rows.jsonl", lines).unwrap();
    assert_eq!(rows.iter().map(|(place, _)| place.line).collect::<Vec<_>>(), [1, 4]);
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!((rows[0].conf, rows[1].conf, rows[0].twin.as_deref()), (0.5, 1.0, Some("Sing vom Regen")));
    for (name, text) in [
        ("rows.csv", "category,twin,conf,instruction\nsing|rain,Sing vom Regen,0.5,Sing of rain\nfold|it,,,Fold it\n"),
        (
            "rows.json",
            r#"[{"instruction": "Sing of rain", "category": "sing|rain", "conf": "0.5", "twin": "Sing vom Regen"},
                {"instruction": "Fold it", "category": "fold|it", "name": " "}]"#,
        ),
    ] {
        let found: Vec<_> = read(name, text).unwrap().into_iter().map(|(_, row)| row).collect();
        assert_eq!(found, rows, "{name}");
    }
    let benchmark =
        r#"{"sing|rain": {"number": 1, "samples": [{"category": ["sing", "rain"], "conf": 0.9, "instruction": "Sing of rain"}]}}"#;
    let found = read("test.json", benchmark).unwrap();
    assert_eq!((found[0].1.instruction.as_str(), found[0].1.category.as_str()), ("Sing of rain", "sing|rain"));
    for (name, text, expected) in [
        ("none.jsonl", "\n\n", "none.jsonl: empty; rows with an instruction and a category are expected"),
        ("bad.jsonl", "{\"category\":\"a|b\"}\n", "1 of 1 lines cannot be used: line 1: no \"instruction\""),
        ("bad.csv", "instruction,category,conf\na,b|c,sure\n", "line 2: \"conf\" is \"sure\", not a number"),
        ("bad2.csv", "instruction,category\na,\n", "line 2: the category is blank"),
        ("bad.txt", "Sing of rain\n", "line 1: no \"category\""),
    ] {
        let refused = read(name, text).unwrap_err();
        assert!(refused.code() == ErrorCode::Data && refused.to_string().contains(expected), "{refused}");
    }
}
