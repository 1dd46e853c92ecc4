// Token states: word + position (the row of token type 0 added), then layer-norm. One workgroup a token.

struct Part { first: u32, rows: u32 }

// [tokens]: id and position
@group(0) @binding(0) var<storage, read> tokens: array<vec2<u32>>;
// [positions, HIDDEN / 4]
@group(0) @binding(3) var<storage, read> positions: array<vec4<f32>>;
// [2, HIDDEN / 4]: gamma and beta
@group(0) @binding(4) var<storage, read> norm: array<vec4<f32>>;
// [tokens, HIDDEN / 4]
@group(0) @binding(5) var<storage, read_write> states: array<vec4<f32>>;
// The rows of the table that this dispatch has.
@group(0) @binding(6) var<uniform> part: Part;

const INPUTS = HIDDEN;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = tokens[group.x];
    if (token.x < part.first || token.x >= part.first + part.rows) {
        return;
    }
    var row: array<vec4<f32>, ROW>;
    for (var i = 0u; i < ROW; i++) {
        let at = thread + i * THREADS;
        if (at < HIDDEN / 4) {
            row[i] = decode(fetch(token.x - part.first, at)) + positions[token.y * (HIDDEN / 4) + at];
        }
    }
    layer_norm(&row, thread, group.x);
}
