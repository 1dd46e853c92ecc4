//! Few-shot prompts: demonstrations and a query in a template.

use crate::error::{Error, ErrorCode, Result};

const BEGIN: &str = "{{#demonstrations}}";
const END: &str = "{{/demonstrations}}";

/// A text with `{{name}}` slots. What stands between `{{#demonstrations}}` and `{{/demonstrations}}` is repeated for each
/// demonstration, with its columns in the slots; outside there is one slot, `{{query}}`.
///
/// ```
/// use pie_embed_wasm::tasks::Template;
/// let template: Template = "{{#demonstrations}}Q: {{instruction}}\n{{/demonstrations}}Q: {{query}}".parse()?;
/// let prompt = template.render(&["Add 2 and 3"], |demonstration, _| Some(demonstration.to_string()), "Add 4 and 5")?;
/// assert_eq!(prompt, "Q: Add 2 and 3\nQ: Add 4 and 5");
/// # Ok::<(), pie_embed_wasm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: Vec<Piece>,
    each: Vec<Piece>,
    after: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Slot(String),
}

impl std::str::FromStr for Template {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |what: String| Error::new(ErrorCode::InvalidPrompt, format!("template: {what}"));
        let (before, rest) = text.split_once(BEGIN).ok_or_else(|| invalid(format!("there is no {BEGIN}")))?;
        let (each, after) = rest.split_once(END).ok_or_else(|| invalid(format!("there is no {END} after {BEGIN}")))?;
        let template = Self { before: pieces(before)?, each: pieces(each)?, after: pieces(after)? };
        let outside = || template.before.iter().chain(&template.after).filter_map(Piece::slot);
        if let Some(other) = outside().find(|name| *name != "query") {
            return Err(invalid(format!("{{{{{other}}}}} stands outside the demonstrations, where only {{{{query}}}} can")));
        }
        match outside().count() {
            1 => Ok(template),
            n => Err(invalid(format!("{{{{query}}}} is there {n} times outside the demonstrations; it must be once"))),
        }
    }
}

impl Piece {
    fn slot(&self) -> Option<&str> {
        match self {
            Self::Slot(name) => Some(name),
            Self::Text(_) => None,
        }
    }
}

fn pieces(mut text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    while let Some((before, rest)) = text.split_once("{{") {
        let Some((name, rest)) = rest.split_once("}}") else {
            let shown: String = rest.chars().take(20).collect();
            return Err(Error::new(ErrorCode::InvalidPrompt, format!("template: {:?} is not closed", format!("{{{{{shown}"))));
        };
        pieces.extend([Piece::Text(before.to_owned()), Piece::Slot(name.trim().to_owned())]);
        text = rest;
    }
    pieces.push(Piece::Text(text.to_owned()));
    Ok(pieces)
}

impl Template {
    /// The prompt. `column` gives what a demonstration has in a column. What is put in is not read for slots again.
    ///
    /// # Errors
    /// [`ErrorCode::Data`] naming a column that a demonstration does not have.
    pub fn render<T>(&self, demonstrations: &[T], column: impl Fn(&T, &str) -> Option<String>, query: &str) -> Result<String> {
        let mut prompt = String::new();
        let outside = |pieces: &[Piece], prompt: &mut String| {
            pieces.iter().for_each(|piece| prompt.push_str(if let Piece::Text(text) = piece { text } else { query }));
        };
        outside(&self.before, &mut prompt);
        for (n, demonstration) in demonstrations.iter().enumerate() {
            for piece in &self.each {
                match piece {
                    Piece::Text(text) => prompt.push_str(text),
                    Piece::Slot(name) => {
                        prompt.push_str(&column(demonstration, name).ok_or_else(|| {
                            Error::new(ErrorCode::Data, format!("template: demonstration {} has no column {name:?}", n + 1))
                        })?)
                    }
                }
            }
        }
        outside(&self.after, &mut prompt);
        Ok(prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faulty_templates_are_refused() {
        for (text, said) in [
            ("{{query}}", "no {{#demonstrations}}"),
            ("{{#demonstrations}}{{query}}", "no {{/demonstrations}}"),
            ("{{#demonstrations}}x{{/demonstrations}}", "is there 0 times"),
            ("{{#demonstrations}}x{{/demonstrations}}{{query}}{{query}}", "is there 2 times"),
            ("{{a}}{{#demonstrations}}x{{/demonstrations}}{{query}}", "{{a}} stands outside"),
            ("{{#demonstrations}}{{a{{/demonstrations}}{{query}}", "\"{{a\" is not closed"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.code() == ErrorCode::InvalidPrompt && error.to_string().contains(said), "{text}: {error}");
        }
    }

    /// Braces that a demonstration brings along are text.
    #[test]
    fn what_is_put_in_is_not_expanded() {
        let template: Template = "a{{#demonstrations}}<{{ x }}>{{/demonstrations}}{{query}}!".parse().unwrap();
        let column = |text: &&str, name: &str| (name == "x").then(|| (*text).to_string());
        assert_eq!(template.render(&["{{query}}", "{"], column, "{{x}}").unwrap(), "a<{{query}}><{>{{x}}!");
        let template: Template = "{{#demonstrations}}{{y}}{{/demonstrations}}{{query}}".parse().unwrap();
        assert_eq!(template.render(&["a"], column, "q").unwrap_err().code(), ErrorCode::Data);
        assert_eq!(template.render(&[], column, "q").unwrap(), "q");
    }
}
