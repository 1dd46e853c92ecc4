//! The texts of a data set's rows: a column, a path into it, or the turns of conversations.

use std::collections::{BTreeMap, VecDeque};

use crate::error::Result;

use super::chat::{Shape, Turn, Turns, conversation, is_message};
use super::column::{Column, missing};
use super::reader::{Content, Place, Reader, element};
use super::record::{Object, Record, Value};
use super::{data, json};

/// Where a text stands when no column is named: these come before the turns of a conversation.
const USUAL: [&str; 2] = ["instruction", "text"];
/// And this one after them.
const PROMPT: &str = "prompt";
/// Elements of a list by which it is known whether they are rows.
const LOOKED_AT: usize = 8;
/// The columns by which a table is known.
pub const NAMES: [&str; 3] = [USUAL[0], USUAL[1], PROMPT];

/// What stands at one place of the input.
#[derive(Debug)]
pub enum Found {
    /// A text, with its row and its place in a conversation.
    Text {
        text: String,
        record: Record,
        turn: Option<Turn>,
    },
    Blank,
    Faulty {
        text: String,
        error: String,
    },
}

#[derive(Debug)]
pub struct Prompt {
    pub place: Place,
    pub found: Found,
}

/// How many there were of a shape.
#[derive(Default)]
struct Seen {
    conversations: u64,
    turns: u64,
}

/// Reads texts.
pub struct Prompts {
    reader: Reader,
    column: Option<Column>,
    turns: Option<Turns>,
    /// The usual columns of this input.
    usual: Vec<&'static str>,
    /// Turns of a conversation that was read.
    queue: VecDeque<Prompt>,
    seen: BTreeMap<Shape, Seen>,
}

impl Prompts {
    /// Texts stand in the column that is named; in the turns that are named; or else in the first that a row has of `instruction`,
    /// `text`, a conversation and `prompt`.
    ///
    /// # Errors
    /// Where the columns are known before the rows, and the text stands in none of them.
    pub fn new(reader: Reader, column: Option<&str>, turns: Option<Turns>) -> Result<Self> {
        let usual = if reader.is_headless() { vec!["1"] } else { USUAL.into_iter().filter(|_| turns.is_none()).collect() };
        let column = column.map(str::to_owned).or_else(|| capital(&reader, &usual));
        let prompts =
            Self { reader, column: column.as_deref().map(Column::new), turns, usual, queue: VecDeque::new(), seen: BTreeMap::new() };
        prompts.check().map_err(|e| e.context(prompts.reader.name()))?;
        Ok(prompts)
    }

    fn check(&self) -> Result<()> {
        let Some(columns) = self.reader.columns() else { return Ok(()) };
        let has = |name: &str| columns.iter().any(|column| column == name);
        let chosen = match &self.column {
            Some(column) if has(&column.name) => &column.name,
            Some(column) if has(column.root()) => return Ok(()),
            Some(column) => return Err(data(missing(&[&column.name], &columns))),
            None => match self.usual.iter().find(|column| has(column)) {
                Some(column) => *column,
                None if Shape::COLUMNS.iter().any(|column| has(column)) => return Ok(()),
                None if has(PROMPT) => PROMPT,
                None => return Err(data(self.none_of(&columns))),
            },
        };
        if columns.iter().filter(|column| *column == chosen).count() > 1 {
            return Err(data(format!("two columns are called {chosen:?}")));
        }
        match self.reader.other_type(chosen) {
            Some(kind) => Err(data(format!("column {chosen:?} is {kind}, not a text"))),
            None => Ok(()),
        }
    }

    /// That there is no text, and what there is.
    fn none_of(&self, columns: &[impl AsRef<str>]) -> String {
        let wanted: Vec<&str> = self.usual.iter().copied().chain((!self.reader.is_headless()).then_some(PROMPT)).collect();
        let hint = if self.reader.columns().is_some() {
            "; name the one with the texts by --column, or say --no-header where the first line is a row"
        } else {
            "; name the one with the texts by --column"
        };
        format!("{}{}", missing(&wanted, columns), if columns.is_empty() { "" } else { hint })
    }

    pub const fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// What was recognised so far, a line a shape.
    pub fn recognised(&self) -> Vec<String> {
        let of_which = match self.turns.unwrap_or_else(|| self.usual_turns()) {
            Turns::All => "",
            Turns::First => ", the first of each conversation (--turns all reads all of them)",
            Turns::Last => ", the last of each conversation (--turns all reads all of them)",
        };
        let line = |(shape, seen): (&Shape, &Seen)| {
            if shape.is_row() {
                return format!("{}: {}", shape.name(), counted(seen.conversations, "instruction"));
            }
            format!("{}: {}, {}{of_which}", shape.name(), counted(seen.conversations, "conversation"), counted(seen.turns, "user turn"))
        };
        self.seen.iter().map(line).collect()
    }

