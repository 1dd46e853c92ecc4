//! Words and their parts of speech.

use std::sync::Arc;

use harper_brill::{BrillTagger, FreqDict, Tagger as _, UPOS, brill_tagger};

/// Words of a text that are looked at. The task is named early, and what is pasted behind it costs no time.
const MAX_WORDS: usize = 60;

/// A word, a number, a punctuation mark or a run of line breaks.
#[derive(Clone, Debug)]
pub struct Word {
    /// In lower case; a run of line breaks is `¶`.
    pub text: String,
    /// The tag of Universal Dependencies; `UNK` where the tagger does not know the word.
    pub tag: &'static str,
    /// The tag that the word has most often, wherever it stands.
    pub usual_tag: &'static str,
    pub capital: bool,
    pub quoted: bool,
    /// Index of the sentence; a line break and a colon end one too.
    pub sentence: usize,
    /// Whether this is the first word of its sentence.
    pub begins: bool,
}

impl Word {
    /// Whether this is a noun, or a word the tagger does not know, which mostly is one.
    pub fn is_nominal(&self) -> bool {
        matches!(self.tag, "NOUN" | "PROPN" | "UNK")
    }

    pub fn is_verb(&self) -> bool {
        self.tag == "VERB"
    }
}

/// Splits texts into words and tags them.
pub struct Tagger {
    brill: Arc<BrillTagger<FreqDict>>,
}

impl Default for Tagger {
    fn default() -> Self {
        Self::new()
    }
}

impl Tagger {
    pub fn new() -> Self {
        Self { brill: brill_tagger() }
    }

    /// The tag that a word in lower case has most often.
    pub fn usual_tag(&self, word: &str) -> &'static str {
        let tags = self.brill.tag_sentence(&[word.to_owned()]);
        name(tags.first().copied().flatten())
    }

    /// The first words of a text.
    pub fn words(&self, text: &str) -> Vec<Word> {
        let tokens: Vec<String> = Tokens { rest: text }.take(MAX_WORDS).map(str::to_owned).collect();
        let tags = self.brill.tag_sentence(&tokens);
        let mut words: Vec<Word> = Vec::with_capacity(tokens.len());
        let (mut sentence, mut begins, mut quoted) = (0, true, false);
        for (token, tag) in tokens.into_iter().zip(tags) {
            let first = token.chars().next().unwrap_or('\n');
            let breaks = token.contains('\n');
            let text = if breaks { "¶".to_owned() } else { token.to_lowercase() };
            let (tag, usual_tag) = match first {
                // Most of the compounds that the tagger does not know stand before a noun: a well-known fact.
                c if c.is_alphabetic() && tag.is_none() && text.contains('-') => ("ADJ", "UNK"),
                c if c.is_alphabetic() => (name(tag), self.usual_tag(&text)),
                c if c.is_numeric() => ("NUM", "NUM"),
                _ => ("PUNCT", "PUNCT"),
            };
            match first {
                '"' => quoted = !quoted,
                '“' => quoted = true,
                '”' => quoted = false,
                _ => {}
            }
            let is_word = tag != "PUNCT";
            words.push(Word { text, tag, usual_tag, capital: first.is_uppercase(), quoted, sentence, begins: begins && is_word });
            if breaks || matches!(first, '.' | '!' | '?' | ':') {
                sentence += 1;
                begins = true;
            } else if is_word || first == ',' {
                begins = false;
            }
        }
        words
    }
}

fn name(tag: Option<UPOS>) -> &'static str {
    match tag {
        None => "UNK",
        Some(UPOS::ADJ) => "ADJ",
        Some(UPOS::ADP) => "ADP",
        Some(UPOS::ADV) => "ADV",
        Some(UPOS::AUX) => "AUX",
        Some(UPOS::CCONJ) => "CCONJ",
        Some(UPOS::DET) => "DET",
        Some(UPOS::INTJ) => "INTJ",
        Some(UPOS::NOUN) => "NOUN",
        Some(UPOS::NUM) => "NUM",
        Some(UPOS::PART) => "PART",
        Some(UPOS::PRON) => "PRON",
        Some(UPOS::PROPN) => "PROPN",
        Some(UPOS::PUNCT) => "PUNCT",
        Some(UPOS::SCONJ) => "SCONJ",
        Some(UPOS::SYM) => "SYM",
        Some(UPOS::VERB) => "VERB",
    }
}

/// Letters with inner apostrophes and hyphens, digits with inner points and commas, line breaks, and each other mark by itself.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let start = self.rest.trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
        let first = start.chars().next()?;
        let end = match first {
            '\n' => start.find(|c: char| !c.is_whitespace()).unwrap_or(start.len()),
            c if c.is_alphabetic() => run(start, char::is_alphabetic, &['\'', '’', '-']),
            c if c.is_numeric() => run(start, char::is_numeric, &['.', ',']),
            c => c.len_utf8(),
        };
        let (token, rest) = start.split_at(end);
        self.rest = rest;
        Some(token)
    }
}

/// The length of a run of characters of one class, `joints` between two of them included.
fn run(text: &str, class: fn(char) -> bool, joints: &[char]) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let joins = joints.contains(&c) && chars.peek().is_some_and(|(_, next)| class(*next));
        if !class(c) && !joins {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_split_into_words() {
        let tokens: Vec<&str> = Tokens { rest: " Don't re-write 3.5, 2nd\r\n\n\tline–’s x-" }.collect();
        assert_eq!(tokens, ["Don't", "re-write", "3.5", ",", "2", "nd", "\n\n\t", "line", "–", "’", "s", "x", "-"]);
    }

    #[test]
    fn sentences_begin_after_marks_and_line_breaks() {
        let words = Tagger::new().words("\"Write\" a poem. Then: rhyme it\nplease");
        let begin: Vec<&str> = words.iter().filter(|word| word.begins).map(|word| word.text.as_str()).collect();
        assert_eq!(begin, ["write", "then", "rhyme", "please"]);
        assert!(words[1].quoted && !words[3].quoted && words[4].sentence == 0);
    }
}
