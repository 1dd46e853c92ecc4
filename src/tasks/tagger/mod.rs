//! A caller's own labels, learned from names, descriptions and examples.
//!
//! [`Tagger`] holds what was learned; [`learn`] has the arithmetic, which knows no files, no threads and no chance.

mod evaluate;
mod explain;
mod file;
mod label;
mod learn;
mod levels;
mod minimize;
mod objective;
mod space;
mod stored;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use self::label::{Part, Source, readable, shown, sources};
use self::learn::{Learned, Lesson};
use self::levels::Levels;
use self::stored::Stored;
use super::prototypes::{Calibration, Label, Tag, probabilities, ranked};
use super::request::WithRequests;
use super::taxonomy::Read;
use super::unread::is_unread;
use crate::embedder::{EmbedOptions, Embedder, Embeddings};
use crate::error::{Error, ErrorCode, Result};

pub use evaluate::{Confusion, Evaluation, LabelFigures, Suspect};
pub use explain::{Evidence, Explanation, Near};
pub use label::{MAX_EXAMPLES, MAX_LABELS, MAX_LOGITS, MAX_TEXT_BYTES, TaggerLabel};

/// What may be set when a tagger learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaggerOptions {
    /// The share of texts with one of the labels that may be called unknown, 0 to below 1: a larger one finds more texts of other kinds.
    pub unknown_share: f32,
    /// Whether each label has its own unknown level, by its own examples.
    pub thresholds: bool,
    /// Whether labels are scored independently of each other, for texts that may have several.
    pub multi: bool,
}

impl Default for TaggerOptions {
    fn default() -> Self {
        Self { unknown_share: 0.05, thresholds: false, multi: false }
    }
}

/// Examples that were tagged right by weights learned without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    pub right: usize,
    pub examples: usize,
}

/// Tags texts with a caller's own labels.
///
/// A label is learned from its name, its description, its examples and its counter-examples, whichever it has: by the name alone it works
/// too, and every example makes it better. Inside, a multinomial logistic regression starts from the labels' prototypes and is pulled back to
/// them. Of a model with two views it reads both, and learns from the examples how much each counts.
///
/// A text that is like no label is [`UNKNOWN`](super::UNKNOWN). The level for that, and the scores, are fitted on examples that the weights
/// were learned without. Scores are probabilities that sum to 1 with the unknown's; with [`TaggerOptions::multi`] each label's score stands
/// for itself, and the unknown comes first when no label's score reaches a half. A single label is allowed: texts then have it or are unknown.
///
/// The same labels and model give the same tagger. Learning 77 labels with 10 examples takes some tenths of a second after the embedding.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pie_embed_wasm::tasks::{Tagger, TaggerLabel, TaggerOptions};
/// use pie_embed_wasm::{Embedder, sha256_hex};
///
/// let model = std::fs::read("model.gguf")?;
/// let (embedder, sha256) = (Embedder::from_bytes(&model)?, sha256_hex(&model));
/// let labels = vec![
///     TaggerLabel::new("refund").with_description("the customer wants money back"),
///     TaggerLabel::new("tracking").with_examples(["Where is my parcel?", "When will it arrive?"]),
/// ];
/// let tagger = Tagger::fit(&embedder, &sha256, labels, TaggerOptions::default())?;
/// let tags = tagger.tag(&embedder, &["I want my money back"], 1)?;
/// println!("{} {:.2}", tags[0][0].label, tags[0][0].score); // refund 0.97
/// std::fs::write("support.tagger", tagger.to_bytes())?;
/// # Ok(()) }
/// ```
pub struct Tagger {
    labels: Vec<TaggerLabel>,
    names: Vec<Label>,
    options: TaggerOptions,
    model_sha256: String,
    views: usize,
    dimensions: usize,
    /// The texts that it learned from, and their vectors.
    sources: Vec<Source>,
    stored: Stored,
    learned: Learned,
    levels: Levels,
    judged: Judged,
}

impl Tagger {
    /// Embeds the labels' texts and learns from them. `model_sha256` is that of the embedder's file, in hexadecimal: it binds a saved tagger
    /// to its model.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for labels that cannot be learned: see [`texts`](Self::texts) and
    /// [`from_embeddings`](Self::from_embeddings). What [`Embedder::embed`] says of the texts.
    pub fn fit(embedder: &Embedder, model_sha256: &str, labels: Vec<TaggerLabel>, options: TaggerOptions) -> Result<Self> {
        check_options(&options)?;
        let embeddings = embedder.embed(&Self::texts(&labels)?, &Self::embed_options(embedder))?;
        Self::from_embeddings(labels, &embeddings, embedder.views().len(), model_sha256, options)
    }

