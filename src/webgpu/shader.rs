//! WGSL put together: constants first, then the parts, one `shaders/*.wgsl` a concept.

use std::fmt::Write;

pub(super) const EMBEDDING: &str = include_str!("shaders/embedding.wgsl");
pub(super) const NORM: &str = include_str!("shaders/norm.wgsl");
pub(super) const LAYER_NORM: &str = include_str!("shaders/layer_norm.wgsl");
pub(super) const SUM: &str = include_str!("shaders/sum.wgsl");
pub(super) const ATTENTION: &str = include_str!("shaders/attention.wgsl");
pub(super) const POOLING: &str = include_str!("shaders/pooling.wgsl");
pub(super) const DENSE: &str = include_str!("shaders/dense.wgsl");
pub(super) const LINEAR: &str = include_str!("shaders/linear.wgsl");
pub(super) const LINEAR_BARE: &str = include_str!("shaders/linear_bare.wgsl");
pub(super) const LINEAR_PACKED: &str = include_str!("shaders/linear_packed.wgsl");
pub(super) const QUANTIZE: &str = include_str!("shaders/quantize.wgsl");
pub(super) const FINISH_NONE: &str = include_str!("shaders/finish_none.wgsl");
pub(super) const FINISH_GELU: &str = include_str!("shaders/finish_gelu.wgsl");
pub(super) const FINISH_RESIDUAL: &str = include_str!("shaders/finish_residual.wgsl");
#[cfg(not(target_arch = "wasm32"))]
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

/// A product with its loop over `k` written out for a tile of `count`: the compilers of drivers leave it a loop.
pub(super) fn unroll(product: &str, count: usize) -> String {
    let (before, body, after) = around_loop(product);
    let steps: String = (0..count).map(|k| format!("        {{\n            const k = {k}u;\n{body}\n        }}\n")).collect();
    [before, &steps, after].concat()
}

/// `linear.wgsl`, unrolled, with the products of a tile added in f16.
pub(super) fn unroll_half(count: usize) -> String {
    const PARTS: &str = "        var parts: array<vec4<f16>, THREAD_M * GROUPS_N>;\n";
    const ADD: &str = "        for (var i = 0u; i < THREAD_M * GROUPS_N; i++) {\n            sums[i] += vec4<f32>(parts[i]);\n        }\n";
    let (before, body, after) = around_loop(LINEAR);
    let steps = [before, PARTS, HEAD, &body.replace("sums[", "parts["), "\n        }\n", ADD, after].concat();
    unroll(&steps, count)
}

const HEAD: &str = "        for (var k = 0u; k < TILE_K; k++) {\n";

fn around_loop(product: &str) -> (&str, &str, &str) {
    let (before, rest) = product.split_once(HEAD).unwrap_or_default();
    let (body, after) = rest.split_once("\n        }\n").unwrap_or_default();
    (before, body, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_written_out() {
        for source in [unroll(LINEAR, 3), unroll_half(3), unroll(LINEAR_PACKED, 3)] {
            assert_eq!((LINEAR.matches("var k").count(), source.matches("var k").count()), (1, 0));
            assert_eq!((source.matches("const k = 2u;").count(), source.matches("const k = ").count()), (1, 3));
            assert_eq!(source.matches('{').count(), source.matches('}').count());
        }
    }
}
