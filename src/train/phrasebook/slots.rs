//! Values of placeholders, split into those that training sees and those that are held out.

use std::collections::BTreeMap;
use std::path::Path;

use rand::seq::SliceRandom;
use xxhash_rust::xxh3::xxh3_64;

use super::super::random::{Purpose, generator};
use super::line::{Piece, pieces};
use super::overlap::Overlaps;
use super::source::{Faults, Unique, numbered_lines, read_text, stem, text_files};
use crate::error::{Error, ErrorCode, Result};

/// Texts whose hash is below are held out: a fifth.
const HELD_OUT: u64 = u64::MAX / 5;
/// The line between two passages of a file.
const BETWEEN: &str = "====";
/// Genre of the passages that `{background}` takes and `{pasted}` does not.
const BACKGROUND: &str = "background";

/// Which side of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Training,
    Development,
}

/// Whether a text is among the fifth that is held out. Its hash decides, so that new texts move no old ones.
pub(super) fn is_held_out(text: &str) -> bool {
    xxh3_64(text.as_bytes()) < HELD_OUT
}

/// Splits texts, with at least one of each side where there are two.
pub(super) fn split<T>(items: Vec<T>, text: impl Fn(&T) -> &str) -> (Vec<T>, Vec<T>) {
    let mut hashes: Vec<u64> = items.iter().map(|item| xxh3_64(text(item).as_bytes())).collect();
    hashes.sort_unstable();
    let held_out = hashes.partition_point(|&hash| hash < HELD_OUT);
    let Some(&limit) = hashes.get(held_out.max(1).min(hashes.len().saturating_sub(1))) else { return (Vec::new(), Vec::new()) };
    items.into_iter().partition(|item| xxh3_64(text(item).as_bytes()) >= limit)
}

#[derive(Clone, Default)]
struct Values {
    training: Vec<String>,
    development: Vec<String>,
}

impl Values {
    fn new(values: Vec<String>) -> Self {
        let (training, development) = split(values, |value| value);
        Self { training, development }
    }

    fn side(&self, side: Side) -> &[String] {
        match side {
            Side::Training => &self.training,
            Side::Development => &self.development,
        }
    }
}

/// Placeholders by name, with their values.
#[derive(Clone, Default)]
pub(super) struct Slots(BTreeMap<String, Values>);

impl Slots {
    /// Reads `NAME.txt` with one value a line, `\n` standing for a line break.
    pub(super) fn read(&mut self, dir: &Path, overlaps: &mut Overlaps, faults: &mut Faults) -> Result<()> {
        for path in text_files(dir)? {
            let name = stem(&path);
            if !name.bytes().all(|b| b.is_ascii_lowercase()) {
                faults.file(&path, "a placeholder's name has small letters only");
            }
            let (mut seen, mut values) = (Unique::default(), Vec::new());
            for (place, line) in numbered_lines(&path, faults)? {
                if line.starts_with('#') {
                    faults.line(&place, "a value begins with '#', as a kind does");
                }
                seen.check(&line, "value", &place, faults);
                let value = line.replace("\\n", "\n");
                overlaps.add(&value, &place, faults);
                values.push(value);
            }
            self.insert(&path, name, values, faults);
        }
        Ok(())
    }

    /// Reads `GENRE.txt` with passages between lines `====`: `{pasted:GENRE}` for each, `{pasted}` for all but `background`, which is
    /// `{background}`.
    pub(super) fn read_passages(&mut self, dir: &Path, overlaps: &mut Overlaps, faults: &mut Faults) -> Result<()> {
        let mut all = Values::default();
        for path in text_files(dir)? {
            let genre = stem(&path);
            let text = read_text(&path, faults)?;
            let (mut passages, mut passage, mut first) = (Vec::new(), Vec::new(), 1);
            let lines = text.trim_start_matches('\u{feff}').lines();
            for (line, n) in lines.chain(std::iter::once(BETWEEN)).zip(1..) {
                if line.trim() != BETWEEN {
                    passage.push(line.trim_end());
                    continue;
                }
                let joined = passage.join("\n").trim_matches('\n').to_owned();
                let place = super::source::Place::new(&path, first);
                if joined.is_empty() {
                    faults.line(&place, format!("an empty passage; passages stand between lines {BETWEEN}"));
                } else {
                    overlaps.add(&joined, &place, faults);
                    passages.push(joined);
                }
                passage.clear();
                first = n + 1;
            }
            if genre == BACKGROUND {
                self.insert(&path, genre, passages, faults);
                continue;
            }
            let name = format!("pasted:{genre}");
            self.insert(&path, name.clone(), passages, faults);
            if let Some(values) = self.0.get(&name) {
                all.training.extend(values.training.iter().cloned());
                all.development.extend(values.development.iter().cloned());
            }
        }
        if !all.training.is_empty() {
            self.0.insert("pasted".to_owned(), all);
        }
        Ok(())
    }

    /// These placeholders alone, where they have values.
    pub(super) fn only(&self, names: &[&str]) -> Self {
        Self(
            self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(name, values)| (name.clone(), values.clone())).collect(),
        )
    }

    fn insert(&mut self, path: &Path, name: String, values: Vec<String>, faults: &mut Faults) {
        if values.len() < 2 {
            faults.file(path, format!("{} values; at least 2 are needed, one to train on and one to measure on", values.len()));
            return;
        }
        self.0.insert(name, Values::new(values));
    }

    /// The first placeholder of a phrasing that has no values, as a sentence.
    pub(super) fn unknown(&self, phrasing: &str) -> Option<String> {
        let name = pieces(phrasing).iter().filter_map(Piece::slot).find(|name| !self.0.contains_key(*name)).map(str::to_owned)?;
        Some(format!("no values for the placeholder {{{name}}} in slots/ or passages/"))
    }

    /// The values of a placeholder on one side; none if it is unknown.
    pub(super) fn values(&self, name: &str, side: Side) -> &[String] {
        self.0.get(name).map_or(&[], |values| values.side(side))
    }

    /// Fills the placeholders of a phrasing up to `count` times, never twice with the same value: fewer times where its list is too
    /// short, once where it has no placeholder. The values depend on the phrasing's own text and the seed alone.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] for a phrasing with a placeholder more often than it has values.
    pub(super) fn fill(&self, phrasing: &str, side: Side, count: usize, seed: u64) -> Result<Vec<String>> {
        let pieces = pieces(phrasing);
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        pieces.iter().filter_map(Piece::slot).for_each(|name| *uses.entry(name).or_default() += 1);
        if uses.is_empty() {
            return Ok(vec![phrasing.to_owned()]);
        }
        let mut rng = generator(seed, Purpose::Phrasebook, xxh3_64(phrasing.as_bytes()), 0);
        let (mut order, mut count) = (BTreeMap::new(), count);
        for (&name, &times) in &uses {
            let mut values: Vec<&str> = self.values(name, side).iter().map(String::as_str).collect();
            if values.len() < times {
                let what = format!("{phrasing:?} has {times} times {{{name}}}, of which one side of the split has {} values", values.len());
                return Err(Error::new(ErrorCode::Data, what));
            }
            values.shuffle(&mut rng);
            count = count.min(values.len() / times);
            order.insert(name, values.into_iter());
        }
        let mut text = || -> String {
            let filled = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Slot(name) => order.get_mut(name).and_then(Iterator::next).unwrap_or_default(),
            });
            filled.collect()
        };
        Ok((0..count).map(|_| text()).collect())
    }
}
