//! One row as it stood in the file.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::json;
use super::reader::TEXT;

/// A row as JSON values, where a format needs them.
pub type Fields = serde_json::Map<String, serde_json::Value>;

/// The columns of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub names: Vec<String>,
    /// The line as it stood; empty in a file without one.
    pub raw: String,
    pub delimiter: u8,
}

/// A JSON object as it came, and where its members stand.
#[derive(Clone, Debug)]
pub struct Object {
    raw: String,
    members: Vec<(Range<usize>, Range<usize>)>,
    /// Whether a name is written with escapes.
    escaped: bool,
}

/// A row that keeps what stood in the file: large integers, the order of keys, `1.10`.
#[derive(Clone, Debug)]
pub enum Record {
    Json(Object),
    Cells {
        header: Arc<Header>,
        cells: Vec<String>,
        raw: String,
    },
    /// A line of text, whose one column is `instruction`.
    Text(String),
}

/// What stands in a column.
#[derive(Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    /// Anything else, as JSON.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// Of a JSON literal.
    pub fn of(raw: &'a str) -> Self {
        json::string(raw).map_or(Self::Json(raw), Self::Text)
    }

    pub fn is_null(&self) -> bool {
        *self == Self::Json("null")
    }

    /// What it is, for messages that a text was expected.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "blank",
            Self::Json(raw) => match raw.as_bytes().first() {
                Some(b'{') => "an object",
                Some(b'[') => "a list",
                Some(b't' | b'f') => "true or false",
                Some(b'n') => "missing",
                _ => "a number",
            },
        }
    }
}

impl Object {
    /// # Errors
    /// Where the text is no JSON object, and why.
    pub fn new(raw: String) -> Result<Self, (String, json::Fault)> {
        match json::members(&raw) {
            Ok(members) => {
                let escaped = members.iter().any(|(name, _)| raw.as_bytes()[name.clone()].contains(&b'\\'));
                Ok(Self { raw, members, escaped })
            }
            Err(e) => Err((raw, e)),
        }
    }

    /// The member's value as JSON; the last one where the name comes twice.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    fn all<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        let is = move |key: &Range<usize>| {
            let same = key.len() == name.len() && self.raw.as_bytes()[key.clone()] == *name.as_bytes();
            same || (self.escaped && json::unescape(&self.raw[key.clone()]) == name)
        };
        self.members.iter().filter(move |(key, _)| is(key)).map(|(_, value)| &self.raw[value.clone()])
    }

    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The members that are lists, by their names.
    pub fn lists(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        let lists = self.members.iter().filter(|(_, value)| self.raw[value.clone()].starts_with('['));
        lists.map(|(key, value)| (json::unescape(&self.raw[key.clone()]), &self.raw[value.clone()]))
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The columns with what stands in them: texts as they are, and all else as JSON. Of a name that comes twice the last
    /// value counts.
    pub fn cells(&self) -> Vec<(String, String)> {
        let mut cells: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.members {
            let name = json::unescape(&self.raw[name.clone()]).into_owned();
            let value = match Value::of(&self.raw[value.clone()]) {
                Value::Text(text) => text.into_owned(),
                Value::Json("null") => String::new(),
                Value::Json(json) => json.to_owned(),
            };
            match cells.iter_mut().find(|(known, _)| *known == name) {
                Some(cell) => cell.1 = value,
                None => cells.push((name, value)),
            }
        }
        cells
    }

    fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.members.iter().map(|(key, _)| json::unescape(&self.raw[key.clone()]))
    }
}

impl Record {
    /// A row of these fields.
    pub fn new(fields: &Fields) -> Self {
        let raw = serde_json::Value::Object(fields.clone()).to_string();
        Object::new(raw).map_or_else(|(raw, _)| Self::Text(raw), Self::Json)
    }

