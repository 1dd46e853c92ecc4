//! How bytes are read: by what they begin with, then by the file's name.

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, ErrorCode, Result};

use super::delimited;
use super::json::{self, Fault};
use super::prompts::NAMES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// By what the input begins with and the file's name.
    Auto,
    Text,
    /// An object a line.
    Jsonl,
    Csv,
    Tsv,
    /// A list, objects over several lines, or the benchmark's {task: {"samples"}}.
    Json,
    /// A file, not stdin.
    Parquet,
    /// An IPC stream, or a file (Feather).
    Arrow,
}

/// What Arrow and Parquet files begin with, and other files that hold no rows.
const ARROW_STREAM: &[u8] = &[0xff; 4];
pub const ARROW_FILE: &[u8] = b"ARROW1";
const PARQUET: &[u8] = b"PAR1";
const REFUSED: [(&[u8], &str); 19] = [
    (b"PK\x03\x04", "a zip archive or a workbook, which is read from a file: give its name"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xfd7zXZ\0", "packed by xz: unpack it, or pack it by gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it and give the file in it"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it and give the file in it"),
    (&[0xd0, 0xcf, 0x11, 0xe0], "an old Excel workbook: save it as CSV"),
    (b"SQLite format 3", "a SQLite database: export the table as CSV"),
    (b"%PDF-", "a PDF: copy its texts into a text file, one a line"),
    (b"{\\rtf", "a document of rich text: save it as plain text, one prompt a line"),
    (b"\x93NUMPY", "a NumPy array, which holds no texts"),
    (b"\x89PNG", "a PNG picture, which holds no texts"),
    (&[0xff, 0xd8, 0xff], "a JPEG picture, which holds no texts"),
    (b"FEA1", "Feather of version 1: write it as Feather of version 2, or as Parquet"),
    (b"Obj\x01", "an Avro file: write the table as Parquet or CSV"),
    (&[0xff, 0xfe, 0, 0], "text in UTF-32: save it as UTF-8"),
    (&[0, 0, 0xfe, 0xff], "text in UTF-32: save it as UTF-8"),
    (b"version https://git-lfs", "a pointer of Git LFS to the data: fetch them by `git lfs pull`"),
    (b"<!doctype html", WEB_PAGE),
    (b"<html", WEB_PAGE),
];
const WEB_PAGE: &str = "a web page: download the data themselves, of Google Takeout as JSON; lines of HTML are read by --format text";
/// After the number of its level, what a bzip2 file begins with; and what a tar archive has at this byte.
const BZIP2: &[u8] = b"1AY&SY";
const TAR: (usize, &[u8]) = (257, b"ustar");

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => Self::Auto,
            "text" => Self::Text,
            "jsonl" => Self::Jsonl,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "json" => Self::Json,
            "parquet" => Self::Parquet,
            "arrow" => Self::Arrow,
            _ => {
                let message = format!("{text:?} is none of auto, text, jsonl, csv, tsv, json, parquet and arrow");
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        })
    }
}

impl Format {
    /// What the name of a file says; endings of packed files are passed over.
    pub fn by_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "jsonl" | "ndjson" => Self::Jsonl,
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "json" => Self::Json,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "parquet" | "pq" => Self::Parquet,
            "gz" | "zst" | "zstd" => return Self::by_name(Path::new(path.file_stem()?)),
            _ => return None,
        })
    }

    /// The format by the first bytes, if they say.
    ///
    /// # Errors
    /// For files that hold no rows.
    pub fn by_magic(start: &[u8]) -> std::result::Result<Option<Self>, &'static str> {
        let begins = |magic: &[u8]| start.get(..magic.len()).is_some_and(|start| start.eq_ignore_ascii_case(magic));
        if let Some((_, what)) = REFUSED.iter().find(|(magic, _)| begins(magic)) {
            return Err(what);
        }
        if start.starts_with(b"BZh") && start.get(4..).is_some_and(|rest| rest.starts_with(BZIP2)) {
            return Err("packed by bzip2: unpack it, or pack it by gzip or zstd");
        }
        if start.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
            return Err("a tar archive: unpack it and give the file in it");
        }
        Ok(match start {
            _ if start.starts_with(ARROW_STREAM) || start.starts_with(ARROW_FILE) => Some(Self::Arrow),
            _ if start.starts_with(PARQUET) => Some(Self::Parquet),
            _ => None,
        })
    }

    /// The format of a text: `start` is its beginning, and `named` what the name says.
    pub fn of_text(start: &[u8], named: Option<Self>) -> Self {
        if let Some(Self::Csv | Self::Tsv | Self::Parquet | Self::Arrow) = named {
            return named.unwrap_or(Self::Text);
        }
        let mut solid = start.iter().filter(|byte| !byte.is_ascii_whitespace());
        let first = [solid.next(), solid.next()];
        match first {
            [Some(b'['), _] if named == Some(Self::Json) => Self::Json,
            [Some(b'['), Some(b'{')] => Self::Json,
            [Some(b'{'), Some(b'"' | b'}')] => of_objects(start, named),
            [Some(_), _] if named == Some(Self::Json) => Self::Json,
            _ if named.is_none() && delimited::is_table(start, &NAMES) => Self::Csv,
            _ => named.unwrap_or(Self::Text),
        }
    }
}

