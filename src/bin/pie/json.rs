//! JSON as data sets have it.

use serde::de::DeserializeOwned;

/// Whether this is the beginning of a JSON object, sound or not: a brace and a quote, or an empty object.
pub fn begins_with_object(start: &[u8]) -> bool {
    let mut bytes = start.iter().filter(|b| !b.is_ascii_whitespace());
    bytes.next() == Some(&b'{') && matches!(bytes.next(), Some(b'"' | b'}'))
}

/// Reads JSON in which lone surrogates are content: `\ud800` reads as U+FFFD, where strict JSON has no such text.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|e| serde_json::from_str(&replace_lone_surrogates(text)).map_err(|_| e))
}

/// Rewrites `\uXXXX` escapes that are half a surrogate pair to `\ufffd`.
fn replace_lone_surrogates(text: &str) -> String {
    let bytes = text.as_bytes();
    let unit = |at: usize| match bytes.get(at..at + 6) {
        Some([b'\\', b'u', hex @ ..]) => std::str::from_utf8(hex).ok().and_then(|hex| u16::from_str_radix(hex, 16).ok()),
        _ => None,
    };
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let step = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(&text[copied..at]);
                out.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            _ if bytes[at] == b'\\' => 2,
            _ => 1,
        };
        at += step;
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        let parse = |text| parse_json::<String>(text).unwrap();
        assert_eq!(parse(r#""a\ud800b""#), "a\u{fffd}b");
        assert_eq!(parse(r#""\ud83d\ude00\udc00""#), "😀\u{fffd}");
        assert_eq!(parse(r#""\\ud800""#), "\\ud800");
        assert!(parse_json::<String>(r#""\uzzzz""#).is_err());
    }

    #[test]
    fn objects_begin_with_a_brace_and_a_quote() {
        assert!(begins_with_object(b" { \"") && !begins_with_object(b"{a") && !begins_with_object(b""));
    }
}
