//! A text a row, from a file, a folder of parts or stdin, read in chunks so that memory does not grow with the input.

use std::path::PathBuf;

use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::Value;

use crate::output::say;
use crate::progress::Progress;
use crate::reader::{Content, Fields, Format, Place, Reader, TEXT_COLUMNS};

/// Rows that are read, encoded, kept and written at a time.
pub const CHUNK: usize = 1024;
/// A chunk ends when its rows hold this much text.
const CHUNK_BYTES: usize = 8 << 20;
/// Error lines that are shown; the rest is counted.
const SHOWN_ERRORS: u64 = 20;

#[derive(clap::Args)]
pub struct InputArgs {
    /// Text lines, or JSON lines, CSV, TSV, JSON, Parquet or an Arrow stream with an `instruction` or `text`, or a folder with parts of
    /// one of these; - is stdin
    #[arg(long, value_name = "FILE|DIR|-")]
    pub input: Option<PathBuf>,
    /// How the input is read
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// The column with the text [default: instruction or text]
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// Exit status 0 also where lines could not be read: each has its `error` in its place, and they are counted on stderr
    #[arg(long)]
    pub allow_faulty: bool,
}

/// Where a row's text stands: in the column that is named, or in the first of the usual ones that the row has.
pub struct TextColumn(Vec<String>);

impl TextColumn {
    pub fn new(named: Option<&str>) -> Self {
        Self(named.map_or_else(|| TEXT_COLUMNS.map(str::to_owned).to_vec(), |column| vec![column.to_owned()]))
    }

    /// An error where the columns are known before the rows, and the text stands in none of them or in one that holds something else.
    pub fn check(&self, reader: &Reader) -> Result<()> {
        let Some(columns) = reader.columns() else { return Ok(()) };
        let Some(column) = self.0.iter().find(|column| columns.contains(&column.as_str())) else {
            return Err(Error::new(ErrorCode::Data, missing(&self.0, &columns)));
        };
        match reader.other_type(column) {
            Some(kind) => Err(Error::new(ErrorCode::Data, format!("column {column:?} is {kind}, not a text"))),
            None => Ok(()),
        }
    }

    /// The text of a row.
    pub fn text<'a>(&self, fields: &'a Fields) -> std::result::Result<&'a str, String> {
        let found = || self.0.iter().filter_map(|column| Some((column, fields.get(column)?)));
        match found().find(|(_, value)| !value.is_null()).or_else(|| found().next()) {
            Some((_, Value::String(text))) if text.trim().is_empty() => Err("the text is blank".to_owned()),
            Some((_, Value::String(text))) => Ok(text),
            Some((column, other)) => Err(format!("{column:?} is {}, not a text", kind(other))),
            None => Err(missing(&self.0, &fields.keys().map(String::as_str).collect::<Vec<_>>())),
        }
    }
}

/// That none of these columns is among those present.
pub fn missing(wanted: &[impl AsRef<str>], present: &[&str]) -> String {
    let quoted = |names: &mut dyn Iterator<Item = &str>| names.map(|name| format!("{name:?}")).collect::<Vec<_>>();
    let present = match present.len() {
        0 => "is none".to_owned(),
        _ => format!("are {}", quoted(&mut present.iter().copied()).join(", ")),
    };
    format!("there is no column {}; there {present}", quoted(&mut wanted.iter().map(AsRef::as_ref)).join(" or "))
}

/// What a value is that is not what was expected.
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "missing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "blank",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// One row of the input: its text, or what is wrong with it. A faulty row keeps its place in the output.
pub struct Row {
    pub place: Place,
    pub text: String,
    pub error: Option<String>,
}

/// Reads rows.
pub struct Input {
    reader: Reader,
    column: TextColumn,
}

impl InputArgs {
    /// Whether the input can be read again.
    pub fn is_file(&self) -> bool {
        self.input.as_ref().is_some_and(|path| path.as_os_str() != "-")
    }

    /// Opens the input; stdin when none is named.
    pub fn open(&self) -> Result<Input> {
        let reader = Reader::open(self.input.as_deref(), self.format)?;
        let column = TextColumn::new(self.column.as_deref());
        column.check(&reader)?;
        Ok(Input { reader, column })
    }

    /// Calls `each` with the texts of the command's arguments, or else with the rows of the input, chunk by chunk.
    pub fn each_chunk(&self, texts: Vec<String>, faults: &mut Faults, mut each: impl FnMut(&[Row], &Progress) -> Result<()>) -> Result<()> {
        if !texts.is_empty() {
            let blank = |text: &str| text.trim().is_empty().then(|| "the text is blank".to_owned());
            let row = |(text, line): (String, u64)| Row { place: Place { part: None, line }, error: blank(&text), text };
            let rows: Vec<Row> = texts.into_iter().zip(1..).map(row).collect();
            let progress = Progress::rows();
            faults.note(&rows, &progress);
            return each(&rows, &progress);
        }
        let (mut input, mut done) = (self.open()?, 0_u64);
        loop {
            let rows = input.chunk(CHUNK)?;
            if rows.is_empty() {
                break;
            }
            faults.note(&rows, input.progress());
            each(&rows, input.progress())?;
            done += rows.len() as u64;
            input.progress().message(format!("{done} texts"));
        }
        input.progress().finish();
        Ok(())
    }

    /// At the end: an error when any row was faulty, unless that is allowed.
    pub fn finish(&self, faults: Faults) -> Result<()> {
        match faults.finish() {
            Err(e) if self.allow_faulty => {
                say(&format!("pie: {e}"));
                Ok(())
            }
            done => done,
        }
    }
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
        let Some(row) = self.reader.row()? else { return Ok(None) };
        let (text, error) = match row.content {
            Content::Fields(fields) => match self.column.text(&fields) {
                Ok(text) => (text.to_owned(), None),
                Err(error) => (String::new(), Some(error)),
            },
            Content::Blank => (String::new(), Some("the text is blank".to_owned())),
            Content::Faulty { text, error } => (text, Some(error)),
        };
        Ok(Some(Row { place: row.place, text, error }))
    }

    pub const fn progress(&self) -> &Progress {
        &self.reader.progress
    }
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
            self.count(&row.place, row.error.as_deref(), |line| progress.print(line));
        }
    }

    /// Takes note of one row.
    pub fn count(&mut self, place: &Place, error: Option<&str>, print: impl FnOnce(&str)) {
        self.rows += 1;
        let Some(error) = error else { return };
        self.faulty += 1;
        if self.faulty <= SHOWN_ERRORS {
            print(&format!("pie: {place}: {error}"));
        }
    }

    /// How many rows were faulty.
    pub const fn faulty(&self) -> u64 {
        self.faulty
    }

    /// An error when any row was faulty.
    pub fn finish(self) -> Result<()> {
        match self.faulty {
            0 => Ok(()),
            n => Err(Error::new(ErrorCode::Data, format!("{n} of {} lines could not be read; the others are done", self.rows))),
        }
    }
}
