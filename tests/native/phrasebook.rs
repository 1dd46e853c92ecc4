//! The phrasebook: what is split, filled, written and refused.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use pie_embed_wasm::train::{Expansion, Phrasebook, Source};
use pie_embed_wasm::{ErrorCode, Result};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("slots")).unwrap();
    files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
    dir
}

fn load(files: &[(&str, &str)]) -> Result<Phrasebook> {
    Phrasebook::load(folder(files).path())
}

fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| line(n) + "\n").collect()
}

/// Two tasks of 60 phrasings: with one slot, with the same one twice, with none.
fn sample() -> TempDir {
    let phrasings = |verb: &str| {
        numbered(60, |n| match n % 3 {
            0 => format!("{verb} <{{topic}}>, {n}"),
            1 => format!("{verb} <{{topic}}> and <{{topic}}> for <{{person}}>, {n}"),
            _ => format!("{verb} {{\"it\": {n}}} {{}} {{x y}} {{"),
        })
    };
    folder(&[
        ("a.txt", &format!("# sing-it: sing it\n{}\n", phrasings("sing"))),
        ("b.txt", &format!("\u{feff}#fold-it:  fold it\r\n{}", phrasings("fold").replace('\n', "\r\n"))),
        ("notes.md", "no phrasebook"),
        ("slots/topic.txt", &numbered(40, |n| format!("topic {n}\\n{{person}}"))),
        ("slots/person.txt", &numbered(5, |n| format!("person {n}"))),
    ])
}

fn expand(dir: &Path, variants: usize, seed: u64) -> Expansion {
    Phrasebook::load(dir).unwrap().expand(variants, seed).unwrap()
}

/// What stands between angle brackets.
fn values(text: &str) -> Vec<&str> {
    text.split('<').skip(1).map(|part| part.split_once('>').unwrap().0).collect()
}

#[test]
fn neither_phrasings_nor_values_are_on_both_sides() {
    let dir = sample();
    let book = Phrasebook::load(dir.path()).unwrap();
    for task in &book.tasks {
        assert_eq!(task.training.len() + task.development.len(), 60);
        assert!((4..=22).contains(&task.development.len()), "{}", task.development.len());
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
    let before = Phrasebook::load(dir.path()).unwrap();
    let path = dir.path().join("a.txt");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.trim_end().to_owned() + "\nhum it\nwhistle it\n").unwrap();
    let after = Phrasebook::load(dir.path()).unwrap();
    let (old, new) = (&before.tasks[0], &after.tasks[0]);
    assert!(old.training.iter().all(|line| new.training.contains(line)));
    assert!(old.development.iter().all(|line| new.development.contains(line)));
    let (old, new) = (before.expand(2, 0).unwrap(), after.expand(2, 0).unwrap());
    assert!(old.training.iter().all(|phrase| new.training.contains(phrase)));
}

#[test]
fn each_variant_has_values_of_its_own() {
    let dir = sample();
    let book = Phrasebook::load(dir.path()).unwrap();
    let Expansion { training, development, .. } = book.expand(3, 0).unwrap();
    let mut by_phrasing: HashMap<(usize, &str), Vec<&str>> = HashMap::new();
    for phrase in training.iter().filter(|phrase| phrase.text.contains('<')) {
        by_phrasing.entry((phrase.task, phrase.text.rsplit_once(", ").unwrap().1)).or_default().push(&phrase.text);
    }
    for texts in by_phrasing.values() {
        assert_eq!(texts.len(), 3, "{texts:?}");
        let all: Vec<&str> = texts.iter().flat_map(|text| values(text)).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "{all:?}");
    }
    for (n, task) in book.tasks.iter().enumerate() {
        assert_eq!(development.iter().filter(|phrase| phrase.task == n).count(), task.development.len());
        for plain in task.training.iter().filter(|line| !line.contains('<')) {
            assert_eq!(training.iter().filter(|phrase| phrase.text == *plain).count(), 1);
        }
    }
    // Five persons, of which at most four are to train on.
    let many = book.expand(100, 0).unwrap().training;
    let number = by_phrasing.keys().find(|(_, number)| number.parse::<usize>().unwrap() % 3 == 1).unwrap();
    let count = many.iter().filter(|p| p.task == number.0 && p.text.ends_with(&format!(", {}", number.1))).count();
    assert!((3..=4).contains(&count), "{count}");
}

#[test]
fn the_seed_alone_decides() {
    let dir = sample();
    assert_eq!(expand(dir.path(), 3, 7), expand(dir.path(), 3, 7));
    assert_ne!(expand(dir.path(), 3, 7), expand(dir.path(), 3, 8));
}

