//! Texts to vectors through the cache: what it holds is read, and what it lacks is computed and kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::{Content, Options, memory, missing, parts};
use pie_embed_wasm::encoder::Reading;
use pie_embed_wasm::tasks::Vectors;
use pie_embed_wasm::{EmbedOptions, Error, ErrorCode, Prompt, Result};
use serde_json::Value;

use crate::cache::{Cache, CacheArgs, text_hash};
use crate::columnar::{MODEL_SHA256, PROMPT};
use crate::input::{CHUNK, TextArgs, open};
use crate::model::{Model, ModelArgs};
use crate::npy;
use crate::output::say;
use crate::progress::Progress;
use crate::table::Table;
use crate::view::{Made, Readings, Uses, VIEW, ViewArgs};

/// Columns of what `pie embed` writes: vectors, and what is wrong with a row that has none.
pub const EMBEDDING: &str = "embedding";
pub const ERROR: &str = "error";

/// Options of the commands that need the vectors of whole data sets.
#[derive(clap::Args)]
pub struct EncodeArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// pie, short, none, or a template with {instruction} [default: the model's]
    #[arg(long)]
    pub prompt: Option<Prompt>,
    #[command(flatten)]
    view: ViewArgs,
    /// What `pie embed` made of the same rows with the same model, prompt and view, a file or a folder of parts each data set: NumPy's arrays,
    /// or JSON lines, Parquet or Arrow, which may be the data set itself (its column `embedding` is then not written again); nothing is
    /// encoded
    #[arg(long, value_name = "FILE|DIR")]
    vectors: Vec<PathBuf>,
}

impl EncodeArgs {
    /// The model for so many data sets.
    pub fn load(&self, data_sets: usize) -> Result<Model> {
        if !self.vectors.is_empty() && self.vectors.len() != data_sets {
            let message = format!("--vectors names {} files for {data_sets} data sets", self.vectors.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        self.model.load()
    }

    /// Reads a data set; where vectors are given, those that its rows may have are not kept.
    pub fn read(&self, path: &Path, texts: &TextArgs) -> Result<Table> {
        Table::read(path, texts, (!self.vectors.is_empty()).then_some(EMBEDDING))
    }

    /// What the options read of a vector, of which files that are made with it tell.
    pub fn reading(&self, model: &Model) -> Result<Reading> {
        model.embedder.reading(&self.view.apply(self.options()))
    }

    fn options(&self) -> EmbedOptions {
        EmbedOptions { prompt: self.prompt.clone(), ..EmbedOptions::default() }
    }

    /// The vectors of a data set, at length 1; `at` is its number.
    pub fn encode(&self, model: &Model, at: usize, table: &Table) -> Result<Vectors> {
        self.encode_for(model, at, table, Uses::default()).map(Readings::into_main)
    }

    /// The same in all views that the command uses.
    pub fn encode_for(&self, model: &Model, at: usize, table: &Table, uses: Uses) -> Result<Readings> {
        let Some(path) = self.vectors.get(at) else {
            let encode = |options| encode(model, &table.texts(), options, &self.cache).map_err(|e| e.context(table.path().display()));
            return Readings::new(self.view, uses, model, self.options(), encode);
        };
        let vectors = self.read_vectors(path, model)?;
        if vectors.len() != table.records.len() {
            let (rows, sound) = (vectors.len(), table.records.len());
            let message = format!("{}: {rows} vectors of {sound} sound rows in {}", path.display(), table.path().display());
            return Err(Error::new(ErrorCode::Data, message));
        }
        Ok(Readings::ready(self.view, uses, model, vectors.normalized()))
    }

    /// What `pie embed` wrote, but for rows that have an error.
    fn read_vectors(&self, path: &Path, model: &Model) -> Result<Vectors> {
        let reading = self.reading(model)?;
        let (dimensions, made) = (reading.dimensions, Made::from(reading).to_string());
        let of_view = if model.embedder.views().len() > 1 { format!(" in view {made}") } else { String::new() };
        let mut data = Vec::new();
        for part in parts(path)? {
            if part.extension().is_some_and(|extension| extension == "npy") {
                npy::read(&part, dimensions, &mut data)?;
                continue;
            }
            let (mut reader, progress) = open(Some(&part), Options::default())?;
            let wrong = |what: String| Error::new(ErrorCode::Data, format!("{}: {what}", part.display()));
            let prompt = model.prompt(self.prompt.as_ref()).to_string();
            for (key, expected) in [(MODEL_SHA256, &model.sha256), (PROMPT, &prompt), (VIEW, &made)] {
                if let Some(other) = reader.said(key).filter(|said| said != expected) {
                    return Err(wrong(format!("its vectors were made with {key} {other:?}; here it is {expected:?}")));
                }
            }
            while let Some(row) = reader.row()? {
                let fields = match row.content {
                    Content::Record(record) => record.fields().map_err(|e| wrong(format!("{}: {e}", row.place)))?,
                    Content::Blank => continue,
                    Content::Faulty { error, .. } => return Err(wrong(format!("{}: {error}", row.place))),
                };
                if fields.get(ERROR).is_some_and(|error| !error.is_null()) {
                    continue;
                }
                let vector = fields.get(EMBEDDING).and_then(Value::as_array).ok_or_else(|| {
                    let columns: Vec<&str> = fields.keys().map(String::as_str).collect();
                    wrong(format!("{}: {}", row.place, missing(&[EMBEDDING], &columns)))
                })?;
                if vector.len() != dimensions {
                    let what = format!("{}: a vector of {} numbers; the model's have {dimensions}{of_view}", row.place, vector.len());
                    return Err(wrong(what));
                }
                // What is no number is refused with those that are not finite.
                data.extend(vector.iter().map(|number| number.as_f64().map_or(f32::NAN, |number| number as f32)));
            }
            progress.finish();
        }
        Vectors::new(data, dimensions).map_err(|e| e.context(path.display()))
    }
}

/// The vectors of texts, at length 1, with progress on stderr. Equal texts are encoded once, and those in the cache not at all.
pub fn encode(model: &Model, texts: &[&str], options: EmbedOptions, cache: &CacheArgs) -> Result<Vectors> {
    if texts.is_empty() {
        return Err(Error::new(ErrorCode::NoTexts, "there is no text"));
    }
    let mut encoder = Encoder::new(model, options, cache, true)?;
    let dimensions = encoder.dimensions;
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
    let same: Vec<usize> = texts.iter().enumerate().map(|(row, text)| *first.entry(text).or_insert(row)).collect();
    let distinct: Vec<usize> = (0..texts.len()).filter(|&row| same[row] == row).collect();
    drop(first);
    let numbers = texts.len() * dimensions;
    memory::check((numbers * size_of::<f32>()) as u64, format_args!("{} vectors", texts.len()))?;
    let mut data = vec![0.0; numbers];
    let progress = Progress::steps(distinct.len() as u64, "texts encoded");
    for (n, rows) in distinct.chunks(CHUNK).enumerate() {
        let chunk: Vec<&str> = rows.iter().map(|&row| texts[row]).collect();
        let encoded = encoder.encode(&chunk, &progress).map_err(|e| e.context(format!("from text {} on", rows[0])))?;
        for (&row, vector) in rows.iter().zip(encoded.rows()) {
            data[row * dimensions..][..dimensions].copy_from_slice(vector);
        }
        progress.set((n * CHUNK + rows.len()) as u64);
    }
    progress.finish();
    encoder.say_found();
    for (row, &same) in same.iter().enumerate() {
        data.copy_within(same * dimensions..(same + 1) * dimensions, row * dimensions);
    }
    Ok(Vectors::new(data, dimensions)?.normalized())
}

/// Encodes with one model, prompt and view.
pub struct Encoder<'a> {
    model: &'a Model,
    options: EmbedOptions,
    pub dimensions: usize,
    pub made: Made,
    cache: Option<Cache>,
    /// Texts so far, and those of them that the cache held.
    done: usize,
    found: usize,
}

/// Vectors of texts.
pub struct Encoded {
    data: Vec<f32>,
    dimensions: usize,
    /// Texts whose middle was left out.
    pub truncated: Vec<bool>,
}

impl Encoded {
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.dimensions)
    }
}

