//! Disturbed copies of instructions, as people write them: does a model still see the task?
//!
//! The wrappings, documents and contexts are this file's own and serve measuring only. Training must augment with others, or the
//! figures say nothing.

use super::Random;

/// What is done to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disturbance {
    /// Wrapped in courtesies.
    Polite,
    /// No upper case, no punctuation.
    Sloppy,
    /// One typing error in about every third word: a neighbouring key, two letters swapped, one lost or doubled, a space lost.
    Typos,
    /// 60 to 120 words of some document behind it.
    Pasted,
    /// 30 to 60 words before it that have nothing to do with it.
    Context,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Polite, Self::Sloppy, Self::Typos, Self::Pasted, Self::Context];

    /// What tables call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polite => "polite",
            Self::Sloppy => "sloppy",
            Self::Typos => "typos",
            Self::Pasted => "pasted",
            Self::Context => "context",
        }
    }

    /// A disturbed copy of `text`; never blank unless `text` is.
    pub fn apply(self, text: &str, random: &mut Random) -> String {
        let text = text.trim();
        match self {
            Self::Polite => polite(text, random),
            Self::Sloppy => sloppy(text),
            Self::Typos => typos(text, random),
            Self::Pasted => format!("{text}\n\n{}", passage(DOCUMENTS, 60, 120, random)),
            Self::Context => format!("{} {text}", passage(CONTEXTS, 30, 60, random)),
        }
    }
}

const WRAPPERS: &str = include_str!("wrappers.txt");
const DOCUMENTS: &str = include_str!("documents.txt");
const CONTEXTS: &str = include_str!("contexts.txt");

fn polite(text: &str, random: &mut Random) -> String {
    let templates: Vec<&str> = WRAPPERS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let template = random.pick(&templates).copied().unwrap_or("{}");
    match template.strip_prefix("lower ") {
        // "I" and abbreviations keep their capitals.
        Some(template) if text.chars().nth(1).is_some_and(char::is_lowercase) => {
            let mut letters = text.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_lowercase).collect();
            template.replacen("{}", &format!("{first}{}", letters.as_str()), 1)
        }
        Some(template) => template.replacen("{}", text, 1),
        None => template.replacen("{}", text, 1),
    }
}

fn sloppy(text: &str) -> String {
    // An apostrophe goes without a trace ("whats"), other punctuation parts words.
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '\'' | '’'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .flat_map(char::to_lowercase)
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    if words.is_empty() { text.to_owned() } else { words.join(" ") }
}

/// The share of words of three letters or more that get an error.
const TYPO_RATE: f64 = 0.35;
const KEYBOARD: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

fn typos(text: &str, random: &mut Random) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let long: Vec<usize> = (0..words.len()).filter(|&at| words[at].chars().count() >= 3).collect();
    // One at least.
    let sure = random.pick(&long).copied();
    let mut out = String::with_capacity(text.len() + words.len());
    for (at, word) in words.iter().enumerate() {
        let hit = Some(at) == sure || (long.contains(&at) && random.unit() < TYPO_RATE);
        let mut letters: Vec<char> = word.chars().collect();
        let mut glued = false;
        if hit {
            let place = random.below(letters.len());
            match random.below(10) {
                0..3 => letters[place] = neighbour_key(letters[place], random),
                3..6 => {
                    let place = place.min(letters.len() - 2);
                    letters.swap(place, place + 1);
                }
                6..8 => drop(letters.remove(place)),
                8 => letters.insert(place, letters[place]),
                _ => glued = true,
            }
        }
        out.extend(letters);
        if !glued && at + 1 < words.len() {
            out.push(' ');
        }
    }
    out
}

/// A key beside this one in its row of an English keyboard; other characters stay.
fn neighbour_key(letter: char, random: &mut Random) -> char {
    let lower = letter.to_ascii_lowercase();
    let Some((row, at)) = KEYBOARD.iter().find_map(|row| Some((row, row.find(lower)?))) else {
        return letter;
    };
    let right = random.below(2) == 1;
    let at = if at == 0 || (right && at + 1 < row.len()) { at + 1 } else { at - 1 };
    let key = row.as_bytes().get(at).map_or(letter, |&key| char::from(key));
    if letter.is_uppercase() { key.to_ascii_uppercase() } else { key }
}

/// `least` to `most` words from the beginning of a paragraph or of a sentence in it that leaves so many.
fn passage(paragraphs: &str, least: usize, most: usize, random: &mut Random) -> String {
    let paragraphs: Vec<&str> = paragraphs.split("\n\n").filter(|text| !text.trim().is_empty()).collect();
    let words: Vec<&str> = random.pick(&paragraphs).map(|text| text.split_whitespace().collect()).unwrap_or_default();
    let length = (least + random.below(most - least + 1)).min(words.len());
    let starts: Vec<usize> = (0..=words.len() - length).filter(|&at| at == 0 || words[at - 1].ends_with(['.', '?', '!', ';'])).collect();
    let start = random.pick(&starts).copied().unwrap_or(0);
    words[start..start + length].join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_long_enough() {
        for (texts, least, most) in [(DOCUMENTS, 120, 200), (CONTEXTS, 45, 70)] {
            for paragraph in texts.split("\n\n") {
                let words = paragraph.split_whitespace().count();
                assert!((least..=most).contains(&words), "{words} words: {paragraph}");
            }
        }
    }

    #[test]
    fn each_does_what_it_says() {
        let text = "Write a poem about Rain, don't rhyme!";
        for seed in 0..200 {
            let mut random = Random::new(seed);
            assert!(Disturbance::Polite.apply(text, &mut random).to_lowercase().contains(&text.to_lowercase()));
            assert_eq!(Disturbance::Sloppy.apply(text, &mut random), "write a poem about rain dont rhyme");
            assert_ne!(Disturbance::Typos.apply(text, &mut random).chars().count(), 0);
            let pasted = Disturbance::Pasted.apply(text, &mut random);
            let added = pasted.strip_prefix(text).unwrap().split_whitespace().count();
            assert!((60..=120).contains(&added), "{added}");
            let context = Disturbance::Context.apply(text, &mut random);
            let added = context.strip_suffix(text).unwrap().split_whitespace().count();
            assert!((30..=60).contains(&added), "{added}");
        }
        assert_eq!(Disturbance::Sloppy.apply("???", &mut Random::new(0)), "???");
        assert_eq!(Disturbance::Typos.apply("a b", &mut Random::new(0)), "a b");
    }

    #[test]
    fn a_seed_repeats() {
        for disturbance in Disturbance::ALL {
            let once = || disturbance.apply("Explain how tides work to a child", &mut Random::new(7));
            assert_eq!(once(), once());
        }
    }
}
