//! Whole prompts of other languages that say the same as an English one, so that a teacher that reads English alone can teach them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::Phrasing;
use super::languages::{LANGUAGES, Whole};
use super::line::Register;
use super::overlap::Overlaps;
use super::slots::Side;
use super::source::{Faults, Unique, numbered_lines, stem, text_files};
use crate::digest::sha256_hex;
use crate::error::Result;

/// Hexadecimal digits of an English prompt's SHA-256 by which its twins name it.
const ID_DIGITS: usize = 8;

/// Reads `LANG.txt` of a folder: a line is the id of an English whole prompt, a space, and the same prompt in that language. Gives the
/// prompts with the index of their language. A twin takes its kind from the English prompt, and is held out where that one is.
pub(super) fn read(
    dir: &Path,
    english: [(Side, &[Phrasing]); 2],
    overlaps: &mut Overlaps,
    faults: &mut Faults,
) -> Result<Vec<(usize, Whole)>> {
    let whole = |(side, phrasings): (Side, &'_ [Phrasing])| {
        let full = phrasings.iter().filter(|phrasing| phrasing.register == Register::Full);
        full.map(|phrasing| (id(&phrasing.text), (side, phrasing.clone()))).collect::<Vec<_>>()
    };
    let english: HashMap<String, (Side, Phrasing)> = english.into_iter().flat_map(whole).collect();
    let mut twins = Vec::new();
    for path in text_files(dir)? {
        let Some(code) = LANGUAGES.iter().skip(1).position(|code| *code == stem(&path)).map(|n| n + 1) else {
            faults.file(&path, format!("no language {:?}; the codes are: {}", stem(&path), LANGUAGES[1..].join(", ")));
            continue;
        };
        overlaps.finish_language();
        let (mut ids, mut seen) = (HashSet::new(), Unique::default());
        for (place, line) in numbered_lines(&path, faults)? {
            let Some((id, text)) = line.split_once(' ').map(|(id, text)| (id, text.trim())) else {
                faults.line(&place, "a twin begins with the id of its English prompt, and a space");
                continue;
            };
            let Some((side, phrasing)) = english.get(id) else {
                faults.line(&place, format!("no whole prompt in English has the id {id:?}"));
                continue;
            };
            if !ids.insert(id.to_owned()) {
                faults.line(&place, format!("the prompt {id} has a twin in this file already"));
            }
            seen.check(text, "request", &place, faults);
            overlaps.add(text, &place, faults);
            let held_out = *side == Side::Development;
            twins.push((code, Whole { kind: phrasing.kind, text: text.replace("\\n", "\n"), held_out, twin: Some(phrasing.text.clone()) }));
        }
    }
    Ok(twins)
}

/// The id of an English whole prompt: the start of the SHA-256 of its line, in which `\n` stands for a line break.
fn id(text: &str) -> String {
    let mut id = sha256_hex(text.replace('\n', "\\n").as_bytes());
    id.truncate(ID_DIGITS);
    id
}
