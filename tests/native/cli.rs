//! The `pie` program as a user runs it: what it prints, what it leaves on disk, and how it ends.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use arrow_ipc::reader::StreamReader;
use arrow_json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::{EmbedOptions, Embedder};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{fixtures, instructions, tiny};
use crate::taxonomy::labelled;

struct Session {
    dir: TempDir,
    /// Where the program finds the user's cache folder.
    cache: TempDir,
}

impl Session {
    /// A folder with a model and its taxonomy.
    fn new() -> Self {
        let session = Self { dir: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() };
        session.write("model.gguf", &tiny(Dtype::Q8_0, Pooling::Mean));
        let rows: Vec<String> = labelled().iter().map(|row| serde_json::to_string(row).unwrap()).collect();
        session.write("labelled.jsonl", rows.join("\n").as_bytes());
        let output = session.run(&["taxonomy", "--data", "labelled.jsonl", "-o", "model.taxonomy", "--merge-above", "0.9999"], b"");
        assert!(output.status.success(), "{output:?}");
        session
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pie"));
        command.args(args).current_dir(&self.dir).env("PIE_MODEL", self.path("model.gguf")).env("XDG_CACHE_HOME", self.cache.path());
        command
    }

    fn run(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let input = stdin.to_vec();
        // A program that ends before it reads everything closes the pipe; that is for the test to judge by its output.
        let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// What the run left in the folder beside the files of `new`.
    fn left(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("model.") && name != "labelled.jsonl");
        names.sort();
        names
    }
}

fn json_lines(output: &Output) -> Vec<Value> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn read_npy(path: &Path) -> (usize, usize, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let header = std::str::from_utf8(&bytes[10..128]).unwrap();
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let (rows, dimensions) = shape.split_once(", ").unwrap();
    let data: Vec<f32> = bytes[128..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let (rows, dimensions) = (rows.parse().unwrap(), dimensions.parse().unwrap());
    assert_eq!(data.len(), rows * dimensions);
    (rows, dimensions, data)
}

#[test]
fn embed_writes_one_row_a_line() {
    let session = Session::new();
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    let texts: Vec<String> = instructions().into_iter().filter(|t| !t.contains(['\n', '\r'])).collect();
    let expected = embedder.embed(&texts, &EmbedOptions::default()).unwrap();

    session.write("in.txt", (texts.join("\r\n") + "\r\n").as_bytes());
    let output = session.run(&["embed", "--input", "in.txt", "--format", "text", "--output", "out.npy"], b"");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(read_npy(&session.path("out.npy")), (texts.len(), 64, expected.data.clone()));

    let jsonl: Vec<String> = texts.iter().map(|t| serde_json::json!({"instruction": t}).to_string()).collect();
    let output = session.run(&["embed", "--dimensions", "24"], jsonl.join("\n").as_bytes());
    let rows = json_lines(&output);
    assert!(output.status.success() && rows.len() == texts.len());
    for (row, text) in rows.iter().zip(&texts) {
        assert_eq!((row["text"].as_str(), row["embedding"].as_array().unwrap().len()), (Some(text.as_str()), 24));
    }
    assert_eq!(session.left(), ["in.txt", "out.npy"]);
}

#[test]
fn faulty_lines_keep_their_row_and_the_status_says_so() {
    let session = Session::new();
    let input = b"{\"instruction\":\"Write a poem\"}\n{broken\n\n{\"text\":\"  \"}\n{\"other\":1}\n{\"text\":\"\xff\"}\n{\"text\":\"lone \\ud83d surrogate\"}\n{\"text\":\"nul \\u0000\"}";
    let output = session.run(&["tag"], input);
    assert_eq!(output.status.code(), Some(1));
    let rows = json_lines(&output);
    assert_eq!(rows.len(), 8);
    for (n, row) in rows.iter().enumerate() {
        let good = [0, 6, 7].contains(&n);
        assert_eq!((row["error"].is_null(), row["tasks"].as_array().unwrap().is_empty()), (good, !good), "{n}: {row}");
    }
    assert_eq!(rows[6]["text"], "lone \u{fffd} surrogate");
    for line in [2, 3, 4, 5, 6] {
        assert!(stderr(&output).contains(&format!("line {line}:")), "{}", stderr(&output));
    }
    assert!(stderr(&output).contains("5 of 8 lines"));

    let output = session.run(&["embed", "--format", "jsonl", "-o", "out.npy"], input);
    assert_eq!(output.status.code(), Some(1));
    let (rows, dimensions, data) = read_npy(&session.path("out.npy"));
    assert_eq!(rows, 8);
    for (n, row) in data.chunks_exact(dimensions).enumerate() {
        assert_eq!(row.iter().all(|&x| x == 0.0), ![0, 6, 7].contains(&n), "row {n}");
    }
}

/// As a filter of an engine that takes any other status for a lost process: the parts of an input give the parts of its output.
#[test]
fn as_a_filter_it_keeps_the_order_and_may_allow_faulty_lines() {
    let session = Session::new();
    let lines = ["{\"text\":\"Write a poem\"}\n", "{broken\n", "{\"text\":\"Sum the list\"}\n", "{\"text\":\"Write a poem\"}\n"];
    for command in ["tag", "embed"] {
        let filter = |part: &[&str]| {
            // The first line says what the format is; a part may begin with any.
            let output = session.run(&[command, "--format", "jsonl", "--allow-faulty"], part.concat().as_bytes());
            assert!(output.status.success(), "{}", stderr(&output));
            output.stdout
        };
        let whole = filter(&lines);
        assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), 4);
        assert_eq!([filter(&lines[..1]), filter(&lines[1..3]), filter(&[]), filter(&lines[3..])].concat(), whole, "{command}");
    }
}

