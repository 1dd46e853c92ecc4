//! Model files: what is written is read back, and whatever is not a model is refused with a typed error, never a panic.

use std::cell::Cell;
use std::ops::Range;

use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::{Dtype, EncoderConfig, Pooling};
use pie_embed_wasm::gguf::{Gguf, Source, Value, keys};
use pie_embed_wasm::{EmbedOptions, Embedder, Error, ErrorCode, Prompt, Vocabulary};
use proptest::prelude::*;

use crate::common::{TINY, fixtures, options, tiny};

/// A file that lies elsewhere, with the most that was ever read of it at once.
struct Elsewhere<'a> {
    bytes: &'a [u8],
    most: Cell<usize>,
}

impl<'a> Elsewhere<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, most: Cell::new(0) }
    }
}

impl Source for Elsewhere<'_> {
    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        self.most.set(self.most.get().max(range.len()));
        self.bytes[range].to_vec()
    }
}

/// What the file is refused with, in memory as elsewhere.
fn code(bytes: &[u8]) -> ErrorCode {
    let code = |loaded: Result<Embedder, Error>| loaded.err().expect("was loaded").code();
    let here = code(Embedder::from_bytes(bytes));
    assert_eq!(code(Embedder::from_source(&Elsewhere::new(bytes))), here);
    here
}

/// The file with the checksum of what it holds now, so that changes reach the checks behind it.
pub fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = find(&bytes, keys::PIE_CHECKSUM.as_bytes()) + keys::PIE_CHECKSUM.len() + 4;
    bytes[at..at + 8].fill(0);
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes[at..at + 8].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

/// Replaces the u32 value of a metadata key.
fn set_u32(mut bytes: Vec<u8>, key: &str, value: u32) -> Vec<u8> {
    let at = find(&bytes, key.as_bytes()) + key.len() + 4;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    resealed(bytes)
}

#[test]
fn metadata_and_vocabulary_are_read_back() {
    let mut options = options(Dtype::Q8_0, Pooling::Cls);
    options.prompt = Prompt::pie();
    options.max_tokens = Some(64);
    let bytes = pie_embed_wasm::gguf::convert(&TINY, &options).unwrap();
    let gguf = Gguf::parse(&bytes).unwrap();
    assert_eq!(Vocabulary::from_gguf(&gguf).unwrap(), TINY.vocabulary);
    assert_eq!(gguf.get(keys::CAUSAL), Some(&Value::Bool(false)));
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    assert_eq!(*embedder.config(), EncoderConfig { max_position_embeddings: 64, ..TINY.config.clone() });
    assert_eq!((embedder.pooling(), embedder.info().max_tokens), (Pooling::Cls, 64));
    assert_eq!((embedder.info().prompt.clone(), embedder.info().license.as_str()), (Prompt::pie(), "Apache-2.0"));
}

#[test]
fn a_file_elsewhere_is_read_a_tensor_at_a_time_and_gives_the_same() {
    let mut long = options(Dtype::F32, Pooling::Mean);
    // A header that is found to be longer than what is taken at first.
    long.provenance = "x".repeat(300_000);
    for options in [options(Dtype::F32, Pooling::Mean), options(Dtype::Q8_0, Pooling::Cls), long] {
        let bytes = pie_embed_wasm::gguf::convert(&TINY, &options).unwrap();
        let file = Elsewhere::new(&bytes);
        let (here, elsewhere) = (Embedder::from_bytes(&bytes).unwrap(), Embedder::from_source(&file).unwrap());
        assert_eq!(here.info(), elsewhere.info());
        let embed = |embedder: &Embedder| embedder.embed(&["Write a poem", "Sort"], &EmbedOptions::default()).unwrap();
        assert_eq!(embed(&here), embed(&elsewhere));
        assert!(file.most.get() < bytes.len() || bytes.len() < 1 << 18, "{} of {} bytes at once", file.most.get(), bytes.len());
    }
}

