//! What a model file or a checkpoint says of its tokenizer.

use super::wordpiece::{from_stored, to_stored};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, keys};

/// `tokenizer.ggml.model` of WordPiece and of Unigram, as llama.cpp names them.
pub const WORDPIECE: &str = "bert";
pub const UNIGRAM: &str = "t5";

/// What a WordPiece vocabulary does to text before it is split into pieces, with the names of Hugging Face's `BertNormalizer`.
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

/// What a Unigram vocabulary has beside its pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnigramModel {
    /// The log-probability of each piece, by id.
    pub scores: Vec<f32>,
    /// SentencePiece's `precompiled_charsmap`, which normalizes a text; empty where the text stays as it is.
    pub charsmap: Vec<u8>,
}

/// How text becomes pieces.
#[derive(Clone, Debug, PartialEq)]
pub enum Segmentation {
    /// BERT splits words so: it takes the longest piece that fits, again and again.
    WordPiece(Normalization),
    /// SentencePiece and XLM-R split texts so: they take the most probable sequence of pieces.
    Unigram(UnigramModel),
}

/// The ids of the special tokens, by BERT's names; XLM-R has `<s>`, `</s>`, `<unk>`, `<pad>` and `<mask>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    pub cls: u32,
    pub sep: u32,
    pub unk: u32,
    pub pad: u32,
    pub mask: u32,
}

impl SpecialTokens {
    pub(super) const fn all(&self) -> [u32; 5] {
        [self.cls, self.sep, self.unk, self.pad, self.mask]
    }
}

/// A vocabulary in Hugging Face's spelling, with what goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// Pieces by id. In WordPiece those inside a word begin with `##`; in Unigram those that begin a word begin with `▁`.
    pub tokens: Vec<String>,
    pub special: SpecialTokens,
    pub segmentation: Segmentation,
}

impl Vocabulary {
    /// The vocabulary of a model file.
    ///
    /// # Errors
    /// [`ErrorCode::ModelUnsupported`] for a tokenizer other than WordPiece and Unigram, [`ErrorCode::ModelFormat`] for ids out of range
    /// and for scores that are not as many numbers as there are tokens.
    pub fn from_gguf(gguf: &Gguf<'_>) -> Result<Self> {
        let kind = gguf.string(keys::TOKENIZER_MODEL)?;
        if ![WORDPIECE, UNIGRAM].contains(&kind) {
            let message = format!("tokenizer {kind:?}; only {WORDPIECE:?} (WordPiece) and {UNIGRAM:?} (Unigram) are read");
            return Err(Error::new(ErrorCode::ModelUnsupported, message));
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
        if kind == UNIGRAM {
            let tokens = stored.iter().map(|&token| token.to_owned()).collect();
            return Ok(Self { tokens, special, segmentation: Segmentation::Unigram(unigram_from_gguf(gguf)?) });
        }
        let specials = special.all();
        let tokens =
            stored.iter().zip(0..).map(|(token, id)| if specials.contains(&id) { (*token).to_owned() } else { from_stored(token) });
        Ok(Self {
            tokens: tokens.collect(),
            special,
            segmentation: Segmentation::WordPiece(Normalization {
                lowercase: gguf.bool_or(keys::PIE_LOWERCASE, true)?,
                strip_accents: gguf.bool_or(keys::PIE_STRIP_ACCENTS, true)?,
                handle_chinese_chars: gguf.bool_or(keys::PIE_CHINESE_CHARS, true)?,
            }),
        })
    }

    /// The tokens as a model file stores them.
    pub fn stored_tokens(&self) -> impl Iterator<Item = String> + '_ {
        let wordpiece = matches!(self.segmentation, Segmentation::WordPiece(_));
        let stored = move |(token, id): (&String, u32)| if wordpiece && !self.is_special(id) { to_stored(token) } else { token.clone() };
        self.tokens.iter().zip(0..).map(stored)
    }

    /// Whether this id is one of the five special tokens.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.all().contains(&id)
    }
}

fn unigram_from_gguf(gguf: &Gguf<'_>) -> Result<UnigramModel> {
    for key in [keys::ADD_SPACE_PREFIX, keys::REMOVE_EXTRA_WHITESPACES] {
        if !gguf.bool_or(key, true)? {
            return Err(Error::new(ErrorCode::ModelUnsupported, format!("{key} is false; only true is read")));
        }
    }
    let scores = gguf.floats(keys::SCORES)?;
    let charsmap = if gguf.get(keys::CHARSMAP).is_some() { gguf.bytes(keys::CHARSMAP)?.to_vec() } else { Vec::new() };
    Ok(UnigramModel { scores, charsmap })
}
