//! Bytes of text to UTF-8: byte order marks, UTF-16, and Windows-1252 where the bytes are no UTF-8.

use std::io::{self, Cursor, Read};

/// Bytes from which the encoding and the format are seen.
const PEEK: usize = 1 << 18;
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Windows-1252 from 0x80 on; the rest is Latin-1. Five bytes are not in use.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];
const UNUSED: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
    Windows1252,
}

/// A text from its beginning.
pub struct Text {
    pub reader: Box<dyn Read>,
    /// What the text begins with.
    pub start: Vec<u8>,
    /// What the user is to know of the encoding.
    pub note: Option<String>,
}

/// Reads up to so many bytes as formats are told by.
pub fn peek(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.by_ref().take(PEEK as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// The text of these bytes, of which `start` were read; `latin` says whether what is no UTF-8 may be Windows-1252.
pub fn decode(start: Vec<u8>, reader: Box<dyn Read>, latin: bool) -> io::Result<Text> {
    let (encoding, mark) = Encoding::of(&start, latin);
    let mut read = Cursor::new(start.clone());
    read.set_position(mark as u64);
    let raw = read.chain(reader);
    let note = match encoding {
        Encoding::Utf8 => return Ok(Text { reader: Box::new(raw), start: start[mark..].to_vec(), note: None }),
        Encoding::Utf16 { .. } => "the text is UTF-16".to_owned(),
        Encoding::Windows1252 => {
            let bad = std::str::from_utf8(&start).map_or_else(|e| e.valid_up_to(), |_| start.len());
            format!("line {} is no UTF-8: the text is read as Windows-1252", line_at(&start, bad))
        }
    };
    let mut decoder = Decoder { raw, encoding, held: Vec::new(), out: Cursor::new(Vec::new()), ended: false };
    let start = peek(&mut decoder)?;
    let reader = Box::new(Cursor::new(start.clone()).chain(decoder));
    Ok(Text { reader, start, note: Some(note) })
}

fn line_at(text: &[u8], at: usize) -> usize {
    let end = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    memchr::memchr_iter(end, &text[..at]).count() + 1
}

impl Encoding {
    /// The encoding, and the bytes of its mark.
    fn of(start: &[u8], latin: bool) -> (Self, usize) {
        if start.starts_with(MARK) {
            return (Self::Utf8, MARK.len());
        }
        if start.starts_with(&[0xff, 0xfe]) && !start.starts_with(&[0xff; 2]) {
            return (Self::Utf16 { big: false }, 2);
        }
        if start.starts_with(&[0xfe, 0xff]) {
            return (Self::Utf16 { big: true }, 2);
        }
        // Of most languages every second byte of UTF-16 is 0 where ASCII stands; UTF-8 has none.
        let zeros = |of: usize| start.iter().skip(of).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        if start.len() >= 4 && even.max(odd) * 5 > start.len() && even.min(odd) * 20 < even.max(odd) {
            return (Self::Utf16 { big: even > odd }, 0);
        }
        (if latin && is_latin(start) { Self::Windows1252 } else { Self::Utf8 }, 0)
    }
}

/// Whether the bytes are no UTF-8 and are Windows-1252: every letter beyond ASCII is by itself, and none has a byte that is not in use.
fn is_latin(start: &[u8]) -> bool {
    let Err(e) = std::str::from_utf8(start) else { return false };
    // A character may be cut off at the end of what was read.
    if e.error_len().is_none() && start.len() == PEEK {
        return false;
    }
    let high = || start.iter().filter(|byte| **byte >= 0x80);
    let utf8 = start.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    let (count, controls) = (high().count(), start.iter().filter(|byte| **byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')).count());
    !utf8 && controls == 0 && count * 2 < start.len() && high().all(|byte| !UNUSED.contains(byte))
}

/// Decodes as it is read.
struct Decoder<R> {
    raw: R,
    encoding: Encoding,
    /// Bytes of a character that is not whole yet.
    held: Vec<u8>,
    out: Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> Decoder<R> {
    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.held);
        let before = bytes.len();
        self.raw.by_ref().take(1 << 16).read_to_end(&mut bytes)?;
        self.ended = bytes.len() == before;
        let out = match self.encoding {
            Encoding::Utf16 { big } => self.utf16(&bytes, big),
            _ => bytes.iter().map(|&byte| WINDOWS.get(usize::from(byte).wrapping_sub(0x80)).copied().unwrap_or(char::from(byte))).collect(),
        };
        self.out = Cursor::new(out.into_bytes());
        Ok(())
    }

    fn utf16(&mut self, bytes: &[u8], big: bool) -> String {
        let (pairs, odd) = bytes.as_chunks::<2>();
        let mut units: Vec<u16> =
            pairs.iter().map(|pair| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) }).collect();
        let mut held = odd.len();
        if !self.ended && matches!(units.last(), Some(0xd800..=0xdbff)) {
            units.pop();
            held += 2;
        }
        if !self.ended {
            self.held = bytes[bytes.len() - held..].to_vec();
        }
        char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.out.read(buffer)?;
            if read > 0 || self.ended || buffer.is_empty() {
                return Ok(read);
            }
            self.fill()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], latin: bool) -> (String, bool) {
        let mut raw = Cursor::new(bytes.to_vec());
        let start = peek(&mut raw).unwrap();
        let mut decoded = decode(start, Box::new(raw), latin).unwrap();
        let mut out = Vec::new();
        decoded.reader.read_to_end(&mut out).unwrap();
        assert!(out.starts_with(&decoded.start));
        (String::from_utf8_lossy(&out).into_owned(), decoded.note.is_some())
    }

    #[test]
    fn encodings_are_found_out() {
        let original = "id,text\r\n1,Grüße 😀 – naïve\r\n".repeat(20_000);
        let units: Vec<u16> = original.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for (mark, bytes) in [(&[0xff, 0xfe][..], &little), (&[], &little), (&[0xfe, 0xff], &big), (&[], &big)] {
            assert!(text(&[mark, bytes].concat(), false) == (original.clone(), true));
        }
        assert!(text(&[MARK, original.as_bytes()].concat(), true) == (original.clone(), false));
        assert!(text(original.as_bytes(), true) == (original, false));
        assert_eq!(text(b"caf\xe9 \x80 5\n", true), ("café € 5\n".to_owned(), true));
        assert_eq!(text(b"caf\xe9", false), ("caf\u{fffd}".to_owned(), false));
        // Mixed lines are no Windows-1252.
        assert!(!text("é \u{e9}\n".as_bytes(), true).1 && !text(b"\xc3\xa9 caf\xe9", true).1);
    }
}
