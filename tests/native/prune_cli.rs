//! `pie prune` as a user has it, and the folder that it writes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use pie_embed_wasm::checkpoint::{Checkpoint, prune};
use pie_embed_wasm::config::Pooling;
use pie_embed_wasm::{Prompt, Tokenizer};
use tempfile::TempDir;

use crate::common::{TINY, fixtures, instructions};

const PIECES: usize = 460;

fn run(output: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pie"));
    command.args(["prune", "--vocab", &PIECES.to_string(), "--checkpoint"]).arg(fixtures().join("tiny"));
    command.arg("--vocab-corpus").arg(fixtures().join("instructions.jsonl")).arg("--output").arg(output).output().unwrap()
}

fn assert_same(found: &Checkpoint, expected: &Checkpoint, pooling: Pooling) {
    assert_eq!((&found.config, &found.vocabulary, found.pooling), (&expected.config, &expected.vocabulary, Some(pooling)));
    let bits = |checkpoint: &Checkpoint| -> Vec<(String, Vec<usize>, Vec<u32>)> {
        let weights = checkpoint.weights.iter();
        weights.map(|(name, w)| (name.clone(), w.shape.clone(), w.values.iter().map(|x| x.to_bits()).collect())).collect()
    };
    assert!(bits(found) == bits(expected));
}

#[test]
fn the_folder_loads_as_what_was_pruned() {
    let dir = TempDir::new().unwrap();
    let output = dir.path().join("cut");
    let printed = run(&output);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert!(String::from_utf8_lossy(&printed.stdout).contains(&format!("cut: {PIECES} pieces, ")));
    let expected = prune(&TINY, &[instructions()], PIECES).unwrap().checkpoint;
    assert_eq!(expected.vocabulary.tokens.len(), PIECES);
    assert_same(&Checkpoint::load(&output).unwrap(), &expected, Pooling::Mean);

    // What is there is left alone.
    fs::write(output.join("config.json"), "mine").unwrap();
    let refused = run(&output);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("cut is there already") && error.contains("[invalid_argument]"), "{error}");
    assert_eq!(fs::read_to_string(output.join("config.json")).unwrap(), "mine");
}

#[test]
fn a_saved_checkpoint_loads_as_itself() {
    let dir = TempDir::new().unwrap();
    for pooling in [Pooling::Cls, Pooling::Mean] {
        let checkpoint = Checkpoint { pooling: Some(pooling), ..TINY.clone() };
        checkpoint.save(&dir.path().join("saved"), 64).unwrap();
        assert_same(&Checkpoint::load(&dir.path().join("saved")).unwrap(), &checkpoint, pooling);
    }
}

#[test]
fn the_tokenizers_crate_reads_its_tokenizer() {
    let dir = TempDir::new().unwrap();
    let output = dir.path().join("cut");
    assert!(run(&output).status.success());
    let theirs = tokenizers::Tokenizer::from_file(output.join("tokenizer.json")).unwrap();
    let ours = Tokenizer::new(Checkpoint::load(&output).unwrap().vocabulary).unwrap();
    let (long, longer) = ("a".repeat(100), "pneumono".repeat(13));
    for text in [
        "Write a poem about rain",
        "Crème brûlée à la façon de Zoë",
        "cafe\u{301} nai\u{308}ve",
        "ÅNGSTRÖM STRASSE İstanbul",
        "写一首关于春天的诗",
        "日本語とEnglishの混在。",
        "한국어 문장",
        "Напиши стих",
        "👩‍👩‍👧‍👦 ✓ → ½ ²",
        "don't re-use: (a+b)*c=3.14%!?",
        "tab\there\u{a0}no\u{200b}break\u{0}nul\u{fffd}",
        "[MASK] and [CLS] are [unused1] [SEP]",
        "  spaces  \n\n around ",
        &long,
        &longer,
    ] {
        let ids = ours.encode(text, &Prompt::none(), usize::MAX).unwrap().input_ids;
        assert_eq!(theirs.encode(text, true).unwrap().get_ids(), ids, "{text:?}");
    }
}
