//! The run folder: who may write into it, and the records of a run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::checkpoint::{self, Identity};
use super::curve;
use super::evaluate::Quality;
use super::trainer::Step;
use crate::error::{Error, ErrorCode, Result};

const METRICS: &str = "metrics.jsonl";
const CURVE: &str = "curve.svg";
const IDENTITY: &str = "run.json";
const NON_FINITE: &str = "nonfinite.json";

/// All that a run writes.
const OUTPUTS: [&str; 7] = [checkpoint::FILE, "checkpoint.safetensors.tmp", METRICS, CURVE, IDENTITY, NON_FINITE, "model"];

/// A folder that belongs to this run.
pub struct RunFolder {
    dir: PathBuf,
    metrics: Vec<Value>,
}

impl RunFolder {
    /// Makes the folder, or takes one that is there: an empty one always, a run's to resume it, or to replace it by force.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a folder in use, [`ErrorCode::Io`] for one that cannot be written.
    pub fn open(dir: &Path, resume: bool, force: bool) -> Result<Self> {
        let io = |e| Error::io(dir, e);
        fs::create_dir_all(dir).map_err(io)?;
        let empty = fs::read_dir(dir).map_err(io)?.next().is_none();
        if !empty && !resume && !force {
            let message = format!("{} is not empty: resume the run in it, replace it by force, or name another folder", dir.display());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        if force && !resume {
            for path in OUTPUTS.map(|name| dir.join(name)) {
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                match removed {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&path, e)),
                    _ => {}
                }
            }
        }
        Ok(Self { dir: dir.to_owned(), metrics: Vec::new() })
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

    /// Reads the records back, without those behind `step`, which are about to be made again.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn resume_metrics(&mut self, step: u64) -> Result<()> {
        let path = self.dir.join(METRICS);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|e| Error::io(&path, e))?,
        };
        // The last line of a killed run may be cut off.
        let rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        self.metrics = rows.filter(|row| row["step"].as_u64().is_some_and(|at| at <= step)).collect();
        let text: String = self.metrics.iter().map(|row| format!("{row}\n")).collect();
        let beside = self.dir.join(format!("{METRICS}.tmp"));
        fs::write(&beside, text).map_err(|e| Error::io(&beside, e))?;
        fs::rename(&beside, &path).map_err(|e| Error::io(&path, e))
    }

    fn record(&mut self, row: Value) -> Result<()> {
        let path = self.dir.join(METRICS);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Error::io(&path, e))?;
        file.write_all(format!("{row}\n").as_bytes()).map_err(|e| Error::io(&path, e))?;
        self.metrics.push(row);
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
        curve::draw(&self.dir.join(CURVE), &self.metrics)
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
