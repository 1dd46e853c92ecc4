//! `write|poem` as people say it: "write a poem".

/// Nouns that take no article. Instructions name few of them, so a list serves where a dictionary would be too large for a page.
const NO_ARTICLE: [&str; 44] = [
    "advice",
    "code",
    "content",
    "data",
    "datum",
    "english",
    "feedback",
    "food",
    "html",
    "information",
    "java",
    "javascript",
    "knowledge",
    "math",
    "money",
    "music",
    "news",
    "python",
    "research",
    "sarcasm",
    "something",
    "someone",
    "spam",
    "spelling",
    "sql",
    "synonyms",
    "text",
    "time",
    "us",
    "weather",
    "weight",
    "people",
    "history",
    "internet",
    "marketing",
    "gender",
    "mood",
    "evidence",
    "work",
    "writing",
    "homework",
    "grammar",
    "punctuation",
    "everything",
];

/// Verbs that are said with a particle.
const PARTICLES: [(&str, &str); 3] = [("come", "come up with"), ("think", "think of"), ("act", "act as")];

/// A readable name of a `verb|noun` label. Questions (`how|knowledge`) read "answer a how question"; other labels read as they are.
pub fn task_name(label: &str) -> String {
    let Some((verb, noun)) = label.split_once('|') else { return label.to_owned() };
    match (verb, noun) {
        ("yes-no", "knowledge") => return "answer a yes-no question".to_owned(),
        (word, "knowledge") => return format!("answer {} {word} question", article(word)),
        (verb, "none" | "") => return verb.to_owned(),
        _ => {}
    }
    let verb = PARTICLES.iter().find(|(v, _)| *v == verb).map_or(verb, |(_, said)| said);
    if NO_ARTICLE.contains(&noun) { format!("{verb} {noun}") } else { format!("{verb} {} {noun}", article(noun)) }
}

/// The verb of a `verb|noun` label; of any other the whole label.
#[cfg(feature = "convert")]
pub fn verb(label: &str) -> &str {
    label.split_once('|').map_or(label, |(verb, _)| verb)
}

/// The noun of a `verb|noun` label, where it names one: `knowledge` (a question), `math` and `none` are no words of the text.
#[cfg(any(feature = "convert", feature = "label"))]
pub fn noun(label: &str) -> Option<&str> {
    label.split_once('|').map(|(_, noun)| noun).filter(|noun| !matches!(*noun, "knowledge" | "math" | "none"))
}

fn article(word: &str) -> &'static str {
    let sounds_like_consonant = ["uni", "use", "one", "eu"].iter().any(|start| word.starts_with(start));
    let sounds_like_vowel = word.starts_with("hour") || word.starts_with("honest");
    if sounds_like_vowel || (word.starts_with(['a', 'e', 'i', 'o', 'u']) && !sounds_like_consonant) { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use super::task_name;

    #[test]
    fn names_read_as_english() {
        for (label, name) in [
            ("write|poem", "write a poem"),
            ("design|algorithm", "design an algorithm"),
            ("detect|user", "detect a user"),
            ("come|idea", "come up with an idea"),
            ("write|code", "write code"),
            ("when|knowledge", "answer a when question"),
            ("yes-no|knowledge", "answer a yes-no question"),
            ("summarize|none", "summarize"),
            ("billing question", "billing question"),
        ] {
            assert_eq!(task_name(label), name);
        }
    }
}
