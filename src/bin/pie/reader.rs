//! Rows with their columns, one after another, from text lines, JSON lines, CSV, TSV, JSON, Parquet or Arrow, or a folder with parts of
//! one of these, so that memory does not grow with the input (a JSON document is read whole).

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use pie_embed_wasm::ieb::TaskSet;
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Map, Value};

use crate::columnar::Batches;
use crate::json::{begins_with_object, parse_json};
use crate::memory;
use crate::parts::parts;
use crate::progress::Progress;
use crate::ration::{Ration, Rationed};

/// Bytes of a JSON document between two looks at the memory that is left, and what its values take at least of it, as a multiple.
const DOCUMENT_PIECE: u64 = 1 << 26;
const DOCUMENT_GROWTH: u64 = 4;
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

/// Where a row stands: the number of its line, or of its entry in a document, and the part of a folder.
#[derive(Clone)]
pub struct Place {
    pub part: Option<Arc<str>>,
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.iter().try_for_each(|part| write!(f, "{part}: "))?;
        write!(f, "line {}", self.line)
    }
}

pub struct Row {
    pub place: Place,
    pub content: Content,
}

enum Source {
    Lines { reader: Box<dyn BufRead>, json: bool },
    Csv { reader: csv::Reader<Rationed<Box<dyn BufRead>>>, header: Vec<String>, ration: Ration },
    Document(std::vec::IntoIter<Content>),
    Batches(Batches),
}

/// Reads rows.
pub struct Reader {
    /// The name of the file, for errors.
    name: String,
    source: Source,
    /// How all parts are read, as the first one says.
    format: Format,
    /// What was read of this part last.
    place: Place,
    /// Parts of a folder that come after this one.
    rest: std::vec::IntoIter<PathBuf>,
    pub progress: Progress,
}

fn data(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Data, message)
}

fn reading(e: io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("reading: {e}")).with_source(e)
}

impl Reader {
    /// Opens a file, or the parts of a folder as one; stdin is none, or `-`.
    pub fn open(path: Option<&Path>, format: Format) -> Result<Self> {
        let place = Place { part: None, line: 0 };
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            let name = "stdin".to_owned();
            let (source, format) = Source::stream(Box::new(io::stdin()), None, format).map_err(|e| e.context(&name))?;
            return Ok(Self { name, source, format, place, rest: Vec::new().into_iter(), progress: Progress::rows() });
        };
        let parts = parts(path)?;
        if let Some(other) = parts.iter().find(|part| format == Format::Auto && Format::by_name(part) != Format::by_name(&parts[0])) {
            let [one, other] = [&parts[0], other].map(|part| part_name(part));
            return Err(data(format!("the folder {} holds files of two kinds: {one} and {other}", path.display())));
        }
        let (mut bytes, mut regular) = (0, true);
        for part in &parts {
            let metadata = fs::metadata(part).map_err(|e| Error::io(part, e))?;
            bytes += metadata.len();
            regular &= metadata.is_file();
        }
        let progress = if regular { Progress::of(bytes) } else { Progress::rows() };
        let in_folder = path.is_dir();
        let mut rest = parts.into_iter();
        let first = rest.next().unwrap_or_default();
        let (source, format) = Source::file(&first, format, &progress)?;
        let place = Place { part: in_folder.then(|| part_name(&first)), ..place };
        Ok(Self { name: first.display().to_string(), source, format, place, rest, progress })
    }

    /// The columns, where they are known before the rows.
    pub fn columns(&self) -> Option<Vec<&str>> {
        self.source.columns()
    }

    /// What the file says of itself under this key.
    pub fn said(&self, key: &str) -> Option<&str> {
        match &self.source {
            Source::Batches(batches) => batches.said(key),
            _ => None,
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
        loop {
            self.place.line += 1;
            let found = match &mut self.source {
                Source::Lines { reader, json } => line_content(reader, *json),
                Source::Csv { reader, header, ration } => {
                    ration.renew();
                    csv_content(reader, header, &mut self.place.line)
                }
                Source::Document(entries) => Ok(entries.next()),
                Source::Batches(batches) => batches.row(),
            };
            let content = found.map_err(|e| e.context(format!("{}: line {}", self.name, self.place.line)))?;
            if let Some(content) = content {
                return Ok(Some(Row { place: self.place.clone(), content }));
            }
            let Some(next) = self.rest.next() else { return Ok(None) };
            self.begin(&next)?;
        }
    }

    /// Goes on with the next part, which must have the columns of the last.
    fn begin(&mut self, part: &Path) -> Result<()> {
        let (source, _) = Source::file(part, self.format, &self.progress)?;
        let [before, here] = [&self.source, &source].map(|source| source.columns().map(BTreeSet::from_iter));
        if before != here {
            let [before, here] = [before, here].map(Option::unwrap_or_default);
            return Err(data(format!("{}: the columns are {here:?}; those of {} are {before:?}", part.display(), self.name)));
        }
        self.name = part.display().to_string();
        self.place = Place { part: Some(part_name(part)), line: 0 };
        self.source = source;
        Ok(())
    }
}