/// Whatever is wrong with the first line, JSON lines are told from text by how they begin.
#[test]
fn a_faulty_first_line_does_not_hide_the_format() {
    let session = Session::new();
    let long = format!("{{\"text\":\"{}\"}}", "word ".repeat(50_000));
    for (first, good) in
        [("{\"text\":\"\\ud800\"}", true), ("{\"text\":", false), ("\n\n{\"text\":\"\u{1}\"}", false), (long.as_str(), true)]
    {
        let rows = json_lines(&session.run(&["tag"], format!("{first}\n{{\"instruction\":\"Write a poem\"}}\n").as_bytes()));
        assert_eq!(rows.last().unwrap()["text"], "Write a poem");
        assert_eq!(rows[rows.len() - 2]["error"].is_null(), good, "{first:.20}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_not_replaced_and_links_are_followed() {
    let session = Session::new();
    assert!(Command::new("mkfifo").arg(session.path("pipe.npy")).status().unwrap().success());
    let output = session.run(&["embed", "-o", "pipe.npy", "--force"], b"a\n");
    assert!(output.status.code() == Some(1) && stderr(&output).contains("no regular file"), "{}", stderr(&output));
    session.write("real.npy", b"");
    std::os::unix::fs::symlink("real.npy", session.path("link.npy")).unwrap();
    let output = session.run(&["embed", "-o", "link.npy"], b"a\n");
    assert!(output.status.code() == Some(1) && stderr(&output).contains("link.npy exists: --force"), "{}", stderr(&output));
    assert!(session.run(&["embed", "-o", "link.npy", "--force"], b"a\n").status.success());
    assert_eq!(read_npy(&session.path("real.npy")).0, 1);
    assert!(fs::symlink_metadata(session.path("link.npy")).unwrap().is_symlink());
}

#[test]
fn tags_leave_as_columns() {
    let session = Session::new();
    let input = b"Write a poem\n\nList three rivers\n";
    let mut expected = json_lines(&session.run(&["tag"], input));
    // What Arrow writes as JSON has no nulls.
    expected.iter_mut().for_each(|row| row.as_object_mut().unwrap().retain(|_, value| !value.is_null()));
    let output = session.run(&["tag", "--arrow"], input);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(session.run(&["tag", "-o", "tags.parquet"], input).status.code(), Some(1));
    let parquet = ParquetRecordBatchReader::try_new(fs::File::open(session.path("tags.parquet")).unwrap(), 100).unwrap();
    let arrow = StreamReader::try_new(&output.stdout[..], None).unwrap();
    for batches in [arrow.collect::<Result<Vec<_>, _>>().unwrap(), parquet.collect::<Result<Vec<_>, _>>().unwrap()] {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
        let rows = writer.into_inner();
        let rows: Vec<Value> = rows.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(rows, expected);
    }
}

#[test]
fn tag_takes_arguments_files_and_stdin() {
    let session = Session::new();
    let from_arguments = session.run(&["tag", "--json", "--top-k", "2", "Write a poem about snow", "{\"text\":\"as it is\"}"], b"");
    let rows = json_lines(&from_arguments);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["text"], "{\"text\":\"as it is\"}");
    assert_eq!(rows[0]["tasks"].as_array().unwrap().len(), 2);
    for key in ["label", "name", "score"] {
        assert!(!rows[0]["tasks"][0][key].is_null());
    }
    let from_stdin = session.run(&["tag", "--top-k", "2"], b"{\"instruction\":\"Write a poem about snow\"}");
    assert_eq!(json_lines(&from_stdin)[0], rows[0]);
    session.write("in.txt", b"\xef\xbb\xbfWrite a poem about snow\n");
    assert_eq!(json_lines(&session.run(&["tag", "--top-k", "2", "--input", "in.txt"], b""))[0], rows[0]);
    let huge = session.run(&["tag", "--top-k", "1000000", "a"], b"");
    assert!(huge.status.success() && json_lines(&huge)[0]["tasks"].as_array().unwrap().len() >= 3);
    assert!(session.run(&["tag"], b"").stdout.is_empty());
}

#[test]
fn bad_calls_say_what_is_wrong_and_leave_nothing() {
    let session = Session::new();
    session.write("model.bad", b"GGUF");
    for (args, says) in [
        (&["tag", "--top-k", "0", "a"][..], "--top-k is 0"),
        (&["tag", "--model", "model.bad", "a"], "model_format"),
        (&["tag", "--model", "no-such-model", "a"], "no-such-model"),
        (&["tag", "--taxonomy", "model.gguf", "a"], "taxonomy_format"),
        (&["tag", "--input", "none.txt"], "none.txt"),
        (&["tag", "--input", "."], "folder"),
        (&["tag", "  "], "blank"),
        (&["embed", "--dimensions", "0"], "invalid_dimensions"),
        (&["embed", "--dimensions", "65"], "the model has 64"),
        (&["embed", "--prompt", "no slot"], "invalid_prompt"),
        (&["embed", "--max-tokens", "2"], "invalid_argument"),
        (&["embed", "--output", "out.txt"], "name a .npy, .jsonl, .parquet or .arrow file"),
        (&["embed", "--output", "no/such/folder/out.npy"], "no/such/folder"),
        (&["embed", "--output", ".", "--force"], "name a .npy"),
        (&["embed", "--output", "."], ". exists: --force"),
        (&["tag", "--output", "out.npy"], "name a .jsonl, .parquet or .arrow file"),
        (&["info", "labelled.jsonl"], "model_format"),
        (&["convert", "--base", ".", "-o", "x.gguf"], "config.json"),
        (&["taxonomy", "--data", "model.gguf", "-o", "x.taxonomy"], "this is no text: it has bytes of 0"),
    ] {
        let output = session.run(args, b"text\n");
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert_eq!(session.left(), [""; 0], "{args:?}");
    }
    // Usage errors are clap's.
    assert_eq!(session.run(&["embed", "--dtype", "q2"], b"").status.code(), Some(2));
}

/// The taxonomy of one model beside another.
#[test]
fn a_taxonomy_of_another_model_is_refused() {
    let session = Session::new();
    session.write("model.gguf", &tiny(Dtype::F16, Pooling::Mean));
    let output = session.run(&["tag", "a"], b"");
    assert!(output.status.code() == Some(1) && stderr(&output).contains("taxonomy_mismatch"), "{}", stderr(&output));
}

#[test]
fn convert_and_info_agree() {
    let session = Session::new();
    let base = fixtures().join("tiny");
    let base = base.to_str().unwrap();
    let args = [
        "convert",
        "--base",
        base,
        "-o",
        "made.gguf",
        "--dtype",
        "q8_0",
        "--ffn-dtype",
        "q4_0",
        "--embedding-dtype",
        "f16",
        "--position-dtype",
        "f32",
    ];
    let output = session.run(&args, b"");
    assert!(output.status.success(), "{}", stderr(&output));
    let output = session.run(&["info", "--json", "made.gguf"], b"");
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dtype =
        |name: &str| info["tensors"].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap()["dtype"].as_str().unwrap().to_owned();
    assert_eq!(dtype("blk.0.attn_q.weight"), "q8_0");
    assert_eq!(dtype("blk.1.ffn_down.weight"), "q4_0");
    assert_eq!(dtype("token_embd.weight"), "f16");
    assert_eq!(dtype("position_embd.weight"), "f32");
    assert_eq!(dtype("blk.0.ffn_up.bias"), "f32");
    assert_eq!(info["metadata"]["general.architecture"], "bert");
    assert!(String::from_utf8(session.run(&["info", "made.gguf"], b"").stdout).unwrap().contains("tokenizer.ggml.tokens"));
    let refused = session.run(&["convert", "--base", base, "-o", "x.gguf", "--position-dtype", "q8_0"], b"");
    assert!(refused.status.code() == Some(1) && !session.path("x.gguf").exists());
}

/// Many more lines than a chunk, and memory that does not grow with them.
#[test]
fn long_inputs_stream() {
    let session = Session::new();
    let lines = 20_000;
    let input: String = (0..lines).map(|n| format!("Write {n}\n")).collect();
    session.write("in.txt", input.as_bytes());
    let output = session.run(&["embed", "--input", "in.txt", "--output", "out.npy"], b"");
    assert!(output.status.success(), "{}", stderr(&output));
    let (rows, _, data) = read_npy(&session.path("out.npy"));
    assert_eq!(rows, lines);
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    for n in [0, 1023, 1024, 19_999] {
        let single = embedder.embed(&[format!("Write {n}")], &EmbedOptions::default()).unwrap();
        assert_eq!(single.data, data[n * 64..(n + 1) * 64], "line {n}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_no_half_written_file() {
    let session = Session::new();
    let mut command = session.command(&["embed", "--output", "out.npy"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It waits for stdin with the unfinished file beside its place.
    while session.left().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Held, because waiting for the child would close it, and that ends the program too.
    let _stdin = child.stdin.take();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(session.left(), [""; 0]);
}

/// Whoever reads only the first line ends the program quietly.
#[test]
fn a_closed_stdout_is_no_error() {
    let session = Session::new();
    let input: String = (0..5000).map(|n| format!("Write {n}\n")).collect();
    session.write("in.txt", input.as_bytes());
    let mut command = session.command(&["tag", "--input", "in.txt"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
}
