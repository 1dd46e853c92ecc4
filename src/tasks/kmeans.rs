//! k-means as scikit-learn's `KMeans` does it: greedy k-means++ and Lloyd's iterations.

use super::blocks::map_blocks;
use super::{Random, Steps, Vectors};
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::{PackedF32, gemm_f32};

/// What to fit; the defaults are scikit-learn's.
///
/// ```
/// use pie_embed_wasm::ieb::{KMeans, Vectors};
/// let points = Vectors::new(vec![0.0, 0.1, 5.0, 5.1], 1)?;
/// let clusters = KMeans::new(2).fit(&points)?;
/// assert_eq!(clusters.labels[0], clusters.labels[1]);
/// assert_ne!(clusters.labels[1], clusters.labels[2]);
/// # Ok::<(), pie_embed_wasm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KMeans {
    pub clusters: usize,
    /// Runs, each from other centres; the one with the lowest inertia counts.
    pub runs: usize,
    pub max_iterations: usize,
    /// Iterations end when the centres' squared moves sum to at most this times the mean variance of a dimension.
    pub tolerance: f64,
    pub seed: u64,
}

/// A fit.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// The cluster of each row.
    pub labels: Vec<usize>,
    /// `‖row − centre‖²` of each row and its cluster's centre.
    pub distances: Vec<f64>,
    /// The sum of these.
    pub inertia: f64,
    pub iterations: usize,
}

impl KMeans {
    /// `n` clusters, one run, at most 300 iterations, tolerance 1e-4, seed 0.
    pub const fn new(n: usize) -> Self {
        Self { clusters: n, runs: 1, max_iterations: 300, tolerance: 1e-4, seed: 0 }
    }

    /// Finds clusters; the same seed gives the same ones everywhere.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] when there are no clusters, no runs, or more clusters than rows.
    pub fn fit(&self, points: &Vectors) -> Result<Clusters> {
        self.fit_with(points, &mut |_, _| {})
    }

    /// [`fit`](Self::fit) for who wants to hear of it: a centre or an iteration is a step, and the end comes early as a rule.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_with(&self, points: &Vectors, step: Steps<'_>) -> Result<Clusters> {
        if self.clusters == 0 || self.clusters > points.len() || self.runs == 0 {
            let message = format!("{} clusters of {} rows in {} runs", self.clusters, points.len(), self.runs);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let space = Space::new(points);
        let mut random = Random::new(self.seed);
        let steps = self.clusters + self.max_iterations;
        let mut run = |n: usize| self.run(&space, &mut random, &mut |done| step(n * steps + done, self.runs * steps));
        let mut best = run(0);
        for n in 1..self.runs {
            let next = run(n);
            if next.inertia < best.inertia {
                best = next;
            }
        }
        Ok(best)
    }

    fn run(&self, space: &Space, random: &mut Random, step: &mut dyn FnMut(usize)) -> Clusters {
        let mut centres = plus_plus(space, self.clusters, random, step);
        let tolerance = self.tolerance * space.variance;
        let mut labels = Vec::new();
        let mut iterations = 0;
        let mut settled = false;
        while iterations < self.max_iterations && !settled {
            iterations += 1;
            step(self.clusters + iterations);
            let (next, distances) = space.assign(&centres);
            // Strict convergence: no row changed its cluster, so the centres are the means already.
            settled = next == labels;
            labels = next;
            if !settled {
                let moved = space.update(&labels, &distances, &mut centres);
                settled = moved <= tolerance;
            }
        }
        // The labels that belong to the last centres.
        let (labels, distances) = space.assign(&centres);
        Clusters { labels, inertia: distances.iter().sum(), distances, iterations }
    }
}

/// The rows, moved so that their mean is zero: squared distances by `‖x‖² − 2 x·c + ‖c‖²` then lose the fewest digits.
struct Space {
    data: Vec<f32>,
    dimensions: usize,
    /// Of each row.
    squares: Vec<f64>,
    /// The mean over dimensions of their variance.
    variance: f64,
}

