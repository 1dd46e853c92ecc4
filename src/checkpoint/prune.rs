//! A checkpoint with a smaller vocabulary: what a corpus uses most, and enough to spell everything else.

use super::charsmap::reduce;
use super::spelling::{is_placeholder, required};
use super::{Checkpoint, WORD_EMBEDDINGS, Weight};
use crate::error::{Error, ErrorCode, Result};
use crate::prompt::Prompt;
use crate::tokenizer::{Segmentation, Tokenizer, Vocabulary};

/// What pruning kept.
#[derive(Clone, Debug)]
pub struct Pruned {
    pub checkpoint: Checkpoint,
    /// The old id of each kept piece, ascending: row `n` of the new embeddings is row `kept[n]` of the old.
    pub kept: Vec<u32>,
    /// Of these, special tokens and pieces that are kept for spelling.
    pub required: usize,
    /// Of each corpus, what the smaller vocabulary makes of it.
    pub corpora: Vec<Coverage>,
}

/// One corpus in the old vocabulary and in the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    pub texts: usize,
    /// Pieces in the old vocabulary, and those of them that were dropped, both counted as often as they occur.
    pub pieces: usize,
    pub dropped: usize,
    /// Those of them that are `[UNK]`.
    pub unknown: usize,
    /// Pieces in the new vocabulary, and those of them that are `[UNK]`.
    pub pieces_after: usize,
    pub unknown_after: usize,
}

impl Pruned {
    /// Pieces of all corpora in the old vocabulary, counted as often as they occur.
    pub fn corpus_pieces(&self) -> usize {
        self.corpora.iter().map(|corpus| corpus.pieces).sum()
    }

    /// Those of them that were dropped.
    pub fn dropped_pieces(&self) -> usize {
        self.corpora.iter().map(|corpus| corpus.dropped).sum()
    }
}

