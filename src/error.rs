//! The one error type of the crate.

use std::fmt;

/// What went wrong, as a closed set that callers (and JavaScript, through `Error.code`) can match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A text consists of white space only.
    BlankText,
    /// The list of texts is empty.
    NoTexts,
    /// An argument is out of its range.
    InvalidArgument,
    /// A prompt template has no `{instruction}` slot, several, or leaves no room for the text.
    InvalidPrompt,
    /// More dimensions were asked for than the model has, or none.
    InvalidDimensions,
    /// A view was asked for that the model does not have.
    ViewUnavailable,
    /// The bytes are no well-formed GGUF model file.
    ModelFormat,
    /// A well-formed model file of an architecture, dtype or tokenizer that this crate does not run.
    ModelUnsupported,
    /// The file's checksum does not match, or a weight is not a finite number.
    ModelCorrupt,
    /// The bytes are no well-formed taxonomy file.
    TaxonomyFormat,
    /// The taxonomy was made for another model.
    TaxonomyMismatch,
    /// The bytes are no well-formed tagger file, or one of another version.
    TaggerFormat,
    /// The tagger was made for another model.
    TaggerMismatch,
    /// Classification was asked for, but no taxonomy is loaded.
    NoTaxonomy,
    /// The taxonomy has no labels of the level that was asked for.
    LevelUnavailable,
    /// Input data (a line, a file, a column) cannot be read as what it should be.
    Data,
    /// Reading or writing a file failed.
    Io,
    /// Training came to a loss or a gradient that is no finite number.
    NonFinite,
    /// The operation was interrupted.
    Interrupted,
    /// There is no GPU that WebGPU reaches, or none that can hold the model.
    NoWebgpu,
    /// The GPU was lost, ran out of memory or refused a command.
    GpuFailed,
    /// A fault of this library.
    Internal,
}

impl ErrorCode {
    /// The stable name, as in JavaScript's `error.code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlankText => "blank_text",
            Self::NoTexts => "no_texts",
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidPrompt => "invalid_prompt",
            Self::InvalidDimensions => "invalid_dimensions",
            Self::ViewUnavailable => "view_unavailable",
            Self::ModelFormat => "model_format",
            Self::ModelUnsupported => "model_unsupported",
            Self::ModelCorrupt => "model_corrupt",
            Self::TaxonomyFormat => "taxonomy_format",
            Self::TaxonomyMismatch => "taxonomy_mismatch",
            Self::TaggerFormat => "tagger_format",
            Self::TaggerMismatch => "tagger_mismatch",
            Self::NoTaxonomy => "no_taxonomy",
            Self::LevelUnavailable => "level_unavailable",
            Self::Data => "data",
            Self::Io => "io",
            Self::NonFinite => "non_finite",
            Self::Interrupted => "interrupted",
            Self::NoWebgpu => "no_webgpu",
            Self::GpuFailed => "gpu_failed",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error with a stable [`code`](Error::code) and a message that carries the numbers.
#[derive(Debug)]
pub struct Error {
    code: ErrorCode,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this code with a message for people.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// The same error with the one that caused it.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with `what` put before its message, for instance a file's name.
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// An I/O error at `path`.
    pub fn io(path: impl AsRef<std::path::Path>, source: std::io::Error) -> Self {
        Self::new(ErrorCode::Io, format!("{}: {source}", path.as_ref().display())).with_source(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| &**s as _)
    }
}
