//! `pie select`, `correlate`, `compress`, `index` and `retrieve` as a user has them, on the tiny model and the instructions of `examples/uses`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pie_embed_wasm::config::{Dtype, Pooling};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::tiny;

pub struct Bench {
    pub dir: TempDir,
    /// Where the program finds the user's cache folder.
    pub cache: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { dir: TempDir::new().unwrap(), cache: TempDir::new().unwrap() };
        bench.write("tiny.gguf", tiny(Dtype::F32, Pooling::Mean));
        bench
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pie"));
        command.args(line.split_whitespace()).current_dir(&self.dir);
        command.env("PIE_MODEL", self.path("tiny.gguf")).env("XDG_CACHE_HOME", self.cache.path());
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn rows(&self, name: &str) -> Vec<Value> {
        // A path that is absolute stays what it is.
        fs::read_to_string(self.path(name)).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Each line ends with this status and says this, and leaves nothing behind.
    pub fn refuses(&self, cases: &[(&str, i32, &str)]) {
        let left = || fs::read_dir(&self.dir).unwrap().count();
        let before = left();
        for (line, status, said) in cases {
            let output = self.run(line);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(*status), "{line}: {stderr}");
            assert!(stderr.contains(said), "{line}: {stderr}");
            assert_eq!(left(), before, "{line}");
        }
    }
}

pub fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/uses").join(name);
    path.to_str().unwrap().to_owned()
}

fn is_svg(bytes: &[u8]) -> bool {
    bytes.starts_with(b"<svg") && bytes.trim_ascii_end().ends_with(b"</svg>")
}

#[test]
fn select_writes_rows_of_the_pool() {
    let bench = Bench::new();
    let pool = example("instructions.jsonl");
    for method in ["kmeans", "k-center", "facility-location"] {
        let line = format!("select --input {pool} -n 30 --method {method} --draws 4 --seed 3 --force");
        let table = bench.ok(&format!("{line} -o a.jsonl --report a.json --curve a.svg"));
        bench.ok(&format!("{line} -o b.jsonl"));
        assert_eq!(bench.rows("a.jsonl"), bench.rows("b.jsonl"), "{method}");
        let rows = bench.rows("a.jsonl");
        let report = bench.json("a.json");
        let tasks: HashSet<&str> = rows.iter().map(|row| row["category"].as_str().unwrap()).collect();
        assert_eq!((rows.len(), report["selection"]["tasks"].as_f64()), (30, Some(tasks.len() as f64)), "{method}");
        assert_eq!(report["tasks"], json!({"source": "column category", "in_pool": 58}));
        assert!(table.contains("of 58 by column category") && is_svg(&fs::read(bench.path("a.svg")).unwrap()), "{table}");
        let rising = |side: &str| {
            let curve = report[side]["coverage_curve"].as_array().unwrap();
            assert_eq!(curve.len(), report["sizes"].as_array().unwrap().len());
            curve.iter().map(|x| x.as_f64().unwrap()).is_sorted()
        };
        assert!(rising("selection") && rising("random"));
        if method == "facility-location" {
            // What it maximises is what is measured, so chance does not reach it.
            assert!(report["selection"]["coverage"].as_f64() > report["random"]["coverage"].as_f64());
        }
    }
}

#[test]
fn select_leaves_out_duplicates_and_weighs_quality() {
    let bench = Bench::new();
    bench.write(
        "pool.csv",
        "\u{feff}prompt,good\nWrite a poem,1\nWrite a poem,3\n\"Sum the list, please\",2\n\"Translate\nthis\",0.5\nWrite a poem,2\n",
    );
    let line = "select --input pool.csv --column prompt --quality good --method facility-location --dedupe 1 --draws 1";
    let table = bench.ok(&format!("{line} -n 3 -o out.csv"));
    assert!(table.contains("2 exact duplicates, 2 near-duplicates left out"), "{table}");
    let text = fs::read_to_string(bench.path("out.csv")).unwrap();
    assert!(text.starts_with("prompt,good\nWrite a poem,3\n") && text.contains("\"Sum the list, please\",2\n"), "{text}");
    assert!(text.contains("\"Translate\nthis\",0.5\n"), "{text}");
    bench.refuses(&[(&format!("{line} -n 4 -o x.csv"), 1, "without the 2 near-duplicates of 5 rows: 4 rows of a pool of 3")]);
}

