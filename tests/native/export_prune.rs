//! A pruned vocabulary spells what the full one spells, and changes nothing where it has all pieces.

use std::sync::LazyLock;

use pie_embed_wasm::checkpoint::{Checkpoint, Pruned, prune};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::gguf::convert;
use pie_embed_wasm::{EmbedOptions, Embedder, ErrorCode, Prompt, Tokenizer};
use proptest::prelude::*;

use crate::common::{TINY, base_dir, compare, instructions, options};

const CORPUS: [&str; 3] = ["Write a poem about the harbour", "Summarise the text, please!", "Напиши стихотворение"];

/// Not much beyond what spelling needs.
static PRUNED: LazyLock<Pruned> = LazyLock::new(|| prune(&TINY, &[CORPUS], smallest(&TINY, &CORPUS) + 8).unwrap());

fn smallest(checkpoint: &Checkpoint, corpus: &[&str]) -> usize {
    prune(checkpoint, &[corpus], checkpoint.vocabulary.tokens.len()).unwrap().required
}

fn pieces(checkpoint: &Checkpoint, text: &str) -> Vec<String> {
    let tokenizer = Tokenizer::new(checkpoint.vocabulary.clone()).unwrap();
    let ids = tokenizer.encode(text, &Prompt::none(), 10_000).unwrap().input_ids;
    ids.iter().map(|&id| checkpoint.vocabulary.tokens[id as usize].clone()).collect()
}

fn unknown(pieces: &[String]) -> usize {
    pieces.iter().filter(|piece| *piece == "[UNK]").count()
}

#[test]
fn ids_are_contiguous_and_rows_follow() {
    let (old, new) = (&*TINY, &PRUNED.checkpoint);
    assert!(new.vocabulary.tokens.len() < old.vocabulary.tokens.len());
    assert_eq!(new.config.vocab_size, new.vocabulary.tokens.len());
    assert!(PRUNED.kept.is_sorted());
    let hidden = old.config.hidden_size;
    let name = "embeddings.word_embeddings.weight";
    let before = old.weight(name, &[old.config.vocab_size, hidden]).unwrap();
    let after = new.weight(name, &[new.config.vocab_size, hidden]).unwrap();
    for (row, &id) in PRUNED.kept.iter().enumerate() {
        let id = id as usize;
        assert_eq!(new.vocabulary.tokens[row], old.vocabulary.tokens[id]);
        assert_eq!(after[row * hidden..][..hidden], before[id * hidden..][..hidden]);
    }
    let (a, b) = (old.vocabulary.special, new.vocabulary.special);
    for (before, after) in [(a.cls, b.cls), (a.sep, b.sep), (a.unk, b.unk), (a.pad, b.pad), (a.mask, b.mask)] {
        assert_eq!(old.vocabulary.tokens[before as usize], new.vocabulary.tokens[after as usize]);
    }
}

#[test]
fn scripts_that_the_corpus_lacks_go() {
    let full = |text: &str| unknown(&pieces(&TINY, text));
    let cut = |text: &str| unknown(&pieces(&PRUNED.checkpoint, text));
    // Cyrillic is in the corpus; Han is not, and Latin and digits stay anyway.
    assert_eq!((full("море"), cut("море")), (0, 0));
    assert_eq!((full("春天"), cut("春天")), (0, 2));
    let latin_only = prune(&TINY, &[["a"]], smallest(&TINY, &["a"])).unwrap();
    assert_eq!(unknown(&pieces(&latin_only.checkpoint, "x7 naïve (ok)?")), 0);
    assert_eq!(unknown(&pieces(&latin_only.checkpoint, "море")), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spells_whatever_the_full_vocabulary_spells(text in "[a-zA-Z0-9 .,!?'éüßø€$%а-яА-Я#\\-\\[\\]]{1,80}") {
        prop_assert_eq!(unknown(&pieces(&PRUNED.checkpoint, &text)), unknown(&pieces(&TINY, &text)));
    }

    #[test]
    fn the_same_pieces_where_all_are_kept(words in prop::collection::vec(prop::sample::select(CORPUS.join(" ").split(' ').map(str::to_owned).collect::<Vec<_>>()), 1..12)) {
        let text = words.join(" ");
        let full = pieces(&TINY, &text);
        let kept = full.iter().all(|piece| PRUNED.checkpoint.vocabulary.tokens.contains(piece));
        prop_assert!(!kept || pieces(&PRUNED.checkpoint, &text) == full);
    }
}

#[test]
fn the_same_vectors_where_all_pieces_are_kept() {
    let corpus = instructions();
    let texts: Vec<&str> = corpus.iter().map(String::as_str).collect();
    // As many pieces as the instructions use, so that none is lost and yet the vocabulary is smaller.
    let used: std::collections::HashSet<String> = texts.iter().flat_map(|text| pieces(&TINY, text)).collect();
    let size = smallest(&TINY, &texts).max(used.len()) + 40;
    let pruned = prune(&TINY, &[&texts], size.min(TINY.vocabulary.tokens.len())).unwrap();
    let rows: Vec<&str> = texts
        .iter()
        .copied()
        .filter(|text| {
            !text.trim().is_empty() && pieces(&TINY, text).iter().all(|piece| pruned.checkpoint.vocabulary.tokens.contains(piece))
        })
        .collect();
    assert!(rows.len() > 50, "{} texts of {} have all their pieces", rows.len(), texts.len());
    let embed = |checkpoint| {
        let bytes = convert(checkpoint, &options(Dtype::F32, Pooling::Mean)).unwrap();
        Embedder::from_bytes(&bytes).unwrap().embed(&rows, &EmbedOptions::default()).unwrap().data
    };
    let (full, cut) = (embed(&*TINY), embed(&pruned.checkpoint));
    assert_eq!(full, cut);
    assert!(compare(&full, &cut, TINY.config.hidden_size).1 > 1.0 - 1e-9);
}

#[test]
fn impossible_sizes_are_refused() {
    let total = TINY.vocabulary.tokens.len();
    let refused = |corpus: &[&str], size| {
        let error = prune(&TINY, &[corpus], size).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        error.to_string()
    };
    assert_eq!(refused(&CORPUS, total + 1), format!("{} pieces are wanted; the vocabulary has {total}", total + 1));
    assert!(refused(&CORPUS, 20).starts_with("20 pieces are wanted; special tokens and single characters alone are "));
    assert_eq!(refused(&[""], total), "corpus 0 of 1 (1 texts) has no text");
    assert_eq!(refused(&[], total), "corpus 0 of 1 (0 texts) has no text");
}

#[test]
fn the_real_vocabulary_spells_on() {
    let Some(dir) = base_dir() else { return };
    let base = Checkpoint::load(&dir).unwrap();
    let corpus = instructions();
    let pruned = prune(&base, &[&corpus], 6000).unwrap();
    assert_eq!(pruned.checkpoint.vocabulary.tokens.len(), 6000);
    let full = Tokenizer::new(base.vocabulary.clone()).unwrap();
    let cut = Tokenizer::new(pruned.checkpoint.vocabulary.clone()).unwrap();
    let unknown = |tokenizer: &Tokenizer, text: &str, id: u32| {
        tokenizer.encode(text, &Prompt::none(), 100_000).unwrap().input_ids.iter().filter(|&&piece| piece == id).count()
    };
    for text in corpus {
        let before = unknown(&full, &text, base.vocabulary.special.unk);
        assert_eq!(unknown(&cut, &text, pruned.checkpoint.vocabulary.special.unk), before, "{text}");
    }
}
