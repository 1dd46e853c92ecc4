//! How well a tagger does on labelled texts.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::super::prototypes::UNKNOWN;
use super::super::vectors::Vectors;
use super::Tagger;
use super::label::{Part, shown};
use crate::embedder::Embedder;
use crate::error::{Error, ErrorCode, Result};

/// Confusions and suspects that are listed.
const LISTED: usize = 20;
/// Neighbours that are asked whether a label is right, and how many of them must agree on another.
const NEIGHBOURS: usize = 5;
const AGREEING: usize = 4;
/// Rows compared with the examples at a time.
const CHUNK: usize = 256;

/// What [`Tagger::evaluate`] finds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    pub rows: usize,
    /// The share of rows whose first label is theirs, 0 to 1. A row labelled [`UNKNOWN`] is right when it is called so.
    pub accuracy: f64,
    /// The share of rows with a known label that are called unknown; null where there are none.
    pub called_unknown: Option<f64>,
    /// One entry for each label of the tagger, in its order, even if no row has the label; then one for `unknown` if rows have it.
    pub labels: Vec<LabelFigures>,
    /// The most frequent first, at most 20.
    pub confusions: Vec<Confusion>,
    /// Rows whose label is doubtful, at most 20, nearest neighbours first.
    pub suspects: Vec<Suspect>,
}

/// How well one label is found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelFigures {
    pub label: String,
    /// Rows that have it, rows that are said to, and rows of which both is so.
    pub rows: usize,
    pub said: usize,
    pub right: usize,
    /// `right / rows` and `right / said`; null where there are none.
    pub recall: Option<f64>,
    pub precision: Option<f64>,
}

/// Rows of one label that were given another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    pub label: String,
    pub said: String,
    pub rows: usize,
    /// The first of them.
    pub text: String,
}

/// A row with a known label whose nearest examples agree on another one, and of which none has its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Its place among the rows, from 0.
    pub row: usize,
    pub text: String,
    pub label: String,
    /// The label of its nearest examples.
    pub neighbours: String,
    /// The cosine of the nearest one, -1 to 1.
    pub cosine: f32,
}

impl Tagger {
    /// Tags labelled texts and compares. To find examples that seem mislabelled, give the tagger's own: an example is not its own neighbour.
    ///
    /// # Errors
    /// [`ErrorCode::NoTexts`] for no rows; [`ErrorCode::InvalidArgument`] naming the first row whose label is neither the tagger's nor
    /// [`UNKNOWN`]; else as [`tag`](Self::tag).
    pub fn evaluate<T: AsRef<str> + Sync, L: AsRef<str>>(&self, embedder: &Embedder, rows: &[(T, L)]) -> Result<Evaluation> {
        self.check_labels(rows)?;
        let texts: Vec<&str> = rows.iter().map(|(text, _)| text.as_ref()).collect();
        let read = self.read_each(embedder, &texts, |whole, parts| {
            let first = self.tag_requests(whole, parts, 1)?.into_iter().next();
            Ok((first.map_or_else(|| UNKNOWN.to_owned(), |tag| tag.label), whole.vector.to_vec()))
        })?;
        let (said, vectors): (Vec<String>, Vec<Vec<f32>>) = read.into_iter().unzip();
        self.compare(rows, &said, &vectors.concat())
    }

