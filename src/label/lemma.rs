//! Dictionary forms of verbs and nouns: rules, and the words that do not follow them.

use super::Tagger;

#[rustfmt::skip]
const VERBS: [(&str, &str); 64] = [
    ("am", "be"), ("are", "be"), ("been", "be"), ("being", "be"), ("is", "be"), ("was", "be"), ("were", "be"), ("became", "become"),
    ("began", "begin"), ("begun", "begin"), ("bought", "buy"), ("brought", "bring"), ("built", "build"), ("came", "come"),
    ("chose", "choose"), ("chosen", "choose"), ("did", "do"), ("does", "do"), ("doing", "do"), ("done", "do"), ("drawn", "draw"),
    ("drew", "draw"), ("driven", "drive"), ("dying", "die"), ("felt", "feel"), ("found", "find"), ("gave", "give"), ("given", "give"),
    ("goes", "go"), ("gone", "go"), ("got", "get"), ("had", "have"), ("has", "have"), ("held", "hold"), ("kept", "keep"),
    ("knew", "know"), ("known", "know"), ("left", "leave"), ("lying", "lie"), ("made", "make"), ("meant", "mean"), ("met", "meet"),
    ("paid", "pay"), ("said", "say"), ("saw", "see"), ("seen", "see"), ("sent", "send"), ("shown", "show"), ("sold", "sell"),
    ("spoken", "speak"), ("spoke", "speak"), ("spent", "spend"), ("taken", "take"), ("taught", "teach"), ("thought", "think"),
    ("told", "tell"), ("took", "take"), ("understood", "understand"), ("used", "use"), ("using", "use"), ("went", "go"),
    ("won", "win"), ("written", "write"), ("wrote", "write"),
];

#[rustfmt::skip]
const NOUNS: [(&str, &str); 42] = [
    ("analyses", "analysis"), ("atlas", "atlas"), ("bases", "base"), ("bias", "bias"), ("calories", "calorie"), ("canvas", "canvas"),
    ("children", "child"), ("christmas", "christmas"), ("cookies", "cookie"), ("crises", "crisis"), ("criteria", "criterion"),
    ("economics", "economics"), ("feet", "foot"), ("hypotheses", "hypothesis"), ("knives", "knife"), ("leaves", "leaf"),
    ("lies", "lie"), ("lives", "life"), ("mathematics", "mathematics"), ("maths", "math"), ("media", "medium"), ("men", "man"),
    ("mice", "mouse"), ("movies", "movie"), ("news", "news"), ("phenomena", "phenomenon"), ("physics", "physics"), ("pies", "pie"),
    ("politics", "politics"), ("quizzes", "quiz"), ("selfies", "selfie"), ("series", "series"), ("shelves", "shelf"),
    ("shoes", "shoe"), ("species", "species"), ("statistics", "statistics"), ("synopses", "synopsis"), ("teeth", "tooth"),
    ("theses", "thesis"), ("ties", "tie"), ("wives", "wife"), ("women", "woman"),
];

/// Words to their dictionary forms.
pub struct Lemmatizer<'a> {
    tagger: &'a Tagger,
}

impl<'a> Lemmatizer<'a> {
    /// A lemmatizer that asks the tagger which words there are.
    pub const fn new(tagger: &'a Tagger) -> Self {
        Self { tagger }
    }

    /// The infinitive of a verb in lower case: `using` to `use`, `planned` to `plan`.
    pub fn verb(&self, word: &str) -> String {
        if let Some((_, lemma)) = VERBS.iter().find(|(form, _)| *form == word) {
            return (*lemma).to_owned();
        }
        let stem = |ending: &str, least: usize| word.strip_suffix(ending).filter(|stem| stem.chars().count() >= least);
        if let Some(stem) = stem("ing", 3) {
            return self.infinitive(stem);
        }
        if let Some(stem) = stem("ied", 1).or_else(|| stem("ies", 2)) {
            return format!("{stem}y");
        }
        if let Some(stem) = stem("ed", 3) {
            return self.infinitive(stem);
        }
        without_plural_s(word)
    }

    /// What stands before `ing` or `ed`, with the `e` it lost or without the consonant it doubled.
    fn infinitive(&self, stem: &str) -> String {
        let single = stem.char_indices().next_back().map(|(at, last)| (&stem[..at], last));
        let (forms, unknown) = match single {
            Some((single, last)) if single.ends_with(last) && !"aeiouls".contains(last) => ([single.to_owned(), stem.to_owned()], 0),
            // Of words the tagger does not know, those on these letters have the e: summariz(e), evaluat(e).
            _ => ([format!("{stem}e"), stem.to_owned()], usize::from(!["z", "v", "c", "u", "at"].iter().any(|end| stem.ends_with(end)))),
        };
        let tags = forms.each_ref().map(|form| self.tagger.usual_tag(form));
        let known = tags.iter().position(|tag| *tag == "VERB").or_else(|| tags.iter().position(|tag| *tag != "UNK"));
        forms[known.unwrap_or(unknown)].clone()
    }

    /// The singular of a noun in lower case: `stories` to `story`.
    pub fn noun(&self, word: &str) -> String {
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        if let Some((_, lemma)) = NOUNS.iter().find(|(form, _)| *form == word) {
            return (*lemma).to_owned();
        }
        match word.strip_suffix("ies") {
            Some(stem) if stem.len() > 1 => format!("{stem}y"),
            _ => without_plural_s(word),
        }
    }
}

/// A word without the `s` or `es` of a plural or a third person.
fn without_plural_s(word: &str) -> String {
    if word.len() < 4 || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        return word.to_owned();
    }
    match word.strip_suffix("es") {
        Some(stem) if ["ss", "x", "z", "ch", "sh", "o"].iter().any(|end| stem.ends_with(end)) => stem.to_owned(),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_have_their_lemmas() {
        let tagger = Tagger::new();
        let lemmas = Lemmatizer::new(&tagger);
        let verbs = ["using", "planned", "describes", "classified", "written", "summarizing", "telling", "bring", "need", "goes", "ﬁlmed"];
        let infinitives = ["use", "plan", "describe", "classify", "write", "summarize", "tell", "bring", "need", "go", "ﬁlm"];
        assert_eq!(verbs.map(|verb| lemmas.verb(verb)), infinitives);
        let nouns = ["stories", "movies", "classes", "phrases", "news", "boxes", "analysis", "author's", "heroes", "us", "élèves"];
        let singulars = ["story", "movie", "class", "phrase", "news", "box", "analysis", "author", "hero", "us", "élève"];
        assert_eq!(nouns.map(|noun| lemmas.noun(noun)), singulars);
    }
}
