//! Which model a command uses: a file, a name in the manifest, `PIE_MODEL`, or the manifest's default.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use pie_embed_wasm::dataset::memory;
use pie_embed_wasm::gguf::Source;
use pie_embed_wasm::tasks::{Level, Tagger, Taxonomy};
use pie_embed_wasm::{EmbedOptions, Embedder, Error, ErrorCode, Prompt, Result, sha256_hex};
use rayon::prelude::*;

use crate::device::Device;
use crate::manifest::Manifest;
use crate::output::say;
use crate::view::Readings;

/// Options of every command that needs a model.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// A model file (.gguf) or a name in models/manifest.json
    #[arg(long, value_name = "FILE|NAME")]
    pub model: Option<String>,
    /// Where the model runs
    #[arg(long, value_enum, default_value_t)]
    pub device: Device,
}

/// A loaded model with the identity of its file.
pub struct Model {
    pub embedder: Embedder,
    pub path: PathBuf,
    pub sha256: String,
    taxonomy: Option<PathBuf>,
}

impl ModelArgs {
    /// Finds and loads the model.
    pub fn load(&self) -> Result<Model> {
        let (path, taxonomy) = self.locate()?;
        let bytes = read(&path)?;
        let embedder = self.device.load(&bytes).map_err(|e| e.context(path.display()))?;
        Ok(Model { embedder, sha256: sha256_hex(&bytes), path, taxonomy })
    }

    fn locate(&self) -> Result<(PathBuf, Option<PathBuf>)> {
        let from_environment =
            || std::env::var_os("PIE_MODEL").filter(|name| !name.is_empty()).map(|name| name.to_string_lossy().into_owned());
        let named = self.model.clone().or_else(from_environment);
        if let Some(path) = named.as_deref().map(Path::new).filter(|path| path.is_file() || path.components().count() > 1) {
            return Ok((path.to_owned(), Some(path.with_extension("taxonomy")).filter(|p| p.exists())));
        }
        let Some((dir, manifest)) = find_manifest()? else {
            let wanted = named.map_or_else(String::new, |name| format!("no file {name:?}, and "));
            let message =
                format!("{wanted}no models/manifest.json beside the program or above it: name a model file by --model or PIE_MODEL");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        };
        let name = named.unwrap_or(manifest.default);
        let Some(entry) = manifest.models.iter().find(|entry| entry.name == name) else {
            let known: Vec<&str> = manifest.models.iter().map(|entry| entry.name.as_str()).collect();
            let message = format!("no file {name:?} and no model of that name in {}; there are: {}", dir.display(), known.join(", "));
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        };
        Ok((dir.join(&entry.file), entry.taxonomy.as_ref().map(|t| dir.join(&t.file))))
    }
}

/// The bytes of a model file; of a file that is none, no more than its header is read.
fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |e| Error::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return fs::read(path).map_err(io);
    }
    let size = metadata.len();
    if let Ok(size) = usize::try_from(size) {
        Embedder::check_header(&OnDisk { file: &file, size }).map_err(|e| e.context(path.display()))?;
    }
    memory::check(size, path.display())?;
    let mut bytes = Vec::with_capacity(size as usize);
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(io)?;
    Ok(bytes)
}

/// A file of which pieces are read.
struct OnDisk<'a> {
    file: &'a File,
    size: usize,
}

impl Source for OnDisk<'_> {
    fn size(&self) -> usize {
        self.size
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        let (mut file, mut bytes) = (self.file, vec![0; range.len()]);
        // What cannot be read is no header, and is refused as such.
        let _ = file.seek(SeekFrom::Start(range.start as u64)).and_then(|_| file.read_exact(&mut bytes));
        bytes
    }
}

/// Looks for `models/manifest.json` beside the program and in the folders above it (`target/release` lies in the checkout).
fn find_manifest() -> Result<Option<(PathBuf, Manifest)>> {
    let Ok(exe) = std::env::current_exe() else { return Ok(None) };
    let Some(file) = exe.ancestors().skip(1).map(|dir| dir.join("models/manifest.json")).find(|file| file.exists()) else {
        return Ok(None);
    };
    let manifest = Manifest::load(&file)?;
    Ok(Some((file.parent().unwrap_or(Path::new("")).to_owned(), manifest)))
}

impl Model {
    /// The prompt that is asked for, or the model's own.
    pub fn prompt<'a>(&'a self, asked: Option<&'a Prompt>) -> &'a Prompt {
        asked.unwrap_or(&self.embedder.info().prompt)
    }

    /// The task of each text by the model's taxonomy, `unknown` where none fits or the text is unread; `None`, said on stderr, where it
    /// has no taxonomy.
    pub fn tasks(&self, readings: &Readings, unread: &[f32]) -> Result<Option<Vec<String>>> {
        let Some(taxonomy) = self.own_taxonomy()? else { return Ok(None) };
        let Some(vectors) = readings.task() else {
            say("note: no tasks are counted: they are read from the task view, which --vectors does not have");
            return Ok(None);
        };
        let first =
            |(row, &unread)| taxonomy.classify(row, unread, Level::Task, 1).map(|tags| tags.into_iter().map(|tag| tag.label).collect());
        vectors.data().par_chunks_exact(vectors.dimensions()).zip(unread).map(first).collect::<Result<Vec<String>>>().map(Some)
    }

    /// The share of each text's pieces that the vocabulary lacks, 0..=1. It takes no vectors, so that those of a cache or file serve too.
    pub fn unread<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<f32>> {
        let share = |text: &T| self.embedder.tokenize(text.as_ref(), &EmbedOptions::default()).map(|tokens| tokens.unread);
        texts.par_iter().map(share).collect()
    }

    /// The model's taxonomy; `None`, said on stderr, where it has none.
    pub fn own_taxonomy(&self) -> Result<Option<Taxonomy>> {
        match self.taxonomy(None) {
            Ok(taxonomy) => Ok(Some(taxonomy)),
            Err(e) if e.code() == ErrorCode::NoTaxonomy => {
                say(&format!("note: no tasks are counted: {e}"));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The model's taxonomy, or the one in `file`.
    pub fn taxonomy(&self, file: Option<&Path>) -> Result<Taxonomy> {
        let Some(path) = file.or(self.taxonomy.as_deref()) else {
            let message =
                format!("{} has no taxonomy beside it: make one by `pie taxonomy`, or name one by --taxonomy", self.path.display());
            return Err(Error::new(ErrorCode::NoTaxonomy, message));
        };
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        Taxonomy::from_bytes(&bytes, &self.sha256, self.embedder.view_size()).map_err(|e| e.context(path.display()))
    }

    /// A tagger of this model's.
    pub fn tagger(&self, path: &Path) -> Result<Tagger> {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        Tagger::from_bytes(&bytes, &self.sha256, &self.embedder).map_err(|e| e.context(path.display()))
    }
}
