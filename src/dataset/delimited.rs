//! CSV and its relatives: the delimiter is found out, records keep what stood in the file, and a quote that never closes is named by the
//! line in which it opens.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::{memchr, memchr2};

use crate::error::Result;

use super::lines::{Line, Lines, content_len, utf8};
use super::reader::Content;
use super::record::{Header, Record};
use super::{MAX_LINE_BYTES, data};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records by which delimiters are compared.
const COMPARED: usize = 32;

/// How cells are written.
#[derive(Clone, Copy)]
pub struct Form {
    pub delimiter: u8,
    /// Whether `\"` is a quote inside quotes.
    pub backslash: bool,
}

/// Reads records.
pub struct Delimited {
    lines: Lines,
    form: Form,
    header: Arc<Header>,
    /// A record that was read to learn how many columns there are.
    held: Option<(u64, Content)>,
}

/// A record as it stood, without its end, or what is wrong.
enum Raw {
    Bytes(Vec<u8>),
    TooLong(u64),
}

impl Delimited {
    /// Reads the header; where the file has none, columns are called by their numbers. `usual` is the delimiter that the format says.
    pub fn new(mut lines: Lines, start: &[u8], usual: u8, backslash: bool, headless: bool) -> Result<(Self, Option<String>)> {
        let said = start.get(..5).filter(|start| start[..4].eq_ignore_ascii_case(b"sep=")).map(|start| start[4]);
        if said.is_some() {
            lines.read(&mut Vec::new())?;
        }
        let delimiter = said.unwrap_or_else(|| find(start, usual));
        let form = Form { delimiter, backslash };
        let mut delimited = Self { lines, form, header: Arc::default(), held: None };
        let first = delimited.raw()?;
        let bytes = match first {
            None => Vec::new(),
            Some((_, Raw::TooLong(bytes))) => return Err(data(format!("the header has {bytes} bytes; at most {MAX_LINE_BYTES} are read"))),
            Some((line, Raw::Bytes(bytes))) if headless => {
                let columns = cells(&String::from_utf8_lossy(&bytes), form).len();
                let names = (1..=columns).map(|n| n.to_string()).collect();
                delimited.header = Arc::new(Header { names, raw: String::new(), delimiter });
                delimited.held = Some((line, delimited.content(bytes)));
                Vec::new()
            }
            Some((_, Raw::Bytes(bytes))) => bytes,
        };
        if !headless {
            if bytes.is_empty() {
                return Err(data("the file is empty: there is no header and no row"));
            }
            let raw = String::from_utf8_lossy(&bytes).into_owned();
            let names = cells(&raw, form).iter().map(|name| name.trim().to_owned()).collect();
            delimited.header = Arc::new(Header { names, raw, delimiter });
        }
        let note = (delimiter != usual).then(|| format!("columns are separated by {:?}", char::from(delimiter)));
        Ok((delimited, note))
    }

