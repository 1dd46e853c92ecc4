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

/// Writes the loop over `k` of `linear.wgsl` out: the compilers of drivers leave it a loop.
pub(super) fn unroll(source: &str, bound: &str, count: usize) -> String {
    let head = format!("        for (var k = 0u; k < {bound}; k++) {{\n");
    let Some((before, rest)) = source.split_once(&head) else { return source.to_owned() };
    let Some((body, after)) = rest.split_once("\n        }\n") else { return source.to_owned() };
    let steps: String = (0..count).map(|k| format!("        {{\n            const k = {k}u;\n{body}\n        }}\n")).collect();
    [before, &steps, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_written_out() {
        let source = unroll(LINEAR, "TILE_K", 3);
        assert_eq!((LINEAR.matches("var k").count(), source.matches("var k").count()), (1, 0));
        assert_eq!((source.matches("const k = 2u;").count(), source.matches("const k = ").count()), (1, 3));
        let braces = |s: &str| s.matches('{').count() as isize - s.matches('}').count() as isize;
        assert_eq!(braces(&source), 0);
    }
}
