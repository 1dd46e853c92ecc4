//! The Instruction Embedding Benchmark (arXiv 2409.19680): its file formats and its measures, and tests beside it for what it
//! does not see: the same task in other words, and instructions in real prompts.
//!
//! | test | file | what is measured |
//! |---|---|---|
//! | clustering (ICT) | [`TaskSet`] | [`clustering_scores`]: k-means with one cluster a task, then ARI, purity, homogeneity, silhouette |
//! | similarity (IIS) | [`PairSet`] | [`similarity_scores`]: Spearman correlation of the cosine with the 0/1 label, and its ceiling |
//! | paraphrase | [`ParaphraseSet`] | [`paraphrase_scores`]: nearest neighbour, R-precision, tagging from a few examples |
//! | disturbance | [`TaskSet`] | [`disturbance_scores`]: the nearest clean instruction of a disturbed one has its task |
//!
//! The measures take [`Vectors`] and know nothing of models; [`TextEncoder`] is the seam to them.

mod clustering;
mod correlation;
pub mod disturb;
mod encoder;
mod fidelity;
mod format;
#[cfg(feature = "eval")]
pub mod map;
mod neighbour;
mod suite;
mod tfidf;

pub use crate::tasks::{Clusters, KMeans, Random, Vectors};
pub use clustering::{adjusted_rand_index, homogeneity, purity, silhouette};
pub use correlation::{binary_ceiling, spearman};
pub use encoder::{ModelEncoder, TextEncoder};
pub use fidelity::{Fidelity, fidelity};
pub use format::{Instruction, Pair, PairSet, Paraphrase, ParaphraseSet, TaskSet};
pub use neighbour::{few_shot_accuracy, nearest, nearest_neighbour_accuracy, r_precision};
pub use suite::{Score, clustering_scores, disturbance_scores, paraphrase_scores, similarity_scores};
pub use tfidf::TfIdf;
