//! A text a row, from a file, a folder of parts or stdin, read in chunks so that memory does not grow with the input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pie_embed_wasm::dataset::{Format, Found, Options, Parts, Place, Prompts, Reader, Turn, Turns, labelled};
use pie_embed_wasm::tasks::Labelled;
use pie_embed_wasm::{Error, ErrorCode, Result};

use crate::output::say;
use crate::progress::Progress;

/// Rows that are read, encoded, kept and written at a time.
pub const CHUNK: usize = 1024;
/// A chunk ends when its rows hold this much text.
const CHUNK_BYTES: usize = 8 << 20;
/// Error lines that are shown; the rest is counted.
const SHOWN_ERRORS: u64 = 20;

#[derive(clap::Args)]
pub struct InputArgs {
    /// Text lines, or JSON lines, CSV, TSV, JSON, Parquet or Arrow with an `instruction`, `text` or `prompt`, or a chat export
    /// (OpenAI messages, ShareGPT, ChatGPT's or Claude's, also zipped), plain, gzip or zstd, or a folder with parts of one of these; - is
    /// stdin
    #[arg(long, value_name = "FILE|DIR|-")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub text: TextArgs,
    /// Exit status 0 also where lines could not be read: each has its `error` in its place, and they are counted on stderr
    #[arg(long)]
    pub allow_faulty: bool,
}

/// Where the texts of a data set stand, and how it is read where it does not say so itself.
#[derive(clap::Args, Clone)]
pub struct TextArgs {
    /// The column with the text, or a path into it: messages[0].content [default: instruction, text, the user's turns or prompt]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Which turns of a conversation are read: first, last or all [default: all of an export, the last of a line or row]
    #[arg(long, value_name = "WHICH")]
    turns: Option<Turns>,
    /// auto, text, jsonl, csv, tsv, json, parquet or arrow; auto goes by what the input begins with and its name
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: Format,
    /// CSV begins with a row, not with a header: columns are called 1, 2, …, and the text stands in the first
    #[arg(long)]
    no_header: bool,
    /// In CSV, \" is a quote inside quotes
    #[arg(long)]
    backslash_escapes: bool,
}

impl TextArgs {
    /// Opens a data set; stdin is none, or `-`.
    pub fn open(&self, path: Option<&Path>) -> Result<Input> {
        let (reader, progress) = open(path, Options { format: self.format, backslash: self.backslash_escapes, headless: self.no_header })?;
        let mut prompts = Prompts::new(reader, self.column.as_deref(), self.turns)?;
        say_notes(prompts.reader(), &progress);
        Ok(Input { prompts, progress })
    }
}

impl Default for TextArgs {
    fn default() -> Self {
        Self { column: None, turns: None, format: Format::Auto, no_header: false, backslash_escapes: false }
    }
}

/// Reads a data set with progress on stderr.
pub fn open(path: Option<&Path>, options: Options) -> Result<(Reader, Progress)> {
    let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
        return Ok((Reader::stream(Box::new(std::io::stdin()), "stdin", options)?, Progress::rows()));
    };
    let parts = Parts::of(path)?;
    let progress = parts.bytes.map_or_else(Progress::rows, Progress::of);
    let heard = progress.clone();
    Ok((Reader::open(parts, options, &(Arc::new(move |bytes| heard.add(bytes)) as _))?, progress))
}

/// Reads the labelled instructions of a data set.
pub fn read_labelled(path: &Path) -> Result<Vec<Labelled>> {
    let (mut reader, progress) = open(Some(path), Options::default())?;
    say_notes(&mut reader, &progress);
    let rows = labelled(&mut reader)?;
    progress.finish();
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn say_notes(reader: &mut Reader, progress: &Progress) {
    reader.take_notes().into_iter().for_each(|note| progress.print(&format!("note: {note}")));
}

/// One row of the input: its text, or what is wrong with it. A faulty row keeps its place in the output.
pub struct Row {
    pub place: Place,
    pub text: String,
    pub turn: Option<Turn>,
    pub error: Option<String>,
}

impl Row {
    /// What a model reads of a sound row: the text, and of a follow-up in a conversation the turn before it too.
    pub fn request(&self) -> Option<&str> {
        let request = self.turn.as_ref().and_then(|turn| turn.request.as_deref());
        self.error.is_none().then(|| request.unwrap_or(&self.text))
    }
}

/// Reads texts, and says what is recognised and noted.
pub struct Input {
    prompts: Prompts,
    progress: Progress,
}

impl InputArgs {
    /// Whether the input can be read again.
    pub fn is_file(&self) -> bool {
        self.input.as_ref().is_some_and(|path| path.as_os_str() != "-")
    }

    /// Opens the input; stdin when none is named.
    pub fn open(&self) -> Result<Input> {
        self.text.open(self.input.as_deref())
    }

    /// Calls `each` with the texts of the command's arguments, or else with the rows of the input, chunk by chunk.
    pub fn each_chunk(&self, texts: Vec<String>, faults: &mut Faults, mut each: impl FnMut(&[Row], &Progress) -> Result<()>) -> Result<()> {
        if !texts.is_empty() {
            let blank = |text: &str| text.trim().is_empty().then(|| "the text is blank".to_owned());
            let row =
                |(text, line): (String, u64)| Row { place: Place { line, ..Place::default() }, error: blank(&text), text, turn: None };
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
        input.finish();
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
        let Some(prompt) = self.prompt()? else { return Ok(None) };
        let (text, turn, error) = match prompt.found {
            Found::Text { text, turn, .. } => (text, turn, None),
            Found::Blank => (String::new(), None, Some("the text is blank".to_owned())),
            Found::Faulty { text, error } => (text, None, Some(error)),
        };
        Ok(Some(Row { place: prompt.place, text, turn, error }))
    }

    /// The next text with its row; none at the end.
    pub fn prompt(&mut self) -> Result<Option<pie_embed_wasm::dataset::Prompt>> {
        self.prompts.read()
    }

    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// At the end: says what was recognised.
    pub fn finish(&mut self) {
        self.progress.finish();
        say_notes(self.prompts.reader(), &self.progress);
        self.prompts.recognised().iter().for_each(|line| say(line));
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
