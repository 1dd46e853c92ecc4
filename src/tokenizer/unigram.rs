//! Unigram as SentencePiece has it: the pieces whose log-probabilities have the highest sum.

use std::ops::Range;

use super::charsmap::{Charsmap, Normalized};
use super::{SpecialTokens, UnigramModel};
use crate::error::{Error, ErrorCode, Result};

/// Stands for the space before a word.
pub const WORD_MARK: char = '\u{2581}';
/// How far an unknown character lies below the least probable piece.
const UNKNOWN_PENALTY: f64 = 10.0;

/// A piece of a text: its id and its bytes in the text.
pub type Piece = (u32, Range<usize>);

/// Text to pieces, with the ids that Hugging Face's tokenizer gives.
pub struct Unigram {
    charsmap: Charsmap,
    lexicon: Lexicon,
    /// Spelling and id of the special tokens: these are read where a text spells them out.
    specials: Vec<(String, u32)>,
    unk: u32,
    /// The space before a word where no piece takes it in.
    space: Option<u32>,
    unknown_score: f64,
}

impl Unigram {
    /// Checks the parts and sorts the pieces.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] for scores that are not as many as the tokens or not finite, a piece that is empty or there twice, and
    /// a charsmap that is broken.
    pub fn new(tokens: &[String], special: SpecialTokens, model: &UnigramModel) -> Result<Self> {
        let malformed = |what: String| Error::new(ErrorCode::ModelFormat, what);
        if model.scores.len() != tokens.len() {
            return Err(malformed(format!("the vocabulary has {} tokens and {} scores", tokens.len(), model.scores.len())));
        }
        if let Some((id, score)) = model.scores.iter().enumerate().find(|(_, score)| !score.is_finite()) {
            return Err(malformed(format!("the score of token {id} ({:?}) is {score}; it must be a finite number", tokens[id])));
        }
        let least = model.scores.iter().copied().fold(f32::INFINITY, f32::min);
        Ok(Self {
            charsmap: Charsmap::parse(&model.charsmap)?,
            lexicon: Lexicon::new(tokens, &model.scores)?,
            specials: special.all().map(|id| (tokens[id as usize].clone(), id)).into(),
            unk: special.unk,
            space: tokens.iter().position(|token| token.chars().eq([WORD_MARK])).map(|id| id as u32),
            unknown_score: f64::from(least) - UNKNOWN_PENALTY,
        })
    }

    /// Whether this piece is no more than the space before a word.
    pub fn is_space(&self, id: u32) -> bool {
        self.space == Some(id)
    }

    /// The pieces of a text. Special tokens that it spells out are found first; each part between them is normalized and split at white
    /// space, and each word gets [`WORD_MARK`] in front. Neighbouring unknown characters are one piece.
    pub fn encode(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut scratch = Scratch::default();
        let (mut done, mut at) = (0, 0);
        while let Some(c) = text[at..].chars().next() {
            let special =
                self.specials.iter().filter(|(token, _)| text[at..].starts_with(token.as_str())).max_by_key(|(token, _)| token.len());
            let Some((token, id)) = special else {
                at += c.len_utf8();
                continue;
            };
            self.encode_part(text, done..at, &mut scratch, &mut pieces);
            pieces.push((*id, at..at + token.len()));
            at += token.len();
            done = at;
        }
        self.encode_part(text, done..at, &mut scratch, &mut pieces);
        pieces
    }

    fn encode_part(&self, text: &str, part: Range<usize>, scratch: &mut Scratch, pieces: &mut Vec<Piece>) {
        let Normalized { text: normalized, sources } = self.charsmap.normalize(&text[part.clone()]);
        let mut at = 0;
        for word in normalized.split(char::is_whitespace) {
            if !word.is_empty() {
                scratch.word.clear();
                scratch.word.push(WORD_MARK);
                scratch.word.push_str(word);
                let first = pieces.len();
                self.segment(scratch, pieces);
                // From bytes of the word with its mark to bytes of the source.
                for (_, range) in &mut pieces[first..] {
                    let place = |byte: usize| sources[at + byte.saturating_sub(WORD_MARK.len_utf8())];
                    *range = part.start + place(range.start).0 as usize..part.start + place(range.end - 1).1 as usize;
                }
            }
            // White space is one byte now, or the two of U+0085.
            at += word.len();
            at += normalized[at..].chars().next().map_or(0, char::len_utf8);
        }
    }

