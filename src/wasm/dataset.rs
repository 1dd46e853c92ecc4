//! Rows of the files that the demo page opens, in a module of their own without the engine.

use std::io::{self, Read};

use js_sys::{Function, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::js_error;
use crate::dataset::{Content, Found, Object, Options, Prompts, Reader, Turns, choose};
use crate::error::{Error, ErrorCode};

/// A stream that JavaScript hands out piece by piece: `pull()` returns the next bytes, and none at the end.
struct Pulled {
    pull: Function,
    piece: Uint8Array,
    /// Bytes of the piece that were read.
    used: u32,
}

impl Pulled {
    fn reader(pull: Function, name: &str, headless: bool) -> Result<Reader, JsValue> {
        let pulled = Self { pull, piece: Uint8Array::new_with_length(0), used: 0 };
        Reader::stream(Box::new(pulled), name, Options { headless, ..Options::default() }).map_err(js_error)
    }
}

impl Read for Pulled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.used == self.piece.length() {
            let piece = self.pull.call0(&JsValue::NULL).map_err(|e| {
                let said = e.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{e:?}"), |e| String::from(e.message()));
                io::Error::other(said)
            })?;
            (self.piece, self.used) = (Uint8Array::new(&piece), 0);
        }
        let read = buffer.len().min((self.piece.length() - self.used) as usize);
        self.piece.subarray(self.used, self.used + read as u32).copy_to(&mut buffer[..read]);
        self.used += read as u32;
        Ok(read)
    }
}

/// A text with its row and its place in a conversation.
#[derive(Serialize)]
struct Row {
    text: String,
    /// The row as one line of JSON, byte for byte where it came as one.
    json: String,
    conversation: Option<String>,
    turn: Option<u32>,
    time: Option<String>,
    model: Option<String>,
    /// What a model reads in place of the text, where that follows up an earlier turn.
    request: Option<String>,
}

/// What stands where a text would.
#[derive(Serialize)]
struct Fault {
    place: String,
    /// None where there is nothing but white space.
    error: Option<String>,
}

/// What was read at once.
#[derive(Default, Serialize)]
struct Batch {
    rows: Vec<Row>,
    faults: Vec<Fault>,
    ended: bool,
}

/// Reads the texts of one stream.
#[wasm_bindgen]
pub struct RowReader {
    prompts: Prompts,
}

#[wasm_bindgen]
impl RowReader {
    /// `column`, `turns` and `headless` are the options of the command line.
    #[wasm_bindgen(constructor)]
    pub fn new(pull: Function, name: &str, column: Option<String>, turns: Option<String>, headless: bool) -> Result<Self, JsValue> {
        let turns: Option<Turns> = turns.map(|which| which.parse()).transpose().map_err(js_error)?;
        let reader = Pulled::reader(pull, name, headless)?;
        Prompts::new(reader, column.as_deref(), turns).map(|prompts| Self { prompts }).map_err(js_error)
    }

    /// What the user is to know of how the input is read, once.
    pub fn notes(&mut self) -> Vec<String> {
        self.prompts.reader().take_notes()
    }

    /// What was recognised so far, a line a shape.
    pub fn recognised(&self) -> Vec<String> {
        self.prompts.recognised()
    }

    /// The next texts: at most `rows`, and of not many more than `bytes` in all.
    pub fn read(&mut self, rows: usize, bytes: usize) -> Result<JsValue, JsValue> {
        let batch = self.batch(rows, bytes).map_err(js_error)?;
        let serializer = serde_wasm_bindgen::Serializer::json_compatible();
        batch.serialize(&serializer).map_err(|e| js_error(Error::new(ErrorCode::Internal, e.to_string())))
    }
}

impl RowReader {
    fn batch(&mut self, rows: usize, bytes: usize) -> crate::Result<Batch> {
        let mut batch = Batch::default();
        let (mut read, mut held) = (0, 0);
        while read < rows && held < bytes {
            let Some(prompt) = self.prompts.read()? else {
                batch.ended = true;
                break;
            };
            read += 1;
            match prompt.found {
                Found::Text { text, record, turn } => {
                    let json = record.json().into_owned();
                    held += text.len() + json.len();
                    let (turn, number) = (turn.as_ref(), turn.as_ref().map(|turn| turn.number));
                    let [conversation, time, model, request] = [
                        turn.and_then(|turn| turn.conversation.clone()),
                        turn.and_then(|turn| turn.time.clone()),
                        turn.and_then(|turn| turn.model.clone()),
                        turn.and_then(|turn| turn.request.clone()),
                    ];
                    batch.rows.push(Row { text, json, conversation, turn: number, time, model, request });
                }
                Found::Blank => batch.faults.push(Fault { place: prompt.place.to_string(), error: None }),
                Found::Faulty { error, .. } => batch.faults.push(Fault { place: prompt.place.to_string(), error: Some(error) }),
            }
        }
        Ok(batch)
    }
}

/// The columns of the first row; none where there is no row.
#[wasm_bindgen]
pub fn columns(pull: Function, name: &str, headless: bool) -> Result<Vec<String>, JsValue> {
    let mut reader = Pulled::reader(pull, name, headless)?;
    if let Some(columns) = reader.columns() {
        return Ok(columns);
    }
    while let Some(row) = reader.row().map_err(js_error)? {
        if let Content::Record(record) = row.content {
            return Ok(record.columns().into_iter().map(Into::into).collect());
        }
    }
    Ok(Vec::new())
}

/// The cells of a row that is a line of JSON: name, text, name, text, ….
#[wasm_bindgen]
pub fn cells(json: String) -> Vec<String> {
    Object::new(json).map_or_else(|_| Vec::new(), |object| object.cells().into_iter().flat_map(|(name, text)| [name, text]).collect())
}

/// The indices of the files of a zip archive that are the data set, one after another, by the names of all.
#[wasm_bindgen]
pub fn choose_files(names: Vec<String>) -> Result<Vec<usize>, JsValue> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    choose(&names).map_err(js_error)
}
