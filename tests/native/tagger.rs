//! Labels of a caller's own: the library and `pie tagger` on the tiny models.

use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::tasks::{Confusion, Judged, Read, Tag, Tagger, TaggerLabel, TaggerOptions, UNKNOWN};
use pie_embed_wasm::{Embedder, Embeddings, ErrorCode, sha256, sha256_hex};
use serde_json::{Value, json};

use crate::common::{tiny, two_views};
use crate::uses_cli::Bench;

/// Words of which the tiny model's vocabulary has not one letter.
const RUNES: &str = "ᚠᚢᚦ ᚨᚱᚲ";

struct Model {
    embedder: Embedder,
    sha256: String,
}

impl Model {
    fn new(bytes: &[u8]) -> Self {
        Self { embedder: Embedder::from_bytes(bytes).unwrap(), sha256: sha256_hex(bytes) }
    }

    fn fit(&self, labels: &[TaggerLabel], options: TaggerOptions) -> Tagger {
        Tagger::fit(&self.embedder, &self.sha256, labels.to_vec(), options).unwrap()
    }

    fn best(&self, tagger: &Tagger, text: &str) -> String {
        let tags = tagger.tag(&self.embedder, &[text], 3).unwrap().concat();
        tags.into_iter().find(|tag| tag.label != UNKNOWN).unwrap().label
    }
}

fn labels() -> Vec<TaggerLabel> {
    let poems = ["Write a poem about rain", "Write a poem about the sea", "Write a poem about snow", "Write a short poem"];
    let invoices = ["Where is my invoice?", "Why was I charged twice?", "Where is my receipt?", "Why is my invoice wrong?"];
    vec![
        TaggerLabel::new("write_poem").with_examples(poems),
        TaggerLabel { not: vec!["What is an invoice?".to_owned()], ..TaggerLabel::new("billing").with_examples(invoices) },
        TaggerLabel::new("sortNumbers").with_description("put the numbers in order"),
    ]
}

fn models() -> [Model; 2] {
    [Model::new(&tiny(Dtype::Q8_0, Pooling::Mean)), Model::new(&two_views(Dtype::Q8_0))]
}

#[test]
fn a_tagger_learns_names_descriptions_and_examples() {
    for model in models() {
        let tagger = model.fit(&labels(), TaggerOptions::default());
        assert_eq!(model.best(&tagger, "Write a poem about the wind"), "write_poem");
        assert_eq!(model.best(&tagger, "Where is my invoice today?"), "billing");
        assert_eq!(model.best(&tagger, "put the numbers in order"), "sortNumbers");
        assert_eq!(tagger.judged().examples, 8);
        assert!((0.0..=1.0).contains(&tagger.mix()) && tagger.labels() == labels());
        // Scores are the labels' shares, and the unknown's; what is unread is that alone.
        let tags = tagger.tag(&model.embedder, &["Write a poem", RUNES], 9).unwrap();
        assert!(tags[0].len() >= 3 && tags[0].iter().map(|tag| tag.score).sum::<f32>() <= 1.0001, "{:?}", tags[0]);
        assert!(matches!(&tags[1][..], [Tag { reason: Some(_), .. }]), "{:?}", tags[1]);
    }
}

#[test]
fn a_batch_is_tagged_as_single_texts_are_and_always_the_same() {
    for model in models() {
        for multi in [false, true] {
            let options = TaggerOptions { multi, thresholds: true, ..TaggerOptions::default() };
            let tagger = model.fit(&labels(), options.clone());
            let texts = ["Write a poem", "Where is it? And then write a poem about it", "order numbers", "Why?", "x"];
            let batch = tagger.tag(&model.embedder, &texts, 5).unwrap();
            for (text, tags) in texts.iter().zip(&batch) {
                assert_eq!(&tagger.tag(&model.embedder, &[text], 5).unwrap()[0], tags);
            }
            assert_eq!(model.fit(&labels(), options).to_bytes(), tagger.to_bytes());
        }
    }
}

