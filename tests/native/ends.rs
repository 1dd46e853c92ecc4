//! How the program ends: by signals, with a reader that went away, after a kill, and with files that are not what they should be.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::train_support::{Bench as Training, tiny_dir};
use crate::uses_cli::{Bench, example};

fn temporary(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".pie-")).collect()
}

/// A run that waits for stdin with its unfinished file beside its place, which is there beside so many others.
fn waiting(bench: &Bench, output: &str, others: usize) -> Child {
    let mut command = bench.command(&format!("embed -o {output}"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while temporary(bench.dir.path()).len() <= others {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[cfg(unix)]
#[test]
fn each_signal_has_its_status() {
    for (signal, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let bench = Bench::new();
        let mut child = waiting(&bench, "out.npy", 0);
        // Held, because waiting for the child would close it, and that ends the program too.
        let _stdin = child.stdin.take();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(status), "{signal}");
        assert!(temporary(bench.dir.path()).is_empty(), "{signal}");
    }
    // A training keeps a checkpoint first.
    let bench = Training::new();
    let mut child = bench.command("run", &["--steps", "100000"]).spawn().unwrap();
    let start = Instant::now();
    while !bench.path("run/checkpoint.safetensors").exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[cfg(unix)]
#[test]
fn what_a_kill_leaves_goes_with_the_next_run() {
    let bench = Bench::new();
    let mut killed = waiting(&bench, "killed.npy", 0);
    let left = temporary(bench.dir.path());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(temporary(bench.dir.path()), left);
    // One that is being written stays, whoever comes.
    let mut writing = waiting(&bench, "out.npy", 0);
    let start = Instant::now();
    while temporary(bench.dir.path()).contains(&left[0]) || temporary(bench.dir.path()).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let unfinished = temporary(bench.dir.path());
    bench.write("in.txt", "Write a poem\n");
    bench.ok("embed --input in.txt -o other.npy --no-cache");
    assert_eq!(temporary(bench.dir.path()), unfinished);
    writing.stdin.take().unwrap().write_all(b"Write a poem\n").unwrap();
    assert!(writing.wait().unwrap().success() && temporary(bench.dir.path()).is_empty());
    assert!(fs::read(bench.path("out.npy")).unwrap() == fs::read(bench.path("other.npy")).unwrap());
}

/// Every command that prints: what it does is done, and a reader that went away is no reason to fail.
#[test]
fn a_reader_that_went_away_is_no_error() {
    let bench = Bench::new();
    let pool = example("instructions.jsonl");
    let life = example("life.jsonl");
    let quiet = |mut command: Command| {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !stderr.contains("panicked"), "{:?}: {stderr}", command.get_args());
    };
    for line in [
        format!("index --input {life} -o life.index"),
        format!("retrieve --index life.index --input {life} -k 1"),
        format!("report --input {life} -o life.html"),
        format!("select --input {pool} -n 3 --draws 1 -o s.jsonl"),
        format!("compress --input {pool} -n 3 -o c.jsonl"),
        format!("correlate {life} copy={life}"),
        format!("embed --input {life}"),
        "info tiny.gguf".to_owned(),
        "info tiny.gguf --json".to_owned(),
    ] {
        quiet(bench.command(&line));
    }
    for name in ["life.index", "life.html", "s.jsonl", "c.jsonl"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    let prune = format!("prune --vocab 460 --checkpoint {} --vocab-corpus {pool} -o pruned", tiny_dir().display());
    quiet(bench.command(&prune));
    let training = Training::new();
    quiet(training.command("run", &["--steps", "2"]));
}

/// Results that nobody gets are not computed, and no success.
#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_is_closed_is_an_error() {
    let bench = Bench::new();
    bench.write("in.txt", "Write a poem\n");
    for (line, status) in [("embed --input in.txt >&-", 1), ("info tiny.gguf >&-", 1), ("embed --input in.txt >/dev/null", 0)] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" {line}"), env!("CARGO_BIN_EXE_pie")]).current_dir(&bench.dir);
        let output = command.env("PIE_MODEL", bench.path("tiny.gguf")).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.contains("stdout is closed: ")), (Some(status), status == 1), "{line}: {stderr}");
    }
}

