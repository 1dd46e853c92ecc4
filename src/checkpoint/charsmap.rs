//! A charsmap with the entries that matter for a vocabulary: SentencePiece's has 224,711 keys, most of which nothing reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::Result;
use crate::tokenizer::{Charsmap, ENDS_KEY, LEAF, MAX_CLUSTER};

/// The charsmap without the keys that make no difference to the pieces of any text, in the same format.
///
/// Left out are keys that the tokenizer never comes to (those that take more than a grapheme cluster of less than [`MAX_CLUSTER`] bytes,
/// and those that begin with a shorter key), and keys of which no character is in the vocabulary, neither before nor after: both are
/// unknown. The one difference is a mark behind a character of the last kind, which the key would have taken with it.
pub fn reduce(blob: &[u8], tokens: &[String]) -> Result<Vec<u8>> {
    if blob.is_empty() {
        return Ok(Vec::new());
    }
    let map = Charsmap::parse(blob)?;
    let known: HashSet<char> = tokens.iter().flat_map(|token| token.chars()).collect();
    let spelled = |text: &str| text.is_empty() || text.chars().any(|c| c.is_whitespace() || known.contains(&c));
    let mut kept = entries(&map);
    kept.retain(|key, replacement| {
        let by_characters = || key.char_indices().any(|(at, c)| map.replacement(&key[at..at + c.len_utf8()]).is_some_and(spelled));
        spelled(key) || spelled(replacement) || by_characters()
    });
    Ok(build(&kept))
}

/// The keys that the tokenizer comes to, with what they become.
fn entries(map: &Charsmap) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<(Vec<u8>, usize)> = map.root().map(|root| (Vec::new(), root)).into_iter().collect();
    while let Some((key, base)) = open.pop() {
        for byte in 1..=u8::MAX {
            let Some((next, replacement)) = map.step(base, byte) else { continue };
            let key: Vec<u8> = key.iter().copied().chain([byte]).collect();
            match (replacement, str::from_utf8(&key)) {
                (Some(replacement), Ok(key)) => {
                    found.insert(key.to_owned(), replacement.to_owned());
                }
                _ if key.len() + 1 < MAX_CLUSTER => open.push((key, next)),
                _ => {}
            }
        }
    }
    found
}

/// The blob: a double array, each node's children at a base of its own.
fn build(entries: &BTreeMap<String, String>) -> Vec<u8> {
    let mut replacements = String::from("\0");
    let mut offsets: HashMap<&str, u32> = HashMap::from([("", 0)]);
    for replacement in entries.values() {
        offsets.entry(replacement).or_insert_with(|| {
            let at = replacements.len() as u32;
            replacements.push_str(replacement);
            replacements.push('\0');
            at
        });
    }
    let keys: Vec<(&[u8], u32)> = entries.iter().map(|(key, replacement)| (key.as_bytes(), offsets[replacement.as_str()])).collect();
    let mut array = DoubleArray::default();
    array.claim(0);
    let mut open = vec![(0, &keys[..], 0)];
    while let Some((node, keys, depth)) = open.pop() {
        // A label of zero is the key's end.
        let label = |key: &[u8]| key.get(depth).copied().unwrap_or(0);
        let groups: Vec<&[(&[u8], u32)]> = keys.chunk_by(|(a, _), (b, _)| label(a) == label(b)).collect();
        let labels: Vec<u8> = groups.iter().map(|group| label(group[0].0)).collect();
        let base = array.place(&labels);
        array.units[node] |= ((node ^ base) as u32) << 10;
        for (&byte, group) in labels.iter().zip(groups) {
            let child = base ^ usize::from(byte);
            if byte == 0 {
                array.units[node] |= ENDS_KEY;
                array.units[child] = LEAF | group[0].1;
            } else {
                array.units[child] = u32::from(byte);
                open.push((child, group, depth + 1));
            }
        }
    }
    let mut blob = (4 * array.units.len() as u32).to_le_bytes().to_vec();
    blob.extend(array.units.iter().flat_map(|unit| unit.to_le_bytes()));
    blob.extend(replacements.as_bytes());
    blob
}

#[derive(Default)]
struct DoubleArray {
    units: Vec<u32>,
    taken: Vec<bool>,
    bases: HashSet<usize>,
    /// No unit before it is free.
    first_free: usize,
}

impl DoubleArray {
    /// Readers look at any child of a node that is there, so the array grows by 256.
    fn claim(&mut self, at: usize) {
        if at >= self.units.len() {
            self.units.resize((at | 0xFF) + 1, 0);
            self.taken.resize(self.units.len(), false);
        }
        self.taken[at] = true;
        while self.taken.get(self.first_free) == Some(&true) {
            self.first_free += 1;
        }
    }

    /// Finds a base where all these children are free, and takes it.
    fn place(&mut self, labels: &[u8]) -> usize {
        let free = |at: usize| self.taken.get(at) != Some(&true);
        let first = labels.first().map_or(0, |&label| usize::from(label));
        let base = (self.first_free..)
            .filter(|&at| free(at))
            .map(|at| at ^ first)
            .find(|base| !self.bases.contains(base) && labels.iter().all(|&label| free(base ^ usize::from(label))))
            .unwrap_or_default();
        self.bases.insert(base);
        labels.iter().for_each(|&label| self.claim(base ^ usize::from(label)));
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|&(key, replacement)| (key.to_owned(), replacement.to_owned())).collect()
    }

    #[test]
    fn what_is_built_is_read_back() {
        // One-byte keys to four-byte keys, many under one node, an empty replacement, equal ones.
        let mut entries = map(&[("\t", " "), ("\u{1}", ""), ("ﬁ", "fi"), ("e\u{301}", "é"), ("𝐀", "A"), ("𝖠", "A")]);
        entries.extend((0x4E00..0x5000_u32).filter_map(char::from_u32).map(|c| (c.to_string(), format!("<{c}>"))));
        let blob = build(&entries);
        let read = Charsmap::parse(&blob).unwrap();
        for (key, replacement) in &entries {
            assert_eq!(read.replacement(key), Some(replacement.as_str()), "{key:?}");
        }
        assert_eq!((read.replacement("e"), read.replacement("f"), read.replacement("é")), (None, None, None));
        assert_eq!(super::entries(&read), entries);
        // Nothing at all is a charsmap too.
        assert_eq!(Charsmap::parse(&build(&map(&[]))).unwrap().replacement("a"), None);
    }

    #[test]
    fn only_what_the_vocabulary_spells_stays() {
        let blob =
            build(&map(&[("\t", " "), ("\u{1}", ""), ("ﬁ", "fi"), ("㍿", "株式会社"), ("e\u{301}", "é"), ("Ａ", "A"), ("q\u{301}", "x")]));
        let reduced = Charsmap::parse(&reduce(&blob, &["fa", "é", "q"].map(String::from)).unwrap()).unwrap();
        assert_eq!(entries(&reduced), map(&[("\t", " "), ("\u{1}", ""), ("ﬁ", "fi"), ("e\u{301}", "é"), ("q\u{301}", "x")]));
    }
}
