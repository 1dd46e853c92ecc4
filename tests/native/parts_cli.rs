//! A folder of parts, as engines write them, is one data set; and so are vectors in parts.

use std::fs;

use pie_embed_wasm::config::{Dtype, Pooling};
use serde_json::Value;

use crate::common::tiny;
use crate::uses_cli::{Bench, example};

/// `parts` with the instructions of `examples/uses` in three parts, and what an engine leaves beside them; `all.jsonl` with the same.
fn cut(bench: &Bench) {
    let all = fs::read_to_string(example("instructions.jsonl")).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    fs::create_dir(bench.path("parts")).unwrap();
    for (n, lines) in lines.chunks(150).enumerate() {
        // The last line of a part may do without its end.
        bench.write(&format!("parts/part-0000{n}"), lines.join("\n"));
    }
    for name in ["_SUCCESS", "part-00003", "._SUCCESS.crc"] {
        bench.write(&format!("parts/{name}"), "");
    }
    for name in [".part-00000.crc", "part-00000.crc", ".hidden"] {
        bench.write(&format!("parts/{name}"), "crc\0");
    }
    fs::create_dir(bench.path("parts/_temporary")).unwrap();
    bench.write("all.jsonl", all);
}

#[test]
fn a_folder_of_parts_reads_as_one_file() {
    let bench = Bench::new();
    cut(&bench);
    let same = |line: &str, name: &str| {
        bench.ok(&line.replace("DATA", "all.jsonl").replace("OUT", &format!("one.{name}")));
        bench.ok(&line.replace("DATA", "parts").replace("OUT", &format!("other.{name}")));
        let [one, other] = ["one", "other"].map(|stem| fs::read(bench.path(&format!("{stem}.{name}"))).unwrap());
        assert!(one == other, "{line}");
    };
    same("select --input DATA -n 30 -o OUT", "jsonl");
    same("correlate x=DATA y=DATA -o OUT", "json");
    same("index --input DATA -o OUT", "index");
    same("compress --input DATA -n 9 -o OUT", "csv");
    same("embed --input DATA -o OUT", "npy");
    assert!(bench.ok("report --input parts -o out.html").contains("360 rows, 360 different texts"));
    let page = fs::read_to_string(bench.path("out.html")).unwrap();
    assert!(page.contains("part-00001, line ") && page.contains("<title>What parts asks for"));
    assert!(bench.ok("correlate parts all.jsonl").contains("parts"));
}

#[test]
fn rows_are_named_by_their_part() {
    let bench = Bench::new();
    fs::create_dir(bench.path("parts")).unwrap();
    bench.write("parts/a.csv", "text,good\nWrite a poem,1\n");
    bench.write("parts/b.csv", "good,text\n2,Sum the list\n3\nmuch,Translate this\n");
    let output = bench.run("embed --input parts -o out.npy");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("pie: b.csv: line 3: there are 1 fields"), "{stderr}");
    assert!(stderr.contains("1 of 4 lines could not be read"), "{stderr}");
    let quality = "select --input parts -n 1 --method facility-location --quality good -o x.jsonl";
    bench.refuses(&[(quality, 1, "parts: b.csv: line 4: \"good\" is \"much\", not a number")]);
}

#[test]
fn folders_that_are_no_data_set_are_refused() {
    let bench = Bench::new();
    for name in ["empty", "kinds", "columns", "nested", "nested/more"] {
        fs::create_dir(bench.path(name)).unwrap();
    }
    for (name, text) in [
        ("empty/_SUCCESS", "done"),
        ("kinds/a.csv", "text\na\n"),
        ("kinds/b.jsonl", "{\"text\":\"a\"}\n"),
        ("columns/a.csv", "text,n\na,1\n"),
        ("columns/b.csv", "Write a poem,2\n"),
    ] {
        bench.write(name, text);
    }
    bench.refuses(&[
        ("select --input empty -n 1 -o x.jsonl", 1, "the folder empty holds no part of a data set [data]"),
        ("embed --input kinds -o x.npy", 1, "the folder kinds holds files of two kinds: a.csv and b.jsonl [data]"),
        ("report --input nested -o x.html", 1, "the folder nested holds another, more"),
        (
            "index --input columns -o x.index",
            1,
            "columns/b.csv: the columns are {\"2\", \"Write a poem\"}; those of columns/a.csv are {\"n\", \"text\"}",
        ),
        ("select --input missing -n 1 -o x.jsonl", 1, "missing: No such file or directory (os error 2) [io]"),
    ]);
}

