//! What one does with vectors: naming the task of an instruction, searching, choosing rows that stand for all, comparing data sets.
//!
//! None of it knows files or the browser.

mod blocks;
#[cfg(feature = "convert")]
mod build;
mod chat;
mod cluster;
mod compress;
mod correlate;
mod coverage;
mod facility;
mod family;
mod kmeans;
#[cfg(feature = "convert")]
mod labelled;
mod map;
mod name;
mod products;
mod prototypes;
mod random;
mod request;
mod search;
mod select;
mod tagger;
mod taxonomy;
mod template;
mod unread;
mod vectors;

#[cfg(feature = "convert")]
pub use build::{Bin, BuildOptions, BuildReport, Fit, Source, build, largest_bytes};
pub use chat::{Chat, Role, Turn, follow_up};
pub use cluster::{Grouping, cluster, cluster_within};
pub use compress::{Anchor, Anchors, estimate, random_anchors};
pub use correlate::{divided_by_sum, mean_of_max, overlap, similar_order, wasserstein};
pub use coverage::{Spread, coverage, is_near_duplicate, near_duplicates, spread};
pub use kmeans::{Clusters, KMeans};
#[cfg(feature = "convert")]
pub use labelled::Labelled;
pub use map::{MIN_ROWS, t_sne};
#[cfg(feature = "label")]
pub(crate) use name::noun;
pub use name::task_name;
pub use prototypes::{Calibration, Label, Prototypes, Reason, Tag, UNKNOWN};
pub use random::Random;
pub use request::{WithRequests, requests};
pub use search::{Hit, diverse, search};
pub use select::{Method, Representative, representatives, select, select_read};
pub use tagger::{
    Confusion, Evaluation, Evidence, Explanation, Judged, LabelFigures, MAX_EXAMPLES, MAX_LABELS, MAX_LOGITS, MAX_TEXT_BYTES, Near,
    Suspect, Tagger, TaggerLabel, TaggerOptions,
};
pub use taxonomy::{Level, Read, Taxonomy};
pub use template::Template;
pub use unread::{MAX_UNREAD, is_unread};
pub use vectors::Vectors;

/// Progress callback of long work: (steps done, upper bound).
pub type Steps<'a> = &'a mut dyn FnMut(usize, usize);
