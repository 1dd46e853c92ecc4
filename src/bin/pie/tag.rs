//! `pie tag`: texts to kinds and tasks.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use pie_embed_wasm::dataset::Turn;
use pie_embed_wasm::tasks::{Level, Read, Tag, WithRequests};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde::Serialize;

use crate::cache::CacheArgs;
use crate::embed::PromptArgs;
use crate::encode::Encoder;
use crate::input::{Faults, InputArgs, Row};
use crate::model::ModelArgs;
use crate::progress::Progress;
use crate::sink::{OutputArgs, SinkRow};

/// Name what each text asks for: one JSON line a text, its kinds and tasks, best first
///
/// Texts are the arguments, or the lines of --input, or those of stdin. `unknown` stands first when a text is like no known one; the
/// kinds of several requests in one text stand in their order, each with its own score, and of an instruction in a template's frame it is the
/// instruction that counts. A turn of a chat has its "conversation", "turn" and "time". Every line has "kinds", each with its family;
/// "kind", the first of them; the first three "tasks"; and "unread", the share of the text's pieces that the model's vocabulary has no
/// word for: where that is more than a half, all that is said is `unknown` with the reason "unread". Of a taxonomy without kinds, "kinds" is
/// empty and "kind" null.
#[derive(clap::Args)]
pub struct Args {
    /// Texts to tag
    #[arg(value_name = "TEXT", conflicts_with = "input")]
    pub texts: Vec<String>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub prompt: PromptArgs,
    /// At most this many kinds a text, or labels with --tagger; tasks, where the taxonomy has no kinds
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub top_k: usize,
    /// A taxonomy file other than the model's own
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// Name labels of your own instead, as `pie tagger fit` learned them: a line then has "labels", each with its score
    #[arg(long, value_name = "FILE", conflicts_with = "taxonomy")]
    pub tagger: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// JSON lines also on a terminal
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
}

impl Args {
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no labels a text.
    pub fn check(&self) -> Result<()> {
        match self.top_k {
            0 => Err(Error::new(ErrorCode::InvalidArgument, "--top-k is 0; it must be at least 1")),
            _ => Ok(()),
        }
    }
}

/// Where a text stands in a conversation, beside its tags.
#[derive(Serialize)]
pub struct TurnColumns<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    turn: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
}

impl<'a> From<&'a Turn> for TurnColumns<'a> {
    fn from(turn: &'a Turn) -> Self {
        Self { conversation: turn.conversation.as_deref(), turn: turn.number, time: turn.time.as_deref() }
    }
}

impl TurnColumns<'_> {
    pub fn schema() -> [Field; 3] {
        let column = |name, kind| Field::new(name, kind, true);
        [column("conversation", DataType::Utf8), column("turn", DataType::UInt32), column("time", DataType::Utf8)]
    }
}

/// Tasks a text, beside its kinds.
const TASKS: usize = 3;

#[derive(Serialize)]
struct Tagged<'a> {
    text: &'a str,
    #[serde(flatten)]
    turn: Option<TurnColumns<'a>>,
    kinds: Vec<Tag>,
    /// The first of `kinds`.
    kind: Option<Tag>,
    tasks: Vec<Tag>,
    unread: f32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub fn run(args: Args) -> Result<()> {
    args.check()?;
    let model = args.model.load()?;
    let taxonomy = model.taxonomy(args.taxonomy.as_deref())?;
    let mut encoder = Encoder::new(&model, args.prompt.options()?, &args.cache, args.input.is_file())?;
    let for_people = args.output.is_plain() && !args.json && std::io::stdout().is_terminal();
    let mut sink = args.output.open(schema(), None)?;
    let mut faults = Faults::default();

    let tag = |rows: &[Row], progress: &Progress| -> Result<()> {
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
                kinds: Vec::new(),
                kind: None,
                tasks: Vec::new(),
                unread: 0.0,
                truncated: false,
                error: row.error.as_deref(),
            };
            if row.error.is_none()
                && let Some(((whole, of_row), &truncated)) = vectors.next()
            {
                let classify = |level, top_k| taxonomy.classify_requests(whole, of_row, level, top_k);
                if taxonomy.has_kinds() {
                    tagged.kinds = classify(Level::Kind, args.top_k)?;
                    tagged.kind = tagged.kinds.first().cloned();
                }
                tagged.tasks = classify(Level::Task, if taxonomy.has_kinds() { TASKS } else { args.top_k })?;
                // Of a framed instruction the frame was not classified.
                let classified = if let [framed] = of_row { framed } else { &whole };
                (tagged.unread, tagged.truncated) = (classified.unread, truncated);
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
    };

    args.input.each_chunk(args.texts, &mut faults, tag)?;
    sink.finish()?;
    encoder.say_found();
    args.input.finish(faults)
}

fn schema() -> Schema {
    let text = |name, may_lack| Field::new(name, DataType::Utf8, may_lack);
    let tag = || {
        let score = Field::new("score", DataType::Float32, false);
        DataType::Struct(vec![text("label", false), text("name", false), text("family", true), score, text("reason", true)].into())
    };
    let tags = |name| Field::new(name, DataType::List(Arc::new(Field::new("item", tag(), false))), false);
    let tagged = [
        tags("kinds"),
        Field::new("kind", tag(), true),
        tags("tasks"),
        Field::new("unread", DataType::Float32, false),
        Field::new("truncated", DataType::Boolean, true),
        text("error", true),
    ];
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
        let line = |tag: &Tag, what: String| {
            let reason = tag.reason.map_or_else(String::new, |_| format!(": {:.0} % of the text is unread", self.unread * 100.0));
            format!("  {:>5.1} %  {what}{reason}", tag.score * 100.0)
        };
        let kind =
            |tag: &Tag| line(tag, tag.family.as_ref().map_or_else(|| tag.name.clone(), |family| format!("{}  ({family})", tag.name)));
        let task = |tag: &Tag| line(tag, format!("{}  ({})", tag.name, tag.label));
        let error = self.error.map(|e| format!("  error: {e}"));
        let lines = [first].into_iter().chain(self.kinds.iter().map(kind)).chain(self.tasks.iter().map(task)).chain(error);
        lines.collect::<Vec<_>>().join("\n")
    }
}
