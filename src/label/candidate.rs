//! Which pairs of verb and noun an instruction may be about, and what tells them apart.

use std::fmt;

use serde::Serialize;

use super::{Lemmatizer, Tagger, Word};

/// Verbs and nouns of an instruction that are paired at most.
const MAX_VERBS: usize = 14;
const MAX_NOUNS: usize = 20;
/// Digits that make a text arithmetic.
const MATH_DIGITS: usize = 3;
/// Words between verb and noun that stand in the pair's pattern at most.
const MAX_PATTERN: usize = 6;

const WH_WORDS: [&str; 9] = ["what", "who", "whom", "whose", "when", "where", "why", "how", "which"];
const AUXILIARIES: [&str; 22] = [
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "will", "would", "should", "has", "have", "had", "may", "might", "am",
    "isn't", "aren't", "don't", "doesn't",
];
/// Words that link what follows to what stands before: which one it is matters.
const LINKS: [&str; 37] = [
    "of", "for", "to", "in", "on", "with", "from", "by", "about", "as", "at", "into", "between", "that", "which", "who", "whether", "if",
    "and", "or", "how", "what", "why", "when", "where", "using", "than", "like", "after", "before", "through", "without", "under",
    "against", "upon", "up", "out",
];
/// Other words that are neither verb nor noun of a task.
const FUNCTION_WORDS: [&str; 66] = [
    "the", "a", "an", "this", "these", "those", "i", "you", "he", "she", "it", "we", "they", "me", "him", "her", "us", "them", "my",
    "your", "his", "its", "our", "their", "but", "not", "be", "is", "are", "was", "were", "do", "does", "did", "can", "could", "will",
    "would", "should", "has", "have", "had", "may", "might", "must", "no", "yes", "please", "each", "every", "any", "some", "all", "both",
    "so", "then", "there", "here", "down", "over", "just", "also", "let's", "i'm", "you're", "it's",
];
/// Words by which a question points to what is given with it.
const GIVEN: [&str; 8] = ["this", "these", "following", "below", "above", "given", "provided", "suggested"];
/// Words before an imperative that does not begin its sentence.
const BEFORE_IMPERATIVES: [&str; 12] = ["please", "then", "and", "or", "also", "to", "now", "let's", "you", "just", "will", ","];
const PRONOUNS: [&str; 6] = ["something", "someone", "anything", "everything", "anyone", "us"];

/// How a label was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A verb and a noun of the text.
    Pair,
    /// A question or a request for knowledge: `how|knowledge`.
    Question,
    /// Arithmetic: `solve|math`.
    Math,
    /// A verb without a noun: `summarize|none`; or nothing at all.
    None,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pair => "pair",
            Self::Question => "question",
            Self::Math => "math",
            Self::None => "none",
        })
    }
}

/// A label that an instruction may have, and its features by name. No name has white space in it.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub verb: String,
    pub noun: String,
    pub source: Source,
    pub features: Vec<String>,
}

/// A word that may be half of a label.
struct Half {
    at: usize,
    lemma: String,
    features: Vec<String>,
}

/// The labels that an instruction may have.
pub fn candidates(tagger: &Tagger, instruction: &str) -> Vec<Candidate> {
    let words = tagger.words(instruction);
    let view = View { words: &words, lemmas: Lemmatizer::new(tagger) };
    let (verbs, nouns) = (view.verbs(), view.nouns());
    let mut found = Vec::new();
    for verb in &verbs {
        for noun in &nouns {
            let apart = view.words[verb.at].sentence.abs_diff(view.words[noun.at].sentence);
            if verb.at != noun.at && apart <= 1 {
                let features = [&verb.features[..], &noun.features[..], &view.pair(verb, noun)].concat();
                found.push(Candidate { verb: verb.lemma.clone(), noun: noun.lemma.clone(), source: Source::Pair, features });
            }
        }
    }
    view.questions(&verbs, &nouns, &mut found);
    view.others(&verbs, &nouns, &mut found);
    found
}

