//! Lines with their numbers, as an editor counts them, whether they end with LF, CRLF or CR.

use std::io::{self, BufRead, Read};

use crate::error::Result;

use super::{MAX_LINE_BYTES, reading};

/// Reads lines.
pub struct Lines {
    reader: Box<dyn BufRead>,
    /// What a line ends with: CR in files that have no LF.
    end: u8,
    /// The number of the line that was read last.
    pub number: u64,
}

/// What was read into the caller's buffer.
pub enum Line {
    /// A line with its end, if it has one.
    Whole,
    /// The length of a line that is too long.
    TooLong(u64),
}

impl Lines {
    /// Takes the text from its beginning; `start` are bytes of it from which the ends are seen.
    pub fn new(reader: Box<dyn BufRead>, start: &[u8]) -> Self {
        let cr = !start.contains(&b'\n') && start.contains(&b'\r');
        Self { reader, end: if cr { b'\r' } else { b'\n' }, number: 0 }
    }

    /// Appends the next line; none at the end.
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Line>> {
        let taken = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(self.end, buffer).map_err(reading)?;
        if taken == 0 {
            return Ok(None);
        }
        self.number += 1;
        if taken as u64 == MAX_LINE_BYTES && buffer.last() != Some(&self.end) {
            let rest = self.skip().map_err(reading)?;
            return Ok(Some(Line::TooLong(MAX_LINE_BYTES + rest)));
        }
        Ok(Some(Line::Whole))
    }

    /// Whether there is no further line.
    pub fn at_end(&mut self) -> bool {
        self.reader.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// Passes over the rest of a line.
    fn skip(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let (used, done) = match memchr::memchr(self.end, buffer) {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.reader.consume(used);
            skipped += used as u64;
            if done {
                return Ok(skipped);
            }
        }
    }
}

/// How many bytes the line has without its end.
pub fn content_len(line: &[u8]) -> usize {
    line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count()
}

/// A text of these bytes; else what can be read of it, and what is wrong.
pub fn utf8(bytes: Vec<u8>) -> std::result::Result<String, (String, String)> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        (String::from_utf8_lossy(e.as_bytes()).into_owned(), format!("no UTF-8 from byte {at} on"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_an_editor() {
        for (text, expected) in [("a\nb\n\nc", &["a", "b", "", "c"][..]), ("a\r\nb\r\n", &["a", "b"]), ("a\rb\r", &["a", "b"]), ("", &[])] {
            let mut lines = Lines::new(Box::new(io::Cursor::new(text.to_owned())), text.as_bytes());
            let (mut found, mut buffer) = (Vec::new(), Vec::new());
            while lines.read(&mut buffer).unwrap().is_some() {
                found.push(String::from_utf8_lossy(&buffer[..content_len(&buffer)]).into_owned());
                buffer.clear();
            }
            assert_eq!(
                (found, lines.number),
                (expected.iter().map(|line| (*line).to_owned()).collect(), expected.len() as u64),
                "{text:?}"
            );
        }
    }
}
