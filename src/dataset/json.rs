//! JSON without values: where the values of a text stand, checked as they are passed over, so that a row's other fields cost little and
//! leave as they came.
//!
//! Two things are read that are not strict JSON, as data sets have them: `NaN`, `Infinity` and `-Infinity` of Python, and halves of
//! surrogate pairs (`\ud800`), which read as U+FFFD.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

/// Lists and objects inside one another.
const MAX_DEPTH: usize = 512;

/// What is expected behind a value.
pub const THE_END: &str = "the end";

/// Why a text is no JSON.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends before the value does, outside of a string.
    Incomplete,
    /// What was expected at this byte.
    Expected(&'static str, usize),
    TooDeep(usize),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Incomplete => write!(f, "EOF before its end"),
            Self::Expected(what, at) => write!(f, "expected {what} at byte {at}"),
            Self::TooDeep(at) => write!(f, "lists and objects nested deeper than {MAX_DEPTH} levels at byte {at}"),
        }
    }
}

type Scanned<T> = Result<T, Fault>;

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// The members of an object: the places of their names, without quotes, and of their values.
pub fn members(text: &str) -> Scanned<Vec<(Range<usize>, Range<usize>)>> {
    let mut members = Vec::with_capacity(8);
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    if scanner.peek() != Some(b'{') {
        return Err(scanner.expected("an object"));
    }
    scanner.object(0, |name, value| members.push((name, value)))?;
    scanner.end()?;
    Ok(members)
}

/// The elements of a list that was scanned before; none of what is no list.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut elements = Vec::new();
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    if scanner.peek() != Some(b'[') {
        return None;
    }
    scanner.list(0, |place| elements.push(&text[place])).ok()?;
    Some(elements)
}

/// What `member` makes of the members of each object in a list that was scanned before, by their names and values as they stand; none
/// of what is no list. Other elements are passed over.
pub fn objects<'a, T: Default>(text: &'a str, mut member: impl FnMut(&mut T, &'a str, &'a str)) -> Option<Vec<T>> {
    let mut objects = Vec::with_capacity(8);
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    if scanner.peek() != Some(b'[') {
        return None;
    }
    scanner.enter(0).ok()?;
    while scanner.peek().is_some_and(|byte| byte != b']') {
        if scanner.peek() == Some(b'{') {
            let mut object = T::default();
            scanner.object(1, |name, value| member(&mut object, &text[name], &text[value])).ok()?;
            objects.push(object);
        } else {
            scanner.value(1).ok()?;
        }
        if scanner.leaves(b']').ok()? {
            break;
        }
        scanner.space();
    }
    Some(objects)
}

/// Whether the text is one value.
pub fn check(text: &str) -> Scanned<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    scanner.value(0)?;
    scanner.end()
}

/// The text of a string literal; none of other values.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    Some(unescape(raw.strip_prefix('"')?.strip_suffix('"')?))
}

/// What a string literal says between its quotes.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return raw.into();
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut chars = after.chars();
        let (said, used) = match chars.next() {
            Some('n') => ('\n', 1),
            Some('t') => ('\t', 1),
            Some('r') => ('\r', 1),
            Some('b') => ('\u{8}', 1),
            Some('f') => ('\u{c}', 1),
            Some('u') => escaped(after),
            Some(other) => (other, other.len_utf8()),
            None => break,
        };
        text.push(said);
        rest = after.get(used..).unwrap_or_default();
    }
    text.push_str(rest);
    text.into()
}

/// The character of `uXXXX`, or of a pair `uXXXX\uXXXX`, and how many bytes say it.
fn escaped(text: &str) -> (char, usize) {
    let unit = |text: &str| u32::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let Some(first) = unit(text) else { return ('\u{fffd}', 1) };
    let second = text.get(5..).and_then(|rest| rest.strip_prefix('\\')).and_then(unit);
    match (first, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).unwrap_or('\u{fffd}'), 11)
        }
        _ => (char::from_u32(first).unwrap_or('\u{fffd}'), 5),
    }
}

