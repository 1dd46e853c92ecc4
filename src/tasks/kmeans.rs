//! k-means as scikit-learn's `KMeans` does it, greedy k-means++ and Lloyd's iterations, or as its `MiniBatchKMeans` does.

use std::borrow::Cow;

use super::blocks::map_blocks;
use super::products::Factor;
use super::{Random, Steps, Vectors};
use crate::error::{Error, ErrorCode, Result};

/// Centres whose products with a block of rows are computed together: they stay in the second-level cache.
const TILE: usize = 64;
/// Steps in which the mean inertia of mini-batches does not fall, and the last ones are over.
const PATIENCE: usize = 10;

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
    /// Rows that are drawn anew for each iteration (Sculley 2010), for pools over which one iteration takes long; all by default. The
    /// first centres are then found among three times as many, or three a cluster.
    pub batch: Option<usize>,
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
    /// `n` clusters, one run, at most 300 iterations over all rows, tolerance 1e-4, seed 0.
    pub const fn new(n: usize) -> Self {
        Self { clusters: n, runs: 1, max_iterations: 300, tolerance: 1e-4, batch: None, seed: 0 }
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
        if self.clusters == 0 || self.clusters > points.len() || self.runs == 0 || self.batch == Some(0) {
            let batch = self.batch.map_or_else(String::new, |batch| format!(", {batch} rows an iteration"));
            let message = format!("{} clusters of {} rows in {} runs{batch}", self.clusters, points.len(), self.runs);
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let space = if self.batch.is_some() { Space::as_is(points) } else { Space::centred(points) };
        let mut random = Random::new(self.seed);
        let steps = self.clusters + self.max_iterations;
        let mut run = |n: usize| {
            let step = &mut |done| step(n * steps + done, self.runs * steps);
            match self.batch {
                Some(batch) => self.run_batches(&space, batch, &mut random, step),
                None => self.run(&space, &mut random, step),
            }
        };
        let mut best = run(0);
        for n in 1..self.runs {
            let next = run(n);
            if next.inertia < best.inertia {
                best = next;
            }
        }
        Ok(best)
    }

    fn run(&self, space: &Space<'_>, random: &mut Random, step: &mut dyn FnMut(usize)) -> Clusters {
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
        space.clusters(&centres, iterations)
    }

    fn run_batches(&self, space: &Space<'_>, batch: usize, random: &mut Random, step: &mut dyn FnMut(usize)) -> Clusters {
        let rows = space.squares.len();
        let sample = space.pick(&random.draw(3 * batch.max(self.clusters), rows));
        let mut centres = plus_plus(&sample, self.clusters, random, step);
        let mut weights = vec![0.0; self.clusters];
        // Of the inertia, a mean that forgets: one epoch weighs as much as all before it.
        let memory = (2.0 * batch as f64 / (rows as f64 + 1.0)).min(1.0);
        let (mut mean, mut least, mut waited) = (None, f64::INFINITY, 0);
        let mut iterations = 0;
        while iterations < self.max_iterations && waited < PATIENCE {
            iterations += 1;
            step(self.clusters + iterations);
            let drawn: Vec<usize> = (0..batch).map(|_| random.below(rows)).collect();
            let inertia = space.pick(&drawn).step(&mut weights, &mut centres) / batch as f64;
            let now = mean.map_or(inertia, |mean| mean * (1.0 - memory) + inertia * memory);
            mean = Some(now);
            waited = if now < least { 0 } else { waited + 1 };
            least = least.min(now);
        }
        space.clusters(&centres, iterations)
    }
}

/// The rows between which distances are taken, by `‖x‖² − 2 x·c + ‖c‖²`.
struct Space<'a> {
    data: Cow<'a, [f32]>,
    dimensions: usize,
    /// Of each row.
    squares: Vec<f64>,
    /// The mean over dimensions of their variance.
    variance: f64,
}

impl<'a> Space<'a> {
    /// The rows as they are: a large pool has no room for a copy.
    fn as_is(points: &'a Vectors) -> Self {
        let (data, dimensions) = (Cow::Borrowed(points.data()), points.dimensions());
        Self { squares: squares(&data, dimensions), data, dimensions, variance: 0.0 }
    }

