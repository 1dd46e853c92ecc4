//! Labels of one meaning, merged as the benchmark merges them: `create|song##make|song`. By WordNet, or by the words that labels of
//! another data set join.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorCode, Result};

/// The senses of a word that count, the most frequent first. Of the synonyms in the benchmark's development labels the first three find
/// 89 of 132 pairs and 49 others; all senses find 112 and 169.
const SENSES: usize = 3;

/// Which words mean the same, by WordNet's numbers of their first senses.
#[derive(Clone, Debug, Default)]
pub struct WordNet {
    verbs: HashMap<String, Vec<u32>>,
    nouns: HashMap<String, Vec<u32>>,
}

impl WordNet {
    /// Reads `index.verb` and `index.noun` of a folder, Debian's being `/usr/share/wordnet` (package `wordnet-base`).
    ///
    /// # Errors
    /// [`ErrorCode::Io`] when a file cannot be read, [`ErrorCode::Data`] naming a line that is no index entry.
    pub fn load(dir: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = dir.join(name);
            let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
            parse_index(&text).map_err(|e| e.context(path.display()))
        };
        Ok(Self { verbs: read("index.verb")?, nouns: read("index.noun")? })
    }

    /// The meanings of a label that another one may share: the verb with each sense of the noun, and the noun with each sense of the verb.
    fn meanings<'a>(&self, label: &'a str) -> Vec<(&'a str, bool, u32)> {
        let Some((verb, noun)) = label.split_once('|') else { return Vec::new() };
        let of = |words: &HashMap<String, Vec<u32>>, word: &str| words.get(word).cloned().unwrap_or_default();
        let by_verb = of(&self.verbs, verb).into_iter().map(|sense| (noun, true, sense));
        by_verb.chain(of(&self.nouns, noun).into_iter().map(|sense| (verb, false, sense))).collect()
    }
}

/// An index: `lemma pos synsets pointers [pointer…] senses tagged offset…`; the licence before it is indented.
fn parse_index(text: &str) -> Result<HashMap<String, Vec<u32>>> {
    let mut words = HashMap::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.starts_with(' ')) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let count = fields.get(2).and_then(|count| count.parse::<usize>().ok()).filter(|&count| count > 0 && count < fields.len());
        let senses = count.and_then(|count| fields[fields.len() - count..].iter().take(SENSES).map(|sense| sense.parse().ok()).collect());
        let Some(senses) = senses else {
            return Err(Error::new(ErrorCode::Data, format!("line {number} is no entry of a WordNet index")));
        };
        words.insert(fields[0].to_owned(), senses);
    }
    Ok(words)
}

/// What each label of `counts` (instructions by label) is called after merging; labels that stay alone are not listed. The more frequent
/// label gathers those that share its noun and a sense of its verb, or its verb and a sense of its noun; what is gathered gathers nothing
/// itself, so that meaning does not drift along a chain.
pub fn merge_synonyms(counts: &BTreeMap<String, usize>, wordnet: &WordNet) -> HashMap<String, String> {
    let mut labels: Vec<&str> = counts.keys().map(String::as_str).collect();
    labels.sort_by_key(|label| std::cmp::Reverse(counts[*label]));
    let mut by_meaning: HashMap<(&str, bool, u32), Vec<usize>> = HashMap::new();
    for (id, label) in labels.iter().enumerate() {
        for meaning in wordnet.meanings(label) {
            by_meaning.entry(meaning).or_default().push(id);
        }
    }
    let mut gathered = vec![false; labels.len()];
    let mut names = HashMap::new();
    for id in 0..labels.len() {
        if std::mem::replace(&mut gathered[id], true) {
            continue;
        }
        let mut group = vec![id];
        for meaning in wordnet.meanings(labels[id]) {
            for &other in by_meaning.get(&meaning).into_iter().flatten() {
                if !std::mem::replace(&mut gathered[other], true) {
                    group.push(other);
                }
            }
        }
        group.sort_unstable();
        names.extend(named(&group.into_iter().map(|id| labels[id]).collect::<Vec<_>>()));
    }
    names
}

