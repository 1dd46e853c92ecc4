//! The tagger file: labels with their texts, the texts' vectors in 8 bits, and what was learned.
//!
//! All numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `PIETAGGR` |
//! | 4 | version, 1 |
//! | 8 | length of the whole file |
//! | 4, then as many | length of the header, and the header: JSON of [`Header`] |
//! | 4 each | the scales of both views |
//! | 1 | whether a triangle follows |
//! | 2 each | the triangle of the space, halves, row by row |
//! | 4 each | weights `[labels, dimensions + 1]` |
//! | 4 each | temperature, unknown, slope, offset; then one threshold a label, where it has them |
//! | 4 each | scales of the texts' vectors |
//! | 1 each | the texts' vectors `[texts, dimensions]` |
//! | 32 | SHA-256 of all before it |

use half::f16;
use serde::{Deserialize, Serialize};

use super::label::{Part, sources};
use super::learn::Learned;
use super::levels::Levels;
use super::space::{Space, triangle};
use super::stored::Stored;
use super::{Judged, Label, Tagger, TaggerLabel, TaggerOptions, check_options};
use crate::digest::sha256;
use crate::embedder::Embedder;
use crate::error::{Error, ErrorCode, Result};

const MAGIC: [u8; 8] = *b"PIETAGGR";
const VERSION: u32 = 1;
const DIGEST: usize = 32;
/// Dimensions of a vector, at most: more is a broken file.
const MAX_DIMENSIONS: usize = 1 << 16;

#[derive(Serialize, Deserialize)]
struct Header {
    model_sha256: String,
    views: usize,
    dimensions: usize,
    options: TaggerOptions,
    judged: Judged,
    labels: Vec<TaggerLabel>,
    /// Labels whose name the model could not read, so that it has no vector.
    unread_names: Vec<usize>,
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::TaggerFormat, format!("tagger: {}", message.into()))
}