/// The question word that a word is, also in `what's`.
fn question_word(word: &str) -> Option<&str> {
    let stem = word.split(['\'', '’']).next()?;
    WH_WORDS.contains(&stem).then_some(stem)
}

fn is_function(word: &str) -> bool {
    LINKS.contains(&word) || FUNCTION_WORDS.contains(&word) || word.ends_with("n't") || word.ends_with("n’t")
}

/// Small numbers as they are, larger ones in steps.
const fn bucket(n: usize) -> &'static str {
    match n {
        0 => "0",
        1 => "1",
        2 => "2",
        3 => "3",
        4..=6 => "4-6",
        _ => "7+",
    }
}

/// An instruction's words, and what stands around each.
struct View<'a> {
    words: &'a [Word],
    lemmas: Lemmatizer<'a>,
}

impl View<'_> {
    /// What stands `by` words from `at`: the word itself where it is a function word or a mark, else its tag.
    fn context(&self, at: usize, by: isize) -> &str {
        let Some(word) = at.checked_add_signed(by).and_then(|at| self.words.get(at)) else { return "^" };
        if word.tag == "PUNCT" || is_function(&word.text) { &word.text } else { word.tag }
    }

    fn verbs(&self) -> Vec<Half> {
        let mut verbs: Vec<Half> = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            let before = at.checked_sub(1).map_or("", |at| self.words[at].text.as_str());
            let verbal = word.is_verb() || word.tag == "UNK" || word.usual_tag == "VERB";
            let placed = word.begins || BEFORE_IMPERATIVES.contains(&before);
            let is_word =
                !matches!(word.tag, "PUNCT" | "NUM") && !word.text.contains(['\'', '’']) && !PRONOUNS.contains(&word.text.as_str());
            let is_word = is_word && (word.text == "do" || !is_function(&word.text));
            // What the tagger does not know is a name rather than the verb of a question, and what begins one is no imperative.
            let known = word.is_verb() || word.usual_tag == "VERB";
            let is_word = is_word && (!self.is_question(word.sentence) || (known && !word.begins));
            let could_be = is_word && (verbal || placed) && !(word.tag == "ADV" && word.text.ends_with("ly"));
            if could_be || word.text == "be" {
                verbs.push(self.verb(at, word, &verbs));
                if verbs.len() == MAX_VERBS {
                    break;
                }
            }
        }
        verbs
    }

    /// Whether a sentence begins as a question and ends as one.
    fn is_question(&self, sentence: usize) -> bool {
        let mut words = self.words.iter().filter(|word| word.sentence == sentence);
        let opens = |word: &&Word| word.begins && (question_word(&word.text).is_some() || AUXILIARIES.contains(&word.text.as_str()));
        words.clone().any(|word| word.text == "?") && words.find(opens).is_some()
    }

    fn verb(&self, at: usize, word: &Word, earlier: &[Half]) -> Half {
        let lemma = self.lemmas.verb(&word.text);
        let form = if lemma == word.text {
            "base"
        } else {
            ["ing", "ed", "s"].into_iter().find(|end| word.text.ends_with(end)).unwrap_or("other")
        };
        let begins = if word.begins { "begins" } else { "inside" };
        let here = earlier.iter().filter(|verb| self.words[verb.at].sentence == word.sentence).count();
        let imperatives = earlier.iter().filter(|verb| {
            let verb = &self.words[verb.at];
            verb.begins && matches!(verb.tag, "VERB" | "UNK")
        });
        let features = vec![
            format!("verb={lemma}"),
            format!("verb-tag={}", word.tag),
            format!("verb-usual-tag={}", word.usual_tag),
            format!("verb-form={form}"),
            format!("verb-before={}", self.context(at, -1)),
            format!("verb-before-2={},{}", self.context(at, -2), self.context(at, -1)),
            format!("verb-after={}", self.context(at, 1)),
            format!("verb-rank={}", bucket(earlier.len())),
            format!("verb-rank-in-sentence={}", bucket(here)),
            format!("verb-sentence={}", bucket(word.sentence)),
            format!("verb-{begins}"),
            format!("verb-{begins}-sentence={}", bucket(word.sentence)),
            format!("verb-after-imperatives={}", bucket(imperatives.count())),
            format!("verb-quoted={}", word.quoted),
        ];
        Half { at, lemma, features }
    }

    fn nouns(&self) -> Vec<Half> {
        let could_be = |word: &Word| {
            let content = !matches!(word.tag, "PUNCT" | "NUM") && !word.begins && !is_function(&word.text);
            // One letter is a variable, or a mark in a list.
            let is_word = word.text.chars().count() > 1;
            is_word && (word.is_nominal() && !is_function(&word.text) || content || PRONOUNS.contains(&word.text.as_str()))
        };
        let found = self.words.iter().enumerate().filter(|(_, word)| could_be(word)).take(MAX_NOUNS);
        found.enumerate().map(|(rank, (at, word))| self.noun(rank, at, word)).collect()
    }

    fn noun(&self, rank: usize, at: usize, word: &Word) -> Half {
        let (before, after) = (self.context(at, -1), self.context(at, 1));
        let features = vec![
            format!("noun-tag={}", word.tag),
            format!("noun-usual-tag={}", word.usual_tag),
            format!("noun-before={before}"),
            format!("noun-after={after}"),
            format!("noun-between={before},{after}"),
            format!("noun-tag-before={},{before}", word.tag),
            format!("noun-tag-after={},{after}", word.tag),
            format!("noun-rank={}", bucket(rank)),
            format!("noun-sentence={}", bucket(word.sentence)),
            format!("noun-quoted={}", word.quoted),
            format!("noun-capital={}", word.capital),
        ];
        Half { at, lemma: self.lemmas.noun(&word.text), features }
    }

    /// Whether the word is the first part of a compound: `news` in `news article`.
    fn is_modifier(&self, at: usize) -> bool {
        self.words.get(at + 1).is_some_and(|next| next.is_nominal() && !is_function(&next.text))
    }

    /// What a word between verb and noun is for: links and marks as they are, `N` for nouns, nothing for what describes a noun.
    fn shape(&self, at: usize) -> &str {
        let word = &self.words[at];
        match word.tag {
            _ if LINKS.contains(&word.text.as_str()) => &word.text,
            "PUNCT" => &word.text,
            "DET" | "NUM" | "ADJ" | "ADV" => "",
            "NOUN" | "PROPN" | "UNK" => "N",
            "PRON" => "P",
            "VERB" => "V",
            "AUX" => "A",
            _ => "x",
        }
    }

    fn pair(&self, verb: &Half, noun: &Half) -> Vec<String> {
        let (low, high) = (verb.at.min(noun.at), verb.at.max(noun.at));
        let forward = verb.at < noun.at;
        let between = low + 1..high;
        let mut pattern: Vec<&str> = between.clone().map(|at| self.shape(at)).filter(|shape| !shape.is_empty()).collect();
        pattern.dedup_by(|a, b| *a == "N" && a == b);
        // A noun right before this one is part of the same compound.
        if forward && between.clone().next_back().is_some_and(|at| self.shape(at) == "N") {
            pattern.pop();
        }
        let direction = if forward { '>' } else { '<' };
        let end = if self.is_modifier(noun.at) { "modifier" } else { "head" };
        let count = |shapes: &[&str]| bucket(pattern.iter().filter(|shape| shapes.contains(shape)).count());
        let shown = format!(
            "{direction}{}{}",
            pattern[..pattern.len().min(MAX_PATTERN)].join("_"),
            if pattern.len() > MAX_PATTERN { "_…" } else { "" }
        );
        let (verb_word, noun_word) = (&self.words[verb.at], &self.words[noun.at]);
        let mut features = vec![
            format!("pattern={shown},{end}"),
            format!("distance={direction}{}", bucket(between.len())),
            format!("nouns-between={direction}{},{end}", count(&["N"])),
            format!("verbs-between={direction}{}", count(&["V", "A"])),
            format!("sentences-between={}", noun_word.sentence as isize - verb_word.sentence as isize),
            format!("quoted={},{}", verb_word.quoted, noun_word.quoted),
        ];
        if pattern.len() <= 3 {
            features.push(format!("verb-pattern={}:{shown},{end}", verb.lemma));
        }
        // The noun that stands between: in "the kind of movie" the movie is asked for through its kind.
        if let Some(through) = between.rev().find(|&at| self.shape(at) == "N" && !self.is_modifier(at)) {
            let link = pattern.iter().rev().find(|shape| LINKS.contains(shape)).copied().unwrap_or_default();
            features.push(format!("through={},{link}", self.lemmas.noun(&self.words[through].text)));
        }
        features
    }

    /// Questions, which have no verb and noun of their own, and requests to explain how something is.
    fn questions(&self, verbs: &[Half], nouns: &[Half], found: &mut Vec<Candidate>) {
        let mut add = |verb: &str, noun: &str, source, features: Vec<String>| {
            found.push(Candidate { verb: verb.to_owned(), noun: noun.to_owned(), source, features });
        };
        let names = nouns.iter().any(|noun| self.words[noun.at].capital && self.words[noun.at].is_nominal());
        for (at, word) in self.words.iter().enumerate().filter(|(_, word)| word.begins) {
            let asked = self.words[at..].iter().any(|other| other.sentence == word.sentence && other.text == "?");
            let sentence = bucket(word.sentence);
            if let Some(asks) = question_word(&word.text) {
                let features = vec![
                    "wh".to_owned(),
                    format!("wh={asks}"),
                    format!("wh-after={}", self.context(at, 1)),
                    format!("wh-sentence={sentence}"),
                    format!("wh-nouns={}", bucket(nouns.len())),
                    format!("wh-names={names}"),
                    format!("wh-asked={asked}"),
                ];
                add(asks, "knowledge", Source::Question, features);
                if self.is_math() {
                    add(asks, "math", Source::Math, vec!["wh-math".to_owned()]);
                }
            } else if AUXILIARIES.contains(&word.text.as_str()) {
                let mut sentence_words = self.words.iter().filter(|other| other.sentence == word.sentence);
                let noun = if sentence_words.any(|word| GIVEN.contains(&word.text.as_str())) { "task" } else { "knowledge" };
                let features = vec![
                    "yes-no".to_owned(),
                    format!("yes-no={}", word.text),
                    format!("yes-no-after={}", self.context(at, 1)),
                    format!("yes-no-sentence={sentence}"),
                    format!("yes-no-{noun}"),
                ];
                add("yes-no", noun, Source::Question, features);
            }
        }
        if let Some(verb) = verbs.first()
            && matches!(self.context(verb.at, 1), "how" | "what" | "why")
        {
            add(&verb.lemma, "knowledge", Source::Question, vec!["knowledge".to_owned(), format!("knowledge={}", verb.lemma)]);
        }
    }

    /// Arithmetic, verbs without a noun, and texts without a verb.
    fn others(&self, verbs: &[Half], nouns: &[Half], found: &mut Vec<Candidate>) {
        let mut add = |verb: &str, noun: &str, source, features: Vec<String>| {
            found.push(Candidate { verb: verb.to_owned(), noun: noun.to_owned(), source, features });
        };
        if let Some(verb) = verbs.first() {
            let count = bucket(nouns.len());
            if self.is_math() {
                add(&verb.lemma, "math", Source::Math, vec!["math".to_owned(), format!("math-nouns={count}")]);
            }
            if self.words[verb.at].begins {
                add(&verb.lemma, "none", Source::None, vec!["alone".to_owned(), format!("alone-nouns={count}")]);
            }
        }
        let imperative = verbs
            .iter()
            .map(|verb| &self.words[verb.at])
            .any(|word| word.begins && (matches!(word.tag, "VERB" | "UNK") || word.usual_tag == "VERB"));
        if !imperative && !nouns.is_empty() {
            add("noun", "knowledge", Source::Question, vec!["no-verb".to_owned()]);
        }
    }

    fn is_math(&self) -> bool {
        self.words.iter().flat_map(|word| word.text.chars()).filter(char::is_ascii_digit).count() >= MATH_DIGITS
    }
}
