// A matrix [rows, INPUTS] of 16-bit floats, read four numbers at a time.

// [rows, INPUTS / 4], two floats a word
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

alias Stored = vec2<u32>;

fn fetch(row: u32, quad: u32) -> Stored { return weights[row * (INPUTS / 4) + quad]; }

fn decode(stored: Stored) -> vec4<f32> { return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y)); }
