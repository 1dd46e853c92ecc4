//! A disk that fills up: what was there stays whole, the error names the file, and a run goes on once there is room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pie_embed_wasm::config::{Dtype, Pooling};
use tempfile::TempDir;

use crate::common::tiny;
use crate::train_support::{Bench, fixtures, kill_after, tiny_dir};

/// The same command where no file may be longer than so many bytes.
fn limited(command: &Command, bytes: u64) -> Command {
    let mut shell = Command::new("sh");
    // POSIX: in units of 512 bytes.
    shell.args(["-c", "ulimit -f \"$0\" && exec \"$@\"", &(bytes / 512).to_string()]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// The message of a command that must end with an I/O error.
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{:?} {error}", output.status);
    assert!(error.contains("[io]") && !error.contains("panicked"), "{error}");
    error
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_that_may_not_write_so_much_keeps_its_checkpoint() {
    let bench = Bench::new();
    let settings = ["--steps", "30"];
    bench.ok("whole", &settings);
    kill_after(&bench, "short", 7, &settings);
    let checkpoint = bench.path("short/checkpoint.safetensors");
    let before = fs::read(&checkpoint).unwrap();
    let resume = [settings.as_slice(), &["--resume"]].concat();
    let error = fails(&mut limited(&bench.command("short", &resume), before.len() as u64 / 2));
    assert!(error.contains("short/checkpoint.safetensors.tmp: File too large"), "{error}");
    assert!(fs::read(&checkpoint).unwrap() == before);
    assert!(!bench.path("short/checkpoint.safetensors.tmp").exists());
    bench.ok("short", &resume);
    assert!(bench.weights("whole") == bench.weights("short"));

    // The model at the end: it can be written from the last checkpoint.
    fs::remove_dir_all(bench.path("short/model")).unwrap();
    let model = fs::metadata(bench.path("whole/model/model.safetensors")).unwrap().len();
    let error = fails(&mut limited(&bench.command("short", &resume), model / 2));
    assert!(error.contains("short/model.tmp/model.safetensors: File too large"), "{error}");
    assert!(!bench.path("short/model").exists() && !bench.path("short/model.tmp").exists());
    bench.ok("short", &resume);
    assert!(bench.weights("whole") == bench.weights("short"));
}

/// A file system of its own, gone with the test.
struct Disk(PathBuf);

impl Disk {
    /// `None` (said on stderr) where this user may not mount one.
    fn mount(path: PathBuf, bytes: u64) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(&path).output();
        if output.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        eprintln!("skipped: this user may not mount a file system");
        None
    }

    fn resize(&self, bytes: u64) {
        let status = Command::new("mount").args(["-o", &format!("remount,size={bytes}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_run_on_a_full_disk_goes_on_once_there_is_room() {
    let bench = Bench::new();
    bench.ok("whole", &[]);
    let checkpoint = fs::metadata(bench.path("whole/checkpoint.safetensors")).unwrap().len();
    // Room for the first checkpoint, and half of the second beside it.
    let Some(disk) = Disk::mount(bench.path("disk"), checkpoint * 3 / 2) else { return };
    let error = fails(&mut bench.command("disk", &[]));
    assert!(error.contains("disk/checkpoint.safetensors.tmp: No space left on device"), "{error}");
    assert!(!bench.path("disk/checkpoint.safetensors.tmp").exists());
    disk.resize(checkpoint * 8);
    let log = bench.ok("disk", &["--resume"]);
    assert!(log.contains("resumed after step 0"), "{log}");
    assert!(bench.weights("whole") == bench.weights("disk"));
}

#[test]
fn files_of_an_export_are_replaced_together_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let (model, manifest, corpus) = (dir.path().join("tiny.gguf"), dir.path().join("manifest.json"), fixtures().join("instructions.jsonl"));
    let mut export = Command::new(env!("CARGO_BIN_EXE_pie"));
    export.args(["export", "--checkpoint"]).arg(tiny_dir()).arg("--sample").arg(corpus);
    export.arg("--output").arg(&model).arg("--manifest").arg(&manifest);
    fs::write(&model, "old").unwrap();
    // The model alone has room; the manifest keeps a note that is longer.
    let old = serde_json::json!({"version": 1, "models": [], "note": "x".repeat(300_000)}).to_string();
    fs::write(&manifest, &old).unwrap();
    for (bytes, file) in [(50_000, "tiny.gguf"), (250_000, "manifest.json")] {
        let error = fails(&mut limited(&export, bytes));
        assert!(error.contains(&format!("{file}: File too large")), "{error}");
        assert_eq!((fs::read_to_string(&model).unwrap(), fs::read_to_string(&manifest).unwrap()), ("old".to_owned(), old.clone()));
        assert_eq!(names(dir.path()), ["manifest.json", "tiny.gguf"]);
    }
    assert!(export.status().unwrap().success());
    assert!(fs::metadata(&model).unwrap().len() > 50_000);
}

#[test]
fn a_pruned_checkpoint_is_there_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let mut prune = Command::new(env!("CARGO_BIN_EXE_pie"));
    prune.args(["prune", "--vocab", "460", "--checkpoint"]).arg(tiny_dir());
    prune.arg("--vocab-corpus").arg(fixtures().join("instructions.jsonl")).arg("--output").arg(dir.path().join("cut"));
    let error = fails(&mut limited(&prune, 100_000));
    assert!(error.contains("model.safetensors: File too large"), "{error}");
    assert!(names(dir.path()).is_empty());
    assert!(prune.status().unwrap().success());
}

/// Vectors that cannot be kept are no reason to stop; a result that cannot be written is, and nothing stands in its place.
#[test]
fn a_use_that_may_not_write_so_much_says_so() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("tiny.gguf"), tiny(Dtype::F32, Pooling::Mean)).unwrap();
    let pool = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/uses/instructions.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pie"));
    command.args(["select", "-n", "10", "--draws", "1", "--cache", "kept", "--output", "out.jsonl", "--input"]).arg(&pool);
    let run = |bytes: u64| {
        let mut command = limited(&command, bytes);
        command.current_dir(&dir).env("PIE_MODEL", "tiny.gguf");
        command
    };
    // 360 vectors take 100,800 bytes, ten rows some 1,500.
    let output = run(8192).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("note: vectors are not kept from here on: kept/"), "{stderr}");
    assert_eq!(fs::read_to_string(dir.path().join("out.jsonl")).unwrap().lines().count(), 10);
    fs::remove_file(dir.path().join("out.jsonl")).unwrap();
    let error = fails(&mut run(512));
    assert!(error.contains("out.jsonl: File too large"), "{error}");
    assert_eq!(names(dir.path()), ["kept", "tiny.gguf"]);
}
