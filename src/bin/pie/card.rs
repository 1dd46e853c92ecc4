//! The model card: what a model is, what it was made of, how good it is and what at, in Markdown.

use std::fmt::Write as _;

use pie_embed_wasm::checkpoint::Pruned;
use pie_embed_wasm::ieb::Fidelity;
use pie_embed_wasm::{Embedder, View};
use serde_json::Value;

use crate::export::Comparison;
use crate::manifest::Entry;

const NOT_STATED: &str = "not stated";

/// The card's text.
pub fn render(
    entry: &Entry,
    embedder: &Embedder,
    pruned: Option<&Pruned>,
    comparison: Option<&Comparison>,
    limitations: &[String],
) -> String {
    let (config, info) = (embedder.config(), embedder.info());
    let stated = |text: &str| if text.is_empty() { NOT_STATED.to_owned() } else { text.to_owned() };
    let mut card = format!("# {}\n\nMaps an instruction to a vector of its task, for tagging, search and clustering.\n\n", entry.name);
    let mut rows = vec![
        ("File", format!("`{}`, {} bytes, sha256 `{}`", entry.file, entry.bytes, entry.sha256)),
        ("Licence", stated(&entry.license)),
        ("Base model", stated(&entry.base)),
        (
            "Architecture",
            format!(
                "BERT, {} layers, hidden {}, {} heads, intermediate {}, {} positions, {} pieces",
                config.num_hidden_layers,
                config.hidden_size,
                config.num_attention_heads,
                config.intermediate_size,
                config.max_position_embeddings,
                config.vocab_size
            ),
        ),
        ("Vector", vector(embedder)),
        ("Prompt", format!("{}; at most {} tokens", info.prompt, info.max_tokens)),
        ("Dtypes", entry.dtype.iter().map(|(part, dtype)| format!("{part} {dtype}")).collect::<Vec<_>>().join(", ")),
    ];
    if let Some(pruned) = pruned {
        let words = format!("cut to {} pieces, {} of them so that anything can be spelled", pruned.kept.len(), pruned.required);
        rows.push(("Vocabulary", words));
    }
    if !info.provenance.is_empty() {
        rows.push(("Provenance", info.provenance.clone()));
    }
    card.push_str("| | |\n|---|---|\n");
    for (head, cell) in rows {
        let _ = writeln!(card, "| {head} | {} |", cell.replace('|', "\\|").replace('\n', " "));
    }

    card.push_str("\n## Training data\n\n");
    list(&mut card, &entry.data);
    card.push_str("\n## What it is bad at\n\n");
    list(&mut card, limitations);
    if let Some(comparison) = comparison {
        card.push_str(
            "\n## Against its f32 checkpoint\n\n| | texts | cosine, mean | worst | other nearest neighbour |\n|---|---|---|---|---|\n",
        );
        fidelity(&mut card, "this file", &comparison.whole);
        if let Some(vocabulary) = &comparison.vocabulary {
            fidelity(&mut card, "the smaller vocabulary alone", vocabulary);
        }
    }
    figures(&mut card, entry.figures.as_ref());
    card
}

fn vector(embedder: &Embedder) -> String {
    let (views, size, pooling) = (embedder.views(), embedder.view_size(), embedder.pooling());
    match views {
        [_] => format!("{size} dimensions, {pooling} pooling, length 1"),
        _ => {
            let views: Vec<String> = views.iter().map(View::to_string).collect();
            format!("{} views, {}: {size} dimensions each, {pooling} pooling, length 1 each", views.len(), views.join(" and "))
        }
    }
}

fn list(card: &mut String, items: &[String]) {
    if items.is_empty() {
        let _ = writeln!(card, "{NOT_STATED}");
    }
    for item in items {
        let _ = writeln!(card, "- {item}");
    }
}

fn fidelity(card: &mut String, what: &str, f: &Fidelity) {
    let loss = f.neighbour_loss.map_or_else(|| "–".to_owned(), |loss| format!("{:.1} %", 100.0 * loss));
    let _ = writeln!(card, "| {what} | {} | {:.5} | {:.5} | {loss} |", f.rows, f.mean_cosine, f.worst_cosine);
}

/// The figures of `pie eval`, a table a test.
fn figures(card: &mut String, figures: Option<&Value>) {
    let tests = figures.and_then(Value::as_object).into_iter().flatten().filter(|(name, _)| *name != "against_f32");
    for (n, (test, scores)) in tests.enumerate() {
        if n == 0 {
            card.push_str("\n## Figures\n\nBy `pie eval`, on this file.\n");
        }
        let _ = write!(card, "\n| {test} | |\n|---|---|\n");
        for (name, score) in scores.as_object().into_iter().flatten() {
            let number = |field: &str| score.get(field).and_then(Value::as_f64);
            let mut cell = number("mean").map_or_else(|| "–".to_owned(), |mean| format!("{mean:.4}"));
            if let Some(deviation) = number("deviation") {
                let _ = write!(cell, " ± {deviation:.4}");
            }
            if let Some(ceiling) = number("ceiling") {
                let _ = write!(cell, " (at most {ceiling:.4})");
            }
            let _ = writeln!(card, "| {name} | {cell} |");
        }
    }
}
