// Nothing but multiply-adds: what the adapter can do at most. 8 * 4 * 2 operations a step, STEPS steps a thread.

@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = vec4<f32>(f32(id.x) * 1e-9);
    var a = x;
    var b = x + 1.0;
    var c = x + 2.0;
    var d = x + 3.0;
    var e = x + 4.0;
    var f = x + 5.0;
    var g = x + 6.0;
    var h = x + 7.0;
    for (var i = 0u; i < STEPS; i++) {
        a = fma(a, x, x);
        b = fma(b, x, x);
        c = fma(c, x, x);
        d = fma(d, x, x);
        e = fma(e, x, x);
        f = fma(f, x, x);
        g = fma(g, x, x);
        h = fma(h, x, x);
    }
    out[id.x % 256] = a + b + c + d + e + f + g + h;
}
