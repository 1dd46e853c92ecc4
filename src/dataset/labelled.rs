//! Labelled instructions: rows with an `instruction` and a `category`, in any format that holds rows.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::reader::{Content, Place, Reader};
use super::{data, record::Record};
use crate::error::Result;
use crate::tasks::Labelled;

/// How many faulty rows an error names.
const NAMED: usize = 5;

/// The columns of a labelled row. A cell of CSV is a text, also where it is a number or empty.
#[derive(Deserialize)]
struct Columns {
    instruction: Option<String>,
    category: Option<String>,
    conf: Option<Number>,
    name: Option<String>,
    family: Option<String>,
    family_name: Option<String>,
    language: Option<String>,
    twin: Option<String>,
    /// Why the row could not be labelled.
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f32),
    Text(String),
}

/// Reads labelled instructions with their places. Rows with an `error` and no category have no label, and are passed over.
///
/// # Errors
/// [`ErrorCode::Data`](crate::ErrorCode::Data) naming the rows that have no instruction or no category, or when there are no rows; those of
/// the reader.
pub fn labelled(reader: &mut Reader) -> Result<Vec<(Place, Labelled)>> {
    let (mut rows, mut bad, mut count) = (Vec::new(), Vec::new(), 0_usize);
    while let Some(row) = reader.row()? {
        let found = match row.content {
            Content::Blank => continue,
            Content::Faulty { error, .. } => Err(error),
            Content::Record(record) => read(&record),
        };
        count += 1;
        match found {
            Ok(Some(labelled)) => rows.push((row.place, labelled)),
            Ok(None) => {}
            Err(why) => bad.push(format!("{}: {why}", row.place)),
        }
    }
    if count == 0 {
        return Err(data(format!("{}: empty; rows with an instruction and a category are expected", reader.name())));
    }
    if !bad.is_empty() {
        let more = if bad.len() > NAMED { ", …" } else { "" };
        let named = bad.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
        return Err(data(format!("{}: {} of {count} lines cannot be used: {named}{more}", reader.name(), bad.len())));
    }
    Ok(rows)
}

/// The label of a row; none where the row says that it has none.
fn read(record: &Record) -> std::result::Result<Option<Labelled>, String> {
    let columns: Columns = serde_json::from_str(&record.json()).map_err(|e| e.to_string())?;
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    if columns.error.is_some() && given(columns.category.clone()).is_none() {
        return Ok(None);
    }
    let instruction = columns.instruction.ok_or("no \"instruction\"")?;
    let category = columns.category.ok_or("no \"category\"")?;
    if instruction.trim().is_empty() {
        return Err("the instruction is blank".to_owned());
    }
    if category.split("##").all(|name| name.trim().is_empty()) {
        return Err("the category is blank".to_owned());
    }
    let conf = match columns.conf {
        Some(Number::Number(conf)) => conf,
        Some(Number::Text(text)) if !text.trim().is_empty() => {
            text.trim().parse().map_err(|_| format!("\"conf\" is {text:?}, not a number"))?
        }
        _ => 1.0,
    };
    Ok(Some(Labelled {
        instruction,
        category,
        conf,
        name: given(columns.name),
        family: given(columns.family),
        family_name: given(columns.family_name),
        language: given(columns.language),
        twin: given(columns.twin),
    }))
}
