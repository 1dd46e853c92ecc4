//! Unigram: the ids are Hugging Face's, files are read back as they were written, and broken ones are refused.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use pie_embed_wasm::checkpoint::{Checkpoint, Weight, prune};
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::gguf::{Gguf, convert};
use pie_embed_wasm::tasks::{Level, Taxonomy};
use pie_embed_wasm::{
    EmbedOptions, Embedder, Error, ErrorCode, Prompt, Segmentation, SpecialTokens, Tokenizer, UnigramModel, Vocabulary, sha256_hex,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{TINY, fixtures, options};

#[derive(Deserialize)]
struct Goldens {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    text: String,
    input_ids: Vec<u32>,
}

static GOLDENS: LazyLock<Goldens> =
    LazyLock::new(|| serde_json::from_slice(&fs::read(fixtures().join("unigram/goldens.json")).unwrap()).unwrap());
static TOKENIZER_JSON: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_slice(&fs::read(fixtures().join("unigram/tokenizer.json")).unwrap()).unwrap());
/// The tiny model with the small Unigram vocabulary.
static CHECKPOINT: LazyLock<Checkpoint> = LazyLock::new(|| load(&TOKENIZER_JSON, 0).unwrap());
static THEIRS: LazyLock<tokenizers::Tokenizer> =
    LazyLock::new(|| tokenizers::Tokenizer::from_file(fixtures().join("unigram/tokenizer.json")).unwrap());
static OURS: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::new(CHECKPOINT.vocabulary.clone()).unwrap());

/// The tiny model's folder with another `tokenizer.json`, and `padding` rows of embeddings behind those of the tokens.
fn load(tokenizer: &Value, padding: usize) -> Result<Checkpoint, Error> {
    let name = "embeddings.word_embeddings.weight";
    let dir = TempDir::new().unwrap();
    let mut checkpoint = TINY.clone();
    let rows = tokenizer["model"]["vocab"].as_array().map_or(0, Vec::len).max(1) + padding;
    let hidden = checkpoint.config.hidden_size;
    let values = TINY.weights[name].values.iter().copied().cycle().take(rows * hidden).collect();
    checkpoint.weights.insert(name.to_owned(), Weight { shape: vec![rows, hidden], values });
    checkpoint.config.vocab_size = rows;
    let dir = dir.path().join("model");
    checkpoint.save(&dir, 64).unwrap();
    fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    Checkpoint::load(&dir)
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, &Prompt::none(), usize::MAX).unwrap().input_ids
}

fn model(checkpoint: &Checkpoint) -> &UnigramModel {
    match &checkpoint.vocabulary.segmentation {
        Segmentation::Unigram(model) => model,
        Segmentation::WordPiece(_) => panic!("WordPiece"),
    }
}

#[test]
fn ids_are_those_of_hugging_face() {
    for Item { text, input_ids } in &GOLDENS.items {
        assert_eq!(ids(&OURS, text), *input_ids, "{text:?}");
    }
    assert!(GOLDENS.items.len() > 30);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn ids_of_any_text_are_those_of_the_tokenizers_crate(
        text in "([a-zA-Z<>s/▁ ]|[ßéüñżőşИйяقصيदेक्षがが写한한]|[\\u{300}-\\u{345}]|[\\u{ff00}-\\u{ffef}]|[\\u{0}-\\u{ff}]|[\\u{2000}-\\u{2070}]|\\PC){0,40}"
    ) {
        let theirs = THEIRS.encode(text.as_str(), true).unwrap();
        prop_assert_eq!(ids(&OURS, &text), theirs.get_ids());
    }
}

#[test]
fn files_are_read_back_as_they_were_written() {
    let dir = TempDir::new().unwrap();
    CHECKPOINT.save(&dir.path().join("saved"), 64).unwrap();
    let saved = Checkpoint::load(&dir.path().join("saved")).unwrap();
    assert!(saved.vocabulary == CHECKPOINT.vocabulary && saved.config == CHECKPOINT.config);
    assert!(!dir.path().join("saved/vocab.txt").exists());
    let theirs = tokenizers::Tokenizer::from_file(dir.path().join("saved/tokenizer.json")).unwrap();
    for Item { text, input_ids } in &GOLDENS.items {
        assert_eq!(theirs.encode(text.as_str(), true).unwrap().get_ids(), input_ids, "{text:?}");
    }
    let bytes = convert(&CHECKPOINT, &options(Dtype::Q8_0, Pooling::Mean)).unwrap();
    let gguf = Gguf::parse(&bytes).unwrap();
    assert!(Vocabulary::from_gguf(&gguf).unwrap() == CHECKPOINT.vocabulary);
    // What llama.cpp asks for.
    assert_eq!(gguf.string("tokenizer.ggml.model").unwrap(), "t5");
    for key in ["add_space_prefix", "remove_extra_whitespaces", "add_bos_token", "add_eos_token"] {
        assert!(gguf.bool_or(&format!("tokenizer.ggml.{key}"), false).unwrap(), "{key}");
    }
    assert_eq!(gguf.floats("tokenizer.ggml.scores").unwrap(), model(&CHECKPOINT).scores);
    assert_eq!(gguf.bytes("tokenizer.ggml.precompiled_charsmap").unwrap(), model(&CHECKPOINT).charsmap);
}

