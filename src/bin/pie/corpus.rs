//! The texts of several files.

use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::Found;
use pie_embed_wasm::{Error, ErrorCode, Result};

use crate::input::TextArgs;

/// The texts of all files, in their order.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<String>> {
    Ok(read_each(paths)?.concat())
}

/// The texts of each file.
pub fn read_each(paths: &[PathBuf]) -> Result<Vec<Vec<String>>> {
    paths.iter().map(|path| read_corpus(path)).collect()
}

/// At most `n` of the texts, evenly spread.
pub fn spread(texts: &[String], n: usize) -> Vec<String> {
    let n = n.min(texts.len());
    (0..n).filter_map(|at| texts.get(at * texts.len() / n)).cloned().collect()
}

/// The texts of a file; blank ones are left out.
fn read_corpus(path: &Path) -> Result<Vec<String>> {
    let mut input = TextArgs::default().open(Some(path))?;
    let error = |what: String| Error::new(ErrorCode::Data, format!("{}: {what}", path.display()));
    let mut texts = Vec::new();
    while let Some(prompt) = input.prompt()? {
        match prompt.found {
            Found::Text { text, .. } => texts.push(text),
            Found::Blank => {}
            Found::Faulty { error: what, .. } => return Err(error(format!("{}: {what}", prompt.place))),
        }
    }
    input.finish();
    if texts.is_empty() {
        return Err(error("no text in it".to_owned()));
    }
    Ok(texts)
}
