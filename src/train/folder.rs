//! The run folder: who may write into it, and the records of a run.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::checkpoint::{self, Identity};
use super::curve;
use super::evaluate::Quality;
use super::trainer::Step;
use crate::error::{Error, ErrorCode, Result};

const METRICS: &str = "metrics.jsonl";
const METRICS_BESIDE: &str = "metrics.jsonl.tmp";
const CURVE: &str = "curve.svg";
const IDENTITY: &str = "run.json";
const NON_FINITE: &str = "nonfinite.json";
/// Locked as long as a run writes into the folder; the system unlocks it when the process ends, however it does.
const LOCK: &str = "run.lock";
const MODEL: &str = "model";

/// All that a run writes, but its lock.
const OUTPUTS: [&str; 10] =
    [checkpoint::FILE, checkpoint::BESIDE, METRICS, METRICS_BESIDE, CURVE, "curve.svg.tmp", IDENTITY, NON_FINITE, MODEL, "model.tmp"];

/// A folder that belongs to this run.
pub struct RunFolder {
    dir: PathBuf,
    metrics: Vec<Record>,
    /// Whether there is a checkpoint to go on from.
    pub resumes: bool,
    _lock: File,
}

/// A line of `metrics.jsonl`: as it stands there, and what it says. Numbers read and written again may differ in their last digit.
struct Record {
    line: String,
    row: Value,
}

impl RunFolder {
    /// Makes the folder, or takes one that is there: an empty one and one of a run that ended before its first checkpoint always,
    /// another run's to resume it, or to replace it by force.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a folder in use and for one with nothing to resume from, [`ErrorCode::Io`] for one that cannot
    /// be written.
    pub fn open(dir: &Path, resume: bool, force: bool) -> Result<Self> {
        let io = |e| Error::io(dir, e);
        if !resume {
            fs::create_dir_all(dir).map_err(io)?;
        }
        let names = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>());
        let names = names.map_err(|e| if resume { io(e).context("nothing to resume from") } else { io(e) })?;
        let has = |name: &str| names.iter().any(|entry| entry == name);
        let begun = has(checkpoint::FILE) || has(MODEL);
        let foreign = names.iter().any(|name| !OUTPUTS.iter().chain([&LOCK]).any(|output| name == output));
        if (begun || foreign) && !resume && !force {
            let message = format!("{} is not empty: resume the run in it, replace it by force, or name another folder", dir.display());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        if resume && !has(checkpoint::FILE) && (begun || foreign) {
            let message = format!("nothing to resume from: {} has other files, but no {}", dir.display(), checkpoint::FILE);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let lock = lock(dir)?;
        // What a run leaves that was killed before its first checkpoint is begun anew.
        if (force && !resume) || !begun {
            for path in OUTPUTS.map(|name| dir.join(name)) {
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                match removed {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(&path, e)),
                    _ => {}
                }
            }
        }
        Ok(Self { dir: dir.to_owned(), metrics: Vec::new(), resumes: resume && begun, _lock: lock })
    }

    /// Writes down what the run is a function of.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn write_identity(&self, identity: &Identity) -> Result<()> {
        let path = self.dir.join(IDENTITY);
        let text = serde_json::to_string_pretty(identity).map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
        fs::write(&path, text + "\n").map_err(|e| Error::io(&path, e))
    }

    /// Reads the records back, without those that are about to be made again: behind `step`, and the figures of the model that a
    /// finished run writes once more.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn resume_metrics(&mut self, step: u64, steps: u64) -> Result<()> {
        let path = self.dir.join(METRICS);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|e| Error::io(&path, e))?,
        };
        // The last line of a killed run may be cut off.
        let records = text.lines().filter_map(|line| Some(Record { row: serde_json::from_str(line).ok()?, line: format!("{line}\n") }));
        let stays = |row: &Value| row["step"].as_u64().is_some_and(|at| at < step || (at == step && (row["kind"] == "step" || at < steps)));
        self.metrics = records.filter(|record| stays(&record.row)).collect();
        let text: String = self.metrics.iter().map(|record| record.line.as_str()).collect();
        let beside = self.dir.join(METRICS_BESIDE);
        fs::write(&beside, text).map_err(|e| Error::io(&beside, e))?;
        fs::rename(&beside, &path).map_err(|e| Error::io(&path, e))
    }

    /// Waits until the records are on the disk: a checkpoint that is there has all of its own.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn sync_metrics(&self) -> Result<()> {
        let path = self.dir.join(METRICS);
        match File::open(&path).and_then(|file| file.sync_data()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(&path, e)),
            _ => Ok(()),
        }
    }

    fn record(&mut self, row: Value) -> Result<()> {
        let path = self.dir.join(METRICS);
        let line = format!("{row}\n");
        let mut file = File::options().create(true).append(true).open(&path).map_err(|e| Error::io(&path, e))?;
        file.write_all(line.as_bytes()).map_err(|e| Error::io(&path, e))?;
        self.metrics.push(Record { line, row });
        Ok(())
    }

    /// Appends a step to `metrics.jsonl`.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn record_step(&mut self, step: u64, report: &Step, ms: f64) -> Result<()> {
        let Step { loss, gradient_norm, learning_rate, texts } = report;
        self.record(json!({
            "kind": "step", "step": step, "loss": loss, "gradient_norm": gradient_norm, "learning_rate": learning_rate,
            "texts": texts.len(), "ms": (ms * 10.0).round() / 10.0,
        }))
    }

    /// Appends a development set's figures to `metrics.jsonl`.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn record_quality(&mut self, step: u64, set: &str, quality: &Quality) -> Result<()> {
        let Quality { examples, clustering, nearest, correlation, margin } = quality;
        self.record(json!({
            "kind": "dev", "step": step, "set": set, "examples": examples, "clustering": clustering, "nearest": nearest,
            "correlation": correlation, "margin": margin,
        }))
    }

    /// Draws all records anew.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn draw_curve(&self) -> Result<()> {
        curve::draw(&self.dir.join(CURVE), self.metrics.iter().map(|record| &record.row))
    }

    /// Writes down the batch that broke the run, and gives the file.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn record_non_finite(&self, step: u64, report: &Step) -> Result<PathBuf> {
        let path = self.dir.join(NON_FINITE);
        let row = json!({
            "step": step, "loss": report.loss.to_string(), "gradient_norm": report.gradient_norm.to_string(),
            "learning_rate": report.learning_rate, "texts": report.texts,
        });
        fs::write(&path, format!("{row:#}\n")).map_err(|e| Error::io(&path, e))?;
        Ok(path)
    }
}

/// Locks the folder; an error where another run has. A file system that cannot lock is no reason to stop.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let message = format!("another run writes into {}: wait until it ends, or name another folder", dir.display());
            Err(Error::new(ErrorCode::InvalidArgument, message))
        }
        // Some network file systems cannot lock.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(file),
    }
}
