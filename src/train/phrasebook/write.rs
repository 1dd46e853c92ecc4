//! What a phrasebook becomes: files to train and to measure on, and a table of what is in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::kinds::Kinds;
use super::languages::LANGUAGES;
use super::line::Register;
use super::verb_noun::Instruction;
use super::{Phrase, Phrasebook};
use crate::digest::sha256_hex;
use crate::error::{Error, Result};

/// The filled requests of a phrasebook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    pub kinds: Kinds,
    pub training: Vec<Phrase>,
    pub development: Vec<Phrase>,
    pub verb_noun: Vec<Instruction>,
    pub verb_noun_development: Vec<Instruction>,
    /// `verb|noun` tasks of the grammar.
    pub tasks: usize,
    /// Passages that training may put around a request.
    documents: Vec<String>,
    /// Requests that differ by more than their values, by language and register.
    distinct: BTreeMap<(usize, Register), usize>,
}

impl Expansion {
    pub(super) fn new(book: &Phrasebook) -> Self {
        Self {
            kinds: book.kinds.clone(),
            documents: book.documents().cloned().collect(),
            tasks: book.grammar.as_ref().map_or(0, |grammar| grammar.tasks()),
            ..Self::default()
        }
    }

    /// Counts a request whose rows were added.
    pub(super) fn count(&mut self, request: Phrase) {
        *self.distinct.entry((request.language, request.register)).or_default() += 1;
    }

    /// Requests that differ by more than values, wrapper or passage.
    pub fn distinct(&self) -> usize {
        self.distinct.values().sum()
    }

    /// Writes into a folder, which is created if it does not exist: `train/LANG.jsonl`, `dev/LANG.jsonl` and `dev/LANG.json` (the same as a
    /// paraphrase set) for each language, whole prompts apart from them in `LANG-full.*`, `dev/gold.jsonl` (the kinds of all development
    /// rows, as `pie score` reads them), `verb-noun.jsonl` and `verb-noun-dev.jsonl`, and `material/documents.txt`. Each file is written
    /// atomically.
    ///
    /// # Errors
    /// [`ErrorCode::Io`](crate::ErrorCode::Io).
    pub fn write(&self, dir: &Path) -> Result<()> {
        let mut files = Vec::new();
        for (code, language) in LANGUAGES.iter().enumerate() {
            // Whole prompts are few beside the others' variants: a file of their own lets training weigh them.
            for (name, full) in [(language.to_string(), false), (format!("{language}-full"), true)] {
                let of = |phrases: &[Phrase]| -> Vec<Phrase> {
                    let wanted = |phrase: &&Phrase| phrase.language == code && (phrase.register == Register::Full) == full;
                    phrases.iter().filter(wanted).cloned().collect()
                };
                let (training, development) = (of(&self.training), of(&self.development));
                if training.is_empty() && development.is_empty() {
                    continue;
                }
                files.push((format!("train/{name}.jsonl"), self.lines(&training)));
                files.push((format!("dev/{name}.jsonl"), self.lines(&development)));
                files.push((format!("dev/{name}.json"), self.paraphrases(&development)));
            }
        }
        files.push(("dev/gold.jsonl".to_owned(), self.gold()));
        if !self.verb_noun.is_empty() {
            files.push(("verb-noun.jsonl".to_owned(), instructions(&self.verb_noun)));
            files.push(("verb-noun-dev.jsonl".to_owned(), instructions(&self.verb_noun_development)));
        }
        if !self.documents.is_empty() {
            // Paragraphs between blank lines are documents of their own there.
            let one_block = |text: &String| text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n");
            files.push(("material/documents.txt".to_owned(), self.documents.iter().map(one_block).collect::<Vec<_>>().join("\n\n") + "\n"));
        }
        let paths = files.iter().map(|(name, text)| (dir.join(format!("{name}.tmp")), dir.join(name), text)).collect::<Vec<_>>();
        for (beside, _, text) in &paths {
            let folder = beside.parent().unwrap_or(dir);
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
            fs::write(beside, text).map_err(|e| Error::io(beside, e))?;
        }
        paths.iter().try_for_each(|(beside, path, _)| fs::rename(beside, path).map_err(|e| Error::io(path, e)))
    }

