//! Which file of a zip archive is the data set: the archive's names decide, before anything is unpacked.

use std::path::Path;

use crate::error::Result;

use super::{Format, data};

/// The file that counts in an export.
const CONVERSATIONS: &str = "conversations.json";
/// Files of an archive that a message names.
const NAMED: usize = 8;

/// The index of the conversations of an export, or of the only file of a format that is read.
///
/// # Errors
/// Where no file or several qualify, and for Office documents, which are zip archives too.
pub fn choose(names: &[&str]) -> Result<usize> {
    if names.iter().any(|name| name.starts_with("xl/")) {
        return Err(data("this is an Excel workbook: save the sheet as CSV UTF-8 and give that"));
    }
    if names.contains(&"[Content_Types].xml") {
        return Err(data("this is an Office document: save its texts as plain text, one a line, and give that"));
    }
    let is_export = |name: &str| name.rsplit('/').next() == Some(CONVERSATIONS);
    let exports = names.iter().any(|name| is_export(name));
    let is_wanted = |name: &str| if exports { is_export(name) } else { is_data(name) };
    let found: Vec<usize> = (0..names.len()).filter(|&at| is_wanted(names[at])).collect();
    match found[..] {
        [at] => Ok(at),
        [] => Err(data(format!("none of the {} files in the archive is of a format that is read", names.len()))),
        _ => {
            let named: Vec<&str> = found.iter().take(NAMED).map(|&at| names[at]).collect();
            let more = if found.len() > NAMED { ", …" } else { "" };
            let message =
                format!("the archive holds {} data sets: {}{more}; unpack it and name one of them", found.len(), named.join(", "));
            Err(data(message))
        }
    }
}

fn is_data(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    let path = Path::new(name);
    !hidden && (Format::by_name(path).is_some() || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt")))
}
