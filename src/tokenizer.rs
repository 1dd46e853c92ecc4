//! Text to token ids: a thin wrapper over the `tokenizers` crate's WordPiece pipeline, built from a model file's vocabulary.

use ahash::AHashMap;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, TokenizerImpl};

use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, keys};
use crate::prompt::Prompt;

mod lost;

use lost::Lost;

/// llama.cpp writes pieces that begin a word behind this mark and strips `##` from the others.
const WORD_MARK: char = '\u{2581}';
const CONTINUATION: &str = "##";
/// Longer words become `[UNK]`, as in every BERT tokenizer.
const MAX_CHARS_PER_WORD: usize = 100;
/// A text longer than this is cut to its first and last half of it before it is tokenized: about ten times what 512 tokens hold.
pub const MAX_CHARS: usize = 32_768;
/// `[CLS]` and `[SEP]`.
const FRAME: usize = 2;

/// The pipeline with its concrete parts, so that the models and normalizers that BERT has no use for stay out of the binary.
type Pipeline = TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, BertProcessing, WordPieceDecoder>;

/// What a vocabulary does to text before it is split into pieces, with the names of Hugging Face's `BertNormalizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalization {
    pub lowercase: bool,
    pub strip_accents: bool,
    pub handle_chinese_chars: bool,
}

impl Default for Normalization {
    /// That of the uncased BERT models.
    fn default() -> Self {
        Self { lowercase: true, strip_accents: true, handle_chinese_chars: true }
    }
}

/// The ids of the special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    pub cls: u32,
    pub sep: u32,
    pub unk: u32,
    pub pad: u32,
    pub mask: u32,
}

/// A vocabulary in Hugging Face's spelling, with what goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// Pieces by id; those inside a word begin with `##`.
    pub tokens: Vec<String>,
    pub special: SpecialTokens,
    pub normalization: Normalization,
}

impl Vocabulary {
    /// The vocabulary of a model file.
    ///
    /// # Errors
    /// [`ErrorCode::ModelUnsupported`] for a tokenizer other than WordPiece, [`ErrorCode::ModelFormat`] for ids out of range.
    pub fn from_gguf(gguf: &Gguf<'_>) -> Result<Self> {
        let kind = gguf.string(keys::TOKENIZER_MODEL)?;
        if kind != "bert" {
            return Err(Error::new(ErrorCode::ModelUnsupported, format!("tokenizer {kind:?}; only \"bert\" (WordPiece) is read")));
        }
        let stored = gguf.strings(keys::TOKENS)?;
        let id = |key| {
            let id = gguf.size(key)?;
            if id >= stored.len() {
                return Err(Error::new(ErrorCode::ModelFormat, format!("{key} is {id}; the vocabulary has {} tokens", stored.len())));
            }
            Ok(id as u32)
        };
        // llama.cpp knows [CLS] as the token that begins a text.
        let either = |first, second| id(if gguf.get(first).is_some() { first } else { second });
        let cls = either(keys::BOS_ID, keys::CLS_ID)?;
        let sep = either(keys::SEP_ID, keys::EOS_ID)?;
        let special = SpecialTokens { cls, sep, unk: id(keys::UNK_ID)?, pad: id(keys::PAD_ID)?, mask: id(keys::MASK_ID)? };
        let specials = special.all();
        let tokens =
            stored.iter().zip(0..).map(|(token, id)| if specials.contains(&id) { (*token).to_owned() } else { from_stored(token) });
        Ok(Self {
            tokens: tokens.collect(),
            special,
            normalization: Normalization {
                lowercase: gguf.bool_or(keys::PIE_LOWERCASE, true)?,
                strip_accents: gguf.bool_or(keys::PIE_STRIP_ACCENTS, true)?,
                handle_chinese_chars: gguf.bool_or(keys::PIE_CHINESE_CHARS, true)?,
            },
        })
    }

    /// The tokens as a model file stores them.
    pub fn stored_tokens(&self) -> impl Iterator<Item = String> + '_ {
        let specials = self.special.all();
        self.tokens.iter().zip(0..).map(move |(token, id)| {
            if specials.contains(&id) {
                token.clone()
            } else {
                match token.strip_prefix(CONTINUATION) {
                    Some(piece) if !piece.is_empty() => piece.to_owned(),
                    _ => format!("{WORD_MARK}{token}"),
                }
            }
        })
    }

    /// Whether this id is `[CLS]`, `[SEP]`, `[UNK]`, `[PAD]` or `[MASK]`.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.all().contains(&id)
    }
}

impl SpecialTokens {
    const fn all(&self) -> [u32; 5] {
        [self.cls, self.sep, self.unk, self.pad, self.mask]
    }
}

