//! Writing `tokenizer.json` and `tokenizer_config.json`, as Hugging Face reads them.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

use crate::config::EncoderConfig;
use crate::tokenizer::{CONTINUATION, Segmentation, UnigramModel, Vocabulary, WORD_MARK};

/// `tokenizer.json` of a BERT, or of one with XLM-R's tokenizer.
pub fn tokenizer_json(vocabulary: &Vocabulary) -> Value {
    let special = vocabulary.special;
    let token = |id: u32| vocabulary.tokens[id as usize].as_str();
    let mut ids = [special.pad, special.unk, special.cls, special.sep, special.mask];
    ids.sort_unstable();
    let added = ids.map(|id| {
        json!({
            "id": id, "content": token(id), "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
        })
    });
    let (cls, sep) = (token(special.cls), token(special.sep));
    let frame = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let text = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let (parts, pair) = match &vocabulary.segmentation {
        Segmentation::WordPiece(normalization) => {
            let vocab: Map<String, Value> = vocabulary.tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
            let parts = json!({
                "normalizer": {
                    "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": normalization.handle_chinese_chars,
                    "strip_accents": normalization.strip_accents, "lowercase": normalization.lowercase,
                },
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "decoder": {"type": "WordPiece", "prefix": CONTINUATION, "cleanup": true},
                "model": {
                    "type": "WordPiece", "unk_token": token(special.unk), "continuing_subword_prefix": CONTINUATION,
                    "max_input_chars_per_word": 100, "vocab": vocab,
                },
            });
            (parts, json!([frame(cls, 0), text("A", 0), frame(sep, 0), text("B", 1), frame(sep, 1)]))
        }
        Segmentation::Unigram(model) => {
            let pair = json!([frame(cls, 0), text("A", 0), frame(sep, 0), frame(sep, 0), text("B", 0), frame(sep, 0)]);
            (unigram_parts(vocabulary, model), pair)
        }
    };
    let mut file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [frame(cls, 0), text("A", 0), frame(sep, 0)],
            "pair": pair,
            "special_tokens": {
                cls: {"id": cls, "ids": [special.cls], "tokens": [cls]},
                sep: {"id": sep, "ids": [special.sep], "tokens": [sep]},
            },
        },
    });
    if let (Value::Object(file), Value::Object(parts)) = (&mut file, parts) {
        file.extend(parts);
    }
    file
}

fn unigram_parts(vocabulary: &Vocabulary, model: &UnigramModel) -> Value {
    let metaspace = json!({"type": "Metaspace", "replacement": WORD_MARK, "prepend_scheme": "always", "split": true});
    let normalizer = if model.charsmap.is_empty() {
        Value::Null
    } else {
        json!({"type": "Precompiled", "precompiled_charsmap": Base64::encode_string(&model.charsmap)})
    };
    // f64 holds each score as it is.
    let vocab: Vec<Value> = vocabulary.tokens.iter().zip(&model.scores).map(|(token, &score)| json!([token, f64::from(score)])).collect();
    json!({
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": vocabulary.special.unk, "vocab": vocab},
    })
}

/// `tokenizer_config.json`, for transformers.
pub fn tokenizer_config_json(config: &EncoderConfig, vocabulary: &Vocabulary) -> Value {
    let token = |id: u32| vocabulary.tokens[id as usize].as_str();
    let special = vocabulary.special;
    let mut file = json!({
        "model_max_length": config.max_position_embeddings,
        "cls_token": token(special.cls),
        "sep_token": token(special.sep),
        "unk_token": token(special.unk),
        "pad_token": token(special.pad),
        "mask_token": token(special.mask),
    });
    match &vocabulary.segmentation {
        Segmentation::WordPiece(normalization) => {
            file["tokenizer_class"] = "BertTokenizer".into();
            file["do_lower_case"] = normalization.lowercase.into();
            file["strip_accents"] = normalization.strip_accents.into();
            file["tokenize_chinese_chars"] = normalization.handle_chinese_chars.into();
        }
        // The class that takes all from tokenizer.json.
        Segmentation::Unigram(_) => {
            file["tokenizer_class"] = "PreTrainedTokenizerFast".into();
            file["bos_token"] = token(special.cls).into();
            file["eos_token"] = token(special.sep).into();
        }
    }
    file
}
