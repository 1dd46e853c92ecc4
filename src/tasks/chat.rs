//! The request that a conversation ends with.
//!
//! A model reads one text, and a conversation has many. The request is the user's last turn. A short turn ("shorter", "and in French?") only
//! says how to change an answer, so the turn that it follows up is read with it.

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};

/// A user's turn of at most this many words is a follow-up. This number, the next and the order of both turns were chosen on half of 240
/// conversations (`tests/fixtures/followups.jsonl`, the even rows) with the `pie-base` of 2026-11-30: with 8, 10 and 12 words 89, 88 and
/// 87 of 120 were right.
const FOLLOW_UP_WORDS: usize = 8;
/// Turns of at most this many words are skipped in the search for the turn that is followed up. With 4 to 8 words 88 or 89 were right.
const PASSED_OVER_WORDS: usize = 6;
/// Tags around text that a program adds to a user's turn.
const REMINDERS: [&str; 4] = ["system-reminder", "system_reminder", "reminder", "environment_details"];
/// Part types that hold a program's output, not the user's words.
const RESULTS: [&str; 3] = ["tool_result", "tool_use", "function_call_output"];

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
    /// `system` or `developer`: instructions of the program, which are not a request.
    System,
    /// `tool` or `function`: the output of a program.
    Tool,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    /// The turn's own words, without reminders.
    pub text: String,
    /// Types of the parts that are not text, such as `image_url`.
    pub other: Vec<String>,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    turns: Vec<Turn>,
}

impl Chat {
    /// Takes turns in their order.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no turns.
    pub fn new(turns: Vec<Turn>) -> Result<Self> {
        match turns.len() {
            0 => Err(invalid("a chat of 0 turns; it needs 1 of the user's")),
            _ => Ok(Self { turns }),
        }
    }

    /// Reads `[{"role": …, "content": …}, …]`, the content being a string, a list of `{"type": …, "text": …}`, or null.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] naming the first turn that is not so, or that has an unknown role.
    pub fn from_json(chat: &Value) -> Result<Self> {
        let Value::Array(turns) = chat else {
            return Err(invalid(format!("a chat is a list of turns, not {}", kind(chat))));
        };
        let turns = turns.iter().enumerate().map(|(n, turn)| Turn::from_json(turn).map_err(|e| e.context(format!("turn {n}"))));
        Self::new(turns.collect::<Result<_>>()?)
    }

    /// Returns the request as one text: the user's last turn. A short follow-up is joined with the turn that it follows up, the follow-up
    /// first. Turns after the user's last one are ignored.
    ///
    /// ```
    /// use pie_embed_wasm::tasks::Chat;
    /// let chat = serde_json::json!([
    ///     {"role": "system", "content": "You are a helpful assistant."},
    ///     {"role": "user", "content": "Write four lines about rain on a tin roof."},
    ///     {"role": "assistant", "content": "The drummers came at half past ten…"},
    ///     {"role": "user", "content": "and now as a limerick"},
    /// ]);
    /// let request = Chat::from_json(&chat)?.request()?;
    /// assert_eq!(request, "and now as a limerick\nWrite four lines about rain on a tin roof.");
    /// # Ok::<(), pie_embed_wasm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when no turn has words of the user; [`ErrorCode::BlankText`] when the user's last turn has parts such as
    /// images but no text.
    pub fn request(&self) -> Result<String> {
        // A turn that has only reminders and tool results was written by a program.
        let is_own = |turn: &&Turn| turn.role == Role::User && !(turn.text.is_empty() && turn.other.is_empty());
        let mut own = self.turns.iter().filter(is_own).rev();
        let Some(last) = own.next() else {
            return Err(invalid(format!("a chat of {} turns, and none with words of the user", self.turns.len())));
        };
        if last.text.is_empty() {
            let message = format!("the last turn of the user has no text, but parts of type {}", last.other.join(", "));
            return Err(Error::new(ErrorCode::BlankText, message));
        }
        let earlier = own.map(|turn| Cow::from(turn.text.as_str())).filter(|text| !text.is_empty());
        Ok(follow_up(&last.text, earlier).unwrap_or_else(|| last.text.clone()))
    }
}

/// Joins a short turn of the user with the turn that it follows up, the short one first. `earlier` has the texts of the user's earlier turns, the
/// latest first. Gives none where the turn is long, or is the first: then it is read as it is.
pub fn follow_up<'a>(last: &str, earlier: impl Iterator<Item = Cow<'a, str>>) -> Option<String> {
    if words(last) > FOLLOW_UP_WORDS {
        return None;
    }
    let mut first = None;
    for text in earlier {
        let is_request = words(&text) > PASSED_OVER_WORDS;
        first = Some(text);
        if is_request {
            break;
        }
    }
    first.map(|followed| format!("{last}\n{followed}"))
}

impl Turn {
    fn from_json(turn: &Value) -> Result<Self> {
        let role = match turn.get("role") {
            Some(Value::String(role)) => Role::parse(role)?,
            other => return Err(invalid(format!("its role is {}, not a string", other.map_or("missing", kind)))),
        };
        let (mut texts, mut other) = (Vec::new(), Vec::new());
        match turn.get("content") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => texts.push(text.as_str()),
            Some(Value::Array(parts)) => {
                for (n, part) in parts.iter().enumerate() {
                    match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
                        (_, Some(text)) => texts.push(text),
                        (Some(result), None) if RESULTS.contains(&result) => {}
                        (Some(kind), None) => other.push(kind.to_owned()),
                        (None, None) => return Err(invalid(format!("part {n} of its content has neither a type nor a text"))),
                    }
                }
            }
            Some(content) => return Err(invalid(format!("its content is {}, not a string or a list of parts", kind(content)))),
        }
        let texts: Vec<String> = texts.into_iter().map(without_reminders).filter(|text| !text.is_empty()).collect();
        Ok(Self { role, text: texts.join("\n"), other })
    }
}

