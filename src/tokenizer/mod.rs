//! Text to token ids: WordPiece by the `tokenizers` crate, Unigram by this one, built from a model file's vocabulary.

mod charsmap;
mod lost;
#[cfg(feature = "convert")]
mod store;
mod unigram;
mod vocabulary;
mod wordpiece;

use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;
use lost::Lost;
use unigram::{Piece, Unigram};
use wordpiece::WordPiece;

#[cfg(feature = "convert")]
pub(crate) use charsmap::{Charsmap, ENDS_KEY, LEAF, MAX_CLUSTER};
#[cfg(feature = "convert")]
pub(crate) use unigram::WORD_MARK;
pub use vocabulary::{Normalization, Segmentation, SpecialTokens, UnigramModel, Vocabulary};
#[cfg(feature = "convert")]
pub(crate) use wordpiece::CONTINUATION;

/// A text longer than this is cut to its first and last half of it before it is tokenized: about ten times what 512 tokens hold.
pub const MAX_CHARS: usize = 32_768;
/// `[CLS]` and `[SEP]`.
const FRAME: usize = 2;

/// The token ids of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// `[CLS]`, the pieces, `[SEP]`.
    pub input_ids: Vec<u32>,
    /// Whether the middle of the text was left out.
    pub truncated: bool,
    /// The share of the text's pieces that the vocabulary has no word for, in 0..=1: those that are `[UNK]`, and letters of a script in
    /// which the vocabulary has fewer than 20 words, such as Russian ones in an English vocabulary. A word of such letters is one piece in
    /// WordPiece.
    ///
    /// Counted are the pieces of the text alone, without the prompt's template, `[CLS]` and `[SEP]`, before the middle is left out
    /// to fit `max_tokens`. A text without any piece, such as one of control characters, counts as 1. In a Unigram vocabulary unknown
    /// characters that follow each other are one piece, and a piece of only the space before a word does not count.
    pub unread: f32,
}

enum Engine {
    WordPiece(Box<WordPiece>),
    Unigram(Box<Unigram>),
}

impl Engine {
    fn encode(&self, text: &str) -> Result<Vec<Piece>> {
        match self {
            Self::WordPiece(engine) => engine.encode(text),
            Self::Unigram(engine) => Ok(engine.encode(text)),
        }
    }

    /// Whether a piece has no character of the text, but only the space before a word.
    fn is_space(&self, id: u32) -> bool {
        matches!(self, Self::Unigram(engine) if engine.is_space(id))
    }
}

/// Turns texts into token ids.
pub struct Tokenizer {
    engine: Engine,
    special: SpecialTokens,
    lost: Lost,
}

impl Tokenizer {
    /// Builds the tokenizer of a vocabulary.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when a special token's id is beyond the vocabulary or a piece is there twice; and of a Unigram
    /// vocabulary for scores that are not as many as the tokens or not finite, an empty piece, or a broken charsmap.
    pub fn new(vocabulary: Vocabulary) -> Result<Self> {
        let Vocabulary { tokens, special, segmentation } = vocabulary;
        if let Some(id) = special.all().into_iter().find(|&id| id as usize >= tokens.len()) {
            return Err(Error::new(ErrorCode::ModelFormat, format!("a special token is {id}; the vocabulary has {} tokens", tokens.len())));
        }
        let lost = Lost::new(&tokens, special.unk);
        let engine = match segmentation {
            Segmentation::WordPiece(normalization) => Engine::WordPiece(Box::new(WordPiece::new(tokens, special, normalization)?)),
            Segmentation::Unigram(model) => Engine::Unigram(Box::new(Unigram::new(&tokens, special, &model)?)),
        };
        Ok(Self { engine, special, lost })
    }

    /// The ids of `text` in `prompt`, at most `max_tokens` with `[CLS]` and `[SEP]`.
    ///
    /// A text that is too long keeps its head and its tail: of the `n` pieces that fit beside the prompt, the first `n - n / 2` and
    /// the last `n / 2`. Texts of more than [`MAX_CHARS`] characters are cut in the same way before they are tokenized.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidPrompt`] when the prompt alone fills `max_tokens`.
    pub fn encode(&self, text: &str, prompt: &Prompt, max_tokens: usize) -> Result<Tokens> {
        let cut = cut_middle(text, MAX_CHARS);
        let (rendered, instruction) = prompt.render(cut.as_deref().unwrap_or(text));
        // Offsets tell the instruction's pieces from the template's. WordPiece takes long to find them, so a text that fits, has a piece
        // and has no lost one does without.
        if let Engine::WordPiece(engine) = &self.engine
            && rendered[instruction.clone()].contains(|c: char| c.is_ascii_graphic())
        {
            let ids = engine.ids(&rendered)?;
            if ids.len() + FRAME <= max_tokens && self.lost.is_none(&ids) {
                return Ok(Tokens { input_ids: self.frame(&[&ids]), truncated: cut.is_some(), unread: 0.0 });
            }
        }
        let pieces = self.engine.encode(&rendered)?;
        let ids: Vec<u32> = pieces.iter().map(|&(id, _)| id).collect();
        let first = pieces.iter().position(|(_, range)| range.end > instruction.start).unwrap_or(ids.len());
        let last = pieces.iter().rposition(|(_, range)| range.start < instruction.end).map_or(first, |at| (at + 1).max(first));
        let unread = self.unread(&ids[first..last]);
        if ids.len() + FRAME <= max_tokens {
            return Ok(Tokens { input_ids: self.frame(&[&ids]), truncated: cut.is_some(), unread });
        }
        let template = ids.len() - (last - first);
        let budget = max_tokens.saturating_sub(FRAME + template);
        if budget == 0 {
            let message = format!("the prompt takes {template} tokens; with [CLS] and [SEP] no room is left for the text in {max_tokens}");
            return Err(Error::new(ErrorCode::InvalidPrompt, message));
        }
        let (head, tail) = (first + budget - budget / 2, last - budget / 2);
        Ok(Tokens { input_ids: self.frame(&[&ids[..head], &ids[tail..]]), truncated: true, unread })
    }