impl std::fmt::Display for Pruned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = 100.0 - percent(self.dropped_pieces(), self.corpus_pieces());
        write!(f, "{} pieces, {} of them for spelling; they are {share:.2} % of the corpus's", self.kept.len(), self.required)
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mean = |pieces: usize| pieces as f64 / self.texts.max(1) as f64;
        write!(
            f,
            "{} texts; pieces a text {:.1}, before {:.1}; unknown {:.2} %, before {:.2} %",
            self.texts,
            mean(self.pieces_after),
            mean(self.pieces),
            percent(self.unknown_after, self.pieces_after),
            percent(self.unknown, self.pieces)
        )
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Cuts the vocabulary down to `size` pieces by what the corpora use, for instance one of each language.
///
/// Kept are, in this order: the special tokens; what spelling needs; then the pieces that the corpora have most often, and, where they
/// have too few, those with the lowest ids. A piece's weight is the sum of its shares of each corpus, so that each corpus counts alike,
/// however long it is. Ids become contiguous and keep their order.
///
/// For spelling, WordPiece keeps each single character and each `##` character of a script that is Latin, common to all scripts
/// (digits, punctuation, symbols), or used in the corpora; and every longer piece that holds a character of such a script for which the
/// vocabulary has no single piece in that place. Where the old vocabulary has every character alone in both forms, as BERT's have, any
/// word of kept scripts that it spells is spelled by the new one too: WordPiece takes the longest piece that fits, and a single
/// character always fits.
///
/// Unigram keeps each single character of those scripts, but of one with thousands, which is Han, the 3,000 most probable and those in
/// the corpora. XLM-R has no pieces for bytes, so a character of another script is unknown.
/// The charsmap keeps the entries that can change a text's pieces.
///
/// A text whose pieces are all kept gets the same pieces, and so the same vector.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] with the numbers, when the pieces that are needed are more than `size`, the vocabulary has fewer
/// than `size`, or a corpus is blank; [`ErrorCode::ModelFormat`] when the checkpoint's parts do not fit each other.
pub fn prune<C: AsRef<[T]>, T: AsRef<str>>(checkpoint: &Checkpoint, corpora: &[C], size: usize) -> Result<Pruned> {
    let vocabulary = &checkpoint.vocabulary;
    let total = vocabulary.tokens.len();
    if size > total {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{size} pieces are wanted; the vocabulary has {total}")));
    }
    let counts = count_pieces(vocabulary, corpora)?;
    let pieces: Vec<usize> = counts.iter().map(|counts| counts.iter().sum()).collect();
    if let Some(n) = pieces.iter().position(|&pieces| pieces == 0) {
        let message = format!("corpus {n} of {} ({} texts) has no text", corpora.len(), corpora[n].as_ref().len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    if corpora.is_empty() {
        return Err(Error::new(ErrorCode::InvalidArgument, "no corpus is given, by whose pieces the vocabulary could be cut"));
    }
    let mut weights = vec![0.0; total];
    for (counts, &pieces) in counts.iter().zip(&pieces) {
        weights.iter_mut().zip(counts).for_each(|(weight, &count)| *weight += count as f64 / pieces as f64);
    }

    let used: Vec<bool> = weights.iter().map(|&weight| weight > 0.0).collect();
    let texts = corpora.iter().flat_map(|corpus| corpus.as_ref()).map(AsRef::as_ref);
    let mut keep = required(vocabulary, &used, texts);
    let required = keep.iter().filter(|keep| **keep).count();
    if required > size {
        let message = format!("{size} pieces are wanted; special tokens and single characters alone are {required}");
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut others: Vec<usize> = (0..total).filter(|&id| !keep[id]).collect();
    let placeholder = |id: usize| is_placeholder(&vocabulary.tokens[id]);
    others.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(placeholder(a).cmp(&placeholder(b))).then(a.cmp(&b)));
    others.iter().take(size - required).for_each(|&id| keep[id] = true);

    let kept: Vec<u32> = (0..total as u32).filter(|&id| keep[id as usize]).collect();
    let pruned = select(checkpoint, &kept)?;
    let unk = vocabulary.special.unk as usize;
    let after = count_pieces(&pruned.vocabulary, corpora)?;
    let corpora = corpora.iter().zip(&counts).zip(&pieces).zip(&after).map(|(((corpus, counts), &pieces), after)| Coverage {
        texts: corpus.as_ref().len(),
        pieces,
        dropped: counts.iter().zip(&keep).filter(|(_, keep)| !**keep).map(|(count, _)| count).sum(),
        unknown: counts[unk],
        pieces_after: after.iter().sum(),
        unknown_after: after[pruned.vocabulary.special.unk as usize],
    });
    let corpora = corpora.collect();
    Ok(Pruned { checkpoint: pruned, kept, required, corpora })
}

/// How often each corpus has each piece, `[UNK]` too; the other special tokens are not counted.
fn count_pieces<C: AsRef<[T]>, T: AsRef<str>>(vocabulary: &Vocabulary, corpora: &[C]) -> Result<Vec<Vec<usize>>> {
    let tokenizer = Tokenizer::new(vocabulary.clone())?;
    let unk = vocabulary.special.unk;
    let count = |corpus: &C| {
        let mut counts = vec![0; vocabulary.tokens.len()];
        for text in corpus.as_ref() {
            for id in tokenizer.encode(text.as_ref(), &Prompt::none(), usize::MAX)?.input_ids {
                if let Some(count) = counts.get_mut(id as usize).filter(|_| id == unk || !vocabulary.is_special(id)) {
                    *count += 1;
                }
            }
        }
        Ok(counts)
    };
    corpora.iter().map(count).collect()
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
    if let Segmentation::Unigram(model) = &mut pruned.vocabulary.segmentation {
        model.scores = kept.iter().map(|&id| model.scores[id as usize]).collect();
        model.charsmap = reduce(&model.charsmap, &tokens)?;
    }
    pruned.vocabulary.tokens = tokens;
    Ok(pruned)
}