    /// The rows moved so that their mean is zero: distances then lose the fewest digits.
    fn centred(points: &Vectors) -> Self {
        let dimensions = points.dimensions();
        let mut mean = vec![0.0_f64; dimensions];
        for row in points.rows() {
            mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
        }
        mean.iter_mut().for_each(|mean| *mean /= points.len() as f64);
        let data: Vec<f32> = points.rows().flat_map(|row| row.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean) as f32)).collect();
        let squares = squares(&data, dimensions);
        let variance = squares.iter().sum::<f64>() / data.len() as f64;
        Self { data: Cow::Owned(data), dimensions, squares, variance }
    }

    fn pick(&self, rows: &[usize]) -> Space<'static> {
        let data: Vec<f32> = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        let squares = rows.iter().map(|&row| self.squares[row]).collect();
        Space { data: Cow::Owned(data), dimensions: self.dimensions, squares, variance: self.variance }
    }

    fn row(&self, n: usize) -> &[f32] {
        &self.data[n * self.dimensions..(n + 1) * self.dimensions]
    }

    /// The squared distances of each row to the centres, `[rows, centres]`.
    fn distances(&self, centres: &[f32]) -> Vec<f64> {
        let norms = squares(centres, self.dimensions);
        let factor = Factor::new(centres, self.dimensions);
        let blocks = map_blocks(self.squares.len(), |rows| {
            let products = factor.products(&self.data[rows.start * self.dimensions..rows.end * self.dimensions]);
            let rows = products.chunks_exact(norms.len()).zip(&self.squares[rows]);
            rows.flat_map(|(products, x)| products.iter().zip(&norms).map(move |(&xc, c)| distance(*x, xc, *c))).collect::<Vec<f64>>()
        });
        blocks.concat()
    }

    /// The nearest centre of each row, and its squared distance.
    fn assign(&self, centres: &[f32]) -> (Vec<usize>, Vec<f64>) {
        let norms = squares(centres, self.dimensions);
        let tiles: Vec<Factor<'_>> = centres.chunks(TILE * self.dimensions).map(|tile| Factor::new(tile, self.dimensions)).collect();
        let blocks = map_blocks(self.squares.len(), |rows| {
            let mut nearest = vec![(0, f64::INFINITY); rows.len()];
            for (first, (factor, norms)) in (0..).step_by(TILE).zip(tiles.iter().zip(norms.chunks(TILE))) {
                let products = factor.products(&self.data[rows.start * self.dimensions..rows.end * self.dimensions]);
                let each = nearest.iter_mut().zip(products.chunks_exact(norms.len())).zip(&self.squares[rows.clone()]);
                for ((nearest, products), x) in each {
                    for (at, (&xc, c)) in products.iter().zip(norms).enumerate() {
                        let distance = distance(*x, xc, *c);
                        if distance < nearest.1 {
                            *nearest = (first + at, distance);
                        }
                    }
                }
            }
            nearest
        });
        blocks.into_iter().flatten().unzip()
    }

    /// The clusters of these centres.
    fn clusters(&self, centres: &[f32], iterations: usize) -> Clusters {
        let (labels, distances) = self.assign(centres);
        Clusters { labels, inertia: distances.iter().sum(), distances, iterations }
    }

    /// Moves each centre to the mean of all rows that it ever had, `weights` of them before; gives the inertia before.
    fn step(&self, weights: &mut [f64], centres: &mut [f32]) -> f64 {
        let (labels, distances) = self.assign(centres);
        let sums = self.sums(&labels, weights.len());
        let mut sizes = vec![0.0; weights.len()];
        labels.iter().for_each(|&label| sizes[label] += 1.0);
        let parts = centres.chunks_exact_mut(self.dimensions).zip(sums.chunks_exact(self.dimensions)).zip(weights.iter_mut().zip(&sizes));
        for ((centre, sum), (weight, size)) in parts.filter(|(_, (_, size))| **size > 0.0) {
            let whole = *weight + size;
            centre.iter_mut().zip(sum).for_each(|(centre, sum)| *centre = ((f64::from(*centre) * *weight + sum) / whole) as f32);
            *weight = whole;
        }
        distances.iter().sum()
    }

    /// The sums of the rows of `k` clusters.
    fn sums(&self, labels: &[usize], k: usize) -> Vec<f64> {
        let mut sums = vec![0.0_f64; k * self.dimensions];
        for (row, &label) in labels.iter().enumerate() {
            let sum = &mut sums[label * self.dimensions..][..self.dimensions];
            sum.iter_mut().zip(self.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums
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
        let sums = self.sums(&labels, k);
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

/// `‖x − c‖²` of the squares of both and their product.
fn distance(x: f64, xc: f32, c: f64) -> f64 {
    (x - 2.0 * f64::from(xc) + c).max(0.0)
}

/// Greedy k-means++ (Arthur and Vassilvitskii 2007, section 5): each next centre is, of `2 + ⌊ln k⌋` rows drawn with probability
/// proportional to the squared distance to the nearest centre so far, the one that leaves the lowest sum of these.
fn plus_plus(space: &Space<'_>, k: usize, random: &mut Random, step: &mut dyn FnMut(usize)) -> Vec<f32> {
    let rows = space.squares.len();
    let trials = 2 + (k as f64).ln() as usize;
    let mut centres = space.row(random.below(rows)).to_vec();
    let mut closest = space.distances(&centres);
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
        let distances = space.distances(&drawn);
        let left = |candidate: usize| -> Vec<f64> {
            distances.iter().skip(candidate).step_by(trials).zip(&closest).map(|(distance, &closest)| distance.min(closest)).collect()
        };
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
