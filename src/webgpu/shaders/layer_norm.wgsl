// (x - mean) / √(variance + eps) · gamma + beta of one row, of which each thread has every THREADS-th vec4; written to `states`.

const ROW = (HIDDEN / 4 + THREADS - 1) / THREADS;

fn layer_norm(row: ptr<function, array<vec4<f32>, ROW>>, thread: u32, at_row: u32) {
    var total = vec4<f32>();
    for (var i = 0u; i < ROW; i++) {
        if (thread + i * THREADS < HIDDEN / 4) {
            total += (*row)[i];
        }
    }
    let mean = sum(dot(total, vec4<f32>(1.0)), thread) / f32(HIDDEN);
    var squares = vec4<f32>();
    for (var i = 0u; i < ROW; i++) {
        if (thread + i * THREADS < HIDDEN / 4) {
            let x = (*row)[i] - mean;
            squares += x * x;
        }
    }
    let inverse = 1.0 / sqrt(sum(dot(squares, vec4<f32>(1.0)), thread) / f32(HIDDEN) + EPS);
    for (var i = 0u; i < ROW; i++) {
        let at = thread + i * THREADS;
        if (at < HIDDEN / 4) {
            states[at_row * (HIDDEN / 4) + at] = ((*row)[i] - mean) * inverse * norm[at] + norm[HIDDEN / 4 + at];
        }
    }
}
