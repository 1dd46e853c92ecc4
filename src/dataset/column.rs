//! Columns by name, and by a path into what stands there: `messages[0].content`.

use super::json;
use super::record::{Record, Value};

/// A column that somebody named.
#[derive(Clone, Debug)]
pub struct Column {
    /// As it was named; a column of just this name comes before the path.
    pub name: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Member(String),
    /// From the end where it is below 0.
    Entry(i64),
}

impl Column {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), steps: steps(name).unwrap_or_default() }
    }

    /// The column that the path begins in.
    pub fn root(&self) -> &str {
        match self.steps.first() {
            Some(Step::Member(root)) => root,
            _ => &self.name,
        }
    }

    /// What stands there; none where the row has no such column.
    ///
    /// # Errors
    /// Where the path leads to nothing: which part of it does not exist.
    pub fn find<'a>(&self, record: &'a Record) -> Result<Option<Value<'a>>, String> {
        if let Some(value) = record.get(&self.name)? {
            return Ok(Some(value));
        }
        let [Step::Member(root), rest @ ..] = &self.steps[..] else { return Ok(None) };
        if rest.is_empty() {
            return Ok(None);
        }
        let mut here = match record.get(root)? {
            None => return Ok(None),
            Some(Value::Text(_)) => return Err(format!("{root:?} is a text, which {:?} has no part of", self.name)),
            Some(Value::Json(raw)) => raw,
        };
        let mut path = root.clone();
        for step in rest {
            let (next, name) = match step {
                Step::Member(name) => (member(here, name), format!(".{name}")),
                Step::Entry(n) => (entry(here, *n), format!("[{n}]")),
            };
            here = next.ok_or_else(|| match json::elements(here) {
                Some(entries) => format!("{path:?} is a list of {} entries: there is no {path}{name}", entries.len()),
                None => format!("{path:?} is {}: there is no {path}{name}", Value::of(here).kind()),
            })?;
            path += &name;
        }
        Ok(Some(Value::of(here)))
    }
}

/// The steps of a path; none where it is just a name.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, entries) = part.split_once('[').map_or((part, None), |(name, entries)| (name, Some(entries)));
        if name.is_empty() {
            return None;
        }
        steps.push(Step::Member(name.to_owned()));
        for entry in entries.map(|entries| entries.strip_suffix(']')).into_iter().flat_map(|entries| entries.unwrap_or("?").split("][")) {
            steps.push(Step::Entry(entry.parse().ok()?));
        }
    }
    Some(steps)
}

/// The member of an object; the last one where the name comes twice.
pub fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let members = json::members(raw).ok()?;
    let found = members.into_iter().rev().find(|(key, _)| json::unescape(&raw[key.clone()]) == name);
    found.map(|(_, value)| &raw[value])
}

fn entry(raw: &str, n: i64) -> Option<&str> {
    let entries = json::elements(raw)?;
    let at = if n < 0 { entries.len() as i64 + n } else { n };
    entries.get(usize::try_from(at).ok()?).copied()
}

/// That none of these columns is among those present.
pub fn missing(wanted: &[impl AsRef<str>], present: &[impl AsRef<str>]) -> String {
    fn quoted(names: &[impl AsRef<str>], between: &str) -> String {
        names.iter().map(|name| format!("{:?}", name.as_ref())).collect::<Vec<_>>().join(between)
    }
    let there = if present.is_empty() { "is none".to_owned() } else { format!("are {}", quoted(present, ", ")) };
    format!("there is no column {}; there {there}", quoted(wanted, " or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::record::Object;

    #[test]
    fn paths_lead_into_values() {
        let raw = r#"{"a.b": "literal", "m": [{"c": "x"}, {"c": ["y"]}], "o": {"p": {"q": "z"}}, "n": 1}"#;
        let record = Record::Json(Object::new(raw.to_owned()).unwrap());
        let find = |path: &str| Column::new(path).find(&record).map(|found| found.map(|value| format!("{value:?}")));
        for (path, found) in [("a.b", "literal"), ("m[0].c", "x"), ("m[-1].c[0]", "y"), ("o.p.q", "z")] {
            assert_eq!(find(path), Ok(Some(format!("Text({found:?})"))), "{path}");
        }
        for (path, said) in [
            ("m[2].c", "\"m\" is a list of 2 entries: there is no m[2]"),
            ("m.c", "\"m\" is a list of 2 entries: there is no m.c"),
            ("o.p.r", "\"o.p\" is an object: there is no o.p.r"),
            ("n[0]", "\"n\" is a number: there is no n[0]"),
        ] {
            assert_eq!(find(path), Err(said.to_owned()));
        }
        assert!(find("no.such").unwrap().is_none() && find("[0]").unwrap().is_none() && find("m[").unwrap().is_none());
    }
}
