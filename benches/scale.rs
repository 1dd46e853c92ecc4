//! Time, processor time and peak memory of the commands over prompts of the phrasebook, a Markdown table on stdout:
//! `cargo bench --bench scale --features cli [-- ROWS … [--distinct N]]`. With `--distinct` only so many prompts differ and the others
//! repeat them, so that what comes after embedding can be measured without hours of it.
//!
//! Everything stays in `target/scale`, the cache of vectors too: what was interrupted goes on where it was, and says so.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pie_embed_wasm::tasks::Random;
use pie_embed_wasm::train::Phrasebook;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::json;

use process::processor_seconds;

mod process;

const DEFAULT_ROWS: [usize; 2] = [10_000, 100_000];
/// Between two looks at a process's memory.
const LOOK: Duration = Duration::from_millis(20);

/// One run of the program.
struct Run {
    seconds: f64,
    used: Used,
    said: String,
}

/// What Linux says that a process took so far.
#[derive(Clone, Copy, Default)]
struct Used {
    processor_seconds: f64,
    /// `VmHWM`
    peak_bytes: f64,
}

impl Used {
    /// Nothing once the process is gone.
    fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
        Some(Self { processor_seconds: processor_seconds(process)?, peak_bytes: kilobytes.parse::<f64>().ok()? * 1024.0 })
    }
}

fn main() -> Result<()> {
    let mut rows = Vec::new();
    let mut distinct = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--distinct" => distinct = arguments.next().and_then(|n| n.parse().ok()),
            // cargo adds flags of its own.
            other => rows.extend(other.parse::<usize>().ok()),
        }
    }
    if rows.is_empty() {
        rows.extend(DEFAULT_ROWS);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut table = "| command | rows | time | processor time | peak memory |\n|---|---|---|---|---|\n".to_owned();
    for rows in rows {
        let distinct = distinct.unwrap_or(rows).min(rows);
        let dir = root.join(format!("target/scale/{rows}-{distinct}"));
        prompts(root, &dir, rows, distinct)?;
        let line = |command: &str| format!("{command} --cache cache --force");
        let select = line("select --input all.jsonl -n 1000 -o chosen.jsonl --report select.json");
        for (name, command) in [
            ("embed", line("embed --input all.jsonl -o all.npy")),
            ("select", select),
            ("correlate", line("correlate a.jsonl b.jsonl -o correlate.json")),
            ("report", line("report --input all.jsonl -o report.html")),
        ] {
            let Some(run) = pie(&dir, &command)? else { continue };
            let kept = if name == "embed" && run.said.contains("come from") { " (resumed)" } else { "" };
            let Used { processor_seconds, peak_bytes } = run.used;
            let (seconds, gigabytes) = (run.seconds, peak_bytes / 1e9);
            let line = format!("| `{name}` | {rows} | {seconds:.1} s{kept} | {processor_seconds:.1} s | {gigabytes:.2} GB |\n");
            eprint!("{line}");
            let _ = write!(table, "{line}");
        }
    }
    print!("{table}");
    Ok(())
}

/// Writes so many prompts into `all.jsonl`, and the halves of them into `a.jsonl` and `b.jsonl`.
fn prompts(root: &Path, dir: &Path, rows: usize, distinct: usize) -> Result<()> {
    let all = dir.join("all.jsonl");
    if all.exists() {
        return Ok(());
    }
    let phrasebook = Phrasebook::load(&root.join("models/phrasebook"), &[])?;
    let mut variants = 8;
    let mut texts = loop {
        let found: Vec<String> = phrasebook.expand(variants, 0)?.training.into_iter().map(|phrase| phrase.text).collect();
        if found.len() >= distinct {
            break found;
        }
        variants *= 2;
    };
    Random::new(0).shuffle(&mut texts);
    texts.truncate(distinct);
    let lines: Vec<String> = texts.iter().cycle().take(rows).map(|text| format!("{}\n", json!({"instruction": text}))).collect();
    let (a, b) = lines.split_at(rows / 2);
    fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    for (name, lines) in [("a.jsonl", a), ("b.jsonl", b), ("all.jsonl", &lines)] {
        fs::write(dir.join(name), lines.concat()).map_err(|e| Error::io(dir.join(name), e))?;
    }
    Ok(())
}

/// Runs the program in a folder; nothing where it has no such command.
fn pie(dir: &Path, line: &str) -> Result<Option<Run>> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_pie"));
    let io = |e| Error::io(&program, e);
    let start = Instant::now();
    let mut command = Command::new(&program);
    let mut child = command.args(line.split(' ')).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(io)?;
    let mut used = Used::default();
    let ended = loop {
        used = Used::of(child.id()).unwrap_or(used);
        if let Some(ended) = child.try_wait().map_err(io)? {
            break ended;
        }
        std::thread::sleep(LOOK);
    };
    let seconds = start.elapsed().as_secs_f64();
    let said = child.stderr.take().map(std::io::read_to_string).transpose().map_err(io)?.unwrap_or_default();
    match ended.code() {
        Some(0) => Ok(Some(Run { seconds, used, said })),
        // That of a command line that cannot be read.
        Some(2) => Ok(None),
        _ => Err(Error::new(ErrorCode::Data, format!("pie {line}: {said}"))),
    }
}
