//! What several tests need: the tiny model, the golden files, cosines.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pie_embed_wasm::Prompt;
use pie_embed_wasm::checkpoint::Checkpoint;
use pie_embed_wasm::config::{Dtype, Pooling};
use pie_embed_wasm::gguf::{Array, ConvertOptions, Gguf, GgufWriter, MetadataValue, Value, convert, dequantize, keys};
use serde::Deserialize;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn fixtures() -> PathBuf {
    root().join("tests/fixtures")
}

/// The folder of the all-MiniLM-L6-v2 checkpoint, or `None` (said on stderr) where the environment does not name it.
pub fn base_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("PIE_BASE_DIR").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: PIE_BASE_DIR does not name the all-MiniLM-L6-v2 checkpoint (./build.sh test sets it)");
    }
    dir
}

/// Options that store everything in one dtype.
pub fn options(dtype: Dtype, pooling: Pooling) -> ConvertOptions {
    ConvertOptions {
        dtype,
        ffn_dtype: None,
        embedding_dtype: dtype,
        position_dtype: if dtype == Dtype::F32 { Dtype::F32 } else { Dtype::F16 },
        pooling,
        prompt: Prompt::none(),
        normalize: true,
        max_tokens: None,
        name: "test".to_owned(),
        license: "Apache-2.0".to_owned(),
        provenance: "a test".to_owned(),
    }
}

pub static TINY: LazyLock<Checkpoint> = LazyLock::new(|| Checkpoint::load(&fixtures().join("tiny")).unwrap());

pub fn tiny(dtype: Dtype, pooling: Pooling) -> Vec<u8> {
    convert(&TINY, &options(dtype, pooling)).unwrap()
}

/// What is to be written of a file with views: see `tiny/views.safetensors`.
pub struct Parts<'a> {
    /// Tensors beside those of the tiny model, of this dtype: names, shapes (slowest first) and numbers.
    pub head: Vec<(&'a str, Vec<usize>, Vec<f32>)>,
    pub dtype: Dtype,
    pub views: Option<&'a [&'a str]>,
}

impl<'a> Parts<'a> {
    /// The head of the fixture, and both views.
    pub fn new(dtype: Dtype) -> Self {
        let hidden = TINY.config.hidden_size;
        let head =
            vec![("cls.weight", vec![hidden, hidden], view_golden("head.weight")), ("cls.bias", vec![hidden], view_golden("head.bias"))];
        Self { head, dtype, views: Some(&["task", "meaning"]) }
    }

    /// A model file with these parts added.
    pub fn add_to(&self, model: &[u8]) -> Vec<u8> {
        let gguf = Gguf::parse(model).unwrap();
        let mut file = GgufWriter::default();
        for (key, value) in gguf.metadata().iter().filter(|(key, _)| *key != keys::PIE_CHECKSUM) {
            file.metadata(key, written(value));
        }
        if let Some(views) = self.views {
            let views = views.iter().map(|view| MetadataValue::String((*view).to_owned()));
            file.metadata(keys::PIE_VIEWS, MetadataValue::Array(views.collect()));
        }
        for tensor in gguf.tensors() {
            let mut values = vec![0.0; tensor.len()];
            dequantize(tensor.dtype, &tensor.data, &mut values);
            let shape: Vec<usize> = tensor.dimensions.iter().rev().copied().collect();
            file.tensor(tensor.name, &values, &shape, tensor.dtype).unwrap();
        }
        for (name, shape, values) in &self.head {
            let dtype = if *name == "cls.bias" { Dtype::F32 } else { self.dtype };
            file.tensor(name, values, shape, dtype).unwrap();
        }
        file.finish().unwrap()
    }
}

fn written(value: &Value<'_>) -> MetadataValue {
    match value {
        Value::U32(n) => MetadataValue::U32(*n),
        Value::F32(x) => MetadataValue::F32(*x),
        Value::Bool(b) => MetadataValue::Bool(*b),
        Value::String(s) => MetadataValue::String((*s).to_owned()),
        Value::Array(Array::Strings(strings)) => {
            MetadataValue::Array(strings.iter().map(|s| MetadataValue::String((*s).to_owned())).collect())
        }
        // The only numbers are token types.
        Value::Array(Array::Numbers { bytes, .. }) => {
            MetadataValue::Array(bytes.as_chunks().0.iter().map(|b| MetadataValue::I32(i32::from_le_bytes(*b))).collect())
        }
        other => panic!("{other:?} is in no file of ours"),
    }
}

/// The tiny model with a head and two views.
pub fn two_views(dtype: Dtype) -> Vec<u8> {
    Parts::new(dtype).add_to(&tiny(dtype, Pooling::Mean))
}

/// A tensor of `tiny/views.safetensors`.
pub fn view_golden(name: &str) -> Vec<f32> {
    tensor_of(&std::fs::read(fixtures().join("tiny/views.safetensors")).unwrap(), name)
}

fn tensor_of(file: &[u8], name: &str) -> Vec<f32> {
    let file = safetensors::SafeTensors::deserialize(file).unwrap();
    file.tensor(name).unwrap().data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// The texts of `instructions.jsonl`.
pub fn instructions() -> Vec<String> {
    #[derive(Deserialize)]
    struct Line {
        text: String,
    }
    let file = std::fs::read_to_string(fixtures().join("instructions.jsonl")).unwrap();
    file.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().text).collect()
}

/// What Hugging Face made of the instructions with one checkpoint.
#[derive(Deserialize)]
pub struct Goldens {
    pub hidden_states: Vec<usize>,
    pub items: Vec<Item>,
    pub prompted: Vec<Prompted>,
    pub truncations: Vec<Truncation>,
    #[serde(skip)]
    tensors: Vec<u8>,
}

#[derive(Deserialize)]
pub struct Item {
    pub truncated_ids: Vec<u32>,
    pub truncated: bool,
}

#[derive(Deserialize)]
pub struct Prompted {
    pub index: usize,
    pub text: String,
    pub input_ids: Vec<u32>,
}

#[derive(Deserialize)]
pub struct Truncation {
    pub index: usize,
    pub max_tokens: usize,
    pub input_ids: Vec<u32>,
}

impl Goldens {
    /// `stem` is `tiny/goldens` or `minilm.goldens`.
    pub fn load(stem: &str) -> Self {
        let json = std::fs::read(fixtures().join(format!("{stem}.json"))).unwrap();
        let mut goldens: Self = serde_json::from_slice(&json).unwrap();
        goldens.tensors = std::fs::read(fixtures().join(format!("{stem}.safetensors"))).unwrap();
        goldens
    }

    /// A tensor's numbers, row-major.
    pub fn tensor(&self, name: &str) -> Vec<f32> {
        tensor_of(&self.tensors, name)
    }
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Cosines of the rows of two matrices: mean and worst.
pub fn compare(a: &[f32], b: &[f32], dimensions: usize) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    let cosines: Vec<f64> = a.chunks_exact(dimensions).zip(b.chunks_exact(dimensions)).map(|(a, b)| cosine(a, b)).collect();
    (cosines.iter().sum::<f64>() / cosines.len() as f64, cosines.iter().copied().fold(f64::INFINITY, f64::min))
}