/// A file of eight gigabytes is refused by its first bytes.
#[test]
fn a_foreign_model_is_refused_by_its_header() {
    let bench = Bench::new();
    let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let header = |version: u32, architecture: &str, kind: u32| {
        let mut bytes = [&b"GGUF"[..], &version.to_le_bytes(), &1_u64.to_le_bytes(), &1_u64.to_le_bytes()].concat();
        bytes.extend([string("general.architecture"), 8_u32.to_le_bytes().to_vec(), string(architecture)].concat());
        bytes.extend([string("token_embd.weight"), 1_u32.to_le_bytes().to_vec(), 32_u64.to_le_bytes().to_vec()].concat());
        bytes.extend([kind.to_le_bytes().to_vec(), 0_u64.to_le_bytes().to_vec()].concat());
        bytes
    };
    for (name, bytes, said) in [
        ("version", header(9, "bert", 0), "GGUF version 9; versions 2 and 3 are read [model_unsupported]"),
        ("kind", header(3, "bert", 12), "tensor \"token_embd.weight\" has GGML type 12"),
        ("architecture", header(3, "llama", 0), "architecture \"llama\"; only \"bert\" is run [model_unsupported]"),
        ("count", [&header(3, "bert", 0)[..8], &[0xff; 16]].concat(), "cannot fit in the 8589934"),
        ("nothing", b"PK\x03\x04".to_vec(), "not with \"GGUF\""),
    ] {
        let path = bench.path(&format!("{name}.gguf"));
        let mut file = File::create(&path).unwrap();
        file.write_all(&bytes).unwrap();
        file.set_len(8 << 30).unwrap();
        let start = Instant::now();
        bench.refuses(&[(&format!("embed --model {} --input x", path.display()), 1, said)]);
        assert!(start.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[test]
fn what_a_file_says_does_not_reach_the_terminal_raw() {
    let bench = Bench::new();
    // The name of the model, by which a terminal would be told to clear its screen.
    let mut bytes = fs::read(bench.path("tiny.gguf")).unwrap();
    let name = b"general.name".len() + 4;
    let at = bytes.windows(12).position(|window| window == b"general.name").unwrap() + name;
    assert_eq!(bytes[at..at + 12], [&4_u64.to_le_bytes()[..], b"test"].concat());
    bytes[at + 8..at + 12].copy_from_slice(b"\x1b[2J");
    // Files of others have no checksum of ours.
    let ours = bytes.windows(12).position(|window| window == b"pie.checksum").unwrap();
    bytes[ours..ours + 3].copy_from_slice(b"foo");
    for key in [&b"pie."[..]] {
        while let Some(at) = bytes.windows(key.len()).position(|window| window == key) {
            bytes[at..at + 3].copy_from_slice(b"foo");
        }
    }
    bench.write("other.gguf", bytes);
    let text = bench.ok("info other.gguf");
    assert!(text.contains("\\u001b[2J") && !text.contains('\x1b'), "{text}");
    let json: serde_json::Value = serde_json::from_str(&bench.ok("info other.gguf --json")).unwrap();
    assert_eq!(json["metadata"]["general.name"], "\x1b[2J");
}

#[test]
fn formulas_are_guarded_where_that_is_asked_for() {
    let bench = Bench::new();
    let texts = ["=HYPERLINK(\"http://x\")", "+cmd|x", "-2 and -3", "@SUM(A1)", "\tx=1", "Write a poem"];
    let rows: String = texts.iter().map(|text| format!("{}\n", json!({"text": text, "n": -1.5, "=name": "-2.5"}))).collect();
    bench.write("in.jsonl", rows);
    let cells = |options: &str| -> Vec<Vec<String>> {
        bench.ok(&format!("select --input in.jsonl -n 6 --method k-center --label text --draws 1 -o out.csv --force {options}"));
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(bench.path("out.csv")).unwrap();
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    let [plain, guarded] = ["", "--guard-formulas"].map(cells);
    let guard = |cell: &String| {
        let formula = cell.starts_with(['=', '+', '-', '@', '\t']) && cell.parse::<f64>().is_err();
        if formula { format!("'{cell}") } else { cell.clone() }
    };
    assert!(plain.iter().flatten().filter(|cell| texts.contains(&cell.as_str())).count() == texts.len(), "{plain:?}");
    assert_eq!(guarded, plain.iter().map(|row| row.iter().map(guard).collect::<Vec<_>>()).collect::<Vec<_>>());
    assert!(guarded[0].contains(&"'=name".to_owned()) && guarded[1].contains(&"-1.5".to_owned()), "{guarded:?}");
}
