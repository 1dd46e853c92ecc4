//! A vocabulary as a model file has it, with llama.cpp's keys.

use super::vocabulary::{UNIGRAM, WORDPIECE};
use super::{Segmentation, Vocabulary};
use crate::gguf::{GgufWriter, MetadataValue, keys};

/// llama.cpp's token types.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;

impl Vocabulary {
    /// The kind of tokenizer, the tokens and their types.
    pub(crate) fn write_tokens(&self, file: &mut GgufWriter) {
        let unigram = matches!(self.segmentation, Segmentation::Unigram(_));
        let kind = |id| {
            MetadataValue::I32(match id {
                id if unigram && id == self.special.unk => UNKNOWN,
                id if self.is_special(id) => CONTROL,
                _ => NORMAL,
            })
        };
        file.string(keys::TOKENIZER_MODEL, if unigram { UNIGRAM } else { WORDPIECE })
            .metadata(keys::TOKENS, MetadataValue::Array(self.stored_tokens().map(MetadataValue::String).collect()))
            .metadata(keys::TOKEN_TYPE, MetadataValue::Array((0..self.tokens.len() as u32).map(kind).collect()));
    }

    /// The ids of the special tokens.
    pub(crate) fn write_special(&self, file: &mut GgufWriter) {
        let special = self.special;
        for (key, id) in [
            (keys::BOS_ID, special.cls),
            (keys::CLS_ID, special.cls),
            (keys::EOS_ID, special.sep),
            (keys::SEP_ID, special.sep),
            (keys::UNK_ID, special.unk),
            (keys::PAD_ID, special.pad),
            (keys::MASK_ID, special.mask),
        ] {
            file.u32(key, id);
        }
    }

    /// What text goes through before it is pieces, and the scores of these.
    pub(crate) fn write_segmentation(&self, file: &mut GgufWriter) {
        match &self.segmentation {
            Segmentation::WordPiece(normalization) => file
                .metadata(keys::PIE_LOWERCASE, MetadataValue::Bool(normalization.lowercase))
                .metadata(keys::PIE_STRIP_ACCENTS, MetadataValue::Bool(normalization.strip_accents))
                .metadata(keys::PIE_CHINESE_CHARS, MetadataValue::Bool(normalization.handle_chinese_chars)),
            Segmentation::Unigram(model) => {
                for key in [keys::ADD_SPACE_PREFIX, keys::REMOVE_EXTRA_WHITESPACES, keys::ADD_BOS, keys::ADD_EOS] {
                    file.metadata(key, MetadataValue::Bool(true));
                }
                file.metadata(keys::SCORES, MetadataValue::Array(model.scores.iter().map(|&score| MetadataValue::F32(score)).collect()));
                if !model.charsmap.is_empty() {
                    let bytes = model.charsmap.iter().map(|&byte| MetadataValue::U8(byte)).collect();
                    file.metadata(keys::CHARSMAP, MetadataValue::Array(bytes));
                }
                file
            }
        };
    }
}