/// Vectors in parts of every kind that `pie embed` writes, beside the rows or with them, serve as if the texts were embedded.
#[test]
fn vectors_come_in_parts() {
    let bench = Bench::new();
    cut(&bench);
    bench.ok("select --input parts -n 30 -o expected.jsonl --no-cache");
    bench.ok("correlate parts all.jsonl -o expected.json --label category --no-cache");
    for kind in ["npy", "jsonl", "parquet", "arrow"] {
        fs::create_dir(bench.path(kind)).unwrap();
        for part in 0..3 {
            bench.ok(&format!("embed --input parts/part-0000{part} -o {kind}/part-{part}.{kind}"));
        }
        bench.ok(&format!("select --input parts --vectors {kind} -n 30 -o out.jsonl --no-cache --force"));
        assert_eq!(bench.rows("out.jsonl"), bench.rows("expected.jsonl"), "{kind}");
        if kind != "npy" {
            bench.ok(&format!("select --input {kind} --vectors {kind} -n 30 -o out.jsonl --no-cache --force"));
            let texts = |name: &str, column: &str| -> Vec<Value> { bench.rows(name).into_iter().map(|row| row[column].clone()).collect() };
            assert_eq!(texts("out.jsonl", "text"), texts("expected.jsonl", "instruction"), "{kind}");
            assert!(bench.rows("out.jsonl")[0].get("embedding").is_none());
        }
        let pair = format!("--vectors {kind} --vectors {kind}");
        bench.ok(&format!("correlate parts all.jsonl {pair} -o out.json --label category --no-cache --force"));
        assert_eq!(bench.json("out.json"), bench.json("expected.json"), "{kind}");
    }
}

#[test]
fn vectors_of_others_are_refused() {
    let bench = Bench::new();
    bench.write("a.txt", "Write a poem\nSum the list\n");
    bench.write("other.gguf", tiny(Dtype::Q8_0, Pooling::Mean));
    bench.ok("embed --input a.txt --model ./other.gguf -o other.parquet");
    bench.ok("embed --input a.txt --prompt short -o short.arrow");
    bench.ok("embed --input a.txt --dimensions 20 -o few.jsonl");
    bench.write("none.jsonl", "{\"text\":\"a\"}\n");
    bench.write("broken.jsonl", "{\"embedding\":\n");
    bench.write("words.jsonl", format!("{{\"embedding\":[{}\"a\"]}}\n", "1,".repeat(63)));
    let line = |vectors: &str| format!("select --input a.txt --label instruction -n 1 -o x.jsonl --vectors {vectors}");
    bench.refuses(&[
        (&line("other.parquet"), 1, "other.parquet: its vectors were made with pie.model_sha256 \""),
        (&line("short.arrow"), 1, "short.arrow: its vectors were made with pie.prompt \""),
        (&line("few.jsonl"), 1, "few.jsonl: line 1: a vector of 20 numbers; the model's have 64 [data]"),
        (&line("none.jsonl"), 1, "none.jsonl: line 1: there is no column \"embedding\"; there are \"text\""),
        (&line("broken.jsonl"), 1, "broken.jsonl: line 1: no JSON object"),
        (&line("words.jsonl"), 1, "words.jsonl: vector 0 holds NaN at dimension 63"),
    ]);
}
