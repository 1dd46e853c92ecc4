//! Rows with their columns, one after another, from text lines, JSON lines, CSV, TSV, JSON, Parquet or Arrow, so that memory does not
//! grow with the input (a JSON document is read whole).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use clap::ValueEnum;
use pie_embed_wasm::ieb::TaskSet;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Map, Value};

use crate::columnar::Batches;
use crate::json::{begins_with_object, parse_json};
use crate::progress::Progress;

/// Where a text stands when no column is named; text lines have the first.
pub const TEXT_COLUMNS: [&str; 2] = ["instruction", "text"];
/// Longer lines are passed over with an error.
const MAX_LINE_BYTES: u64 = 64 << 20;
/// What an Arrow stream begins with, and no text.
const ARROW_START: [u8; 2] = [0xff; 2];

pub type Fields = Map<String, Value>;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// By the file's name and what it begins with
    Auto,
    Text,
    Jsonl,
    Csv,
    Tsv,
    /// A list of objects, or the benchmark's {task: {"samples"}}
    Json,
    /// A file, not stdin
    Parquet,
    /// An IPC stream
    Arrow,
}

/// What stands at one place of the input.
pub enum Content {
    Fields(Fields),
    /// A line of white space.
    Blank,
    Faulty {
        text: String,
        error: String,
    },
}

/// A row and the number of its line, or of its entry in a document.
pub struct Row {
    pub line: u64,
    pub content: Content,
}

enum Source {
    Lines { reader: Box<dyn BufRead>, json: bool },
    Csv { reader: csv::Reader<Box<dyn BufRead>>, header: Vec<String> },
    Document(std::vec::IntoIter<Content>),
    Batches(Batches),
}

/// Reads rows.
pub struct Reader {
    /// The file's name, for errors.
    name: String,
    source: Source,
    /// Lines or entries that were read.
    line: u64,
    pub progress: Progress,
}

fn data(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Data, message)
}

fn reading(e: io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("reading: {e}")).with_source(e)
}

impl Reader {
    /// Opens a file; stdin is none, or `-`.
    pub fn open(path: Option<&Path>, format: Format) -> Result<Self> {
        let path = path.filter(|path| path.as_os_str() != "-");
        let name = path.map_or_else(|| "stdin".to_owned(), |path| path.display().to_string());
        let opened = match path {
            None if format == Format::Parquet => Err(data("Parquet is read from a file: its end says what it holds")),
            None => Source::open(Box::new(io::stdin()), None, format).map(|source| (source, Progress::rows())),
            Some(path) => {
                let file = File::open(path).map_err(|e| Error::io(path, e))?;
                let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
                if metadata.is_dir() {
                    return Err(Error::new(ErrorCode::Io, format!("{name} is a folder")));
                }
                let by_name = || path.extension().is_some_and(|extension| extension == "parquet" || extension == "pq");
                if format == Format::Parquet || (format == Format::Auto && by_name()) {
                    Batches::parquet(file).map(|(batches, progress)| (Source::Batches(batches), progress))
                } else {
                    let progress = if metadata.is_file() { Progress::of(metadata.len()) } else { Progress::rows() };
                    Source::open(Box::new(progress.over(file)), Some(path), format).map(|source| (source, progress))
                }
            }
        };
        let (source, progress) = opened.map_err(|e| e.context(&name))?;
        Ok(Self { name, source, line: 0, progress })
    }

    /// The columns, where they are known before the rows.
    pub fn columns(&self) -> Option<Vec<&str>> {
        match &self.source {
            Source::Lines { json: false, .. } => Some(vec![TEXT_COLUMNS[0]]),
            Source::Csv { header, .. } => Some(header.iter().map(String::as_str).collect()),
            Source::Batches(batches) => Some(batches.columns()),
            Source::Lines { .. } | Source::Document(_) => None,
        }
    }

    /// What a column has for a type, where that is known before the rows and is no text.
    pub fn other_type(&self, column: &str) -> Option<String> {
        match &self.source {
            Source::Batches(batches) => batches.other_type(column).map(ToString::to_string),
            _ => None,
        }
    }

