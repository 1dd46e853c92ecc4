//! Conversations, by what is in a record and not by the file's name: what people wrote in them, turn by turn.

mod chatgpt;
mod content;
mod shape;

use std::borrow::Cow;
use std::str::FromStr;

use crate::error::{Error, ErrorCode, Result};
use crate::tasks::follow_up;

pub use shape::{Shape, is_message};

use super::record::Object;
use super::time::iso;
use content::text_of;

/// Which turns of a conversation's user are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    First,
    Last,
    All,
}

impl FromStr for Turns {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "first" => Ok(Self::First),
            "last" => Ok(Self::Last),
            "all" => Ok(Self::All),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("{text:?} is not first, last or all"))),
        }
    }
}

/// Where a text stands in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub conversation: Option<String>,
    /// The user's turns are counted from 1.
    pub number: u32,
    /// ISO 8601.
    pub time: Option<String>,
    pub model: Option<String>,
    /// What a model reads in place of the text: a short follow-up with the turn that it follows up.
    pub request: Option<String>,
}

/// A conversation whose texts are not read yet.
pub struct Conversation<'a> {
    shape: Shape,
    id: Option<String>,
    model: Option<&'a str>,
    time: Option<&'a str>,
    messages: Vec<Message<'a>>,
}

/// One message; all but `user` is JSON as it came.
pub struct Message<'a> {
    user: bool,
    content: &'a str,
    time: Option<&'a str>,
    model: Option<&'a str>,
}

impl Conversation<'_> {
    pub const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many turns the user took.
    pub fn users(&self) -> usize {
        self.messages.iter().filter(|message| message.user).count()
    }

    /// What the user wrote, in order. Turns without a text, such as a picture alone, are passed over.
    pub fn turns(&self, which: Turns) -> Vec<(Turn, String)> {
        let users = || self.messages.iter().enumerate().filter(|(_, message)| message.user);
        let said = |message: &Message<'_>| Some(self.shape.said(text_of(message.content)?));
        let read = |(number, (at, message)): (usize, (usize, &Message<'_>))| {
            let text = said(message)?;
            let earlier = self.messages[..at].iter().rev().filter(|message| message.user).filter_map(said);
            let answered = self.messages[at + 1..].iter().take_while(|next| !next.user).find_map(|next| next.model);
            let turn = Turn {
                conversation: self.id.clone(),
                number: number as u32 + 1,
                time: message.time.and_then(iso).or_else(|| self.time.and_then(iso)),
                model: message.model.or(answered).or(self.model).and_then(|raw| Some(super::json::string(raw)?.into_owned())),
                request: follow_up(&text, earlier.map(Cow::from)),
            };
            Some((turn, text))
        };
        match which {
            Turns::All => users().enumerate().filter_map(read).collect(),
            Turns::First => users().enumerate().find_map(read).into_iter().collect(),
            Turns::Last => {
                let numbered: Vec<_> = users().enumerate().collect();
                numbered.into_iter().rev().find_map(read).into_iter().collect()
            }
        }
    }
}

/// The conversation of a record of this shape.
///
/// # Errors
/// What is wrong with it.
pub fn conversation(shape: Shape, record: &Object) -> std::result::Result<Conversation<'_>, String> {
    let get = |names: &[&str]| names.iter().find_map(|name| record.get(name).filter(|raw| *raw != "null"));
    let id = get(&["conversation_id", "conversation_hash", "custom_id", "uuid", "id", "prompt_id", "question_id"]);
    let model = get(&["model", "default_model_slug", "model_slug"]);
    let time = get(&["timestamp", "created_at", "create_time", "time", "tstamp"]);
    let model = model.or_else(|| shape.body(record).and_then(|body| super::column::member(body, "model")));
    let id = id.map(|raw| super::json::string(raw).map_or_else(|| raw.to_owned(), Cow::into_owned));
    Ok(Conversation { shape, id, model, time, messages: shape.messages(record)? })
}
