//! The phrasebook: what is split, filled, written and refused.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use pie_embed_wasm::ieb::ParaphraseSet;
use pie_embed_wasm::train::{Expansion, LANGUAGES, Phrase, Phrasebook, Register, Side, Source};
use pie_embed_wasm::{ErrorCode, Result};
use tempfile::TempDir;

const KINDS: &str = r#"
[family.craft]
name = "crafts"
definition = "Work of the hands."

[family.voice]
name = "voice"
definition = "Work of the voice."

[kind.sing-it]
name = "sing it"
family = "voice"
second_family = "craft"
definition = "A song is to be sung."
[kind.sing-it.confused_with]
fold-it = "nothing is sung"

[kind.fold-it]
name = "fold it"
family = "craft"
definition = "Paper is to be folded."
"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| line(n) + "\n").collect()
}

/// Two kinds of 60 requests: with one placeholder, with the same one twice, with none.
fn sample() -> TempDir {
    let requests = |verb: &str| {
        numbered(60, |n| match n % 3 {
            0 => format!("{verb} <{{topic}}>, {n}"),
            1 => format!("{verb} <{{topic}}> and <{{topic}}> for <{{person}}>, {n}"),
            _ => format!("{verb} {{\"it\": {n}}} {{}} {{x y}} {{"),
        })
    };
    folder(&[
        ("kinds.toml", KINDS),
        ("english/a.txt", &format!("# sing-it\n{}\n", requests("sing"))),
        ("english/b.txt", &format!("\u{feff}#fold-it\r\n{}", requests("fold").replace('\n', "\r\n"))),
        ("english/notes.md", "no requests"),
        ("slots/topic.txt", &numbered(40, |n| format!("topic {n}\\n{{person}}"))),
        ("slots/person.txt", &numbered(5, |n| format!("person {n}"))),
    ])
}

/// A small phrasebook with everything that a folder may have.
fn whole() -> TempDir {
    let passages =
        |genre: &str| (0..12).map(|n| format!("{genre} {n}\n\nsecond paragraph {genre}{n}")).collect::<Vec<_>>().join("\n====\n");
    let requests = |language: &str| {
        let kind = |id: &str| format!("# {id}\n{}", numbered(12, |n| format!("{} {language} {id} {} {{sentence}}", n + 1, n * n)));
        kind("sing-it") + &kind("fold-it")
    };
    folder(&[
        ("kinds.toml", KINDS),
        (
            "english/a.txt",
            &format!(
                "# sing-it\n{}[pasted] sing this: {{pasted:mail}}\n[chatty] {{background}} so sing\n[two fold-it] sing and fold\n[trap fold] \
                 sing of the fold\n# fold-it\n{}",
                numbered(40, |n| format!("sing {n}")),
                numbered(40, |n| format!("[constraints] fold {n} {{pasted}}"))
            ),
        ),
        ("passages/mail.txt", &passages("mail")),
        ("passages/news.txt", &passages("news")),
        ("passages/background.txt", &passages("life")),
        ("slots/sentence.txt", &numbered(12, |n| format!("sentence {n}"))),
        ("slots/snippet.txt", &numbered(12, |n| format!("snippet {n}"))),
        ("wrappers.txt", "A: {request}\\nB:\n[INST] {request} [/INST]\nQ {request}\nT {request}\nU {request}\n"),
        ("languages/en.txt", &requests("english")),
        ("languages/de.txt", &requests("deutsch")),
        ("languages/slots/de/sentence.txt", &numbered(12, |n| format!("Satz {n}"))),
        (
            "verb-noun/nouns.txt",
            "poem/poems | short, funny | about {sentence}; for me; on rain\narea/areas !the | | of a circle; of {sentence}\nadvice/- | | on rain; for me\n",
        ),
        ("verb-noun/verbs.txt", "write compose | poem\nwork-out calculate | area\ngive | advice\n"),
        ("verb-noun/forms.txt", "{Command}.\nPlease {command}.\nCan you {command}?\nNow {command}.\nGo and {command}.\n"),
        (
            "verb-noun/questions.txt",
            "[how] How is {sentence} made?\n[how] How far is {sentence}?\n[yes-no] Is {sentence} blue?\n[yes-no] Is {sentence} red?\n",
        ),
    ])
}

fn load(dir: &TempDir) -> Result<Phrasebook> {
    Phrasebook::load(dir.path(), &[])
}

