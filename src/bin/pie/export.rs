//! `pie export`: a trained checkpoint as a model file to ship, held against the checkpoint, with its manifest entry and card.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pie_embed_wasm::checkpoint::{Checkpoint, Pruned, prune};
use pie_embed_wasm::config::Dtype;
use pie_embed_wasm::gguf::{ConvertOptions, convert};
use pie_embed_wasm::ieb::{Fidelity, ModelEncoder, TextEncoder, Vectors, fidelity};
use pie_embed_wasm::{EmbedOptions, Embedder, Error, ErrorCode, Prompt, Result, sha256_hex};
use serde_json::{Value, json};

use crate::card;
use crate::corpus::{read_all, read_each, spread};
use crate::manifest::{Attached, Entry, Manifest, to_json};
use crate::output::{print, say, write_files};
use crate::storage::StorageArgs;

/// Texts that are compared where --sample names none.
const SAMPLE: usize = 500;

/// Make a model file to ship from a trained checkpoint: dtypes, vocabulary, comparison, manifest entry, card
///
/// Dtypes are f32, f16, q8_0 or q4_0. Token types, norms and biases stay f32.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with config.json, tokenizer.json and model.safetensors
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// The model file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
    /// The prompt that the model was trained with: pie, short, none, or a text with one {instruction}
    #[arg(long, default_value = "none")]
    prompt: Prompt,
    /// Cut the vocabulary to N pieces: those that the corpus uses most, and all that is needed to spell anything
    #[arg(long, value_name = "N", requires = "vocab_corpus")]
    vocab: Option<usize>,
    /// Texts whose pieces are counted: lines, .jsonl, or .json; each file counts alike
    #[arg(long, value_name = "FILE", num_args = 1..)]
    vocab_corpus: Vec<PathBuf>,
    /// Texts to compare the file with the f32 checkpoint on; 500 of the vocabulary's corpus by default
    #[arg(long, value_name = "FILE", num_args = 1..)]
    sample: Vec<PathBuf>,
    /// Name in the file's metadata and in the manifest; the output file's by default
    #[arg(long)]
    name: Option<String>,
    /// The model that training began with
    #[arg(long, default_value = "")]
    base: String,
    /// A data set that it was trained on, with its licence; may be given several times
    #[arg(long, value_name = "TEXT")]
    data: Vec<String>,
    /// What the model is bad at, for the card; may be given several times
    #[arg(long, value_name = "TEXT")]
    limitation: Vec<String>,
    /// The taxonomy made with this model, for the manifest entry
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// What `pie eval --json` said of this very file, for the manifest entry and the card
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// Put the entry into this manifest (models/manifest.json), in the place of the model of its name
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Make it the manifest's default model
    #[arg(long, requires = "manifest")]
    make_default: bool,
    /// Write a model card (Markdown)
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Print JSON: the entry and the comparison
    #[arg(long)]
    json: bool,
}

/// The exported model's vectors against those of the f32 checkpoint.
pub struct Comparison {
    pub whole: Fidelity,
    pub worst_text: String,
    /// Of the smaller vocabulary alone, in f32.
    pub vocabulary: Option<Fidelity>,
}