/// What each of `labels` is called when those are joined whose words the labels `like` join: `create|song##make|song` says that `create`
/// and `make` mean the same of any noun but `knowledge`, `none` and `math`, which are no nouns of the text. Labels that stay alone are
/// not listed.
pub fn merge_like(labels: &BTreeSet<&str>, like: &[String]) -> HashMap<String, String> {
    let (verbs, nouns) = same_words(like);
    let labels: Vec<&str> = labels.iter().copied().collect();
    let mut alike: BTreeMap<(bool, &str), Vec<(usize, &str)>> = BTreeMap::new();
    for (id, label) in labels.iter().enumerate() {
        let Some((verb, noun)) = label.split_once('|') else { continue };
        alike.entry((true, verb)).or_default().push((id, noun));
        if let Some(noun) = crate::tasks::noun(label) {
            alike.entry((false, noun)).or_default().push((id, verb));
        }
    }
    let mut group: Vec<usize> = (0..labels.len()).collect();
    for ((same_verb, _), others) in alike {
        let same = if same_verb { &nouns } else { &verbs };
        for (at, &(a, word)) in others.iter().enumerate() {
            for &(b, _) in others[at + 1..].iter().filter(|(_, other)| same.contains(&(word, other))) {
                let (from, to) = (group[b], group[a]);
                group.iter_mut().filter(|id| **id == from).for_each(|id| *id = to);
            }
        }
    }
    let mut members: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (label, id) in labels.into_iter().zip(group) {
        members.entry(id).or_default().push(label);
    }
    members.values().flat_map(|group| named(group)).collect()
}

/// Each label of a group with the group's name; nothing for a label that is alone.
fn named(group: &[&str]) -> Vec<(String, String)> {
    let name = group.join("##");
    group.iter().filter(|_| group.len() > 1).map(|label| ((*label).to_owned(), name.clone())).collect()
}

/// Two words of one meaning.
type Same<'a> = HashSet<(&'a str, &'a str)>;

/// The pairs of verbs, and of nouns, in which labels that are joined differ.
fn same_words(joined: &[String]) -> (Same<'_>, Same<'_>) {
    let (mut verbs, mut nouns) = (HashSet::new(), HashSet::new());
    for label in joined {
        let parts: Vec<(&str, &str)> = label.split("##").filter_map(|part| part.split_once('|')).collect();
        for &(verb, noun) in &parts {
            for &(other_verb, other_noun) in &parts {
                if noun == other_noun {
                    verbs.insert((verb, other_verb));
                }
                if verb == other_verb {
                    nouns.insert((noun, other_noun));
                }
            }
        }
    }
    (verbs, nouns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: &str =
        "  1 a licence\ncreate v 2 1 @ 2 2 00000001 00000002  \nmake v 2 0 2 1 00000002 00000003  \nform v 1 0 1 0 00000003  \n";
    const NOUNS: &str = "song n 1 0 1 0 00000001  \ntune n 1 0 1 0 00000001  \npoem n 1 0 1 0 00000002  \n";

    #[test]
    fn synonyms_gather_round_the_more_frequent_label() {
        let wordnet = WordNet { verbs: parse_index(VERBS).unwrap(), nouns: parse_index(NOUNS).unwrap() };
        let counts = [("create|song", 9), ("make|song", 5), ("form|song", 4), ("create|tune", 2), ("make|poem", 7), ("what|knowledge", 3)];
        let counts = counts.map(|(label, count)| (label.to_owned(), count)).into();
        let names = merge_synonyms(&counts, &wordnet);
        let name = "create|song##make|song##create|tune";
        assert_eq!((names.len(), &*names["make|song"], &*names["create|tune"]), (3, name, name));
    }

    #[test]
    fn labels_are_joined_by_the_words_that_others_join() {
        let labels =
            ["create|song", "make|song", "make|poem", "create|knowledge", "make|knowledge", "write|bio", "write|biography", "none"];
        let like = ["create|story##make|story".to_owned(), "edit|bio##edit|biography".to_owned(), "find|song".to_owned()];
        let names = merge_like(&labels.into(), &like);
        let expected = [("create|song", "create|song##make|song"), ("make|song", "create|song##make|song")];
        let expected =
            expected.into_iter().chain([("write|bio", "write|bio##write|biography"), ("write|biography", "write|bio##write|biography")]);
        assert_eq!(names, expected.map(|(label, name)| (label.to_owned(), name.to_owned())).collect());
    }

    #[test]
    fn broken_indexes_are_refused() {
        for text in ["song n x", "song n 9 0", "song n 1 0 1 0 offset", "\n"] {
            assert!(parse_index(text).unwrap_err().to_string().starts_with("line 1 "), "{text:?}");
        }
    }
}