    /// The options with which a tagger's texts are embedded: both views where the model has two.
    pub fn embed_options(embedder: &Embedder) -> EmbedOptions {
        EmbedOptions { view: Some(embedder.duplicates_view()), ..EmbedOptions::default() }
    }

    /// The texts that labels are learned from, in the order in which [`from_embeddings`](Self::from_embeddings) takes their vectors.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no labels or more than [`MAX_LABELS`], a name that is blank, is
    /// [`UNKNOWN`](super::UNKNOWN) or stands twice, a label without anything to learn from, an example under two labels or both for and
    /// against one, a text of more than [`MAX_TEXT_BYTES`], more examples than [`MAX_EXAMPLES`] or, times labels, [`MAX_LOGITS`];
    /// [`ErrorCode::BlankText`] for a blank text.
    pub fn texts(labels: &[TaggerLabel]) -> Result<Vec<String>> {
        Ok(sources(labels)?.into_iter().map(|source| source.text).collect())
    }

    /// Learns from the vectors of [`texts`](Self::texts), made with [`embed_options`](Self::embed_options) by a model of `views` views.
    ///
    /// # Errors
    /// What [`texts`](Self::texts) says; [`ErrorCode::InvalidArgument`] for options out of range, a text of which the model's vocabulary
    /// lacks more than half, and a vector that is not finite; [`ErrorCode::InvalidDimensions`] when there are not as many vectors as texts.
    pub fn from_embeddings(
        labels: Vec<TaggerLabel>,
        embeddings: &Embeddings,
        views: usize,
        model_sha256: &str,
        options: TaggerOptions,
    ) -> Result<Self> {
        check_options(&options)?;
        let sources = sources(&labels)?;
        let Embeddings { data, dimensions, unread, .. } = embeddings;
        check_embeddings(embeddings, sources.len(), *dimensions).map_err(|e| e.context(format!("{} labels", labels.len())))?;
        if let Some(at) = data.iter().position(|x| !x.is_finite()) {
            let message = format!("the vector of {:?} holds {} at dimension {}", sources[at / dimensions].text, data[at], at % dimensions);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let kept = readable(&labels, &sources, unread)?;
        let mut stored = Stored::default();
        data.chunks_exact(*dimensions).zip(&kept).filter(|(_, kept)| **kept).for_each(|(row, _)| stored.push(row));
        let sources = sources.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(source, _)| source).collect();
        Self::learn(labels, sources, stored, (views, *dimensions), model_sha256.to_owned(), options)
    }

    fn learn(
        labels: Vec<TaggerLabel>,
        sources: Vec<Source>,
        stored: Stored,
        (views, dimensions): (usize, usize),
        model_sha256: String,
        options: TaggerOptions,
    ) -> Result<Self> {
        let texts: Vec<(usize, Part)> = sources.iter().map(|source| (source.label, source.part)).collect();
        let lesson = Lesson { vectors: &stored.floats(dimensions), texts: &texts, labels: labels.len(), views, dimensions };
        let (learned, held_out) = lesson.learn();
        let levels = Levels::fit(&held_out, labels.len(), learned.assumed_unknown(), options.unknown_share, options.thresholds);
        if !levels.is_valid() || learned.weights.iter().any(|w| !w.is_finite()) {
            return Err(Error::new(ErrorCode::Internal, format!("learning {} labels came to {levels:?}", labels.len())));
        }
        let right = |(logits, &owner): (&[f32], &usize)| best(logits) == owner;
        let rows = held_out.logits.chunks_exact(labels.len()).zip(&held_out.owners);
        let judged = Judged { right: rows.filter(|row| right(*row)).count(), examples: held_out.owners.len() };
        let names = labels.iter().map(|label| Label::from(label.name.as_str())).collect();
        Ok(Self { labels, names, options, model_sha256, views, dimensions, sources, stored, learned, levels, judged })
    }

    /// The same tagger with other labels. Texts that it has learned from before are not embedded again.
    ///
    /// # Errors
    /// As [`fit`](Self::fit). `embedder` must be of this tagger's model.
    pub fn relearn(&self, embedder: &Embedder, labels: Vec<TaggerLabel>) -> Result<Self> {
        self.check_embedder(embedder)?;
        let missing = self.missing(&labels)?;
        let embeddings = match missing.is_empty() {
            true => Embeddings::default(),
            false => embedder.embed(&missing, &Self::embed_options(embedder))?,
        };
        self.relearn_from(labels, &embeddings)
    }

