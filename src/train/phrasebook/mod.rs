//! The phrasebook: kinds of task with many requests of each, written by hand, as training data.
//!
//! A folder with
//! - `kinds.toml`: families and kinds, with definitions;
//! - `english/*.txt`: a line `# KIND` begins the requests of a kind, each on a line that may begin with its register in brackets;
//! - `slots/NAME.txt`: values of the placeholder `{NAME}`; `passages/GENRE.txt`: pasted material for `{pasted:GENRE}`;
//! - `wrappers.txt`: chat templates with `{request}`;
//! - `languages/LANG.txt`: numbered requests that every language has; `languages/slots/LANG/NAME.txt`: its values;
//!   `languages/full/LANG.txt`: whole prompts; `languages/twins/LANG.txt`: whole prompts that say the same as an English one;
//! - `verb-noun/`: a grammar of `verb|noun` instructions.
//!
//! A fifth of the requests, values and passages is held out for development, so that training sees none of them. The hash of a line
//! decides, so that new lines move no old ones.

mod kinds;
mod languages;
mod line;
mod overlap;
mod slots;
mod source;
mod twins;
mod verb_noun;
mod write;

use std::path::{Path, PathBuf};

use rand::Rng;
use rand::seq::IndexedRandom;
use xxhash_rust::xxh3::xxh3_64;

use super::random::{Purpose, generator};
use crate::error::{Error, ErrorCode, Result};
use line::{Line, pieces};
use overlap::Overlaps;
use slots::{Slots, split};
use source::{Faults, Place, Unique, numbered_lines, text_files};

pub use kinds::{Family, Kind, Kinds};
pub use languages::{LANGUAGES, Language, Request, Whole};
pub use line::Register;
pub use slots::Side;
pub use verb_noun::{Grammar, Instruction};
pub use write::Expansion;

/// What a wrapper's text has in place of the request.
const REQUEST: &str = "{request}";
/// One request in this many is written once more, in a wrapper.
const WRAPPED: u32 = 8;

/// A request in English, placeholders unfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrasing {
    pub kind: usize,
    pub register: Register,
    /// The kind of the second request, in the register [`Register::Two`].
    pub second: Option<usize>,
    pub text: String,
}

/// A request as training sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    pub text: String,
    /// Index into [`Kinds::kinds`].
    pub kind: usize,
    pub register: Register,
    pub second: Option<usize>,
    /// Index into [`LANGUAGES`].
    pub language: usize,
    /// The number within the kind by which requests of different languages are paired.
    pub pair: Option<usize>,
    /// The English text that says the same, for a text in another language.
    pub twin: Option<String>,
}

/// Everything that a phrasebook's folder holds.
pub struct Phrasebook {
    pub kinds: Kinds,
    pub training: Vec<Phrasing>,
    pub development: Vec<Phrasing>,
    pub languages: Vec<Language>,
    pub grammar: Option<Grammar>,
    slots: Slots,
    wrappers: (Vec<String>, Vec<String>),
}

