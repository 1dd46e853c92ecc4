fn finish(sum: vec4<f32>, at: u32) -> vec4<f32> { return sum + residual[at]; }
