//! Token states to one vector a text.

use crate::config::Pooling;

/// `states` is `[tokens, hidden]`; `out` becomes `[lengths.len(), hidden]`.
pub(super) fn pool(pooling: Pooling, states: &[f32], lengths: &[usize], hidden: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(lengths.len() * hidden, 0.0);
    let mut rows = states.chunks_exact(hidden);
    for (&len, out) in lengths.iter().zip(out.chunks_exact_mut(hidden)) {
        match pooling {
            Pooling::Mean => {
                for row in rows.by_ref().take(len) {
                    for (sum, x) in out.iter_mut().zip(row) {
                        *sum += x;
                    }
                }
                let inverse = 1.0 / len as f32;
                out.iter_mut().for_each(|x| *x *= inverse);
            }
            Pooling::Cls => {
                for (at, row) in rows.by_ref().take(len).enumerate() {
                    if at == 0 {
                        out.copy_from_slice(row);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_each_text_by_itself() {
        let states = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = Vec::new();
        pool(Pooling::Mean, &states, &[2, 1], 2, &mut out);
        assert_eq!(out, [2.0, 3.0, 5.0, 6.0]);
        pool(Pooling::Cls, &states, &[2, 1], 2, &mut out);
        assert_eq!(out, [1.0, 2.0, 5.0, 6.0]);
    }
}
