//! Runs that are killed, started twice, or whose checkpoint is damaged.

use std::fs;
use std::time::{Duration, Instant};

use crate::train_support::{Bench, kill_after};

#[test]
fn a_checkpoint_with_a_flipped_bit_is_refused() {
    let bench = Bench::new();
    kill_after(&bench, "run", 7, &["--steps", "5000", "--average", "0.9"]);
    let resume = ["--steps", "5000", "--average", "0.9", "--resume"];
    let checkpoint = bench.path("run/checkpoint.safetensors");
    let whole = fs::read(&checkpoint).unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(*whole.first_chunk().unwrap())).unwrap();
    // In each part of the file: the header's length, its text, and the tensors.
    let places = [3, 20, header / 3, header - 9].into_iter().chain((0..12).map(|n| header + (whole.len() - header - 1) * n / 11));
    for (bit, at) in places.enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (bit % 8);
        fs::write(&checkpoint, bytes).unwrap();
        let error = bench.fails("run", &resume);
        assert!(error.contains("checkpoint.safetensors") && error.contains("[model_"), "byte {at} of {}: {error}", whole.len());
        if at >= header {
            assert!(error.contains("some of them altered; put back a copy of it") && error.contains("[model_corrupt]"), "{error}");
        }
    }
    assert!(!bench.path("run/model").exists());
}

#[test]
fn a_run_that_was_killed_early_begins_anew() {
    let bench = Bench::new();
    bench.ok("whole", &[]);
    // What is there before the first checkpoint, at any time.
    for files in [&[][..], &["run.lock"], &["run.lock", "run.json", "metrics.jsonl", "checkpoint.safetensors.tmp"]] {
        for more in [&["--resume"][..], &[]] {
            let dir = bench.path("run");
            fs::create_dir(&dir).unwrap();
            files.iter().for_each(|name| fs::write(dir.join(name), "{\"kind\":\"dev\",\"st").unwrap());
            bench.ok("run", more);
            assert!(bench.weights("whole") == bench.weights("run"), "{files:?} {more:?}");
            assert_eq!(bench.metrics("whole").len(), bench.metrics("run").len());
            fs::remove_dir_all(dir).unwrap();
        }
    }
    // At whatever time it is killed.
    for wait in [0, 2, 5, 10, 20, 40, 80] {
        let mut child = bench.command("killed", &[]).spawn().unwrap();
        let start = Instant::now();
        while !bench.path("killed").exists() && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        bench.ok("killed", &["--resume"]);
        assert!(bench.weights("whole") == bench.weights("killed"), "after {wait} ms");
        fs::remove_dir_all(bench.path("killed")).unwrap();
    }
    // A folder that is not there, or holds what is not of a run, is another's.
    assert!(bench.fails("missing", &["--resume"]).contains("nothing to resume from"));
    assert!(!bench.path("missing").exists());
    fs::create_dir(bench.path("other")).unwrap();
    fs::write(bench.path("other/mine.txt"), "mine").unwrap();
    assert!(bench.fails("other", &["--resume"]).contains("nothing to resume from"));
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let bench = Bench::new();
    let steps = ["--steps", "100000"];
    let mut child = bench.command("run", &steps).spawn().unwrap();
    let start = Instant::now();
    while !bench.path("run/checkpoint.safetensors").exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    for more in ["--resume", "--force"] {
        let error = bench.fails("run", &[&steps[..], &[more]].concat());
        assert!(error.contains("another run writes into") && error.contains("[invalid_argument]"), "{error}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.metrics("run").is_empty());
    bench.ok("run", &["--steps", "3", "--force"]);
}

/// But for the time that a step took.
#[test]
fn the_records_of_a_resumed_run_are_those_of_one_run() {
    let bench = Bench::new();
    let settings = ["--steps", "30", "--dropout", "0.1"];
    bench.ok("whole", &settings);
    let resume = [&settings[..], &["--resume"]].concat();
    kill_after(&bench, "killed", 7, &settings);
    kill_after(&bench, "killed", 18, &resume);
    assert!(!bench.path("killed/model").exists(), "killed too late to test anything");
    bench.ok("killed", &resume);
    // A run that is finished writes its model again, and no figures twice.
    bench.ok("killed", &resume);
    let lines = |out: &str| -> Vec<String> {
        let text = fs::read_to_string(bench.path(out).join("metrics.jsonl")).unwrap();
        let timeless = |line: &str| match line.find("\"ms\":") {
            Some(at) => format!("{}{}", &line[..at], &line[at..][line[at..].find(',').unwrap()..]),
            None => line.to_owned(),
        };
        text.lines().map(timeless).collect()
    };
    assert_eq!(lines("whole"), lines("killed"));
}