    /// The next row; none at the end.
    pub fn row(&mut self) -> Result<Option<Row>> {
        self.line += 1;
        let found = match &mut self.source {
            Source::Lines { reader, json } => line_content(reader, *json),
            Source::Csv { reader, header } => csv_content(reader, header, &mut self.line),
            Source::Document(entries) => Ok(entries.next()),
            Source::Batches(batches) => batches.row().map(|row| row.map(Content::Fields)),
        };
        let content = found.map_err(|e| e.context(format!("{}: line {}", self.name, self.line)))?;
        Ok(content.map(|content| Row { line: self.line, content }))
    }
}

impl Source {
    fn open(raw: Box<dyn Read>, path: Option<&Path>, format: Format) -> Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 20, raw);
        let mut start = beginning(&mut reader).map_err(reading)?;
        let format = match format {
            Format::Auto => match path.and_then(|p| p.extension()).and_then(|e| e.to_str()) {
                Some("jsonl" | "ndjson") => Format::Jsonl,
                Some("csv") => Format::Csv,
                Some("tsv") => Format::Tsv,
                Some("arrow") => Format::Arrow,
                Some("json") => {
                    reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut start).map_err(reading)?;
                    if is_json_line(&start) { Format::Jsonl } else { Format::Json }
                }
                _ if start == ARROW_START => Format::Arrow,
                _ if begins_with_object(&start) => Format::Jsonl,
                _ => Format::Text,
            },
            format => format,
        };
        let mut reader: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 20, Cursor::new(start).chain(reader)));
        Ok(match format {
            Format::Csv => Self::csv(reader, b',')?,
            Format::Tsv => Self::csv(reader, b'\t')?,
            Format::Json => {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).map_err(reading)?;
                Self::Document(document(bytes)?.into_iter())
            }
            Format::Arrow => Self::Batches(Batches::arrow(reader)?),
            Format::Auto | Format::Text | Format::Jsonl | Format::Parquet => Self::Lines { reader, json: format == Format::Jsonl },
        })
    }

    fn csv(reader: Box<dyn BufRead>, delimiter: u8) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(reader);
        let header = reader.byte_headers().map_err(|e| data(format!("reading the header: {e}")).with_source(e))?;
        let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        distinct(header.iter().map(String::as_str))?;
        Ok(Self::Csv { reader, header })
    }
}

/// An error where two columns have one name.
pub fn distinct<'a>(columns: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    match columns.into_iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(data(format!("two columns are called {twice:?}"))),
        None => Ok(()),
    }
}

/// What the input begins with, without a byte order mark, up to where it tells its format: two bytes that are no white space.
fn beginning(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    /// White space behind which no format shows is text.
    const MAX_BYTES: usize = 1 << 20;
    let (mut start, mut solid) = (Vec::new(), 0);
    for byte in reader.bytes().take(MAX_BYTES) {
        let byte = byte?;
        start.push(byte);
        solid += usize::from(!byte.is_ascii_whitespace());
        if start == MARK {
            (start, solid) = (Vec::new(), 0);
        } else if solid >= 2 && !MARK.starts_with(&start) {
            break;
        }
    }
    Ok(start)
}

/// Whether a line is an object by itself, and not the whole of the benchmark's file: JSON lines are often called `.json`.
fn is_json_line(line: &[u8]) -> bool {
    let fields = std::str::from_utf8(line).ok().and_then(|line| parse_json::<Fields>(line).ok());
    fields.is_some_and(|fields| !fields.values().all(|value| value.get("samples").is_some()))
}