/// Whether objects stand a line each, or one after another over several lines.
fn of_objects(start: &[u8], named: Option<Format>) -> Format {
    let mut lines = start.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).map(String::from_utf8_lossy);
    let first = lines.next().unwrap_or_default();
    match json::check(&first) {
        Ok(()) if is_benchmark(&first) || (named == Some(Format::Json) && lines.next().is_none()) => Format::Json,
        Ok(()) => Format::Jsonl,
        // The next line tells a line that was cut off from an object that goes on.
        Err(Fault::Incomplete) if lines.next().map_or(named == Some(Format::Json), |line| json::members(&line).is_err()) => Format::Json,
        // Objects one after another.
        Err(Fault::Expected(json::THE_END, at)) if first[at..].starts_with('{') => Format::Json,
        Err(_) if named == Some(Format::Json) && lines.next().is_none() => Format::Json,
        Err(_) => Format::Jsonl,
    }
}

/// Whether an object is the whole of the benchmark's file: JSON lines are often called `.json`.
pub fn is_benchmark(text: &str) -> bool {
    let members = json::members(text).unwrap_or_default();
    !members.is_empty() && members.iter().all(|(_, value)| super::column::member(&text[value.clone()], "samples").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_rows_is_named() {
        let tar = [&b"a.jsonl"[..], &[0; 250], b"ustar  "].concat();
        for (start, what) in [
            (&tar[..], "a tar archive"),
            (b"BZh91AY&SY\x10", "packed by bzip2"),
            (b"\xfd7zXZ\0\0", "packed by xz"),
            (b"<!DOCTYPE html>\n", "a web page"),
            (b"PK\x05\x06\0", "an empty zip archive"),
            (&[0xff, 0xfe, 0, 0, b'a', 0, 0, 0], "text in UTF-32"),
        ] {
            assert!(Format::by_magic(start).is_err_and(|said| said.starts_with(what)), "{what}");
        }
        for start in [&b"BZh is a name"[..], b"Obj", b"version 2", b"<b>"] {
            assert_eq!(Format::by_magic(start), Ok(None));
        }
    }

    #[test]
    fn formats_are_told_apart() {
        let json = Some(Format::Json);
        for (text, named, format) in [
            ("\n {\"instruction\":\"a\"}\nb", None, Format::Jsonl),
            ("{}", None, Format::Jsonl),
            ("{instruction} is a word\n", None, Format::Text),
            ("[INST] a [/INST]\n", None, Format::Text),
            ("[{\"text\":\"a\"}]", None, Format::Json),
            ("[{\"text\":\"a\"}]", Some(Format::Jsonl), Format::Json),
            ("[\"a\"]", json, Format::Json),
            ("{\n  \"text\": \"a\"\n}\n", Some(Format::Jsonl), Format::Json),
            ("{\n  \"text\": \"a\"\n}\n", json, Format::Json),
            ("{\"text\":\"a\"}\n{\"text\":\"b\"}\n", json, Format::Jsonl),
            ("{\"a|b\":{\"samples\":[]}}", json, Format::Json),
            ("{\"text\":\"a\"}\n", json, Format::Json),
            ("{\"text\":\"a\"} {\"text\":\"b\"}\n", Some(Format::Jsonl), Format::Json),
            ("{\"text\":\n{\"text\":\"b\"}\n", Some(Format::Jsonl), Format::Jsonl),
            ("{\"text\": \"cut\n{\"text\":\"b\"}\n", Some(Format::Jsonl), Format::Jsonl),
            ("{\"text\":\n", Some(Format::Jsonl), Format::Jsonl),
            ("{broken\n", Some(Format::Jsonl), Format::Jsonl),
            ("", None, Format::Text),
            ("a,b\n", Some(Format::Csv), Format::Csv),
            ("id,text\n1,Write\n", None, Format::Csv),
            ("Write a text, prompt\nSum, or add\n", None, Format::Text),
        ] {
            assert_eq!(Format::of_text(text.as_bytes(), named), format, "{text}");
        }
        for (name, format) in [("a.CSV", Some(Format::Csv)), ("a.jsonl.gz", Some(Format::Jsonl)), ("a.txt", None), ("a", None)] {
            assert_eq!(Format::by_name(Path::new(name)), format);
        }
    }
}
