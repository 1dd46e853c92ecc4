//! Texts from a file or stdin, one a line, read in chunks so that memory does not grow with the input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;

use clap::ValueEnum;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::progress::Progress;

/// A chunk ends when its rows hold this much text.
const CHUNK_BYTES: usize = 8 << 20;
/// Longer lines are passed over with an error.
const MAX_LINE_BYTES: u64 = 64 << 20;
/// Error lines that are shown; the rest is counted.
const SHOWN_ERRORS: u64 = 20;

#[derive(clap::Args)]
pub struct InputArgs {
    /// Text lines, or JSON lines or CSV with an `instruction` or `text`; - is stdin
    #[arg(long, value_name = "FILE|-")]
    pub input: Option<PathBuf>,
    /// How lines are read; auto looks at the file's name and first line
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// The field of JSON lines or the column of CSV that has the text
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Auto,
    Text,
    Jsonl,
    Csv,
}

/// Where a text stands when no column is named.
const TEXT_COLUMNS: [&str; 2] = ["instruction", "text"];

/// One input line: its text, or what is wrong with it. A faulty line keeps its place in the output.
pub struct Row {
    pub line: u64,
    pub text: String,
    pub error: Option<String>,
}

/// Reads rows.
pub struct Input {
    source: Source,
    /// Where a text stands, the first that is there.
    columns: Vec<String>,
    line: u64,
    pub progress: Progress,
}

enum Source {
    Lines { reader: Box<dyn BufRead>, json: bool },
    Csv { reader: csv::Reader<Box<dyn BufRead>>, column: usize },
}

impl InputArgs {
    /// Opens the input; stdin when none is named.
    pub fn open(&self) -> Result<Input> {
        let path = self.input.as_deref().filter(|path| path.as_os_str() != "-");
        let (raw, progress): (Box<dyn Read>, _) = match path {
            None => (Box::new(io::stdin()), Progress::rows()),
            Some(path) => {
                let file = File::open(path).map_err(|e| Error::io(path, e))?;
                let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
                if metadata.is_dir() {
                    return Err(Error::new(ErrorCode::Io, format!("{} is a folder", path.display())));
                }
                let progress = if metadata.is_file() { Progress::bytes(metadata.len()) } else { Progress::rows() };
                (Box::new(file), progress)
            }
        };
        let mut reader = BufReader::with_capacity(1 << 20, raw);
        let start = beginning(&mut reader).map_err(|e| Error::new(ErrorCode::Io, format!("reading: {e}")).with_source(e))?;
        let format = match self.format {
            Format::Auto => match path.and_then(|p| p.extension()).and_then(|e| e.to_str()) {
                Some("jsonl" | "ndjson") => Format::Jsonl,
                Some("csv") => Format::Csv,
                _ if begins_with_object(&start) => Format::Jsonl,
                _ => Format::Text,
            },
            format => format,
        };
        let columns = self.column.as_ref().map_or_else(|| TEXT_COLUMNS.map(str::to_owned).to_vec(), |column| vec![column.clone()]);
        let reader: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 20, Cursor::new(start).chain(reader)));
        let source = match format {
            Format::Csv => Source::csv(reader, &columns)?,
            Format::Text if self.column.is_some() => {
                return Err(Error::new(ErrorCode::InvalidArgument, "--column: text lines have no columns; name the --format"));
            }
            _ => Source::Lines { reader, json: format == Format::Jsonl },
        };
        Ok(Input { source, columns, line: 0, progress })
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

/// Whether this is the beginning of a JSON object, sound or not: a brace and a quote, or an empty object.
pub fn begins_with_object(start: &[u8]) -> bool {
    let mut bytes = start.iter().filter(|b| !b.is_ascii_whitespace());
    bytes.next() == Some(&b'{') && matches!(bytes.next(), Some(b'"' | b'}'))
}