fn expand(dir: &Path, variants: usize, seed: u64) -> Expansion {
    Phrasebook::load(dir, &[]).unwrap().expand(variants, seed).unwrap()
}

/// What stands between angle brackets.
fn values(text: &str) -> Vec<&str> {
    text.split('<').skip(1).map(|part| part.split_once('>').unwrap().0).collect()
}

#[test]
fn neither_requests_nor_values_are_on_both_sides() {
    let dir = sample();
    let book = load(&dir).unwrap();
    for kind in 0..2 {
        let of = |phrasings: &[pie_embed_wasm::train::Phrasing]| phrasings.iter().filter(|phrasing| phrasing.kind == kind).count();
        assert_eq!(of(&book.training) + of(&book.development), 60);
        assert!((4..=22).contains(&of(&book.development)), "{}", of(&book.development));
    }
    let Expansion { training, development, .. } = book.expand(100, 0).unwrap();
    let (seen, held_out): (HashSet<&str>, HashSet<&str>) =
        (training.iter().flat_map(|p| values(&p.text)).collect(), development.iter().flat_map(|p| values(&p.text)).collect());
    assert!(!seen.is_empty() && !held_out.is_empty() && seen.is_disjoint(&held_out));
    assert!(seen.iter().any(|value| value.contains("\n{person}")), "a value is taken as it is, but for its line breaks");
}

#[test]
fn new_lines_move_no_old_ones() {
    let dir = sample();
    let before = load(&dir).unwrap();
    let path = dir.path().join("english/a.txt");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.trim_end().to_owned() + "\nhum it\nwhistle it\n").unwrap();
    let after = load(&dir).unwrap();
    assert!(before.training.iter().all(|line| after.training.contains(line)));
    assert!(before.development.iter().all(|line| after.development.contains(line)));
    let (old, new) = (before.expand(2, 0).unwrap(), after.expand(2, 0).unwrap());
    assert!(old.training.iter().all(|phrase| new.training.contains(phrase)));
}

#[test]
fn each_variant_has_values_of_its_own() {
    let dir = sample();
    let book = load(&dir).unwrap();
    let Expansion { training, development, .. } = book.expand(3, 0).unwrap();
    let mut by_phrasing: HashMap<(usize, &str), Vec<&str>> = HashMap::new();
    for phrase in training.iter().filter(|phrase| phrase.text.contains('<')) {
        by_phrasing.entry((phrase.kind, phrase.text.rsplit_once(", ").unwrap().1)).or_default().push(&phrase.text);
    }
    for texts in by_phrasing.values() {
        assert_eq!(texts.len(), 3, "{texts:?}");
        let all: Vec<&str> = texts.iter().flat_map(|text| values(text)).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "{all:?}");
    }
    assert_eq!(development.len(), book.development.len());
    for plain in book.training.iter().filter(|phrasing| !phrasing.text.contains('<')) {
        assert_eq!(training.iter().filter(|phrase| phrase.text == plain.text).count(), 1);
    }
    // Five persons, of which at most four are to train on.
    let many = book.expand(100, 0).unwrap().training;
    let number = by_phrasing.keys().find(|(_, number)| number.parse::<usize>().unwrap() % 3 == 1).unwrap();
    let count = many.iter().filter(|p| p.kind == number.0 && p.text.ends_with(&format!(", {}", number.1))).count();
    assert!((3..=4).contains(&count), "{count}");
}

#[test]
fn the_seed_alone_decides() {
    let dir = whole();
    assert_eq!(expand(dir.path(), 3, 7), expand(dir.path(), 3, 7));
    assert_ne!(expand(dir.path(), 3, 7), expand(dir.path(), 3, 8));
}

#[test]
fn registers_say_how_a_request_is_written() {
    let dir = whole();
    let Expansion { training, development, kinds, .. } = expand(dir.path(), 2, 0);
    let all: Vec<&Phrase> = training.iter().chain(&development).collect();
    let of = |register| all.iter().filter(|phrase| phrase.register == register).collect::<Vec<_>>();
    assert!(of(Register::Pasted).iter().any(|phrase| phrase.text.contains("\n\nsecond paragraph mail")));
    assert!(of(Register::Chatty).iter().any(|phrase| phrase.text.starts_with("life ")));
    let two = of(Register::Two);
    assert!(two.iter().all(|phrase| phrase.second == kinds.find("fold-it") && phrase.kind == kinds.find("sing-it").unwrap()));
    assert!(!two.is_empty() && !of(Register::Trap).is_empty());
    // The material of a background is no pasted material.
    assert!(of(Register::Constraints).iter().filter(|phrase| phrase.pair.is_none()).all(|phrase| !phrase.text.contains("life ")));
    let wrapped = of(Register::Wrapped);
    assert!(!wrapped.is_empty() && wrapped.iter().all(|phrase| phrase.text.contains("sing") || phrase.text.contains("fold")));
    let of_variants = |register| training.iter().filter(|p| p.register == register && p.text.contains("deutsch fold-it")).count();
    assert!(of_variants(Register::Plain) > 0);
}

