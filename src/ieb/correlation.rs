//! Rank correlation.

/// Spearman's ρ: Pearson's correlation of the ranks, ties with their average rank, as SciPy's `spearmanr`.
///
/// `None` where it is not defined: fewer than two pairs, unequal lengths, a constant side, or a NaN.
///
/// ```
/// assert_eq!(pie_embed_wasm::ieb::spearman(&[1.0, 2.0, 3.0], &[10.0, 100.0, 1000.0]), Some(1.0));
/// ```
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 || x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let (x, y) = (ranks(x), ranks(y));
    // Of n ranks, ties averaged, the mean is (n + 1) / 2 exactly.
    let mean = (x.len() as f64 + 1.0) / 2.0;
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().map(|x| x - mean).zip(y.iter().map(|y| y - mean)) {
        xy += x * y;
        xx += x * x;
        yy += y * y;
    }
    if xx == 0.0 || yy == 0.0 { None } else { Some((xy / (xx * yy).sqrt()).clamp(-1.0, 1.0)) }
}

/// Ranks from 1, ties with the mean of theirs. Numbers compare as IEEE 754 has it, so 0 and −0 tie.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).unwrap_or(std::cmp::Ordering::Equal));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&at| ranks[at] = rank);
        first += tied.len();
    }
    ranks
}

/// The highest Spearman correlation that scores without ties can have with 0/1 labels, reached when every positive stands above
/// every negative: `√(3 · negatives · positives / (n² − 1))`. `None` where one side is missing.
///
/// ```
/// let ceiling = pie_embed_wasm::ieb::binary_ceiling(992, 1504).unwrap();
/// assert!((ceiling - 0.8476).abs() < 5e-5);
/// ```
pub fn binary_ceiling(negatives: usize, positives: usize) -> Option<f64> {
    if negatives == 0 || positives == 0 {
        return None;
    }
    let (negatives, positives) = (negatives as f64, positives as f64);
    let n = negatives + positives;
    Some((3.0 * negatives * positives / (n * n - 1.0)).sqrt())
}
