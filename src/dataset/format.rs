//! How bytes are read: by what they begin with, then by the file's name.

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, ErrorCode, Result};

use super::json::{self, Fault};

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
const REFUSED: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "a zip archive or a workbook, which is read from a file: give its name"),
    (&[0xd0, 0xcf, 0x11, 0xe0], "an old Excel workbook: save it as CSV"),
    (b"SQLite format 3", "a SQLite database: export the table as CSV"),
    (b"%PDF-", "a PDF: copy its texts into a text file, one a line"),
    (b"\x93NUMPY", "a NumPy array, which holds no texts"),
];

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
        if let Some((_, what)) = REFUSED.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(what);
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
            _ => named.unwrap_or(Self::Text),
        }
    }
}

/// Whether objects stand a line each, or one after another over several lines.
fn of_objects(start: &[u8], named: Option<Format>) -> Format {
    let mut lines = start.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).map(String::from_utf8_lossy);
    let first = lines.next().unwrap_or_default();
    match json::check(&first) {
        Ok(()) if is_benchmark(&first) => Format::Json,
        Ok(()) => Format::Jsonl,
        // The next line tells a line that was cut off from an object that goes on.
        Err(Fault::Incomplete) if lines.next().map_or(named == Some(Format::Json), |line| json::members(&line).is_err()) => Format::Json,
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
            ("{\"text\":\n{\"text\":\"b\"}\n", Some(Format::Jsonl), Format::Jsonl),
            ("{\"text\": \"cut\n{\"text\":\"b\"}\n", Some(Format::Jsonl), Format::Jsonl),
            ("{\"text\":\n", Some(Format::Jsonl), Format::Jsonl),
            ("{broken\n", Some(Format::Jsonl), Format::Jsonl),
            ("", None, Format::Text),
            ("a,b\n", Some(Format::Csv), Format::Csv),
        ] {
            assert_eq!(Format::of_text(text.as_bytes(), named), format, "{text}");
        }
        for (name, format) in [("a.CSV", Some(Format::Csv)), ("a.jsonl.gz", Some(Format::Jsonl)), ("a.txt", None), ("a", None)] {
            assert_eq!(Format::by_name(Path::new(name)), format);
        }
    }
}
