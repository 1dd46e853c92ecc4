// y = x Wᵀ + bias over bytes, cut up as in linear.wgsl: four products an instruction, summed as whole numbers within a block of 32,
// whose sums are scaled and added in f32. The words of a block lie in workgroup memory as the numbers do there.

// [tokens, INPUTS / 16], four words each
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
// [tokens, INPUTS / 32]
@group(0) @binding(6) var<storage, read> x_scales: array<f32>;

const LOADS_X = TILE_M * 2 / THREADS;
const LOADS_W = TILE_N * 8 / THREADS;

// [8, TILE_M / 4] and [8, TILE_N / 4]
var<workgroup> x_tile: array<vec4<u32>, 2 * TILE_M>;
var<workgroup> w_tile: array<vec4<u32>, 2 * TILE_N>;
var<workgroup> x_scale: array<vec4<f32>, TILE_M / 4>;
var<workgroup> w_scale: array<vec4<f32>, TILE_N / 4>;

fn products(x: u32, w: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = thread % THREADS_N;
    let row = thread / THREADS_N;
    var sums: array<vec4<f32>, THREAD_M * GROUPS_N>;
    for (var i = 0u; i < THREAD_M * GROUPS_N; i++) {
        sums[i] = vec4<f32>();
    }
    var x_next: array<vec4<u32>, LOADS_X>;
    var x_scale_next: array<f32, LOADS_X>;
    var w_next: array<Stored, LOADS_W>;
    for (var i = 0u; i < LOADS_X; i++) {
        let at = thread + i * THREADS;
        let m = tile.y * TILE_M + at / 2;
        x_next[i] = x[m * (INPUTS / 16) + at % 2];
        x_scale_next[i] = x_scales[m * (INPUTS / 32)];
    }
    for (var i = 0u; i < LOADS_W; i++) {
        let at = thread + i * THREADS;
        w_next[i] = fetch(tile.x * TILE_N + at / 8, at % 8);
    }
    for (var next = 1u; next <= INPUTS / 32; next++) {
        workgroupBarrier();
        for (var i = 0u; i < LOADS_X; i++) {
            let at = thread + i * THREADS;
            let m = at / 2;
            for (var j = 0u; j < 4; j++) {
                let k = at % 2 * 4 + j;
                x_tile[k * (TILE_M / 4) + ((m / 4) ^ k)][m % 4] = x_next[i][j];
            }
            if (at % 2 == 0) {
                x_scale[m / 4][m % 4] = x_scale_next[i];
            }
        }
        for (var i = 0u; i < LOADS_W; i++) {
            let at = thread + i * THREADS;
            let n = at / 8;
            let k = at % 8;
            w_tile[k * (TILE_N / 4) + ((n / 4) ^ k)][n % 4] = bytes(w_next[i]);
            if (k == 0) {
                w_scale[n / 4][n % 4] = w_next[i].scale;
            }
        }
        workgroupBarrier();
        // On their way while this block is multiplied.
        if (next < INPUTS / 32) {
            for (var i = 0u; i < LOADS_X; i++) {
                let at = thread + i * THREADS;
                let m = tile.y * TILE_M + at / 2;
                x_next[i] = x[m * (INPUTS / 16) + next * 2 + at % 2];
                x_scale_next[i] = x_scales[m * (INPUTS / 32) + next];
            }
            for (var i = 0u; i < LOADS_W; i++) {
                let at = thread + i * THREADS;
                w_next[i] = fetch(tile.x * TILE_N + at / 8, next * 8 + at % 8);
            }
        }
        var parts: array<vec4<i32>, THREAD_M * GROUPS_N>;
        for (var i = 0u; i < THREAD_M * GROUPS_N; i++) {
            parts[i] = vec4<i32>();
        }
        for (var k = 0u; k < TILE_K; k++) {
            var w: array<vec4<u32>, GROUPS_N>;
            for (var j = 0u; j < GROUPS_N; j++) {
                w[j] = w_tile[k * (TILE_N / 4) + ((j * THREADS_N + column) ^ k)];
            }
            for (var i = 0u; i < GROUPS_M; i++) {
                let x = x_tile[k * (TILE_M / 4) + ((i * THREADS_M + row) ^ k)];
                for (var j = 0u; j < GROUPS_N; j++) {
                    parts[(i * 4) * GROUPS_N + j] += products(x.x, w[j]);
                    parts[(i * 4 + 1) * GROUPS_N + j] += products(x.y, w[j]);
                    parts[(i * 4 + 2) * GROUPS_N + j] += products(x.z, w[j]);
                    parts[(i * 4 + 3) * GROUPS_N + j] += products(x.w, w[j]);
                }
            }
        }
        for (var i = 0u; i < THREAD_M; i++) {
            let scale = x_scale[i / 4 * THREADS_M + row][i % 4];
            for (var j = 0u; j < GROUPS_N; j++) {
                sums[i * GROUPS_N + j] += vec4<f32>(parts[i * GROUPS_N + j]) * (scale * w_scale[j * THREADS_N + column]);
            }
        }
    }
    for (var j = 0u; j < GROUPS_N; j++) {
        let n = tile.x * (TILE_N / 4) + j * THREADS_N + column;
        if (n < OUTPUTS / 4) {
            for (var i = 0u; i < THREAD_M; i++) {
                put(sums[i * GROUPS_N + j], tile.y * TILE_M + (i / 4 * THREADS_M + row) * 4 + i % 4, n);
            }
        }
    }
}
