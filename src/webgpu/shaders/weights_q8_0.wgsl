// A matrix [rows, INPUTS] of signed bytes with a scale per 32, read four numbers at a time.

// [rows, INPUTS / 4], four bytes a word
@group(0) @binding(1) var<storage, read> weights: array<u32>;
// [rows, INPUTS / 32]
@group(0) @binding(2) var<storage, read> scales: array<f32>;

struct Stored { word: u32, scale: f32 }

fn fetch(row: u32, quad: u32) -> Stored {
    return Stored(weights[row * (INPUTS / 4) + quad], scales[row * (INPUTS / 32) + quad / 8]);
}

// Four numbers without their scale, a byte each.
fn bytes(stored: Stored) -> u32 { return stored.word; }

fn decode(stored: Stored) -> vec4<f32> {
    let bytes = vec4<i32>(vec4<u32>(stored.word << 24, stored.word << 16, stored.word << 8, stored.word)) >> vec4<u32>(24);
    return vec4<f32>(bytes) * stored.scale;
}
