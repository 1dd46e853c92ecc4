//! Numbered requests that stand in every language, paired by kind and number, and whole prompts of each language.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::kinds::Kinds;
use super::line::{Line, Register};
use super::overlap::Overlaps;
use super::slots::{Slots, is_held_out};
use super::source::{Faults, Unique, stem, text_files};
use crate::error::Result;

/// ISO 639-1 codes of the languages that a phrasebook may have, English first.
pub const LANGUAGES: [&str; 16] = ["en", "es", "pt", "fr", "de", "it", "nl", "pl", "tr", "ru", "ar", "hi", "id", "zh", "ja", "ko"];
/// Placeholders whose English values serve all languages.
const NEUTRAL: [&str; 2] = ["snippet", "pasted:table"];

/// A request with its number within the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: usize,
    /// 1 to 12; it is the same in all languages and decides the register.
    pub number: usize,
    pub text: String,
    /// Whether the pair is held out, in every language alike.
    pub held_out: bool,
}

impl Request {
    pub fn register(&self) -> Register {
        Register::PAIRS[self.number - 1]
    }
}

/// A whole prompt. The prompts of a kind that stand at the same place in two languages may tell the same story, and share their code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub kind: usize,
    pub text: String,
    /// Whether it is held out, as are those at its place in all languages.
    pub held_out: bool,
    /// The English prompt that says the same.
    pub twin: Option<String>,
}

/// The requests of one language.
pub struct Language {
    /// Index into [`LANGUAGES`].
    pub code: usize,
    pub requests: Vec<Request>,
    pub whole: Vec<Whole>,
    pub(super) slots: Slots,
}

/// Reads `LANG.txt`, `slots/LANG/*.txt` and `full/LANG.txt`, English first.
///
/// `seen` has the other requests in English, which these must differ from.
pub(super) fn read(
    dir: &Path,
    kinds: &Kinds,
    english: &Slots,
    mut seen: Unique,
    overlaps: &mut Overlaps,
    faults: &mut Faults,
) -> Result<Vec<Language>> {
    let mut paths = text_files(dir)?;
    let english_first = |path: &Path| LANGUAGES.iter().position(|code| *code == stem(path)).unwrap_or(LANGUAGES.len());
    paths.sort_by_key(|path| english_first(path));
    let (mut languages, mut held_out): (Vec<Language>, HashMap<(usize, usize), bool>) = (Vec::new(), HashMap::new());
    for path in paths {
        let Some(code) = LANGUAGES.iter().position(|code| *code == stem(&path)) else {
            faults.file(&path, format!("no language {:?}; the codes are: {}", stem(&path), LANGUAGES.join(", ")));
            continue;
        };
        let slots = if code == 0 {
            english.clone()
        } else {
            overlaps.finish_language();
            let mut slots = english.only(&NEUTRAL);
            slots.read(&dir.join("slots").join(LANGUAGES[code]), overlaps, faults)?;
            slots
        };
        let mut requests: Vec<Request> = Vec::new();
        let mut numbers = HashSet::new();
        if code > 0 {
            seen = Unique::default();
        }
        for (place, kind, line) in kinds.lines(&path, faults)? {
            let parsed = line.split_once(' ').and_then(|(number, text)| Some((number.parse::<usize>().ok()?, text.trim())));
            let Some((number, text)) = parsed.filter(|(number, _)| (1..=Register::PAIRS.len()).contains(number)) else {
                faults.line(&place, format!("a request begins with its number, 1 to {}, and a space", Register::PAIRS.len()));
                continue;
            };
            if !numbers.insert((kind, number)) {
                faults.line(&place, format!("number {number} of {} stands in this file already", kinds.kinds[kind].id));
            }
            if let Some(unknown) = slots.unknown(text) {
                faults.line(&place, unknown);
            }
            seen.check(text, "request", &place, faults);
            if code == 0 {
                held_out.insert((kind, number), is_held_out(text));
            } else if !held_out.contains_key(&(kind, number)) {
                faults.line(&place, format!("number {number} of {} has no English request to pair with", kinds.kinds[kind].id));
            }
            let held_out = held_out.get(&(kind, number)).copied().unwrap_or_default();
            requests.push(Request { kind, number, text: text.replace("\\n", "\n"), held_out });
        }
        for (n, kind) in kinds.kinds.iter().enumerate() {
            if code == 0 && !numbers.iter().any(|(of, _)| *of == n) {
                faults.file(&path, format!("kind {} has no numbered requests", kind.id));
            }
            let missing: Vec<String> = (1..=Register::PAIRS.len())
                .filter(|&number| held_out.contains_key(&(n, number)) && !numbers.contains(&(n, number)))
                .map(|number| number.to_string())
                .collect();
            if !missing.is_empty() {
                faults.file(&path, format!("no counterpart of number {} of {}", missing.join(", "), kind.id));
            }
        }
        let whole = read_whole(&dir.join("full").join(format!("{}.txt", LANGUAGES[code])), kinds, &mut seen, overlaps, faults)?;
        languages.push(Language { code, requests, whole, slots });
    }
    Ok(languages)
}

/// The whole prompts of a language; none where the file does not exist.
fn read_whole(path: &Path, kinds: &Kinds, seen: &mut Unique, overlaps: &mut Overlaps, faults: &mut Faults) -> Result<Vec<Whole>> {
    let mut whole = Vec::new();
    if !path.exists() {
        return Ok(whole);
    }
    let mut counts = vec![0; kinds.kinds.len()];
    for (place, kind, line) in kinds.lines(path, faults)? {
        match Line::parse(&line) {
            Ok(Line { register: Register::Full, text, .. }) => {
                seen.check(text, "request", &place, faults);
                overlaps.add(text, &place, faults);
                let held_out = is_held_out(&format!("{} {}", kinds.kinds[kind].id, counts[kind]));
                counts[kind] += 1;
                whole.push(Whole { kind, text: text.replace("\\n", "\n"), held_out, twin: None });
            }
            Ok(_) => faults.line(&place, "a whole prompt is expected: `[full] …`"),
            Err(e) => faults.line(&place, e),
        }
    }
    Ok(whole)
}