/// Faulty rows are named and left out, the others are done, and the status says so.
#[test]
fn faulty_rows_are_left_out() {
    let bench = Bench::new();
    bench.write(
        "pool.jsonl",
        "{\"text\":\"a\"}\n\n{broken\n{\"text\":null}\n{\"text\":3}\n{\"text\":\" \"}\n{\"other\":1}\n[1]\n{\"text\":\"\\ud800\"}\n",
    );
    let output = bench.run("select --input pool.jsonl -n 2 -o out.jsonl");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), bench.rows("out.jsonl").len()), (Some(1), 2), "{stderr}");
    for said in [
        "line 3: no JSON object",
        "line 4: \"text\" is missing",
        "line 5: \"text\" is a number",
        "line 6: the text is blank",
        "line 7: there is no column \"instruction\" or \"text\" or \"prompt\"; there are \"other\"",
        "line 8: no JSON object",
        "6 of 8 lines",
    ] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
    bench.write("pool.csv", "text,label\na,1\nb\n\nc,2\n");
    let output = bench.run("select --input pool.csv -n 2 -o out.csv");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("line 3: there are 1 fields; the header has 2"), "{stderr}");
}

#[test]
fn select_says_what_is_wrong() {
    let bench = Bench::new();
    bench.write("pool.jsonl", "{\"text\":\"a\",\"q\":1,\"label\":\"x\"}\n{\"text\":\"b\",\"q\":\"much\"}\n{\"text\":\"c\",\"q\":-1}\n");
    bench.write("empty.jsonl", "");
    bench.write("twice.csv", "text,text\na,b\n");
    bench.write("there.jsonl", "kept");
    let method = "--method facility-location --quality q";
    bench.refuses(&[
        ("select --input pool.jsonl -n 0 -o x.jsonl", 1, "--count is 0; the pool has 3 rows [invalid_argument]"),
        ("select --input pool.jsonl -n 4 -o x.jsonl", 1, "--count is 4; the pool has 3 rows"),
        ("select --input pool.jsonl -n 1 -o there.jsonl", 1, "there.jsonl exists: --force"),
        ("select --input pool.jsonl -n 1 -o x.txt --label text", 1, "name a .jsonl, .csv or .parquet file"),
        ("select --input pool.jsonl -n 1 -o x.jsonl --column y", 1, "no row has a text [data]"),
        ("select --input pool.jsonl -n 1 -o x.jsonl --label y", 1, "no column \"y\"; there are \"text\", \"q\", \"label\""),
        ("select --input pool.jsonl -n 1 -o x.jsonl", 1, "line 2: \"label\" is missing, not a text"),
        (&format!("select --input pool.jsonl -n 1 -o x.jsonl {method}"), 1, "line 2: \"q\" is \"much\", not a number"),
        ("select --input pool.jsonl -n 1 -o x.jsonl --label text --dedupe 2", 1, "--dedupe: the threshold is 2"),
        ("select --input empty.jsonl -n 1 -o x.jsonl", 1, "empty.jsonl: no row has a text"),
        ("select --input twice.csv -n 1 -o x.jsonl", 1, "two columns are called \"text\""),
        ("select --input missing.jsonl -n 1 -o x.jsonl", 1, "[io]"),
        ("select --input pool.jsonl -n 1 -o no-such-folder/x.jsonl --label text", 1, "[io]"),
        ("select --input pool.jsonl -n 1 -o x.jsonl --draws 0", 2, "--draws"),
    ]);
    assert_eq!(fs::read(bench.path("there.jsonl")).unwrap(), b"kept");
}

