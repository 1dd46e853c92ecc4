//! SentencePiece's normalizer: a table of texts and what each becomes (NFKC, and a space for the kinds of white space).
//!
//! The blob, little endian: `u32` bytes of the trie, the trie as `u32` units (a double array as the Darts library lays it out), then the
//! replacements in UTF-8, each ended by a NUL. A unit is a node or, with bit 31 set, the offset of a replacement.

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Error, ErrorCode, Result};

/// Set in a unit that holds the offset of a replacement.
pub const LEAF: u32 = 1 << 31;
/// Set in a node that ends a key.
pub const ENDS_KEY: u32 = 1 << 8;
/// Longer grapheme clusters are replaced a character at a time, as Hugging Face does it.
pub const MAX_CLUSTER: usize = 6;

/// The table, checked so that no lookup leaves it.
#[derive(Debug, Default)]
pub struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

/// A text after normalization.
#[derive(Debug, Default)]
pub struct Normalized {
    pub text: String,
    /// For each byte of `text`, the bytes of the source that it came from.
    pub sources: Vec<(u32, u32)>,
}

impl Charsmap {
    /// Reads the blob; an empty one changes nothing.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when the blob is cut off, or a node or replacement lies outside of it.
    pub fn parse(blob: &[u8]) -> Result<Self> {
        if blob.is_empty() {
            return Ok(Self::default());
        }
        let broken = |what: String| Error::new(ErrorCode::ModelFormat, format!("the charsmap ({} bytes) is broken: {what}", blob.len()));
        let (size, rest) = blob.split_first_chunk().ok_or_else(|| broken("it has no size".to_owned()))?;
        let size = u32::from_le_bytes(*size) as usize;
        if size == 0 || !size.is_multiple_of(4) || size > rest.len() {
            return Err(broken(format!("its trie should have {size} bytes, a multiple of 4; {} bytes follow", rest.len())));
        }
        let (trie, replacements) = rest.split_at(size);
        let units: Vec<u32> = trie.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let replacements =
            str::from_utf8(replacements).map_err(|e| broken(format!("its replacements are no UTF-8: {e}")).with_source(e))?;
        if !replacements.ends_with('\0') {
            return Err(broken(format!("its {} bytes of replacements do not end with a NUL", replacements.len())));
        }
        let map = Self { units, replacements: replacements.to_owned() };
        match (0..map.units.len()).find(|&at| !map.is_sound(at)) {
            Some(at) => Err(broken(format!("unit {at} of {} points outside", map.units.len()))),
            None => Ok(map),
        }
    }

    /// Whether the children of a node, and the replacement where a key ends, lie within the table.
    fn is_sound(&self, at: usize) -> bool {
        let unit = self.units[at];
        if unit & LEAF != 0 {
            return true;
        }
        let base = at ^ offset(unit);
        let ends = || {
            self.units.get(base).is_some_and(|leaf| {
                let start = (leaf & !LEAF) as usize;
                leaf & LEAF != 0 && start < self.replacements.len() && self.replacements.is_char_boundary(start)
            })
        };
        (base | 0xFF) < self.units.len() && (unit & ENDS_KEY == 0 || ends())
    }

    /// The place of the root's children.
    pub fn root(&self) -> Option<usize> {
        self.units.first().map(|&unit| offset(unit))
    }

    /// From the place `base` of a node's children along `byte`: the place of the next children, and the replacement of a key that ends
    /// here.
    pub fn step(&self, base: usize, byte: u8) -> Option<(usize, Option<&str>)> {
        let at = base ^ usize::from(byte);
        let unit = *self.units.get(at)?;
        if byte == 0 || unit & (LEAF | 0xFF) != u32::from(byte) {
            return None;
        }
        let next = at ^ offset(unit);
        let replacement = || {
            let start = (self.units.get(next)? & !LEAF) as usize;
            self.replacements.get(start..)?.split('\0').next()
        };
        Some((next, if unit & ENDS_KEY != 0 { replacement() } else { None }))
    }