    pub const fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// The next record and the line in which it begins; none at the end.
    pub fn read(&mut self) -> Result<Option<(u64, Content)>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        Ok(match self.raw()? {
            None => None,
            Some((line, Raw::TooLong(bytes))) => {
                let error = format!("the line has {bytes} bytes; at most {MAX_LINE_BYTES} are read");
                Some((line, Content::Faulty { text: String::new(), error }))
            }
            Some((line, Raw::Bytes(bytes))) => Some((line, self.content(bytes))),
        })
    }

    fn content(&self, bytes: Vec<u8>) -> Content {
        let raw = match utf8(bytes) {
            Ok(raw) => raw,
            Err((text, error)) => return Content::Faulty { text, error },
        };
        let mut cells: Vec<String> = cells(&raw, self.form).into_iter().map(Cow::into_owned).collect();
        let (found, columns, header) = (cells.len(), self.header.names.len(), self.header.clone());
        if found == columns {
            return Content::Record(Record::Cells { header, cells, raw });
        }
        let beyond = cells.get(columns..).unwrap_or_default();
        let bare = String::from(char::from(self.form.delimiter)).repeat(beyond.len());
        if found > columns && beyond.iter().all(String::is_empty) && raw.ends_with(&bare) {
            cells.truncate(columns);
            return Content::Record(Record::Cells { header, cells, raw: raw[..raw.len() - bare.len()].to_owned() });
        }
        // Programs that write one column do not always put quotes around its commas.
        if columns == 1 && found > 1 && !raw.starts_with('"') {
            let quoted = format!("\"{}\"", raw.replace('"', "\"\""));
            return Content::Record(Record::Cells { header, cells: vec![raw], raw: quoted });
        }
        let escapes = !self.form.backslash && raw.contains("\\\"");
        let hint = if escapes { "; where \\\" stands for a quote, say --backslash-escapes" } else { "" };
        Content::Faulty { text: String::new(), error: format!("there are {found} fields; the header has {columns}{hint}") }
    }

    /// The bytes of the next record that is not empty, and the line in which it begins.
    fn raw(&mut self) -> Result<Option<(u64, Raw)>> {
        let mut record = Vec::new();
        loop {
            record.clear();
            match self.lines.read(&mut record)? {
                None => return Ok(None),
                Some(Line::TooLong(bytes)) => return Ok(Some((self.lines.number, Raw::TooLong(bytes)))),
                Some(Line::Whole) if content_len(&record) > 0 => break,
                Some(Line::Whole) => {}
            }
        }
        let line = self.lines.number;
        let (mut quotes, mut opened) = (Quotes::default(), line);
        let mut looked = 0;
        loop {
            let before = quotes.opened;
            let len = content_len(&record);
            quotes.look(&record[looked..], self.form);
            if quotes.broken {
                return Err(data(format!(
                    "the quote that opens in line {opened} is not closed: the next one, in line {}, stands within a text",
                    self.lines.number
                )));
            }
            if quotes.opened != before {
                opened = self.lines.number;
            }
            if !quotes.inside {
                record.truncate(len);
                return Ok(Some((line, Raw::Bytes(record))));
            }
            looked = record.len();
            let ended = match self.lines.read(&mut record)? {
                None => true,
                Some(Line::TooLong(_)) => record.len() as u64 > MAX_LINE_BYTES,
                Some(Line::Whole) => false,
            };
            if ended {
                return Err(data(format!(
                    "the quote that opens in line {opened} is never closed; the file ends in line {}",
                    self.lines.number
                )));
            }
            if record.len() as u64 > MAX_LINE_BYTES {
                let message = format!("the quote that opens in line {opened} is not closed within {MAX_LINE_BYTES} bytes");
                return Err(data(message));
            }
        }
    }
}

/// Whether a quote is open.
#[derive(Default)]
struct Quotes {
    inside: bool,
    /// How many were opened.
    opened: usize,
    /// Whether one from an earlier line was closed within a text: it is the quote of another cell that closes it.
    broken: bool,
}

impl Quotes {
    /// Takes the next line of a record, with its end.
    fn look(&mut self, line: &[u8], form: Form) {
        let mut rest = line;
        let mut carried = self.inside;
        // A quote opens where a cell begins.
        let mut begins = true;
        loop {
            if self.inside {
                let Some(at) = (if form.backslash { memchr2(b'"', b'\\', rest) } else { memchr(b'"', rest) }) else { return };
                let doubled = rest.get(at + 1) == Some(&b'"');
                let used = if rest[at] == b'\\' || doubled { 2 } else { 1 };
                self.inside = used == 2;
                rest = rest.get(at + used..).unwrap_or_default();
                let ends = rest.first().is_none_or(|next| *next == form.delimiter || next.is_ascii_whitespace());
                self.broken |= carried && !self.inside && !ends;
                carried &= self.inside;
                begins = false;
            } else if begins && rest.first() == Some(&b'"') {
                (self.inside, self.opened) = (true, self.opened + 1);
                rest = &rest[1..];
            } else {
                let Some(at) = memchr(form.delimiter, rest) else { return };
                rest = &rest[at + 1..];
                begins = true;
            }
        }
    }
}