#[test]
fn correlate_compares_every_pair() {
    let bench = Bench::new();
    let data = format!("{} {} copy={}", example("life.jsonl"), example("text.jsonl"), example("life.jsonl"));
    bench.ok(&format!("correlate {data} -o m.json --heat-map m.svg"));
    let report = bench.json("m.json");
    let at = |matrix: &str, a: usize, b: usize| report[matrix][a][b].as_f64().unwrap();
    for a in 0..3 {
        for b in 0..3 {
            let same = a % 2 == b % 2;
            assert_eq!(at("wasserstein", a, b) == 0.0, same);
            assert_eq!((at("cosine", a, b) - 1.0).abs() < 1e-6, same);
            assert_eq!(at("overlap", a, b), f64::from(u8::from(same)));
        }
    }
    assert_eq!((report["normalization"].as_str(), report["tasks"].as_str()), (Some("length"), Some("columns")));
    let order: Vec<&str> = report["order"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(order.join(" ").contains("life copy") || order.join(" ").contains("copy life"), "{order:?}");
    let svg = fs::read(bench.path("m.svg")).unwrap();
    assert!(is_svg(&svg) && String::from_utf8(svg).unwrap().matches("tasks in common").count() == 1);

    // The mean over a part of the rows is near that over all, and the same again.
    bench.ok(&format!("correlate {data} --sample 20 -o s.json"));
    bench.ok(&format!("correlate {data} --sample 20 -o s.json --force"));
    let sampled = bench.json("s.json");
    assert_eq!(sampled["wasserstein"], report["wasserstein"]);
    assert!((sampled["cosine"][0][1].as_f64().unwrap() - at("cosine", 0, 1)).abs() < 0.1 && sampled["cosine"] != report["cosine"]);

    bench.ok(&format!("correlate {data} --paper -o m.csv"));
    let csv = fs::read_to_string(bench.path("m.csv")).unwrap();
    assert!(csv.starts_with("cosine,first,overlap,second,wasserstein\n") && csv.lines().count() == 10, "{csv}");
    assert!(bench.ok(&format!("correlate {data}")).starts_with("cosine\n"));
}

#[test]
fn correlate_says_what_is_wrong() {
    let bench = Bench::new();
    bench.write("a.txt", "Write a poem\nSum a list\n");
    bench.write("b.txt", "Translate this\n");
    bench.write("empty.txt", "");
    bench.refuses(&[
        ("correlate a.txt", 2, "2 values required"),
        ("correlate a.txt a.txt", 1, "two data sets are called \"a\": say NAME=FILE"),
        ("correlate a.txt empty.txt", 1, "empty.txt: no row has a text"),
        ("correlate a.txt b.txt --label task", 1, "a.txt: there is no column \"task\"; there are \"instruction\""),
        ("correlate a.txt b.txt --sample 0", 1, "--sample is 0"),
        ("correlate a.txt b.txt --vectors a.npy", 1, "--vectors names 1 files for 2 data sets"),
        ("correlate a.txt b.txt -o x.png", 1, "name a .jsonl, .csv or .parquet file"),
        ("correlate a.txt b.txt -o a.txt", 1, "a.txt exists: --force"),
    ]);
    // Without a label column and without a taxonomy there are no tasks; the rest is there.
    let output = bench.run("correlate a.txt b.txt -o m.json");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("note: no tasks are counted"));
    assert!(bench.json("m.json")["overlap"].is_null());
}

#[test]
fn compress_tells_scores_from_anchors() {
    let bench = Bench::new();
    let files = format!("--input {} --results {}", example("instructions.jsonl"), example("results.csv"));
    let table = bench.ok(&format!("compress {files} -n 40 --draws 50 -o a.jsonl --report a.json --curve a.svg"));
    let rows = bench.rows("a.jsonl");
    let weights: f64 = rows.iter().map(|row| row["weight"].as_f64().unwrap()).sum();
    assert!(rows.len() == 40 && (weights - 1.0).abs() < 1e-9);
    let report = bench.json("a.json");
    // By hand: the truth of the first model, and what the anchors make of it.
    let csv = fs::read_to_string(example("results.csv")).unwrap();
    let first: Vec<f64> = csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let model = &report["models"][0];
    let close = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-9;
    assert!(close(&model["truth"], first.iter().sum::<f64>() / first.len() as f64));
    let estimate = rows.iter().map(|row| row["weight"].as_f64().unwrap() * first[row["id"].as_u64().unwrap() as usize]).sum();
    assert!(close(&model["estimate"], estimate), "{model}");
    let random: Vec<f64> = report["curve"].as_array().unwrap().iter().map(|p| p["random"].as_f64().unwrap()).collect();
    assert!(random.len() > 6 && random.first() > random.last(), "{random:?}");
    assert!(
        table.contains("model-012")
            && table.contains("… and 88 more models")
            && table.contains("Spearman")
            && is_svg(&fs::read(bench.path("a.svg")).unwrap())
    );
    // Without results there are anchors and nothing to hold them against; every row as an anchor is the whole.
    bench.ok(&format!("compress --input {} -n 5 -o only.csv", example("life.jsonl")));
    bench.ok(&format!("compress {files} -n 360 --draws 1 -o all.jsonl --report all.json"));
    assert!(bench.json("all.json")["error"].as_f64().unwrap() < 1e-6);
}

