// Layer-norm of each row. One workgroup a row.

// [tokens, HIDDEN / 4]
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
// [2, HIDDEN / 4]: gamma and beta
@group(0) @binding(1) var<storage, read> norm: array<vec4<f32>>;
// [tokens, HIDDEN / 4]
@group(0) @binding(2) var<storage, read_write> states: array<vec4<f32>>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var row: array<vec4<f32>, ROW>;
    for (var i = 0u; i < ROW; i++) {
        let at = thread + i * THREADS;
        if (at < HIDDEN / 4) {
            row[i] = x[group.x * (HIDDEN / 4) + at];
        }
    }
    layer_norm(&row, thread, group.x);
}
