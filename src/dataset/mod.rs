//! Rows of data sets as people have them: text lines, JSON lines, JSON, CSV and TSV, chat exports, and with the feature `columns`
//! Parquet, Arrow, folders of parts and packed files.
//!
//! Bytes become rows in four steps, each in files of its own:
//!
//! 1. [`encoding`]: bytes of any encoding to UTF-8, and with `columns` `packed`: gzip, zstd and zip to bytes.
//! 2. [`Format`]: what the first bytes say, before what the name says.
//! 3. [`Reader`]: [`Row`]s one after another, each a [`Record`] that keeps what stood in the file.
//! 4. [`Prompts`]: the texts of a record: a column, a path into it, or the turns of a conversation.
//!
//! Memory does not grow with the input: one line, one value of a JSON list or one batch of columns is held at a time, each of bounded
//! size.

mod archive;
mod chat;
mod column;
#[cfg(feature = "columns")]
mod columnar;
mod delimited;
mod encoding;
mod format;
#[cfg(feature = "columns")]
mod isolate;
mod json;
#[cfg(feature = "convert")]
mod labelled;
mod lines;
#[cfg(feature = "columns")]
pub mod memory;
#[cfg(feature = "columns")]
mod packed;
#[cfg(feature = "columns")]
mod parquet;
#[cfg(feature = "columns")]
mod parts;
mod prompts;
mod reader;
mod record;
mod time;
mod values;
#[cfg(feature = "columns")]
mod weight;

pub use archive::choose;
pub use chat::{Turn, Turns};
pub use column::missing;
#[cfg(feature = "columns")]
pub use columnar::ArrowStream;
pub use format::Format;
#[cfg(feature = "convert")]
pub use labelled::labelled;
#[cfg(feature = "columns")]
pub use parts::{Parts, parts};
pub use prompts::{Found, Prompt, Prompts};
pub use reader::{Content, Meter, Options, Place, Reader, Row};
pub use record::{Fields, Header, Object, Record, Value};

use std::io;

use crate::error::{Error, ErrorCode};

/// Longer lines are passed over with an error.
const MAX_LINE_BYTES: u64 = 64 << 20;

fn data(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Data, message)
}

/// A read that failed; what unpacks or decodes says what is wrong with the data by [`io::ErrorKind::InvalidData`].
fn reading(e: io::Error) -> Error {
    match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => data(e.to_string()).with_source(e),
        _ => Error::new(ErrorCode::Io, format!("reading: {e}")).with_source(e),
    }
}