impl Space {
    fn new(points: &Vectors) -> Self {
        let dimensions = points.dimensions();
        let mut mean = vec![0.0_f64; dimensions];
        for row in points.rows() {
            mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
        }
        mean.iter_mut().for_each(|mean| *mean /= points.len() as f64);
        let data: Vec<f32> = points.rows().flat_map(|row| row.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean) as f32)).collect();
        let squares = squares(&data, dimensions);
        let variance = squares.iter().sum::<f64>() / data.len() as f64;
        Self { data, dimensions, squares, variance }
    }

    fn row(&self, n: usize) -> &[f32] {
        &self.data[n * self.dimensions..(n + 1) * self.dimensions]
    }

    /// What `of` makes of each row's squared distances to the centres.
    fn by_row<T: Send>(&self, centres: &[f32], of: impl Fn(&[f64]) -> T + Sync) -> Vec<T> {
        let norms = squares(centres, self.dimensions);
        let packed = PackedF32::pack(centres, norms.len(), self.dimensions);
        let zeros = vec![0.0; norms.len()];
        let blocks = map_blocks(self.squares.len(), |rows| {
            let mut products = vec![0.0; rows.len() * norms.len()];
            gemm_f32(&self.data[rows.start * self.dimensions..rows.end * self.dimensions], &packed, &zeros, &mut products);
            let mut distances = vec![0.0; norms.len()];
            let rows = products.chunks_exact(norms.len()).zip(&self.squares[rows]);
            rows.map(|(products, x)| {
                for ((distance, &xc), c) in distances.iter_mut().zip(products).zip(&norms) {
                    *distance = (x - 2.0 * f64::from(xc) + c).max(0.0);
                }
                of(&distances)
            })
            .collect::<Vec<T>>()
        });
        blocks.into_iter().flatten().collect()
    }

    /// The nearest centre of each row, and its squared distance.
    fn assign(&self, centres: &[f32]) -> (Vec<usize>, Vec<f64>) {
        self.by_row(centres, smallest).into_iter().unzip()
    }

    /// Moves each centre to the mean of its rows; gives the sum of the squared moves. A centre without rows takes the row that is
    /// farthest from its own centre.
    fn update(&self, labels: &[usize], distances: &[f64], centres: &mut [f32]) -> f64 {
        let k = centres.len() / self.dimensions;
        let mut labels = labels.to_vec();
        let mut sizes = vec![0_usize; k];
        labels.iter().for_each(|&label| sizes[label] += 1);
        if sizes.contains(&0) {
            let mut farthest: Vec<usize> = (0..labels.len()).collect();
            farthest.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
            let mut farthest = farthest.into_iter();
            for empty in (0..k).filter(|&cluster| sizes[cluster] == 0).collect::<Vec<_>>() {
                if let Some(row) = farthest.find(|&row| sizes[labels[row]] > 1) {
                    sizes[labels[row]] -= 1;
                    sizes[empty] = 1;
                    labels[row] = empty;
                }
            }
        }
        let mut sums = vec![0.0_f64; centres.len()];
        for (row, &label) in labels.iter().enumerate() {
            let sum = &mut sums[label * self.dimensions..][..self.dimensions];
            sum.iter_mut().zip(self.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let mut moved = 0.0;
        let parts = centres.chunks_exact_mut(self.dimensions).zip(sums.chunks_exact(self.dimensions)).zip(&sizes);
        for ((centre, sum), &size) in parts.filter(|(_, size)| **size > 0) {
            for (centre, sum) in centre.iter_mut().zip(sum) {
                let mean = (sum / size as f64) as f32;
                moved += f64::from(mean - *centre).powi(2);
                *centre = mean;
            }
        }
        moved
    }
}

fn squares(data: &[f32], dimensions: usize) -> Vec<f64> {
    data.chunks_exact(dimensions).map(|row| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum()).collect()
}

fn smallest(row: &[f64]) -> (usize, f64) {
    let first = (0, f64::INFINITY);
    row.iter().enumerate().fold(first, |best, (at, &value)| if value < best.1 { (at, value) } else { best })
}

/// Greedy k-means++ (Arthur and Vassilvitskii 2007, section 5): each next centre is, of `2 + ⌊ln k⌋` rows drawn with probability
/// proportional to the squared distance to the nearest centre so far, the one that leaves the lowest sum of these.
fn plus_plus(space: &Space, k: usize, random: &mut Random, step: &mut dyn FnMut(usize)) -> Vec<f32> {
    let rows = space.squares.len();
    let trials = 2 + (k as f64).ln() as usize;
    let mut centres = space.row(random.below(rows)).to_vec();
    let mut closest = space.by_row(&centres, |row| row[0]);
    for found in 1..k {
        step(found);
        let cumulative: Vec<f64> = closest
            .iter()
            .scan(0.0, |sum, &d| {
                *sum += d;
                Some(*sum)
            })
            .collect();
        let total = cumulative.last().copied().unwrap_or(0.0);
        let candidates: Vec<usize> = (0..trials)
            .map(|_| {
                let target = random.unit() * total;
                cumulative.partition_point(|&sum| sum < target).min(rows - 1)
            })
            .collect();
        let drawn: Vec<f32> = candidates.iter().flat_map(|&row| space.row(row)).copied().collect();
        let distances = space.by_row(&drawn, <[f64]>::to_vec);
        let left =
            |candidate: usize| -> Vec<f64> { distances.iter().zip(&closest).map(|(row, &closest)| row[candidate].min(closest)).collect() };
        let mut best = left(0);
        let mut best_sum: f64 = best.iter().sum();
        let mut chosen = 0;
        for candidate in 1..trials {
            let next = left(candidate);
            let sum = next.iter().sum();
            if sum < best_sum {
                (best, best_sum, chosen) = (next, sum, candidate);
            }
        }
        centres.extend_from_slice(space.row(candidates[chosen]));
        closest = best;
    }
    centres
}