/// A header of one tensor, with 8 MB behind it.
fn foreign(version: u32, kind: u32, tensor_type: u32, rank: u32) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    bytes.extend([version.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec()].concat());
    bytes.extend([string("general.architecture"), kind.to_le_bytes().to_vec(), string("llama")].concat());
    bytes.extend([string("token_embd.weight"), rank.to_le_bytes().to_vec(), 32_u64.to_le_bytes().to_vec()].concat());
    bytes.extend([tensor_type.to_le_bytes().to_vec(), 0_u64.to_le_bytes().to_vec()].concat());
    bytes.resize(8 << 20, 0);
    bytes
}

#[test]
fn a_foreign_file_is_refused_by_the_first_part_of_its_header() {
    const STRING: u32 = 8;
    for (bytes, expected) in [
        (foreign(3, STRING, 0, 1), ErrorCode::ModelUnsupported),
        (foreign(3, STRING, 12, 1), ErrorCode::ModelUnsupported),
        (foreign(4, STRING, 0, 1), ErrorCode::ModelUnsupported),
        (foreign(3, 77, 0, 1), ErrorCode::ModelFormat),
        (foreign(3, STRING, 0, 9), ErrorCode::ModelFormat),
    ] {
        let file = Elsewhere::new(&bytes);
        assert_eq!(Embedder::from_source(&file).err().unwrap().code(), expected);
        assert!(file.most.get() <= 1 << 18, "{} bytes were read at once", file.most.get());
        assert_eq!(Embedder::from_bytes(&bytes).err().unwrap().code(), expected);
    }
}

/// llama.cpp refuses tensors that it does not know.
#[test]
fn no_tensor_beyond_those_of_llama_cpp() {
    let bytes = tiny(Dtype::Q8_0, Pooling::Mean);
    let gguf = Gguf::parse(&bytes).unwrap();
    assert_eq!(gguf.tensors().len(), 5 + 16 * TINY.config.num_hidden_layers);
    for tensor in gguf.tensors() {
        let known = ["token_embd", "position_embd", "token_types", "blk.0.", "blk.1."];
        assert!(known.iter().any(|start| tensor.name.starts_with(start)), "{}", tensor.name);
    }
}

#[test]
fn files_that_are_no_models_are_refused() {
    let good = tiny(Dtype::Q8_0, Pooling::Mean);
    assert_eq!(code(b""), ErrorCode::ModelFormat);
    assert_eq!(code(b"<!doctype html><title>404</title>"), ErrorCode::ModelFormat);
    assert_eq!(code(&[&b"GGML"[..], &good[4..]].concat()), ErrorCode::ModelFormat);
    // Version 1 and one of the future.
    for version in [1_u32, 4] {
        assert_eq!(code(&[&good[..4], &version.to_le_bytes(), &good[8..]].concat()), ErrorCode::ModelUnsupported);
    }
    // Counts that would allocate terabytes.
    assert_eq!(code(&[&good[..8], &u64::MAX.to_le_bytes(), &good[16..]].concat()), ErrorCode::ModelFormat);
    assert_eq!(code(&[&good[..16], &u64::MAX.to_le_bytes(), &good[24..]].concat()), ErrorCode::ModelFormat);
    let mut other = good.clone();
    let at = find(&other, b"bert");
    other[at..at + 4].copy_from_slice(b"t5t5");
    assert_eq!(code(&resealed(other)), ErrorCode::ModelUnsupported);
}

#[test]
fn absurd_dimensions_are_refused_before_anything_is_allocated() {
    for key in [keys::EMBEDDING_LENGTH, keys::FEED_FORWARD_LENGTH, keys::BLOCK_COUNT, keys::HEAD_COUNT, keys::CONTEXT_LENGTH] {
        for value in [0, 3, u32::MAX] {
            assert_eq!(code(&set_u32(tiny(Dtype::Q8_0, Pooling::Mean), key, value)), ErrorCode::ModelFormat, "{key} = {value}");
        }
    }
    let bytes = set_u32(tiny(Dtype::Q8_0, Pooling::Mean), keys::POOLING_TYPE, 3);
    assert_eq!(code(&bytes), ErrorCode::ModelUnsupported);
    for key in [keys::BOS_ID, keys::UNK_ID] {
        assert_eq!(code(&set_u32(tiny(Dtype::Q8_0, Pooling::Mean), key, 1_000_000)), ErrorCode::ModelFormat, "{key}");
    }
}

