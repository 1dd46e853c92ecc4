//! A grammar of `verb|noun` instructions: verbs, the nouns that each takes, and the forms of sentences around them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use xxhash_rust::xxh3::xxh3_64;

use super::super::random::{Purpose, generator};
use super::overlap::Overlaps;
use super::slots::{Side, Slots, split};
use super::source::{Faults, Place, Unique, numbered_lines};
use crate::error::{Error, ErrorCode, Result};

/// Kinds of question, as the benchmark labels them.
const QUESTIONS: [&str; 8] = ["how", "what", "who", "why", "when", "where", "which", "yes-no"];
/// How many attempts a row has to differ from the rows before it.
const ATTEMPTS: usize = 8;

/// An instruction with the labels that it has, joined by `##` where verbs mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub text: String,
    pub category: String,
}

struct Noun {
    singular: String,
    /// `None` for a mass noun.
    plural: Option<String>,
    /// It stands with "the": a definite thing.
    definite: bool,
    modifiers: Vec<String>,
    /// What may follow it, by side of the split.
    training: Vec<String>,
    development: Vec<String>,
}

/// Verbs of one meaning with the nouns that they take.
struct Verbs {
    verbs: Vec<String>,
    /// Labels of nouns.
    nouns: Vec<String>,
}

/// Sentences with a placeholder, by side of the split.
struct Forms {
    training: Vec<String>,
    development: Vec<String>,
}

impl Forms {
    fn side(&self, side: Side) -> &[String] {
        match side {
            Side::Training => &self.training,
            Side::Development => &self.development,
        }
    }
}

/// The grammar: `verbs.txt`, `nouns.txt`, `forms.txt`, `questions.txt` and `slots/`.
pub struct Grammar {
    /// By label; a label has several nouns where they mean the same.
    nouns: HashMap<String, Vec<Noun>>,
    verbs: Vec<Verbs>,
    commands: Forms,
    questions: Vec<(&'static str, Forms)>,
    slots: Slots,
}

fn forms(lines: Vec<String>) -> Forms {
    let (training, development) = split(lines, |line| line);
    Forms { training, development }
}

impl Noun {
    /// `poem/poems !the = verse | short, funny | about {topic}; for {person}`, with its label.
    fn parse(line: &str) -> std::result::Result<(String, Self), String> {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let &[head, modifiers, frames] = fields.as_slice() else {
            return Err(format!("{} fields; a noun has three: singular/plural | modifiers | frames", fields.len()));
        };
        let (head, label) = head.split_once('=').map_or((head, None), |(head, label)| (head.trim(), Some(label.trim())));
        let (head, definite) = head.strip_suffix("!the").map_or((head, false), |head| (head.trim(), true));
        let Some((singular, plural)) = head.split_once('/').filter(|(singular, plural)| !singular.is_empty() && !plural.is_empty()) else {
            return Err("a noun begins with singular/plural, or singular/- for a mass noun".to_owned());
        };
        let list = |text: &str, by: char| -> Vec<String> {
            text.split(by).map(str::trim).filter(|part| !part.is_empty()).map(|part| part.replace("\\n", "\n")).collect()
        };
        let (training, development) = split(list(frames, ';'), |frame| frame);
        let noun = Self {
            singular: singular.to_owned(),
            plural: (plural != "-").then(|| plural.to_owned()),
            definite,
            modifiers: list(modifiers, ','),
            training,
            development,
        };
        Ok((label.unwrap_or(singular).replace(' ', "-"), noun))
    }

