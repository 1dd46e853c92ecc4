//! Text to vectors: the one public workflow.

use crate::backend::{Backend, Cpu};
use crate::config::{EncoderConfig, Pooling, View};
use crate::encoder::{Arithmetic, Output, Reading, Views, read_config, read_pooling, read_views};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, Source, keys};
use crate::prompt::Prompt;
use crate::tokenizer::{Tokenizer, Tokens, Vocabulary};

/// `[CLS]`, one piece, `[SEP]`.
const MIN_TOKENS: usize = 3;
/// Both views count alike.
const DEFAULT_MIX: f32 = 0.5;

/// What may be set for one call; the default is what the model file says.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pie_embed_wasm::{EmbedOptions, Embedder, View};
/// let embedder = Embedder::from_bytes(&std::fs::read("tests/fixtures/tiny/model-views.gguf")?)?;
/// // What the text is about counts for more here than what it asks for.
/// let options = EmbedOptions { view: Some(View::Both), mix: Some(0.25), ..EmbedOptions::default() };
/// let vectors = embedder.embed(&["Write a poem about rain"], &options)?;
/// assert_eq!(vectors.dimensions, 2 * embedder.view_size());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct EmbedOptions {
    /// The template to put the text into; that of the model when `None`.
    pub prompt: Option<Prompt>,
    /// The view that is read; `None` is [`View::Task`], which is the whole vector of a model of one view.
    pub view: Option<View>,
    /// The weight of the task view in [`View::Both`], 0 to 1; `None` is a half. Of two texts, the cosine of both is
    /// `mix · cosine of task + (1 - mix) · cosine of meaning`.
    pub mix: Option<f32>,
    /// Keep only the first dimensions of the view (Matryoshka) and normalise again; of [`View::Both`] half of them from each view.
    pub dimensions: Option<usize>,
    /// The most tokens of one text, `[CLS]`, `[SEP]` and prompt included; at most the model's.
    pub max_tokens: Option<usize>,
}

/// The vectors of several texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// `[texts, dimensions]`, row-major, each row of length 1 where the model normalises.
    pub data: Vec<f32>,
    pub dimensions: usize,
    /// Tokens that each text took, `[CLS]`, `[SEP]` and prompt included.
    pub token_counts: Vec<usize>,
    /// Texts whose middle was left out.
    pub truncated: Vec<bool>,
    /// The share of each text's pieces that are `[UNK]`, in 0..=1, as [`Tokens::unread`] counts it.
    pub unread: Vec<f32>,
}

impl Embeddings {
    /// The vectors, one slice a text.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.dimensions.max(1))
    }

    /// Number of texts.
    pub const fn len(&self) -> usize {
        self.token_counts.len()
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.token_counts.is_empty()
    }
}

/// A loaded model: tokenizer, encoder, and what its file says of prompt and normalisation.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pie_embed_wasm::{EmbedOptions, Embedder};
/// let embedder = Embedder::from_bytes(&std::fs::read("model.gguf")?)?;
/// let vectors = embedder.embed(&["Write a poem about rain"], &EmbedOptions::default())?;
/// assert_eq!(vectors.len(), 1);
/// # Ok(()) }
/// ```
pub struct Embedder {
    tokenizer: Tokenizer,
    config: EncoderConfig,
    pooling: Pooling,
    backend: Box<dyn Backend>,
    views: Views,
    info: ModelInfo,
}

/// What a model file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    pub name: String,
    pub license: String,
    pub provenance: String,
    pub prompt: Prompt,
    pub normalize: bool,
    pub max_tokens: usize,
    pub bytes: usize,
}