#[test]
fn compress_says_what_is_wrong() {
    let bench = Bench::new();
    bench.write("test.jsonl", "{\"id\":\"x\",\"text\":\"a\"}\n{\"id\":\"y\",\"text\":\"b\"}\n");
    for (name, text) in [
        ("twice.csv", "id,m\nx,1\nx,0\n"),
        ("short.csv", "id,m\nx,1\n"),
        ("no-id.csv", "m\n1\n"),
        ("no-model.csv", "id\nx\ny\n"),
        ("words.csv", "id,m\nx,1\ny,right\n"),
        ("hole.csv", "id,m\nx,1\ny,\n"),
        ("nan.csv", "id,m\nx,1\ny,NaN\n"),
    ] {
        bench.write(name, text);
    }
    let line = |results: &str| format!("compress --input test.jsonl -n 1 -o x.jsonl --results {results}");
    bench.refuses(&[
        (&line("twice.csv"), 1, "line 3: id \"x\" is there twice"),
        (&line("short.csv"), 1, "there is no result of id \"y\""),
        (&line("no-id.csv"), 1, "1 results of 2 rows, and no column \"id\""),
        (&line("no-model.csv"), 1, "no column with a model's results"),
        (&line("words.csv"), 1, "line 3: \"m\" is \"right\", not a number"),
        (&line("hole.csv"), 1, "line 3: \"m\" is \"\", not a number"),
        (&line("nan.csv"), 1, "line 3: \"m\" is NaN, not a finite number"),
        ("compress --input test.jsonl -n 3 -o x.jsonl", 1, "--anchors is 3; the test set has 2 rows"),
        ("compress --input test.jsonl -n 0 -o x.jsonl", 1, "--anchors is 0"),
        ("compress --input test.jsonl -n 1 -o x.jsonl --curve x.svg", 2, "--results"),
    ]);
}

#[test]
fn retrieve_finds_the_nearest_other_rows() {
    let bench = Bench::new();
    let pool = example("instructions.jsonl");
    assert!(bench.ok(&format!("index --input {pool} -o pool.index")).contains("360 rows of 64 dimensions"));
    let line = format!("retrieve --index pool.index --input {pool} -k 3");
    let output = bench.run(&format!("{line} -o found.jsonl"));
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("over 354 instructions"));
    let (found, texts) = (bench.rows("found.jsonl"), bench.rows(&pool));
    assert_eq!(found.len(), 360);
    // By brute force over what `pie embed` says of the same rows.
    let vectors: Vec<Vec<f64>> = bench
        .ok(&format!("embed --input {pool}"))
        .lines()
        .map(|line| serde_json::from_value(serde_json::from_str::<Value>(line).unwrap()["embedding"].clone()).unwrap())
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for (query, row) in found.iter().enumerate() {
        assert_eq!(row["text"], texts[query]["instruction"]);
        let demonstrations = row["demonstrations"].as_array().unwrap();
        let scores: Vec<f64> = demonstrations.iter().map(|d| d["score"].as_f64().unwrap()).collect();
        assert!(demonstrations.len() == 3 && demonstrations.iter().all(|d| d["text"] != row["text"]), "{row}");
        let others = (0..texts.len()).filter(|&other| texts[other]["instruction"] != row["text"]);
        let mut best: Vec<f64> = others.map(|other| dot(&vectors[query], &vectors[other])).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        assert!(scores.iter().zip(best).all(|(a, b)| (a - b).abs() < 1e-5), "{row}");
    }
    // Diversity costs nearness; all of the weight on the cosine is plain search.
    bench.ok(&format!("{line} --diverse 1 -o plain.jsonl"));
    assert_eq!(bench.rows("plain.jsonl"), found);
    bench.ok(&format!("{line} --diverse 0.5 -o diverse.jsonl"));
    let first = |rows: &[Value]| rows.iter().map(|row| row["demonstrations"][0].clone()).collect::<Vec<_>>();
    let diverse = bench.rows("diverse.jsonl");
    assert!(diverse != found && first(&diverse) == first(&found));
    assert!(!bench.ok(&format!("{line} --tfidf")).is_empty());
}