    /// A filter of lines or rows gives one of each; an export is read turn by turn.
    const fn usual_turns(&self) -> Turns {
        if self.reader.is_document() { Turns::All } else { Turns::Last }
    }

    /// The next text, or what stands in its place; none at the end.
    ///
    /// # Errors
    /// Where reading cannot go on.
    pub fn read(&mut self) -> Result<Option<Prompt>> {
        loop {
            if let Some(prompt) = self.queue.pop_front() {
                return Ok(Some(prompt));
            }
            let Some(row) = self.reader.row()? else { return Ok(None) };
            let found = match row.content {
                Content::Blank => Found::Blank,
                Content::Faulty { text, error } => Found::Faulty { text, error },
                Content::Record(Record::Json(first)) if self.is_conversation(&first) => {
                    let whole = self.conversation(&first)?;
                    self.queue_turns(Shape::Messages, None, Record::Json(whole), &row.place);
                    continue;
                }
                Content::Record(record) => match self.shape(&record) {
                    _ if self.enter(&record) => continue,
                    Some((shape, unfolded)) => {
                        self.queue_turns(shape, unfolded, record, &row.place);
                        continue;
                    }
                    None => match self.text(&record) {
                        Ok(text) => Found::Text { text, record, turn: None },
                        Err(error) => Found::Faulty { text: String::new(), error },
                    },
                },
            };
            return Ok(Some(Prompt { place: row.place, found }));
        }
    }

    /// The shape by which the record's texts are read, and the conversation where the record has it as a text; none where the texts
    /// stand in a column.
    fn shape(&mut self, record: &Record) -> Option<(Shape, Option<Object>)> {
        if self.column.is_some() {
            return None;
        }
        let unfolded = unfolded(record);
        let object = match (&unfolded, record) {
            (Some(object), _) | (None, Record::Json(object)) => object,
            _ => return None,
        };
        let shape = Shape::of(object)?;
        let has_text = |name: &&str| object.get(name).is_some_and(|raw| raw.starts_with('"'));
        if shape.is_row() && self.turns.is_none() {
            self.seen.entry(shape).or_default().conversations += 1;
            return None;
        }
        (shape == Shape::ChatGpt || !self.usual.iter().any(has_text)).then_some((shape, unfolded))
    }

    /// Whether the document's list is a conversation: its elements are messages and no rows.
    fn is_conversation(&self, first: &Object) -> bool {
        let has_text = |name: &&str| first.has(name);
        self.column.is_none() && self.reader.is_document() && is_message(first) && !self.usual.iter().any(has_text)
    }

    /// The conversation whose messages are the rest of the document.
    fn conversation(&mut self, first: &Object) -> Result<Object> {
        let mut messages = vec![first.raw().to_owned()];
        while let Some(row) = self.reader.row()? {
            let error = match row.content {
                Content::Record(Record::Json(next)) if is_message(&next) => {
                    messages.push(next.raw().to_owned());
                    continue;
                }
                Content::Faulty { error, .. } => error,
                _ => "no message, as those before it in the list are".to_owned(),
            };
            self.queue.push_back(Prompt { place: row.place, found: Found::Faulty { text: String::new(), error } });
        }
        Object::new(format!("{{\"messages\":[{}]}}", messages.join(","))).map_err(|(_, e)| data(e.to_string()))
    }

    /// Goes on with the one list of rows that an object holds which is no row itself.
    fn enter(&mut self, record: &Record) -> bool {
        let Record::Json(object) = record else { return false };
        if !self.reader.is_outermost() || self.text(record).is_ok() {
            return false;
        }
        if Shape::of(object).is_some_and(|shape| conversation(shape, object).is_ok_and(|read| !read.is_empty())) {
            return false;
        }
        let lists: Vec<&str> = object.lists().filter(|(name, list)| self.is_rows(name, list)).map(|(_, list)| list).collect();
        let [list] = lists[..] else { return false };
        self.reader.enter(object.raw(), list);
        true
    }

    /// Whether one of a list's first elements is a row with a text.
    fn is_rows(&self, name: &str, list: &str) -> bool {
        let elements = json::elements(list).unwrap_or_default();
        elements.into_iter().take(LOOKED_AT).map(element).any(|raw| match Object::new(raw.to_owned()) {
            Ok(object) => (self.column.is_none() && Shape::of(&object).is_some()) || self.text(&Record::Json(object)).is_ok(),
            Err(_) => raw.starts_with('"') && name.strip_suffix('s').is_some_and(|one| NAMES.contains(&one)),
        })
    }