    /// Viterbi: for each end of a character the best way to it. Of equal ways the one whose last piece begins first stays.
    fn segment(&self, Scratch { word, best }: &mut Scratch, pieces: &mut Vec<Piece>) {
        best.clear();
        best.resize(word.len() + 1, Way::default());
        for (start, c) in word.char_indices() {
            let so_far = best[start].score;
            let mut alone = false;
            let mut reach = |end: usize, score: f64, id: u32| {
                let way = &mut best[end];
                if way.start.is_none() || so_far + score > way.score {
                    *way = Way { score: so_far + score, start: Some(start as u32), id };
                }
            };
            self.lexicon.prefixes(&word.as_bytes()[start..], |len, id, score| {
                alone |= len == c.len_utf8();
                reach(start + len, f64::from(score), id);
            });
            if !alone {
                reach(start + c.len_utf8(), self.unknown_score, self.unk);
            }
        }
        let first = pieces.len();
        let mut end = word.len();
        while let Some(start) = best[end].start {
            let (start, id) = (start as usize, best[end].id);
            match pieces[first..].last_mut() {
                Some((last, range)) if id == self.unk && *last == self.unk => range.start = start,
                _ => pieces.push((id, start..end)),
            }
            end = start;
        }
        pieces[first..].reverse();
    }
}

/// What is used again from word to word.
#[derive(Default)]
struct Scratch {
    word: String,
    best: Vec<Way>,
}

/// The best way to a place in a word: its score, and where its last piece begins.
#[derive(Clone, Copy, Default)]
struct Way {
    score: f64,
    start: Option<u32>,
    id: u32,
}

/// The pieces in the order of their bytes: the prefixes of a text are found by narrowing a range, a byte at a time.
struct Lexicon {
    /// All pieces, one behind the other.
    text: Vec<u8>,
    /// Where each piece begins, and the end of the last.
    starts: Vec<u32>,
    /// Id and score of each.
    entries: Vec<(u32, f32)>,
    /// Where the pieces that begin with each byte start; they end where those of the next byte start.
    first: Vec<u32>,
}

impl Lexicon {
    fn new(tokens: &[String], scores: &[f32]) -> Result<Self> {
        let malformed = |what: String| Error::new(ErrorCode::ModelFormat, what);
        let mut order: Vec<u32> = (0..tokens.len() as u32).collect();
        let token = |id: u32| tokens[id as usize].as_bytes();
        order.sort_unstable_by(|&a, &b| token(a).cmp(token(b)).then(a.cmp(&b)));
        if let Some(&id) = order.first().filter(|&&id| token(id).is_empty()) {
            return Err(malformed(format!("token {id} of {} is empty", tokens.len())));
        }
        if let Some(pair) = order.windows(2).find(|pair| token(pair[0]) == token(pair[1])) {
            return Err(malformed(format!("tokens {} and {} are both {:?}", pair[0], pair[1], tokens[pair[0] as usize])));
        }
        let mut lexicon = Self { text: Vec::new(), starts: vec![0], entries: Vec::with_capacity(order.len()), first: Vec::new() };
        for &id in &order {
            lexicon.text.extend_from_slice(token(id));
            lexicon.starts.push(lexicon.text.len() as u32);
            lexicon.entries.push((id, scores[id as usize]));
        }
        lexicon.first = (0..=256).map(|byte| order.partition_point(|&id| usize::from(token(id)[0]) < byte) as u32).collect();
        Ok(lexicon)
    }

    fn piece(&self, at: usize) -> &[u8] {
        &self.text[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Calls `found` with length, id and score of each piece that begins `text`, the shortest first.
    fn prefixes(&self, text: &[u8], mut found: impl FnMut(usize, u32, f32)) {
        let Some(&byte) = text.first() else { return };
        let (mut low, mut high) = (self.first[usize::from(byte)] as usize, self.first[usize::from(byte) + 1] as usize);
        let mut depth = 1;
        // All pieces in low..high begin with the first `depth` bytes; one that has no more is the first of them.
        while low < high {
            if self.piece(low).len() == depth {
                let (id, score) = self.entries[low];
                found(depth, id, score);
                low += 1;
            }
            let Some(&byte) = text.get(depth) else { return };
            let bound = |from: usize, to: usize, below: &dyn Fn(u8) -> bool| {
                let (mut from, mut to) = (from, to);
                while from < to {
                    let middle = from.midpoint(to);
                    if below(self.piece(middle)[depth]) { from = middle + 1 } else { to = middle }
                }
                from
            };
            low = bound(low, high, &|b| b < byte);
            high = bound(low, high, &|b| b <= byte);
            depth += 1;
        }
    }
}