    /// The share of a text's pieces that are lost; nothing was read of a text without pieces.
    fn unread(&self, pieces: &[u32]) -> f32 {
        self.lost.share(pieces.iter().copied().filter(|&id| !self.engine.is_space(id)))
    }

    fn frame(&self, parts: &[&[u32]]) -> Vec<u32> {
        let mut ids = Vec::with_capacity(FRAME + parts.iter().map(|p| p.len()).sum::<usize>());
        ids.push(self.special.cls);
        for part in parts {
            ids.extend_from_slice(part);
        }
        ids.push(self.special.sep);
        ids
    }
}

/// The first and the last half of `max` characters, or `None` when the text has no more than `max`.
fn cut_middle(text: &str, max: usize) -> Option<String> {
    if text.len() <= max || text.chars().nth(max).is_none() {
        return None;
    }
    let head_end = text.char_indices().nth(max / 2).map_or(text.len(), |(at, _)| at);
    let tail_start = text.char_indices().nth_back(max / 2 - 1).map_or(0, |(at, _)| at);
    Some([&text[..head_end], &text[tail_start..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_spelling_round_trips() {
        for token in ["the", "##ing", "##\u{2581}", "\u{2581}", "[unused0]", "#", "##", "###"] {
            let special = SpecialTokens { cls: 0, sep: 1, unk: 2, pad: 3, mask: 4 };
            let mut tokens: Vec<String> = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"].map(String::from).into();
            tokens.push(token.to_owned());
            let vocabulary = Vocabulary { tokens, special, segmentation: Segmentation::WordPiece(Normalization::default()) };
            let stored = vocabulary.stored_tokens().last().unwrap();
            assert_eq!(wordpiece::from_stored(&stored), token, "stored as {stored:?}");
        }
    }

    fn tokenizer() -> Tokenizer {
        let tokens = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", "a", "##a", "b", "see", ":"].map(String::from).into();
        let special = SpecialTokens { cls: 0, sep: 1, unk: 2, pad: 3, mask: 4 };
        Tokenizer::new(Vocabulary { tokens, special, segmentation: Segmentation::WordPiece(Normalization::default()) }).unwrap()
    }

    #[test]
    fn unread_is_the_share_of_unknown_pieces() {
        let tokenizer = tokenizer();
        let unread = |text: &str| tokenizer.encode(text, &Prompt::none(), 100).unwrap().unread;
        assert_eq!(unread("a aa b"), 0.0);
        assert_eq!(unread("a zebra b b"), 0.25);
        assert_eq!(unread("qqq, 春"), 1.0);
        // Control characters leave no piece.
        assert_eq!(unread("\u{1}\u{2}"), 1.0);
    }

    #[test]
    fn unread_leaves_the_template_out_and_what_is_cut_in() {
        let tokenizer = tokenizer();
        let prompt: Prompt = "see strange: {instruction} strange".parse().unwrap();
        let unread = |text: &str, max| tokenizer.encode(text, &prompt, max).unwrap().unread;
        assert_eq!(unread("a b", 100), 0.0);
        assert_eq!(unread("a q b b", 100), 0.25);
        let known = tokenizer.encode("\u{1}", &"see: {instruction}".parse().unwrap(), 100).unwrap();
        assert_eq!((known.input_ids.len(), known.unread), (4, 1.0));
        assert_eq!(unread("\u{1}", 100), 1.0);
        // Two of the eight pieces fit; the six that are left out count too.
        let cut = tokenizer.encode("a q q q q q q b", &prompt, 8).unwrap();
        assert_eq!((cut.truncated, cut.input_ids.len(), cut.unread), (true, 8, 0.75));
    }

    #[test]
    fn cut_middle_keeps_head_and_tail() {
        assert_eq!(cut_middle("abcdef", 6), None);
        assert_eq!(cut_middle("äbcdéf", 4).as_deref(), Some("äbéf"));
        assert_eq!(cut_middle("ääää", 4), None);
    }
}