impl Input {
    /// The next rows, at most `max` and fewer where they are long; none at the end.
    pub fn chunk(&mut self, max: usize) -> Result<Vec<Row>> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < max && bytes < CHUNK_BYTES {
            let Some(row) = self.row()? else { break };
            bytes += row.text.len();
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&mut self) -> Result<Option<Row>> {
        let Self { source, columns, line, progress } = self;
        match source {
            Source::Lines { reader, json } => {
                *line += 1;
                line_row(reader, json.then_some(columns.as_slice()), *line, progress)
            }
            Source::Csv { reader, column } => csv_row(reader, *column, progress),
        }
    }
}

impl Source {
    fn csv(reader: Box<dyn BufRead>, columns: &[String]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let header = reader.byte_headers().map_err(|e| Error::new(ErrorCode::Io, format!("reading the header: {e}")).with_source(e))?;
        let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        match columns.iter().find_map(|column| names.iter().position(|name| name == column)) {
            Some(column) => Ok(Self::Csv { reader, column }),
            None => Err(Error::new(ErrorCode::Data, format!("the CSV has no column {}; it has {}", quoted(columns), quoted(&names)))),
        }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn csv_row(reader: &mut csv::Reader<Box<dyn BufRead>>, column: usize, progress: &Progress) -> Result<Option<Row>> {
    let mut record = csv::ByteRecord::new();
    let start = reader.position().byte();
    let found = reader.read_byte_record(&mut record);
    progress.add_bytes(reader.position().byte() - start);
    if !found.map_err(|e| Error::new(ErrorCode::Io, format!("reading: {e}")).with_source(e))? {
        return Ok(None);
    }
    let line = record.position().map_or(0, csv::Position::line);
    let Some(bytes) = record.get(column) else {
        let error = format!("the row has {} fields; the text is number {}", record.len(), column + 1);
        return Ok(Some(Row { line, text: String::new(), error: Some(error) }));
    };
    Ok(Some(checked(line, bytes.to_vec(), Ok)))
}

/// A row of these bytes, its text found by `find`.
fn checked(line: u64, bytes: Vec<u8>, find: impl FnOnce(String) -> std::result::Result<String, (String, String)>) -> Row {
    let (text, error) = match String::from_utf8(bytes) {
        Ok(text) => match find(text) {
            Ok(text) => (text, None),
            Err((text, error)) => (text, Some(error)),
        },
        Err(e) => {
            let at = e.utf8_error().valid_up_to();
            (String::from_utf8_lossy(e.as_bytes()).into_owned(), Some(format!("no UTF-8 from byte {at} on")))
        }
    };
    let error = error.or_else(|| text.trim().is_empty().then(|| "the text is blank".to_owned()));
    Row { line, text, error }
}

fn line_row(reader: &mut Box<dyn BufRead>, json: Option<&[String]>, line: u64, progress: &Progress) -> Result<Option<Row>> {
    let mut bytes = Vec::new();
    let read = |e: io::Error| Error::new(ErrorCode::Io, format!("reading line {line}: {e}")).with_source(e);
    let taken = reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).map_err(read)?;
    if taken == 0 {
        return Ok(None);
    }
    progress.add_bytes(taken as u64);
    if taken as u64 == MAX_LINE_BYTES && !bytes.ends_with(b"\n") {
        let rest = skip_line(reader, progress).map_err(read)?;
        let error = format!("the line has {} bytes; at most {MAX_LINE_BYTES} are read", MAX_LINE_BYTES + rest);
        return Ok(Some(Row { line, text: String::new(), error: Some(error) }));
    }
    while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(Some(checked(line, bytes, |text| match json {
        Some(columns) => json_text(&text, columns).map_err(|error| (text, error)),
        None => Ok(text),
    })))
}

fn skip_line(reader: &mut impl BufRead, progress: &Progress) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|&b| b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        progress.add_bytes(used as u64);
        skipped += used as u64;
        if done {
            return Ok(skipped);
        }
    }
}

