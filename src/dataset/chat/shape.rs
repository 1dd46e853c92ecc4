//! The shapes in which conversations and instructions come.

use std::borrow::Cow;

use crate::dataset::column::member;
use crate::dataset::json::{objects, string};
use crate::dataset::record::Object;

use super::{Message, chatgpt};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// `conversations.json`: {"mapping", "current_node"}.
    ChatGpt,
    /// {"chat_messages": [{"sender", "text"}]}.
    Claude,
    /// {"conversations": [{"from", "value"}]}.
    ShareGpt,
    /// {"conversation": [{"role", "content"}]}, as WildChat and LMSYS have it; of two models' answers the first.
    ChatLog,
    /// {"messages": [{"role", "content"}]}.
    Messages,
    /// A request of a batch: {"body": {"messages"}}.
    Batch,
    /// A request that was logged, or one of another batch: {"request": {"messages"}}, `input`, `inputs` or `params`.
    Request,
    /// {"prompt", "chosen", "rejected"}.
    Preference,
    /// An entry of Google's activity: {"header": "Gemini Apps", "title": "Prompted …"}.
    Gemini,
    /// {"instruction", "input", "output"}.
    Alpaca,
    /// {"instruction", "context", "response"}.
    Dolly,
}

/// Where a request has its messages or its text.
const REQUESTED: [&str; 4] = ["messages", "contents", "input", "prompt"];
/// What Google writes before a prompt.
const PROMPTED: &str = "Prompted ";

impl Shape {
    /// For messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatGpt => "ChatGPT export",
            Self::Claude => "Claude export",
            Self::ShareGpt => "ShareGPT",
            Self::ChatLog => "chat log (WildChat, LMSYS)",
            Self::Messages => "OpenAI messages",
            Self::Batch => "OpenAI batch",
            Self::Request => "logged requests",
            Self::Preference => "prompt, chosen and rejected",
            Self::Gemini => "Gemini activity",
            Self::Alpaca => "Alpaca",
            Self::Dolly => "Dolly",
        }
    }

    /// The columns of a table that hold conversations.
    pub const COLUMNS: [&str; 5] = ["messages", "conversations", "conversation", "conversation_a", "chosen"];

    /// The shape of a record; none where it is a row with columns of its own.
    pub fn of(record: &Object) -> Option<Self> {
        let starts = |name: &str, with: &str| record.get(name).is_some_and(|raw| raw.starts_with(with));
        let is_list = |name: &str| starts(name, "[");
        let is_dialogue = |name: &str| is_list(name) && record.get(name).is_some_and(|raw| !of_list(raw).is_empty());
        Some(match record {
            _ if starts("mapping", "{") && (record.has("current_node") || record.has("conversation_id")) => Self::ChatGpt,
            _ if is_list("chat_messages") => Self::Claude,
            _ if starts("instruction", "\"") && record.has("input") && record.has("output") => Self::Alpaca,
            _ if starts("instruction", "\"") && record.has("context") && record.has("response") => Self::Dolly,
            _ if is_list("conversations") || is_dialogue("items") => Self::ShareGpt,
            _ if is_list("conversation") || is_list("conversation_a") => Self::ChatLog,
            _ if record.has("prompt") && record.has("chosen") && record.has("rejected") => Self::Preference,
            _ if is_list("messages") || is_dialogue("contents") || is_dialogue("input") => Self::Messages,
            _ if is_list("prompt") || is_list("chosen") => Self::Preference,
            _ if Self::Batch.body(record).is_some() => Self::Batch,
            _ if Self::Request.body(record).is_some() => Self::Request,
            _ if record.has("title") && record.get("header").is_some_and(|raw| matches!(raw, "\"Gemini Apps\"" | "\"Bard\"")) => {
                Self::Gemini
            }
            _ => return None,
        })
    }

    /// Whether the record's text stands in a column.
    pub const fn is_row(self) -> bool {
        matches!(self, Self::Alpaca | Self::Dolly)
    }

    /// The request in a record.
    pub fn body(self, record: &Object) -> Option<&str> {
        let (names, inside): (&[&str], &[&str]) = match self {
            Self::Batch => (&["body"], &REQUESTED),
            Self::Request => (&["params", "request", "input", "inputs"], &REQUESTED[..2]),
            _ => return None,
        };
        let mut bodies = names.iter().filter_map(|name| record.get(name));
        bodies.find(|body| inside.iter().any(|name| member(body, name).is_some()))
    }

    /// The messages of a record of this shape.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn messages(self, record: &Object) -> Result<Vec<Message<'_>>, String> {
        let list = |names: &[&str]| {
            let found = names.iter().find_map(|name| record.get(name).filter(|raw| !matches!(*raw, "null" | "\"\"")));
            of_list(found.unwrap_or("[]"))
        };
        Ok(match self {
            Self::ChatGpt => chatgpt::messages(record)?,
            Self::Claude => list(&["chat_messages"]),
            Self::ShareGpt => list(&["conversations", "items"]),
            Self::ChatLog => list(&["conversation", "conversation_a"]),
            Self::Messages => list(&["messages", "contents", "input"]),
            Self::Preference => list(&["prompt", "chosen"]),
            Self::Batch | Self::Request => {
                let body = self.body(record).unwrap_or("{}");
                of_list(REQUESTED.iter().find_map(|name| member(body, name)).unwrap_or("[]"))
            }
            Self::Gemini => {
                let title = record.get("title").filter(|raw| string(raw).is_some_and(|title| title.starts_with(PROMPTED)));
                title.map(user).into_iter().collect()
            }
            Self::Alpaca | Self::Dolly => record.get("instruction").map(user).into_iter().collect(),
        })
    }

    /// What the user said, of what stands in the file.
    pub fn said(self, text: String) -> String {
        match text.strip_prefix(PROMPTED) {
            Some(prompt) if self == Self::Gemini => prompt.to_owned(),
            _ => text,
        }
    }
}