#[test]
fn retrieve_renders_few_shot_prompts() {
    let bench = Bench::new();
    bench.write("pool.csv", "text,answer\nWrite a poem about rain,Drops\nSum 2 and 3,5\n");
    bench.write("few.txt", "{{#demonstrations}}Q: {{text}}\nA: {{answer}}\n{{/demonstrations}}Q: {{query}}\nA:");
    bench.write("other.txt", "{{#demonstrations}}{{reply}}{{/demonstrations}}{{query}}");
    bench.write("bad.txt", "{{query}}");
    bench.ok("index --input pool.csv -o pool.index");
    let line: Value = serde_json::from_str(&bench.ok("retrieve --index pool.index --template few.txt -k 9 Sum")).unwrap();
    let nearest = &line["demonstrations"][0]["row"];
    let prompt = line["prompt"].as_str().unwrap();
    let last = format!("Q: {}\nA: {}\nQ: Sum\nA:", nearest["text"].as_str().unwrap(), nearest["answer"].as_str().unwrap());
    assert!(prompt.ends_with(&last) && prompt.matches("Q:").count() == 3, "{prompt}");

    let whole = fs::read(bench.path("pool.index")).unwrap();
    bench.write("half.index", &whole[..whole.len() / 2]);
    let text = whole.windows(4).position(|bytes| bytes == b"poem").unwrap();
    for (name, at) in [("changed.index", text), ("longer.index", whole.len() - 1)] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        bench.write(name, changed);
    }
    bench.ok("embed --input pool.csv -o other.arrow");
    bench.write("other.gguf", tiny(Dtype::Q8_0, Pooling::Mean));
    bench.refuses(&[
        ("retrieve --index pool.index", 2, "<TEXT"),
        ("retrieve --index pool.index -k 0 a", 1, "--top-k is 0"),
        ("retrieve --index pool.index --diverse 2 a", 1, "--diverse: lambda is 2"),
        ("retrieve --index pool.index --template other.txt a", 1, "no column \"reply\""),
        ("retrieve --index pool.index --template bad.txt a", 1, "bad.txt: template: there is no {{#demonstrations}}"),
        ("retrieve --index pool.index --model ./other.gguf a", 1, "it was made by the model with sha256"),
        ("retrieve --index half.index a", 1, "half.index: no index"),
        ("retrieve --index changed.index a", 1, "changed.index: no index: row 0 is not what was written"),
        ("retrieve --index longer.index a", 1, "longer.index: no index"),
        ("retrieve --index tiny.gguf a", 1, "tiny.gguf: no index: columns cannot be read"),
        ("retrieve --index other.arrow a", 1, "other.arrow: no index: it does not say \"pie.index.prompt\""),
        ("retrieve --index missing.index a", 1, "[io]"),
        ("retrieve --index pool.index --input pool.csv --label y", 1, "no column \"y\""),
        ("index --input pool.csv -o pool.index", 1, "pool.index exists: --force"),
    ]);
}

/// On a small pool the graph finds what the exact search does, copies passed over; and it belongs to its index.
#[test]
fn a_graph_finds_what_the_exact_search_does() {
    let bench = Bench::new();
    let pool = example("instructions.jsonl");
    bench.ok(&format!("index --input {pool} -o pool.index --hnsw"));
    for options in ["-k 3", "-k 5 --diverse 0.5"] {
        let line = format!("retrieve --index pool.index --input {pool} {options} --force");
        bench.ok(&format!("{line} -o exact.jsonl --search exact"));
        let output = bench.run(&format!("{line} -o graph.jsonl --search hnsw"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains("nearest rows, over 100 of the instructions"), "{said}");
        let part = |text: &str| text.split_once("the graph finds ").unwrap().1.split_once(' ').unwrap().0.parse::<f64>().unwrap();
        assert!(part(&said) > 0.99, "{said}");
        let (exact, graph) = (bench.rows("exact.jsonl"), bench.rows("graph.jsonl"));
        let same = exact.iter().zip(&graph).filter(|(a, b)| a == b).count();
        assert!(same >= 356, "{options}: {same} of 360");
    }
    // Nobody asked for it, and the pool is small.
    let output = bench.run("retrieve --index pool.index Sum");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("graph"));

    bench.write("one.txt", "Write a poem\n");
    bench.ok("index --input one.txt -o one.index --hnsw");
    assert!(bench.ok("retrieve --index one.index --search hnsw Sum").contains("Write a poem"));
    bench.ok("index --input one.txt -o none.index");
    for (name, of) in [("other", "pool"), ("changed", "one"), ("short", "one")] {
        fs::copy(bench.path("one.index"), bench.path(&format!("{name}.index"))).unwrap();
        fs::copy(bench.path(&format!("{of}.index.hnsw")), bench.path(&format!("{name}.index.hnsw"))).unwrap();
    }
    let mut changed = fs::read(bench.path("one.index.hnsw")).unwrap();
    changed[3] ^= 1;
    bench.write("changed.index.hnsw", changed);
    bench.write("short.index.hnsw", "short");
    bench.refuses(&[
        (
            "retrieve --index none.index --search hnsw Sum",
            1,
            "none.index.hnsw: No such file or directory (os error 2); `pie index --hnsw` makes one [io]",
        ),
        (
            "retrieve --index other.index --search hnsw Sum",
            1,
            "other.index.hnsw: the graph of another index; `pie index --hnsw` makes one [data]",
        ),
        ("retrieve --index changed.index --search hnsw Sum", 1, "changed.index.hnsw: it is not what was written"),
        ("retrieve --index short.index --search hnsw Sum", 1, "short.index.hnsw: no graph"),
        ("retrieve --index one.index --search hnsw -k 21 --diverse 1 Sum", 1, "210 rows an instruction; the graph finds at most 200"),
        ("retrieve --index one.index --search hnsw --tfidf Sum", 2, "--tfidf"),
        ("index --input one.txt -o new.index --hnsw --search x", 2, "--search"),
    ]);
    fs::copy(bench.path("one.index.hnsw"), bench.path("new.index.hnsw")).unwrap();
    bench.refuses(&[("index --input one.txt -o new.index --hnsw", 1, "new.index.hnsw exists: --force")]);
}

