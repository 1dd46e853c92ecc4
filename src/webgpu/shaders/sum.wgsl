// The sum over a workgroup of THREADS (a power of two), for each of its threads.

var<workgroup> partial: array<f32, THREADS>;

fn sum(x: f32, thread: u32) -> f32 {
    workgroupBarrier();
    partial[thread] = x;
    for (var half = THREADS / 2; half > 0; half /= 2) {
        workgroupBarrier();
        if (thread < half) {
            partial[thread] += partial[thread + half];
        }
    }
    workgroupBarrier();
    return partial[0];
}