    /// What stands in a column; none where there is none of this name.
    ///
    /// # Errors
    /// Where two columns have the name.
    pub fn get(&self, name: &str) -> Result<Option<Value<'_>>, String> {
        let mut found: Box<dyn Iterator<Item = Value<'_>>> = match self {
            Self::Json(object) => Box::new(object.all(name).map(Value::of)),
            Self::Text(text) => Box::new((name == TEXT).then_some(Value::Text(text.into())).into_iter()),
            Self::Cells { header, cells, .. } => {
                let named = header.names.iter().zip(cells).filter(move |(column, _)| column.as_str() == name);
                Box::new(named.map(|(_, cell)| Value::Text(cell.into())))
            }
        };
        let first = found.next();
        if found.next().is_some() { Err(format!("two columns are called {name:?}")) } else { Ok(first) }
    }

    /// The columns, in their order.
    pub fn columns(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::Json(object) => object.names().collect(),
            Self::Text(_) => vec![TEXT.into()],
            Self::Cells { header, .. } => header.names.iter().map(Into::into).collect(),
        }
    }

    /// The row as one line of JSON: an object as it came but for `NaN` and the like, which are no JSON, or the cells of a table by their names. A cell without a name of its own is
    /// called by its column's number, and left out where it is empty.
    pub fn json(&self) -> Cow<'_, str> {
        match self {
            Self::Json(object) if !object.raw.contains(['\n', '\r']) => json::strict(&object.raw),
            Self::Json(object) => one_line(&json::strict(&object.raw)).into(),
            Self::Text(text) => format!("{{{}}}", member(TEXT, text)).into(),
            Self::Cells { header, cells, .. } => {
                let mut seen = HashSet::new();
                let named = header.names.iter().zip(cells).zip(1..).filter_map(|((name, cell), number)| {
                    if !name.is_empty() && seen.insert(name) {
                        return Some(member(name, cell));
                    }
                    (!cell.is_empty()).then(|| member(&format!("{name} (column {number})"), cell))
                });
                format!("{{{}}}", named.collect::<Vec<_>>().join(",")).into()
            }
        }
    }

    /// The row as values: numbers are those of 64 bits.
    ///
    /// # Errors
    /// Where a value is of no such kind, or nested too deep.
    pub fn fields(&self) -> Result<Fields, String> {
        match serde_json::from_str(&self.json()) {
            Ok(serde_json::Value::Object(fields)) => Ok(fields),
            Ok(_) => Err("no JSON object".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// The row with one more column, or another value in it.
    #[must_use]
    pub fn with(&self, name: &str, value: &serde_json::Value) -> Self {
        let json = self.json();
        let members = json::members(&json).unwrap_or_default();
        let others = members.iter().filter(|(key, _)| json::unescape(&json[key.clone()]) != name);
        let mut parts: Vec<String> = others.map(|(key, value)| format!("\"{}\":{}", &json[key.clone()], &json[value.clone()])).collect();
        parts.push(format!("{}:{value}", quoted(name)));
        Object::new(format!("{{{}}}", parts.join(","))).map_or_else(|_| self.clone(), Self::Json)
    }

    /// The row without a column.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        match &self {
            Self::Json(object) if object.has(name) => {
                let kept = object.members.iter().filter(|(key, _)| json::unescape(&object.raw[key.clone()]) != name);
                let kept: Vec<String> =
                    kept.map(|(key, value)| format!("\"{}\":{}", &object.raw[key.clone()], &object.raw[value.clone()])).collect();
                Object::new(format!("{{{}}}", kept.join(","))).map_or(self, Self::Json)
            }
            _ => self,
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn member(name: &str, text: &str) -> String {
    format!("{}:{}", quoted(name), quoted(text))
}

/// JSON of several lines as one: white space outside of strings goes.
fn one_line(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let (mut string, mut escaped) = (false, false);
    for c in raw.chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' if !string => {}
            c => out.push(c),
        }
        string ^= c == '"' && !escaped;
        escaped = string && c == '\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(raw: &str) -> Record {
        Record::Json(Object::new(raw.to_owned()).unwrap())
    }

    #[test]
    fn rows_leave_as_they_came() {
        let raw = r#"{"id":12345678901234567890123, "b":1.10,"a":"\u00e9", "x": 1e400}"#;
        let row = object(raw);
        assert_eq!(row.json(), raw);
        assert_eq!(row.get("a").unwrap(), Some(Value::Text("é".into())));
        assert_eq!(row.with("w", &json!(0.5)).json(), r#"{"id":12345678901234567890123,"b":1.10,"a":"\u00e9","x":1e400,"w":0.5}"#);
        assert_eq!(row.without("x").without("no").json(), r#"{"id":12345678901234567890123,"b":1.10,"a":"\u00e9"}"#);
        assert_eq!(object("{\n  \"a\": \"b \\\" c\",\n \"d\": [1, 2]\n}").json(), r#"{"a":"b \" c","d":[1,2]}"#);
    }

    #[test]
    fn cells_are_called_by_their_columns() {
        let header = Arc::new(Header { names: ["text", "", "text", ""].map(str::to_owned).to_vec(), ..Header::default() });
        let row = Record::Cells { header, cells: ["a", "", "b", "c"].map(str::to_owned).to_vec(), raw: String::new() };
        assert_eq!(row.json(), r#"{"text":"a","text (column 3)":"b"," (column 4)":"c"}"#);
        assert!(row.get("text").is_err_and(|e| e == "two columns are called \"text\""));
        assert!(object(r#"{"a":1,"a":2}"#).get("a").is_err() && object("{}").get("a").unwrap().is_none());
    }
}
