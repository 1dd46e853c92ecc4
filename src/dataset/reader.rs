//! Rows one after another, from a file, the parts of a folder or a stream.

use std::fmt;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::Arc;

use crate::error::Result;
use crate::ieb::TaskSet;

use super::column::member;
#[cfg(feature = "columns")]
use super::columnar::Batches;
use super::delimited::Delimited;
use super::encoding::{Text, decode, peek};
use super::format::{Format, is_benchmark};
use super::lines::{Line, Lines, content_len, utf8};
use super::record::{Fields, Object, Record, Value};
use super::values::{RawValue, Values};
use super::{MAX_LINE_BYTES, data, json, reading};

/// The column of text lines.
pub const TEXT: &str = "instruction";
const BUFFER: usize = 1 << 20;
#[cfg(feature = "columns")]
const PARQUET: &str = "Parquet is read from a file: its end says what it holds";
#[cfg(not(feature = "columns"))]
const PARQUET: &str = "this is Parquet, which only the command line reads: open it with pie report, or save the table as CSV";
/// Bytes of a usual line.
const LINE: usize = 1 << 10;

/// How the input is read where it does not say so itself.
#[derive(Clone, Debug)]
pub struct Options {
    pub format: Format,
    /// Whether `\"` is a quote inside the quotes of CSV.
    pub backslash: bool,
    /// Whether CSV begins with a row, not with a header: columns are then called 1, 2, ….
    pub headless: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: Format::Auto, backslash: false, headless: false }
    }
}

/// Told how many bytes of the input were read, for a progress bar.
pub type Meter = Arc<dyn Fn(u64) + Send + Sync>;

/// What stands at one place of the input.
#[derive(Debug)]
pub enum Content {
    Record(Record),
    /// A line of white space.
    Blank,
    Faulty {
        text: String,
        error: String,
    },
}

/// Where a row stands, by the lines of an editor.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The part of a folder.
    pub part: Option<Arc<str>>,
    /// The number of the value in a JSON document.
    pub entry: Option<u64>,
    /// The line in which the row begins; of Parquet and Arrow the row.
    pub line: u64,
    /// The turn of a conversation.
    pub turn: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.iter().try_for_each(|part| write!(f, "{part}: "))?;
        self.entry.iter().try_for_each(|entry| write!(f, "entry {entry}, "))?;
        write!(f, "line {}", self.line)?;
        self.turn.iter().try_for_each(|turn| write!(f, ", turn {turn}"))
    }
}

#[derive(Debug)]
pub struct Row {
    pub place: Place,
    pub content: Content,
}

enum Source {
    Lines {
        lines: Lines,
        json: bool,
    },
    Delimited(Delimited),
    Values(Values),
    /// Rows of a document that is known whole.
    Rows(std::vec::IntoIter<Record>),
    #[cfg(feature = "columns")]
    Batches(Batches),
}

/// Reads rows.
pub struct Reader {
    /// The name of the file, for errors.
    name: String,
    source: Source,
    /// How all parts are read.
    options: Options,
    /// What was read of this part last.
    place: Place,
    #[cfg(feature = "columns")]
    rest: super::parts::Rest,
    notes: Vec<String>,
    /// Rows of a list within an object, with their lines.
    listed: Option<Listed>,
}

type Listed = Box<dyn Iterator<Item = (u64, Content)>>;

impl Reader {
    /// Reads a stream; `name` says what it is called.
    ///
    /// # Errors
    /// Where its beginning cannot be read, or is of a kind that holds no rows.
    pub fn stream(raw: Box<dyn Read>, name: &str, options: Options) -> Result<Self> {
        let (source, format, notes) = Source::stream(raw, name, &options).map_err(|e| e.context(name))?;
        Ok(Self {
            name: name.to_owned(),
            source,
            options: Options { format, ..options },
            place: Place::default(),
            #[cfg(feature = "columns")]
            rest: super::parts::Rest::default(),
            notes,
            listed: None,
        })
    }

    /// Reads the files of a data set, one after another as one.
    ///
    /// # Errors
    /// As [`Self::stream`].
    #[cfg(feature = "columns")]
    pub fn open(parts: super::Parts, options: Options, meter: &Meter) -> Result<Self> {
        parts.check(options.format)?;
        let in_folder = parts.in_folder;
        let (first, rest) = parts.rest(meter);
        let (source, format, notes) = Source::file(&first, &options, meter)?;
        let place = Place { part: in_folder.then(|| super::parts::part_name(&first)), ..Place::default() };
        Ok(Self { name: first.display().to_string(), source, options: Options { format, ..options }, place, rest, notes, listed: None })
    }

