//! A whole data set with its columns, in memory; JSON lines, CSV or Parquet out.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::{Content, Fields, Found, Options, Place, Record, Value, memory, missing};
use pie_embed_wasm::{Error, ErrorCode, Result};

use crate::columnar;
use crate::input::{Faults, TextArgs, open};
use crate::progress::Progress;

/// Where a task stands when no column is named.
const LABEL_COLUMNS: [&str; 3] = ["category", "label", "task"];

/// Rows between two looks at the memory that is left.
const LOOK: usize = 4096;

/// A sound row.
pub struct Entry {
    pub place: Place,
    /// Empty in a table without texts.
    pub text: String,
    pub record: Record,
}

/// The sound rows of a file or folder. Faulty ones are named on stderr and left out.
pub struct Table {
    path: PathBuf,
    pub records: Vec<Entry>,
    faults: Faults,
}

impl Table {
    /// Reads a data set with a text a row. A column that is not wanted is left out.
    pub fn read(path: &Path, texts: &TextArgs, unwanted: Option<&str>) -> Result<Self> {
        let mut input = texts.open(Some(path))?;
        let progress = input.progress().clone();
        let table = Self::collect(path, &progress, || {
            let Some(prompt) = input.prompt()? else { return Ok(None) };
            Ok(Some((
                prompt.place.clone(),
                match prompt.found {
                    Found::Blank => None,
                    Found::Faulty { error, .. } => Some(Err(error)),
                    Found::Text { text, record, .. } => {
                        let record = match unwanted {
                            Some(column) => record.without(column),
                            None => record,
                        };
                        Some(Ok(Entry { place: prompt.place, text, record }))
                    }
                },
            )))
        })?;
        input.finish();
        if table.records.is_empty() {
            return Err(Error::new(ErrorCode::Data, format!("{}: no row has a text", path.display())));
        }
        Ok(table)
    }

    /// Reads a data set of which only columns are wanted.
    pub fn read_columns(path: &Path) -> Result<Self> {
        let (mut reader, progress) = open(Some(path), Options::default())?;
        let table = Self::collect(path, &progress, || {
            let Some(row) = reader.row()? else { return Ok(None) };
            Ok(Some((
                row.place.clone(),
                match row.content {
                    Content::Blank => None,
                    Content::Faulty { error, .. } => Some(Err(error)),
                    Content::Record(record) => Some(Ok(Entry { place: row.place, text: String::new(), record })),
                },
            )))
        })?;
        progress.finish();
        Ok(table)
    }

    /// Takes the entries that `next` has, with their places; those of white space are none.
    fn collect(
        path: &Path,
        progress: &Progress,
        mut next: impl FnMut() -> Result<Option<(Place, Option<std::result::Result<Entry, String>>)>>,
    ) -> Result<Self> {
        let mut table = Self { path: path.to_owned(), records: Vec::new(), faults: Faults::default() };
        for read in 0_usize.. {
            if read.is_multiple_of(LOOK) {
                memory::check(0, format_args!("{}: after {read} rows", path.display()))?;
            }
            let Some((place, entry)) = next()? else { break };
            let Some(entry) = entry else { continue };
            table.faults.count(&place, entry.as_ref().err().map(String::as_str), |line| progress.print(line));
            table.records.extend(entry.ok());
        }
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
        self.records.iter().map(|entry| entry.text.as_str()).collect()
    }

