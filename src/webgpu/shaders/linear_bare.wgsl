// y = x Wᵀ + bias without workgroup memory, for what stands in for a GPU: there a barrier costs more than it saves. A thread makes
// 8 × 8, as products of 4 × 4 matrices; a workgroup is a row of threads.

// [tokens, INPUTS / 4]
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

// Four rows of x side by side.
fn rows(row: u32, quad: u32) -> mat4x4<f32> {
    let at = row * (INPUTS / 4) + quad;
    return mat4x4<f32>(x[at], x[at + INPUTS / 4], x[at + INPUTS / 2], x[at + INPUTS / 4 * 3]);
}

// Four rows of W, one below the other.
fn columns(row: u32, quad: u32) -> mat4x4<f32> {
    let top = mat2x4<f32>(decode(fetch(row, quad)), decode(fetch(row + 1, quad)));
    let bottom = mat2x4<f32>(decode(fetch(row + 2, quad)), decode(fetch(row + 3, quad)));
    return transpose(mat4x4<f32>(top[0], top[1], bottom[0], bottom[1]));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = tile.y * TILE_M;
    let n = tile.x * TILE_N + thread * THREAD_N;
    var a = mat4x4<f32>();
    var b = mat4x4<f32>();
    var c = mat4x4<f32>();
    var d = mat4x4<f32>();
    for (var quad = 0u; quad < INPUTS / 4; quad++) {
        let top = rows(m, quad);
        let bottom = rows(m + 4, quad);
        let left = columns(n, quad);
        let right = columns(n + 4, quad);
        a += left * top;
        b += right * top;
        c += left * bottom;
        d += right * bottom;
    }
    for (var i = 0u; i < 4; i++) {
        put(a[i], m + i, n / 4);
        put(b[i], m + i, n / 4 + 1);
        put(c[i], m + 4 + i, n / 4);
        put(d[i], m + 4 + i, n / 4 + 1);
    }
}