fn from_stored(token: &str) -> String {
    match token.strip_prefix(WORD_MARK) {
        // The mark alone is the piece `##▁`: no vocabulary has an empty word.
        Some(word) if !word.is_empty() => word.to_owned(),
        _ => format!("{CONTINUATION}{token}"),
    }
}

/// The token ids of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// `[CLS]`, the pieces, `[SEP]`.
    pub input_ids: Vec<u32>,
    /// Whether the middle of the text was left out.
    pub truncated: bool,
    /// The share of the text's pieces that the vocabulary has no word for, in 0..=1: those that are `[UNK]`, and letters of a script in
    /// which the vocabulary has fewer than 20 words, such as Russian ones in an English vocabulary. A word of such letters is one piece.
    ///
    /// Counted are the pieces of the text alone, without the prompt's template, `[CLS]` and `[SEP]`, before the middle is left out
    /// to fit `max_tokens`. A text without any piece, such as one of control characters, counts as 1.
    pub unread: f32,
}

/// Turns texts into token ids.
pub struct Tokenizer {
    pipeline: Pipeline,
    special: SpecialTokens,
    lost: Lost,
}

impl Tokenizer {
    /// Builds the pipeline: clean, lower-case, split at white space and punctuation, then longest pieces first.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when the vocabulary holds a piece twice.
    pub fn new(vocabulary: Vocabulary) -> Result<Self> {
        let Vocabulary { tokens, special, normalization } = vocabulary;
        let specials: Vec<AddedToken> = special.all().iter().map(|&id| AddedToken::from(tokens[id as usize].as_str(), true)).collect();
        let unk = tokens[special.unk as usize].clone();
        let len = tokens.len();
        let lost = Lost::new(&tokens, special.unk);
        let map: AHashMap<String, u32> = tokens.into_iter().zip(0..).collect();
        if map.len() != len {
            return Err(Error::new(ErrorCode::ModelFormat, format!("the vocabulary has {len} tokens, {} of them distinct", map.len())));
        }
        let build = || -> tokenizers::Result<Pipeline> {
            let model = WordPiece::builder()
                .vocab(map)
                .unk_token(unk)
                .continuing_subword_prefix(CONTINUATION.to_owned())
                .max_input_chars_per_word(MAX_CHARS_PER_WORD)
                .build()?;
            let Normalization { lowercase, strip_accents, handle_chinese_chars } = normalization;
            let mut pipeline = Pipeline::new(model);
            pipeline.with_normalizer(Some(BertNormalizer::new(true, handle_chinese_chars, Some(strip_accents), lowercase)))?;
            pipeline.with_pre_tokenizer(Some(BertPreTokenizer));
            pipeline.add_special_tokens(specials)?;
            Ok(pipeline)
        };
        let pipeline = build().map_err(|e| Error::new(ErrorCode::ModelFormat, format!("the vocabulary makes no tokenizer: {e}")))?;
        Ok(Self { pipeline, special, lost })
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
        let pieces = self.pipeline.encode_fast(rendered.as_str(), false).map_err(internal)?;
        let (ids, fits) = (pieces.get_ids(), pieces.get_ids().len() + FRAME <= max_tokens);
        if fits && !ids.is_empty() && self.lost.is_none(ids) {
            return Ok(Tokens { input_ids: self.frame(&[ids]), truncated: cut.is_some(), unread: 0.0 });
        }
        // Only now are offsets needed: they tell the instruction's pieces from the template's.
        let pieces = self.pipeline.encode(rendered.as_str(), false).map_err(internal)?;
        let (ids, offsets) = (pieces.get_ids(), pieces.get_offsets());
        let first = offsets.iter().position(|&(_, end)| end > instruction.start).unwrap_or(ids.len());
        let last = offsets.iter().rposition(|&(start, _)| start < instruction.end).map_or(first, |at| (at + 1).max(first));
        let unread = self.lost.share(ids[first..last].iter().copied());
        if fits {
            return Ok(Tokens { input_ids: self.frame(&[ids]), truncated: cut.is_some(), unread });
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

fn internal(e: tokenizers::Error) -> Error {
    Error::new(ErrorCode::Internal, format!("tokenizing: {e}")).with_source(e)
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
            let vocabulary = Vocabulary { tokens, special, normalization: Normalization::default() };
            let stored = vocabulary.stored_tokens().last().unwrap();
            assert_eq!(from_stored(&stored), token, "stored as {stored:?}");
        }
    }

    fn tokenizer() -> Tokenizer {
        let tokens = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", "a", "##a", "b", "see", ":"].map(String::from).into();
        let special = SpecialTokens { cls: 0, sep: 1, unk: 2, pad: 3, mask: 4 };
        Tokenizer::new(Vocabulary { tokens, special, normalization: Normalization::default() }).unwrap()
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
