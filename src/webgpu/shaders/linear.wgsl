// y = x Wᵀ + bias, by tiles of TILE_M × TILE_N that a workgroup makes, THREAD_M × THREAD_N a thread. GELU or a residual are added
// where the layer has one.
//
// `real` is f32, or f16 where the device has it: products of one tile are then added in 16 bits, and the tiles in 32.
//
// The tiles of x and W lie transposed in workgroup memory, four rows a vec4; the groups of four are swapped by XOR so that neither
// the stores of a column nor the loads of a row meet in a bank.

// [tokens, INPUTS / 4]
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

const QUADS = TILE_K / 4;
const LOADS_X = TILE_M * QUADS / THREADS;
const LOADS_W = TILE_N * QUADS / THREADS;

// [TILE_K, TILE_M / 4]
var<workgroup> x_tile: array<vec4<real>, TILE_K * TILE_M / 4>;
// [TILE_K, TILE_N / 4]
var<workgroup> w_tile: array<vec4<real>, TILE_K * TILE_N / 4>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = thread % THREADS_N;
    let row = thread / THREADS_N;
    var sums: array<vec4<f32>, THREAD_M * GROUPS_N>;
    for (var i = 0u; i < THREAD_M * GROUPS_N; i++) {
        sums[i] = vec4<f32>();
    }
    var x_next: array<vec4<f32>, LOADS_X>;
    var w_next: array<Stored, LOADS_W>;
    for (var i = 0u; i < LOADS_X; i++) {
        let at = thread + i * THREADS;
        x_next[i] = x[(tile.y * TILE_M + at / QUADS) * (INPUTS / 4) + at % QUADS];
    }
    for (var i = 0u; i < LOADS_W; i++) {
        let at = thread + i * THREADS;
        w_next[i] = fetch(tile.x * TILE_N + at / QUADS, at % QUADS);
    }
    for (var next = QUADS; next <= INPUTS / 4; next += QUADS) {
        workgroupBarrier();
        for (var i = 0u; i < LOADS_X; i++) {
            let at = thread + i * THREADS;
            let m = at / QUADS;
            let quad = at % QUADS;
            let to = quad * TILE_M + ((m / 4) ^ (quad * 2 % 8));
            x_tile[to][m % 4] = real(x_next[i].x);
            x_tile[to + TILE_M / 4][m % 4] = real(x_next[i].y);
            x_tile[to + TILE_M / 2][m % 4] = real(x_next[i].z);
            x_tile[to + TILE_M / 4 * 3][m % 4] = real(x_next[i].w);
        }
        for (var i = 0u; i < LOADS_W; i++) {
            let at = thread + i * THREADS;
            let n = at / QUADS;
            let quad = at % QUADS;
            let to = quad * TILE_N + ((n / 4) ^ (quad * 2 % 8));
            let w = decode(w_next[i]);
            w_tile[to][n % 4] = real(w.x);
            w_tile[to + TILE_N / 4][n % 4] = real(w.y);
            w_tile[to + TILE_N / 2][n % 4] = real(w.z);
            w_tile[to + TILE_N / 4 * 3][n % 4] = real(w.w);
        }
        workgroupBarrier();
        // On their way while this tile is multiplied.
        if (next < INPUTS / 4) {
            for (var i = 0u; i < LOADS_X; i++) {
                let at = thread + i * THREADS;
                x_next[i] = x[(tile.y * TILE_M + at / QUADS) * (INPUTS / 4) + next + at % QUADS];
            }
            for (var i = 0u; i < LOADS_W; i++) {
                let at = thread + i * THREADS;
                w_next[i] = fetch(tile.x * TILE_N + at / QUADS, next + at % QUADS);
            }
        }
        for (var k = 0u; k < TILE_K; k++) {
            let swap = k / 4 * 2 % 8;
            var w: array<vec4<real>, GROUPS_N>;
            for (var j = 0u; j < GROUPS_N; j++) {
                w[j] = w_tile[k * (TILE_N / 4) + ((j * THREADS_N + column) ^ swap)];
            }
            for (var i = 0u; i < GROUPS_M; i++) {
                let x = x_tile[k * (TILE_M / 4) + ((i * THREADS_M + row) ^ swap)];
                for (var j = 0u; j < GROUPS_N; j++) {
                    sums[(i * 4) * GROUPS_N + j] += x.x * w[j];
                    sums[(i * 4 + 1) * GROUPS_N + j] += x.y * w[j];
                    sums[(i * 4 + 2) * GROUPS_N + j] += x.z * w[j];
                    sums[(i * 4 + 3) * GROUPS_N + j] += x.w * w[j];
                }
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