    fn queue_turns(&mut self, shape: Shape, unfolded: Option<Object>, record: Record, place: &Place) {
        let which = self.turns.unwrap_or_else(|| self.usual_turns());
        let object = match (&unfolded, &record) {
            (Some(object), _) | (None, Record::Json(object)) => object,
            _ => return,
        };
        let seen = self.seen.entry(shape).or_default();
        seen.conversations += 1;
        let fault = |error| Prompt { place: place.clone(), found: Found::Faulty { text: String::new(), error } };
        let turns = match conversation(shape, object) {
            Ok(conversation) => {
                seen.turns += conversation.users() as u64;
                conversation.turns(which)
            }
            Err(error) => return self.queue.push_back(fault(error)),
        };
        // An export has conversations in which nobody wrote; a filter owes a row for each line.
        if turns.is_empty() && which != Turns::All {
            return self.queue.push_back(fault(format!("{}: no turn of the user has a text", shape.name())));
        }
        if which == Turns::All {
            for (turn, text) in turns {
                let place = Place { turn: Some(turn.number), ..place.clone() };
                let record = of_turn(&turn, &text);
                self.queue.push_back(Prompt { place, found: Found::Text { text, record, turn: Some(turn) } });
            }
        } else if let Some((turn, text)) = turns.into_iter().next() {
            self.queue.push_back(Prompt { place: place.clone(), found: Found::Text { text, record, turn: Some(turn) } });
        }
    }

    /// The text of a record's column.
    fn text(&self, record: &Record) -> std::result::Result<String, String> {
        let (name, value) = match &self.column {
            Some(column) => (column.name.as_str(), column.find(record)?),
            None => {
                // One that is missing says nothing where another column has a text.
                let mut found = Vec::new();
                for name in self.usual.iter().copied().chain([PROMPT]) {
                    found.extend(record.get(name)?.map(|value| (name, value)));
                }
                let at = found.iter().position(|(_, value)| !value.is_null()).unwrap_or(0);
                found.into_iter().nth(at).map_or((PROMPT, None), |(name, value)| (name, Some(value)))
            }
        };
        match value {
            Some(Value::Text(text)) if text.trim().is_empty() => Err("the text is blank".to_owned()),
            Some(Value::Text(text)) => Ok(text.into_owned()),
            Some(other) => Err(format!("{name:?} is {}, not a text", other.kind())),
            None if self.column.is_some() => Err(missing(&[name], &record.columns())),
            None => Err(self.none_of(&record.columns())),
        }
    }
}

/// The record with its conversation as JSON, where that stands in it as a text: CSV has no other way.
fn unfolded(record: &Record) -> Option<Object> {
    let is_list = |name: &&&str| match record {
        Record::Json(object) => object.get(name).is_some_and(|raw| raw.starts_with("\"[")),
        Record::Cells { .. } => matches!(record.get(name), Ok(Some(Value::Text(text))) if text.starts_with('[')),
        Record::Text(_) => false,
    };
    let name = Shape::COLUMNS.iter().find(is_list)?;
    let Some(Value::Text(list)) = record.get(name).ok()? else { return None };
    json::check(&list).ok()?;
    let json = record.json();
    // The last of two members counts.
    Object::new(format!("{},\"{name}\":{list}}}", json.trim_end().strip_suffix('}')?)).ok()
}

/// The usual column of a table whose header is written in capitals.
fn capital(reader: &Reader, usual: &[&str]) -> Option<String> {
    let columns = reader.columns()?;
    let names = || usual.iter().copied().chain([PROMPT]);
    if columns.iter().any(|column| names().chain(Shape::COLUMNS).any(|name| name == column)) {
        return None;
    }
    names().find_map(|name| columns.iter().find(|column| column.eq_ignore_ascii_case(name)).cloned())
}

/// A turn as a row of its own.
fn of_turn(turn: &Turn, text: &str) -> Record {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut raw = format!("{{\"text\":{},\"turn\":{}", quoted(text), turn.number);
    for (name, value) in [("conversation", &turn.conversation), ("time", &turn.time), ("model", &turn.model)] {
        if let Some(value) = value {
            raw += &format!(",\"{name}\":{}", quoted(value));
        }
    }
    raw.push('}');
    Object::new(raw).map_or_else(|(raw, _)| Record::Text(raw), Record::Json)
}

/// `1,234 turns`.
fn counted(n: u64, what: &str) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([1, 812, 2431, 1_000_000].map(|n| counted(n, "turn")), ["1 turn", "812 turns", "2,431 turns", "1,000,000 turns"]);
    }
}