    /// The columns, where they are known before the rows.
    pub fn columns(&self) -> Option<Vec<String>> {
        self.source.columns()
    }

    /// Whether values of a document are read, or lines and rows.
    pub const fn is_document(&self) -> bool {
        matches!(self.source, Source::Values(_)) || self.listed.is_some()
    }

    /// Whether the row that was read last is an object that may hold the whole of a data set: none in a list, nor one line of many.
    pub fn is_outermost(&mut self) -> bool {
        match &mut self.source {
            _ if self.listed.is_some() => false,
            Source::Values(values) => !values.in_list(),
            Source::Lines { lines, json: true } => lines.number == 1 && lines.at_end(),
            _ => false,
        }
    }

    /// Goes on with the elements of a list that stands in the row that was read last.
    pub fn enter(&mut self, object: &str, list: &str) {
        let base = object.as_ptr() as usize;
        let places = json::elements(list).unwrap_or_default().into_iter().map(|element| {
            let start = element.as_ptr() as usize - base;
            start..start + element.len()
        });
        let (places, object) = (places.collect::<Vec<_>>(), object.to_owned());
        let (mut line, mut at) = (self.place.line, 0);
        self.listed = Some(Box::new(places.into_iter().map(move |place| {
            line += object[at..place.start].matches('\n').count() as u64;
            at = place.start;
            (line, content(element(&object[place]).to_owned()))
        })));
        self.place.entry = self.place.entry.map(|entry| entry - 1);
    }

    /// Whether the columns have numbers for names.
    pub const fn is_headless(&self) -> bool {
        self.options.headless && matches!(self.source, Source::Delimited(_))
    }

    /// The name of the file that is read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user is to know of how the input is read, once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// What the file says of itself under this key.
    #[cfg(feature = "columns")]
    pub fn said(&self, key: &str) -> Option<&str> {
        match &self.source {
            Source::Batches(batches) => batches.said(key),
            _ => None,
        }
    }

    /// What a column has for a type, where that is known before the rows and is no text.
    #[cfg(feature = "columns")]
    pub fn other_type(&self, column: &str) -> Option<String> {
        match &self.source {
            Source::Batches(batches) => batches.other_type(column),
            _ => None,
        }
    }

    #[cfg(not(feature = "columns"))]
    pub const fn other_type(&self, _: &str) -> Option<String> {
        None
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// Where reading cannot go on.
    pub fn row(&mut self) -> Result<Option<Row>> {
        if let Some((line, content)) = self.listed.as_mut().and_then(Iterator::next) {
            self.place.line = line;
            self.place.entry = Some(self.place.entry.unwrap_or(0) + 1);
            return Ok(Some(Row { place: self.place.clone(), content }));
        }
        loop {
            let found = self.source.next(&mut self.place);
            let content = found.map_err(|e| e.context(&self.name))?;
            if let Some(content) = content {
                return Ok(Some(Row { place: self.place.clone(), content }));
            }
            if !self.next_part()? {
                return Ok(None);
            }
        }
    }

    /// Goes on with the next part, which must have the columns of the last.
    #[cfg(feature = "columns")]
    fn next_part(&mut self) -> Result<bool> {
        use std::collections::BTreeSet;
        let Some((part, meter)) = self.rest.next() else { return Ok(false) };
        let (source, _, notes) = Source::file(&part, &self.options, &meter)?;
        let [before, here] = [&self.source, &source].map(|source| source.columns().map(BTreeSet::from_iter));
        if before != here {
            let [before, here] = [before, here].map(Option::unwrap_or_default);
            return Err(data(format!("{}: the columns are {here:?}; those of {} are {before:?}", part.display(), self.name)));
        }
        self.name = part.display().to_string();
        self.place = Place { part: Some(super::parts::part_name(&part)), ..Place::default() };
        self.notes.extend(notes);
        self.source = source;
        Ok(true)
    }

    #[cfg(not(feature = "columns"))]
    fn next_part(&mut self) -> Result<bool> {
        Ok(false)
    }
}

impl Source {
    /// Opens a file; with it come how it is read, and notes.
    #[cfg(feature = "columns")]
    fn file(path: &std::path::Path, options: &Options, meter: &Meter) -> Result<(Self, Format, Vec<String>)> {
        use super::packed::{Opened, open};
        let read = match open(path, meter)? {
            Opened::Parquet(file) if matches!(options.format, Format::Auto | Format::Parquet) => {
                Batches::parquet(file, meter).map(|batches| (Self::Batches(batches), Format::Parquet, Vec::new()))
            }
            Opened::Parquet(file) => Self::stream(Box::new(file), &path.display().to_string(), options),
            Opened::Stream { reader, name } => Self::stream(reader, &name, options),
        };
        read.map_err(|e| e.context(path.display()))
    }

