//! How people really type.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Augmentation;

/// One word in about this many has a slip.
const WORDS_TO_A_SLIP: f64 = 6.0;

/// Everything in lower case, no punctuation but apostrophes.
pub struct Sloppy;

impl Augmentation for Sloppy {
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let keep_case = rng.random::<f64>() < 0.25;
        let bare: String = text.chars().filter(|c| !c.is_ascii_punctuation() || *c == '\'').collect();
        // A text of punctuation alone stays.
        match (bare.trim().is_empty(), keep_case) {
            (true, _) => text.to_owned(),
            (false, true) => bare,
            (false, false) => bare.to_lowercase(),
        }
    }
}

/// Slips of the keyboard in words of four letters and more: a neighbouring key, two letters swapped, one left out or doubled.
pub struct Typos;

const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

fn neighbour(letter: char, rng: &mut ChaCha8Rng) -> char {
    let lower = letter.to_ascii_lowercase();
    let near = ROWS.iter().find_map(|row| {
        let at = row.find(lower)?;
        let row = row.as_bytes();
        Some([at.checked_sub(1), Some(at + 1)].into_iter().flatten().filter_map(|n| row.get(n).map(|&b| char::from(b))).collect::<Vec<_>>())
    });
    near.map_or(letter, |near| near[rng.random_range(0..near.len())])
}

fn slip(word: &str, rng: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    // The first letter is seldom missed.
    let at = rng.random_range(1..letters.len() - 1);
    match rng.random_range(0..4) {
        0 => letters[at] = neighbour(letters[at], rng),
        1 => letters.swap(at, at + 1),
        2 => {
            letters.remove(at);
        }
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

impl Augmentation for Typos {
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let eligible = |word: &str| word.chars().count() > 3 && word.chars().all(char::is_alphabetic);
        let count = text.split(' ').filter(|word| eligible(word)).count();
        if count == 0 {
            return text.to_owned();
        }
        // One slip at least.
        let sure = rng.random_range(0..count);
        let mut nth = 0;
        let words = text.split(' ').map(|word| {
            if !eligible(word) {
                return word.to_owned();
            }
            nth += 1;
            if nth - 1 == sure || rng.random::<f64>() < 1.0 / WORDS_TO_A_SLIP { slip(word, rng) } else { word.to_owned() }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}
