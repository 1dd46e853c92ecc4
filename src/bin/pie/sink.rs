//! Where the rows of a stream go: JSON lines, Parquet, an Arrow stream, or their vectors alone as NumPy's array.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::Schema;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::columnar::ColumnWriter;
use crate::npy;
use crate::output::{Output, json_line, refuse_existing, visible};

#[derive(clap::Args)]
pub struct OutputArgs {
    /// FILE.jsonl, FILE.parquet, FILE.arrow (an IPC stream), or - for stdout; `pie embed` also FILE.npy
    #[arg(long, short, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
    /// An Arrow IPC stream where the name does not say what to write, as on stdout
    #[arg(long)]
    arrow: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// A row for a sink.
pub trait SinkRow: Serialize {
    /// Its vector, which is all that an array takes of it.
    fn vector(&self) -> &[f32];
}

/// Takes rows of one kind.
pub struct Sink {
    form: Form,
    output: Output,
}

enum Form {
    Json,
    Columns(ColumnWriter),
    Npy { rows: u64, dimensions: usize },
}

impl OutputArgs {
    /// Whether rows go to stdout as JSON.
    pub fn is_plain(&self) -> bool {
        self.output.as_os_str() == "-" && !self.arrow
    }

    /// Begins the output of rows of this schema; with `dimensions` they have vectors.
    pub fn open(&self, schema: Schema, dimensions: Option<usize>) -> Result<Sink> {
        refuse_existing([&self.output], self.force)?;
        let schema = Arc::new(schema);
        let form = match (self.output.extension().and_then(|extension| extension.to_str()), dimensions) {
            (Some("jsonl" | "ndjson"), _) => Form::Json,
            (Some("parquet"), _) => Form::Columns(ColumnWriter::parquet(schema)?),
            (Some("arrow"), _) => Form::Columns(ColumnWriter::arrow(schema)?),
            (Some("npy"), Some(dimensions)) => Form::Npy { rows: 0, dimensions },
            _ if self.arrow => Form::Columns(ColumnWriter::arrow(schema)?),
            _ if self.is_plain() => Form::Json,
            _ => {
                let npy = if dimensions.is_some() { ".npy, " } else { "" };
                let message = format!("--output {}: name a {npy}.jsonl, .parquet or .arrow file, or -", self.output.display());
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        };
        let mut output = Output::open(&self.output)?;
        if let Form::Npy { dimensions, .. } = form {
            output.write(&npy::header(0, dimensions))?;
        }
        Ok(Sink { form, output })
    }
}

impl Sink {
    pub fn write(&mut self, rows: &[impl SinkRow]) -> Result<()> {
        match &mut self.form {
            Form::Json => rows.iter().try_for_each(|row| self.output.write(&json_line(row)?)),
            Form::Columns(encoder) => self.output.write(&encoder.encode(rows)?),
            Form::Npy { rows: written, .. } => {
                *written += rows.len() as u64;
                rows.iter().flat_map(SinkRow::vector).try_for_each(|x| self.output.write(&x.to_le_bytes()))
            }
        }
    }

    /// A line for people.
    pub fn print(&mut self, line: &str) -> Result<()> {
        self.output.write(visible(line).as_bytes())?;
        self.output.write(b"\n")
    }

    /// What was written so far reaches a reader of stdout.
    pub fn flush(&mut self) -> Result<()> {
        self.output.flush()
    }

    pub fn finish(mut self) -> Result<()> {
        match self.form {
            Form::Json => {}
            Form::Columns(encoder) => self.output.write(&encoder.finish()?)?,
            Form::Npy { rows, dimensions } => self.output.rewrite_start(&npy::header(rows, dimensions))?,
        }
        self.output.finish()
    }
}
