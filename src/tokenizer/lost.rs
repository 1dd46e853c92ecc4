//! Which pieces tell nothing of a text: unknown ones, and letters of a script that the vocabulary can only spell.
//!
//! BERT's English vocabulary has the letters of many scripts and next to no words in them. A Russian text becomes letters, none of them
//! unknown, and its vector says no more than that of unknown pieces.

use std::collections::HashMap;

use super::unigram::WORD_MARK;
use super::wordpiece::CONTINUATION;

/// A script counts as read from so many pieces of two letters or more on. English vocabularies have up to 8 in Cyrillic.
const WORDS: usize = 20;
/// Letters before these are Latin, with or without accents, and those of phonetics; all vocabularies have words in them.
const FIRST_OTHER: char = '\u{370}';

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Read,
    /// Unknown, or a letter that begins a word.
    Lost,
    /// A letter inside a word, which counts with its first one.
    Within,
}

/// A mark for each piece of a vocabulary.
pub(super) struct Lost {
    marks: Vec<Mark>,
}

impl Lost {
    /// Looks through the pieces by id; `unk` is the unknown one.
    pub fn new(tokens: &[String], unk: u32) -> Self {
        let bare = |token: &str| token.strip_prefix(CONTINUATION).unwrap_or(token).trim_start_matches(WORD_MARK).to_owned();
        let mut words: HashMap<u32, usize> = HashMap::new();
        for token in tokens.iter().map(|token| bare(token)).filter(|token| token.chars().nth(1).is_some()) {
            if let Some(script) = token.chars().find_map(script) {
                *words.entry(script).or_default() += 1;
            }
        }
        let is_read = |script: u32| words.get(&script).is_some_and(|&words| words >= WORDS);
        let mark = |(id, token): (u32, &String)| {
            let bare = bare(token);
            let mut characters = bare.chars();
            let letter = characters.next().and_then(script).filter(|_| characters.next().is_none());
            match letter {
                _ if id == unk => Mark::Lost,
                Some(script) if !is_read(script) => {
                    if token.starts_with(CONTINUATION) {
                        Mark::Within
                    } else {
                        Mark::Lost
                    }
                }
                _ => Mark::Read,
            }
        };
        Self { marks: (0..).zip(tokens).map(mark).collect() }
    }

    fn mark(&self, id: u32) -> Mark {
        self.marks.get(id as usize).copied().unwrap_or(Mark::Lost)
    }

    /// Whether all pieces are read, which is what most texts are.
    pub fn is_none(&self, pieces: &[u32]) -> bool {
        pieces.iter().all(|&id| self.mark(id) == Mark::Read)
    }

    /// The share of pieces that are lost, 0..=1; of no pieces 1. A word of letters counts as one piece.
    pub fn share(&self, pieces: impl Iterator<Item = u32>) -> f32 {
        let (mut lost, mut counted, mut before) = (0_usize, 0_usize, Mark::Read);
        for mark in pieces.map(|id| self.mark(id)) {
            // What a word begins with is read where only its end is spelled.
            if mark != Mark::Within || before == Mark::Read {
                counted += 1;
                lost += usize::from(mark != Mark::Read);
            }
            before = mark;
        }
        if counted == 0 { 1.0 } else { lost as f32 / counted as f32 }
    }
}

/// A number for the script of a letter that is not Latin: that of its Unicode block, by and large.
fn script(letter: char) -> Option<u32> {
    if letter < FIRST_OTHER || !letter.is_alphabetic() {
        return None;
    }
    match letter {
        // Phonetic letters, and Latin ones with accents.
        '\u{1d00}'..='\u{1eff}' | '\u{2070}'..='\u{218f}' | '\u{2c60}'..='\u{2c7f}' | '\u{ff00}'..='\u{ff64}' => None,
        // Chinese characters count as one script, and Korean syllables and letters as another.
        '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'.. => Some(0x4e),
        '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7ff}' => Some(0xac),
        _ => Some(u32::from(letter) >> 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(words: usize) -> Vec<String> {
        let fixed = ["[UNK]", "see", "##s", "д", "##д", "##а", "天", "ß"].map(String::from);
        let letters = ('б'..='я').map(|letter| format!("{letter}а"));
        fixed.into_iter().chain(letters.take(words)).collect()
    }

    #[test]
    fn letters_of_a_script_without_words_are_lost() {
        let lost = Lost::new(&vocabulary(WORDS - 1), 0);
        let share = |ids: &[u32]| lost.share(ids.iter().copied());
        assert_eq!([share(&[1, 2, 7]), share(&[0, 1]), share(&[6, 6]), share(&[])], [0.0, 0.5, 1.0, 1.0]);
        // Two words of letters, whatever their length, and one that is read.
        assert_eq!(share(&[3, 5, 4, 1, 2, 3, 4]), 0.5);
        // An end that is spelled behind what is read.
        assert_eq!(share(&[1, 4, 5]), 0.5);
        assert!(lost.is_none(&[1, 2, 8]) && !lost.is_none(&[1, 3]) && !lost.is_none(&[0]));
        // A piece of several letters is read, however few there are.
        assert_eq!(share(&[8]), 0.0);
    }

    #[test]
    fn letters_of_a_script_with_words_are_read() {
        let lost = Lost::new(&vocabulary(WORDS), 0);
        assert_eq!(lost.share([3, 5, 4].into_iter()), 0.0);
        assert_eq!(lost.share([6].into_iter()), 1.0);
    }
}
