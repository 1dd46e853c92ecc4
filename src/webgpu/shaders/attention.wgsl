// softmax(Q Kᵀ / √HEAD_DIM) V within each text, without padding. A workgroup has QUERIES tokens of one text in GROUP heads, a
// thread one token in one head; keys and values pass by in tiles of KEYS tokens, and the softmax is kept up to date as they do.

struct Task { start: u32, len: u32, first: u32, unused: u32 }

// [tokens, 3 * HIDDEN / 4]: query, key and value side by side
@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
// Where a text starts, how long it is, and the first of its tokens that are the queries.
@group(0) @binding(1) var<storage, read> tasks: array<Task>;
// [tokens, HIDDEN / 4]
@group(0) @binding(2) var<storage, read_write> context: array<vec4<f32>>;

const QUADS = HEAD_DIM / 4;
const WIDTH = GROUP * QUADS;
const ROW = HEADS * QUADS;
const THREADS = QUERIES * GROUP;
// The score of what is no token: its weight is 0.
const LOWEST = -3e38;

// [KEYS, GROUP, QUADS]
var<workgroup> keys: array<vec4<f32>, KEYS * WIDTH>;
var<workgroup> values: array<vec4<f32>, KEYS * WIDTH>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let task = tasks[group.x];
    let in_group = thread / QUERIES;
    let head = group.y * GROUP + in_group;
    let query = task.first + thread % QUERIES;
    let live = query < task.len && head < HEADS;
    let at = (task.start + min(query, task.len - 1)) * (3 * ROW) + min(head, HEADS - 1) * QUADS;
    var q: array<vec4<f32>, QUADS>;
    var sums: array<vec4<f32>, QUADS>;
    for (var d = 0u; d < QUADS; d++) {
        q[d] = qkv[at + d] * inverseSqrt(f32(HEAD_DIM));
        sums[d] = vec4<f32>();
    }
    var largest = LOWEST;
    var total = 0.0;
    for (var first = 0u; first < task.len; first += KEYS) {
        workgroupBarrier();
        for (var i = thread; i < KEYS * WIDTH; i += THREADS) {
            let token = task.start + min(first + i / WIDTH, task.len - 1);
            let source = token * (3 * ROW) + min(group.y * WIDTH + i % WIDTH, ROW - 1);
            keys[i] = qkv[source + ROW];
            values[i] = qkv[source + 2 * ROW];
        }
        workgroupBarrier();
        if (live) {
            var scores: array<f32, KEYS>;
            var top = largest;
            for (var j = 0u; j < KEYS; j++) {
                var product = vec4<f32>();
                for (var d = 0u; d < QUADS; d++) {
                    product += q[d] * keys[j * WIDTH + in_group * QUADS + d];
                }
                scores[j] = select(LOWEST, dot(product, vec4<f32>(1.0)), first + j < task.len);
                top = max(top, scores[j]);
            }
            let shrink = exp(largest - top);
            largest = top;
            total *= shrink;
            for (var d = 0u; d < QUADS; d++) {
                sums[d] *= shrink;
            }
            for (var j = 0u; j < KEYS; j++) {
                let weight = exp(scores[j] - top);
                total += weight;
                for (var d = 0u; d < QUADS; d++) {
                    sums[d] += weight * values[j * WIDTH + in_group * QUADS + d];
                }
            }
        }
    }
    if (live) {
        for (var d = 0u; d < QUADS; d++) {
            context[(task.start + query) * ROW + head * QUADS + d] = sums[d] / total;
        }
    }
}