pub fn run(args: &Args) -> Result<()> {
    let checkpoint = Checkpoint::load(&args.checkpoint)?;
    let stem = || args.output.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let options = args.storage.options(&checkpoint, args.name.clone().unwrap_or_else(stem), args.prompt.clone())?;
    check_folder(args)?;
    let corpora = read_each(&args.vocab_corpus)?;
    let sample = if args.sample.is_empty() { spread(&corpora.concat(), SAMPLE) } else { read_all(&args.sample)? };
    let pruned = args.vocab.map(|size| prune(&checkpoint, &corpora, size)).transpose()?;
    let exported = pruned.as_ref().map_or(&checkpoint, |pruned| &pruned.checkpoint);
    let bytes = convert(exported, &options)?;
    // Loaded as a user would: what cannot be read back is not written.
    let embedder = Embedder::from_bytes(&bytes)?;
    let comparison = compare(&checkpoint, pruned.as_ref(), &embedder, &options, &sample)?;
    let entry = entry(args, &options, &bytes, comparison.as_ref())?;

    let mut files = vec![(args.output.clone(), bytes)];
    if let Some(path) = &args.manifest {
        let mut manifest = Manifest::load_or_new(path)?;
        manifest.merge(entry.clone(), args.make_default);
        files.push((path.clone(), to_json(&manifest)?));
    }
    if let Some(path) = &args.card {
        let card = card::render(&entry, &embedder, pruned.as_ref(), comparison.as_ref(), &args.limitation);
        files.push((path.clone(), card.into_bytes()));
    }
    write_files(&files)?;

    let text = if args.json {
        let report = json!({
            "entry": entry,
            "vocabulary": pruned.as_ref().map(vocabulary_json),
            "comparison": comparison.as_ref().map(comparison_json),
        });
        String::from_utf8_lossy(&to_json(&report)?).into_owned()
    } else {
        summary(args, &entry, pruned.as_ref(), comparison.as_ref())?
    };
    print(text)
}

/// The manifest names files of its own folder.
fn check_folder(args: &Args) -> Result<()> {
    if let Some(path) = &args.manifest
        && folder(path) != folder(&args.output)
    {
        let message = format!("{} must lie beside {}: the manifest names files of its own folder", args.output.display(), path.display());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

fn folder(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))).ok()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn compare(
    checkpoint: &Checkpoint,
    pruned: Option<&Pruned>,
    exported: &Embedder,
    options: &ConvertOptions,
    sample: &[String],
) -> Result<Option<Comparison>> {
    if sample.is_empty() {
        say("note: nothing to compare on: name texts by --sample");
        return Ok(None);
    }
    let texts: Vec<&str> = sample.iter().map(String::as_str).collect();
    let encode = |embedder: &Embedder| -> Result<Vectors> {
        // Both views where the model has two: a fault of either shows.
        let options = EmbedOptions { view: Some(embedder.duplicates_view()), ..EmbedOptions::default() };
        let encoder = ModelEncoder { name: String::new(), embedder, options, on_progress: None };
        encoder.encode(&texts, &texts)
    };
    let plain =
        ConvertOptions { dtype: Dtype::F32, ffn_dtype: None, embedding_dtype: Dtype::F32, position_dtype: Dtype::F32, ..options.clone() };
    let reference = encode(&Embedder::from_bytes(&convert(checkpoint, &plain)?)?)?;
    let whole = fidelity(&reference, &encode(exported)?)?;
    let vocabulary = match pruned {
        Some(pruned) => Some(fidelity(&reference, &encode(&Embedder::from_bytes(&convert(&pruned.checkpoint, &plain)?)?)?)?),
        None => None,
    };
    let worst_text = sample.get(whole.worst_row).map(|text| text.chars().take(120).collect()).unwrap_or_default();
    Ok(Some(Comparison { whole, worst_text, vocabulary }))
}

fn entry(args: &Args, options: &ConvertOptions, bytes: &[u8], comparison: Option<&Comparison>) -> Result<Entry> {
    let sha256 = sha256_hex(bytes);
    let taxonomy = match &args.taxonomy {
        Some(path) => {
            let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
            Some(Attached { file: file_name(path), sha256: sha256_hex(&bytes), bytes: bytes.len(), other: BTreeMap::new() })
        }
        None => None,
    };
    let mut figures = serde_json::Map::new();
    if let Some(path) = &args.figures {
        figures = eval_figures(path, &sha256, &options.name)?;
    }
    if let Some(comparison) = comparison {
        figures.insert("against_f32".to_owned(), comparison_json(comparison));
    }
    let dtypes = [
        ("attention", options.dtype),
        ("ffn", options.ffn_dtype.unwrap_or(options.dtype)),
        ("embeddings", options.embedding_dtype),
        ("positions", options.position_dtype),
    ];
    Ok(Entry {
        name: options.name.clone(),
        file: file_name(&args.output),
        sha256,
        bytes: bytes.len(),
        license: args.storage.license.clone(),
        base: args.base.clone(),
        data: args.data.clone(),
        dtype: dtypes.into_iter().map(|(part, dtype)| (part.to_owned(), dtype.to_string())).collect(),
        taxonomy,
        figures: Some(Value::Object(figures)).filter(|figures| figures.as_object().is_some_and(|map| !map.is_empty())),
        other: BTreeMap::new(),
    })
}