    fn phrase(&self, side: Side, rng: &mut ChaCha8Rng) -> String {
        let plural = self.plural.as_ref().filter(|_| rng.random_bool(if self.definite { 0.1 } else { 0.3 }));
        let modifier = self.modifiers.choose(rng).filter(|_| rng.random_bool(0.45));
        let noun = plural.unwrap_or(&self.singular);
        let words = modifier.map_or_else(|| noun.clone(), |modifier| format!("{modifier} {noun}"));
        let phrase = match (self.definite, plural.is_some(), self.plural.is_some()) {
            (true, _, _) => format!("the {words}"),
            (false, true, _) => {
                let count = ["some ", "", "three ", "five ", "a few ", "several ", "10 "][rng.random_range(0..7)];
                format!("{count}{words}")
            }
            (false, false, true) => format!("{} {words}", if starts_with_vowel(&words) { "an" } else { "a" }),
            (false, false, false) if rng.random_bool(0.5) => format!("some {words}"),
            (false, false, false) => words,
        };
        let frames = match side {
            Side::Training => &self.training,
            Side::Development => &self.development,
        };
        match frames.choose(rng).filter(|frame| frame.starts_with(':') || rng.random_bool(0.85)) {
            Some(frame) if frame.starts_with(':') => format!("{phrase}{frame}"),
            Some(frame) => format!("{phrase} {frame}"),
            None => phrase,
        }
    }
}

/// The noun of a label: the last word of `meal-plan`, as a parser finds the object of a verb.
fn head(label: &str) -> &str {
    label.rsplit('-').next().unwrap_or(label)
}

/// Whether "an" stands before a word, by its letters and some exceptions.
fn starts_with_vowel(word: &str) -> bool {
    let lower = word.to_lowercase();
    let exception = |list: &[&str]| list.iter().any(|start| lower.starts_with(start));
    if exception(&["uni", "use", "usu", "eu", "one", "ut"]) {
        return false;
    }
    exception(&["hour", "honest", "heir", "honor", "honour", "sms", "mri", "html", "sql", "xml", "faq"])
        || lower.starts_with(['a', 'e', 'i', 'o', 'u'])
}

impl Grammar {
    /// Reads a grammar's folder.
    pub(super) fn read(dir: &Path, shared: &Slots, overlaps: &mut Overlaps, faults: &mut Faults) -> Result<Self> {
        let mut slots = shared.clone();
        slots.read(&dir.join("slots"), overlaps, faults)?;
        let mut nouns: HashMap<String, Vec<Noun>> = HashMap::new();
        let mut seen = Unique::default();
        for (place, line) in numbered_lines(&dir.join("nouns.txt"), faults)? {
            match Noun::parse(&line) {
                Ok((label, noun)) => {
                    seen.check(&noun.singular, "noun", &place, faults);
                    noun.training
                        .iter()
                        .chain(&noun.development)
                        .filter_map(|frame| slots.unknown(frame))
                        .for_each(|e| faults.line(&place, e));
                    nouns.entry(label).or_default().push(noun);
                }
                Err(e) => faults.line(&place, e),
            }
        }
        let mut verbs = Vec::new();
        for (place, line) in numbered_lines(&dir.join("verbs.txt"), faults)? {
            let Some((group, taken)) = line.split_once('|') else {
                faults.line(&place, "a line has verbs, `|` and the nouns that they take");
                continue;
            };
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let (group, taken) = (words(group), words(taken));
            if group.is_empty() || taken.is_empty() {
                faults.line(&place, format!("{} verbs and {} nouns; at least one of each is needed", group.len(), taken.len()));
            }
            if let Some(unknown) = taken.iter().find(|noun| !nouns.contains_key(*noun)) {
                faults.line(&place, format!("no noun {unknown:?} in nouns.txt"));
            }
            verbs.push(Verbs { verbs: group, nouns: taken });
        }
        let mut commands = Vec::new();
        for (place, line) in numbered_lines(&dir.join("forms.txt"), faults)? {
            if line.matches("{command}").count() + line.matches("{Command}").count() != 1 {
                faults.line(&place, "a form has {command} or {Command} once");
            }
            commands.push(line.replace("\\n", "\n"));
        }
        let mut asked: Vec<(&'static str, Vec<String>)> = QUESTIONS.map(|question| (question, Vec::new())).into();
        for (place, line) in numbered_lines(&dir.join("questions.txt"), faults)? {
            let parsed = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
            let Some((question, text)) =
                parsed.and_then(|(name, text)| Some((asked.iter().position(|(question, _)| *question == name)?, text.trim())))
            else {
                faults.line(&place, format!("a question begins with its type in brackets: {}", QUESTIONS.join(", ")));
                continue;
            };
            slots.unknown(text).into_iter().for_each(|e| faults.line(&place, e));
            asked[question].1.push(text.to_owned());
        }
        if commands.len() < 2 {
            faults.line(&Place::new(&dir.join("forms.txt"), 1), format!("{} forms; at least 2 are needed", commands.len()));
        }
        let questions = asked.into_iter().map(|(question, lines)| (question, forms(lines))).collect();
        Ok(Self { nouns, verbs, commands: forms(commands), questions, slots })
    }

    /// How many `verb|noun` tasks there are, the types of question not counted.
    pub fn tasks(&self) -> usize {
        self.verbs.iter().flat_map(|group| group.nouns.iter().map(|noun| (&group.verbs[0], head(noun)))).collect::<BTreeSet<_>>().len()
    }

    /// `rows` instructions of each verb with each of its nouns, and each question filled `rows / 2` times.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] for a frame with a placeholder more often than it has values.
    pub fn expand(&self, side: Side, rows: usize, seed: u64) -> Result<Vec<Instruction>> {
        let mut instructions = Vec::new();
        for group in &self.verbs {
            for label in &group.nouns {
                let category = group.verbs.iter().map(|verb| format!("{verb}|{}", head(label))).collect::<Vec<_>>().join("##");
                let mut rng =
                    generator(seed, Purpose::Phrasebook, xxh3_64(format!("{} {label}", group.verbs[0]).as_bytes()), side as u64 + 1);
                let mut texts = BTreeSet::new();
                for _ in 0..rows {
                    // A few attempts at a text that is not there yet; a task with one frame has fewer rows.
                    for _ in 0..ATTEMPTS {
                        if texts.insert(self.command(group, label, side, &mut rng)?) {
                            break;
                        }
                    }
                }
                instructions.extend(texts.into_iter().map(|text| Instruction { text, category: category.clone() }));
            }
        }
        for (question, forms) in &self.questions {
            for form in forms.side(side) {
                let texts = self.slots.fill(form, side, (rows / 2).max(1), seed)?;
                instructions.extend(texts.into_iter().map(|text| Instruction { text, category: format!("{question}|knowledge") }));
            }
        }
        Ok(instructions)
    }

    fn command(&self, group: &Verbs, label: &str, side: Side, rng: &mut ChaCha8Rng) -> Result<String> {
        let missing = || Error::new(ErrorCode::Data, format!("nothing to choose from for {label}"));
        // The first verb gives the label its name and is the usual one.
        let verb = if rng.random_bool(0.5) { &group.verbs[0] } else { group.verbs.choose(rng).ok_or_else(missing)? };
        let noun = self.nouns.get(label).and_then(|nouns| nouns.choose(rng)).ok_or_else(missing)?;
        let command = format!("{} {}", verb.replace('-', " "), noun.phrase(side, rng));
        let command = self.slots.fill(&command, side, 1, rng.random())?.remove(0);
        // What goes on behind the command would separate it from given material.
        let bare = command.contains([':', '\n']);
        let forms: Vec<&String> =
            self.commands.side(side).iter().filter(|form| !bare || form.ends_with("ommand}.") || form.ends_with("ommand}")).collect();
        let form = forms.choose(rng).map_or("{Command}", |form| form.as_str());
        let form = if bare { form.trim_end_matches('.') } else { form };
        let mut letters = command.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        Ok(form.replace("{command}", &command).replace("{Command}", &capital))
    }
}