/// One reader serves every command, so what one reads the others read.
#[test]
fn every_format_gives_the_same_rows() {
    let bench = Bench::new();
    bench.write("a.jsonl", "{\"text\":\"Write a poem\",\"label\":\"x\"}\n\n{\"text\":\"Sum, or add\",\"label\":\"y\"}\n");
    bench.write("lines.json", fs::read(bench.path("a.jsonl")).unwrap());
    bench.write("list.json", "\u{feff}[{\"text\":\"Write a poem\",\"label\":\"x\"},\n{\"text\":\"Sum, or add\",\"label\":\"y\"}]");
    bench.write("a.csv", "label,text\nx,Write a poem\ny,\"Sum, or add\"\n");
    bench.write("a.tsv", "label\ttext\r\nx\tWrite a poem\r\ny\tSum, or add\r\n");
    bench.write("a.txt", "Write a poem\n \nSum, or add");
    let samples = |text: &str| json!({"samples": [{"category": ["a", "b"], "instruction": text, "input": "", "output": ""}]});
    bench.write("tasks.json", json!({"a|b": samples("Write a poem"), "c|d": samples("Sum, or add")}).to_string());
    for name in ["a.jsonl", "lines.json", "list.json", "a.csv", "a.tsv", "a.txt", "tasks.json"] {
        bench.ok(&format!("select --input {name} -n 2 --method k-center -o out.jsonl --force"));
        let mut texts: Vec<String> =
            bench.rows("out.jsonl").iter().map(|row| row["text"].as_str().or(row["instruction"].as_str()).unwrap().to_owned()).collect();
        texts.sort();
        assert_eq!(texts, ["Sum, or add", "Write a poem"], "{name}");
        // Where a blank line keeps its place, it is an error.
        let blank = name == "a.txt" || name.ends_with("a.jsonl") || name == "lines.json";
        let output = bench.run(&format!("embed --input {name}"));
        let rows: Vec<Value> = output.stdout.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let texts: Vec<&str> = rows.iter().filter(|row| row.get("error").is_none()).map(|row| row["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["Write a poem", "Sum, or add"], "{name}");
        assert_eq!((output.status.code(), rows.len()), if blank { (Some(1), 3) } else { (Some(0), 2) }, "{name}");
    }
    bench.write("odd.json", "[3,\"Write a poem\",{\"text\":\"a\"}]");
    let output = bench.run("select --input odd.json -n 2 -o odd.jsonl");
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("line 1: no JSON object"));
    bench.write("half.json", "[{\"text\":\"a\"},");
    bench.refuses(&[("select --input half.json -n 1 -o x.jsonl", 1, "half.json: no JSON: EOF")]);
}

/// The files of kept vectors in a folder, that of the texts' hashes beside each.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|extension| extension == "vectors")).collect();
    files.sort();
    files
}

/// Bytes of a record of the tiny model's 64 dimensions.
const HASH: usize = 24;
const RECORD: usize = HASH + 64 * 4 + 1 + 8;