/// The cells of a whole record. Behind a quote that closes, the rest of the cell is taken as it is.
pub fn cells(record: &str, form: Form) -> Vec<Cow<'_, str>> {
    let delimiter = char::from(form.delimiter);
    let mut cells = Vec::new();
    let mut rest = record;
    loop {
        let (cell, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_cell(quoted, delimiter, form.backslash)
        } else {
            match rest.split_once(delimiter) {
                Some((cell, after)) => (cell.into(), Some(after)),
                None => (rest.into(), None),
            }
        };
        cells.push(cell);
        match after {
            Some(after) => rest = after,
            None => return cells,
        }
    }
}

fn quoted_cell(quoted: &str, delimiter: char, backslash: bool) -> (Cow<'_, str>, Option<&str>) {
    let (mut cell, mut rest) = (Cow::Borrowed(""), quoted);
    let append = |cell: &mut Cow<'_, str>, part: &str| {
        if !part.is_empty() {
            cell.to_mut().push_str(part)
        }
    };
    loop {
        let Some(at) = rest.find(|c| c == '"' || (backslash && c == '\\')) else {
            append(&mut cell, rest);
            return (cell, None);
        };
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        if rest.as_bytes()[at] == b'\\' {
            append(&mut cell, before);
            let next = after.chars().next().map_or(0, char::len_utf8);
            // Only of a quote and of itself it is an escape.
            append(&mut cell, if after.starts_with(['"', '\\']) { &after[..next] } else { &rest[at..at + 1 + next] });
            rest = &after[next..];
        } else if let Some(after) = after.strip_prefix('"') {
            append(&mut cell, before);
            append(&mut cell, "\"");
            rest = after;
        } else {
            let (tail, next) = after.split_once(delimiter).map_or((after, None), |(tail, next)| (tail, Some(next)));
            if cell.is_empty() && tail.is_empty() {
                return (before.into(), next);
            }
            append(&mut cell, before);
            append(&mut cell, tail);
            return (cell, next);
        }
    }
}

/// Whether the text begins with a header that names one of these columns and others, and goes on as it says.
pub fn is_table(start: &[u8], names: &[&str]) -> bool {
    let end = start.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(start.len());
    let Ok(first) = std::str::from_utf8(&start[..end]) else { return false };
    DELIMITERS.into_iter().any(|delimiter| {
        let header = cells(first, Form { delimiter, backslash: false });
        header.len() > 1 && header.iter().any(|name| names.contains(&name.as_ref())) && agreement(start, delimiter) > 0.5
    })
}

/// The delimiter by which most of the first records have as many cells as the header, more than one; the usual one where none does better.
fn find(start: &[u8], usual: u8) -> u8 {
    let agreeing = |delimiter| agreement(start, delimiter);
    let of_usual = agreeing(usual);
    let best = DELIMITERS.into_iter().filter(|&other| other != usual).map(|other| (agreeing(other), other));
    let (share, other) = best.fold((0.0, usual), |best, next| if next.0 > best.0 { next } else { best });
    if of_usual > 0.0 && of_usual >= share - 0.25 { usual } else { other }
}

