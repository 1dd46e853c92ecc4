//! `pie info`: what is in a model or taxonomy file.

use std::fs;
use std::path::PathBuf;

use pie_embed_wasm::encoder::read_views;
use pie_embed_wasm::gguf::{Array, Gguf, Value, keys};
use pie_embed_wasm::{Error, ErrorCode, Result, View, sha256_hex};
use serde_json::json;

use crate::output::print;

/// Strings of a list that are shown to people.
const SHOWN: usize = 4;

/// Show what is in a model or taxonomy file
#[derive(clap::Args)]
pub struct Args {
    file: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let bytes = fs::read(&args.file).map_err(|e| Error::io(&args.file, e))?;
    let gguf = Gguf::parse(&bytes).map_err(|e| e.context(args.file.display()))?;
    let sha256 = sha256_hex(&bytes);
    let text = if args.json {
        let metadata: serde_json::Map<String, _> = gguf.metadata().iter().map(|(key, value)| ((*key).to_owned(), to_json(value))).collect();
        let tensors: Vec<_> =
            gguf.tensors().map(|t| json!({"name": t.name, "dtype": t.dtype, "dimensions": t.dimensions, "bytes": t.data.len()})).collect();
        let views: Vec<_> = views(&gguf).into_iter().map(|(view, dimensions)| json!({"name": view, "dimensions": dimensions})).collect();
        let object =
            json!({"file": args.file, "bytes": bytes.len(), "sha256": sha256, "views": views, "metadata": metadata, "tensors": tensors});
        serde_json::to_string_pretty(&object).map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?
    } else {
        let mut lines = vec![format!("{}: {} bytes, sha256 {sha256}", args.file.display(), bytes.len())];
        let views = views(&gguf);
        if !views.is_empty() {
            let views: Vec<String> = views.iter().map(|(view, dimensions)| format!("{view} of {dimensions} dimensions")).collect();
            lines.push(format!("views: {}", views.join(", ")));
        }
        lines.push(String::new());
        lines.extend(gguf.metadata().iter().map(|(key, value)| format!("{key:<42} {}", to_text(value))));
        lines.push(String::new());
        let tensors = gguf.tensors();
        lines.extend(tensors.map(|t| {
            format!("{:<42} {:>5} {:<16} {:>10} bytes", t.name, t.dtype.to_string(), format!("{:?}", t.dimensions), t.data.len())
        }));
        lines.join("\n")
    };
    print(text + "\n")
}

/// The views of a model with their dimensions; none of a taxonomy, or where what the file says of them is wrong.
fn views(gguf: &Gguf<'_>) -> Vec<(View, usize)> {
    let names = gguf.size(keys::EMBEDDING_LENGTH).and_then(|hidden| Ok((read_views(gguf, hidden)?, hidden)));
    names.map_or_else(|_| Vec::new(), |(views, hidden)| views.iter().map(|&view| (view, hidden / views.len())).collect())
}

fn to_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::U8(n) => json!(n),
        Value::I8(n) => json!(n),
        Value::U16(n) => json!(n),
        Value::I16(n) => json!(n),
        Value::U32(n) => json!(n),
        Value::I32(n) => json!(n),
        Value::U64(n) => json!(n),
        Value::I64(n) => json!(n),
        Value::F32(x) => json!(x),
        Value::F64(x) => json!(x),
        Value::Bool(b) => json!(b),
        Value::String(s) => json!(s),
        Value::Array(Array::Strings(strings)) => json!(strings),
        Value::Array(Array::Numbers { width, bytes }) => json!({"numbers": bytes.len() / width}),
    }
}

fn to_text(value: &Value<'_>) -> String {
    match value {
        Value::Array(Array::Strings(strings)) => {
            let first: Vec<&str> = strings.iter().copied().take(SHOWN).collect();
            format!("{} strings: {}{}", strings.len(), first.join(", "), if strings.len() > SHOWN { ", …" } else { "" })
        }
        Value::Array(Array::Numbers { width, bytes }) => format!("{} numbers", bytes.len() / width),
        Value::String(s) => (*s).to_owned(),
        other => to_json(other).to_string(),
    }
}