#[test]
fn one_label_is_that_or_unknown() {
    for model in models() {
        let tagger = model.fit(&labels()[..1], TaggerOptions::default());
        let tags = tagger.tag(&model.embedder, &["Write a poem about rain"], 5).unwrap().concat();
        assert!(tags.iter().any(|tag| tag.label == "write_poem") && tags.len() <= 2, "{tags:?}");
        let name = model.fit(&[TaggerLabel::new("poem")], TaggerOptions::default());
        assert_eq!((name.judged().examples, model.best(&name, "a poem").as_str()), (0, "poem"));
    }
}

#[test]
fn independent_scores_name_several_labels() {
    let model = &models()[0];
    let tagger = model.fit(&labels(), TaggerOptions { multi: true, ..TaggerOptions::default() });
    let text = "Write a poem about the sea, and then tell me where is my invoice?";
    let tags = tagger.tag(&model.embedder, &[text], 3).unwrap().concat();
    let score = |label: &str| tags.iter().find(|tag| tag.label == label).unwrap().score;
    let alone = tagger.tag(&model.embedder, &["Write a poem about the sea"], 3).unwrap().concat();
    let of_poem = alone.iter().find(|tag| tag.label == "write_poem").unwrap().score;
    assert!(score("write_poem") >= of_poem - 1e-6 && score("write_poem") + score("billing") > 0.0, "{tags:?}");
}

#[test]
fn examples_come_and_go() {
    let model = &models()[1];
    let tagger = model.fit(&labels(), TaggerOptions::default());
    let more = tagger.with_examples(&model.embedder, "billing", &["Send me a receipt"]).unwrap();
    assert_eq!(more.labels()[1].examples.len(), 5);
    let back = more.without_examples(&model.embedder, "billing", &["Send me a receipt"]).unwrap();
    assert_eq!(back.to_bytes(), tagger.to_bytes());
    let grown = tagger.with_examples(&model.embedder, "greeting", &["Hello"]).unwrap();
    assert_eq!(model.best(&grown, "Hello"), "greeting");
    // As if it had been learned in one go.
    assert_eq!(grown.to_bytes(), model.fit(grown.labels(), TaggerOptions::default()).to_bytes());
    let e = tagger.without_examples(&model.embedder, "billing", &["Hello"]).map(|_| ()).unwrap_err();
    assert_eq!(e.to_string(), "label \"billing\" has no example \"Hello\"; it has 4 others");
    let e = tagger.with_examples(&models()[0].embedder, "a", &["b"]).map(|_| ()).unwrap_err();
    assert!(e.code() == ErrorCode::InvalidArgument && e.to_string().contains("2 views"), "{e}");
}

#[test]
fn what_cannot_be_learned_is_refused() {
    let model = &models()[0];
    let refused = |labels: Vec<TaggerLabel>, options| {
        let e = Tagger::fit(&model.embedder, &model.sha256, labels, options).map(|_| ()).unwrap_err();
        (e.code(), e.to_string())
    };
    let invalid = ErrorCode::InvalidArgument;
    let (code, said) = refused(vec![TaggerLabel::new("a").with_examples(["poem", RUNES])], TaggerOptions::default());
    assert!(code == invalid && said.contains("label \"a\": the model's vocabulary lacks 100 % of example 1"), "{said}");
    let (code, said) = refused(labels(), TaggerOptions { unknown_share: 1.0, ..TaggerOptions::default() });
    assert_eq!((code, said.as_str()), (invalid, "unknown_share is 1; it must be at least 0 and below 1"));
    // An unread name does no harm where there is more.
    model.fit(&[TaggerLabel::new(RUNES).with_examples(["poem"])], TaggerOptions::default());
    let tagger = model.fit(&labels(), TaggerOptions::default());
    assert_eq!(tagger.tag(&model.embedder, &["a"], 0).unwrap_err().code(), invalid);
}