    fn stream(raw: Box<dyn Read>, name: &str, options: &Options) -> Result<(Self, Format, Vec<String>)> {
        #[cfg(feature = "columns")]
        let raw = super::packed::unpack(raw).map_err(reading)?;
        let mut raw = raw;
        let start = peek(&mut raw).map_err(reading)?;
        let named = Format::by_name(std::path::Path::new(name));
        let binary = match options.format {
            Format::Auto => Format::by_magic(&start).map_err(|what| data(format!("this is {what}")))?.or(named),
            format => Some(format),
        };
        if binary == Some(Format::Arrow) {
            return Self::arrow(start, raw).map(|source| (source, Format::Arrow, Vec::new()));
        }
        if binary == Some(Format::Parquet) {
            return Err(data(PARQUET));
        }
        // JSON is UTF-8.
        let latin = !matches!(binary, Some(Format::Json | Format::Jsonl)) && !start.trim_ascii_start().starts_with(b"{");
        let Text { reader, start, note } = decode(start, raw, latin).map_err(reading)?;
        if options.format == Format::Auto && start.contains(&0) && std::str::from_utf8(&start).is_err_and(|e| e.error_len().is_some()) {
            return Err(data("this is no text: it has bytes of 0 and is no UTF-8; give the data as text, JSON, CSV or Parquet"));
        }
        let mut reader = BufReader::with_capacity(BUFFER, reader);
        let format = match options.format {
            Format::Auto => Self::format_of(&mut reader, &start, named).map_err(reading)?,
            format => format,
        };
        let reader: Box<dyn BufRead> = Box::new(reader);
        let (source, also) = match format {
            Format::Csv | Format::Tsv => {
                let usual = if format == Format::Csv { b',' } else { b'\t' };
                let lines = Lines::new(reader, &start);
                let (delimited, note) = Delimited::new(lines, &start, usual, options.backslash, options.headless)?;
                (Self::Delimited(delimited), note)
            }
            Format::Json => (Self::Values(Values::new(reader)), None),
            _ => (Self::Lines { lines: Lines::new(reader, &start), json: format == Format::Jsonl }, None),
        };
        Ok((source, format, note.into_iter().chain(also).map(|note| format!("{name}: {note}")).collect()))
    }

    /// The format of a text; a first line that is longer than what was read is looked at whole.
    fn format_of(reader: &mut BufReader<Box<dyn Read>>, start: &[u8], named: Option<Format>) -> std::io::Result<Format> {
        let format = Format::of_text(start, named);
        if start.contains(&b'\n') || format != Format::Json || !start.trim_ascii_start().starts_with(b"{") {
            return Ok(format);
        }
        let mut line = Vec::new();
        reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        let format = Format::of_text(&line, named);
        let empty: Box<dyn Read> = Box::new(std::io::empty());
        let rest = std::mem::replace(reader, BufReader::new(empty));
        *reader = BufReader::with_capacity(BUFFER, Box::new(Cursor::new(line).chain(rest)));
        Ok(format)
    }

    #[cfg(feature = "columns")]
    fn arrow(start: Vec<u8>, raw: Box<dyn Read>) -> Result<Self> {
        // A file is a stream between its magic and a footer.
        let skipped = if start.starts_with(super::format::ARROW_FILE) { 8 } else { 0 };
        let mut whole = Cursor::new(start).chain(raw);
        whole.read_exact(&mut [0; 8][..skipped]).map_err(reading)?;
        Batches::arrow(BufReader::with_capacity(BUFFER, whole)).map(Self::Batches)
    }

    #[cfg(not(feature = "columns"))]
    fn arrow(_: Vec<u8>, _: Box<dyn Read>) -> Result<Self> {
        Err(data("this is Arrow, which only the command line reads: open it with pie report, or save the table as CSV"))
    }

