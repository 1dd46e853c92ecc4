//! A checkpoint with a smaller vocabulary: what a corpus uses most, and enough to spell everything else.

use std::collections::HashSet;

use unicode_script::{Script, UnicodeScript};

use super::{Checkpoint, Weight};
use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;
use crate::tokenizer::{Tokenizer, Vocabulary};

const CONTINUATION: &str = "##";
const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// What pruning kept.
#[derive(Clone, Debug)]
pub struct Pruned {
    pub checkpoint: Checkpoint,
    /// The old id of each kept piece, ascending: row `n` of the new embeddings is row `kept[n]` of the old.
    pub kept: Vec<u32>,
    /// Of these, special tokens and pieces that are kept for spelling.
    pub required: usize,
    /// Pieces of the corpus in the old vocabulary, and those of them that were dropped, both counted as often as they occur.
    pub corpus_pieces: usize,
    pub dropped_pieces: usize,
}

impl std::fmt::Display for Pruned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = 100.0 * (1.0 - self.dropped_pieces as f64 / self.corpus_pieces.max(1) as f64);
        write!(f, "{} pieces, {} of them for spelling; they are {share:.2} % of the corpus's", self.kept.len(), self.required)
    }
}

/// Cuts the vocabulary down to `size` pieces.
///
/// Kept are, in this order: the special tokens; for spelling, each single character and each `##` character of a script that is
/// Latin, common to all scripts (digits, punctuation, symbols), or used in the corpus; every longer piece that holds a character
/// of such a script for which the vocabulary has no single piece in that place; then the pieces that the corpus has most often,
/// and, where it has too few, those with the lowest ids. Ids become contiguous and keep their order.
///
/// Where the old vocabulary has every character alone in both forms, as BERT's have, any word of kept scripts that it spells is
/// spelled by the new one too: WordPiece takes the longest piece that fits, and a single character always fits.
///
/// A text whose pieces are all kept gets the same pieces, and so the same vector.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] with the numbers, when the pieces that are needed are more than `size`, the vocabulary has fewer
/// than `size`, or the corpus is blank; [`ErrorCode::ModelFormat`] when the checkpoint's parts do not fit each other.
pub fn prune<T: AsRef<str>>(checkpoint: &Checkpoint, corpus: &[T], size: usize) -> Result<Pruned> {
    let vocabulary = &checkpoint.vocabulary;
    let total = vocabulary.tokens.len();
    if size > total {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{size} pieces are wanted; the vocabulary has {total}")));
    }
    let counts = count_pieces(vocabulary, corpus)?;
    let corpus_pieces: usize = counts.iter().sum();
    if corpus_pieces == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("the corpus ({} texts) has no text", corpus.len())));
    }

    let mut keep = required(vocabulary, corpus);
    let required = keep.iter().filter(|keep| **keep).count();
    if required > size {
        let message = format!("{size} pieces are wanted; special tokens and single characters alone are {required}");
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut others: Vec<usize> = (0..total).filter(|&id| !keep[id]).collect();
    others.sort_by(|&a, &b| {
        counts[b].cmp(&counts[a]).then(is_placeholder(&vocabulary.tokens[a]).cmp(&is_placeholder(&vocabulary.tokens[b]))).then(a.cmp(&b))
    });
    others.iter().take(size - required).for_each(|&id| keep[id] = true);

    let kept: Vec<u32> = (0..total as u32).filter(|&id| keep[id as usize]).collect();
    let dropped_pieces = counts.iter().zip(&keep).filter(|(_, keep)| !**keep).map(|(count, _)| count).sum();
    let checkpoint = select(checkpoint, &kept)?;
    Ok(Pruned { checkpoint, kept, required, corpus_pieces, dropped_pieces })
}

/// BERT's `[unused0]`, …
fn is_placeholder(token: &str) -> bool {
    token.starts_with("[unused") && token.ends_with(']')
}

/// How often the corpus has each piece; special tokens are not counted.
fn count_pieces<T: AsRef<str>>(vocabulary: &Vocabulary, corpus: &[T]) -> Result<Vec<usize>> {
    let mut counts = vec![0; vocabulary.tokens.len()];
    let tokenizer = Tokenizer::new(vocabulary.clone())?;
    for text in corpus {
        for id in tokenizer.encode(text.as_ref(), &Prompt::none(), usize::MAX)?.input_ids {
            if let Some(count) = counts.get_mut(id as usize).filter(|_| !vocabulary.is_special(id)) {
                *count += 1;
            }
        }
    }
    Ok(counts)
}

/// A piece's characters, and whether it begins a word.
fn spelling(token: &str) -> (&str, bool) {
    match token.strip_prefix(CONTINUATION) {
        Some(rest) if !rest.is_empty() => (rest, false),
        _ => (token, true),
    }
}

fn required<T: AsRef<str>>(vocabulary: &Vocabulary, corpus: &[T]) -> Vec<bool> {
    let mut scripts = HashSet::from([Script::Latin, Script::Common, Script::Inherited]);
    scripts.extend(corpus.iter().flat_map(|text| text.as_ref().chars()).map(|c| c.script()));
    // Characters that stand alone in the vocabulary, at a word's beginning and inside a word.
    let mut alone: [HashSet<char>; 2] = Default::default();
    for token in &vocabulary.tokens {
        let (piece, begins) = spelling(token);
        let mut characters = piece.chars();
        if let (Some(c), None) = (characters.next(), characters.next()) {
            alone[usize::from(begins)].insert(c);
        }
    }
    let needed = |id: usize, token: &str| {
        if vocabulary.is_special(id as u32) {
            return true;
        }
        if is_placeholder(token) {
            return false;
        }
        let (piece, begins) = spelling(token);
        let single = piece.chars().nth(1).is_none();
        piece.chars().enumerate().any(|(at, c)| {
            let place = usize::from(begins && at == 0);
            scripts.contains(&c.script()) && (single || !alone[place].contains(&c))
        })
    };
    vocabulary.tokens.iter().enumerate().map(|(id, token)| needed(id, token)).collect()
}

/// The checkpoint with these pieces only; `kept` ascends and holds the special tokens.
fn select(checkpoint: &Checkpoint, kept: &[u32]) -> Result<Checkpoint> {
    let old = &checkpoint.vocabulary;
    let hidden = checkpoint.config.hidden_size;
    let embeddings = checkpoint.weight(WORD_EMBEDDINGS, &[old.tokens.len(), hidden])?;
    let rows = kept.iter().flat_map(|&id| &embeddings[id as usize * hidden..(id as usize + 1) * hidden]).copied().collect();
    let tokens: Vec<String> = kept.iter().map(|&id| old.tokens[id as usize].clone()).collect();
    let id = |old_id: u32| {
        let place = kept.binary_search(&old_id);
        place.map(|at| at as u32).map_err(|_| Error::new(ErrorCode::Internal, format!("special token {old_id} was dropped")))
    };
    let mut pruned = checkpoint.clone();
    pruned.weights.insert(WORD_EMBEDDINGS.to_owned(), Weight { shape: vec![kept.len(), hidden], values: rows });
    pruned.config.vocab_size = kept.len();
    let special = &mut pruned.vocabulary.special;
    for special in [&mut special.cls, &mut special.sep, &mut special.unk, &mut special.pad, &mut special.mask] {
        *special = id(*special)?;
    }
    pruned.vocabulary.tokens = tokens;
    Ok(pruned)
}