#[test]
fn a_tag_is_explained_by_its_nearest_examples() {
    for model in models() {
        let tagger = model.fit(&labels(), TaggerOptions::default());
        let explanation = tagger.explain(&model.embedder, "Write a poem about snow").unwrap();
        let evidence = &explanation.evidence[0];
        assert_eq!((evidence.label.as_str(), evidence.nearest[0].text.as_str()), ("write_poem", "Write a poem about snow"));
        assert!((evidence.nearest[0].cosine - 1.0).abs() < 1e-3 && evidence.nearest.len() == 3);
        assert!(evidence.nearest.is_sorted_by(|a, b| a.cosine >= b.cosine) && explanation.evidence.len() == 2);
        let zero_shot = tagger.explain(&model.embedder, "put the numbers in order").unwrap();
        let own = zero_shot.evidence.iter().find(|evidence| evidence.label == "sortNumbers").unwrap();
        assert_eq!(own.nearest[0].text, "put the numbers in order");
    }
}

#[test]
fn an_evaluation_counts_every_row() {
    let model = &models()[0];
    let tagger = model.fit(&labels(), TaggerOptions::default());
    let mut rows: Vec<(&str, &str)> =
        vec![("Write a poem about rain", "write_poem"), ("Where is my receipt?", "billing"), (RUNES, UNKNOWN)];
    let good = tagger.evaluate(&model.embedder, &rows).unwrap();
    assert_eq!((good.rows, good.labels.len(), good.labels[3].label.as_str()), (3, 4, UNKNOWN));
    assert_eq!((good.labels[3].recall, good.labels[2].recall, good.labels[2].rows), (Some(1.0), None, 0));
    let right: usize = good.labels.iter().map(|label| label.right).sum();
    assert!((good.accuracy - right as f64 / 3.0).abs() < 1e-9);
    assert_eq!(good.confusions.iter().map(|c| c.rows).sum::<usize>(), 3 - right);
    rows.push(("Write a poem about rain", "billing"));
    let confused = tagger.evaluate(&model.embedder, &rows).unwrap();
    let lost = Confusion { label: "billing".into(), said: "write_poem".into(), rows: 1, text: "Write a poem about rain".into() };
    assert!(confused.confusions.contains(&lost), "{confused:?}");
    let e = tagger.evaluate(&model.embedder, &[("a", "stranger")]).unwrap_err();
    assert_eq!(e.to_string(), "row 0 has the label \"stranger\", which is neither \"unknown\" nor one of the tagger's 3");
    assert_eq!(tagger.evaluate::<&str, &str>(&model.embedder, &[]).unwrap_err().code(), ErrorCode::NoTexts);
}

/// A vector of 8 near the axis of its label.
fn vector(label: usize, n: usize) -> Vec<f32> {
    let mut vector = vec![0.05; 8];
    vector[label] = 1.0;
    vector[2 + n % 6] += 0.2;
    vector
}

/// Two labels with six examples each, and the vectors of their texts.
fn embedded() -> (Vec<TaggerLabel>, Embeddings) {
    let labels = ["a", "b"].map(|name| TaggerLabel::new(name).with_examples((0..6).map(|n| format!("{name} {n}")))).to_vec();
    let texts = Tagger::texts(&labels).unwrap();
    let data = texts.iter().zip(0..).flat_map(|(text, n)| vector(usize::from(text.starts_with('b')), n)).collect();
    let embeddings = Embeddings { data, dimensions: 8, unread: vec![0.0; texts.len()], ..Embeddings::default() };
    (labels, embeddings)
}