#[test]
fn rows_behind_the_last_token_are_dropped() {
    let padded = load(&TOKENIZER_JSON, 35).unwrap();
    assert_eq!(padded.config, CHECKPOINT.config);
    assert_eq!(padded.weights["embeddings.word_embeddings.weight"], CHECKPOINT.weights["embeddings.word_embeddings.weight"]);
}

#[test]
fn a_batch_gives_what_single_texts_give() {
    let bytes = convert(&CHECKPOINT, &options(Dtype::F32, Pooling::Mean)).unwrap();
    let embedder = Embedder::from_bytes(&bytes).unwrap();
    let texts: Vec<&str> = GOLDENS.items.iter().map(|item| item.text.as_str()).filter(|text| !text.trim().is_empty()).collect();
    let all = embedder.embed(&texts, &EmbedOptions::default()).unwrap();
    for ((text, row), unread) in texts.iter().zip(all.rows()).zip(&all.unread) {
        let one = embedder.embed(&[text], &EmbedOptions::default()).unwrap();
        assert_eq!((one.data.as_slice(), one.unread[0]), (row, *unread), "{text:?}");
    }
}

#[test]
fn unread_counts_words_and_not_the_spaces_before_them() {
    let query: Prompt = "query: {instruction}".parse().unwrap();
    let unread = |text: &str| OURS.encode(text, &query, 100).unwrap().unread;
    assert_eq!(unread("Write a poem"), 0.0);
    assert_eq!(unread("አማርኛ ቋንቋ"), 1.0);
    // Of "▁a", "▁", unknown and "▁b" the lone space does not count.
    assert_eq!(unread("a አማ b"), 1.0 / 3.0);
    assert_eq!(unread("\u{1}"), 1.0);
}

#[test]
fn the_middle_goes_and_the_prompt_stays() {
    let query: Prompt = "query: {instruction}".parse().unwrap();
    let whole = OURS.encode("a b c d e f g h", &query, 100).unwrap().input_ids;
    let cut = OURS.encode("a b c d e f g h", &query, whole.len() - 3).unwrap();
    let template = whole.len() - 2 - 8;
    assert!(cut.truncated && cut.input_ids.len() == whole.len() - 3);
    let (head, tail) = (1 + template + 3, 2 + 1);
    assert_eq!(cut.input_ids, [&whole[..head], &whole[whole.len() - tail..]].concat());
    let error = OURS.encode("a", &query, 3).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidPrompt);
}

#[test]
fn each_corpus_counts_alike_and_its_characters_stay() {
    // A thousand texts of one language beside one text of another.
    let corpora = [vec!["Write a poem about rain"; 1000], vec!["बारिश के बारे में एक कविता लिखो"]];
    let total = CHECKPOINT.vocabulary.tokens.len();
    let required = prune(&CHECKPOINT, &corpora, total).unwrap().required;
    let pruned = prune(&CHECKPOINT, &corpora, required + 16).unwrap();
    let cut = Tokenizer::new(pruned.checkpoint.vocabulary.clone()).unwrap();
    let pieces = |tokenizer: &Tokenizer, vocabulary: &Vocabulary, text: &str| -> Vec<String> {
        ids(tokenizer, text).iter().map(|&id| vocabulary.tokens[id as usize].clone()).collect()
    };
    for text in ["Write a poem about rain", "बारिश के बारे में एक कविता लिखो"] {
        let expected = pieces(&OURS, &CHECKPOINT.vocabulary, text);
        assert_eq!(pieces(&cut, &pruned.checkpoint.vocabulary, text), expected);
    }
    let unread = |text: &str| cut.encode(text, &Prompt::none(), 100).unwrap().unread;
    // With the Hindi words of one text alone, a single letter of Hindi counts as lost.
    assert_eq!((unread("naïve żółw 3.14%"), unread("कविता"), unread("море")), (0.0, 1.0 / 3.0, 1.0));
    let [english, hindi] = pruned.corpora[..] else { panic!("{:?}", pruned.corpora) };
    assert_eq!((english.texts, english.dropped, english.unknown_after), (1000, 0, 0));
    assert_eq!((hindi.texts, hindi.dropped, hindi.unknown_after), (1, 0, 0));
    assert_eq!(hindi.pieces, hindi.pieces_after);
    // Scores follow their pieces, and the charsmap loses what nothing reads now.
    let (before, after) = (model(&CHECKPOINT), model(&pruned.checkpoint));
    assert!(pruned.kept.iter().zip(&after.scores).all(|(&old, &score)| before.scores[old as usize] == score));
    assert!(after.charsmap.len() < before.charsmap.len());

    let error = prune(&CHECKPOINT, &[["a"], [" "]], total).unwrap_err();
    assert_eq!(error.to_string(), "corpus 1 of 2 (1 texts) has no text");
    let none: [[&str; 1]; 0] = [];
    assert_eq!(prune(&CHECKPOINT, &none, total).unwrap_err().code(), ErrorCode::InvalidArgument);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The smaller charsmap changes no pieces.
    #[test]
    fn a_reduced_charsmap_gives_the_same_pieces(text in "([a-z ]|[ａ-ｚ０-９]|[ﬁﬂ㍿㎏½²]|e\u{301}|[\\u{c0}-\\u{17f}]|[\u{1}\t\u{a0}\u{3000}]){0,30}") {
        static PAIR: LazyLock<[Tokenizer; 2]> = LazyLock::new(|| {
            let corpora = [["Write a poem about rain"]];
            let required = prune(&CHECKPOINT, &corpora, CHECKPOINT.vocabulary.tokens.len()).unwrap().required;
            let reduced = prune(&CHECKPOINT, &corpora, required + 50).unwrap().checkpoint.vocabulary;
            let mut whole = reduced.clone();
            if let Segmentation::Unigram(parts) = &mut whole.segmentation {
                parts.charsmap = model(&CHECKPOINT).charsmap.clone();
            }
            [reduced, whole].map(|vocabulary| Tokenizer::new(vocabulary).unwrap())
        });
        prop_assert_eq!(ids(&PAIR[0], &text), ids(&PAIR[1], &text));
    }
}

