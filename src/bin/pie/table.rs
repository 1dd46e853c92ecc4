//! A whole data set with its columns: JSON lines, CSV, text lines or the benchmark's JSON in, JSON lines or CSV out.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use pie_embed_wasm::ieb::TaskSet;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Map, Value};

use crate::input::{Faults, begins_with_object, parse_json};
use crate::output::say;

/// Where a text stands when no column is named.
const TEXT_COLUMNS: [&str; 2] = ["instruction", "text"];
/// Where a task stands when no column is named.
const LABEL_COLUMNS: [&str; 3] = ["category", "label", "task"];

pub type Fields = Map<String, Value>;

/// A sound row.
pub struct Record {
    pub line: u64,
    /// Empty in a table without texts.
    pub text: String,
    pub fields: Fields,
}

/// The sound rows of a file. Faulty ones are named on stderr and left out.
pub struct Table {
    path: PathBuf,
    pub records: Vec<Record>,
    faults: Faults,
}

/// A row as it is read: its line, and its fields or what is wrong with it.
type Raw = (u64, std::result::Result<Fields, String>);

impl Table {
    /// Reads a data set with a text a row; `column` says where.
    pub fn read(path: &Path, column: Option<&str>) -> Result<Self> {
        let candidates = column.map_or_else(|| TEXT_COLUMNS.to_vec(), |column| vec![column]);
        let table = Self::collect(path, |fields| text(fields, &candidates))?;
        if table.records.is_empty() {
            return Err(Error::new(ErrorCode::Data, format!("{}: no row has a text in {}", path.display(), quoted(&candidates))));
        }
        Ok(table)
    }

    /// Reads a data set of which only columns are wanted.
    pub fn read_columns(path: &Path) -> Result<Self> {
        Self::collect(path, |_| Ok(String::new()))
    }

    fn collect(path: &Path, text: impl Fn(&Fields) -> std::result::Result<String, String>) -> Result<Self> {
        let mut table = Self { path: path.to_owned(), records: Vec::new(), faults: Faults::default() };
        for (line, fields) in read_raw(path).map_err(|e| e.context(path.display()))? {
            let record = fields.and_then(|fields| Ok(Record { line, text: text(&fields)?, fields }));
            table.faults.count(line, record.as_ref().err().map(String::as_str), say);
            table.records.extend(record.ok());
        }
        Ok(table)
    }

    /// An error when any row was faulty; for the end, when the others are done.
    pub fn finish(self) -> Result<()> {
        self.faults.finish().map_err(|e| e.context(self.path.display()))
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
        if !self.columns().contains(&column) {
            return Err(self.missing(column));
        }
        let value = |record: &Record| {
            read(record.fields.get(column).unwrap_or(&Value::Null))
                .map_err(|e| Error::new(ErrorCode::Data, format!("{}: line {}: {column:?} {e}", self.path.display(), record.line)))
        };
        self.records.iter().map(value).collect()
    }

    fn missing(&self, column: &str) -> Error {
        let message = format!("{}: there is no column {column:?}; there are {}", self.path.display(), quoted(&self.columns()));
        Error::new(ErrorCode::Data, message)
    }
}

fn quoted(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ") }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "missing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "blank",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The text of a row, from the first of the columns that it has.
fn text(fields: &Fields, columns: &[&str]) -> std::result::Result<String, String> {
    let Some((column, value)) = columns.iter().find_map(|column| Some((column, fields.get(*column)?))) else {
        let present: Vec<&str> = fields.keys().map(String::as_str).collect();
        return Err(format!("there is no column {}; there are {}", quoted(columns), quoted(&present)));
    };
    match value {
        Value::String(text) if text.trim().is_empty() => Err("the text is blank".to_owned()),
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("{column:?} is {}, not a text", kind(other))),
    }
}

fn read_raw(path: &Path) -> Result<Vec<Raw>> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map_err(|e| Error::io("stdin", e))?;
    } else {
        bytes = fs::read(path).map_err(|e| Error::new(ErrorCode::Io, e.to_string()).with_source(e))?;
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => read_csv(bytes, b','),
        Some("tsv") => read_csv(bytes, b'\t'),
        Some("json") => read_task_set(bytes),
        Some("jsonl" | "ndjson") => Ok(read_lines(bytes, true)),
        _ => Ok(read_lines(bytes, begins_with_object(bytes))),
    }
}

/// JSON lines, or lines that are texts; blank lines of JSON are passed over.
fn read_lines(bytes: &[u8], json: bool) -> Vec<Raw> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let read = |line: &[u8]| {
        let line = utf8(line)?;
        if json {
            parse_json(line).map_err(|e| format!("no JSON object: {e}"))
        } else {
            Ok(Fields::from_iter([(TEXT_COLUMNS[0].to_owned(), line.into())]))
        }
    };
    (1..)
        .zip(lines)
        .filter(|(_, line)| !(bytes.is_empty() || (json && line.trim_ascii().is_empty())))
        .map(|(n, line)| (n, read(line)))
        .collect()
}

fn utf8(bytes: &[u8]) -> std::result::Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|e| format!("no UTF-8 from byte {} on", e.valid_up_to()))
}

fn read_csv(bytes: &[u8], delimiter: u8) -> Result<Vec<Raw>> {
    let malformed = |e: csv::Error| Error::new(ErrorCode::Data, format!("no CSV: {e}")).with_source(e);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
    let header: Vec<String> = reader.headers().map_err(malformed)?.iter().map(|name| name.trim().to_owned()).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Error::new(ErrorCode::Data, format!("two columns are called {twice:?}")));
    }
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let fields = if record.len() == header.len() {
            let field = |(name, value): (&String, &[u8])| Ok((name.clone(), utf8(value)?.into()));
            header.iter().zip(record.iter()).map(field).collect()
        } else {
            Err(format!("there are {} fields; the header has {}", record.len(), header.len()))
        };
        rows.push((line, fields));
    }
    Ok(rows)
}

/// The benchmark's tasks with their samples, as rows of `instruction` and `category`.
fn read_task_set(bytes: &[u8]) -> Result<Vec<Raw>> {
    let set = TaskSet::parse(utf8(bytes).map_err(|e| Error::new(ErrorCode::Data, e))?)?;
    let row = |(n, row): (u64, &pie_embed_wasm::ieb::Instruction)| {
        let fields = [("instruction", &row.text), ("category", &set.tasks[row.task])];
        (n, Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value.clone().into())).collect()))
    };
    Ok((1..).zip(&set.instructions).map(row).collect())
}

/// Rows as the file's name says: JSON lines or CSV.
pub fn render<'a>(path: &Path, rows: impl Iterator<Item = &'a Fields> + Clone) -> Result<Vec<u8>> {
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
            writer.write_record(&header).map_err(|e| internal(e.to_string()))?;
            for row in rows {
                let cell = |name: &&String| match row.get(name.as_str()) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                writer.write_record(header.iter().map(cell)).map_err(|e| internal(e.to_string()))?;
            }
            writer.flush().map_err(|e| internal(e.to_string()))?;
            drop(writer);
        }
        _ => {
            let message = format!("{}: name a .jsonl or .csv file to write", path.display());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
    }
    Ok(bytes)
}