impl Tagger {
    /// The bytes of a tagger file, which [`from_bytes`](Self::from_bytes) reads. The same tagger gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let named: Vec<usize> = self.sources.iter().filter(|source| source.part == Part::Name).map(|source| source.label).collect();
        // A name without a word has no text either; reading leaves it out by itself.
        let unread_names = (0..self.labels.len()).filter(|label| named.binary_search(label).is_err()).collect();
        let header = Header {
            model_sha256: self.model_sha256.clone(),
            views: self.views,
            dimensions: self.dimensions,
            options: self.options.clone(),
            judged: self.judged,
            labels: self.labels.clone(),
            unread_names,
        };
        // Strings, whole numbers and finite floats alone: nothing that JSON could not write.
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header);
        let (scales, lower) = self.learned.space.parts();
        let mut floats = |numbers: &[f32]| numbers.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        floats(&scales);
        bytes.push(u8::from(lower.is_some()));
        lower.unwrap_or_default().iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        let Levels { temperature, unknown, slope, offset, thresholds } = &self.levels;
        let mut floats = |numbers: &[f32]| numbers.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        floats(&self.learned.weights);
        floats(&[*temperature, *unknown, *slope, *offset]);
        floats(thresholds);
        floats(&self.stored.scales);
        bytes.extend(self.stored.numbers.iter().map(|x| x.to_le_bytes()[0]));
        let length = (bytes.len() + DIGEST) as u64;
        bytes[12..20].copy_from_slice(&length.to_le_bytes());
        let digest = sha256(&bytes);
        bytes.extend(digest);
        bytes
    }

    /// Reads a tagger file for this model, whose file has the sha256 `model_sha256` (hexadecimal).
    ///
    /// # Errors
    /// [`ErrorCode::TaggerFormat`] for bytes that are no tagger, one of another version, cut short or altered, or with numbers that are not
    /// finite; [`ErrorCode::TaggerMismatch`] for another model's. The message names what was found and what was expected.
    pub fn from_bytes(bytes: &[u8], model_sha256: &str, embedder: &Embedder) -> Result<Self> {
        let dimensions = embedder.dimensions(&Self::embed_options(embedder))?;
        Self::from_bytes_of(bytes, model_sha256, embedder.views().len(), dimensions)
    }

    /// The same where the model is not at hand: one of `views` views, whose vectors have `dimensions` in all.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_bytes_of(bytes: &[u8], model_sha256: &str, views: usize, dimensions: usize) -> Result<Self> {
        let mut rest = Rest { bytes, at: 0 };
        let magic = rest.take(MAGIC.len(), "the first bytes")?;
        if magic != MAGIC {
            return Err(malformed(format!(
                "the file begins with {:?}, not {:?}",
                magic.escape_ascii().to_string(),
                MAGIC.escape_ascii().to_string()
            )));
        }
        let version = u32::from_le_bytes(rest.array("the version")?);
        if version != VERSION {
            return Err(malformed(format!("the file has version {version}; this program reads version {VERSION}")));
        }
        let length = u64::from_le_bytes(rest.array("the length")?);
        if length != bytes.len() as u64 {
            return Err(malformed(format!("the file says that it has {length} bytes; it has {}", bytes.len())));
        }
        let Some((body, digest)) = bytes.split_last_chunk::<DIGEST>() else {
            return Err(malformed(format!("{} bytes are too few for a checksum", bytes.len())));
        };
        if sha256(body) != *digest {
            return Err(malformed("the checksum does not match: bytes of the file were altered"));
        }
        rest.bytes = body;
        let header_bytes = u32::from_le_bytes(rest.array("the header's length")?) as usize;
        let header: Header = serde_json::from_slice(rest.take(header_bytes, "the header")?)
            .map_err(|e| malformed(format!("the header: {e}")).with_source(e))?;
        if header.model_sha256 != model_sha256 {
            let message = format!("the tagger was made for the model with sha256 {}, this one has {model_sha256}", header.model_sha256);
            return Err(Error::new(ErrorCode::TaggerMismatch, message));
        }
        let Header { views: own_views, dimensions: own, options, judged, labels, unread_names, .. } = header;
        if (own_views, own) != (views, dimensions) || own > MAX_DIMENSIONS {
            return Err(malformed(format!("{own_views} views and {own} dimensions; the model has {views} and {dimensions}")));
        }
        check_options(&options).map_err(|e| malformed(e.to_string()))?;
        let mut texts = sources(&labels).map_err(|e| malformed(e.to_string()))?;
        texts.retain(|source| source.part != Part::Name || !unread_names.contains(&source.label));

        let scales = rest.floats(2, "the views' scales")?;
        let lower = match rest.take(1, "the triangle's mark")? {
            [0] => None,
            [1] => {
                let halves = rest.take(2 * triangle(dimensions), "the triangle")?;
                Some(halves.chunks_exact(2).map(|x| f16::from_le_bytes([x[0], x[1]])).collect())
            }
            other => return Err(malformed(format!("the triangle's mark is {}, neither 0 nor 1", other[0]))),
        };
        let space = Space::from_parts(dimensions, views, [scales[0], scales[1]], lower)?;
        let weights = rest.floats(labels.len() * (dimensions + 1), "the weights")?;
        let numbers = rest.floats(4, "the levels")?;
        let thresholds = rest.floats(if options.thresholds { labels.len() } else { 0 }, "the thresholds")?;
        let levels = Levels { temperature: numbers[0], unknown: numbers[1], slope: numbers[2], offset: numbers[3], thresholds };
        if !levels.is_valid() {
            return Err(malformed(format!("its levels cannot be used: {levels:?}")));
        }
        let scales = rest.floats(texts.len(), "the texts' scales")?;
        let numbers = rest.take(texts.len() * dimensions, "the texts' vectors")?.iter().map(|&x| i8::from_le_bytes([x])).collect();
        if rest.at != body.len() {
            return Err(malformed(format!("{} bytes follow the last number", body.len() - rest.at)));
        }
        let names = labels.iter().map(|label| Label::from(label.name.as_str())).collect();
        Ok(Self {
            labels,
            names,
            options,
            model_sha256: model_sha256.to_owned(),
            views,
            dimensions,
            sources: texts,
            stored: Stored { scales, numbers },
            learned: Learned::new(space, weights, dimensions),
            levels,
            judged,
        })
    }
}

/// What is left of a file.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        let Some(taken) = self.bytes[self.at..].get(..count) else {
            return Err(malformed(format!("{what} would take {count} bytes at byte {}, where {left} are left", self.at)));
        };
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn floats(&mut self, count: usize, what: &str) -> Result<Vec<f32>> {
        let at = self.at;
        let bytes = self.take(count.saturating_mul(4), what)?;
        let floats: Vec<f32> = bytes.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect();
        match floats.iter().position(|x| !x.is_finite()) {
            Some(n) => Err(malformed(format!("{what}: the number at byte {} is {}", at + 4 * n, floats[n]))),
            None => Ok(floats),
        }
    }
}
