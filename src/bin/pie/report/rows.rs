//! The rows of a data set with what a report found out of each, in columns of their own.

use std::collections::HashMap;

use pie_embed_wasm::dataset::Record;
use pie_embed_wasm::tasks::{Tag, near_duplicates};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use super::Pool;
use crate::view::Readings;

/// What stands before the name of each column that is added.
const PREFIX: &str = "pie_";

/// What is known of each different text.
pub struct Known<'a> {
    /// The first two kinds, or tasks where the taxonomy has no kinds; nothing without a taxonomy.
    pub tags: Option<&'a [Vec<Tag>]>,
    pub unread: &'a [f32],
    /// The numbers of the texts that can be read, ascending.
    pub read: &'a [usize],
    pub near_duplicate: f32,
}

/// The rows with columns of the page's names: family, kind, second kind, score, length in characters, the share that is unread, and the
/// number of an earlier row that it repeats or nearly repeats.
pub fn records(pool: &Pool, readings: &Readings, known: &Known<'_>) -> Result<Vec<Record>> {
    let names = ["family", "kind", "kind_score", "second_kind", "length", "unread", "duplicate_of"].map(|name| format!("{PREFIX}{name}"));
    let first = first_rows(pool, readings, known)?;
    let row = |(number, (record, text)): (usize, &(Record, usize))| {
        let tags = known.tags.map(|tags| tags[*text].as_slice()).unwrap_or_default();
        let of = |at: usize, value: fn(&Tag) -> Value| tags.get(at).map_or(Value::Null, value);
        let values = [
            of(0, |tag| json!(tag.family)),
            of(0, |tag| json!(tag.label)),
            of(0, |tag| json!(tag.score)),
            of(1, |tag| json!(tag.label)),
            json!(pool.texts[*text].chars().count()),
            json!(known.unread[*text]),
            json!(first.get(text).filter(|first| **first != number).map(|first| first + 1)),
        ];
        let columns = record.columns();
        if let Some(name) = names.iter().find(|name| columns.iter().any(|column| column == name.as_str())) {
            let message = format!("row {} has a column {name:?} already, which --rows would write", number + 1);
            return Err(Error::new(ErrorCode::Data, message));
        }
        Ok(names.iter().zip(&values).fold(record.clone(), |record, (name, value)| record.with(name, value)))
    };
    pool.rows.iter().enumerate().map(row).collect()
}

/// Of each text the first row that has it or a near-duplicate of it.
fn first_rows(pool: &Pool, readings: &Readings, known: &Known<'_>) -> Result<HashMap<usize, usize>> {
    let vectors = readings.duplicates().pick(known.read);
    let order: Vec<usize> = (0..vectors.len()).collect();
    let kept = near_duplicates(&vectors, &order, known.near_duplicate)?;
    let group: HashMap<usize, usize> = kept.iter().enumerate().map(|(at, kept)| (known.read[at], known.read[kept.unwrap_or(at)])).collect();
    let of = |text: usize| group.get(&text).copied().unwrap_or(text);
    let mut first = HashMap::new();
    for (number, (_, text)) in pool.rows.iter().enumerate() {
        first.entry(of(*text)).or_insert(number);
    }
    Ok((0..pool.texts.len()).filter_map(|text| Some((text, *first.get(&of(text))?))).collect())
}
