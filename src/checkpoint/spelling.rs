//! The pieces that a smaller vocabulary needs to spell what its corpus does not have.

use std::collections::{HashMap, HashSet};

use unicode_script::{Script, UnicodeScript};

use crate::tokenizer::{CONTINUATION, Segmentation, Vocabulary, WORD_MARK};

/// Of a script with more characters than this the most probable are kept, and those in the corpus. In XLM-R's vocabulary that is Han
/// alone, with 7,690; so many are more than 99 % of what Chinese and Japanese texts have.
const MAX_OF_SCRIPT: usize = 3_000;

/// Which pieces are needed; `used` says which ones the corpus has.
pub fn required<'a>(vocabulary: &Vocabulary, used: &[bool], texts: impl Iterator<Item = &'a str>) -> Vec<bool> {
    match &vocabulary.segmentation {
        Segmentation::WordPiece(_) => required_of_wordpiece(vocabulary, texts),
        Segmentation::Unigram(model) => required_of_unigram(vocabulary, &model.scores, used),
    }
}

/// BERT's `[unused0]`, …
pub fn is_placeholder(token: &str) -> bool {
    token.starts_with("[unused") && token.ends_with(']')
}

/// Scripts whose characters stand between those of every language.
fn common_scripts() -> HashSet<Script> {
    HashSet::from([Script::Latin, Script::Common, Script::Inherited])
}

/// A piece that is one character.
fn single(piece: &str) -> Option<char> {
    let mut characters = piece.chars();
    characters.next().filter(|_| characters.next().is_none())
}

fn required_of_unigram(vocabulary: &Vocabulary, scores: &[f32], used: &[bool]) -> Vec<bool> {
    let pieces = || vocabulary.tokens.iter().zip(used);
    let in_corpus: HashSet<char> = pieces().filter(|(_, used)| **used).flat_map(|(piece, _)| piece.chars()).collect();
    let mut scripts = common_scripts();
    scripts.extend(in_corpus.iter().map(|c| c.script()));
    let mut keep: Vec<bool> = (0..vocabulary.tokens.len() as u32).map(|id| vocabulary.is_special(id)).collect();
    let mut alphabets: HashMap<Script, Vec<usize>> = HashMap::new();
    for (id, piece) in vocabulary.tokens.iter().enumerate() {
        if let Some(c) = single(piece).filter(|c| scripts.contains(&c.script())) {
            keep[id] = c == WORD_MARK || in_corpus.contains(&c);
            alphabets.entry(c.script()).or_default().push(id);
        }
    }
    for ids in alphabets.values_mut() {
        ids.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        ids.iter().take(MAX_OF_SCRIPT).for_each(|&id| keep[id] = true);
    }
    keep
}

fn required_of_wordpiece<'a>(vocabulary: &Vocabulary, texts: impl Iterator<Item = &'a str>) -> Vec<bool> {
    let mut scripts = common_scripts();
    scripts.extend(texts.flat_map(str::chars).map(|c| c.script()));
    // Characters that stand alone in the vocabulary, at a word's beginning and inside a word.
    let mut alone: [HashSet<char>; 2] = Default::default();
    for token in &vocabulary.tokens {
        let (piece, begins) = spelling(token);
        alone[usize::from(begins)].extend(single(piece));
    }
    let needed = |id: usize, token: &str| {
        if vocabulary.is_special(id as u32) {
            return true;
        }
        if is_placeholder(token) {
            return false;
        }
        let (piece, begins) = spelling(token);
        piece.chars().enumerate().any(|(at, c)| {
            let place = usize::from(begins && at == 0);
            scripts.contains(&c.script()) && (single(piece).is_some() || !alone[place].contains(&c))
        })
    };
    vocabulary.tokens.iter().enumerate().map(|(id, token)| needed(id, token)).collect()
}

/// A piece's characters, and whether it begins a word.
fn spelling(token: &str) -> (&str, bool) {
    match token.strip_prefix(CONTINUATION) {
        Some(rest) if !rest.is_empty() => (rest, false),
        _ => (token, true),
    }
}