impl Embedder {
    /// Loads a model from the bytes of its GGUF file; they may be dropped afterwards.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`], [`ErrorCode::ModelUnsupported`] or [`ErrorCode::ModelCorrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with(bytes, Arithmetic::default())
    }

    /// [`from_bytes`](Self::from_bytes) with the arithmetic of dense layers chosen.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_bytes_with(bytes: &[u8], arithmetic: Arithmetic) -> Result<Self> {
        Self::from_bytes_on(bytes, |gguf| Ok(Box::new(Cpu::from_gguf(gguf, arithmetic)?)))
    }

    /// [`from_bytes`](Self::from_bytes) with the back end that `load` makes of the file.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and those of `load`.
    pub fn from_bytes_on(bytes: &[u8], load: impl FnOnce(&Gguf<'_>) -> Result<Box<dyn Backend>>) -> Result<Self> {
        Self::from_gguf(&Gguf::parse(bytes)?, load)
    }

    /// Refuses a file by its header, before the rest of it is read.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] and [`ErrorCode::ModelUnsupported`] as [`from_bytes`](Self::from_bytes).
    pub fn check_header(source: &dyn Source) -> Result<()> {
        let header = Gguf::header(source)?;
        let gguf = Gguf::open_unverified(&header, source)?;
        read_views(&gguf, read_config(&gguf)?.hidden_size).map(drop)
    }

    /// [`from_bytes`](Self::from_bytes) for a file that lies elsewhere, of which no more than a tensor at a time is in memory.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_source(source: &dyn Source) -> Result<Self> {
        let header = Gguf::header(source)?;
        Self::from_gguf(&Gguf::open(&header, source)?, |gguf| Ok(Box::new(Cpu::from_gguf(gguf, Arithmetic::default())?)))
    }

    fn from_gguf(gguf: &Gguf<'_>, load: impl FnOnce(&Gguf<'_>) -> Result<Box<dyn Backend>>) -> Result<Self> {
        let (config, pooling, backend) = (read_config(gguf)?, read_pooling(gguf)?, load(gguf)?);
        let views = Views::from_gguf(gguf, &config)?;
        let tokenizer = Tokenizer::new(Vocabulary::from_gguf(gguf)?)?;
        let text = |key: &str| if gguf.get(key).is_some() { gguf.string(key).map(str::to_owned) } else { Ok(String::new()) };
        let positions = config.max_position_embeddings;
        let max_tokens = if gguf.get(keys::PIE_MAX_TOKENS).is_some() { gguf.size(keys::PIE_MAX_TOKENS)? } else { positions };
        if !(MIN_TOKENS..=positions).contains(&max_tokens) {
            let message = format!("{} is {max_tokens}; it must lie in {MIN_TOKENS}..={positions}", keys::PIE_MAX_TOKENS);
            return Err(Error::new(ErrorCode::ModelFormat, message));
        }
        let info = ModelInfo {
            name: text(keys::GENERAL_NAME)?,
            license: text(keys::GENERAL_LICENSE)?,
            provenance: text(keys::PIE_PROVENANCE)?,
            prompt: match text(keys::PIE_PROMPT)?.as_str() {
                "" => Prompt::none(),
                prompt => prompt.parse().map_err(|e: Error| Error::new(ErrorCode::ModelFormat, format!("{}: {e}", keys::PIE_PROMPT)))?,
            },
            normalize: gguf.bool_or(keys::PIE_NORMALIZE, true)?,
            max_tokens,
            bytes: gguf.byte_len(),
        };
        Ok(Self { tokenizer, config, pooling, backend, views, info })
    }

    /// The model's shape.
    pub const fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// How token states become one vector.
    pub const fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// What it runs on, for people.
    pub fn device(&self) -> String {
        self.backend.device()
    }

    /// What the model file says of itself.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The token ids of one text, as [`embed`](Self::embed) takes them.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn tokenize(&self, text: &str, options: &EmbedOptions) -> Result<Tokens> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::BlankText, format!("the text is blank ({} bytes of white space)", text.len())));
        }
        self.tokenizer.encode(text, options.prompt.as_ref().unwrap_or(&self.info.prompt), self.max_tokens(options)?)
    }

    fn max_tokens(&self, options: &EmbedOptions) -> Result<usize> {
        match options.max_tokens {
            None => Ok(self.info.max_tokens),
            Some(n) if (MIN_TOKENS..=self.info.max_tokens).contains(&n) => Ok(n),
            Some(n) => Err(Error::new(
                ErrorCode::InvalidArgument,
                format!("max_tokens is {n}; it must lie in {MIN_TOKENS}..={}", self.info.max_tokens),
            )),
        }
    }

    /// The views that the model has, in the order of its vector's numbers: task alone, or task and meaning.
    pub const fn views(&self) -> &'static [View] {
        self.views.names()
    }

    /// Dimensions of each view, before a prefix is taken; [`View::Both`] has twice as many.
    pub const fn view_size(&self) -> usize {
        self.views.size()
    }

    /// The view by which near-duplicates are found unless a caller says otherwise: both where the model has two, since texts that ask the
    /// same of other topics repeat nothing.
    pub const fn duplicates_view(&self) -> View {
        if self.views().len() > 1 { View::Both } else { View::Task }
    }

    /// The dimensions of the vectors that these options give.
    ///
    /// # Errors
    /// [`ErrorCode::ViewUnavailable`] for a view that the model lacks; [`ErrorCode::InvalidDimensions`] when more dimensions are asked for
    /// than the view has, or none, or an odd number of both views; [`ErrorCode::InvalidArgument`] for a mix out of range or of one view.
    pub fn dimensions(&self, options: &EmbedOptions) -> Result<usize> {
        self.reading(options).map(|reading| reading.dimensions)
    }

    /// What these options read of a vector, defaults filled in.
    ///
    /// # Errors
    /// As [`dimensions`](Self::dimensions).
    pub fn reading(&self, options: &EmbedOptions) -> Result<Reading> {
        let view = options.view.unwrap_or_default();
        if view != View::Task && self.views().len() == 1 {
            let named = if self.info.name.is_empty() { String::new() } else { format!(" {:?}", self.info.name) };
            let message = format!("view is {view}; the model{named} has one view, task, of {} dimensions", self.view_size());
            return Err(Error::new(ErrorCode::ViewUnavailable, message));
        }
        match options.mix {
            Some(mix) if !(0.0..=1.0).contains(&mix) => {
                return Err(Error::new(ErrorCode::InvalidArgument, format!("mix is {mix}; it must lie in 0..=1")));
            }
            Some(mix) if view != View::Both => {
                return Err(Error::new(
                    ErrorCode::InvalidArgument,
                    format!("mix is {mix}, but view is {view}; a mix weighs the views of both"),
                ));
            }
            _ => {}
        }
        let (size, of) = match view {
            View::Task if self.views().len() == 1 => (self.view_size(), "the model has"),
            View::Task => (self.view_size(), "the task view has"),
            View::Meaning => (self.view_size(), "the meaning view has"),
            View::Both => (2 * self.view_size(), "both views have"),
        };
        let dimensions = options.dimensions.unwrap_or(size);
        if !(1..=size).contains(&dimensions) {
            return Err(Error::new(ErrorCode::InvalidDimensions, format!("dimensions is {dimensions}; {of} {size}")));
        }
        if view == View::Both && !dimensions.is_multiple_of(2) {
            let message = format!("dimensions is {dimensions}; both views give half each, so it must be even");
            return Err(Error::new(ErrorCode::InvalidDimensions, message));
        }
        Ok(Reading { view, mix: options.mix.unwrap_or(DEFAULT_MIX), dimensions, normalize: self.info.normalize })
    }

    /// Whether vectors are more than what a back end gives, and [`finish`](Self::finish) thus has something to do.
    pub const fn is_finishing(&self) -> bool {
        !self.views.are_plain()
    }

    /// What a back end outside this embedder must give for these options, so that [`finish`](Self::finish) can take it.
    ///
    /// # Errors
    /// As [`dimensions`](Self::dimensions).
    pub fn output(&self, options: &EmbedOptions) -> Result<Output> {
        self.reading(options).map(|reading| self.views.output(reading))
    }

    /// The vectors, `[texts, dimensions]`, of what a back end gave for [`output`](Self::output).
    ///
    /// # Errors
    /// As [`dimensions`](Self::dimensions); [`ErrorCode::InvalidArgument`] when `pooled` holds no whole rows of that output;
    /// [`ErrorCode::ModelCorrupt`] where the head's weights overflow.
    pub fn finish(&self, pooled: Vec<f32>, options: &EmbedOptions) -> Result<Vec<f32>> {
        let reading = self.reading(options)?;
        let width = self.views.output(reading).dimensions;
        if !pooled.len().is_multiple_of(width) {
            let message = format!("{} numbers are no whole vectors of {width}", pooled.len());
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        self.views.read(pooled, reading)
    }

    /// The vectors of `texts`, in order. A text's vector does not depend on its neighbours.
    ///
    /// # Errors
    /// [`ErrorCode::NoTexts`], [`ErrorCode::BlankText`] (naming the text), [`ErrorCode::ViewUnavailable`],
    /// [`ErrorCode::InvalidDimensions`], [`ErrorCode::InvalidArgument`] or [`ErrorCode::InvalidPrompt`]; nothing is computed then.
    pub fn embed<T: AsRef<str> + Sync>(&self, texts: &[T], options: &EmbedOptions) -> Result<Embeddings> {
        if texts.is_empty() {
            return Err(Error::new(ErrorCode::NoTexts, "no texts were given"));
        }
        let reading = self.reading(options)?;
        let tokens = self.tokenize_all(texts, options)?;
        let ids: Vec<&[u32]> = tokens.iter().map(|t| t.input_ids.as_slice()).collect();
        let pooled = self.backend.encode(&ids, self.views.output(reading))?;
        Ok(Embeddings {
            data: self.views.read(pooled, reading)?,
            dimensions: reading.dimensions,
            token_counts: tokens.iter().map(|t| t.input_ids.len()).collect(),
            truncated: tokens.iter().map(|t| t.truncated).collect(),
            unread: tokens.iter().map(|t| t.unread).collect(),
        })
    }

    #[cfg(feature = "parallel")]
    fn tokenize_all<T: AsRef<str> + Sync>(&self, texts: &[T], options: &EmbedOptions) -> Result<Vec<Tokens>> {
        use rayon::prelude::*;
        texts
            .par_iter()
            .enumerate()
            .map(|(n, text)| self.tokenize(text.as_ref(), options).map_err(|e| e.context(format!("text {n}"))))
            .collect()
    }

    #[cfg(not(feature = "parallel"))]
    fn tokenize_all<T: AsRef<str> + Sync>(&self, texts: &[T], options: &EmbedOptions) -> Result<Vec<Tokens>> {
        texts
            .iter()
            .enumerate()
            .map(|(n, text)| self.tokenize(text.as_ref(), options).map_err(|e| e.context(format!("text {n}"))))
            .collect()
    }
}