impl<'a> Encoder<'a> {
    /// `keep` says whether vectors are kept where the arguments do not.
    pub fn new(model: &'a Model, options: EmbedOptions, cache: &CacheArgs, keep: bool) -> Result<Self> {
        let reading = model.embedder.reading(&options)?;
        // A prompt or limit that cannot work is said before anything is read.
        model.embedder.tokenize("a", &options)?;
        let cache = cache.open(model, &options, reading, keep)?;
        Ok(Self { model, options, dimensions: reading.dimensions, made: reading.into(), cache, done: 0, found: 0 })
    }

    /// The vectors of texts.
    pub fn encode(&mut self, texts: &[&str], progress: &Progress) -> Result<Encoded> {
        let dimensions = self.dimensions;
        let mut encoded = Encoded { data: vec![0.0; texts.len() * dimensions], dimensions, truncated: vec![false; texts.len()] };
        let mut missing = Vec::new();
        for ((row, text), vector) in texts.iter().enumerate().zip(encoded.data.chunks_exact_mut(dimensions)) {
            match self.cache.as_mut().map_or(Ok(None), |cache| cache.get(text_hash(text), vector)) {
                Ok(Some(truncated)) => encoded.truncated[row] = truncated,
                Ok(None) => missing.push(row),
                Err(e) => {
                    progress.print(&format!("note: vectors are not read from here on: {e}"));
                    self.cache = None;
                    missing.push(row);
                }
            }
        }
        self.done += texts.len();
        self.found += texts.len() - missing.len();
        if missing.is_empty() {
            return Ok(encoded);
        }
        let wanted: Vec<&str> = missing.iter().map(|&row| texts[row]).collect();
        let embeddings = self.model.embedder.embed(&wanted, &self.options)?;
        for ((&row, vector), &truncated) in missing.iter().zip(embeddings.rows()).zip(&embeddings.truncated) {
            encoded.data[row * dimensions..][..dimensions].copy_from_slice(vector);
            encoded.truncated[row] = truncated;
        }
        let kept = self.cache.as_mut().map_or(Ok(()), |cache| cache.append(&wanted, &embeddings));
        if let Err(e) = kept {
            progress.print(&format!("note: vectors are not kept from here on: {e}"));
            self.cache = None;
        }
        Ok(encoded)
    }

    /// Says how much the cache held, at the end.
    pub fn say_found(&self) {
        if let Some(cache) = self.cache.as_ref().filter(|_| self.found > 0) {
            say(&format!("note: {} of {} vectors come from {}", self.found, self.done, cache.path().display()));
        }
    }
}
