//! Reading `tokenizer.json`: WordPiece as BERT has it, Unigram as XLM-R has it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use serde_json::Value;

use super::parse;
use crate::error::{Error, ErrorCode, Result};
use crate::tokenizer::{Normalization, Segmentation, SpecialTokens, UnigramModel, Vocabulary, WORD_MARK};

/// What SentencePiece makes one space of.
const SPACES: &str = " {2,}";

#[derive(Deserialize)]
struct RawTokenizer {
    model: RawModel,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<RawAddedToken>,
}

#[derive(Deserialize)]
struct RawModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: Value,
    continuing_subword_prefix: Option<String>,
    unk_id: Option<usize>,
    #[serde(default)]
    byte_fallback: bool,
}

#[derive(Deserialize)]
struct RawNormalizer {
    #[serde(default = "yes")]
    lowercase: bool,
    strip_accents: Option<bool>,
    #[serde(default = "yes")]
    handle_chinese_chars: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct RawAddedToken {
    id: usize,
    content: String,
}

pub fn read_vocabulary(path: &Path) -> Result<Vocabulary> {
    let raw: RawTokenizer = parse(path)?;
    match raw.model.kind.as_deref() {
        Some("WordPiece") => wordpiece(raw),
        Some("Unigram") => unigram(raw),
        other => Err(unsupported(format!("tokenizer model {:?}; only WordPiece and Unigram are read", other.unwrap_or("without a type")))),
    }
    .map_err(|e| e.context(path.display()))
}

fn unsupported(what: String) -> Error {
    Error::new(ErrorCode::ModelUnsupported, what)
}

fn malformed(what: impl Display) -> Error {
    Error::new(ErrorCode::ModelFormat, what.to_string())
}

fn wordpiece(raw: RawTokenizer) -> Result<Vocabulary> {
    if let Some(prefix) = raw.model.continuing_subword_prefix.filter(|prefix| prefix != "##") {
        return Err(unsupported(format!("continuing_subword_prefix is {prefix:?}; only \"##\" is read")));
    }
    let normalizer = raw.normalizer.ok_or_else(|| unsupported("no normalizer; BertNormalizer is expected".to_owned()))?;
    if kind(&normalizer) != "BertNormalizer" {
        return Err(unsupported(format!("normalizer {:?}; only BertNormalizer is read", kind(&normalizer))));
    }
    let normalizer: RawNormalizer = serde_json::from_value(normalizer).map_err(|e| malformed(format!("normalizer: {e}")))?;
    let mut by_id: Vec<(usize, String)> = serde_json::from_value::<BTreeMap<String, usize>>(raw.model.vocab)
        .map_err(|e| malformed(format!("vocab: {e}")))?
        .into_iter()
        .map(|(token, id)| (id, token))
        .collect();
    by_id.extend(raw.added_tokens.into_iter().map(|t| (t.id, t.content)));
    by_id.sort();
    by_id.dedup();
    if let Some((n, (id, token))) = by_id.iter().enumerate().find(|(n, (id, _))| n != id) {
        return Err(malformed(format!("token ids are not 0, 1, 2, …: the {n}th is {id} ({token:?})")));
    }
    let tokens: Vec<String> = by_id.into_iter().map(|(_, token)| token).collect();
    let special = specials(&tokens, ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"])?;
    let segmentation = Segmentation::WordPiece(Normalization {
        lowercase: normalizer.lowercase,
        // Hugging Face: accents go with the case unless it says otherwise.
        strip_accents: normalizer.strip_accents.unwrap_or(normalizer.lowercase),
        handle_chinese_chars: normalizer.handle_chinese_chars,
    });
    Ok(Vocabulary { tokens, special, segmentation })
}

fn unigram(raw: RawTokenizer) -> Result<Vocabulary> {
    if raw.model.byte_fallback {
        return Err(unsupported("byte_fallback is true; only Unigram without pieces for bytes is read".to_owned()));
    }
    check_metaspace(raw.pre_tokenizer.as_ref())?;
    let Value::Array(entries) = raw.model.vocab else {
        return Err(malformed("vocab is no list of pairs, piece and score"));
    };
    let (mut tokens, mut scores) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for (id, entry) in entries.into_iter().enumerate() {
        let (token, score): (String, f64) =
            serde_json::from_value(entry.clone()).map_err(|e| malformed(format!("vocab: token {id} is {entry}: {e}")))?;
        tokens.push(token);
        scores.push(score as f32);
    }
    let mut added = raw.added_tokens;
    added.sort_by_key(|token| token.id);
    for RawAddedToken { id, content } in added {
        match tokens.get(id) {
            Some(token) if *token == content => {}
            Some(token) => {
                return Err(malformed(format!("token {id} is {token:?} in the vocabulary and {content:?} among the added tokens")));
            }
            None if id == tokens.len() => {
                tokens.push(content);
                scores.push(0.0);
            }
            None => {
                return Err(malformed(format!("the added token {content:?} has the id {id}; the vocabulary has {} tokens", tokens.len())));
            }
        }
    }
    let special = specials(&tokens, ["<s>", "</s>", "<unk>", "<pad>", "<mask>"])?;
    if raw.model.unk_id != Some(special.unk as usize) {
        return Err(malformed(format!("unk_id is {:?}; <unk> is token {}", raw.model.unk_id, special.unk)));
    }
    let charsmap = raw.normalizer.as_ref().map_or_else(|| Ok(Vec::new()), charsmap)?;
    Ok(Vocabulary { tokens, special, segmentation: Segmentation::Unigram(UnigramModel { scores, charsmap }) })
}

fn specials(tokens: &[String], names: [&str; 5]) -> Result<SpecialTokens> {
    let id = |token: &str| {
        let at = tokens.iter().position(|t| t == token);
        at.map(|n| n as u32).ok_or_else(|| malformed(format!("the vocabulary ({} tokens) has no {token}", tokens.len())))
    };
    let [cls, sep, unk, pad, mask] = names;
    Ok(SpecialTokens { cls: id(cls)?, sep: id(sep)?, unk: id(unk)?, pad: id(pad)?, mask: id(mask)? })
}

fn kind(value: &Value) -> &str {
    value["type"].as_str().unwrap_or_default()
}

/// Words get the mark in front: `Metaspace`, with or without `WhitespaceSplit` before it.
fn check_metaspace(pre_tokenizer: Option<&Value>) -> Result<()> {
    let refuse =
        |what: &dyn Display| Err(unsupported(format!("pre_tokenizer {what}; only Metaspace that puts \"▁\" before each word is read")));
    let Some(pre_tokenizer) = pre_tokenizer else { return refuse(&"missing") };
    let metaspace = match pre_tokenizer["pretokenizers"].as_array().map(Vec::as_slice) {
        Some([split, metaspace]) if kind(split) == "WhitespaceSplit" => metaspace,
        Some(_) => return refuse(pre_tokenizer),
        None => pre_tokenizer,
    };
    // Old files have `add_prefix_space`, newer ones `prepend_scheme`.
    let prefixed = match metaspace["prepend_scheme"].as_str() {
        Some(scheme) => scheme == "always",
        None => metaspace["add_prefix_space"].as_bool().unwrap_or(true),
    };
    let split = metaspace["split"].as_bool().unwrap_or(true);
    if kind(metaspace) == "Metaspace" && metaspace["replacement"] == WORD_MARK.to_string() && prefixed && split {
        Ok(())
    } else {
        refuse(pre_tokenizer)
    }
}

/// The charsmap of a `Precompiled` normalizer; beside it may stand what makes one space of several.
fn charsmap(normalizer: &Value) -> Result<Vec<u8>> {
    let parts = normalizer["normalizers"].as_array().map_or(std::slice::from_ref(normalizer), Vec::as_slice);
    let (precompiled, others): (Vec<&Value>, Vec<&Value>) = parts.iter().partition(|part| kind(part) == "Precompiled");
    let known = |part: &Value| kind(part) == "Strip" || (kind(part) == "Replace" && part["pattern"]["Regex"] == SPACES);
    match precompiled[..] {
        [precompiled] if others.into_iter().all(known) => {
            let base64 = precompiled["precompiled_charsmap"].as_str().unwrap_or_default();
            Base64::decode_vec(base64).map_err(|e| malformed(format!("precompiled_charsmap ({} characters): {e}", base64.len())))
        }
        _ => {
            let kinds: Vec<&str> = parts.iter().map(kind).collect();
            Err(unsupported(format!("normalizers {kinds:?}; only Precompiled, with Replace of {SPACES:?}, is read")))
        }
    }
}
