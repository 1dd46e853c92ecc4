//! `kinds.toml`: families and kinds of task, with names, definitions and the kinds that each is confused with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::source::{Faults, Place, numbered_lines, read_text};
use crate::error::Result;

/// A family of kinds, such as `edit-text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pub id: String,
    pub name: String,
    pub definition: String,
}

/// A kind of task, such as `fix-grammar`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub id: String,
    /// What a person reads, such as "correct grammar and spelling".
    pub name: String,
    /// Index into [`Kinds::families`].
    pub family: usize,
    /// A second family that a person may name for it.
    pub second_family: Option<usize>,
    pub definition: String,
    /// Indices into [`Kinds::kinds`], each with how a person tells the two apart.
    pub confused_with: Vec<(usize, String)>,
}

/// All families and kinds, in the order of their file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    pub families: Vec<Family>,
    pub kinds: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyEntry {
    name: String,
    definition: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindEntry {
    name: Spanned<String>,
    family: Spanned<String>,
    second_family: Option<Spanned<String>>,
    definition: String,
    #[serde(default)]
    confused_with: BTreeMap<Spanned<String>, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    family: BTreeMap<Spanned<String>, FamilyEntry>,
    kind: BTreeMap<Spanned<String>, KindEntry>,
}

/// Whether an id consists of small letters, digits and hyphens.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl Kinds {
    /// Reads `kinds.toml`.
    ///
    /// # Errors
    /// [`ErrorCode::Io`](crate::ErrorCode::Io), and [`ErrorCode::Data`](crate::ErrorCode::Data) naming the lines of ids that stand there
    /// twice, of families and kinds that do not exist, and of kinds without a definition.
    pub fn load(path: &Path) -> Result<Self> {
        let mut faults = Faults::default();
        let kinds = Self::read(path, &mut faults)?;
        faults.into_result()?;
        Ok(kinds)
    }

    /// Reads the file; what is wrong in it is added to the faults.
    pub(super) fn read(path: &Path, faults: &mut Faults) -> Result<Self> {
        let text = read_text(path, faults)?;
        let place = |at: usize| Place::new(path, 1 + text[..at.min(text.len())].matches('\n').count());
        let file: File = match toml::from_str(&text) {
            Ok(file) => file,
            Err(e) => {
                faults.line(&place(e.span().map_or(0, |span| span.start)), e.message());
                return Ok(Self::default());
            }
        };
        let mut families: Vec<(Spanned<String>, FamilyEntry)> = file.family.into_iter().collect();
        families.sort_by_key(|(id, _)| id.span().start);
        let mut entries: Vec<(Spanned<String>, KindEntry)> = file.kind.into_iter().collect();
        entries.sort_by_key(|(id, _)| id.span().start);
        for id in families.iter().map(|(id, _)| id).chain(entries.iter().map(|(id, _)| id)) {
            if !is_id(id.get_ref()) {
                faults.line(&place(id.span().start), format!("id {:?}: an id has small letters, digits and hyphens only", id.get_ref()));
            }
        }
        let family_of = |id: &Spanned<String>, faults: &mut Faults| {
            let found = families.iter().position(|(known, _)| known.get_ref() == id.get_ref());
            if found.is_none() {
                let known = families.iter().map(|(id, _)| id.get_ref().as_str()).collect::<Vec<_>>().join(", ");
                faults.line(&place(id.span().start), format!("no family {:?}; the families are: {known}", id.get_ref()));
            }
            found
        };
        let mut kinds: Vec<Kind> = Vec::with_capacity(entries.len());
        for (id, entry) in &entries {
            if let Some(other) = kinds.iter().find(|kind| kind.name == *entry.name.get_ref()) {
                faults.line(&place(entry.name.span().start), format!("{} and {} have the same name", other.id, id.get_ref()));
            }
            if entry.definition.trim().is_empty() {
                faults.line(&place(id.span().start), format!("kind {} has no definition", id.get_ref()));
            }
            let mut confused_with = Vec::new();
            for (other, apart) in &entry.confused_with {
                match entries.iter().position(|(id, _)| id.get_ref() == other.get_ref()) {
                    Some(n) => confused_with.push((n, apart.clone())),
                    None => faults.line(&place(other.span().start), format!("no kind {:?}", other.get_ref())),
                }
            }
            kinds.push(Kind {
                id: id.get_ref().clone(),
                name: entry.name.get_ref().clone(),
                family: family_of(&entry.family, faults).unwrap_or_default(),
                second_family: entry.second_family.as_ref().and_then(|id| family_of(id, faults)),
                definition: entry.definition.clone(),
                confused_with,
            });
        }
        let families =
            families.into_iter().map(|(id, entry)| Family { id: id.into_inner(), name: entry.name, definition: entry.definition });
        Ok(Self { families: families.collect(), kinds })
    }

    /// The lines of a file behind the headers `# KIND`, with their kinds. Unknown kinds, and lines before the first header, are faults.
    pub(super) fn lines(&self, path: &Path, faults: &mut Faults) -> Result<Vec<(Place, usize, String)>> {
        let (mut section, mut found) = (None, Vec::new());
        for (place, line) in numbered_lines(path, faults)? {
            if let Some(id) = line.strip_prefix('#') {
                section = Some(self.find_or_fault(id.trim(), &place, faults));
                continue;
            }
            match section {
                Some(Some(kind)) => found.push((place, kind, line)),
                // The header of these is named already.
                Some(None) => {}
                None => faults.line(&place, "a request stands before the first kind"),
            }
        }
        Ok(found)
    }

    pub(super) fn find_or_fault(&self, id: &str, place: &Place, faults: &mut Faults) -> Option<usize> {
        let found = self.find(id);
        if found.is_none() {
            faults.line(place, format!("no kind {id:?} in kinds.toml"));
        }
        found
    }

    /// The index of a kind.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.kinds.iter().position(|kind| kind.id == id)
    }
}