/// The share of the first records that have as many cells as the header; 0 where that has one.
fn agreement(start: &[u8], delimiter: u8) -> f64 {
    let text = String::from_utf8_lossy(start);
    let form = Form { delimiter, backslash: false };
    let (mut counts, mut record, mut quotes) = (Vec::new(), String::new(), Quotes::default());
    for line in text.split_inclusive(if text.contains('\n') { '\n' } else { '\r' }) {
        quotes.look(line.as_bytes(), form);
        record.push_str(line);
        if !quotes.inside {
            let whole = record.trim_end_matches(['\n', '\r']);
            if !whole.is_empty() {
                counts.push(cells(whole, form).len());
            }
            record.clear();
        }
        if counts.len() == COMPARED {
            break;
        }
    }
    let header = counts.first().copied().unwrap_or(0);
    let same = counts.iter().filter(|count| **count == header).count();
    if header > 1 { same as f64 / counts.len() as f64 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    type Cells = (u64, Vec<String>);

    fn read(text: &str, usual: u8, backslash: bool) -> Result<(Vec<String>, Vec<Cells>, bool)> {
        let lines = Lines::new(Box::new(Cursor::new(text.to_owned())), text.as_bytes());
        let (mut delimited, note) = Delimited::new(lines, text.as_bytes(), usual, backslash, false)?;
        let mut rows = Vec::new();
        while let Some((line, content)) = delimited.read()? {
            rows.push(match content {
                Content::Record(Record::Cells { cells, .. }) => (line, cells),
                Content::Faulty { error, .. } => (line, vec![error]),
                _ => unreachable!(),
            });
        }
        Ok((delimited.header().names.clone(), rows, note.is_some()))
    }

    fn rows(text: &str) -> Vec<Cells> {
        read(text, b',', false).unwrap().1
    }

    fn row(line: u64, cells: &[&str]) -> Cells {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn records_are_those_of_a_spreadsheet() {
        let text = "a,b\r\n\"x \"\"y\"\",\r\nz\",1\r\n\r\n5\" pipe,\"q\"uoted\r\n,\"\"\r\n";
        assert_eq!(rows(text), [row(2, &["x \"y\",\r\nz", "1"]), row(5, &["5\" pipe", "quoted"]), row(6, &["", ""])]);
        assert_eq!(rows("a,b\rc,d\re\r"), [row(2, &["c", "d"]), row(3, &["there are 1 fields; the header has 2"])]);
        assert_eq!(rows("a\nx, y\n\"z, w\"\n"), [row(2, &["x, y"]), row(3, &["z, w"])]);
        assert_eq!(rows("a,b\n1,2,,\n1,,\n"), [row(2, &["1", "2"]), row(3, &["1", ""])]);
        assert!(rows("a,b\n\"x \\\"y, z\\\"\",1\n")[0].1[0].ends_with("say --backslash-escapes"));
        assert!(is_table(b"id\ttext\n1\tx, y\n", &["text"]) && !is_table(b"text\nx\n", &["text"]) && !is_table(b"a, text\nx\n", &["text"]));
        let text = "a,b\n\"x \\\"y\\\", z\\n\",1\n";
        assert_eq!(read(text, b',', true).unwrap().1, [row(2, &["x \"y\", z\\n", "1"])]);
        let raw = |text: &str| cells(text, Form { delimiter: b';', backslash: false }).join("|");
        assert_eq!(raw("\"a;b\";c;"), "a;b|c|");
    }

    #[test]
    fn delimiters_are_found_out() {
        for (text, names, note) in [
            ("id;text;out\n1;Write, please;x\n2;Sum, or add, this;y\n", &["id", "text", "out"][..], true),
            ("id\ttext\n1\tWrite; please\n", &["id", "text"], true),
            ("id|text\n1|Write, please\n", &["id", "text"], true),
            ("sep=;\nid;text\n1;a\n", &["id", "text"], true),
            ("text\nWrite a; b\nSum, or add\n", &["text"], false),
            ("id,text\n1,\"a;b;c\"\n2\n", &["id", "text"], false),
            ("text,good\na|b,1\nc|d,2\n", &["text", "good"], false),
        ] {
            let (found, _, said) = read(text, b',', false).unwrap();
            assert_eq!((found, said), (names.iter().map(|name| (*name).to_owned()).collect(), note), "{text}");
        }
    }

    #[test]
    fn quotes_that_never_close_are_named() {
        for (text, said) in [
            ("a\n\"x\ny\nz\n", "the quote that opens in line 2 is never closed; the file ends in line 4"),
            ("a,b\n1,2\n\"x\ny\",\"z\n", "opens in line 4 is"),
            ("\"a,b\n1,2\n", "opens in line 1 is"),
            ("a,b\n1,\"x\n2,\"y\"\n3,z\n", "the quote that opens in line 2 is not closed: the next one, in line 3, stands within a text"),
        ] {
            let e = read(text, b',', false).unwrap_err().to_string();
            assert!(e.contains(said), "{text}: {e}");
        }
    }
}