const fn user(content: &str) -> Message<'_> {
    Message { user: true, content, time: None, model: None }
}

/// Whether a record is a message by itself: {"role", "content"} or {"from", "value"}.
pub fn is_message(record: &Object) -> bool {
    let is_text = |name| record.get(name).is_some_and(|raw| raw.starts_with('"'));
    (is_text("role") && record.has("content")) || (is_text("from") && is_text("value"))
}

/// The messages of a list; a text by itself is one of the user.
fn of_list(raw: &str) -> Vec<Message<'_>> {
    match objects(raw, Draft::take) {
        Some(drafts) => drafts.into_iter().filter_map(Draft::finish).collect(),
        None => vec![user(raw)],
    }
}

/// A message of the usual names, member by member: who wrote it, and what.
#[derive(Default)]
struct Draft<'a> {
    role: Option<Cow<'a, str>>,
    content: Option<&'a str>,
    text: Option<&'a str>,
    time: Option<&'a str>,
    model: Option<&'a str>,
}

impl<'a> Draft<'a> {
    fn take(&mut self, name: &'a str, value: &'a str) {
        let present = Some(value).filter(|raw| *raw != "null");
        match name {
            "role" | "from" | "sender" => self.role = string(value),
            "content" | "value" | "parts" => self.content = Some(value),
            "text" => self.text = present.filter(|raw| *raw != "\"\""),
            "timestamp" | "created_at" | "create_time" => self.time = present,
            "model" => self.model = present,
            _ => {}
        }
    }

    fn finish(self) -> Option<Message<'a>> {
        let role = self.role?;
        let user = ["user", "human", "prompter"].iter().any(|name| role.eq_ignore_ascii_case(name));
        // Claude's export has the whole text beside its parts.
        Some(Message { user, content: self.text.or(self.content)?, time: self.time, model: self.model })
    }
}
