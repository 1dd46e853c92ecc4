//! Prompt templates: the text that an instruction is put into before it is encoded.
//!
//! The paper (arXiv 2409.19680, section 4) asks the encoder for the *task* by a template around the instruction; the vector is
//! then the state of `[CLS]` (encoders). Models trained without a template do as well after training, so a model file says which
//! template it was trained with, and that one is the default.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, ErrorCode, Result};

/// Where the instruction goes in a template.
pub const SLOT: &str = "{instruction}";

/// The paper's full template.
const PIE: &str = "The essence of an instruction is its task intention. With this in mind, given the instruction below:\n\n{instruction}\n\nafter thinking step by step, the task of the given instruction is:";
const SHORT: &str = "Instruction: {instruction}\n\nThe task of the instruction is:";

/// A prompt template with one `{instruction}` slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    template: String,
    /// Byte offset of the slot.
    slot: usize,
    /// The paper ends the instruction with a full stop unless it ends in one of `. ? " '`.
    full_stop: bool,
}

impl Prompt {
    /// No template: the text is encoded as it is.
    pub fn none() -> Self {
        Self { template: SLOT.to_owned(), slot: 0, full_stop: false }
    }

    /// The paper's full template.
    pub fn pie() -> Self {
        Self::built_in(PIE)
    }

    /// A template of a dozen tokens in the paper's spirit.
    pub fn short() -> Self {
        Self::built_in(SHORT)
    }

    fn built_in(template: &str) -> Self {
        Self { template: template.to_owned(), slot: template.find(SLOT).unwrap_or(0), full_stop: true }
    }

    /// A user's own template with exactly one `{instruction}`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidPrompt`] when the slot is missing or there are several.
    pub fn custom(template: &str) -> Result<Self> {
        match template.matches(SLOT).count() {
            1 => Ok(Self { template: template.to_owned(), slot: template.find(SLOT).unwrap_or(0), full_stop: false }),
            n => Err(Error::new(
                ErrorCode::InvalidPrompt,
                format!("a prompt is pie, short, none or a text with one {SLOT}; this one has {n}: {:?}", preview(template)),
            )),
        }
    }

    /// Whether the text is encoded as it is.
    pub fn is_none(&self) -> bool {
        self.template == SLOT
    }

    /// The text to encode for `instruction`, and the bytes in it that the instruction takes.
    ///
    /// Without a template the instruction is kept to the byte; within one it is trimmed of white space.
    pub fn render(&self, instruction: &str) -> (String, Range<usize>) {
        if self.is_none() {
            return (instruction.to_owned(), 0..instruction.len());
        }
        let (before, after) = (&self.template[..self.slot], &self.template[self.slot + SLOT.len()..]);
        let instruction = instruction.trim();
        let mut text = String::with_capacity(self.template.len() + instruction.len() + 1);
        text.push_str(before);
        text.push_str(instruction);
        if self.full_stop && !instruction.ends_with(['.', '?', '"', '\'']) {
            text.push('.');
        }
        let end = text.len();
        text.push_str(after);
        (text, before.len()..end)
    }
}

/// The first characters of a text, for error messages.
fn preview(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Default for Prompt {
    fn default() -> Self {
        Self::none()
    }
}

impl FromStr for Prompt {
    type Err = Error;

    /// `pie`, `short`, `none`, or a template.
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "none" => Ok(Self::none()),
            "pie" => Ok(Self::pie()),
            "short" => Ok(Self::short()),
            template => Self::custom(template),
        }
    }
}

impl fmt::Display for Prompt {
    /// The form that [`FromStr`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.template.as_str() {
            SLOT => "none",
            PIE if self.full_stop => "pie",
            SHORT if self.full_stop => "short",
            template => template,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn render_places_the_instruction() {
        let (text, range) = Prompt::pie().render(" Write a poem ");
        assert_eq!(&text[range], "Write a poem.");
        assert!(text.starts_with("The essence of") && text.ends_with("instruction is:"));
        let (text, range) = Prompt::pie().render("Why does it rain?");
        assert_eq!(&text[range], "Why does it rain?");
        assert_eq!(Prompt::none().render(" a "), (" a ".to_owned(), 0..3));
        let (text, range) = Prompt::custom("<{instruction}>").unwrap().render("hi");
        assert_eq!((text.as_str(), range), ("<hi>", 1..3));
    }

    #[test]
    fn names_round_trip() {
        for name in ["none", "pie", "short", "Task of {instruction}:"] {
            assert_eq!(name.parse::<Prompt>().unwrap().to_string(), name);
        }
        for bad in ["", "no slot", "{instruction} {instruction}"] {
            assert_eq!(bad.parse::<Prompt>().unwrap_err().code(), ErrorCode::InvalidPrompt);
        }
    }
}
