//! WordPiece as BERT has it: a thin wrapper over the `tokenizers` crate's pipeline.

use ahash::AHashMap;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece as Model;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, TokenizerImpl};

use super::unigram::{Piece, WORD_MARK};
use super::{Normalization, SpecialTokens};
use crate::error::{Error, ErrorCode, Result};

/// Begins a piece that lies inside a word.
pub const CONTINUATION: &str = "##";
/// Longer words become `[UNK]`, as in every BERT tokenizer.
const MAX_CHARS_PER_WORD: usize = 100;

/// The pipeline with its concrete parts, so that the models and normalizers that BERT has no use for stay out of the binary.
type Pipeline = TokenizerImpl<Model, BertNormalizer, BertPreTokenizer, BertProcessing, WordPieceDecoder>;

/// Cleans, lower-cases, splits at white space and punctuation, then takes the longest pieces first.
pub struct WordPiece(Pipeline);

impl WordPiece {
    /// Builds the pipeline.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] when the vocabulary holds a piece twice.
    pub fn new(tokens: Vec<String>, special: SpecialTokens, normalization: Normalization) -> Result<Self> {
        let specials: Vec<AddedToken> = special.all().iter().map(|&id| AddedToken::from(tokens[id as usize].as_str(), true)).collect();
        let unk = tokens[special.unk as usize].clone();
        let len = tokens.len();
        let map: AHashMap<String, u32> = tokens.into_iter().zip(0..).collect();
        if map.len() != len {
            return Err(Error::new(ErrorCode::ModelFormat, format!("the vocabulary has {len} tokens, {} of them distinct", map.len())));
        }
        let build = || -> tokenizers::Result<Pipeline> {
            let model = Model::builder()
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
        Ok(Self(pipeline))
    }

    /// The ids of a text's pieces.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.0.encode_fast(text, false).map_err(internal)?.get_ids().to_vec())
    }

    /// The pieces with their bytes in the text, which takes longer.
    pub fn encode(&self, text: &str) -> Result<Vec<Piece>> {
        let pieces = self.0.encode(text, false).map_err(internal)?;
        Ok(pieces.get_ids().iter().zip(pieces.get_offsets()).map(|(&id, &(start, end))| (id, start..end)).collect())
    }
}

fn internal(e: tokenizers::Error) -> Error {
    Error::new(ErrorCode::Internal, format!("tokenizing: {e}")).with_source(e)
}

/// A piece as llama.cpp stores it: behind a mark where it begins a word, and without `##` where it does not.
pub fn to_stored(token: &str) -> String {
    match token.strip_prefix(CONTINUATION) {
        Some(piece) if !piece.is_empty() => piece.to_owned(),
        _ => format!("{WORD_MARK}{token}"),
    }
}

/// A piece as Hugging Face spells it.
pub fn from_stored(token: &str) -> String {
    match token.strip_prefix(WORD_MARK) {
        // The mark alone is the piece `##▁`: no vocabulary has an empty word.
        Some(word) if !word.is_empty() => word.to_owned(),
        _ => format!("{CONTINUATION}{token}"),
    }
}