    /// The texts of labels that this tagger has no vectors of, in the order in which [`relearn_from`](Self::relearn_from) takes them.
    ///
    /// # Errors
    /// As [`texts`](Self::texts).
    pub fn missing(&self, labels: &[TaggerLabel]) -> Result<Vec<String>> {
        let known = self.rows();
        Ok(sources(labels)?.into_iter().map(|source| source.text).filter(|text| !known.contains_key(text.as_str())).collect())
    }

    /// The same tagger with other labels, from the vectors of the texts that are [`missing`](Self::missing).
    ///
    /// # Errors
    /// As [`from_embeddings`](Self::from_embeddings).
    pub fn relearn_from(&self, labels: Vec<TaggerLabel>, missing: &Embeddings) -> Result<Self> {
        let wanted = sources(&labels)?;
        let known = self.rows();
        let count = wanted.iter().filter(|source| !known.contains_key(source.text.as_str())).count();
        check_embeddings(missing, count, self.dimensions)?;
        let mut fresh = missing.rows().zip(&missing.unread);
        let (mut rows, mut unread) = (Vec::with_capacity(wanted.len()), Vec::with_capacity(wanted.len()));
        for source in &wanted {
            let known = known.get(source.text.as_str()).copied();
            let fresh = if known.is_none() { fresh.next() } else { None };
            unread.push(fresh.map_or(0.0, |(_, &share)| share));
            rows.push((known, fresh.map(|(row, _)| row)));
        }
        let kept = readable(&labels, &wanted, &unread)?;
        let mut stored = Stored::default();
        for ((known, fresh), _) in rows.iter().zip(&kept).filter(|(_, kept)| **kept) {
            match (known, fresh) {
                (Some(row), _) => stored.push_row(&self.stored, *row, self.dimensions),
                (None, Some(row)) => stored.push(row),
                (None, None) => return Err(Error::new(ErrorCode::Internal, "a text has no vector")),
            }
        }
        let sources = wanted.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(source, _)| source).collect();
        let shape = (self.views, self.dimensions);
        Self::learn(labels, sources, stored, shape, self.model_sha256.clone(), self.options.clone())
    }

    /// The row of each text that has a vector.
    fn rows(&self) -> HashMap<&str, usize> {
        self.sources.iter().zip(0..).map(|(source, row)| (source.text.as_str(), row)).collect()
    }

    /// The same tagger with more examples of a label, which is added where it has none of that name.
    ///
    /// # Errors
    /// As [`relearn`](Self::relearn).
    pub fn with_examples<T: AsRef<str>>(&self, embedder: &Embedder, label: &str, examples: &[T]) -> Result<Self> {
        self.relearn(embedder, self.labels_with(label, examples))
    }

    /// The same tagger without these examples of a label.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when the label lacks one of the examples; else as [`relearn`](Self::relearn).
    pub fn without_examples<T: AsRef<str>>(&self, embedder: &Embedder, label: &str, examples: &[T]) -> Result<Self> {
        self.relearn(embedder, self.labels_without(label, examples)?)
    }

    /// The labels with more examples of one, which stands last where it is new.
    pub fn labels_with<T: AsRef<str>>(&self, label: &str, examples: &[T]) -> Vec<TaggerLabel> {
        let mut labels = self.labels.clone();
        let at = labels.iter().position(|own| own.name == label).unwrap_or_else(|| {
            labels.push(TaggerLabel::new(label));
            labels.len() - 1
        });
        labels[at].examples.extend(examples.iter().map(|example| example.as_ref().to_owned()));
        labels
    }

    /// The labels without these examples of one.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] naming the first example that the label lacks.
    pub fn labels_without<T: AsRef<str>>(&self, label: &str, examples: &[T]) -> Result<Vec<TaggerLabel>> {
        let mut labels = self.labels.clone();
        for example in examples {
            let example = example.as_ref();
            let own = labels.iter_mut().find(|own| own.name == label);
            let before = own.as_ref().map_or(0, |own| own.examples.len());
            let left = own.map_or(0, |own| {
                own.examples.retain(|text| text != example);
                own.examples.len()
            });
            if left == before {
                let message = format!("label {:?} has no example {:?}; it has {before} others", shown(label), shown(example));
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
        }
        Ok(labels)
    }

    /// The labels that it was learned from.
    pub fn labels(&self) -> &[TaggerLabel] {
        &self.labels
    }

    /// The options that it was learned with.
    pub const fn options(&self) -> &TaggerOptions {
        &self.options
    }

    /// Dimensions of the vectors that it reads.
    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many examples were tagged right by weights learned without them, and how many were so judged: all, or a fifth of more than 2,000.
    pub const fn judged(&self) -> Judged {
        self.judged
    }

    /// The task view's share of a cosine, 0 to 1, as it was learned; 1 of a model with one view.
    pub fn mix(&self) -> f32 {
        if self.views == 2 { self.learned.space.parts().0[0].powi(2) } else { 1.0 }
    }

    /// The labels of each text, best first, at most `top_k`. Where [`TaggerOptions::multi`] is set, a text that makes several
    /// [`requests`](super::requests) has each label's highest score over them and the whole.
    ///
    /// # Errors
    /// What [`Embedder::embed`] says; [`ErrorCode::InvalidArgument`] when `top_k` is 0 or `embedder` is of another model.
    pub fn tag<T: AsRef<str> + Sync>(&self, embedder: &Embedder, texts: &[T], top_k: usize) -> Result<Vec<Vec<Tag>>> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.read_each(embedder, &texts, |whole, parts| self.tag_requests(whole, parts, top_k))
    }

    /// What `answer` says of each text's vector and those of its requests.
    fn read_each<R>(&self, embedder: &Embedder, texts: &[&str], answer: impl Fn(Read<'_>, &[Read<'_>]) -> Result<R>) -> Result<Vec<R>> {
        self.check_embedder(embedder)?;
        let texts = WithRequests::new(texts);
        let embeddings = embedder.embed(texts.all(), &Self::embed_options(embedder))?;
        let read: Vec<Read<'_>> = embeddings.rows().zip(&embeddings.unread).map(|(vector, &unread)| Read { vector, unread }).collect();
        texts.pairs(&read).into_iter().map(|(whole, parts)| answer(whole, parts)).collect()
    }

    /// The same of one text's vector, made with [`embed_options`](Self::embed_options), and those of its [`requests`](super::requests). One
    /// request alone is the instruction in a template's frame, and stands for the whole.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when `top_k` is 0, [`ErrorCode::InvalidDimensions`] when a vector has other dimensions.
    pub fn tag_requests(&self, whole: Read<'_>, parts: &[Read<'_>], top_k: usize) -> Result<Vec<Tag>> {
        let whole = whole.without_frame(parts);
        let mut logits = self.logits(whole.vector)?;
        if self.options.multi {
            for part in parts.iter().filter(|part| !is_unread(part.unread)) {
                let others = self.logits(part.vector)?;
                logits.iter_mut().zip(others).for_each(|(most, other)| *most = most.max(other));
            }
        }
        let (scores, unknown) = self.scores(&logits);
        ranked(&self.names, &scores, unknown, whole.unread, top_k)
    }

    /// The score of each label and that of the unknown.
    fn scores(&self, logits: &[f32]) -> (Vec<f32>, f32) {
        if self.options.multi {
            let scores: Vec<f32> = logits.iter().map(|&logit| self.levels.alone(logit)).collect();
            let most = scores.iter().copied().fold(0.0, f32::max);
            return (scores, 1.0 - most);
        }
        let unknown = self.levels.unknown_of(best(logits));
        probabilities(logits, Calibration { temperature: self.levels.temperature, unknown })
    }

    fn logits(&self, vector: &[f32]) -> Result<Vec<f32>> {
        if vector.len() != self.dimensions {
            let message = format!("the vector has {} dimensions, the tagger's have {}", vector.len(), self.dimensions);
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        Ok(self.learned.logits(vector))
    }

    fn check_embedder(&self, embedder: &Embedder) -> Result<()> {
        let dimensions = embedder.dimensions(&Self::embed_options(embedder))?;
        if (embedder.views().len(), dimensions) != (self.views, self.dimensions) {
            let message = format!(
                "the tagger is of a model with {} views and {} dimensions; this one has {} and {dimensions}",
                self.views,
                self.dimensions,
                embedder.views().len()
            );
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        Ok(())
    }
}

/// Holds vectors to the texts and the dimensions that are wanted.
fn check_embeddings(embeddings: &Embeddings, texts: usize, dimensions: usize) -> Result<()> {
    let Embeddings { data, dimensions: own, unread, .. } = embeddings;
    // No vectors have no dimensions.
    if (texts > 0 && (*own == 0 || *own != dimensions)) || data.len() != texts * dimensions || unread.len() != texts {
        let message = format!(
            "{} numbers of {own} dimensions and {} unread shares for {texts} texts of {dimensions} dimensions",
            data.len(),
            unread.len()
        );
        return Err(Error::new(ErrorCode::InvalidDimensions, message));
    }
    Ok(())
}

fn check_options(options: &TaggerOptions) -> Result<()> {
    if !(0.0..1.0).contains(&options.unknown_share) {
        let message = format!("unknown_share is {}; it must be at least 0 and below 1", options.unknown_share);
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

/// The index of the largest logit, the first of equal ones.
fn best(logits: &[f32]) -> usize {
    logits.iter().enumerate().fold(0, |best, (at, logit)| if *logit > logits[best] { at } else { best })
}