fn part_name(part: &Path) -> Arc<str> {
    part.file_name().unwrap_or_default().to_string_lossy().into()
}

impl Format {
    /// What the name of a file says.
    fn by_name(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()? {
            "jsonl" | "ndjson" => Self::Jsonl,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "json" => Self::Json,
            "arrow" => Self::Arrow,
            "parquet" | "pq" => Self::Parquet,
            _ => return None,
        })
    }
}

impl Source {
    /// Opens a file; with it comes how it is read.
    fn file(path: &Path, format: Format, progress: &Progress) -> Result<(Self, Format)> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let opened = if format == Format::Parquet || (format == Format::Auto && Format::by_name(path) == Some(Format::Parquet)) {
            Batches::parquet(file, progress).map(|batches| (Self::Batches(batches), Format::Parquet))
        } else {
            Self::stream(Box::new(progress.over(file)), Some(path), format)
        };
        opened.map_err(|e| e.context(path.display()))
    }

    fn stream(raw: Box<dyn Read>, path: Option<&Path>, format: Format) -> Result<(Self, Format)> {
        let mut reader = BufReader::with_capacity(1 << 20, raw);
        let mut start = beginning(&mut reader).map_err(reading)?;
        let format = match format {
            Format::Auto => match path.and_then(Format::by_name) {
                // JSON lines are often called that.
                Some(Format::Json) => {
                    reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut start).map_err(reading)?;
                    if is_json_line(&start) { Format::Jsonl } else { Format::Json }
                }
                Some(format) => format,
                None if start == ARROW_START => Format::Arrow,
                None if begins_with_object(&start) => Format::Jsonl,
                None => Format::Text,
            },
            format => format,
        };
        let mut reader: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 20, Cursor::new(start).chain(reader)));
        let source = match format {
            Format::Csv => Self::csv(reader, b',')?,
            Format::Tsv => Self::csv(reader, b'\t')?,
            Format::Json => {
                let mut bytes = Vec::new();
                while reader.by_ref().take(DOCUMENT_PIECE).read_to_end(&mut bytes).map_err(reading)? > 0 {
                    memory::check(DOCUMENT_GROWTH * bytes.len() as u64, "a JSON document, which is read whole")?;
                }
                Self::Document(document(bytes)?.into_iter())
            }
            Format::Arrow => Self::Batches(Batches::arrow(reader)?),
            Format::Parquet => return Err(data("Parquet is read from a file: its end says what it holds")),
            Format::Auto | Format::Text | Format::Jsonl => Self::Lines { reader, json: format == Format::Jsonl },
        };
        Ok((source, format))
    }

    /// The columns, where they are known before the rows.
    fn columns(&self) -> Option<Vec<&str>> {
        match self {
            Self::Lines { json: false, .. } => Some(vec![TEXT_COLUMNS[0]]),
            Self::Csv { header, .. } => Some(header.iter().map(String::as_str).collect()),
            Self::Batches(batches) => Some(batches.columns()),
            Self::Lines { .. } | Self::Document(_) => None,
        }
    }

    fn csv(reader: Box<dyn BufRead>, delimiter: u8) -> Result<Self> {
        let ration = Ration::new(MAX_LINE_BYTES);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(ration.over(reader));
        let header = reader.byte_headers().map_err(|e| data(format!("reading the header: {e}")).with_source(e))?;
        let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        distinct(header.iter().map(String::as_str))?;
        Ok(Self::Csv { reader, header, ration })
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

fn csv_content(reader: &mut csv::Reader<impl Read>, header: &[String], line: &mut u64) -> Result<Option<Content>> {
    let mut record = csv::ByteRecord::new();
    let found = reader.read_byte_record(&mut record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) if e.kind() == io::ErrorKind::InvalidData => data(e.to_string()).with_source(e),
        csv::ErrorKind::Io(e) => reading(e),
        e => Error::new(ErrorCode::Io, format!("reading: {e:?}")),
    })?;
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
