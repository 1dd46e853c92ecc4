//! What a model is, as plain data with Hugging Face's field names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};

/// The shape of a BERT encoder, named as in Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f32,
}

impl EncoderConfig {
    /// Width of one attention head: `hidden_size / num_attention_heads`.
    pub const fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Refuses shapes that no real model has, before anything is allocated for them.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] naming the field and its value.
    pub fn validate(&self) -> Result<()> {
        let limits = [
            ("vocab_size", self.vocab_size, 1_000_000),
            ("hidden_size", self.hidden_size, 8_192),
            ("intermediate_size", self.intermediate_size, 65_536),
            ("num_hidden_layers", self.num_hidden_layers, 128),
            ("num_attention_heads", self.num_attention_heads, 256),
            // A head's attention scores take the square of it.
            ("max_position_embeddings", self.max_position_embeddings, 8_192),
            ("type_vocab_size", self.type_vocab_size, 64),
        ];
        for (name, value, limit) in limits {
            if value == 0 || value > limit {
                return Err(Error::new(ErrorCode::ModelFormat, format!("{name} is {value}; it must lie in 1..={limit}")));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(Error::new(
                ErrorCode::ModelFormat,
                format!("hidden_size {} is no multiple of num_attention_heads {}", self.hidden_size, self.num_attention_heads),
            ));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(Error::new(
                ErrorCode::ModelFormat,
                format!("layer_norm_eps is {}; it must lie between 0 and 1", self.layer_norm_eps),
            ));
        }
        Ok(())
    }
}

/// How token states become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over all tokens, `[CLS]` and `[SEP]` included.
    Mean,
    /// The state of `[CLS]`.
    Cls,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
        })
    }
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("pooling is {s:?}; it must be mean or cls"))),
        }
    }
}

/// Which part of a vector is read. A model of two views stores both in one vector; a model of one view has the task view alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// What the text asks for: texts lie close when their task is the same.
    #[default]
    Task,
    /// What the text is about: texts lie close when they say the same.
    Meaning,
    /// The task view, then the meaning view.
    Both,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "task",
            Self::Meaning => "meaning",
            Self::Both => "both",
        })
    }
}

impl FromStr for View {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "task" => Ok(Self::Task),
            "meaning" => Ok(Self::Meaning),
            "both" => Ok(Self::Both),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("view is {s:?}; it must be task, meaning or both"))),
        }
    }
}

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    F32,
    F16,
    /// Blocks of 32 signed bytes with one f16 scale (34 bytes).
    #[serde(rename = "q8_0")]
    Q8_0,
    /// Blocks of 32 four-bit numbers with one f16 scale (18 bytes).
    #[serde(rename = "q4_0")]
    Q4_0,
}

impl Dtype {
    /// Elements in one storage block; a row's length must be a multiple of it.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 | Self::Q4_0 => 32,
        }
    }

    /// Bytes of one storage block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
        }
    }

    /// The dtype of a model's head beside dense layers of this one. A head is 1 % of the weights and every vector passes through it:
    /// four bits would cost more than they save.
    pub const fn of_head(self) -> Self {
        match self {
            Self::Q4_0 => Self::Q8_0,
            other => other,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        })
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "q8_0" => Ok(Self::Q8_0),
            "q4_0" => Ok(Self::Q4_0),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("dtype is {s:?}; it must be f32, f16, q8_0 or q4_0"))),
        }
    }
}
