//! Thrift's compact protocol, walked without taking memory, as far as Parquet's metadata uses it. Each element takes at least a byte of
//! the input, so that the time is linear in its length: lists of truth values, maps and sets, of which the format has none, are refused.
//!
//! Format: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

/// Structs and lists inside one another; Parquet's own go six deep.
const MAX_DEPTH: usize = 32;

/// What is wrong, for messages.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// The bytes end before the value does.
    CutOff,
    Wrong(&'static str),
}

pub type Walked<T> = Result<T, Fault>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Bool,
    Byte,
    Int,
    Double,
    Binary,
    List,
    Struct,
}

pub struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were walked over.
    pub const fn walked(&self) -> usize {
        self.at
    }

    fn take(&mut self, n: usize) -> Walked<&'a [u8]> {
        let end = self.at.checked_add(n).ok_or(Fault::CutOff)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Fault::CutOff)?;
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Walked<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn varint(&mut self) -> Walked<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Wrong("a number of more than 64 bits"))
    }

    pub fn int(&mut self) -> Walked<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub fn binary(&mut self) -> Walked<&'a [u8]> {
        let len = self.varint()?;
        self.take(usize::try_from(len).map_err(|_| Fault::CutOff)?)
    }

    /// The elements' kind and number.
    pub fn list(&mut self) -> Walked<(Kind, usize)> {
        let head = self.byte()?;
        if head == 0 {
            return Ok((Kind::Byte, 0));
        }
        let kind = kind(head & 0x0f)?;
        let len = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        match usize::try_from(len) {
            _ if kind == Kind::Bool => Err(Fault::Wrong("a list of truth values, which Parquet's metadata has none of")),
            Ok(len) if len <= self.bytes.len() - self.at => Ok((kind, len)),
            _ => Err(Fault::CutOff),
        }
    }

    /// The next field of a struct: its number, which follows `last`, and kind; none at the end.
    pub fn field(&mut self, last: &mut i64) -> Walked<Option<(i64, Kind)>> {
        let head = self.byte()?;
        if head & 0x0f == 0 {
            return Ok(None);
        }
        *last = if head >> 4 == 0 { self.int()? } else { *last + i64::from(head >> 4) };
        Ok(Some((*last, kind(head & 0x0f)?)))
    }

    /// Passes over a value; `inside` counts the structs and lists around it.
    pub fn skip(&mut self, kind: Kind, inside: usize) -> Walked<()> {
        if inside > MAX_DEPTH {
            return Err(Fault::Wrong("metadata nested too deep"));
        }
        match kind {
            // As a field it has no byte of its own, and lists of it are refused.
            Kind::Bool => {}
            Kind::Byte => drop(self.byte()?),
            Kind::Int => drop(self.varint()?),
            Kind::Double => drop(self.take(8)?),
            Kind::Binary => drop(self.binary()?),
            Kind::List => {
                let (kind, len) = self.list()?;
                for _ in 0..len {
                    self.skip(kind, inside + 1)?;
                }
            }
            Kind::Struct => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, inside + 1)?;
                }
            }
        }
        Ok(())
    }
}

fn kind(code: u8) -> Walked<Kind> {
    Ok(match code {
        1 | 2 => Kind::Bool,
        3 => Kind::Byte,
        4..=6 => Kind::Int,
        7 => Kind::Double,
        8 => Kind::Binary,
        9 => Kind::List,
        12 => Kind::Struct,
        _ => return Err(Fault::Wrong("a set, a map or a kind of value that Parquet's metadata has none of")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_walked_over_is_bounded_by_its_bytes() {
        let skip = |bytes: &[u8]| Walker::new(bytes).skip(Kind::Struct, 0);
        // Field 1 an int, field 2 a list of two binaries.
        assert_eq!(skip(&[0x15, 0x02, 0x19, 0x28, 1, b'a', 0, 0]), Ok(()));
        assert_eq!(skip(&[0x15]), Err(Fault::CutOff));
        assert_eq!(skip(&[0x19, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x07]), Err(Fault::CutOff));
        assert!(matches!(skip(&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07, 0]), Err(Fault::Wrong(_))));
        assert!(matches!(skip(&[0x1b, 0x01, 0x00]), Err(Fault::Wrong(_))));
        assert!(matches!(skip(&[&[0x19][..], &[0x19; 100]].concat()), Err(Fault::Wrong("metadata nested too deep"))));
        assert!(matches!(skip(&[&[0x15][..], &[0xff; 12]].concat()), Err(Fault::Wrong(_))));
    }
}