#[test]
fn rows_among_the_examples_of_another_label_are_doubtful() {
    let (labels, embeddings) = embedded();
    let tagger = Tagger::from_embeddings(labels, &embeddings, 1, "", TaggerOptions::default()).unwrap();
    assert_eq!(tagger.judged(), Judged { right: 12, examples: 12 });
    // An example is not its own neighbour.
    let rows = [("a 9", "a"), ("b 9", "a"), ("b 0", "b"), ("a 1", UNKNOWN)];
    let vectors = [vector(0, 1), vector(1, 1), vector(1, 0), vector(0, 1)];
    let first = |vector| tagger.tag_requests(Read { vector, unread: 0.0 }, &[], 1).unwrap().remove(0).label;
    let said: Vec<String> = vectors.iter().map(|vector| first(vector)).collect();
    let evaluation = tagger.compare(&rows, &said, &vectors.concat()).unwrap();
    let [suspect] = &evaluation.suspects[..] else { panic!("{evaluation:?}") };
    assert_eq!((suspect.row, suspect.text.as_str(), suspect.label.as_str(), suspect.neighbours.as_str()), (1, "b 9", "a", "b"));
    assert_eq!(tagger.compare(&rows, &said[..3], &vectors.concat()).unwrap_err().code(), ErrorCode::InvalidDimensions);
}

#[test]
fn vectors_that_do_not_fit_the_texts_are_refused() {
    let (labels, embeddings) = embedded();
    let refused = |embeddings: &Embeddings| {
        let e = Tagger::from_embeddings(labels.clone(), embeddings, 1, "", TaggerOptions::default()).map(|_| ()).unwrap_err();
        (e.code(), e.to_string())
    };
    let mut short = embeddings.clone();
    short.data.pop();
    let said = "2 labels: 111 numbers of 8 dimensions and 14 unread shares for 14 texts of 8 dimensions";
    assert_eq!(refused(&short), (ErrorCode::InvalidDimensions, said.to_owned()));
    let mut broken = embeddings.clone();
    broken.data[17] = f32::NAN;
    assert_eq!(refused(&broken), (ErrorCode::InvalidArgument, "the vector of \"a 1\" holds NaN at dimension 1".to_owned()));
}

/// The file with a right checksum.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let length = (body.len() + 32) as u64;
    body[12..20].copy_from_slice(&length.to_le_bytes());
    let digest = sha256(&body);
    body.extend(digest);
    body
}

#[test]
fn a_file_gives_the_same_tagger() {
    for model in models() {
        let labels =
            [labels(), vec![TaggerLabel::new("--").with_examples(["7 + 5"]), TaggerLabel::new(RUNES).with_examples(["x y"])]].concat();
        for options in [TaggerOptions::default(), TaggerOptions { thresholds: true, multi: true, unknown_share: 0.1 }] {
            let tagger = model.fit(&labels, options);
            let bytes = tagger.to_bytes();
            let loaded = Tagger::from_bytes(&bytes, &model.sha256, &model.embedder).unwrap();
            assert_eq!(loaded.to_bytes(), bytes);
            let texts = ["Write a poem", "Where is my money?", "7 + 5"];
            assert_eq!(loaded.tag(&model.embedder, &texts, 5).unwrap(), tagger.tag(&model.embedder, &texts, 5).unwrap());
            let more = |tagger: &Tagger| tagger.with_examples(&model.embedder, "billing", &["Pay me"]).unwrap().to_bytes();
            assert_eq!(more(&loaded), more(&tagger));
        }
    }
}

