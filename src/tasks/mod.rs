//! What one does with vectors: naming the task of an instruction.

#[cfg(feature = "convert")]
mod build;
#[cfg(feature = "convert")]
mod labelled;
mod name;
mod prototypes;
mod tagger;
mod taxonomy;

#[cfg(feature = "convert")]
pub use build::{Bin, BuildOptions, BuildReport, Source, build};
#[cfg(feature = "convert")]
pub use labelled::{Labelled, read_labelled};
pub use name::task_name;
pub use prototypes::{Calibration, Label, Prototypes, Tag, UNKNOWN};
pub use tagger::Tagger;
pub use taxonomy::{Level, Taxonomy};
