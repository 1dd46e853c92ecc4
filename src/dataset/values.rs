//! The values of JSON that is no JSON lines: the entries of a list, or objects one after another over several lines. One value is held
//! at a time.

use std::io::BufRead;

use memchr::{memchr_iter, memchr2};

use crate::error::Result;

use super::{data, reading};

/// A value of more bytes is an error: where it ends cannot be found in bounded memory.
const MAX_VALUE_BYTES: usize = 1 << 28;

/// Finds where values begin and end.
pub struct Values {
    reader: Box<dyn BufRead>,
    /// The line that is being read.
    line: u64,
    /// The line in which the list begins that is being read.
    list: Option<u64>,
    /// Values of this list so far.
    entries: u64,
}

/// A value, not checked yet.
pub struct RawValue {
    pub bytes: Vec<u8>,
    pub line: u64,
}

/// Where a value stands while its end is sought.
#[derive(Default)]
struct Open {
    depth: usize,
    string: bool,
    /// The last byte of what was read is a backslash that escapes the next.
    escaped: bool,
}

impl Values {
    pub fn new(reader: Box<dyn BufRead>) -> Self {
        Self { reader, line: 1, list: None, entries: 0 }
    }

    /// Whether the value that was read last stands in a list.
    pub const fn in_list(&self) -> bool {
        self.list.is_some()
    }

    /// The next value; none at the end.
    pub fn read(&mut self) -> Result<Option<RawValue>> {
        let mut comma = false;
        loop {
            let Some(byte) = self.peek()? else {
                return match self.list {
                    Some(line) => Err(data(format!("no JSON: EOF: the list that begins in line {line} is not closed"))),
                    None => Ok(None),
                };
            };
            match (byte, self.list) {
                (b' ' | b'\t' | b'\r' | b'\n', _) => {}
                (b',', Some(_)) if self.entries > 0 && !comma => comma = true,
                (b']', Some(_)) if !comma => self.list = None,
                (b'[', None) => (self.list, self.entries) = (Some(self.line), 0),
                (b',' | b']' | b'}' | b':', _) => return Err(self.unexpected(byte)),
                _ if self.list.is_some() && self.entries > 0 && !comma => return Err(self.unexpected(byte)),
                _ => {
                    self.entries += 1;
                    return self.value().map(Some);
                }
            }
            self.line += u64::from(byte == b'\n');
            self.reader.consume(1);
        }
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.reader.fill_buf().map_err(reading)?.first().copied())
    }

    fn unexpected(&self, byte: u8) -> crate::Error {
        data(format!("no JSON: line {}: {:?} is not expected after {} values", self.line, char::from(byte), self.entries))
    }

    fn value(&mut self) -> Result<RawValue> {
        let mut value = RawValue { bytes: Vec::new(), line: self.line };
        let mut open = Open::default();
        loop {
            let buffer = self.reader.fill_buf().map_err(reading)?;
            if buffer.is_empty() {
                return match open.depth == 0 && !open.string {
                    true => Ok(value),
                    false => Err(data(format!("no JSON: EOF: the value that begins in line {} is not closed", value.line))),
                };
            }
            let end = open.end(buffer);
            let used = end.unwrap_or(buffer.len());
            value.bytes.extend_from_slice(&buffer[..used]);
            self.line += memchr_iter(b'\n', &buffer[..used]).count() as u64;
            self.reader.consume(used);
            if end.is_some() {
                return Ok(value);
            }
            if value.bytes.len() > MAX_VALUE_BYTES {
                let message = format!(
                    "the value that begins in line {} has more than {MAX_VALUE_BYTES} bytes; look for a quote or a bracket that is not closed",
                    value.line
                );
                return Err(data(message));
            }
        }
    }
}

impl Open {
    /// Where the value ends in these bytes, which continue those before; none where they do not hold its end.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.string {
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[at] == b'\\';
                self.string = self.escaped;
                at += 1;
                if !self.string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match bytes[at] {
                b'"' => self.string = true,
                b'{' | b'[' => self.depth += 1,
                // Of a number or a word the end is what stands behind it.
                b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return Some(at),
                b'}' | b']' if self.depth == 0 => return Some(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Cursor};

    fn values(text: &str) -> (Vec<(u64, String)>, Option<String>) {
        // A small buffer cuts values at every place.
        let mut values = Values::new(Box::new(BufReader::with_capacity(3, Cursor::new(text.to_owned()))));
        let mut found = Vec::new();
        loop {
            match values.read() {
                Ok(Some(value)) => found.push((value.line, String::from_utf8(value.bytes).unwrap())),
                Ok(None) => return (found, None),
                Err(e) => return (found, Some(e.to_string())),
            }
        }
    }

    #[test]
    fn values_end_where_they_are_closed() {
        let texts = |text: &str| values(text).0.into_iter().map(|(line, text)| format!("{line} {text}")).collect::<Vec<_>>();
        assert_eq!(texts("[{\"a\": \"]}\\\"\"},\n 1 ,\"x,\"\n]"), ["1 {\"a\": \"]}\\\"\"}", "2 1", "2 \"x,\""]);
        assert_eq!(texts("{\n \"a\": [1]\n}\n{\n}\n"), ["1 {\n \"a\": [1]\n}", "4 {\n}"]);
        assert!(texts("[]").is_empty() && texts("").is_empty() && texts(" \n").is_empty());
    }

    #[test]
    fn what_is_not_closed_is_named_by_its_line() {
        for (text, rows, said) in [
            ("[\n{},", 1, "the list that begins in line 1"),
            ("[{},\n{\"a\": \"b", 1, "the value that begins in line 2"),
            ("[1,\n,2]", 1, "line 2: ',' is not expected after 1 values"),
            ("[1\n2]", 1, "line 2: '2' is not expected"),
            ("{}\n]", 1, "line 2: ']'"),
            ("[1,]", 1, "line 1: ']'"),
        ] {
            let (found, error) = values(text);
            assert!(found.len() == rows && error.as_ref().is_some_and(|e| e.contains(said)), "{text}: {found:?} {error:?}");
        }
    }
}
