//! NumPy's files of numbers: one array of float32 or float64 in C order, as `numpy.save` writes it. Headers are read up to 64 KiB.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use pie_embed_wasm::dataset::memory;
use pie_embed_wasm::{Error, ErrorCode, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy itself pads a plain array's header to 64 or 128 bytes.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// The header of an array `[rows, dimensions]` of float32: format 1.0, padded to 128 bytes so that the number of rows can be filled in
/// at the end.
pub fn header(rows: u64, dimensions: usize) -> [u8; 128] {
    let mut header = [b' '; 128];
    header[..10].copy_from_slice(b"\x93NUMPY\x01\x00\x76\x00");
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimensions}), }}");
    header[10..10 + dict.len()].copy_from_slice(dict.as_bytes());
    header[127] = b'\n';
    header
}

/// What a header says.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// Reads an array `[rows, dimensions]` of float32 or float64 to the end of `data`.
pub fn read(path: &Path, dimensions: usize, data: &mut Vec<f32>) -> Result<()> {
    let faulty = |what: String| Error::new(ErrorCode::Data, format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let Header { descr, fortran_order, shape } = Header::read(&mut file).map_err(|e| faulty(format!("no NumPy array: {e}")))?;
    if shape.get(1..) != Some(&[dimensions as u64][..]) || fortran_order {
        let order = if fortran_order { "Fortran" } else { "C" };
        return Err(faulty(format!("an array {shape:?} in {order} order; [rows, {dimensions}] in C order is wanted")));
    }
    let number: fn(&[u8]) -> f32 = match descr.as_str() {
        "<f4" => |b| f32::from_le_bytes(array(b)),
        ">f4" => |b| f32::from_be_bytes(array(b)),
        "<f8" => |b| f64::from_le_bytes(array(b)) as f32,
        ">f8" => |b| f64::from_be_bytes(array(b)) as f32,
        _ => return Err(faulty(format!("an array of '{}'; float32 and float64 are read", descr.escape_debug()))),
    };
    let width = if descr.ends_with('8') { 8 } else { 4 };
    // What the header says is held against the file before memory is taken for it.
    let numbers = shape[0].saturating_mul(shape[1]);
    if numbers.saturating_mul(width) > bytes {
        return Err(faulty(format!("an array {shape:?} of '{descr}', but {bytes} bytes: the file is cut off")));
    }
    memory::check(numbers * size_of::<f32>() as u64, format_args!("{}: {shape:?} vectors", path.display()))?;
    data.reserve_exact(numbers as usize);
    let mut row = vec![0; dimensions * width as usize];
    for _ in 0..shape[0] {
        file.read_exact(&mut row).map_err(|e| faulty(format!("reading {numbers} numbers: {e}")))?;
        data.extend(row.chunks_exact(width as usize).map(number));
    }
    Ok(())
}

/// As many of the bytes as fit.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

impl Header {
    fn read(file: &mut impl Read) -> std::result::Result<Self, String> {
        let mut take = |n: usize| {
            let mut bytes = vec![0; n];
            let read = file.read_exact(&mut bytes);
            read.map(|()| bytes).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => "the file ends within its header".to_owned(),
                _ => e.to_string(),
            })
        };
        if take(MAGIC.len()).is_ok_and(|magic| magic != MAGIC) {
            return Err("it does not begin with \"\\x93NUMPY\"".to_owned());
        }
        let (version, len) = match take(2)?[..] {
            [1, 0] => ("1.0", usize::from(u16::from_le_bytes(array(&take(2)?)))),
            [2, 0] => ("2.0", u32::from_le_bytes(array(&take(4)?)) as usize),
            [3, 0] => ("3.0", u32::from_le_bytes(array(&take(4)?)) as usize),
            [major, minor, ..] => return Err(format!("format {major}.{minor}; 1.0, 2.0 and 3.0 are read")),
            _ => return Err("no version".to_owned()),
        };
        if len > MAX_HEADER_BYTES {
            return Err(format!("a header of {len} bytes; at most {MAX_HEADER_BYTES} are read"));
        }
        let text = String::from_utf8(take(len)?).map_err(|_| format!("the header (format {version}) is no UTF-8"))?;
        Self::parse(&text)
    }

    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order of the keys.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut cursor = Cursor(text.trim());
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        cursor.expect('{')?;
        while !cursor.take('}') {
            let key = cursor.string()?;
            cursor.expect(':')?;
            match key.as_str() {
                // A list describes the fields of a record.
                "descr" => {
                    descr = Some(if cursor.0.starts_with('[') { return Err("an array of records".to_owned()) } else { cursor.string()? })
                }
                "fortran_order" => fortran_order = Some(cursor.truth()?),
                "shape" => shape = Some(cursor.shape()?),
                other => return Err(format!("the header has a key {other:?}; descr, fortran_order and shape are read")),
            }
            if !cursor.take(',') {
                cursor.expect('}')?;
                break;
            }
        }
        let missing = |key: &str| format!("the header does not say {key:?}");
        Ok(Self {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// What is left of a header.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0).trim_start();
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> std::result::Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("{wanted:?}"))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found: String = self.0.chars().take(20).collect();
        format!("the header has {found:?} where {wanted} should stand")
    }

    /// The characters up to the first that is another, which are not none.
    fn word(&mut self, belongs: impl Fn(char) -> bool, what: &str) -> std::result::Result<String, String> {
        let (word, rest) = self.0.split_at(self.0.find(|c| !belongs(c)).unwrap_or(self.0.len()));
        if word.is_empty() {
            return Err(self.unexpected(what));
        }
        self.0 = rest.trim_start();
        Ok(word.to_owned())
    }

    fn string(&mut self) -> std::result::Result<String, String> {
        let quote = if self.0.starts_with('"') { '"' } else { '\'' };
        let text = self.0.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        let (text, rest) = text.ok_or_else(|| self.unexpected("a text in quotes"))?;
        self.0 = rest.trim_start();
        Ok(text.to_owned())
    }

    fn truth(&mut self) -> std::result::Result<bool, String> {
        match self.word(char::is_alphabetic, "True or False")?.as_str() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => Err(format!("the header has {other:?} where True or False should stand")),
        }
    }

    fn shape(&mut self) -> std::result::Result<Vec<u64>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            let digits = self.word(|c| c.is_ascii_digit(), "a number")?;
            // Python 2 wrote long numbers so.
            self.take('L');
            shape.push(digits.parse().map_err(|e| format!("the shape has {digits}: {e}"))?);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        let header = |descr: &str, fortran_order, shape: &[u64]| Header { descr: descr.to_owned(), fortran_order, shape: shape.to_vec() };
        for (text, expected) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 64), }", header("<f4", false, &[4, 64])),
            ("{\"shape\":(64,),\"fortran_order\":True,\"descr\":\">f8\"}\n", header(">f8", true, &[64])),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (), }", header("|O", false, &[])),
            ("{'descr': '<i4', 'fortran_order': False, 'shape': (3L, 4L), }", header("<i4", false, &[3, 4])),
        ] {
            assert_eq!(Header::parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(Header::read(&mut &super::header(7, 64)[..]).unwrap(), header("<f4", false, &[7, 64]));
    }

    #[test]
    fn other_headers_are_refused() {
        let nested = format!("{{'descr': {}'a'{}, 'fortran_order': False, 'shape': (1, 2)}}", "[(".repeat(20_000), ")]".repeat(20_000));
        for (text, said) in [
            (nested.as_str(), "records"),
            ("", "the header has \"\" where '{' should stand"),
            ("{'descr': '<f4'", "where '}' should stand"),
            ("{'descr': '<f4', 'fortran_order': False}", "does not say \"shape\""),
            ("{'descr': '<f4', 'fortran_order': 0, ", "where True or False"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "number too large"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "\"-1,)}\" where a number"),
            ("{'x': 1}", "a key \"x\""),
        ] {
            let e = Header::parse(text).unwrap_err();
            assert!(e.contains(said), "{e}");
        }
        let long = [&b"\x93NUMPY\x02\x00"[..], &u32::MAX.to_le_bytes()].concat();
        assert!(Header::read(&mut &long[..]).unwrap_err().contains("a header of 4294967295 bytes; at most 65536"));
        assert!(Header::read(&mut &b"\x93NUMPY\x01\x00\xff\xff{"[..]).unwrap_err().contains("ends within its header"));
    }
}