impl Role {
    fn parse(role: &str) -> Result<Self> {
        Ok(match role {
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "system" | "developer" => Self::System,
            "tool" | "function" => Self::Tool,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(invalid(format!("its role is {shown:?}; roles are user, assistant, system, developer, tool and function")));
            }
        })
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Removes reminders with their tags, and the white space around the rest. A tag without an end stays.
fn without_reminders(text: &str) -> String {
    let mut text = text.to_owned();
    for name in REMINDERS {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        while let Some(start) = text.find(&open)
            && let Some(length) = text[start..].find(&close)
        {
            text.replace_range(start..start + length + close.len(), "");
        }
    }
    text.trim().to_owned()
}

/// Counts words between white space. In scripts without spaces two characters count as a word.
fn words(text: &str) -> usize {
    let dense = |c: &char| matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}');
    text.split_whitespace().map(|word| (word.chars().filter(dense).count() / 2).max(1)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(chat: Value) -> Result<String> {
        Chat::from_json(&chat)?.request()
    }

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    const LONG: &str = "Compare trains and buses for people who commute an hour.";

    #[test]
    fn a_request_is_the_last_turn_of_the_user() {
        assert_eq!(request(json!([user("hi"), user(LONG), {"role": "assistant", "content": "Trains…"}])).unwrap(), LONG);
        let system = json!({"role": "system", "content": LONG});
        assert_eq!(request(json!([system, user("hi")])).unwrap(), "hi");
        let parts = json!({"role": "user", "content": [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "What is it?"}]});
        assert_eq!(request(json!([parts])).unwrap(), "What is it?");
    }

    #[test]
    fn a_follow_up_is_read_with_the_turn_that_it_follows() {
        let answer = json!({"role": "assistant", "content": null});
        assert_eq!(request(json!([user(LONG), answer, user("shorter")])).unwrap(), format!("shorter\n{LONG}"));
        // Over follow-ups in between, and to the first turn where all are short.
        assert_eq!(request(json!([user(LONG), user("shorter"), user("even shorter")])).unwrap(), format!("even shorter\n{LONG}"));
        assert_eq!(request(json!([user("5 feet in cm?"), user("6'2"), user("and 145 lbs")])).unwrap(), "and 145 lbs\n5 feet in cm?");
        assert_eq!(request(json!([user("Why?"), user(LONG)])).unwrap(), LONG);
        assert_eq!(
            request(json!([user(LONG), user("請把這段文字翻譯成法文並且解釋每一個動詞的用法")])).unwrap(),
            "請把這段文字翻譯成法文並且解釋每一個動詞的用法"
        );
    }

    #[test]
    fn what_a_program_adds_is_no_request() {
        let reminded = "shorter <system-reminder>Never swear.</system-reminder>";
        assert_eq!(request(json!([user(reminded)])).unwrap(), "shorter");
        let results = json!({"role": "user", "content": [{"type": "tool_result", "content": "42"}, {"type": "text", "text": "<reminder>x</reminder>"}]});
        assert_eq!(request(json!([user(LONG), results])).unwrap(), LONG);
        assert_eq!(request(json!([user("<reminder>open")])).unwrap(), "<reminder>open");
    }

    #[test]
    fn what_is_no_chat_is_refused() {
        let refused = |chat: Value| {
            let e = request(chat).unwrap_err();
            (e.code(), e.to_string())
        };
        let invalid = ErrorCode::InvalidArgument;
        assert_eq!(refused(json!([])), (invalid, "a chat of 0 turns; it needs 1 of the user's".to_owned()));
        assert_eq!(refused(json!("hi")), (invalid, "a chat is a list of turns, not a string".to_owned()));
        assert_eq!(refused(json!([user("hi"), 7])), (invalid, "turn 1: its role is missing, not a string".to_owned()));
        assert_eq!(refused(json!([{"role": null}])), (invalid, "turn 0: its role is null, not a string".to_owned()));
        let unknown = "turn 0: its role is \"bot\"; roles are user, assistant, system, developer, tool and function";
        assert_eq!(refused(json!([{"role": "bot", "content": "hi"}])), (invalid, unknown.to_owned()));
        let number = "turn 0: its content is a number, not a string or a list of parts";
        assert_eq!(refused(json!([{"role": "user", "content": 7}])), (invalid, number.to_owned()));
        let part = "turn 0: part 1 of its content has neither a type nor a text";
        assert_eq!(refused(json!([{"role": "user", "content": [{"type": "file"}, 7]}])), (invalid, part.to_owned()));
        let none = "a chat of 1 turns, and none with words of the user";
        assert_eq!(refused(json!([{"role": "assistant", "content": "hi"}])), (invalid, none.to_owned()));
        let image = "the last turn of the user has no text, but parts of type image_url";
        let chat = json!([user(LONG), {"role": "user", "content": [{"type": "image_url"}]}]);
        assert_eq!(refused(chat), (ErrorCode::BlankText, image.to_owned()));
    }
}
