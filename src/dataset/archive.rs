//! Which files of a zip archive are the data set: the archive's names decide, before anything is unpacked.

use std::path::Path;

use crate::error::Result;

use super::{Format, data};

/// The file that counts in an export; large ones have several: `conversations-000.json` and so on.
const CONVERSATIONS: &str = "conversations";
/// Files of an archive that a message names.
const NAMED: usize = 8;

/// The indices of the files with an export's conversations, which are one after another, or of the only file of a format that is read.
///
/// # Errors
/// Where no file or several data sets qualify, and for Office documents, which are zip archives too.
pub fn choose(names: &[&str]) -> Result<Vec<usize>> {
    if names.iter().any(|name| name.starts_with("xl/")) {
        return Err(data("this is an Excel workbook: save the sheet as CSV UTF-8 and give that"));
    }
    if names.contains(&"[Content_Types].xml") {
        return Err(data("this is an Office document: save its texts as plain text, one a line, and give that"));
    }
    let all = || 0..names.len();
    let mut found: Vec<usize> = all().filter(|&at| part(names[at]).is_some()).collect();
    if found.is_empty() {
        found = all().filter(|&at| is_data(names[at])).collect();
        // A text beside data tells of it.
        if found.iter().any(|&at| !is_text(names[at])) {
            found.retain(|&at| !is_text(names[at]));
        }
    }
    found.sort_by_key(|&at| names[at]);
    let folder = |at: usize| part(names[at]).filter(|(_, number)| !number.is_empty()).map(|(folder, _)| folder);
    let is_numbered = found.iter().all(|&at| folder(at).is_some() && folder(at) == folder(found[0]));
    match found.len() {
        0 => Err(data(format!("none of the {} files in the archive is of a format that is read", names.len()))),
        1 => Ok(found),
        _ if is_numbered => Ok(found),
        several => {
            let named: Vec<&str> = found.iter().take(NAMED).map(|&at| names[at]).collect();
            let more = if several > NAMED { ", …" } else { "" };
            Err(data(format!("the archive holds {several} data sets: {}{more}; unpack it and name one of them", named.join(", "))))
        }
    }
}

/// Where a file holds an export's conversations: its folder, and the number of the part.
fn part(name: &str) -> Option<(&str, &str)> {
    let (folder, name) = name.rsplit_once('/').unwrap_or(("", name));
    let number = name.strip_prefix(CONVERSATIONS)?.strip_suffix(".json")?;
    let is_number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (number.is_empty() || number.strip_prefix('-').is_some_and(is_number)).then_some((folder, number))
}

fn is_data(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    !hidden && (Format::by_name(Path::new(name)).is_some() || is_text(name))
}

fn is_text(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"))
}
