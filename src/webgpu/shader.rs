//! WGSL put together: constants first, then the parts, one `shaders/*.wgsl` a concept.

use std::fmt::Write;

pub(super) const EMBEDDING: &str = include_str!("shaders/embedding.wgsl");
pub(super) const NORM: &str = include_str!("shaders/norm.wgsl");
pub(super) const LAYER_NORM: &str = include_str!("shaders/layer_norm.wgsl");
pub(super) const SUM: &str = include_str!("shaders/sum.wgsl");
pub(super) const ATTENTION: &str = include_str!("shaders/attention.wgsl");
pub(super) const POOLING: &str = include_str!("shaders/pooling.wgsl");
pub(super) const LINEAR: &str = include_str!("shaders/linear.wgsl");
pub(super) const FINISH_NONE: &str = include_str!("shaders/finish_none.wgsl");
pub(super) const FINISH_GELU: &str = include_str!("shaders/finish_gelu.wgsl");
pub(super) const FINISH_RESIDUAL: &str = include_str!("shaders/finish_residual.wgsl");
pub(super) const PEAK: &str = include_str!("shaders/peak.wgsl");

/// `parts` behind unsigned constants.
pub(super) fn compose(constants: &[(&str, usize)], parts: &[&str]) -> String {
    let mut source = String::new();
    for (name, value) in constants {
        // Writing to a string cannot fail.
        let _ = writeln!(source, "const {name} = {value}u;");
    }
    source + &parts.join("\n")
}
