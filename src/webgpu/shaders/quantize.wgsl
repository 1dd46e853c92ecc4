// Rows of floats as signed bytes with a scale per 32, four bytes a word. A thread a block of 32.

// [tokens, INPUTS / 4], as blocks
@group(0) @binding(0) var<storage, read> x: array<array<vec4<f32>, 8>>;
// [tokens, INPUTS / 4], as blocks
@group(0) @binding(1) var<storage, read_write> words: array<array<u32, 8>>;
// [tokens, INPUTS / 32]
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var block = x[id.x];
    var largest = vec4<f32>();
    for (var i = 0u; i < 8; i++) {
        largest = max(largest, abs(block[i]));
    }
    let pair = max(largest.xy, largest.zw);
    let scale = max(pair.x, pair.y) / 127;
    let inverse = select(1 / scale, 0.0, scale == 0);
    for (var i = 0u; i < 8; i++) {
        words[id.x][i] = pack4xI8(vec4<i32>(round(block[i] * inverse)));
    }
    scales[id.x] = scale;
}
