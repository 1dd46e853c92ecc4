//! The levels of a taxonomy as keys and tensors of its file.

use super::Family;
use super::group::Group;
use crate::config::Dtype;
use crate::error::Result;
use crate::gguf::{GgufWriter, MetadataValue, keys};
use crate::tasks::prototypes::Calibration;
use crate::tasks::taxonomy::{Level, MODEL_SHA256, families_of_kinds};

/// A file of no levels yet.
pub fn file(model_sha256: &str) -> GgufWriter {
    let mut file = GgufWriter::default();
    file.string(keys::GENERAL_ARCHITECTURE, keys::TAXONOMY_ARCHITECTURE).string(MODEL_SHA256, model_sha256);
    file
}

fn strings<T>(all: &[T], of: impl Fn(&T) -> String) -> MetadataValue {
    MetadataValue::Array(all.iter().map(|one| MetadataValue::String(of(one))).collect())
}

fn calibrated(file: &mut GgufWriter, level: Level, calibration: Calibration) {
    file.metadata(&level.key("temperature"), MetadataValue::F32(calibration.temperature))
        .metadata(&level.key("unknown"), MetadataValue::F32(calibration.unknown));
}

/// Adds tasks or kinds, with prototypes of so many dimensions.
pub fn labels(file: &mut GgufWriter, level: Level, groups: &[Group], calibration: Calibration, dimensions: usize) -> Result<()> {
    let prototypes: Vec<f32> = groups.iter().flat_map(|group| group.prototype.iter().copied()).collect();
    // Rows that are no whole blocks cannot be quantised; only toy models have such.
    let dtype = if dimensions.is_multiple_of(Dtype::Q8_0.block_len()) { Dtype::Q8_0 } else { Dtype::F32 };
    file.metadata(&level.key("labels"), strings(groups, |group| group.label.clone()))
        .metadata(&level.key("names"), strings(groups, |group| group.name.clone()))
        .metadata(&level.key("aliases"), strings(groups, |group| group.aliases.join(" ")))
        .tensor(&level.tensor(), &prototypes, &[groups.len(), dimensions], dtype)?;
    calibrated(file, level, calibration);
    Ok(())
}

/// Adds the families of kinds; without any, nothing.
pub fn families(file: &mut GgufWriter, kinds: &[Group], families: &[Family], calibration: Calibration) {
    if families.is_empty() {
        return;
    }
    let of_kind = |kind: &Group| kind.family.map_or_else(String::new, |family| families[family].label.clone());
    file.metadata(&families_of_kinds(), strings(kinds, of_kind))
        .metadata(&Level::Family.key("labels"), strings(families, |family| family.label.clone()))
        .metadata(&Level::Family.key("names"), strings(families, |family| family.name.clone()));
    calibrated(file, Level::Family, calibration);
}
