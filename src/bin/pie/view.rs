//! `--view`: which part of a vector a command reads.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use pie_embed_wasm::encoder::Reading;
use pie_embed_wasm::tasks::Vectors;
use pie_embed_wasm::{EmbedOptions, Error, ErrorCode, Result, View};

use crate::model::Model;
use crate::output::say;

/// The metadata key of the view that a file's vectors were made with, as [`Made`] writes it.
pub const VIEW: &str = "pie.view";

#[derive(Clone, Copy, Default, clap::Args)]
pub struct ViewArgs {
    /// What is read of a model of two views: task (what a text asks for), meaning (what it is about), or both [default: task]
    #[arg(long)]
    pub view: Option<View>,
    /// The weight of the task view in --view both, 0 to 1 [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    pub mix: Option<f32>,
}

impl ViewArgs {
    /// These options with the view.
    pub fn apply(self, options: EmbedOptions) -> EmbedOptions {
        EmbedOptions { view: self.view, mix: self.mix, ..options }
    }

    /// Refuses vectors that were made by `made` where another view is asked for.
    pub fn check(self, model: &Model, made: &EmbedOptions) -> Result<()> {
        if self.view.is_none() && self.mix.is_none() {
            return Ok(());
        }
        let asked = Made::from(model.embedder.reading(&self.apply(EmbedOptions::default()))?);
        let made = Made::from(model.embedder.reading(made)?);
        if asked != made {
            let message = format!("its vectors were made with view {made}; {asked} is asked for");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        Ok(())
    }

    /// The view by which a command finds near-duplicates: the one that was asked for, or the model's default for it.
    fn duplicates(self, model: &Model) -> View {
        self.view.unwrap_or_else(|| model.embedder.duplicates_view())
    }
}

/// The view that vectors were made with: `task`, `meaning`, or `both` and the weight of the task view, as in `both 0.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Made {
    view: View,
    /// Of both views alone.
    mix: Option<f32>,
}

impl Made {
    /// The options that make such vectors.
    pub fn options(self, options: EmbedOptions) -> EmbedOptions {
        EmbedOptions { view: Some(self.view), mix: self.mix, ..options }
    }
}

impl From<Reading> for Made {
    fn from(Reading { view, mix, .. }: Reading) -> Self {
        Self { view, mix: (view == View::Both).then_some(mix) }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mix {
            Some(mix) => write!(f, "{} {mix}", self.view),
            None => self.view.fmt(f),
        }
    }
}

impl FromStr for Made {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (view, mix) = text.split_once(' ').map_or((text, None), |(view, mix)| (view, Some(mix)));
        let mix = mix
            .map(str::parse)
            .transpose()
            .map_err(|e| Error::new(ErrorCode::Data, format!("{VIEW} is {text:?}; a number should stand after the view")).with_source(e))?;
        Ok(Self { view: view.parse()?, mix })
    }
}

/// What a command does with the vectors of its rows beside what `--view` is for.
#[derive(Clone, Copy, Default)]
pub struct Uses {
    /// It names their tasks, by the task view.
    pub tasks: bool,
    /// It finds near-duplicates among them.
    pub duplicates: bool,
}

/// The vectors of a data set in each view that a command uses, from one pass over its texts.
pub struct Readings {
    main: Vectors,
    view: View,
    /// Whether `main` has a task view that can be read: of both views with the weight 0 for it, there is none.
    has_task: bool,
    /// Both views with equal weights, where one of the uses needs what `main` lacks.
    whole: Option<Vectors>,
    duplicates: View,
}

impl Readings {
    /// Calls `encode` once: with the options as they are if that serves all uses, and otherwise for both views.
    pub fn new(
        args: ViewArgs,
        uses: Uses,
        model: &Model,
        options: EmbedOptions,
        encode: impl FnOnce(EmbedOptions) -> Result<Vectors>,
    ) -> Result<Self> {
        let options = args.apply(options);
        let reading = model.embedder.reading(&options)?;
        let duplicates = args.duplicates(model);
        // Of both views one can be read, unless its weight is 0.
        let has_task = reading.view == View::Task || reading.view == View::Both && reading.mix > 0.0;
        if (has_task || !uses.tasks) && (duplicates == reading.view || !uses.duplicates) {
            return Ok(Self { main: encode(options)?, view: reading.view, has_task, whole: None, duplicates });
        }
        let whole = encode(EmbedOptions { view: Some(View::Both), mix: None, ..options })?;
        let main = match reading.view {
            View::Task | View::Meaning => half(&whole, reading.view),
            View::Both => mixed(&whole, reading.mix)?,
        };
        Ok(Self { main, view: reading.view, has_task, whole: Some(whole), duplicates })
    }

    /// Vectors that were made before, in the view that `--view` names; there is no other.
    pub fn ready(args: ViewArgs, uses: Uses, model: &Model, main: Vectors) -> Self {
        let (view, duplicates) = (args.view.unwrap_or_default(), args.duplicates(model));
        if uses.duplicates && duplicates != view {
            say(&format!("note: near-duplicates are found by the {view} view, which is all that --vectors has"));
        }
        let has_task = view == View::Task || view == View::Both && args.mix != Some(0.0);
        Self { main, view, has_task, whole: None, duplicates }
    }

    /// The view that `--view` names.
    pub const fn main(&self) -> &Vectors {
        &self.main
    }

    /// The same, when the other views have been used.
    pub fn into_main(self) -> Vectors {
        self.main
    }

    /// The task view, by which tasks are named; none where the vectors were made before, without it.
    pub fn task(&self) -> Option<Cow<'_, Vectors>> {
        match (self.view, &self.whole) {
            (View::Task, _) => Some(Cow::Borrowed(&self.main)),
            (_, Some(whole)) => Some(Cow::Owned(half(whole, View::Task))),
            (View::Both, None) if self.has_task => Some(Cow::Owned(half(&self.main, View::Task))),
            (View::Both | View::Meaning, None) => None,
        }
    }

    /// The view by which near-duplicates are found; that of vectors which were made before, whatever it is.
    pub const fn duplicates(&self) -> &Vectors {
        match &self.whole {
            Some(whole) if matches!(self.duplicates, View::Both) && !matches!(self.view, View::Both) => whole,
            _ => &self.main,
        }
    }
}

/// One of two views, at length 1.
fn half(whole: &Vectors, view: View) -> Vectors {
    let size = whole.dimensions() / 2;
    let columns = if view == View::Meaning { size..2 * size } else { 0..size };
    whole.columns(columns).normalized()
}

/// Both views with the weight `mix` for the task view, from equal weights.
fn mixed(whole: &Vectors, mix: f32) -> Result<Vectors> {
    let size = whole.dimensions() / 2;
    let scales = [(2.0 * mix).sqrt(), (2.0 * (1.0 - mix)).sqrt()];
    let data = whole.data().iter().enumerate().map(|(at, x)| x * scales[at / size % 2]).collect();
    Vectors::new(data, whole.dimensions())
}