impl Phrasebook {
    /// Reads a phrasebook's folder. Texts of `apart`, one a line or the field `text` of a JSON line, must share no twelve words in a
    /// row with values, passages or whole prompts: name the files to measure on here. Nor may values, passages and whole prompts of one
    /// language among each other.
    ///
    /// # Errors
    /// [`ErrorCode::Io`], and [`ErrorCode::Data`] naming file and line of: requests that stand there twice, kinds, families or
    /// languages that do not exist, a kind without a definition or with fewer than two requests, placeholders without values, bytes
    /// that are no UTF-8, passages or whole prompts that share a run of words.
    pub fn load(dir: &Path, apart: &[PathBuf]) -> Result<Self> {
        let (mut faults, mut overlaps, mut slots) = (Faults::default(), Overlaps::default(), Slots::default());
        let kinds_path = dir.join("kinds.toml");
        let kinds = Kinds::read(&kinds_path, &mut faults)?;
        slots.read(&dir.join("slots"), &mut overlaps, &mut faults)?;
        slots.read_passages(&dir.join("passages"), &mut overlaps, &mut faults)?;
        let (phrasings, seen) = read_english(&dir.join("english"), &kinds, &slots, &mut overlaps, &mut faults)?;
        let grammar = dir.join("verb-noun");
        let grammar = if grammar.is_dir() { Some(Grammar::read(&grammar, &slots, &mut overlaps, &mut faults)?) } else { None };
        let mut languages = languages::read(&dir.join("languages"), &kinds, &slots, seen, &mut overlaps, &mut faults)?;
        let wrappers = read_wrappers(&dir.join("wrappers.txt"), &mut faults)?;
        let mut by_kind: Vec<Vec<Phrasing>> = vec![Vec::new(); kinds.kinds.len()];
        phrasings.into_iter().for_each(|phrasing| by_kind[phrasing.kind].push(phrasing));
        for (kind, phrasings) in kinds.kinds.iter().zip(&by_kind) {
            if phrasings.len() < 2 {
                let what = "at least 2 are needed, one to train on and one to measure on";
                faults.file(&kinds_path, format!("kind {} has {} requests in english/*.txt; {what}", kind.id, phrasings.len()));
            }
        }
        if kinds.kinds.len() < 2 {
            faults.file(&kinds_path, format!("{} kinds; at least 2 are needed", kinds.kinds.len()));
        }
        let (mut training, mut development) = (Vec::new(), Vec::new());
        for phrasings in by_kind {
            let (seen, held_out) = split(phrasings, |phrasing| &phrasing.text);
            training.extend(seen);
            development.extend(held_out);
        }
        let english = [(Side::Training, &training[..]), (Side::Development, &development[..])];
        let twins_dir = dir.join("languages").join("twins");
        for (code, twin) in twins::read(&twins_dir, english, &mut overlaps, &mut faults)? {
            match languages.iter_mut().find(|language| language.code == code) {
                Some(language) => language.whole.push(twin),
                None => faults.file(&twins_dir, format!("languages/{}.txt does not exist beside these", LANGUAGES[code])),
            }
        }
        for path in apart {
            overlaps.check(path, &mut faults)?;
        }
        faults.into_result()?;
        Ok(Self { kinds, training, development, languages, grammar, slots, wrappers })
    }

