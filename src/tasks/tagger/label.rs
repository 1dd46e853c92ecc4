//! What a caller says of a label, and the texts that a tagger learns it from.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::super::prototypes::UNKNOWN;
use super::super::unread::is_unread;
use crate::error::{Error, ErrorCode, Result};

/// Labels of one tagger, at most.
pub const MAX_LABELS: usize = 2_000;
/// Examples and counter-examples of one tagger, at most.
pub const MAX_EXAMPLES: usize = 50_000;
/// Examples times labels, at most: the logits of one training step, 64 MiB.
pub const MAX_LOGITS: usize = 1 << 24;
/// Bytes of one example or description, at most. Models read some hundreds of tokens, so a longer one is a document by mistake.
pub const MAX_TEXT_BYTES: usize = 65_536;

/// Characters of a text that an error shows.
const SHOWN: usize = 60;

/// One label of a tagger. All but the name may be absent: a label without examples is learned from its name and description alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggerLabel {
    /// What the tagger answers. Its words count as an example: `card_arrival` and `cardArrival` are read as "card arrival".
    pub name: String,
    /// A sentence that says what the label is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Texts that have the label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// Texts that look like the label and do not have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<String>,
}

impl TaggerLabel {
    /// A label with this name, and nothing else yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same label with these examples.
    #[must_use]
    pub fn with_examples<T: Into<String>>(mut self, examples: impl IntoIterator<Item = T>) -> Self {
        self.examples.extend(examples.into_iter().map(Into::into));
        self
    }

    /// The same label with a description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// What a text is to its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Name,
    Description,
    Example,
    Not,
}

/// A text that a tagger learns from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Index of the label.
    pub label: usize,
    pub part: Part,
    /// Index among the label's examples or counter-examples.
    pub place: usize,
    pub text: String,
}

/// Checks labels, and lists the texts to embed: of each label its name's words, its description, its examples and its counter-examples. A
/// text that stands twice in one list counts once.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for no labels or more than [`MAX_LABELS`], a name that is blank, is [`UNKNOWN`] or stands twice, a label
/// without anything to learn from, an example under two labels or both an example and a counter-example, and more examples than
/// [`MAX_EXAMPLES`] or, times labels, [`MAX_LOGITS`]; [`ErrorCode::BlankText`] for a blank text.
pub fn sources(labels: &[TaggerLabel]) -> Result<Vec<Source>> {
    let invalid = |message| Err(Error::new(ErrorCode::InvalidArgument, message));
    if !(1..=MAX_LABELS).contains(&labels.len()) {
        return invalid(format!("{} labels were given; a tagger takes 1 to {MAX_LABELS}", labels.len()));
    }
    let examples: usize = labels.iter().map(|label| label.examples.len() + label.not.len()).sum();
    let most = MAX_EXAMPLES.min(MAX_LOGITS / labels.len());
    if examples > most {
        return invalid(format!("{examples} examples were given; a tagger of {} labels takes at most {most}", labels.len()));
    }
    let mut names = HashSet::new();
    let mut owners: HashMap<&str, usize> = HashMap::new();
    let mut sources = Vec::new();
    for (n, label) in labels.iter().enumerate() {
        let name = &label.name;
        if name.trim().is_empty() {
            return invalid(format!("label {n} has a blank name ({name:?})"));
        }
        if name == UNKNOWN {
            return invalid(format!("label {n} is {UNKNOWN:?}, the answer for texts that are like no label: name it otherwise"));
        }
        check_text(&format!("label {n}: its name"), name)?;
        if !names.insert(name) {
            return invalid(format!("label {name:?} stands twice; give it once, with all its examples"));
        }
        let before = sources.len();
        let source = |part, place, text: &str| Source { label: n, part, place, text: text.to_owned() };
        let said = words(name);
        if !said.is_empty() {
            sources.push(source(Part::Name, 0, &said));
        }
        if let Some(description) = &label.description {
            check_text(&format!("label {name:?}: its description"), description)?;
            sources.push(source(Part::Description, 0, description));
        }
        for (place, text) in label.examples.iter().enumerate() {
            check_text(&format!("label {name:?}: example {place}"), text)?;
            match owners.insert(text, n) {
                None => sources.push(source(Part::Example, place, text)),
                Some(other) if other == n => {}
                Some(other) => {
                    let other = &labels[other].name;
                    return invalid(format!(
                        "example {:?} stands under two labels, {other:?} and {name:?}; leave it under one",
                        shown(text)
                    ));
                }
            }
        }
        let mut not = HashSet::new();
        for (place, text) in label.not.iter().enumerate() {
            check_text(&format!("label {name:?}: counter-example {place}"), text)?;
            if owners.get(text.as_str()) == Some(&n) {
                return invalid(format!("{:?} is both an example and a counter-example of label {name:?}", shown(text)));
            }
            if not.insert(text) {
                sources.push(source(Part::Not, place, text));
            }
        }
        if sources[before..].iter().all(|source| source.part == Part::Not) {
            return invalid(format!("label {n} ({name:?}) has nothing to learn from: no word in its name, no description, 0 examples"));
        }
    }
    Ok(sources)
}