/// `{"clustering eft_test.json": {"ari": {"mean": …}}}` from what `pie eval --json` wrote.
fn eval_figures(path: &Path, sha256: &str, name: &str) -> Result<serde_json::Map<String, Value>> {
    let wrong = |what: String| Error::new(ErrorCode::Data, format!("{}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let report: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("no JSON: {e}")).with_source(e))?;
    let measured = report["model"]["sha256"].as_str().ok_or_else(|| wrong("no report of `pie eval --json`".to_owned()))?;
    if measured != sha256 {
        return Err(wrong(format!("measured on a file with sha256 {measured}, but {name} has {sha256}")));
    }
    let mut figures = serde_json::Map::new();
    for test in report["tests"].as_array().into_iter().flatten() {
        // The model stands behind the baseline.
        if let (Some(kind), Some(file), Some(encoder)) =
            (test["test"].as_str(), test["file"].as_str(), test["encoders"].as_array().and_then(|encoders| encoders.last()))
        {
            figures.insert(format!("{kind} {file}"), encoder["scores"].clone());
        }
    }
    Ok(figures)
}

fn fidelity_json(fidelity: &Fidelity) -> Value {
    json!({
        "rows": fidelity.rows,
        "mean_cosine": fidelity.mean_cosine,
        "worst_cosine": fidelity.worst_cosine,
        "neighbour_loss": fidelity.neighbour_loss,
    })
}

fn comparison_json(comparison: &Comparison) -> Value {
    let mut value = fidelity_json(&comparison.whole);
    value["worst_text"] = comparison.worst_text.clone().into();
    if let Some(vocabulary) = &comparison.vocabulary {
        value["vocabulary_alone"] = fidelity_json(vocabulary);
    }
    value
}

fn vocabulary_json(pruned: &Pruned) -> Value {
    json!({
        "pieces": pruned.kept.len(),
        "required": pruned.required,
        "corpus_pieces": pruned.corpus_pieces(),
        "dropped_pieces": pruned.dropped_pieces(),
    })
}

fn summary(args: &Args, entry: &Entry, pruned: Option<&Pruned>, comparison: Option<&Comparison>) -> Result<String> {
    let mut text = format!("{}: {} bytes, sha256 {}\n", args.output.display(), entry.bytes, entry.sha256);
    if let Some(pruned) = pruned {
        let _ = writeln!(text, "vocabulary: {pruned}");
    }
    if let Some(comparison) = comparison {
        let mut line = |what: &str, f: &Fidelity| {
            let loss = f.neighbour_loss.map_or_else(|| "–".to_owned(), |loss| format!("{:.1} %", 100.0 * loss));
            let _ = writeln!(
                text,
                "{what} against f32 on {} texts: cosine {:.5} on average, {:.5} at worst; another nearest neighbour for {loss}",
                f.rows, f.mean_cosine, f.worst_cosine
            );
        };
        line("this file", &comparison.whole);
        if let Some(vocabulary) = &comparison.vocabulary {
            line("the vocabulary alone", vocabulary);
        }
        let _ = writeln!(text, "worst text: {}", comparison.worst_text);
    }
    if args.manifest.is_none() {
        text.push_str("manifest entry:\n");
        text.push_str(&String::from_utf8_lossy(&to_json(entry)?));
    }
    Ok(text)
}