#[test]
fn a_file_that_is_not_whole_is_refused() {
    let model = &models()[0];
    let bytes = model.fit(&labels(), TaggerOptions { thresholds: true, ..TaggerOptions::default() }).to_bytes();
    let refused = |bytes: &[u8]| {
        let e = Tagger::from_bytes(bytes, &model.sha256, &model.embedder).map(|_| ()).unwrap_err();
        assert_eq!(e.code(), ErrorCode::TaggerFormat, "{e}");
        e.to_string()
    };
    for len in (0..bytes.len()).step_by(97).chain([7, 8, 11, 12, 19, 20, bytes.len() - 1]) {
        refused(&bytes[..len]);
    }
    for at in (0..bytes.len()).step_by(61).chain(0..24) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x40;
        refused(&altered);
    }
    assert!(refused(&bytes[..100]).contains(&format!("says that it has {} bytes; it has 100", bytes.len())));
    assert!(refused(b"GGUF and so on").contains("begins with \"GGUF and\", not \"PIETAGGR\""));
    let mut other_version = bytes.clone();
    other_version[8] = 2;
    assert!(refused(&other_version).contains("version 2; this program reads version 1"));
    assert!(refused(&[&bytes[..], b"x"].concat()).contains("bytes; it has"));

    // Numbers that no tagger has, under a right checksum.
    let body = &bytes[..bytes.len() - 32];
    let header = u32::from_le_bytes(body[20..24].try_into().unwrap()) as usize;
    let numbers = 24 + header;
    let with = |at: usize, new: &[u8]| {
        let mut body = body.to_vec();
        body[at..at + new.len()].copy_from_slice(new);
        refused(&sealed(body))
    };
    assert!(with(numbers, &f32::NAN.to_le_bytes()).contains(&format!("the views' scales: the number at byte {numbers} is NaN")));
    assert!(with(numbers, &2.0_f32.to_le_bytes()).contains("the views are scaled by [2.0"));
    assert!(with(numbers + 8, &[7]).contains("the triangle's mark is 7"));
    assert!(with(numbers + 9, &0x7c00_u16.to_le_bytes()).contains("number 0 of the triangle is inf"));
    let weights = numbers + 9 + 2 * (64 * 65 / 2);
    assert!(with(weights, &f32::INFINITY.to_le_bytes()).contains("the weights: the number at byte"));
    let levels = weights + 4 * 3 * 65;
    assert!(with(levels, &0.0_f32.to_le_bytes()).contains("temperature: 0.0"));
    assert!(with(20, &u32::MAX.to_le_bytes()).contains("the header would take 4294967295 bytes"));
    assert!(refused(&sealed([body, &[0]].concat())).contains("1 bytes follow the last number"));
    assert!(with(24, b"[").contains("the header: "));

    let other = sha256_hex(b"another");
    let e = Tagger::from_bytes(&bytes, &other, &model.embedder).map(|_| ()).unwrap_err();
    assert!(e.code() == ErrorCode::TaggerMismatch && e.to_string().contains(&model.sha256) && e.to_string().contains(&other), "{e}");
}

const TOML: &str = r#"
greeting = "the user says hello"
weather = ["Is it raining?", "Will it snow?"]

[write_poem]
description = "a poem is wanted"
examples = ["Write a poem about rain", "Write a poem about the sea"]
not = ["Write a letter"]
"#;

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn labelled() -> String {
    let rows = labels().into_iter().take(2).flat_map(|label| {
        let name = label.name;
        label.examples.into_iter().map(move |text| json!({"text": text, "label": name}))
    });
    lines(&rows.collect::<Vec<_>>())
}

