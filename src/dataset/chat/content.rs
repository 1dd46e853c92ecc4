//! The text of a message.

use std::borrow::Cow;

use crate::dataset::column::member;
use crate::dataset::json::{elements, string};

/// The text of a message's content: a text, or those among its parts; none where it is blank or holds none.
pub fn text_of(raw: &str) -> Option<String> {
    let text = match string(raw) {
        Some(text) => text,
        None => parts(raw)?,
    };
    (!text.trim().is_empty()).then(|| text.into_owned())
}

/// The parts' texts, one below the other: texts as they are, and objects with a `text` or a `content`. Pictures and files have none.
fn parts(raw: &str) -> Option<Cow<'_, str>> {
    let of_part = |part| string(part).or_else(|| string(member(part, "text").or_else(|| member(part, "content"))?));
    let texts: Vec<Cow<'_, str>> = match elements(raw) {
        Some(parts) => parts.into_iter().filter_map(of_part).filter(|text| !text.trim().is_empty()).collect(),
        None => vec![of_part(raw)?],
    };
    Some(texts.join("\n").into())
}