/// The instruction in one JSON line: the first of `columns` that is there.
fn json_text(line: &str, columns: &[String]) -> std::result::Result<String, String> {
    if line.trim().is_empty() {
        return Ok(String::new());
    }
    let mut row: serde_json::Map<String, Value> = parse_json(line).map_err(|e| format!("no JSON object with an instruction: {e}"))?;
    match columns.iter().find_map(|column| row.remove(column).filter(|value| !value.is_null())) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("no JSON object with an instruction: {} is no text", quoted(columns))),
        None => Err(format!("the object has no {}", quoted(columns))),
    }
}

/// Reads JSON in which lone surrogates are content: `\ud800` reads as U+FFFD, where strict JSON has no such text.
pub fn parse_json<T: DeserializeOwned>(line: &str) -> serde_json::Result<T> {
    serde_json::from_str(line).or_else(|e| serde_json::from_str(&replace_lone_surrogates(line)).map_err(|_| e))
}

/// Rewrites `\uXXXX` escapes that are half a surrogate pair to `\ufffd`.
fn replace_lone_surrogates(line: &str) -> String {
    let bytes = line.as_bytes();
    let unit = |at: usize| match bytes.get(at..at + 6) {
        Some([b'\\', b'u', hex @ ..]) => std::str::from_utf8(hex).ok().and_then(|hex| u16::from_str_radix(hex, 16).ok()),
        _ => None,
    };
    let mut out = String::with_capacity(line.len());
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let step = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(&line[copied..at]);
                out.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            _ if bytes[at] == b'\\' => 2,
            _ => 1,
        };
        at += step;
    }
    out.push_str(&line[copied..]);
    out
}

/// Counts faulty rows and names the first of them on stderr.
#[derive(Default)]
pub struct Faults {
    rows: u64,
    faulty: u64,
}

impl Faults {
    /// Takes note of a chunk.
    pub fn note(&mut self, rows: &[Row], progress: &Progress) {
        for row in rows {
            self.count(row.line, row.error.as_deref(), |line| progress.print(line));
        }
    }

    /// Takes note of one line.
    pub fn count(&mut self, line: u64, error: Option<&str>, print: impl FnOnce(&str)) {
        self.rows += 1;
        let Some(error) = error else { return };
        self.faulty += 1;
        if self.faulty <= SHOWN_ERRORS {
            print(&format!("pie: line {line}: {error}"));
        }
    }

    /// An error when any row was faulty.
    pub fn finish(self) -> Result<()> {
        match self.faulty {
            0 => Ok(()),
            n => Err(Error::new(ErrorCode::Data, format!("{n} of {} lines could not be read; the others are done", self.rows))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        let json_text = |line| json_text(line, &TEXT_COLUMNS.map(str::to_owned));
        assert_eq!(json_text(r#"{"text":"a\ud800b"}"#).unwrap(), "a\u{fffd}b");
        assert_eq!(json_text(r#"{"text":"\ud83d\ude00\udc00"}"#).unwrap(), "😀\u{fffd}");
        assert_eq!(json_text(r#"{"text":"\\ud800"}"#).unwrap(), "\\ud800");
        assert!(json_text(r#"{"text":"\uzzzz"}"#).is_err());
        assert!(json_text("[1]").is_err());
    }

    #[test]
    fn formats_are_told_apart() {
        let begins = |text: &str| begins_with_object(&beginning(&mut text.as_bytes()).unwrap());
        assert!(begins("\n {\"instruction\":\"a\"}\nb") && begins("\u{feff}{ \"a\\ud800") && begins("{}"));
        assert!(!begins("{instruction} is a word\n") && !begins("\u{feff}{") && !begins("\u{feff}"));
        assert_eq!(beginning(&mut "\u{feff}ab".as_bytes()).unwrap(), b"ab");
        assert!(!begins_with_object(b""));
    }
}