/// A small file whose tensors all point at the same bytes would unpack to any size.
#[test]
fn tensors_that_share_bytes_are_refused() {
    let good = tiny(Dtype::Q8_0, Pooling::Mean);
    let gguf = Gguf::parse(&good).unwrap();
    let start = gguf.tensors().next().unwrap().data.as_ptr() as usize;
    let mut bytes = good.clone();
    for tensor in gguf.tensors() {
        // name, rank, dimensions, type, offset
        let at = find(&good, tensor.name.as_bytes()) + tensor.name.len() + 4 + 8 * tensor.dimensions.len() + 4;
        let offset = (tensor.data.as_ptr() as usize - start) as u64;
        assert_eq!(good[at..at + 8], offset.to_le_bytes());
        bytes[at..at + 8].copy_from_slice(&0_u64.to_le_bytes());
    }
    // The data that nothing points at any more is cut off, but for the largest tensor's.
    let largest = gguf.tensors().map(|t| t.data.len()).max().unwrap();
    bytes.truncate(start - good.as_ptr() as usize + largest);
    let refused = Embedder::from_bytes(&resealed(bytes)).err().unwrap();
    assert!(refused.code() == ErrorCode::ModelFormat && refused.to_string().contains("take more than"), "{refused}");
}

#[test]
fn every_truncation_is_refused() {
    let good = tiny(Dtype::Q4_0, Pooling::Mean);
    for len in (0..good.len()).step_by(997).chain(good.len() - 40..good.len()) {
        assert_eq!(code(&good[..len]), ErrorCode::ModelFormat, "{len} of {} bytes", good.len());
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0] {
        let good = tiny(dtype, Pooling::Mean);
        let gguf = Gguf::parse(&good).unwrap();
        for name in ["token_embd.weight", "blk.1.ffn_down.weight", "blk.0.attn_q.bias", "token_embd_norm.weight"] {
            let tensor = gguf.tensors().find(|t| t.name == name).unwrap();
            let at = tensor.data.as_ptr() as usize - good.as_ptr() as usize;
            let mut bytes = good.clone();
            // Infinity as f32; as f16, which is what scales are, a NaN.
            let bad: &[u8] = if tensor.dtype == Dtype::F32 { &[0, 0, 0x80, 0x7f] } else { &[0, 0x7e] };
            bytes[at..at + bad.len()].copy_from_slice(bad);
            assert_eq!(code(&bytes), ErrorCode::ModelCorrupt, "{dtype} {name}: the checksum");
            assert_eq!(code(&resealed(bytes)), ErrorCode::ModelCorrupt, "{dtype} {name}: the number");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Any one byte changed is noticed; nothing panics, with or without the checksum.
    #[test]
    fn altered_bytes_never_panic(at in 0_usize..30_000, value in any::<u8>(), sealed in any::<bool>()) {
        let mut bytes = tiny(Dtype::Q8_0, Pooling::Mean);
        let at = at % bytes.len();
        prop_assume!(bytes[at] != value);
        let entry = find(&bytes, keys::PIE_CHECKSUM.as_bytes());
        bytes[at] = value;
        // A new checksum, where the entry can still take one, lets the change through to the checks behind it.
        if !sealed && !(entry - 8..entry + keys::PIE_CHECKSUM.len() + 4).contains(&at) {
            bytes = resealed(bytes);
        }
        match Embedder::from_bytes(&bytes) {
            Ok(embedder) => {
                prop_assert!(!sealed, "byte {} was altered unnoticed", at);
                let _ = embedder.embed(&["Write a poem"], &EmbedOptions::default());
            }
            Err(e) => prop_assert!(!e.to_string().is_empty()),
        }
    }
}

#[test]
fn checkpoints_of_other_kinds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(fixtures().join(from), dir.path().join(to)).unwrap();
    let load = || Checkpoint::load(dir.path());
    assert_eq!(load().unwrap_err().code(), ErrorCode::Io);
    copy("tiny/tokenizer.json", "tokenizer.json");
    copy("tiny/model.safetensors", "model.safetensors");
    for (config, code) in [
        ("roberta", ErrorCode::ModelUnsupported),
        ("distilbert", ErrorCode::ModelUnsupported),
        ("gelu-new", ErrorCode::ModelUnsupported),
        ("relu", ErrorCode::ModelUnsupported),
        ("relative-key", ErrorCode::ModelUnsupported),
        ("decoder", ErrorCode::ModelUnsupported),
        ("no-model-type", ErrorCode::ModelFormat),
        ("heads-do-not-divide", ErrorCode::ModelFormat),
        ("huge", ErrorCode::ModelFormat),
        ("negative", ErrorCode::ModelFormat),
        ("no-hidden-size", ErrorCode::ModelFormat),
        ("text-for-number", ErrorCode::ModelFormat),
        ("zero-heads", ErrorCode::ModelFormat),
        ("zero-layers", ErrorCode::ModelFormat),
        ("cut-off", ErrorCode::ModelFormat),
    ] {
        copy(&format!("bad/config-{config}.json"), "config.json");
        assert_eq!(load().unwrap_err().code(), code, "{config}");
    }
    copy("bad/config-other-shape.json", "config.json");
    let refused = load().and_then(|checkpoint| pie_embed_wasm::gguf::convert(&checkpoint, &options(Dtype::F32, Pooling::Mean)));
    assert_eq!(refused.unwrap_err().code(), ErrorCode::ModelFormat);

    copy("tiny/config.json", "config.json");
    for (tokenizer, code) in [("bpe", ErrorCode::ModelUnsupported), ("no-sep", ErrorCode::ModelFormat)] {
        copy(&format!("bad/tokenizer-{tokenizer}.json"), "tokenizer.json");
        assert_eq!(load().unwrap_err().code(), code, "{tokenizer}");
    }
    copy("tiny/tokenizer.json", "tokenizer.json");
    let weights = std::fs::read(fixtures().join("tiny/model.safetensors")).unwrap();
    std::fs::write(dir.path().join("model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    assert_eq!(load().unwrap_err().code(), ErrorCode::ModelFormat);
}

#[test]
fn bad_arguments_are_refused_and_the_instance_works_on() {
    let embedder = Embedder::from_bytes(&tiny(Dtype::Q8_0, Pooling::Mean)).unwrap();
    let embed = |texts: &[&str], options: &EmbedOptions| embedder.embed(texts, options).map_err(|e| e.code());
    let default = EmbedOptions::default();
    assert_eq!(embed(&[], &default).unwrap_err(), ErrorCode::NoTexts);
    for blank in ["", " ", "\n\t\u{3000}"] {
        assert_eq!(embed(&["a", blank], &default).unwrap_err(), ErrorCode::BlankText);
    }
    for dimensions in [0, 65, usize::MAX] {
        assert_eq!(
            embed(&["a"], &EmbedOptions { dimensions: Some(dimensions), ..Default::default() }).unwrap_err(),
            ErrorCode::InvalidDimensions
        );
    }
    for max_tokens in [0, 2, 129] {
        assert_eq!(
            embed(&["a"], &EmbedOptions { max_tokens: Some(max_tokens), ..Default::default() }).unwrap_err(),
            ErrorCode::InvalidArgument
        );
    }
    let crowded = EmbedOptions { prompt: Some(Prompt::pie()), max_tokens: Some(16), ..Default::default() };
    assert_eq!(embed(&["a"], &crowded).unwrap_err(), ErrorCode::InvalidPrompt);
    // Whatever is no white space is content: NUL, emoji, a megabyte.
    let million = "word ".repeat(200_000);
    let long = embed(&["\0", "👩‍👩‍👧", "\u{200b}", &million], &default).unwrap();
    assert_eq!(long.truncated, [false, false, false, true]);
    assert_eq!(long.token_counts[3], 128);
    // The first three leave no piece, or unknown ones only.
    assert_eq!(long.unread, [1.0, 1.0, 1.0, 0.0]);
    assert!(long.data.iter().all(|x| x.is_finite()));
}