    fn columns(&self) -> Option<Vec<String>> {
        match self {
            Self::Lines { json: false, .. } => Some(vec![TEXT.to_owned()]),
            Self::Delimited(delimited) => Some(delimited.header().names.clone()),
            #[cfg(feature = "columns")]
            Self::Batches(batches) => Some(batches.columns()),
            Self::Lines { .. } | Self::Values(_) | Self::Rows(_) => None,
        }
    }

    /// What stands next, and where; none at the end.
    fn next(&mut self, place: &mut Place) -> Result<Option<Content>> {
        match self {
            Self::Lines { lines, json } => {
                let content = line_content(lines, *json);
                place.line = lines.number;
                content
            }
            Self::Delimited(delimited) => {
                let Some((line, content)) = delimited.read()? else { return Ok(None) };
                place.line = line;
                Ok(Some(content))
            }
            Self::Values(values) => {
                let Some(value) = values.read()? else { return Ok(None) };
                place.line = value.line;
                place.entry = Some(place.entry.unwrap_or(0) + 1);
                match value_content(value) {
                    Ok(content) => Ok(Some(content)),
                    Err(document) => {
                        *self = Self::Rows(benchmark(&document)?.into_iter());
                        place.entry = Some(0);
                        self.next(place)
                    }
                }
            }
            Self::Rows(rows) => {
                place.entry = Some(place.entry.unwrap_or(0) + 1);
                Ok(rows.next().map(Content::Record))
            }
            #[cfg(feature = "columns")]
            Self::Batches(batches) => {
                place.line += 1;
                batches.row().map_err(|e| e.context(format!("line {}", place.line)))
            }
        }
    }
}

fn line_content(lines: &mut Lines, json: bool) -> Result<Option<Content>> {
    let mut bytes = Vec::with_capacity(LINE);
    match lines.read(&mut bytes)? {
        None => return Ok(None),
        Some(Line::TooLong(bytes)) => {
            let error = format!("the line has {bytes} bytes; at most {MAX_LINE_BYTES} are read");
            return Ok(Some(Content::Faulty { text: String::new(), error }));
        }
        Some(Line::Whole) => bytes.truncate(content_len(&bytes)),
    }
    Ok(Some(match utf8(bytes) {
        Err((text, error)) => Content::Faulty { text, error },
        Ok(text) if text.trim().is_empty() => Content::Blank,
        Ok(text) if json => content(text),
        Ok(text) => Content::Record(Record::Text(text)),
    }))
}

/// The row of an object, or of a text by itself.
fn content(text: String) -> Content {
    if text.starts_with('"') && json::check(&text).is_ok() {
        return Content::Record(Record::Text(json::string(&text).unwrap_or_default().into_owned()));
    }
    match Object::new(text) {
        Ok(object) => Content::Record(Record::Json(object)),
        Err((text, _)) => {
            let error = match json::check(&text) {
                Ok(()) if text.trim() == "null" => "no JSON object but null".to_owned(),
                Ok(()) => format!("no JSON object but {}", Value::of(text.trim()).kind()),
                Err(e) => format!("no JSON object: {e}"),
            };
            Content::Faulty { text, error }
        }
    }
}

/// An element as the row that it is: the viewer of Hugging Face has {"row_idx", "row"}.
pub fn element(raw: &str) -> &str {
    member(raw, "row_idx").and_then(|_| member(raw, "row")).unwrap_or(raw)
}

/// The row of a value; the value itself where it is the benchmark's document.
fn value_content(value: RawValue) -> std::result::Result<Content, String> {
    let text = match utf8(value.bytes) {
        Ok(text) => text,
        Err((text, error)) => return Ok(Content::Faulty { text, error }),
    };
    if text.starts_with('{') && is_benchmark(&text) {
        return Err(text);
    }
    Ok(content(text))
}

/// The benchmark's tasks as rows of `instruction` and `category`.
fn benchmark(document: &str) -> Result<Vec<Record>> {
    let set = TaskSet::parse(document)?;
    let row = |text: &str, task: &str| {
        Record::new(&Fields::from_iter([(TEXT, text), ("category", task)].map(|(name, value)| (name.to_owned(), value.into()))))
    };
    Ok(set.instructions.iter().map(|row_of| row(&row_of.text, &set.tasks[row_of.task])).collect())
}
