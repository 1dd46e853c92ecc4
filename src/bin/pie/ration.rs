//! A stream of records of which each may take so many bytes: a quote that is never closed makes one of all that follows.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes that may be read until the ration is renewed.
#[derive(Clone)]
pub struct Ration {
    each: u64,
    left: Rc<Cell<u64>>,
}

impl Ration {
    pub fn new(each: u64) -> Self {
        Self { each, left: Rc::new(Cell::new(each)) }
    }

    /// A new record begins.
    pub fn renew(&self) {
        self.left.set(self.each);
    }

    pub fn over<R: Read>(&self, inner: R) -> Rationed<R> {
        Rationed { inner, ration: self.clone() }
    }
}

pub struct Rationed<R> {
    inner: R,
    ration: Ration,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let Ration { each, left } = &self.ration;
        match left.get().checked_sub(read as u64) {
            Some(rest) => left.set(rest),
            None => {
                let message = format!("a record of more than {each} bytes; look for a quote that is not closed");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_ration() {
        let ration = Ration::new(10);
        let mut stream = ration.over(io::repeat(b'a'));
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes).unwrap();
        ration.renew();
        stream.read_exact(&mut bytes).unwrap();
        let e = stream.read_exact(&mut bytes).unwrap_err();
        assert!(e.kind() == io::ErrorKind::InvalidData && e.to_string().contains("more than 10 bytes"), "{e}");
    }
}