    fn lines(&self, phrases: &[Phrase]) -> String {
        let line = |phrase: &Phrase| {
            let kind = &self.kinds.kinds[phrase.kind];
            let text = |text: &str| Value::String(text.to_owned());
            let mut row = Map::from_iter([
                ("instruction".to_owned(), text(&phrase.text)),
                ("category".to_owned(), text(&kind.id)),
                ("name".to_owned(), text(&kind.name)),
                ("family".to_owned(), text(&self.kinds.families[kind.family].id)),
                ("family_name".to_owned(), text(&self.kinds.families[kind.family].name)),
                ("register".to_owned(), text(phrase.register.name())),
                ("language".to_owned(), text(LANGUAGES[phrase.language])),
                ("conf".to_owned(), 1.0.into()),
            ]);
            if let Some(second) = phrase.second {
                row.insert("second".to_owned(), text(&self.kinds.kinds[second].id));
            }
            if let Some(number) = phrase.pair {
                row.insert("pair".to_owned(), text(&format!("{}.{number}", kind.id)));
            }
            if let Some(twin) = &phrase.twin {
                row.insert("twin".to_owned(), text(twin));
            }
            format!("{}\n", Value::Object(row))
        };
        phrases.iter().map(line).collect()
    }

    /// The development rows as annotations: English ones in a set for each register, others in a set for each language.
    fn gold(&self) -> String {
        let line = |phrase: &Phrase| {
            let set = match LANGUAGES[phrase.language] {
                "en" => format!("en, {}", phrase.register.name()),
                language => language.to_owned(),
            };
            let kinds: Vec<&str> =
                [Some(phrase.kind), phrase.second].into_iter().flatten().map(|kind| self.kinds.kinds[kind].id.as_str()).collect();
            format!("{}\n", serde_json::json!({"sha256": sha256_hex(phrase.text.as_bytes()), "set": set, "kinds": kinds}))
        };
        self.development.iter().map(line).collect()
    }

    fn paraphrases(&self, phrases: &[Phrase]) -> String {
        let mut tasks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        phrases.iter().for_each(|phrase| tasks.entry(&self.kinds.kinds[phrase.kind].name).or_default().push(&phrase.text));
        format!("{}\n", serde_json::json!(tasks))
    }

    /// Two Markdown tables: by language and by register, with distinct requests, rows to train on and rows to measure on.
    pub fn summary(&self) -> String {
        let mut text = format!("{} kinds in {} families\n", self.kinds.kinds.len(), self.kinds.families.len());
        let count = |phrases: &[Phrase], of: &dyn Fn(&Phrase) -> bool| phrases.iter().filter(|phrase| of(phrase)).count();
        let mut table = |head: &str, names: Vec<&str>, of: &dyn Fn(usize, usize, Register) -> bool| {
            let _ = write!(text, "\n| {head} | distinct requests | rows to train on | rows to measure on |\n|---|---|---|---|\n");
            for (n, name) in names.iter().enumerate() {
                let distinct: usize = self.distinct.iter().filter(|((l, r), _)| of(n, *l, *r)).map(|(_, count)| count).sum();
                let row = |phrase: &Phrase| of(n, phrase.language, phrase.register);
                let (training, development) = (count(&self.training, &row), count(&self.development, &row));
                if training + development > 0 {
                    let _ = writeln!(text, "| {name} | {distinct} | {training} | {development} |");
                }
            }
        };
        table("language", LANGUAGES.to_vec(), &|n, language, _| n == language);
        table("register, in English", Register::ALL.map(Register::name).to_vec(), &|n, l, register| l == 0 && Register::ALL[n] == register);
        if self.tasks > 0 {
            let _ = writeln!(
                text,
                "\n{} tasks `verb|noun`: {} rows to train on, {} to measure on",
                self.tasks,
                self.verb_noun.len(),
                self.verb_noun_development.len()
            );
        }
        text
    }
}

fn instructions(instructions: &[Instruction]) -> String {
    let line = |Instruction { text, category }: &Instruction| {
        format!("{}\n", serde_json::json!({"instruction": text, "category": category, "conf": 1.0}))
    };
    instructions.iter().map(line).collect()
}