#[test]
fn whole_prompts_stand_in_files_of_their_own() {
    let (dir, out) = (whole(), tempfile::tempdir().unwrap());
    let full = numbered(20, |n| format!("[full] My paper number {n} is flat.\\nWhat now? {{paper}}"));
    let path = dir.path().join("english/full.txt");
    let long = "one two three four five six seven eight nine ten eleven twelve";
    fs::write(&path, format!("# fold-it\n{full}[full] a {long}\n[full] b {long}\n")).unwrap();
    let refused = load(&dir).err().unwrap().to_string();
    assert!(refused.contains("full.txt, line 23: 12 words in a row stand at") && refused.contains("line 22 too"), "{refused}");
    fs::write(&path, format!("# fold-it\n{full}")).unwrap();
    expand(dir.path(), 3, 0).write(out.path()).unwrap();
    let instructions = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(out.path().join(name)).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| row["instruction"].as_str().unwrap().to_owned()).collect()
    };
    let whole = [instructions("train/en-full.jsonl"), instructions("dev/en-full.jsonl")].concat();
    assert_eq!(whole.len(), 20, "one row each, whatever the variants");
    assert!(whole.iter().all(|text| text.starts_with("My paper number ") && text.ends_with(" is flat.\nWhat now? {paper}")));
    assert!(!instructions("train/en.jsonl").iter().any(|text| text.starts_with("My paper")));
    assert!(!out.path().join("train/de-full.jsonl").exists());

    // Other languages have whole prompts of their own.
    fs::create_dir(dir.path().join("languages/full")).unwrap();
    let german = numbered(10, |n| format!("[full] Mein Blatt Nummer {n} ist glatt.\\nWas nun?"));
    fs::write(dir.path().join("languages/full/de.txt"), format!("# fold-it\n{german}")).unwrap();
    expand(dir.path(), 3, 0).write(out.path()).unwrap();
    let whole = [instructions("train/de-full.jsonl"), instructions("dev/de-full.jsonl")].concat();
    assert!(whole.len() == 10 && whole.iter().all(|text| text.ends_with(" ist glatt.\nWas nun?")), "{whole:?}");
    // What stands in English may stand in German, as code does, but not twice.
    fs::write(&path, format!("# fold-it\n{full}[full] a {long}\n")).unwrap();
    fs::write(dir.path().join("languages/full/de.txt"), format!("# fold-it\n[full] c {long}\n")).unwrap();
    load(&dir).unwrap();
    fs::write(dir.path().join("languages/full/de.txt"), format!("# fold-it\n[full] c {long}\n[full] d {long}\n")).unwrap();
    let refused = load(&dir).err().unwrap().to_string();
    assert!(refused.contains("full/de.txt, line 3: 12 words in a row stand at"), "{refused}");
    fs::write(dir.path().join("languages/full/de.txt"), "# fold-it\n[chatty] Falte das.\n").unwrap();
    let refused = load(&dir).err().unwrap().to_string();
    assert!(refused.contains("full/de.txt, line 2: a whole prompt is expected"), "{refused}");
}

