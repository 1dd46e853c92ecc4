//! Text to vectors: the one public workflow.

use crate::backend::{Backend, Cpu};
use crate::config::{EncoderConfig, Pooling};
use crate::encoder::{Arithmetic, Output, read_config, read_pooling};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, Source, keys};
use crate::prompt::Prompt;
use crate::tokenizer::{Tokenizer, Tokens, Vocabulary};

/// `[CLS]`, one piece, `[SEP]`.
const MIN_TOKENS: usize = 3;

/// What may be set for one call; the default is what the model file says.
#[derive(Clone, Debug, Default)]
pub struct EmbedOptions {
    /// The template to put the text into; that of the model when `None`.
    pub prompt: Option<Prompt>,
    /// Keep only the first dimensions (Matryoshka) and normalise again.
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
    /// The share of each text's pieces that the vocabulary has no word for, in 0..=1, as [`Tokens::unread`] counts it.
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
        read_config(&Gguf::open_unverified(&header, source)?).map(drop)
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
        Ok(Self { tokenizer, config, pooling, backend, info })
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

    /// The dimensions of the vectors that these options give.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidDimensions`] when more are asked for than the model has, or none.
    pub fn dimensions(&self, options: &EmbedOptions) -> Result<usize> {
        let hidden = self.config().hidden_size;
        match options.dimensions {
            None => Ok(hidden),
            Some(n) if (1..=hidden).contains(&n) => Ok(n),
            Some(n) => Err(Error::new(ErrorCode::InvalidDimensions, format!("dimensions is {n}; the model has {hidden}"))),
        }
    }

    /// The vectors of `texts`, in order. A text's vector does not depend on its neighbours.
    ///
    /// # Errors
    /// [`ErrorCode::NoTexts`], [`ErrorCode::BlankText`] (naming the text), [`ErrorCode::InvalidDimensions`],
    /// [`ErrorCode::InvalidArgument`] or [`ErrorCode::InvalidPrompt`]; nothing is computed then.
    pub fn embed<T: AsRef<str> + Sync>(&self, texts: &[T], options: &EmbedOptions) -> Result<Embeddings> {
        if texts.is_empty() {
            return Err(Error::new(ErrorCode::NoTexts, "no texts were given"));
        }
        let dimensions = self.dimensions(options)?;
        let tokens = self.tokenize_all(texts, options)?;
        let ids: Vec<&[u32]> = tokens.iter().map(|t| t.input_ids.as_slice()).collect();
        let data = self.backend.encode(&ids, Output { dimensions, normalize: self.info.normalize })?;
        Ok(Embeddings {
            data,
            dimensions,
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