/// Leaves out names that the model cannot read where the label has more, and refuses every other text of which it reads less than half.
/// `unread` has the share of each text, 0..=1.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] naming the label, the text and the share.
pub fn readable(labels: &[TaggerLabel], sources: &[Source], unread: &[f32]) -> Result<Vec<bool>> {
    let mut kept = vec![true; sources.len()];
    for (n, (source, &share)) in sources.iter().zip(unread).enumerate() {
        if !is_unread(share) {
            continue;
        }
        let label = &labels[source.label];
        if source.part == Part::Name && (label.description.is_some() || !label.examples.is_empty()) {
            kept[n] = false;
            continue;
        }
        let what = match source.part {
            Part::Name => "its name, which is all it has,".to_owned(),
            Part::Description => "its description".to_owned(),
            Part::Example => format!("example {}", source.place),
            Part::Not => format!("counter-example {}", source.place),
        };
        let message = format!(
            "label {:?}: the model's vocabulary lacks {:.0} % of {what} ({:?}), so that its vector says nothing",
            label.name,
            share * 100.0,
            shown(&source.text)
        );
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    Ok(kept)
}

fn check_text(what: &str, text: &str) -> Result<()> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("{what} has {} bytes; at most {MAX_TEXT_BYTES} are taken", text.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    if text.trim().is_empty() {
        return Err(Error::new(ErrorCode::BlankText, format!("{what} is blank ({text:?})")));
    }
    Ok(())
}

/// The first characters of a text.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The words of a name: split at everything that is no letter or digit, and where a capital follows a small letter.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len());
    let mut before = ' ';
    for c in name.chars() {
        let joins = c.is_alphanumeric() || (c == '\'' && before.is_alphanumeric());
        if (!joins || (c.is_uppercase() && before.is_lowercase())) && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        if joins {
            if before.is_lowercase() {
                words.extend(c.to_lowercase())
            } else {
                words.push(c)
            };
        }
        before = c;
    }
    words.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(labels: &[TaggerLabel]) -> String {
        sources(labels).unwrap_err().to_string()
    }

    #[test]
    fn names_are_read_as_words() {
        for (name, said) in [
            ("card_arrival", "card arrival"),
            ("cardArrival", "card arrival"),
            ("what-is.this?", "what is this"),
            ("order/HTTPStatus 2", "order HTTPStatus 2"),
            ("what's up", "what's up"),
            ("перевод_денег", "перевод денег"),
            ("__", ""),
        ] {
            assert_eq!(words(name), said);
        }
    }

    #[test]
    fn every_text_of_a_label_is_listed_once() {
        let label = TaggerLabel::new("refund").with_description("money back").with_examples(["I want a refund", "I want a refund"]);
        let label = TaggerLabel { not: vec!["Where is it?".to_owned()], ..label };
        let listed = sources(&[TaggerLabel::new("--").with_examples(["a"]), label]).unwrap();
        let parts: Vec<(usize, Part, &str)> = listed.iter().map(|s| (s.label, s.part, s.text.as_str())).collect();
        let expected = [
            (0, Part::Example, "a"),
            (1, Part::Name, "refund"),
            (1, Part::Description, "money back"),
            (1, Part::Example, "I want a refund"),
            (1, Part::Not, "Where is it?"),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn what_cannot_be_learned_is_refused_with_its_numbers() {
        assert_eq!(refused(&[]), "0 labels were given; a tagger takes 1 to 2000");
        let many: Vec<TaggerLabel> = (0..10_000).map(|n| TaggerLabel::new(format!("label {n}"))).collect();
        assert_eq!(refused(&many), "10000 labels were given; a tagger takes 1 to 2000");
        let crowded = [TaggerLabel::new("a").with_examples((0..50_001).map(|n| n.to_string()))];
        assert_eq!(refused(&crowded), "50001 examples were given; a tagger of 1 labels takes at most 50000");
        assert_eq!(refused(&[TaggerLabel::new(" ")]), "label 0 has a blank name (\" \")");
        assert!(refused(&[TaggerLabel::new("unknown")]).starts_with("label 0 is \"unknown\""));
        assert!(refused(&[TaggerLabel::new("a"), TaggerLabel::new("a")]).starts_with("label \"a\" stands twice"));
        assert!(refused(&[TaggerLabel::new("--")]).starts_with("label 0 (\"--\") has nothing to learn from"));
        let twice = [TaggerLabel::new("a").with_examples(["x"]), TaggerLabel::new("b").with_examples(["x"])];
        assert_eq!(refused(&twice), "example \"x\" stands under two labels, \"a\" and \"b\"; leave it under one");
        let both = TaggerLabel { not: vec!["x".to_owned()], ..TaggerLabel::new("a").with_examples(["x"]) };
        assert_eq!(refused(&[both]), "\"x\" is both an example and a counter-example of label \"a\"");
        let long = [TaggerLabel::new("a").with_examples(["ok".to_owned(), "x".repeat(1_000_000)])];
        assert_eq!(refused(&long), "label \"a\": example 1 has 1000000 bytes; at most 65536 are taken");
        let blank = sources(&[TaggerLabel::new("a").with_examples([" "])]).unwrap_err();
        assert_eq!((blank.code(), blank.to_string().as_str()), (ErrorCode::BlankText, "label \"a\": example 0 is blank (\" \")"));
    }

    #[test]
    fn unread_texts_are_refused_and_unread_names_left_out() {
        let labels = [TaggerLabel::new("ᚠᚢ").with_examples(["x", "ᚦᚨ"])];
        let listed = sources(&labels).unwrap();
        assert_eq!(readable(&labels, &listed, &[1.0, 0.0, 0.5]).unwrap(), [false, true, true]);
        let e = readable(&labels, &listed, &[1.0, 0.0, 0.75]).unwrap_err();
        assert!(e.to_string().contains("label \"ᚠᚢ\": the model's vocabulary lacks 75 % of example 1 (\"ᚦᚨ\")"), "{e}");
        let alone = [TaggerLabel::new("ᚠᚢ")];
        assert!(readable(&alone, &sources(&alone).unwrap(), &[1.0]).unwrap_err().to_string().contains("100 % of its name"));
    }
}
