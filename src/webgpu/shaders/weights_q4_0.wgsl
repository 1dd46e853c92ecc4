// A matrix [rows, INPUTS] of four-bit numbers with a scale per 32, read four numbers at a time.

// [rows, INPUTS / 8]: four words a block of 32, whose bytes hold one of its first 16 numbers low and one of its last 16 high
@group(0) @binding(1) var<storage, read> weights: array<u32>;
// [rows, INPUTS / 32]
@group(0) @binding(2) var<storage, read> scales: array<f32>;

struct Stored { word: u32, scale: f32 }

fn fetch(row: u32, quad: u32) -> Stored {
    let word = weights[row * (INPUTS / 8) + quad / 8 * 4 + quad % 4];
    return Stored(word >> (quad % 8 / 4 * 4), scales[row * (INPUTS / 32) + quad / 8]);
}

// Four numbers without their scale, a byte each: 8 is taken from each nibble, and no byte borrows from the next one.
fn bytes(stored: Stored) -> u32 { return (((stored.word & 0x0f0f0f0f) | 0x80808080) - 0x08080808) ^ 0x80808080; }

fn decode(stored: Stored) -> vec4<f32> {
    let nibbles = (vec4<u32>(stored.word) >> vec4<u32>(0, 8, 16, 24)) & vec4<u32>(15);
    return (vec4<f32>(nibbles) - 8.0) * stored.scale;
}
