//! One line of a phrasebook: its register, and the placeholders in its text.

/// The manner in which a prompt is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// A short request.
    Plain,
    /// Keywords without a sentence.
    Keywords,
    /// A request with background.
    Chatty,
    /// "I want you to act as …", where the persona is not the task.
    Persona,
    /// A request with a list of conditions.
    Constraints,
    /// A request with pasted material.
    Pasted,
    /// Two requests, of which the first is the main one.
    Two,
    /// A request that needs the turn before it.
    Followup,
    /// Slips of the keyboard in the words that carry the task.
    Typos,
    /// English of people whose first language is another.
    Nonnative,
    /// Capitals, no punctuation, emoji.
    Shouty,
    /// A word suggests another task than the prompt's.
    Trap,
    /// A whole prompt as somebody might have sent it, with everything that belongs to it and without placeholders.
    Full,
    /// A chat template or reminder around the prompt.
    Wrapped,
}

impl Register {
    pub const ALL: [Self; 14] = [
        Self::Plain,
        Self::Keywords,
        Self::Chatty,
        Self::Persona,
        Self::Constraints,
        Self::Pasted,
        Self::Two,
        Self::Followup,
        Self::Typos,
        Self::Nonnative,
        Self::Shouty,
        Self::Trap,
        Self::Full,
        Self::Wrapped,
    ];

    /// The registers of the twelve numbered requests that a kind has in each language.
    pub(super) const PAIRS: [Self; 12] = [
        Self::Plain,
        Self::Plain,
        Self::Plain,
        Self::Plain,
        Self::Plain,
        Self::Keywords,
        Self::Chatty,
        Self::Chatty,
        Self::Constraints,
        Self::Pasted,
        Self::Persona,
        Self::Shouty,
    ];

    /// The name, as it stands in the files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Keywords => "keywords",
            Self::Chatty => "chatty",
            Self::Persona => "persona",
            Self::Constraints => "constraints",
            Self::Pasted => "pasted",
            Self::Two => "two",
            Self::Followup => "followup",
            Self::Typos => "typos",
            Self::Nonnative => "nonnative",
            Self::Shouty => "shouty",
            Self::Trap => "trap",
            Self::Full => "full",
            Self::Wrapped => "wrapped",
        }
    }
}

/// A line as it is written: `text`, `[register] text`, `[two KIND] text` or `[trap WORD] text`.
pub(super) struct Line<'a> {
    pub(super) register: Register,
    /// What stands behind the register's name in its brackets.
    pub(super) argument: Option<&'a str>,
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// # Errors
    /// A sentence that says what is wrong with the brackets.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        let bracket = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let Some((bracket, text)) = bracket.filter(|(bracket, _)| bracket.starts_with(|c: char| c.is_ascii_lowercase())) else {
            return Ok(Self { register: Register::Plain, argument: None, text: line });
        };
        if !text.starts_with(' ') {
            return Err(format!("no space behind [{bracket}]; a plain request that begins with a bracket needs `[plain]` before it"));
        }
        let (name, argument) = bracket.split_once(' ').map_or((bracket, None), |(name, argument)| (name, Some(argument)));
        let Some(register) = Register::ALL.into_iter().find(|r| r.name() == name && *r != Register::Wrapped) else {
            let known = Register::ALL.map(Register::name)[..13].join(", ");
            return Err(format!("no register {name:?}; the registers are: {known}"));
        };
        match (register, argument) {
            (Register::Two, None) => Err("the second request's kind is missing: write `[two KIND] …`".to_owned()),
            (Register::Trap, None) => Err("the word that misleads is missing: write `[trap WORD] …`".to_owned()),
            (Register::Two | Register::Trap, Some(_)) | (_, None) => Ok(Self { register, argument, text: text.trim() }),
            (_, Some(argument)) => Err(format!("{argument:?} stands behind the register {name}, which takes nothing")),
        }
    }
}

/// A part of a phrasing.
pub(super) enum Piece<'a> {
    Text(&'a str),
    Slot(&'a str),
}

impl<'a> Piece<'a> {
    pub(super) fn slot(&self) -> Option<&'a str> {
        match self {
            Self::Slot(name) => Some(name),
            Self::Text(_) => None,
        }
    }
}

/// Whether braces around this are a placeholder: small letters, or `pasted:` and a genre.
fn is_slot(name: &str) -> bool {
    let letters = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase());
    match name.split_once(':') {
        None => letters(name),
        Some((group, genre)) => group == "pasted" && genre.split('-').all(letters),
    }
}

/// Splits a phrasing at its placeholders. Braces around anything else are text, so that code may stand in a phrasing.
pub(super) fn pieces(phrasing: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut text, mut at) = (Vec::new(), 0, 0);
    while let Some(open) = phrasing[at..].find('{').map(|n| at + n) {
        at = open + 1;
        let Some(name) = phrasing[at..].split_once('}').map(|(name, _)| name) else { break };
        if is_slot(name) {
            pieces.extend([Piece::Text(&phrasing[text..open]), Piece::Slot(name)]);
            at += name.len() + 1;
            text = at;
        }
    }
    pieces.push(Piece::Text(&phrasing[text..]));
    pieces
}
