//! A whole data set with its columns, in memory; JSON lines, CSV or Parquet out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::Value;

use crate::columnar;
use crate::input::{Faults, TextColumn, kind, missing};
use crate::memory;
use crate::reader::{Content, Fields, Format, Place, Reader};

/// Where a task stands when no column is named.
const LABEL_COLUMNS: [&str; 3] = ["category", "label", "task"];

/// Rows between two looks at the memory that is left.
const LOOK: usize = 4096;

/// A sound row.
pub struct Record {
    pub place: Place,
    /// Empty in a table without texts.
    pub text: String,
    pub fields: Fields,
}

/// The sound rows of a file or folder. Faulty ones are named on stderr and left out.
pub struct Table {
    path: PathBuf,
    pub records: Vec<Record>,
    faults: Faults,
}

impl Table {
    /// Reads a data set with a text a row; `column` says where. A column that is not wanted is left out.
    pub fn read(path: &Path, column: Option<&str>, unwanted: Option<&str>) -> Result<Self> {
        let column = TextColumn::new(column);
        let reader = Reader::open(Some(path), Format::Auto)?;
        column.check(&reader).map_err(|e| e.context(path.display()))?;
        let table = Self::collect(path, reader, unwanted, |fields| column.text(fields).map(str::to_owned))?;
        if table.records.is_empty() {
            return Err(Error::new(ErrorCode::Data, format!("{}: no row has a text", path.display())));
        }
        Ok(table)
    }

    /// Reads a data set of which only columns are wanted.
    pub fn read_columns(path: &Path) -> Result<Self> {
        Self::collect(path, Reader::open(Some(path), Format::Auto)?, None, |_| Ok(String::new()))
    }

    fn collect(
        path: &Path,
        mut reader: Reader,
        unwanted: Option<&str>,
        text: impl Fn(&Fields) -> std::result::Result<String, String>,
    ) -> Result<Self> {
        let mut table = Self { path: path.to_owned(), records: Vec::new(), faults: Faults::default() };
        for read in 0_usize.. {
            if read.is_multiple_of(LOOK) {
                memory::check(0, format_args!("{}: after {read} rows", path.display()))?;
            }
            let Some(row) = reader.row()? else { break };
            let record = match row.content {
                Content::Blank => continue,
                Content::Faulty { error, .. } => Err(error),
                Content::Fields(mut fields) => {
                    unwanted.map(|column| fields.remove(column));
                    text(&fields).map(|text| Record { place: row.place.clone(), text, fields })
                }
            };
            table.faults.count(&row.place, record.as_ref().err().map(String::as_str), |line| reader.progress.print(line));
            table.records.extend(record.ok());
        }
        reader.progress.finish();
        Ok(table)
    }

    /// An error when any row was faulty; for the end, when the others are done.
    pub fn finish(self) -> Result<()> {
        self.faults.finish().map_err(|e| e.context(self.path.display()))
    }

    /// The file or folder, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rows were faulty.
    pub const fn faulty(&self) -> u64 {
        self.faults.faulty()
    }

    /// The texts.
    pub fn texts(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.text.as_str()).collect()
    }

    /// The columns, in the order in which they appear.
    pub fn columns(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.records.iter().flat_map(|record| record.fields.keys()).map(String::as_str).filter(|column| seen.insert(*column)).collect()
    }

    /// The column with the rows' tasks: the one that is named, which must be there, or one of the usual names.
    pub fn label_column(&self, named: Option<&str>) -> Result<Option<String>> {
        let columns = self.columns();
        match named {
            Some(column) if !columns.contains(&column) => Err(self.missing(column)),
            Some(column) => Ok(Some(column.to_owned())),
            None => Ok(LABEL_COLUMNS.iter().find(|column| columns.contains(column)).map(|&column| column.to_owned())),
        }
    }

    /// A column as text; every row must have it.
    pub fn strings(&self, column: &str) -> Result<Vec<String>> {
        self.values(column, |value| match value {
            Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            other => Err(format!("is {}, not a text", kind(other))),
        })
    }

    /// A column as finite numbers; every row must have it.
    pub fn numbers(&self, column: &str) -> Result<Vec<f64>> {
        let finite = |number: f64| if number.is_finite() { Ok(number) } else { Err(format!("is {number}, not a finite number")) };
        self.values(column, |value| match value {
            Value::Number(number) => finite(number.as_f64().unwrap_or(f64::NAN)),
            Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
            Value::String(text) => text.trim().parse().map_err(|_| format!("is {text:?}, not a number")).and_then(finite),
            other => Err(format!("is {}, not a number", kind(other))),
        })
    }

    fn values<T>(&self, column: &str, read: impl Fn(&Value) -> std::result::Result<T, String>) -> Result<Vec<T>> {
        if !self.records.iter().any(|record| record.fields.contains_key(column)) {
            return Err(self.missing(column));
        }
        let value = |record: &Record| {
            read(record.fields.get(column).unwrap_or(&Value::Null))
                .map_err(|e| Error::new(ErrorCode::Data, format!("{}: {}: {column:?} {e}", self.path.display(), record.place)))
        };
        self.records.iter().map(value).collect()
    }

    fn missing(&self, column: &str) -> Error {
        Error::new(ErrorCode::Data, format!("{}: {}", self.path.display(), missing(&[column], &self.columns())))
    }
}

/// How CSV is written.
#[derive(clap::Args)]
pub struct CsvArgs {
    /// In CSV, put ' before cells that a spreadsheet takes for formulas: those that begin with = + - @, a tab or a carriage return and
    /// are no numbers. For tables of unknown origin that people will open; without it cells are written as they are, as a program wants
    /// them
    #[arg(long)]
    guard_formulas: bool,
}

impl CsvArgs {
    fn cell(&self, text: String) -> String {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
        if self.guard_formulas && formula { format!("'{text}") } else { text }
    }
}

/// Rows as the file's name says: JSON lines, CSV or Parquet.
pub fn render<'a>(path: &Path, rows: impl Iterator<Item = &'a Fields> + Clone, form: &CsvArgs) -> Result<Vec<u8>> {
    let internal = |e: String| Error::new(ErrorCode::Internal, format!("writing {}: {e}", path.display()));
    let mut bytes = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson") => {
            for row in rows {
                serde_json::to_writer(&mut bytes, row).map_err(|e| internal(e.to_string()))?;
                bytes.push(b'\n');
            }
        }
        Some("csv") => {
            let mut seen = HashSet::new();
            let header: Vec<&String> = rows.clone().flat_map(|row| row.keys()).filter(|name| seen.insert(name.as_str())).collect();
            let mut writer = csv::Writer::from_writer(&mut bytes);
            writer.write_record(header.iter().map(|name| form.cell((*name).clone()))).map_err(|e| internal(e.to_string()))?;
            for row in rows {
                let cell = |name: &&String| match row.get(name.as_str()) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => form.cell(text.clone()),
                    Some(other) => other.to_string(),
                };
                writer.write_record(header.iter().map(cell)).map_err(|e| internal(e.to_string()))?;
            }
            writer.flush().map_err(|e| internal(e.to_string()))?;
            drop(writer);
        }
        Some("parquet") => bytes = columnar::parquet(rows)?,
        _ => {
            let message = format!("{}: name a .jsonl, .csv or .parquet file to write", path.display());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    }
    Ok(bytes)
}
