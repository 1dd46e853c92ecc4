//! Text to vectors: the one public workflow.

use crate::config::{EncoderConfig, Pooling};
use crate::encoder::{Arithmetic, Encoder, Scratch, TokenBatch};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, keys};
use crate::kernels::l2_normalize;
use crate::prompt::Prompt;
use crate::tokenizer::{Tokenizer, Tokens, Vocabulary};

/// Texts go through the encoder in batches of about this many tokens: more do not make a product faster, and the buffers of fewer
/// stay in the second-level cache.
const BATCH_TOKENS: usize = 256;
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
    encoder: Encoder,
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
        let gguf = Gguf::parse(bytes)?;
        let encoder = Encoder::from_gguf(&gguf, arithmetic)?;
        let tokenizer = Tokenizer::new(Vocabulary::from_gguf(&gguf)?)?;
        let text = |key: &str| if gguf.get(key).is_some() { gguf.string(key).map(str::to_owned) } else { Ok(String::new()) };
        let positions = encoder.config().max_position_embeddings;
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
            bytes: bytes.len(),
        };
        Ok(Self { tokenizer, encoder, info })
    }

    /// The model's shape.
    pub const fn config(&self) -> &EncoderConfig {
        self.encoder.config()
    }

    /// How token states become one vector.
    pub const fn pooling(&self) -> Pooling {
        self.encoder.pooling()
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
        let data = self.encode_all(&tokens, dimensions)?;
        Ok(Embeddings {
            data,
            dimensions,
            token_counts: tokens.iter().map(|t| t.input_ids.len()).collect(),
            truncated: tokens.iter().map(|t| t.truncated).collect(),
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

    #[cfg(feature = "parallel")]
    fn encode_all(&self, tokens: &[Tokens], dimensions: usize) -> Result<Vec<f32>> {
        use rayon::prelude::*;
        let rows: Vec<Vec<f32>> = batches(tokens)
            .par_iter()
            .map_init(Buffers::default, |buffers, batch| self.encode_batch(batch, dimensions, buffers).map(<[f32]>::to_vec))
            .collect::<Result<_>>()?;
        Ok(rows.concat())
    }

    #[cfg(not(feature = "parallel"))]
    fn encode_all(&self, tokens: &[Tokens], dimensions: usize) -> Result<Vec<f32>> {
        let mut data = Vec::with_capacity(tokens.len() * dimensions);
        let mut buffers = Buffers::default();
        for batch in batches(tokens) {
            data.extend_from_slice(self.encode_batch(batch, dimensions, &mut buffers)?);
        }
        Ok(data)
    }

    fn encode_batch<'b>(&self, tokens: &[Tokens], dimensions: usize, buffers: &'b mut Buffers) -> Result<&'b [f32]> {
        let Buffers { batch, scratch, pooled } = buffers;
        batch.clear();
        tokens.iter().for_each(|t| batch.push(&t.input_ids));
        self.encoder.forward(batch, scratch, pooled)?;
        let hidden = self.config().hidden_size;
        if dimensions < hidden {
            for row in 0..tokens.len() {
                pooled.copy_within(row * hidden..row * hidden + dimensions, row * dimensions);
            }
            pooled.truncate(tokens.len() * dimensions);
        }
        if let Some(at) = pooled.iter().position(|x| !x.is_finite()) {
            let message = format!("the vector of a text holds {} at dimension {}: the weights overflow", pooled[at], at % dimensions);
            return Err(Error::new(ErrorCode::ModelCorrupt, message));
        }
        if self.info.normalize {
            pooled.chunks_exact_mut(dimensions).for_each(l2_normalize);
        }
        Ok(pooled)
    }
}

#[derive(Default)]
struct Buffers {
    batch: TokenBatch,
    scratch: Scratch,
    pooled: Vec<f32>,
}

/// Splits texts, in order, into batches of at most [`BATCH_TOKENS`] tokens (a longer text is alone in its batch).
fn batches(tokens: &[Tokens]) -> Vec<&[Tokens]> {
    let mut batches = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let mut total = 0;
        let fitting = rest.iter().take_while(|t| {
            total += t.input_ids.len();
            total <= BATCH_TOKENS
        });
        let (batch, tail) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = tail;
    }
    batches
}