#[test]
fn a_twin_says_the_same_as_an_english_prompt() {
    let (dir, out) = (whole(), tempfile::tempdir().unwrap());
    let english = |n: usize| format!("My paper number {n} is flat.\\nWhat now?");
    let full = numbered(20, |n| format!("[full] {}", english(n)));
    fs::write(dir.path().join("english/full.txt"), format!("# fold-it\n{full}")).unwrap();
    let id = |n: usize| pie_embed_wasm::sha256_hex(english(n).as_bytes())[..8].to_owned();
    let twins = dir.path().join("languages/twins");
    fs::create_dir(&twins).unwrap();
    fs::write(twins.join("de.txt"), numbered(20, |n| format!("{} Mein Blatt {n} ist glatt.\\nWas nun?", id(n)))).unwrap();
    // Numbered requests are twins too, where no placeholder stands in them.
    for (language, text) in [("en", "12 sing it to me"), ("de", "12 sing es mir vor")] {
        let path = dir.path().join(format!("languages/{language}.txt"));
        let lines = fs::read_to_string(&path).unwrap();
        let last = lines.lines().nth(12).unwrap().to_owned();
        fs::write(&path, lines.replace(&last, text)).unwrap();
    }
    let expansion = expand(dir.path(), 1, 0);
    let german = LANGUAGES.iter().position(|code| *code == "de").unwrap();
    for (side, phrases) in [("train", &expansion.training), ("dev", &expansion.development)] {
        let whole_german = |phrase: &&Phrase| phrase.language == german && phrase.register == Register::Full;
        for phrase in phrases.iter().filter(whole_german) {
            let twin = phrase.twin.as_deref().unwrap();
            assert_eq!(
                phrase.text.replace("Mein Blatt", "My paper number").replace("ist glatt", "is flat").replace("Was nun", "What now"),
                twin
            );
            assert!(phrases.iter().any(|english| english.language == 0 && english.text == twin), "{twin:?} is not in {side}");
        }
    }
    let all = [&expansion.training[..], &expansion.development[..]].concat();
    let numbered_twins: Vec<(&str, Option<&str>)> = all
        .iter()
        .filter(|phrase| phrase.language == german && phrase.pair == Some(12))
        .map(|phrase| (phrase.text.as_str(), phrase.twin.as_deref()))
        .collect();
    assert!(numbered_twins.contains(&("sing es mir vor", Some("sing it to me"))), "{numbered_twins:?}");
    assert!(numbered_twins.iter().any(|(text, twin)| text.contains("Satz") && twin.is_none()), "{numbered_twins:?}");
    expansion.write(out.path()).unwrap();
    let rows = fs::read_to_string(out.path().join("train/de-full.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert!(row["twin"].as_str().unwrap().starts_with("My paper number "), "{row}");
    assert_eq!(row["category"], "fold-it");

    for (name, text, expected) in [
        ("de", format!("{} eins\n0badc0de zwei\n", id(1)), "de.txt, line 2: no whole prompt in English has the id \"0badc0de\""),
        ("de", format!("{0} eins\n{0} zwei\n", id(1)), "has a twin in this file already"),
        ("de", format!("{}\n", id(1)), "de.txt, line 1: a twin begins with the id of its English prompt, and a space"),
        ("de", format!("{} eins\n{} eins\n", id(1), id(2)), "de.txt, line 2: the request stands at "),
        ("en", format!("{} one\n", id(1)), "no language \"en\"; the codes are: es, pt"),
        ("fr", format!("{} un\n", id(1)), "languages/fr.txt does not exist beside these"),
    ] {
        fs::write(twins.join(format!("{name}.txt")), text).unwrap();
        let refused = load(&dir).err().unwrap().to_string();
        assert!(refused.contains(expected), "{refused}");
        fs::remove_file(twins.join(format!("{name}.txt"))).unwrap();
    }
}

#[test]
fn a_pair_is_on_one_side_in_all_languages() {
    let dir = whole();
    let book = load(&dir).unwrap();
    let [english, german] = book.languages.as_slice() else { panic!("{} languages", book.languages.len()) };
    assert_eq!((english.code, german.requests.len()), (0, 24));
    for (one, other) in english.requests.iter().zip(&german.requests) {
        assert_eq!((one.kind, one.number, one.held_out), (other.kind, other.number, other.held_out));
    }
    assert!(english.requests.iter().any(|request| request.held_out) && english.requests.iter().any(|request| !request.held_out));
    let Expansion { training, .. } = book.expand(1, 0).unwrap();
    let german: Vec<&Phrase> = training.iter().filter(|phrase| phrase.language == german.code).collect();
    assert!(german.iter().all(|phrase| phrase.text.contains("Satz") && phrase.pair.is_some()));
}

#[test]
fn the_grammar_joins_verbs_of_one_meaning() {
    let dir = whole();
    let grammar = load(&dir).unwrap().grammar.unwrap();
    assert_eq!(grammar.tasks(), 3);
    let rows = grammar.expand(Side::Training, 6, 0).unwrap();
    let categories: HashSet<&str> = rows.iter().map(|row| row.category.as_str()).collect();
    let expected = ["write|poem##compose|poem", "work-out|area##calculate|area", "give|advice", "how|knowledge", "yes-no|knowledge"];
    assert_eq!(categories, HashSet::from(expected));
    for row in &rows {
        assert!(!row.text.contains(['{', '|']) && !row.text.contains("a advice") && !row.text.contains("a area"), "{}", row.text);
        assert!(row.category != "work-out|area##calculate|area" || row.text.contains("the area"), "{}", row.text);
    }
    let texts: HashSet<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    assert_eq!(texts.len(), rows.len());
    let held_out = grammar.expand(Side::Development, 6, 0).unwrap();
    assert!(held_out.iter().all(|row| !texts.contains(row.text.as_str())));
}

#[test]
fn the_program_writes_what_training_reads() {
    let (dir, out) = (whole(), tempfile::tempdir().unwrap());
    let out = out.path().join("new/folder");
    let run = |dir: &Path, out: &Path| {
        Command::new(env!("CARGO_BIN_EXE_pie")).arg("phrasebook").arg("--dir").arg(dir).arg("--output").arg(out).output().unwrap()
    };
    let mut printed = String::new();
    for _ in 0..2 {
        let done = run(dir.path(), &out);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        printed = String::from_utf8(done.stdout).unwrap();
    }
    assert!(printed.contains("2 kinds in 2 families") && printed.contains("| de | 24 | ") && printed.contains("| two | 1 | "), "{printed}");
    assert!(printed.contains("3 tasks `verb|noun`"), "{printed}");
    let mut names: Vec<String> = walk(&out);
    names.sort();
    let expected = [
        "dev/de.json",
        "dev/de.jsonl",
        "dev/en.json",
        "dev/en.jsonl",
        "dev/gold.jsonl",
        "material/documents.txt",
        "train/de.jsonl",
        "train/en.jsonl",
    ];
    assert_eq!(names, [&expected[..], &["verb-noun-dev.jsonl", "verb-noun.jsonl"]].concat());
    let expected = expand(dir.path(), 4, 0);
    for (name, phrases) in [("train/en.jsonl", &expected.training), ("dev/en.jsonl", &expected.development)] {
        let source = Source::load(&out.join(name), 1.0, 1.0).unwrap();
        assert_eq!(source.labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(), ["fold-it", "sing-it"]);
        let texts: HashSet<&str> = phrases.iter().filter(|p| p.language == 0).map(|p| p.text.as_str()).collect();
        assert_eq!(source.examples.iter().map(|e| e.text.as_str()).collect::<HashSet<_>>(), texts);
    }
    let row: serde_json::Value =
        serde_json::from_str(fs::read_to_string(out.join("train/de.jsonl")).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((row["family"].as_str(), row["family_name"].as_str(), row["language"].as_str()), (Some("voice"), Some("voice"), Some("de")));
    assert!(row["pair"].as_str().unwrap().starts_with("sing-it."));
    let gold = fs::read_to_string(out.join("dev/gold.jsonl")).unwrap();
    let annotations: Vec<serde_json::Value> = gold.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(annotations.len(), expected.development.len());
    for (phrase, annotation) in expected.development.iter().zip(&annotations) {
        let set = if phrase.language == 0 { format!("en, {}", phrase.register.name()) } else { "de".to_owned() };
        assert_eq!(annotation["set"], set);
        assert_eq!(annotation["sha256"], pie_embed_wasm::sha256_hex(phrase.text.as_bytes()));
        let kinds: Vec<&str> = [Some(phrase.kind), phrase.second].into_iter().flatten().map(|kind| ["sing-it", "fold-it"][kind]).collect();
        assert_eq!(annotation["kinds"], serde_json::json!(kinds));
    }
    let set = ParaphraseSet::parse(&fs::read_to_string(out.join("dev/en.json")).unwrap()).unwrap();
    assert_eq!(set.tasks, ["fold it", "sing it"]);
    assert_eq!(set.sentences.len(), expected.development.iter().filter(|phrase| phrase.language == 0).count());
    assert!(fs::read_to_string(out.join("material/documents.txt")).unwrap().contains("mail"));
    // Nothing is written of a phrasebook with a fault.
    fs::write(dir.path().join("english/c.txt"), "# sing-it\ntell {story}\n").unwrap();
    let nowhere = out.join("nowhere");
    let refused = run(dir.path(), &nowhere);
    assert!(!refused.status.success() && !nowhere.exists());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("c.txt, line 2"));
}

fn walk(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            names.extend(walk(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            names.push(name);
        }
    }
    names
}

#[test]
fn faults_name_file_and_line() {
    let message = |files: &[(&str, &str)]| {
        let dir = folder(files);
        let e = load(&dir).err().unwrap();
        assert_eq!(e.code(), ErrorCode::Data, "{e}");
        e.to_string()
    };
    let good = [("kinds.toml", KINDS), ("english/good.txt", "# sing-it\none\ntwo\n\n# fold-it\nthree\nfour\n")];
    assert!(load(&folder(&good)).is_ok());
    let with = |name: &str, text: &str| message(&[good[0], good[1], (name, text)]);
    for (text, expected) in [
        ("# sing-it\nfive\nsix {toppic}\n", "x.txt, line 3: no values for the placeholder {toppic}"),
        ("# tell-it\nfive\n", "x.txt, line 1: no kind \"tell-it\" in kinds.toml"),
        ("# sing-it\nfive\nONE\n", "x.txt, line 3: the request stands at "),
        ("five\n# sing-it\n", "x.txt, line 1: a request stands before the first kind"),
        ("# sing-it\n[loud] five\n", "x.txt, line 2: no register \"loud\"; the registers are: plain, keywords"),
        ("# sing-it\n[two] five\n", "x.txt, line 2: the second request's kind is missing"),
        ("# sing-it\n[two tell-it] five\n", "x.txt, line 2: no kind \"tell-it\""),
        ("# sing-it\n[chatty x] five\n", "x.txt, line 2: \"x\" stands behind the register chatty"),
        ("# sing-it\n[chatty]five\n", "x.txt, line 2: no space behind [chatty]"),
    ] {
        let message = with("english/x.txt", text);
        assert!(message.contains(expected), "{message}");
    }
    assert!(message(&[good[0]]).contains("kind sing-it has 0 requests in english/*.txt; at least 2"));
    for (from, to, expected) in [
        ("family = \"craft\"", "family = \"crafts\"", "no family \"crafts\"; the families are: craft, voice"),
        ("[kind.fold-it]", "[kind.sing-it]", "kinds.toml, line 18: duplicate key"),
        ("definition = \"Paper is to be folded.\"", "", "missing field `definition`"),
        ("definition = \"Paper is to be folded.\"", "definition = \" \"", "kinds.toml, line 18: kind fold-it has no definition"),
        ("name = \"fold it\"", "name = \"sing it\"", "kinds.toml, line 19: sing-it and fold-it have the same name"),
        ("fold-it = \"nothing", "fold-up = \"nothing", "kinds.toml, line 16: no kind \"fold-up\""),
    ] {
        let kinds = KINDS.replacen(from, to, 1);
        assert_ne!(kinds, KINDS);
        let message = message(&[("kinds.toml", &kinds), good[1]]);
        assert!(message.contains(expected), "{message}");
    }
    assert!(with("slots/topic.txt", "\n \n").contains("topic.txt: 0 values; at least 2"));
    assert!(with("slots/topic.txt", "snow\nrain\n\nSnow\n").contains("topic.txt, line 4: the value stands at "));
    assert!(with("slots/topic.txt", "snow\n#rain\n").contains("topic.txt, line 2: a value begins with '#'"));
    assert!(with("slots/Topic2.txt", "snow\nrain\n").contains("a placeholder's name has small letters only"));
    assert!(with("languages/xx.txt", "# sing-it\n1 la\n").contains("xx.txt: no language \"xx\"; the codes are: en, es"));
    assert!(
        with("languages/de.txt", "# sing-it\n1 la\n").contains("de.txt, line 2: number 1 of sing-it has no English request to pair with")
    );
    assert!(with("languages/en.txt", "1 la\n# sing-it\n").contains("en.txt, line 1: a request stands before the first kind"));
    assert!(with("languages/en.txt", "# sing-it\n1 one\n").contains("en.txt, line 2: the request stands at "));
    assert!(with("languages/en.txt", "# sing-it\n1 la\n# fold-it\n1 lu\n# sing-it\n1 lo\n").contains("line 6: number 1 of sing-it stands"));
    assert!(with("languages/en.txt", "# sing-it\n1 la\n").contains("en.txt: kind fold-it has no numbered requests"));
    let pairs = ("languages/en.txt", "# sing-it\n1 la\n2 lo\n3 li\n");
    let lacking = message(&[good[0], good[1], pairs, ("languages/de.txt", "# sing-it\n2 la\n")]);
    assert!(lacking.contains("de.txt: no counterpart of number 1, 3 of sing-it"), "{lacking}");
    assert!(with("languages/en.txt", "# sing-it\n13 la\n").contains("en.txt, line 2: a request begins with its number, 1 to 12"));
    assert!(
        with("languages/en.txt", "# sing-it\n1 la\n1 lo\n").contains("en.txt, line 3: number 1 of sing-it stands in this file already")
    );
    assert!(with("passages/mail.txt", "one\n====\n====\ntwo\n").contains("mail.txt, line 3: an empty passage"));
    let long = numbered(12, |n| format!("word{n}"));
    assert!(with("passages/mail.txt", &format!("{long}\n====\nshort\n====\nx {long}")).contains("line 17: 12 words in a row stand at "));
    assert!(with("wrappers.txt", "none\n{request}\n").contains("wrappers.txt, line 1: a wrapper has {request} once"));
    assert!(with("english/x.txt", &format!("# sing-it\n{}", numbered(9, |n| format!("{{x}} {n}")))).ends_with("; and 4 more faults"));
    let dir = folder(&good);
    fs::write(dir.path().join("english/x.txt"), b"# sing-it\nfive\n\xff\n").unwrap();
    assert!(load(&dir).err().unwrap().to_string().contains("x.txt, line 3: not UTF-8 from byte 15"));
    let missing = Phrasebook::load(Path::new("no/such/folder"), &[]).err().unwrap();
    assert_eq!(missing.code(), ErrorCode::Io);
}

#[test]
fn texts_to_measure_on_stay_apart() {
    let dir = whole();
    let words = numbered(14, |n| format!("w{n}")).replace('\n', " ");
    fs::write(dir.path().join("passages/mail.txt"), format!("{words}\n====\nother\n")).unwrap();
    let measured = dir.path().join("measured.jsonl");
    fs::write(&measured, "{\"instruction\": \"nothing\"}\n").unwrap();
    let e = Phrasebook::load(dir.path(), std::slice::from_ref(&measured)).err().unwrap();
    assert!(e.to_string().contains("measured.jsonl, line 1: no field \"text\""), "{e}");
    fs::write(&measured, format!("{{\"text\": \"nothing\"}}\n{{\"text\": \"so {words}\"}}\n")).unwrap();
    let e = Phrasebook::load(dir.path(), std::slice::from_ref(&measured)).err().unwrap();
    assert!(
        e.to_string().contains("mail.txt, line 1: 12 words in a row stand at") && e.to_string().contains("measured.jsonl, line 2"),
        "{e}"
    );
}

#[test]
fn placeholders_beyond_their_values_are_refused() {
    let book = load(&folder(&[
        ("kinds.toml", KINDS),
        ("english/a.txt", "# sing-it\none {x} {x} {x} {x}\ntwo {x} {x} {x} {x}\n\n# fold-it\nthree\nfour\n"),
        ("slots/x.txt", "red\ngreen\nblue\n"),
    ]))
    .unwrap();
    let e = book.expand(1, 0).unwrap_err();
    assert!(e.code() == ErrorCode::Data && e.to_string().contains("4 times {x}"), "{e}");
    assert_eq!(book.expand(0, 0).unwrap_err().code(), ErrorCode::InvalidArgument);
}

/// The phrasebook of the repository, as the models are trained on it.
#[test]
fn the_repository_s_phrasebook_is_whole() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/phrasebook");
    let book = Phrasebook::load(&dir, &[]).unwrap();
    assert!((180..=260).contains(&book.kinds.kinds.len()), "{}", book.kinds.kinds.len());
    assert_eq!(book.kinds.families.len(), 17);
    for (n, kind) in book.kinds.kinds.iter().enumerate() {
        let requests = book.training.iter().chain(&book.development).filter(|phrasing| phrasing.kind == n).count();
        assert!(requests >= 48, "{}: {requests} requests", kind.id);
        assert!(!kind.confused_with.is_empty(), "{}", kind.id);
    }
    for language in &book.languages {
        assert_eq!(language.requests.len(), 12 * book.kinds.kinds.len());
    }
}
