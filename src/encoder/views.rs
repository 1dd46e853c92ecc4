//! From pooled vectors to what callers read: the head, the views, prefixes and lengths.
//!
//! Every back end gives pooled vectors, and this module alone finishes them, so that a view is the same on all of them.

use super::linear::Linear;
use super::{Arithmetic, Output};
use crate::config::{EncoderConfig, View};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{Gguf, keys};
use crate::kernels::{Quantized, l2_normalize};

/// What is read of a pooled vector. [`Embedder`](crate::Embedder) makes it of the caller's options and checks it there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub view: View,
    /// The task view's share of a cosine of [`View::Both`], 0 to 1.
    pub mix: f32,
    /// Numbers of the result; of [`View::Both`] an even number, half of them from each view.
    pub dimensions: usize,
    /// Whether each view is scaled to length 1.
    pub normalize: bool,
}

/// The head of a model, where it has one, and the views that its vectors hold.
pub struct Views {
    head: Option<Linear>,
    names: &'static [View],
    hidden: usize,
}

impl Views {
    /// Reads `pie.views` and the tensors of the head.
    ///
    /// # Errors
    /// [`ErrorCode::ModelFormat`] for other views than `task` and `meaning`, for two views of an odd hidden size, and for a head that lacks
    /// its weight or its bias or has another shape; [`ErrorCode::ModelCorrupt`] for a number of the head that is not finite.
    pub fn from_gguf(gguf: &Gguf<'_>, config: &EncoderConfig) -> Result<Self> {
        let hidden = config.hidden_size;
        let names = read_views(gguf, hidden)?;
        let has_head = ["weight", "bias"].iter().any(|part| gguf.has_tensor(&format!("{}.{part}", keys::HEAD)));
        // In floats, whatever the dtype: one product a text costs next to nothing, and no back end rounds it in its own way.
        let head = has_head.then(|| Linear::from_gguf(gguf, &[keys::HEAD.to_owned()], hidden, hidden, Arithmetic::F32)).transpose()?;
        Ok(Self { head, names, hidden })
    }

    /// The views that the model has, in the order of the vector's numbers.
    pub const fn names(&self) -> &'static [View] {
        self.names
    }

    /// Numbers of each view.
    pub const fn size(&self) -> usize {
        self.hidden / self.names.len()
    }

    /// Whether a reading is a scaled prefix of the pooled vector, which back ends make by themselves.
    pub const fn are_plain(&self) -> bool {
        self.head.is_none() && self.names.len() == 1
    }

    /// What a back end must give for this reading: the finished vectors where the views are plain, and else whole pooled vectors as they are,
    /// for [`read`](Self::read).
    pub const fn output(&self, reading: Reading) -> Output {
        match self.are_plain() {
            true => Output { dimensions: reading.dimensions, normalize: reading.normalize },
            false => Output { dimensions: self.hidden, normalize: false },
        }
    }

    /// Finishes what a back end gave for [`output`](Self::output): `[texts, reading.dimensions]`.
    ///
    /// # Errors
    /// [`ErrorCode::ModelCorrupt`] where the head's weights overflow.
    pub fn read(&self, pooled: Vec<f32>, reading: Reading) -> Result<Vec<f32>> {
        if self.are_plain() {
            return Ok(pooled);
        }
        let whole = match &self.head {
            None => pooled,
            Some(head) => {
                let mut whole = Vec::new();
                head.forward(&pooled, &mut Quantized::default(), &mut whole);
                self.output(reading).check(&whole)?;
                whole
            }
        };
        let Reading { view, mix, dimensions, normalize } = reading;
        let size = self.size();
        let mut vectors = Vec::with_capacity(whole.len() / self.hidden * dimensions);
        let mut push = |numbers: &[f32], scale: f32| {
            let start = vectors.len();
            vectors.extend_from_slice(numbers);
            if normalize {
                l2_normalize(&mut vectors[start..]);
            }
            if scale != 1.0 {
                vectors[start..].iter_mut().for_each(|x| *x *= scale);
            }
        };
        for row in whole.chunks_exact(self.hidden) {
            match view {
                View::Task => push(&row[..dimensions], 1.0),
                View::Meaning => push(&row[size..][..dimensions], 1.0),
                View::Both => {
                    push(&row[..dimensions / 2], mix.sqrt());
                    push(&row[size..][..dimensions / 2], (1.0 - mix).sqrt());
                }
            }
        }
        Ok(vectors)
    }
}

/// The views that a model file names, where its vectors have `hidden` numbers; task alone where it names none.
///
/// # Errors
/// [`ErrorCode::ModelFormat`] for other views than `task` and `meaning`, and for two views of an odd number.
pub fn read_views(gguf: &Gguf<'_>, hidden: usize) -> Result<&'static [View]> {
    if gguf.get(keys::PIE_VIEWS).is_none() {
        return Ok(&[View::Task]);
    }
    let names = gguf.strings(keys::PIE_VIEWS)?;
    if names != keys::VIEWS {
        let message = format!("{} is {names:?}; it must be {:?}", keys::PIE_VIEWS, keys::VIEWS);
        return Err(Error::new(ErrorCode::ModelFormat, message));
    }
    if !hidden.is_multiple_of(2) {
        let message = format!("{} names two views of a vector of {hidden} numbers; it must be even", keys::PIE_VIEWS);
        return Err(Error::new(ErrorCode::ModelFormat, message));
    }
    Ok(&[View::Task, View::Meaning])
}