    /// Fills the placeholders: those of a training request `variants` times in the register `plain` and twice as often in the
    /// others, never twice with the same value; those of a development request once. One request in eight is written once more in a
    /// wrapper.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no variants, [`ErrorCode::Data`] for a request with a placeholder more often than it has
    /// values.
    pub fn expand(&self, variants: usize, seed: u64) -> Result<Expansion> {
        if variants == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "0 variants of a request; at least 1 is needed"));
        }
        let mut expansion = Expansion::new(self);
        for (side, phrasings) in [(Side::Training, &self.training), (Side::Development, &self.development)] {
            for phrasing in phrasings {
                let Phrasing { kind, register, second, ref text } = *phrasing;
                let request = Phrase { text: text.clone(), kind, register, second, language: 0, pair: None, twin: None };
                self.add(&mut expansion, side, &self.slots, request, variants, seed)?;
            }
        }
        for language in &self.languages {
            for Whole { kind, text, held_out, twin } in &language.whole {
                let side = if *held_out { Side::Development } else { Side::Training };
                let (register, language_code, twin) = (Register::Full, language.code, twin.clone());
                let request = Phrase { text: text.clone(), kind: *kind, register, second: None, language: language_code, pair: None, twin };
                self.add(&mut expansion, side, &language.slots, request, variants, seed)?;
            }
            for request in &language.requests {
                let side = if request.held_out { Side::Development } else { Side::Training };
                let request = Phrase {
                    text: request.text.clone(),
                    kind: request.kind,
                    register: request.register(),
                    second: None,
                    language: language.code,
                    pair: Some(request.number),
                    twin: self.english_twin(language, request),
                };
                self.add(&mut expansion, side, &language.slots, request, variants, seed)?;
            }
        }
        if let Some(grammar) = &self.grammar {
            expansion.verb_noun = grammar.expand(Side::Training, 3 * variants, seed)?;
            expansion.verb_noun_development = grammar.expand(Side::Development, 1, seed)?;
        }
        Ok(expansion)
    }

    /// The English text of the same number, unless one of both has placeholders, whose values differ.
    fn english_twin(&self, language: &Language, request: &Request) -> Option<String> {
        let english = self.languages.first().filter(|english| english.code == 0 && language.code != 0)?;
        let twin = english.requests.iter().find(|twin| (twin.kind, twin.number) == (request.kind, request.number))?;
        let is_plain = |text: &str| pieces(text).iter().all(|piece| piece.slot().is_none());
        (is_plain(&twin.text) && is_plain(&request.text)).then(|| twin.text.clone())
    }

    /// Adds the rows of a request whose placeholders are unfilled.
    fn add(&self, expansion: &mut Expansion, side: Side, slots: &Slots, request: Phrase, variants: usize, seed: u64) -> Result<()> {
        let (count, wrappers) = match side {
            Side::Training if request.register == Register::Plain => (variants, &self.wrappers.0),
            Side::Training => (2 * variants, &self.wrappers.0),
            Side::Development => (1, &self.wrappers.1),
        };
        let filled = match request.register {
            Register::Full => vec![request.text.clone()],
            _ => slots.fill(&request.text, side, count, seed).map_err(|e| e.context(&self.kinds.kinds[request.kind].id))?,
        };
        let mut rng = generator(seed, Purpose::Phrasebook, xxh3_64(request.text.as_bytes()), 1);
        let wrapped = filled.first().filter(|_| rng.random_ratio(1, WRAPPED)).and_then(|first| {
            let text = wrappers.choose(&mut rng)?.replace(REQUEST, first);
            Some(Phrase { text, register: Register::Wrapped, ..request.clone() })
        });
        let phrases = filled.into_iter().map(|text| Phrase { text, ..request.clone() }).chain(wrapped);
        match side {
            Side::Training => expansion.training.extend(phrases),
            Side::Development => expansion.development.extend(phrases),
        }
        expansion.count(request);
        Ok(())
    }

    /// Passages that training may put around a request.
    fn documents(&self) -> impl Iterator<Item = &String> {
        self.slots.values("pasted", Side::Training).iter().chain(self.slots.values("background", Side::Training))
    }
}

/// The requests of `english/*.txt`, with all of their texts.
fn read_english(dir: &Path, kinds: &Kinds, slots: &Slots, overlaps: &mut Overlaps, faults: &mut Faults) -> Result<(Vec<Phrasing>, Unique)> {
    let (mut phrasings, mut seen) = (Vec::new(), Unique::default());
    for path in text_files(dir)? {
        for (place, kind, line) in kinds.lines(&path, faults)? {
            let Line { register, argument, text } = match Line::parse(&line) {
                Ok(line) => line,
                Err(e) => {
                    faults.line(&place, e);
                    continue;
                }
            };
            // A whole prompt stands as it is: braces in it are its own.
            if let Some(unknown) = slots.unknown(text).filter(|_| register != Register::Full) {
                faults.line(&place, unknown);
            }
            seen.check(text, "request", &place, faults);
            if register == Register::Full {
                overlaps.add(text, &place, faults);
            }
            let second = argument.filter(|_| register == Register::Two).and_then(|id| kinds.find_or_fault(id, &place, faults));
            phrasings.push(Phrasing { kind, register, second, text: text.replace("\\n", "\n") });
        }
    }
    Ok((phrasings, seen))
}

/// Chat templates, by side of the split; none if the file does not exist.
fn read_wrappers(path: &Path, faults: &mut Faults) -> Result<(Vec<String>, Vec<String>)> {
    if !path.exists() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut wrappers = Vec::new();
    for (place, line) in numbered_lines(path, faults)? {
        if line.matches(REQUEST).count() != 1 {
            faults.line(&place, format!("a wrapper has {REQUEST} once"));
        }
        wrappers.push(line.replace("\\n", "\n"));
    }
    if wrappers.len() < 2 {
        faults.line(&Place::new(path, 1), format!("{} wrappers; at least 2 are needed", wrappers.len()));
    }
    Ok(split(wrappers, |wrapper| wrapper))
}