    /// The same of texts that were tagged and embedded before: the first label of each row's [`tags`](Self::tag), and the rows' vectors
    /// `[rows, dimensions]`, made with [`embed_options`](Self::embed_options).
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate); [`ErrorCode::InvalidDimensions`] when there are not as many labels or vectors as rows.
    pub fn compare<T: AsRef<str>, L: AsRef<str>, S: AsRef<str>>(&self, rows: &[(T, L)], said: &[S], vectors: &[f32]) -> Result<Evaluation> {
        let labels = self.check_labels(rows)?;
        if said.len() != rows.len() || vectors.len() != rows.len() * self.dimensions {
            let message = format!(
                "{} rows, {} of them tagged, and {} numbers of {} dimensions",
                rows.len(),
                said.len(),
                vectors.len(),
                self.dimensions
            );
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        let said: Vec<usize> = said.iter().map(|label| self.place(label.as_ref())).collect();
        let mut figures = vec![(0, 0, 0); self.labels.len() + 1];
        let mut confused: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (row, (&label, &said)) in labels.iter().zip(&said).enumerate() {
            figures[label].0 += 1;
            figures[said].1 += 1;
            if label == said {
                figures[label].2 += 1;
            } else {
                confused.entry((label, said)).or_default().push(row);
            }
        }
        let name = |place: usize| self.labels.get(place).map_or(UNKNOWN, |label| label.name.as_str()).to_owned();
        let right: usize = figures.iter().map(|(_, _, right)| right).sum();
        let known = rows.len() - figures[self.labels.len()].0;
        let lost = labels.iter().zip(&said).filter(|(label, said)| **label < self.labels.len() && **said == self.labels.len()).count();
        let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
        let listed = if known == rows.len() { self.labels.len() } else { self.labels.len() + 1 };
        let figures = figures.iter().take(listed).enumerate().map(|(place, &(rows, said, right))| LabelFigures {
            label: name(place),
            rows,
            said,
            right,
            recall: share(right, rows),
            precision: share(right, said),
        });
        let mut confusions: Vec<Confusion> = confused
            .iter()
            .map(|(&(label, said), at)| Confusion {
                label: name(label),
                said: name(said),
                rows: at.len(),
                text: rows[at[0]].0.as_ref().to_owned(),
            })
            .collect();
        // A stable sort: equal counts stay in the labels' order.
        confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.rows));
        confusions.truncate(LISTED);
        Ok(Evaluation {
            rows: rows.len(),
            accuracy: right as f64 / rows.len() as f64,
            called_unknown: share(lost, known),
            labels: figures.collect(),
            confusions,
            suspects: self.suspects(rows, &labels, vectors)?,
        })
    }

    /// The place of each row's label.
    fn check_labels<T: AsRef<str>, L: AsRef<str>>(&self, rows: &[(T, L)]) -> Result<Vec<usize>> {
        if rows.is_empty() {
            return Err(Error::new(ErrorCode::NoTexts, "there is no labelled text to evaluate on"));
        }
        let places: HashMap<&str, usize> =
            self.labels.iter().map(|label| label.name.as_str()).zip(0..).chain([(UNKNOWN, self.labels.len())]).collect();
        let place = |(row, (_, label)): (usize, &(T, L))| {
            places.get(label.as_ref()).copied().ok_or_else(|| {
                let message = format!(
                    "row {row} has the label {:?}, which is neither {UNKNOWN:?} nor one of the tagger's {}",
                    shown(label.as_ref()),
                    self.labels.len()
                );
                Error::new(ErrorCode::InvalidArgument, message)
            })
        };
        rows.iter().enumerate().map(place).collect()
    }

    fn place(&self, name: &str) -> usize {
        self.labels.iter().position(|label| label.name == name).unwrap_or(self.labels.len())
    }

    fn suspects<T: AsRef<str>, L>(&self, rows: &[(T, L)], labels: &[usize], vectors: &[f32]) -> Result<Vec<Suspect>> {
        let all = self.learned.space.weighed(&self.stored.floats(self.dimensions));
        let owned: Vec<usize> = (0..self.sources.len()).filter(|&n| self.sources[n].part == Part::Example).collect();
        if owned.len() < NEIGHBOURS {
            return Ok(Vec::new());
        }
        let examples = Vectors::new(all, self.dimensions)?.pick(&owned);
        let asked = self.learned.space.weighed(vectors);
        let mut suspects = Vec::new();
        for (chunk, numbers) in asked.chunks(CHUNK * self.dimensions).enumerate() {
            let cosines = Vectors::new(numbers.to_vec(), self.dimensions)?.dot(&examples)?;
            for (row, cosines) in (chunk * CHUNK..).zip(cosines.chunks_exact(owned.len())) {
                let text = rows[row].0.as_ref();
                // The nearest, in order; equal cosines keep the examples' order.
                let mut nearest: Vec<(f32, usize)> = Vec::with_capacity(NEIGHBOURS + 1);
                for (&cosine, &source) in cosines.iter().zip(&owned) {
                    if (nearest.len() < NEIGHBOURS || cosine > nearest[NEIGHBOURS - 1].0) && self.sources[source].text != text {
                        nearest.insert(nearest.partition_point(|(nearer, _)| *nearer >= cosine), (cosine, self.sources[source].label));
                        nearest.truncate(NEIGHBOURS);
                    }
                }
                let count = |label: usize| nearest.iter().filter(|(_, other)| *other == label).count();
                let other = nearest.iter().map(|(_, label)| *label).find(|&label| count(label) >= AGREEING);
                if let Some(other) =
                    other.filter(|&other| labels[row] < self.labels.len() && other != labels[row] && count(labels[row]) == 0)
                {
                    suspects.push(Suspect {
                        row,
                        text: text.to_owned(),
                        label: self.labels[labels[row]].name.clone(),
                        neighbours: self.labels[other].name.clone(),
                        cosine: nearest[0].0,
                    });
                }
            }
        }
        suspects.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
        suspects.truncate(LISTED);
        Ok(suspects)
    }
}
