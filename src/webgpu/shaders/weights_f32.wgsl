// A matrix [rows, INPUTS] of floats, read four numbers at a time.

// [rows, INPUTS / 4]
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

alias Stored = vec4<f32>;

fn fetch(row: u32, quad: u32) -> Stored { return weights[row * (INPUTS / 4) + quad]; }

fn decode(stored: Stored) -> vec4<f32> { return stored; }