#[test]
fn broken_tokenizer_files_are_refused() {
    use ErrorCode::{ModelFormat, ModelUnsupported};
    let cases: [(&str, Value, ErrorCode, &str); 14] = [
        ("/model/vocab/7", json!(["s", "x"]), ModelFormat, "token 7 is [\"s\",\"x\"]"),
        ("/model/vocab/7", json!(["s", null]), ModelFormat, "token 7 is [\"s\",null]"),
        ("/model/vocab", json!({"s": 1}), ModelFormat, "vocab is no list of pairs"),
        ("/model/vocab", json!([]), ModelFormat, "the added token \"<mask>\" has the id "),
        ("/model/unk_id", json!(7), ModelFormat, "unk_id is Some(7); <unk> is token 3"),
        ("/added_tokens/0/content", json!("<S>"), ModelFormat, "token 0 is \"<s>\" in the vocabulary and \"<S>\" among"),
        ("/added_tokens/0/id", json!(999_999), ModelFormat, "has the id 999999; the vocabulary has "),
        ("/model/byte_fallback", json!(true), ModelUnsupported, "byte_fallback is true"),
        ("/model/type", json!("BPE"), ModelUnsupported, "tokenizer model \"BPE\"; only WordPiece and Unigram"),
        ("/normalizer/type", json!("NFC"), ModelUnsupported, "normalizers [\"NFC\"]"),
        ("/normalizer/precompiled_charsmap", json!("?"), ModelFormat, "precompiled_charsmap (1 characters)"),
        ("/pre_tokenizer/pretokenizers/1/prepend_scheme", json!("never"), ModelUnsupported, "only Metaspace that puts"),
        ("/pre_tokenizer/pretokenizers/1/replacement", json!("_"), ModelUnsupported, "only Metaspace that puts"),
        ("/pre_tokenizer", json!(null), ModelUnsupported, "pre_tokenizer missing"),
    ];
    for (pointer, value, code, message) in cases {
        let mut file = TOKENIZER_JSON.clone();
        match file.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => file["model"]["byte_fallback"] = value,
        }
        let error = load(&file, 0).unwrap_err();
        assert_eq!(error.code(), code, "{pointer}: {error}");
        assert!(error.to_string().contains(message), "{pointer}: {error}");
    }
    let mut file = TOKENIZER_JSON.clone();
    file["model"]["vocab"][0][0] = "other".into();
    file["added_tokens"].as_array_mut().unwrap().remove(0);
    assert!(load(&file, 0).unwrap_err().to_string().contains("tokens) has no <s>"));
}

/// Five special tokens and two pieces, with one thing changed.
fn refused(change: impl FnOnce(&mut Vec<String>, &mut SpecialTokens, &mut UnigramModel)) -> String {
    let mut tokens: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁a", "b"].map(String::from).into();
    let mut special = SpecialTokens { cls: 0, pad: 1, sep: 2, unk: 3, mask: 4 };
    let mut model = UnigramModel { scores: vec![0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -2.0], charsmap: Vec::new() };
    change(&mut tokens, &mut special, &mut model);
    let vocabulary = Vocabulary { tokens, special, segmentation: Segmentation::Unigram(model) };
    let error = Tokenizer::new(vocabulary).err().expect("was taken");
    assert_eq!(error.code(), ErrorCode::ModelFormat);
    error.to_string()
}

