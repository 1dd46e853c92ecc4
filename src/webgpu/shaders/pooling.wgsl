// Token states to one vector a text: mean or CLS, the first DIMENSIONS of it, scaled to length 1 where asked for. One workgroup a text.

struct Output { dimensions: u32, normalize: u32 }
struct Span { start: u32, len: u32 }

// [tokens, HIDDEN]
@group(0) @binding(0) var<storage, read> states: array<f32>;
// [texts]
@group(0) @binding(1) var<storage, read> spans: array<Span>;
// [texts, dimensions]
@group(0) @binding(2) var<storage, read_write> vectors: array<f32>;
@group(0) @binding(3) var<uniform> output: Output;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let span = spans[group.x];
    let pooled = select(span.len, 1u, CLS == 1);
    var squares = 0.0;
    for (var d = thread; d < output.dimensions; d += THREADS) {
        var total = 0.0;
        for (var token = span.start; token < span.start + pooled; token++) {
            total += states[token * HIDDEN + d];
        }
        let mean = total / f32(pooled);
        squares += mean * mean;
        vectors[group.x * output.dimensions + d] = mean;
    }
    let length = sqrt(sum(squares, thread));
    if (output.normalize == 1 && length > 0.0) {
        for (var d = thread; d < output.dimensions; d += THREADS) {
            vectors[group.x * output.dimensions + d] /= length;
        }
    }
}
