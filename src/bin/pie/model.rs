//! Which model a command uses: a file, a name in the manifest, `PIE_MODEL`, or the manifest's default.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::tasks::{Level, Taxonomy, Vectors};
use pie_embed_wasm::{EmbedOptions, Embedder, Error, ErrorCode, Prompt, Result, sha256_hex};

use crate::cache::{CacheArgs, text_hash};
use crate::device::Device;
use crate::manifest::Manifest;
use crate::output::say;
use crate::progress::Progress;

/// Texts that are encoded and kept at a time: enough for all cores to stay busy, and little to lose.
const STRIDE: usize = 256;

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
        let bytes = fs::read(&path).map_err(|e| Error::io(&path, e))?;
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
    /// The vectors of texts, at length 1, with progress on stderr. Equal texts are encoded once, and those in the cache not at all.
    pub fn encode(&self, texts: &[&str], prompt: Option<Prompt>, cache: &CacheArgs, what: &str) -> Result<Vectors> {
        if texts.is_empty() {
            return Err(Error::new(ErrorCode::NoTexts, format!("{what}: there is no text")));
        }
        let dimensions = self.embedder.config().hidden_size;
        let mut cache =
            cache.open(&self.sha256, &self.embedder.device(), prompt.as_ref().unwrap_or(&self.embedder.info().prompt), dimensions)?;
        let options = EmbedOptions { prompt, ..EmbedOptions::default() };
        let hashes: Vec<u128> = texts.iter().map(|text| text_hash(text)).collect();
        let mut first: HashMap<u128, usize> = HashMap::with_capacity(texts.len());
        for (row, hash) in hashes.iter().enumerate() {
            first.entry(*hash).or_insert(row);
        }
        let mut data = vec![0.0; texts.len() * dimensions];
        let mut known = vec![false; texts.len()];
        if let Some(cache) = &mut cache {
            cache.read(&first, |row, vector| {
                data[row * dimensions..][..dimensions].copy_from_slice(vector);
                known[row] = true;
            })?;
            let found = known.iter().filter(|known| **known).count();
            if found > 0 {
                say(&format!("note: {found} of {} vectors come from {}", first.len(), cache.path().display()));
            }
        }
        let missing: Vec<usize> = (0..texts.len()).filter(|&row| first[&hashes[row]] == row && !known[row]).collect();
        let progress = Progress::steps(missing.len() as u64, what.to_owned());
        for (n, rows) in missing.chunks(STRIDE).enumerate() {
            let chunk: Vec<&str> = rows.iter().map(|&row| texts[row]).collect();
            let embeddings = self.embedder.embed(&chunk, &options).map_err(|e| e.context(format!("{what}, from text {} on", rows[0])))?;
            for (&row, vector) in rows.iter().zip(embeddings.rows()) {
                data[row * dimensions..][..dimensions].copy_from_slice(vector);
            }
            let kept = cache.as_mut().map_or(Ok(()), |cache| cache.append(rows.iter().map(|&row| hashes[row]), &embeddings.data));
            if let Err(e) = kept {
                progress.print(&format!("note: vectors are not kept from here on: {e}"));
                cache = None;
            }
            progress.set(((n * STRIDE) + rows.len()) as u64);
        }
        progress.finish();
        for row in 0..texts.len() {
            let same = first[&hashes[row]];
            data.copy_within(same * dimensions..(same + 1) * dimensions, row * dimensions);
        }
        Ok(Vectors::new(data, dimensions)?.normalized())
    }

    /// The task of each vector by the model's taxonomy, `unknown` where none fits; `None`, said on stderr, where it has no taxonomy.
    pub fn tasks(&self, vectors: &Vectors) -> Result<Option<Vec<String>>> {
        let Some(taxonomy) = self.own_taxonomy()? else { return Ok(None) };
        let first = |row| taxonomy.classify(row, Level::Task, 1).map(|tags| tags.into_iter().map(|tag| tag.label).collect());
        vectors.rows().map(first).collect::<Result<Vec<String>>>().map(Some)
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
        Taxonomy::from_bytes(&bytes, &self.sha256, self.embedder.config().hidden_size).map_err(|e| e.context(path.display()))
    }
}