/// A text that was scanned before as every parser reads it: `null` for `NaN` and the infinities, U+FFFD for half a surrogate pair, and
/// all else as it stands.
pub fn strict(text: &str) -> Cow<'_, str> {
    if !["NaN", "Infinity", "\\ud", "\\uD"].iter().any(|odd| text.contains(odd)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut scanner = Scanner { text, at: 0 };
    while let Some(byte) = scanner.peek() {
        let start = scanner.at;
        match byte {
            b'"' => {
                let Ok(place) = scanner.string() else { break };
                let said = unescape(&text[place]);
                if said.contains('\u{fffd}') {
                    out.push_str(&serde_json::Value::from(said).to_string());
                } else {
                    out.push_str(&text[start..scanner.at]);
                }
            }
            b'N' | b'I' => {
                scanner.at += if byte == b'N' { 3 } else { 8 };
                out.push_str("null");
            }
            b'-' if text[start..].starts_with("-I") => {
                scanner.at += 9;
                out.push_str("null");
            }
            _ => {
                scanner.at += 1;
                out.push(char::from(byte));
            }
        }
    }
    out.into()
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, what: &'static str) -> Fault {
        if self.at >= self.text.len() { Fault::Incomplete } else { Fault::Expected(what, self.at) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Scanned<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.expected(THE_END)) }
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Scanned<()> {
        if self.peek() != Some(byte) {
            return Err(self.expected(what));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Scanned<Range<usize>> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{') => self.object(depth, |_, _| ())?,
            Some(b'[') => self.list(depth, |_| ())?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word(&["true", "false", "null", "NaN", "Infinity"])?,
        }
        Ok(start..self.at)
    }

    fn word(&mut self, words: &[&str]) -> Scanned<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let word = words.iter().find(|word| rest.starts_with(word.as_bytes())).ok_or_else(|| self.expected("a value"))?;
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Scanned<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.word(&["Infinity"]);
            }
        }
        self.digits()?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.expected("a digit")) }
    }

    /// The place between the quotes.
    fn string(&mut self) -> Scanned<Range<usize>> {
        let open = self.at;
        self.take(b'"', "a string")?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            // A string that does not end on its line is broken, not continued.
            let found = memchr2(b'"', b'\\', &bytes[self.at..]).ok_or(Fault::Expected("the end of the string that begins", open))?;
            // Without a branch a byte, so that it is vectorised.
            if bytes[self.at..self.at + found].iter().fold(false, |control, byte| control | (*byte < b' ')) {
                return Err(Fault::Expected("no control character in the string that begins", open));
            }
            self.at += found;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(start..self.at - 1);
            }
            match bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') if bytes.get(self.at + 2..self.at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => self.at += 6,
                _ => return Err(Fault::Expected("an escape", self.at)),
            }
        }
    }

    fn object(&mut self, depth: usize, mut each: impl FnMut(Range<usize>, Range<usize>)) -> Scanned<()> {
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.take(b':', "a colon")?;
            self.space();
            let value = self.value(depth + 1)?;
            each(name, value);
            if self.leaves(b'}')? {
                return Ok(());
            }
        }
    }

    fn list(&mut self, depth: usize, mut each: impl FnMut(Range<usize>)) -> Scanned<()> {
        self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            each(self.value(depth + 1)?);
            if self.leaves(b']')? {
                return Ok(());
            }
        }
    }

    fn enter(&mut self, depth: usize) -> Scanned<()> {
        if depth == MAX_DEPTH {
            return Err(Fault::TooDeep(self.at));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// After an element: whether the list or object ends here.
    fn leaves(&mut self, end: u8) -> Scanned<bool> {
        self.space();
        match self.peek() {
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.expected("a comma or the end of the list or object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_where_they_are() {
        let text = r#" {"a": [1, {"b": "}"}], "c\n" : "x\"y" , "d":-1.5e+3} "#;
        let found: Vec<_> = members(text).unwrap().into_iter().map(|(name, value)| (&text[name], &text[value])).collect();
        assert_eq!(found, [("a", r#"[1, {"b": "}"}]"#), (r"c\n", r#""x\"y""#), ("d", "-1.5e+3")]);
        assert_eq!(elements("[1, [2], \"3,\"]").unwrap(), ["1", "[2]", "\"3,\""]);
        assert!(elements("{}").is_none() && elements("[]").unwrap().is_empty());
    }

    #[test]
    fn what_python_writes_is_read() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity, "NaN\ud800"]}"#;
        assert_eq!(check(text), Ok(()));
        assert_eq!(strict(text), "{\"a\": null, \"b\": [null, null, \"NaN\u{fffd}\"]}");
        assert_eq!(strict(r#"{"n": 1.10, "a": "\ud83d\ude00"}"#), r#"{"n": 1.10, "a": "\ud83d\ude00"}"#);
        assert!(matches!(check("\"a\tb\""), Err(Fault::Expected(..))));
        let names = objects(r#"[{"a": 1, "b": 2}, 3, {}]"#, |names: &mut Vec<&str>, name, _| names.push(name));
        assert_eq!(names, Some(vec![vec!["a", "b"], vec![]]));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["{a}", "{\"a\" 1}", "[1 2]", "[1,]", "{\"a\":1,}", "01x", "1.", "\"\\x\"", "nul", "{} {}", "tru\u{e9}"] {
            assert!(matches!(check(text), Err(Fault::Expected(..) | Fault::Incomplete)), "{text}: {:?}", check(text));
        }
        for text in ["", "{", "[1,", "{\"a\":", "{\"a\":1"] {
            assert_eq!(check(text), Err(Fault::Incomplete), "{text}");
        }
        assert!(matches!(check("{\"a"), Err(Fault::Expected(..))));
        assert_eq!(check(&"[".repeat(10_000)), Err(Fault::TooDeep(MAX_DEPTH)));
    }

    #[test]
    fn escapes_are_characters() {
        for (raw, text) in
            [("a\\ud800b", "a\u{fffd}b"), ("\\ud83d\\ude00\\udc00", "😀\u{fffd}"), ("\\\\ud800", "\\ud800"), ("\\u00e9\\n", "é\n")]
        {
            assert_eq!(unescape(raw), text);
        }
    }
}