#[test]
fn the_program_writes_what_training_reads() {
    let (dir, out) = (sample(), tempfile::tempdir().unwrap());
    let out = out.path().join("new/folder");
    let run = |dir: &Path, out: &Path| {
        Command::new(env!("CARGO_BIN_EXE_pie")).arg("phrasebook").arg("--dir").arg(dir).arg("--output").arg(out).output().unwrap()
    };
    for _ in 0..2 {
        let done = run(dir.path(), &out);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let mut names: Vec<String> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["phrasebook-dev.jsonl", "phrasebook-dev.txt", "phrasebook.jsonl"]);
    let expected = expand(dir.path(), 8, 0);
    for (name, phrases) in [("phrasebook.jsonl", &expected.training), ("phrasebook-dev.jsonl", &expected.development)] {
        let source = Source::load(&out.join(name), 1.0, 1.0).unwrap();
        assert_eq!(source.labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(), ["fold-it", "sing-it"]);
        assert_eq!(source.examples.iter().map(|e| &e.text).collect::<Vec<_>>(), phrases.iter().map(|p| &p.text).collect::<Vec<_>>());
    }
    let text = fs::read_to_string(out.join("phrasebook-dev.txt")).unwrap();
    let blocks: Vec<Vec<&str>> = text.split("\n\n").map(|block| block.lines().collect()).collect();
    assert_eq!(blocks.iter().map(|block| block[0]).collect::<Vec<_>>(), ["# sing it", "# fold it"]);
    assert_eq!(blocks.iter().map(|block| block.len() - 1).sum::<usize>(), expected.development.len());
    // Nothing is written of a phrasebook with a fault.
    fs::write(dir.path().join("c.txt"), "# tell-it: tell it\ntell {story}\n").unwrap();
    let nowhere = out.join("nowhere");
    let refused = run(dir.path(), &nowhere);
    assert!(!refused.status.success() && !nowhere.exists());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("c.txt, line 2"));
}

#[test]
fn faults_name_file_and_line() {
    let message = |files: &[(&str, &str)]| {
        let e = load(files).err().unwrap();
        assert_eq!(e.code(), ErrorCode::Data, "{e}");
        e.to_string()
    };
    let good = ("good.txt", "# a: a thing\none\ntwo\n\n# b: b thing\nthree\nfour\n");
    let with = |name: &str, text: &str| message(&[good, (name, text)]);
    assert!(load(&[good]).is_ok());
    for (text, expected) in [
        ("# c: c thing\nfive\nsix {toppic}\n", "x.txt, line 3: no values for the slot {toppic}; there are some for: "),
        ("# c: c thing\n\n# d: d thing\nfive\nsix\n", "x.txt, line 1: task c has 0 phrasings; at least 2"),
        ("# c: c thing\nfive\n", "x.txt, line 1: task c has 1 phrasings"),
        ("# a: c thing\nfive\nsix\n", "x.txt, line 1: task \"a\" begins at "),
        ("# c: b thing\nfive\nsix\n", "x.txt, line 1: task \"b thing\" begins at "),
        ("# c: c thing\nfive\nONE\n", "x.txt, line 3: the phrasing stands at "),
        ("five\n# c: c thing\n", "x.txt, line 1: a phrasing stands before the first task"),
        ("# c\nfive\nsix\n", "x.txt, line 1: a task begins as"),
        ("# Write It: c thing\nfive\nsix\n", "x.txt, line 1: a task begins as"),
    ] {
        let message = with("x.txt", text);
        assert!(message.contains(expected), "{message}");
    }
    assert!(message(&[]).contains("0 tasks in its *.txt; at least 2"));
    assert!(message(&[("x.txt", "# c: c thing\nfive\nsix\n")]).contains("1 tasks"));
    assert!(with("slots/topic.txt", "\n \n").contains("topic.txt: 0 values; at least 2"));
    assert!(with("slots/topic.txt", "snow\nrain\n\nSnow\n").contains("topic.txt, line 4: the value stands in line 1 already"));
    assert!(with("slots/topic.txt", "snow\n#rain\n").contains("topic.txt, line 2: a value begins with '#'"));
    assert!(with("slots/Topic2.txt", "snow\nrain\n").contains("a slot's name has small letters alone"));
    assert!(with("x.txt", &format!("# c: c thing\n{}", numbered(9, |n| format!("{{x}} {n}")))).ends_with("; and 4 more faults"));
    let missing = Phrasebook::load(Path::new("no/such/folder")).err().unwrap();
    assert_eq!(missing.code(), ErrorCode::Io);
}

#[test]
fn slots_beyond_their_values_are_refused() {
    let book = load(&[
        ("a.txt", "# a: a thing\none {x} {x} {x} {x}\ntwo {x} {x} {x} {x}\n\n# b: b thing\nthree\nfour\n"),
        ("slots/x.txt", "red\ngreen\nblue\n"),
    ])
    .unwrap();
    let e = book.expand(1, 0).unwrap_err();
    assert!(e.code() == ErrorCode::Data && e.to_string().contains("4 times {x}"), "{e}");
    assert_eq!(book.expand(0, 0).unwrap_err().code(), ErrorCode::InvalidArgument);
}
