//! How well clusters match classes. Labels are any numbers; only which are equal counts.

use std::collections::HashMap;

use super::neighbour::dense;

/// Counts of (class, cluster) pairs, of classes and of clusters.
struct Contingency {
    cells: HashMap<(usize, usize), usize>,
    classes: HashMap<usize, usize>,
    clusters: HashMap<usize, usize>,
    n: usize,
}

impl Contingency {
    fn new(classes: &[usize], clusters: &[usize]) -> Self {
        let mut table = Self { cells: HashMap::new(), classes: HashMap::new(), clusters: HashMap::new(), n: 0 };
        for (&class, &cluster) in classes.iter().zip(clusters) {
            *table.cells.entry((class, cluster)).or_default() += 1;
            *table.classes.entry(class).or_default() += 1;
            *table.clusters.entry(cluster).or_default() += 1;
            table.n += 1;
        }
        table
    }
}

/// Sums in an order that does not depend on the hash map's: the figures are the same in every run.
fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut terms: Vec<f64> = terms.collect();
    terms.sort_by(f64::total_cmp);
    terms.iter().sum()
}

/// The Rand index corrected for chance (Hubert and Arabie 1985), as scikit-learn's `adjusted_rand_score`. With the pair confusion
/// matrix `[[tn, fp], [fn, tp]]`:
///
/// `ARI = 2 (tp·tn − fn·fp) / ((tp + fn)(fn + tn) + (tp + fp)(fp + tn))`, and 1 where `fn = fp = 0`.
///
/// ```
/// assert_eq!(pie_embed_wasm::ieb::adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 3, 3]), 1.0);
/// assert_eq!(pie_embed_wasm::ieb::adjusted_rand_index(&[0, 0, 1, 1], &[0, 1, 0, 1]), -0.5);
/// ```
pub fn adjusted_rand_index(classes: &[usize], clusters: &[usize]) -> f64 {
    let table = Contingency::new(classes, clusters);
    // Whole numbers stay exact below 2^53, that is up to 94 million rows.
    let squares = |counts: &mut dyn Iterator<Item = usize>| counts.map(|n| (n * n) as f64).sum::<f64>();
    let both = squares(&mut table.cells.values().copied());
    let in_class = squares(&mut table.classes.values().copied());
    let in_cluster = squares(&mut table.clusters.values().copied());
    let n = table.n as f64;
    let (together, class_only, cluster_only) = (both - n, in_class - both, in_cluster - both);
    let apart = n * n - cluster_only - class_only - both;
    if class_only == 0.0 && cluster_only == 0.0 {
        return 1.0;
    }
    2.0 * (together * apart - class_only * cluster_only)
        / ((together + class_only) * (class_only + apart) + (together + cluster_only) * (cluster_only + apart))
}

/// The share of rows that belong to their cluster's most frequent class: `Σ_cluster max_class n(class, cluster) / n`; 0 of no rows.
pub fn purity(classes: &[usize], clusters: &[usize]) -> f64 {
    let table = Contingency::new(classes, clusters);
    let mut most: HashMap<usize, usize> = HashMap::new();
    for (&(_, cluster), &count) in &table.cells {
        let best = most.entry(cluster).or_default();
        *best = count.max(*best);
    }
    most.values().sum::<usize>() as f64 / table.n.max(1) as f64
}

/// `1 − H(class | cluster) / H(class)` (Rosenberg and Hirschberg 2007), as scikit-learn's `homogeneity_score`; 1 where there is one
/// class only.
pub fn homogeneity(classes: &[usize], clusters: &[usize]) -> f64 {
    let table = Contingency::new(classes, clusters);
    let n = table.n as f64;
    let entropy = -sum(table.classes.values().map(|&count| count as f64 / n * (count as f64 / n).ln()));
    if entropy == 0.0 {
        return 1.0;
    }
    let conditional = -sum(table.cells.iter().map(|((_, cluster), &count)| {
        let in_cluster = table.clusters.get(cluster).copied().unwrap_or(count) as f64;
        count as f64 / n * (count as f64 / in_cluster).ln()
    }));
    1.0 - conditional / entropy
}

/// The mean silhouette (Rousseeuw 1987) with Euclidean distances: of each row `(b − a) / max(a, b)`, `a` its mean distance to the
/// others of its cluster, `b` to the rows of the nearest other cluster; 0 for a row alone in its cluster.
///
/// `points` is `[rows, dimensions]`, row-major. `None` unless there are 2 to `rows − 1` clusters.
pub fn silhouette<T: Copy + Into<f64>>(points: &[T], dimensions: usize, clusters: &[usize]) -> Option<f64> {
    let (labels, sizes) = dense(clusters);
    let (n, k) = (labels.len(), sizes.len());
    if k < 2 || k + 1 > n || dimensions == 0 || points.len() != n * dimensions {
        return None;
    }
    let rows: Vec<&[T]> = points.chunks_exact(dimensions).collect();
    let total: f64 = rows
        .iter()
        .zip(&labels)
        .map(|(row, &own)| {
            if sizes[own] == 1 {
                return 0.0;
            }
            let mut sums = vec![0.0; k];
            for (other, &label) in rows.iter().zip(&labels) {
                sums[label] += distance(row, other);
            }
            let a = sums[own] / (sizes[own] - 1) as f64;
            let others = (0..k).filter(|&label| label != own);
            let b = others.map(|label| sums[label] / sizes[label] as f64).fold(f64::INFINITY, f64::min);
            if a.max(b) > 0.0 { (b - a) / a.max(b) } else { 0.0 }
        })
        .sum();
    Some(total / n as f64)
}

/// Four sums side by side, so that the compiler vectorises them.
fn distance<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    let square = |x: T, y: T| {
        let d = x.into() - y.into();
        d * d
    };
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for lane in 0..4 {
            sums[lane] += square(a[lane], b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&x, &y)| square(x, y)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}