#[test]
fn the_command_line_learns_tags_and_measures() {
    let bench = Bench::new();
    bench.write("labels.toml", TOML);
    bench.write("rows.jsonl", labelled());
    for (data, count) in [("labels.toml", 3), ("rows.jsonl", 2)] {
        let output = bench.run(&format!("tagger fit --data {data} -o my.tagger --force"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(&format!("my.tagger: {count} labels, ")), "{said}");
        assert!(said.contains(" examples are tagged right by a tagger that has not seen them"), "{said}");
    }
    let output = bench.command("tag --tagger my.tagger --json --top-k 2").args(["Write a poem about rain", RUNES, " "]).output().unwrap();
    let rows: Vec<Value> = String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), output.status.code(), rows[0]["text"].as_str()), (3, Some(1), Some("Write a poem about rain")));
    let tags = rows[0]["labels"].as_array().unwrap();
    assert!(tags.len() == 2 && tags.iter().all(|tag| tag["score"].as_f64().is_some() && tag["label"].is_string()), "{}", rows[0]);
    assert_eq!(rows[1]["labels"], json!([{"label": "unknown", "score": 1.0, "reason": "unread"}]));
    assert!(rows[2]["labels"] == json!([]) && rows[2]["error"].is_string());
    bench.ok("tag --tagger my.tagger --input rows.jsonl -o out.parquet");
    bench.ok("tag --tagger my.tagger --input rows.jsonl -o out.jsonl");
    assert_eq!(bench.rows("out.jsonl").len(), 8);

    bench.write("test.jsonl", labelled() + &lines(&[json!({"text": RUNES, "label": "unknown"})]));
    let evaluation: Value = serde_json::from_str(&bench.ok("tagger eval --tagger my.tagger --data test.jsonl --json")).unwrap();
    assert_eq!((evaluation["rows"].as_u64(), evaluation["labels"].as_array().unwrap().len()), (Some(9), 3));
    let table = bench.ok("tagger eval --tagger my.tagger --data test.jsonl");
    assert!(table.contains("of 9 rows are tagged right") && table.contains("write_poem"), "{table}");
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let bench = Bench::new();
    bench.write("labels.toml", TOML);
    bench.write("rows.jsonl", labelled());
    bench.write("other.gguf", tiny(Dtype::Q8_0, Pooling::Mean));
    bench.ok("tagger fit --data labels.toml -o my.tagger");
    bench.write("twice.jsonl", labelled() + &lines(&[json!({"text": "Where is my invoice?", "label": "write_poem"})]));
    bench.write("empty.toml", "");
    bench.write("key.toml", "[a]\nexample = [\"x\"]\n");
    bench.write("type.toml", "a = 7\n");
    bench.write("list.toml", "a = [\"x\", 7]\n");
    bench.write("broken.toml", "[a\n");
    bench.write("column.jsonl", "{\"text\": \"a\", \"intent\": \"b\"}\n");
    bench.write("long.jsonl", lines(&[json!({"text": "a ".repeat(500_000), "label": "b"})]));
    bench.write("stranger.jsonl", lines(&[json!({"text": "a", "label": "stranger"})]));
    let sha = sha256_hex(&tiny(Dtype::Q8_0, Pooling::Mean));
    bench.refuses(&[
        ("tagger fit --data rows.jsonl -o my.tagger", 1, "my.tagger exists: --force replaces it"),
        ("tagger fit --data twice.jsonl -o x.tagger", 1, "stands under two labels, \"write_poem\" and \"billing\""),
        ("tagger fit --data empty.toml -o x.tagger", 1, "0 labels were given; a tagger takes 1 to 2000"),
        ("tagger fit --data key.toml -o x.tagger", 1, "unknown field `example`"),
        ("tagger fit --data type.toml -o x.tagger", 1, "label \"a\""),
        ("tagger fit --data list.toml -o x.tagger", 1, "label \"a\""),
        ("tagger fit --data broken.toml -o x.tagger", 1, "broken.toml: "),
        ("tagger fit --data column.jsonl -o x.tagger", 1, "there is no column \"label\"; there are"),
        ("tagger fit --data long.jsonl -o x.tagger", 1, "example 0 has 1000000 bytes; at most 65536 are taken"),
        ("tagger fit --data none.jsonl -o x.tagger", 1, "none.jsonl"),
        ("tagger fit --data rows.jsonl -o x.tagger --unknown-share 2", 1, "unknown_share is 2"),
        ("tagger eval --tagger my.tagger --data stranger.jsonl", 1, "row 0 has the label \"stranger\""),
        ("tagger eval --tagger rows.jsonl --data rows.jsonl", 1, "[tagger_format]"),
        ("tag --tagger tiny.gguf a", 1, "begins with \"GGUF"),
        ("tag --tagger my.tagger --model other.gguf a", 1, &sha),
        ("tag --tagger my.tagger --model other.gguf a", 1, "[tagger_mismatch]"),
        ("tag --tagger my.tagger --prompt pie a", 1, "leave --prompt and --max-tokens out"),
        ("tag --tagger my.tagger --taxonomy my.tagger a", 2, "--taxonomy"),
    ]);
}
