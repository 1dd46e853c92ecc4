// GELU with the error function (Abramowitz and Stegun 7.1.26).
fn finish(x: vec4<f32>, at: u32) -> vec4<f32> {
    let z = abs(x) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = ((((1.0614054 * t - 1.4531521) * t + 1.4214138) * t - 0.28449674) * t + 0.2548296) * t;
    let tail = 0.5 * p * exp(-z * z);
    return x * select(1.0 - tail, tail, x < vec4<f32>());
}
