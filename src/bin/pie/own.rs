//! `pie tag --tagger`: texts to labels of a user's own.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use pie_embed_wasm::tasks::{Read, Tag, Tagger, WithRequests};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::encode::Encoder;
use crate::input::{Faults, Row};
use crate::progress::Progress;
use crate::sink::SinkRow;
use crate::tag::{Args, TurnColumns};

#[derive(Serialize)]
struct Scored {
    label: String,
    score: f32,
    /// Why the label is unknown, where that does not come from the scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<pie_embed_wasm::tasks::Reason>,
}

#[derive(Serialize)]
struct Tagged<'a> {
    text: &'a str,
    #[serde(flatten)]
    turn: Option<TurnColumns<'a>>,
    labels: Vec<Scored>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub fn run(args: Args, file: &Path) -> Result<()> {
    args.check()?;
    if args.prompt.options()?.prompt.is_some() || args.prompt.options()?.max_tokens.is_some() {
        let message = "--tagger reads texts with the model's own prompt and limit, as it was learned: leave --prompt and --max-tokens out";
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let model = args.model.load()?;
    let tagger = model.tagger(file)?;
    let mut encoder = Encoder::new(&model, Tagger::embed_options(&model.embedder), &args.cache, args.input.is_file())?;
    let for_people = args.output.is_plain() && !args.json && std::io::stdout().is_terminal();
    let mut sink = args.output.open(schema(), None)?;
    let mut faults = Faults::default();
    let top_k = args.top_k;
    args.input.each_chunk(args.texts, &mut faults, |rows: &[Row], progress: &Progress| {
        let whole: Vec<&str> = rows.iter().filter_map(Row::request).collect();
        let texts = WithRequests::new(&whole);
        let encoded = encoder.encode(texts.all(), progress)?;
        let unread = model.unread(texts.all())?;
        let read: Vec<Read<'_>> = encoded.rows().zip(&unread).map(|(vector, &unread)| Read { vector, unread }).collect();
        let mut vectors = texts.pairs(&read).into_iter().zip(&encoded.truncated);
        let tagged = rows.iter().map(|row| {
            let mut tagged = Tagged {
                text: &row.text,
                turn: row.turn.as_ref().map(TurnColumns::from),
                labels: Vec::new(),
                truncated: false,
                error: row.error.as_deref(),
            };
            if row.error.is_none()
                && let Some(((whole, of_row), &truncated)) = vectors.next()
            {
                let tags = tagger.tag_requests(whole, of_row, top_k)?;
                tagged.labels = tags.into_iter().map(|Tag { label, score, reason, .. }| Scored { label, score, reason }).collect();
                tagged.truncated = truncated;
            }
            Ok(tagged)
        });
        let tagged = tagged.collect::<Result<Vec<Tagged<'_>>>>()?;
        if for_people {
            tagged.iter().try_for_each(|row| sink.print(&row.for_people()))?;
        } else {
            sink.write(&tagged)?;
        }
        sink.flush()
    })?;
    sink.finish()?;
    encoder.say_found();
    args.input.finish(faults)
}

fn schema() -> Schema {
    let text = |name, may_lack| Field::new(name, DataType::Utf8, may_lack);
    let score = Field::new("score", DataType::Float32, false);
    let label = DataType::Struct(vec![text("label", false), score, text("reason", true)].into());
    let labels = Field::new("labels", DataType::List(Arc::new(Field::new("item", label, false))), false);
    let tagged = [labels, Field::new("truncated", DataType::Boolean, true), text("error", true)];
    Schema::new([text("text", false)].into_iter().chain(TurnColumns::schema()).chain(tagged).collect::<Vec<_>>())
}

impl SinkRow for Tagged<'_> {
    fn vector(&self) -> &[f32] {
        &[]
    }
}

impl Tagged<'_> {
    fn for_people(&self) -> String {
        let first: String = self.text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let label = |scored: &Scored| {
            let reason = scored.reason.map_or("", |_| ": most of the text is unread");
            format!("  {:>5.1} %  {}{reason}", scored.score * 100.0, scored.label)
        };
        let error = self.error.map(|e| format!("  error: {e}"));
        [first].into_iter().chain(self.labels.iter().map(label)).chain(error).collect::<Vec<_>>().join("\n")
    }
}