#[test]
fn broken_vocabularies_are_refused() {
    assert_eq!(refused(|_, _, model| model.scores.truncate(6)), "the vocabulary has 7 tokens and 6 scores");
    assert_eq!(refused(|_, _, model| model.scores[5] = f32::NAN), "the score of token 5 (\"▁a\") is NaN; it must be a finite number");
    assert_eq!(refused(|tokens, _, _| tokens[6] = "▁a".to_owned()), "tokens 5 and 6 are both \"▁a\"");
    assert_eq!(refused(|tokens, _, _| tokens[6].clear()), "token 6 of 7 is empty");
    assert_eq!(refused(|_, special, _| special.mask = 7), "a special token is 7; the vocabulary has 7 tokens");
    assert_eq!(refused(|tokens, _, _| tokens.clear()), "a special token is 0; the vocabulary has 0 tokens");
    assert!(refused(|_, _, model| model.charsmap = vec![1, 2, 3]).starts_with("the charsmap (3 bytes) is broken"));
}

#[test]
fn broken_model_files_are_refused() {
    let convert_with = |change: &dyn Fn(&mut UnigramModel)| {
        let mut checkpoint = CHECKPOINT.clone();
        if let Segmentation::Unigram(model) = &mut checkpoint.vocabulary.segmentation {
            change(model);
        }
        Embedder::from_bytes(&convert(&checkpoint, &options(Dtype::Q8_0, Pooling::Mean)).unwrap()).err().expect("was loaded")
    };
    let total = CHECKPOINT.vocabulary.tokens.len();
    for (change, message) in [
        (&(|model: &mut UnigramModel| model.scores.truncate(9)) as &dyn Fn(&mut UnigramModel), format!("{total} tokens and 9 scores")),
        (&|model| model.scores[9] = f32::INFINITY, "the score of token 9".to_owned()),
        (&|model| model.charsmap.truncate(1000), "the charsmap (1000 bytes) is broken".to_owned()),
        (&|model| model.charsmap[5] ^= 0xFF, "is broken".to_owned()),
    ] {
        let error = convert_with(change);
        assert!(error.code() == ErrorCode::ModelFormat && error.to_string().contains(&message), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the charsmap's bytes are, it is refused or it works.
    #[test]
    fn an_altered_charsmap_never_panics(at in any::<prop::sample::Index>(), value in any::<u8>(), text in "\\PC{0,40}") {
        let mut vocabulary = CHECKPOINT.vocabulary.clone();
        if let Segmentation::Unigram(model) = &mut vocabulary.segmentation {
            let at = at.index(model.charsmap.len());
            model.charsmap[at] = value;
        }
        if let Ok(tokenizer) = Tokenizer::new(vocabulary) {
            ids(&tokenizer, &text);
            ids(&tokenizer, "ＦＵＬＬ e\u{301} ½");
        }
    }
}

#[test]
fn the_shipped_multilingual_model_reads_its_languages() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let model = fs::read(models.join("pie-multi.gguf")).unwrap();
    let embedder = Embedder::from_bytes(&model).unwrap();
    let taxonomy = fs::read(models.join("pie-multi.taxonomy")).unwrap();
    let taxonomy = Taxonomy::from_bytes(&taxonomy, &sha256_hex(&model), embedder.view_size()).unwrap();
    let texts = [
        "Write a poem about snow",
        "Schreib ein Gedicht über den Schnee",
        "Écris un poème sur la neige",
        "Escribe un poema sobre la nieve",
        "Scrivi una poesia sulla neve",
        "Escreve um poema sobre a neve",
        "Schrijf een gedicht over de sneeuw",
        "Napisz wiersz o śniegu",
        "Kar hakkında bir şiir yaz",
        "Напиши стихотворение о снеге",
        "اكتب قصيدة عن الثلج",
        "बर्फ पर एक कविता लिखो",
        "Tulis puisi tentang salju",
        "写一首关于雪的诗",
        "雪についての詩を書いて",
        "눈에 대한 시를 써 줘",
    ];
    let vectors = embedder.embed(&texts, &EmbedOptions::default()).unwrap();
    assert_eq!(vectors.unread, [0.0; 16]);
    let families = vectors.rows().map(|vector| taxonomy.classify(vector, 0.0, Level::Family, 1).unwrap().remove(0).label);
    let creative = families.filter(|family| family == "creative-writing").count();
    // models/README.md: in languages other than English the family is right in .73 to .86 of cases.
    assert!(creative >= 11, "{creative} of 16 languages");
}
