// What the products of dense layers share: their bindings behind the weights.

// [OUTPUTS / 4]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
// [tokens, OUTPUTS / 4]
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
// [tokens, OUTPUTS / 4]
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

const THREADS_N = TILE_N / THREAD_N;
const THREADS_M = TILE_M / THREAD_M;
const THREADS = THREADS_M * THREADS_N;
const GROUPS_M = THREAD_M / 4;
const GROUPS_N = THREAD_N / 4;

// Four numbers of `y`, `n` being the fourth part of the first one's column.
fn put(sums: vec4<f32>, m: u32, n: u32) {
    let at = m * (OUTPUTS / 4) + n;
    y[at] = finish(sums + bias[n], at);
}