    /// The columns, in the order in which they appear.
    pub fn columns(&self) -> Vec<Cow<'_, str>> {
        columns(self.records.iter().map(|entry| &entry.record))
    }

    /// The column with the rows' tasks: the one that is named, which must be there, or one of the usual names.
    pub fn label_column(&self, named: Option<&str>) -> Result<Option<String>> {
        let columns = self.columns();
        let has = |name: &str| columns.iter().any(|column| column == name);
        match named {
            Some(column) if !has(column) => Err(self.missing(column)),
            Some(column) => Ok(Some(column.to_owned())),
            None => Ok(LABEL_COLUMNS.into_iter().find(|column| has(column)).map(str::to_owned)),
        }
    }

    /// A column as text; every row must have it.
    pub fn strings(&self, column: &str) -> Result<Vec<String>> {
        self.values(column, |value| match value {
            Value::Text(text) if !text.trim().is_empty() => Ok(text.into_owned()),
            Value::Json(raw) if is_scalar(raw) => Ok(raw.to_owned()),
            other => Err(format!("is {}, not a text", other.kind())),
        })
    }

    /// A column as finite numbers; every row must have it.
    pub fn numbers(&self, column: &str) -> Result<Vec<f64>> {
        let finite = |number: f64| if number.is_finite() { Ok(number) } else { Err(format!("is {number}, not a finite number")) };
        self.values(column, |value| match value {
            Value::Json("true") => Ok(1.0),
            Value::Json("false") => Ok(0.0),
            Value::Json(raw) if is_scalar(raw) => finite(raw.parse().unwrap_or(f64::NAN)),
            Value::Text(text) => text.trim().parse().map_err(|_| format!("is {text:?}, not a number")).and_then(finite),
            other => Err(format!("is {}, not a number", other.kind())),
        })
    }

    fn values<T>(&self, column: &str, read: impl Fn(Value<'_>) -> std::result::Result<T, String>) -> Result<Vec<T>> {
        if !self.columns().iter().any(|name| name == column) {
            return Err(self.missing(column));
        }
        let value = |entry: &Entry| {
            let found = entry.record.get(column).and_then(|found| read(found.unwrap_or(Value::Json("null"))));
            found.map_err(|e| Error::new(ErrorCode::Data, format!("{}: {}: {column:?} {e}", self.path.display(), entry.place)))
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

/// Whether the JSON is a number, or true or false.
fn is_scalar(raw: &str) -> bool {
    !raw.starts_with(['{', '[', 'n'])
}

/// The columns of rows, in the order in which they appear.
fn columns<'a>(rows: impl Iterator<Item = &'a Record>) -> Vec<Cow<'a, str>> {
    let mut seen = HashSet::new();
    rows.flat_map(Record::columns).filter(|column| seen.insert(column.clone())).collect()
}

/// Rows as the file's name says, JSON lines, CSV or Parquet: those of the same format as they came.
pub fn render<'a>(path: &Path, rows: impl Iterator<Item = &'a Record> + Clone, form: &CsvArgs) -> Result<Vec<u8>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson") => Ok(rows.flat_map(|row| [row.json().as_bytes(), b"\n"].concat()).collect()),
        Some("csv") => csv(rows, form).map_err(|e| Error::new(ErrorCode::Internal, format!("writing {}: {e}", path.display()))),
        Some("parquet") => {
            let unreadable = |e: String| Error::new(ErrorCode::Data, format!("a row cannot be written as Parquet: {e}"));
            let rows: Vec<Fields> = rows.map(|row| row.fields().map_err(unreadable)).collect::<Result<_>>()?;
            columnar::parquet(rows.iter())
        }
        _ => {
            let message = format!("{}: name a .jsonl, .csv or .parquet file to write", path.display());
            Err(Error::new(ErrorCode::InvalidArgument, message))
        }
    }
}

fn csv<'a>(rows: impl Iterator<Item = &'a Record> + Clone, form: &CsvArgs) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    if !form.guard_formulas
        && let Some(bytes) = as_they_came(rows.clone())
    {
        return Ok(bytes);
    }
    let header = columns(rows.clone());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.iter().map(|name| form.cell(name.clone().into_owned())))?;
    for row in rows {
        let cell = |name: &Cow<'_, str>| match row.get(name).ok().flatten() {
            None | Some(Value::Json("null")) => String::new(),
            Some(Value::Text(text)) => form.cell(text.into_owned()),
            Some(Value::Json(raw)) => raw.to_owned(),
        };
        writer.write_record(header.iter().map(cell))?;
    }
    Ok(writer.into_inner()?)
}

/// The records of one table with commas, below its header.
fn as_they_came<'a>(mut rows: impl Iterator<Item = &'a Record> + Clone) -> Option<Vec<u8>> {
    let Some(Record::Cells { header, .. }) = rows.clone().next() else { return None };
    let mut bytes = format!("{}\n", header.raw).into_bytes();
    let whole = rows.all(|row| match row {
        Record::Cells { header: own, raw, .. } if own == header => {
            bytes.extend_from_slice(raw.as_bytes());
            bytes.push(b'\n');
            true
        }
        _ => false,
    });
    (whole && header.delimiter == b',' && !header.raw.is_empty()).then_some(bytes)
}