#[test]
fn vectors_are_kept_between_runs() {
    let bench = Bench::new();
    let pool = example("instructions.jsonl");
    let run = |command: &str, options: &str| {
        let output = bench.run(&format!("{command} {options} --force"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{command}: {stderr}");
        stderr
    };
    let index = format!("index --input {pool} -o pool.index");
    assert_eq!(run(&index, "--no-cache"), "");
    let without = fs::read(bench.path("pool.index")).unwrap();
    assert_eq!(fs::read_dir(&bench.cache).unwrap().count(), 0);
    // Kept under the user's cache folder, for every command.
    assert_eq!(run(&index, ""), "");
    let usual = kept(&bench.cache.path().join("pie"))[0].clone();
    let all = format!("note: 360 of 360 vectors come from {}\n", usual.display());
    assert_eq!(run(&index, ""), all);
    assert_eq!(fs::read(bench.path("pool.index")).unwrap(), without);
    let compress = format!("compress --input {pool} -n 5 -o a.jsonl");
    assert_eq!(run(&format!("select --input {pool} -n 5 -o s.jsonl"), ""), all);
    assert_eq!(run(&compress, ""), all);
    assert!(run(&format!("retrieve --index pool.index --input {pool} -o r.jsonl"), "").starts_with(&all));
    let life = example("life.jsonl");
    assert!(run(&format!("correlate {life} copy={life} -o m.json"), "").starts_with("note: 72 of 72"));
    // Another prompt has vectors of its own.
    assert_eq!(run(&index, "--prompt short"), "");
    assert_eq!(run(&index, "--cache here"), "");
    assert_eq!(kept(&bench.path("here")).len(), 1);

    // What a kill leaves: half a record at the end, and one that is not what was written.
    let whole = fs::read(&usual).unwrap();
    let header = whole.len() - 360 * RECORD;
    run(&index, "--no-cache --prompt none");
    fs::write(&usual, &whole[..header + 100 * RECORD + 7]).unwrap();
    let said = run(&index, "");
    assert!(said.contains("the last 7 bytes are no whole vectors") && said.contains("note: 100 of 360 vectors"), "{said}");
    assert_eq!((fs::read(bench.path("pool.index")).unwrap() == without, fs::read(&usual).unwrap() == whole), (true, true));
    let mut changed = whole.clone();
    changed[header + 50 * RECORD + 30] ^= 1;
    changed[header + 60 * RECORD] ^= 1;
    fs::write(&usual, changed).unwrap();
    let said = run(&index, "");
    assert!(said.contains("what is not as it was written is computed anew\nnote: 358 of 360 vectors"), "{said}");
    assert!(fs::read(bench.path("pool.index")).unwrap() == without);
    // It is kept anew.
    assert_eq!(run(&index, ""), all);
    // The hashes of the texts may be lost, cut off or wrong.
    let texts = usual.with_extension("texts");
    fs::remove_file(&texts).unwrap();
    assert_eq!(run(&index, ""), all);
    let mut hashes = fs::read(&texts).unwrap();
    assert_eq!(hashes.len(), 362 * HASH);
    fs::write(&texts, &hashes[..100]).unwrap();
    assert_eq!((run(&index, ""), fs::read(&texts).unwrap() == hashes), (all.clone(), true));
    hashes[5] ^= 1;
    hashes.swap(HASH * 20, HASH * 21);
    fs::write(&texts, &hashes).unwrap();
    assert!(run(&index, "").contains("note: 357 of 360 vectors"));
    assert!(fs::read(bench.path("pool.index")).unwrap() == without);
    fs::write(&usual, &whole[..header / 2]).unwrap();
    assert_eq!(run(&index, ""), "");
    // Another's file is left as it is: a folder that was not asked for stops no run, and one that was does.
    fs::write(&usual, "{\"pie_vectors\":\"of another\"}\n").unwrap();
    let foreign = "is no cache of this model and prompt: remove it, or name another folder by --cache";
    let said = run(&index, "");
    assert!(said.starts_with("note: vectors are not kept: ") && said.contains(foreign), "{said}");
    assert!(fs::read(bench.path("pool.index")).unwrap() == without);
    let folder = usual.parent().unwrap().display();
    bench.refuses(&[(&format!("{compress} --force --cache {folder}"), 1, &format!("{foreign} [data]"))]);
    assert_eq!(fs::read(&usual).unwrap(), b"{\"pie_vectors\":\"of another\"}\n");
    bench.write("file", "");
    bench.refuses(&[(&format!("{compress} --force --cache file"), 1, "[io]")]);
}

/// What was used least recently goes first, nothing that is in use, and nothing that is no cache.
#[test]
fn the_cache_is_bounded() {
    let bench = Bench::new();
    let (pool, dir) = (example("instructions.jsonl"), bench.path("kept"));
    // Room for two models or prompts of 360 vectors.
    let size = 360 * (RECORD + HASH) + 1000;
    let run = |prompt: &str, files: f64| {
        let limit = size as f64 * files / 1e9;
        let output = bench.run(&format!("embed --input {pool} --prompt {prompt} --cache kept --cache-limit {limit} -o x.npy --force"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        stderr
    };
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notes.vectors"), vec![0; 10 * size]).unwrap();
    assert_eq!((run("none", 2.0), run("short", 2.0)), (String::new(), String::new()));
    assert!(run("none", 2.0).contains("360 of 360"));
    assert_eq!(run("pie", 2.0), "");
    // `short` had to go for it.
    assert!(run("none", 2.0).contains("360 of 360") && run("pie", 2.0).contains("360 of 360"));
    assert_eq!(kept(&dir).len(), 3);
    assert_eq!(run("short", 1.0), "");
    assert!(run("short", 1.0).contains("360 of 360"));
    let there = kept(&dir);
    assert_eq!((there.len(), fs::read_dir(&dir).unwrap().count()), (2, 3), "{there:?}");
    let used = there.iter().find(|path| !path.ends_with("notes.vectors")).unwrap();
    let lock = File::open(used).unwrap();
    lock.lock().unwrap();
    let said = run("none", 1.0);
    assert!(said.contains("note: vectors are not kept from here on: kept holds what --cache-limit allows, 0.0001"), "{said}");
    lock.unlock().unwrap();
    assert!(run("short", 1.0).contains("360 of 360"));
    assert_eq!(run("none", 1.0), "");
    assert_eq!(fs::metadata(dir.join("notes.vectors")).unwrap().len(), 10 * size as u64);
    bench.refuses(&[("embed --cache-limit=-1 --input x", 2, "-1 is no number of at least 0")]);
}

/// A text that stands often in the pool is passed over in all its places, and others get what they would without it.
#[test]
fn a_text_of_many_copies_is_passed_over() {
    let bench = Bench::new();
    let texts = ["Write a poem", "Sum the list", "Translate this", "Write a song"];
    let line = |text: &str| format!("{}\n", json!({"text": text}));
    bench.write("few.jsonl", texts.map(line).concat());
    bench.write("many.jsonl", format!("{}{}", line("Write a poem").repeat(300), texts.map(line).concat()));
    let found = |name: &str| -> Vec<Vec<String>> {
        bench.ok(&format!("index --input {name}.jsonl -o {name}.index"));
        bench.ok(&format!("retrieve --index {name}.index --input {name}.jsonl -k 1 -o {name}.out"));
        let text = |hit: &Value| hit["text"].as_str().unwrap().to_owned();
        let hits = |row: Value| row["demonstrations"].as_array().unwrap().iter().map(text).collect();
        bench.rows(&format!("{name}.out")).into_iter().map(hits).collect()
    };
    let (few, many) = (found("few"), found("many"));
    assert_eq!(many.len(), 304);
    assert!(many[..300].iter().all(|hits| *hits == few[0]) && many[300..] == few, "{few:?}");
}

/// Killed in mid-run, the next run goes on where the first stopped, and another model does not.
#[test]
fn a_killed_run_is_resumed() {
    let bench = Bench::new();
    let line = |n: usize| format!("{{\"text\":\"Write {n} lines about {}\"}}\n", n * 7919 % 1000);
    bench.write("pool.jsonl", (0..20_000).map(line).collect::<String>());
    for (command, output) in [("index --input pool.jsonl -o", "pool.index"), ("embed --input pool.jsonl -o", "pool.npy")] {
        let kept = format!("kept-{output}");
        let line = format!("{command} {output} --cache {kept}");
        let mut child = bench.command(&line).spawn().unwrap();
        let begun = || fs::read_dir(bench.path(&kept)).is_ok_and(|mut files| files.any(|f| f.unwrap().metadata().unwrap().len() > 100_000));
        while !begun() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let again = bench.run(&format!("{line} --force"));
        let stderr = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success() && stderr.contains(&format!(" of 20000 vectors come from {kept}")), "{stderr}");
        let resumed = fs::read(bench.path(output)).unwrap();
        bench.ok(&format!("{command} {output} --no-cache --force"));
        assert!(fs::read(bench.path(output)).unwrap() == resumed, "{output}");
    }
    bench.write("other.gguf", tiny(Dtype::Q8_0, Pooling::Mean));
    let output = bench.run("embed --input pool.jsonl -o other.npy --cache kept-pool.npy --model ./other.gguf");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(kept(&bench.path("kept-pool.npy")).len(), 2);
}

/// A stream is kept only where a folder is named, and what was truncated is known again.
#[test]
fn streams_are_kept_on_demand() {
    let bench = Bench::new();
    bench.write("in.txt", format!("Write a poem\n{}\nWrite a poem\n", "word ".repeat(200)));
    let run = |line: &str| {
        let output = bench.command(line).stdin(File::open(bench.path("in.txt")).unwrap()).output().unwrap();
        assert!(output.status.success(), "{line}");
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (rows, said) = run("embed");
    assert_eq!((said.as_str(), fs::read_dir(&bench.cache).unwrap().count()), ("", 0));
    assert_eq!(run("embed --cache kept"), (rows.clone(), String::new()));
    let (again, said) = run("embed --cache kept");
    assert!(again == rows && said.starts_with("note: 3 of 3 vectors come from kept/"), "{said}");
    assert_eq!(String::from_utf8(rows).unwrap().matches("\"truncated\":true").count(), 1);
    // Fewer tokens or dimensions are other vectors.
    assert_eq!(run("embed --cache kept --max-tokens 20").1, "");
    assert_eq!(run("embed --cache kept --dimensions 20").1, "");
    assert_eq!(run("embed --input in.txt").1, "");
    assert!(run("embed --input in.txt").1.starts_with("note: 3 of 3"));
}