    /// What the shortest key that begins `text` becomes.
    pub fn replacement(&self, text: &str) -> Option<&str> {
        let mut base = self.root()?;
        for byte in text.bytes() {
            let (next, found) = self.step(base, byte)?;
            if found.is_some() {
                return found;
            }
            base = next;
        }
        None
    }

    /// Normalizes a text as Hugging Face does, whose reading of the table differs from SentencePiece's where marks combine: a grapheme
    /// cluster of less than [`MAX_CLUSTER`] bytes becomes the replacement of the shortest key that begins it; all else goes by characters.
    pub fn normalize(&self, text: &str) -> Normalized {
        let mut normalized = Normalized { text: String::with_capacity(text.len()), sources: Vec::with_capacity(text.len()) };
        for (at, cluster) in text.grapheme_indices(true) {
            match self.replacement(cluster).filter(|_| cluster.len() < MAX_CLUSTER) {
                Some(replacement) => normalized.push(replacement, at, cluster.len()),
                None => {
                    for (inside, c) in cluster.char_indices() {
                        let character = &cluster[inside..inside + c.len_utf8()];
                        normalized.push(self.replacement(character).unwrap_or(character), at + inside, character.len());
                    }
                }
            }
        }
        normalized
    }
}

impl Normalized {
    fn push(&mut self, text: &str, at: usize, len: usize) {
        self.text.push_str(text);
        self.sources.resize(self.text.len(), (at as u32, (at + len) as u32));
    }
}

/// How far a node's children are from it, by exclusive or.
const fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "a" becomes "xy": the root's children are at 256, those of "a" at 512.
    fn blob() -> Vec<u8> {
        let mut units = vec![0_u32; 768];
        units[0] = 256 << 10;
        let at = 256 ^ usize::from(b'a');
        units[at] = (((at ^ 512) as u32) << 10) | ENDS_KEY | u32::from(b'a');
        units[512] = LEAF | 1;
        let mut blob = (4 * 768_u32).to_le_bytes().to_vec();
        blob.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        blob.extend(b"\0xy\0");
        blob
    }

    #[test]
    fn normalizes_with_sources() {
        let found = Charsmap::parse(&blob()).unwrap().normalize("bäab");
        assert_eq!(found.text, "bäxyb");
        assert_eq!(found.sources, [(0, 1), (1, 3), (1, 3), (3, 4), (3, 4), (4, 5)]);
        // A short cluster goes with its first key; a longer one by characters.
        let map = Charsmap::parse(&blob()).unwrap();
        assert_eq!(map.normalize("a\u{301}").text, "xy");
        assert_eq!(map.normalize("a\u{301}\u{301}\u{301}").text, "xy\u{301}\u{301}\u{301}");
        assert_eq!(Charsmap::parse(&[]).unwrap().normalize("a\u{301}").text, "a\u{301}");
    }

    #[test]
    fn broken_blobs_are_refused() {
        let whole = blob();
        let refused = |blob: &[u8]| {
            let error = Charsmap::parse(blob).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ModelFormat);
            error.to_string()
        };
        assert_eq!(refused(&whole[..3]), "the charsmap (3 bytes) is broken: it has no size");
        assert_eq!(
            refused(&whole[..400]),
            "the charsmap (400 bytes) is broken: its trie should have 3072 bytes, a multiple of 4; 396 bytes follow"
        );
        assert!(refused(&whole[..whole.len() - 1]).ends_with("its 3 bytes of replacements do not end with a NUL"));
        let with = |unit: usize, value: u32| {
            let mut blob = whole.clone();
            blob[4 + 4 * unit..][..4].copy_from_slice(&value.to_le_bytes());
            refused(&blob)
        };
        assert!(with(0, 0x3FF << 10).ends_with("unit 0 of 768 points outside"));
        // A key's end without a replacement, and one behind the last.
        assert!(with(512, 1).ends_with("unit 353 of 768 points outside"));
        assert!(with(512, LEAF | 4).ends_with("unit 353 of 768 points outside"));
        let mut latin = whole;
        let last = latin.len() - 2;
        latin[last] = 0xFF;
        assert!(refused(&latin).contains("no UTF-8"));
    }
}
