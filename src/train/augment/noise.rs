//! How people really type.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Augmentation;

/// One word in about this many has a slip: a text's own rate lies between these.
const WORDS_TO_A_SLIP: std::ops::Range<f64> = 3.0..12.0;
/// One slip in about this many hits the first letter, which is seldom missed.
const SLIPS_TO_A_FIRST: f64 = 12.0;
/// One wrong letter in about this many is no neighbour on the keyboard.
const NEIGHBOURS_TO_ANOTHER: f64 = 5.0;

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

/// Slips of the keyboard in words of three letters and more: another letter, two swapped, one left out, doubled or slipped
/// in.
pub struct Typos;

/// The keyboard; a key of the next row at the same place is taken to be a neighbour.
const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

fn letter_instead(letter: char, rng: &mut ChaCha8Rng) -> char {
    let lower = letter.to_ascii_lowercase();
    if rng.random::<f64>() < 1.0 / NEIGHBOURS_TO_ANOTHER {
        return char::from(rng.random_range(b'a'..=b'z'));
    }
    let place = ROWS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(lower)?)));
    let Some((row, at)) = place else { return letter };
    let key = |row: Option<usize>, at: Option<usize>| ROWS.get(row?)?.as_bytes().get(at?).map(|&b| char::from(b));
    let beside = [key(Some(row), at.checked_sub(1)), key(Some(row), Some(at + 1))];
    let across = [key(row.checked_sub(1), Some(at)), key(Some(row + 1), Some(at))];
    let near: Vec<char> = beside.into_iter().chain(across).flatten().collect();
    near[rng.random_range(0..near.len())]
}

fn slip(word: &str, rng: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let from = usize::from(rng.random::<f64>() >= 1.0 / SLIPS_TO_A_FIRST);
    let at = rng.random_range(from..letters.len() - 1);
    match rng.random_range(0..5) {
        0 => letters[at] = letter_instead(letters[at], rng),
        1 => letters.swap(at, at + 1),
        2 => {
            letters.remove(at);
        }
        3 => letters.insert(at, letters[at]),
        _ => letters.insert(at, letter_instead(letters[at], rng)),
    }
    letters.into_iter().collect()
}

impl Augmentation for Typos {
    fn apply(&self, text: &str, rng: &mut ChaCha8Rng) -> String {
        let eligible = |word: &str| word.chars().count() > 2 && word.chars().all(char::is_alphabetic);
        let count = text.split(' ').filter(|word| eligible(word)).count();
        if count == 0 {
            return text.to_owned();
        }
        // One slip at least.
        let sure = rng.random_range(0..count);
        let rate = 1.0 / rng.random_range(WORDS_TO_A_SLIP);
        let mut nth = 0;
        let words = text.split(' ').map(|word| {
            if !eligible(word) {
                return word.to_owned();
            }
            nth += 1;
            if nth - 1 == sure || rng.random::<f64>() < rate { slip(word, rng) } else { word.to_owned() }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}
