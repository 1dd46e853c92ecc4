//! `pie score`: how often tags name the family and kind that people accept.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::train::Kinds;
use pie_embed_wasm::{Error, ErrorCode, Result, sha256_hex};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::output::{print, say};

/// Score the output of `pie tag` on prompts whose families and kinds people have annotated: a Markdown table on stdout.
///
/// Tags of texts without an annotation are passed over; annotated prompts without a tag are counted on stderr.
#[derive(clap::Args)]
pub struct Args {
    /// Output of `pie tag --json`
    #[arg(long, value_name = "FILE")]
    tags: PathBuf,
    /// Annotations: JSON lines of {"sha256", "set", "kinds"}, the SHA-256 being that of the text
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// Families and kinds
    #[arg(long, value_name = "FILE")]
    kinds: PathBuf,
}

#[derive(Deserialize)]
struct Annotation {
    sha256: String,
    set: String,
    kinds: Vec<String>,
}

impl Annotation {
    /// The families of its kinds, the best one first.
    fn families<'k>(&self, kinds: &'k Kinds) -> Vec<&'k str> {
        self.kinds.iter().filter_map(|id| Some(kinds.families[kinds.kinds[kinds.find(id)?].family].id.as_str())).collect()
    }
}

#[derive(Deserialize)]
struct Tagged {
    text: String,
    /// Best first.
    kinds: Vec<Kind>,
}

impl Tagged {
    /// The first kind, which counts.
    fn label(&self) -> &str {
        self.kinds.first().map_or("unknown", |kind| kind.label.as_str())
    }
}

#[derive(Deserialize)]
struct Kind {
    label: String,
    score: f32,
}

/// What counts in a group of prompts.
#[derive(Default)]
struct Count {
    prompts: usize,
    family: usize,
    kind: usize,
    unknown: usize,
    sure: usize,
    sure_of_family: usize,
    sure_of_kind: usize,
}

/// Tags that score above this should be right nine times of ten.
const SURE: f32 = 0.9;
/// Upper bounds of the groups by length, in characters.
const LENGTHS: [(usize, &str); 4] =
    [(120, "up to 120 characters"), (300, "up to 300"), (1000, "up to 1,000"), (usize::MAX, "more than 1,000")];

pub fn run(args: &Args) -> Result<()> {
    let kinds = Kinds::load(&args.kinds)?;
    let gold: Vec<Annotation> = rows(&args.gold)?;
    for (annotation, line) in gold.iter().zip(1..) {
        if let Some(unknown) = annotation.kinds.iter().find(|id| kinds.find(id).is_none()) {
            return Err(data(&args.gold, line, format!("no kind {unknown:?} in {}", args.kinds.display())));
        }
    }
    let tags: Vec<Tagged> = rows(&args.tags)?;
    if !tags.is_empty() && tags.iter().all(|tagged| tagged.kinds.is_empty()) {
        let what = format!("{}: no row has a kind; tag with a model whose taxonomy has kinds", args.tags.display());
        return Err(Error::new(ErrorCode::Data, what));
    }
    let by_text: HashMap<&str, &Annotation> = gold.iter().map(|annotation| (annotation.sha256.as_str(), annotation)).collect();
    let (mut sets, mut lengths): (BTreeMap<&str, Count>, [Count; LENGTHS.len()]) = Default::default();
    let (mut families, mut all) = (BTreeMap::<&str, Count>::new(), Count::default());
    let mut seen = HashSet::new();
    let mut strange = BTreeSet::new();
    for tagged in &tags {
        let sha256 = sha256_hex(tagged.text.as_bytes());
        let Some(annotation) = by_text.get(sha256.as_str()).filter(|_| seen.insert(sha256.clone())) else { continue };
        let length = tagged.text.chars().count();
        let group = LENGTHS.iter().position(|(limit, _)| length <= *limit).unwrap_or(LENGTHS.len() - 1);
        let best = annotation.families(&kinds).first().copied().unwrap_or("none");
        let counts = [&mut all, sets.entry(&annotation.set).or_default(), &mut lengths[group], families.entry(best).or_default()];
        counts.into_iter().for_each(|count| count.add(tagged, annotation, &kinds));
        let label = tagged.label();
        if label != "unknown" && kinds.find(label).is_none() {
            strange.insert(label);
        }
    }
    if all.prompts == 0 {
        let what = format!("{}: none of its texts is annotated in {}", args.tags.display(), args.gold.display());
        return Err(Error::new(ErrorCode::Data, what));
    }
    if all.prompts < by_text.len() {
        say(&format!("note: {} of {} annotated prompts have no tag", by_text.len() - all.prompts, by_text.len()));
    }
    if !strange.is_empty() {
        let labels = strange.into_iter().collect::<Vec<_>>().join(", ");
        say(&format!("note: not in {}, and counted as wrong: {labels}", args.kinds.display()));
    }
    let head = format!(
        "| prompts | number | family accepted | kind accepted | called unknown | scored above {SURE} | family accepted of these | kind accepted of these |"
    );
    let mut lines = vec![head, "|---|---|---|---|---|---|---|---|".to_owned(), all.line("all")];
    lines.extend(sets.iter().map(|(name, count)| count.line(name)));
    lines.extend(LENGTHS.iter().zip(&lengths).map(|((_, name), count)| count.line(name)));
    lines.extend(families.iter().map(|(name, count)| count.line(name)));
    print(lines.join("\n") + "\n")
}

impl Count {
    fn add(&mut self, tagged: &Tagged, annotation: &Annotation, kinds: &Kinds) {
        let label = tagged.label();
        let unknown = label == "unknown";
        let family = kinds.find(label).map(|n| kinds.families[kinds.kinds[n].family].id.as_str());
        // Where no kind fits, `unknown` is right.
        let none = annotation.kinds.is_empty() && unknown;
        let right = none || family.is_some_and(|family| annotation.families(kinds).contains(&family));
        let kind = none || annotation.kinds.iter().any(|kind| kind == label);
        let sure = !unknown && tagged.kinds.first().is_some_and(|kind| kind.score > SURE);
        self.prompts += 1;
        self.family += usize::from(right);
        self.kind += usize::from(kind);
        self.unknown += usize::from(unknown);
        self.sure += usize::from(sure);
        self.sure_of_family += usize::from(sure && right);
        self.sure_of_kind += usize::from(sure && kind);
    }

    fn line(&self, name: &str) -> String {
        let share = |part: usize, of: usize| if of == 0 { "–".to_owned() } else { format!("{:.3}", part as f64 / of as f64) };
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            self.prompts,
            share(self.family, self.prompts),
            share(self.kind, self.prompts),
            share(self.unknown, self.prompts),
            share(self.sure, self.prompts),
            share(self.sure_of_family, self.sure),
            share(self.sure_of_kind, self.sure)
        )
    }
}

fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines.map(|(line, n)| serde_json::from_str(line).map_err(|e| data(path, n, e.to_string()))).collect()
}

fn data(path: &Path, line: usize, what: String) -> Error {
    Error::new(ErrorCode::Data, format!("{}, line {line}: {what}", path.display()))
}