fn line_content(reader: &mut impl BufRead, json: bool) -> Result<Option<Content>> {
    let mut bytes = Vec::new();
    let taken = reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).map_err(reading)?;
    if taken == 0 {
        return Ok(None);
    }
    if taken as u64 == MAX_LINE_BYTES && !bytes.ends_with(b"\n") {
        let rest = skip_line(reader).map_err(reading)?;
        let error = format!("the line has {} bytes; at most {MAX_LINE_BYTES} are read", MAX_LINE_BYTES + rest);
        return Ok(Some(Content::Faulty { text: String::new(), error }));
    }
    while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(Some(match utf8(bytes) {
        Err((text, error)) => Content::Faulty { text, error },
        Ok(text) if text.trim().is_empty() => Content::Blank,
        Ok(text) if json => match parse_json(&text) {
            Ok(fields) => Content::Fields(fields),
            Err(e) => Content::Faulty { text, error: format!("no JSON object: {e}") },
        },
        Ok(text) => Content::Fields(Fields::from_iter([(TEXT_COLUMNS[0].to_owned(), text.into())])),
    }))
}

/// A text of these bytes; else what can be read of it, and what is wrong.
fn utf8(bytes: Vec<u8>) -> std::result::Result<String, (String, String)> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        (String::from_utf8_lossy(e.as_bytes()).into_owned(), format!("no UTF-8 from byte {at} on"))
    })
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|&b| b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        skipped += used as u64;
        if done {
            return Ok(skipped);
        }
    }
}

fn csv_content(reader: &mut csv::Reader<Box<dyn BufRead>>, header: &[String], line: &mut u64) -> Result<Option<Content>> {
    let mut record = csv::ByteRecord::new();
    let found = reader.read_byte_record(&mut record).map_err(|e| Error::new(ErrorCode::Io, format!("reading: {e}")).with_source(e))?;
    if !found {
        return Ok(None);
    }
    *line = record.position().map_or(0, csv::Position::line);
    if record.len() != header.len() {
        let error = format!("there are {} fields; the header has {}", record.len(), header.len());
        return Ok(Some(Content::Faulty { text: String::new(), error }));
    }
    let field = |(name, value): (&String, &[u8])| Ok((name.clone(), utf8(value.to_vec())?.into()));
    let fields: std::result::Result<Fields, (String, String)> = header.iter().zip(record.iter()).map(field).collect();
    Ok(Some(fields.map_or_else(|(text, error)| Content::Faulty { text, error }, Content::Fields)))
}

/// The entries of a JSON document: objects or texts in a list, or the benchmark's tasks as rows of `instruction` and `category`.
fn document(bytes: Vec<u8>) -> Result<Vec<Content>> {
    let text = utf8(bytes).map_err(|(_, error)| data(error))?;
    if !text.trim_start().starts_with('[') {
        let set = TaskSet::parse(&text)?;
        let rows = set.instructions.iter().map(|row| [(TEXT_COLUMNS[0], &row.text), ("category", &set.tasks[row.task])]);
        let fields = rows.map(|row| row.into_iter().map(|(name, value)| (name.to_owned(), value.clone().into())).collect());
        return Ok(fields.map(Content::Fields).collect());
    }
    let values: Vec<Value> = parse_json(&text).map_err(|e| data(format!("no JSON: {e}")).with_source(e))?;
    let content = |value| match value {
        Value::Object(fields) => Content::Fields(fields),
        Value::String(text) => Content::Fields(Fields::from_iter([(TEXT_COLUMNS[0].to_owned(), text.into())])),
        other => Content::Faulty { text: other.to_string(), error: "no JSON object".to_owned() },
    };
    Ok(values.into_iter().map(content).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let begins = |text: &str| begins_with_object(&beginning(&mut text.as_bytes()).unwrap());
        assert!(begins("\n {\"instruction\":\"a\"}\nb") && begins("\u{feff}{ \"a\\ud800") && begins("{}"));
        assert!(!begins("{instruction} is a word\n") && !begins("\u{feff}{") && !begins("\u{feff}"));
        assert_eq!(beginning(&mut "\u{feff}ab".as_bytes()).unwrap(), b"ab");
        assert!(is_json_line(b"{\"text\":\"a\"}\n") && !is_json_line(b"{\"a|b\":{\"samples\":[]}}") && !is_json_line(b"{\n"));
    }
}
