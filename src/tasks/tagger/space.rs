//! The space in which labels are told apart: the views weighed, and directions in which texts of one label differ made smaller.
//!
//! Of a text's vector `v`, unit per view, the tagger reads `x = K·m(v) / ‖K·m(v)‖`. `m` scales the views so that their cosines count with
//! the learned share; `K` is the inverse of the Cholesky factor of
//!
//! `Σ = w·S/t + (1 - w)·I`,
//!
//! `S` being the covariance of the examples around their labels' means and `t` the mean of its diagonal: linear discriminant analysis with
//! shrinkage. `w` grows with the examples beyond one a label, so that with few of them the space stays as the model made it.

use half::f16;

use super::minimize::dot;
use crate::error::{Error, ErrorCode, Result};
use crate::kernels::{PackedF32, gemm_f32, l2_normalize};

/// `w` where examples are many. On CLINC150 (10 examples of each of 150 labels) values of .3 to .8 are right within .004 of each other.
const WITHIN_SHARE: f64 = 0.6;
/// Rows whose products are summed at a time, so that memory does not grow with the examples.
const CHUNK: usize = 4096;

/// How vectors are read.
pub struct Space {
    dimensions: usize,
    views: usize,
    /// What each view is multiplied by; 1 where there is one.
    scales: [f32; 2],
    /// The lower triangle of `K`, row by row, and `K` packed for products; `None` if `K` is the identity.
    factor: Option<(Vec<f16>, PackedF32)>,
}

impl Space {
    /// The space with the task view's share of a cosine, 0 to 1, in which nothing is made smaller. `dimensions` are of the whole vector.
    pub fn plain(dimensions: usize, views: usize, mix: f32) -> Self {
        let scales = if views == 2 { [mix.sqrt(), (1.0 - mix).sqrt()] } else { [1.0, 1.0] };
        Self { dimensions, views, scales, factor: None }
    }

    /// The same, learned from `[rows, dimensions]` of examples, their labels, and how many labels there are.
    pub fn learn(mut self, vectors: &[f32], owners: &[usize], labels: usize) -> Self {
        let d = self.dimensions;
        let mut mixed = vectors.to_vec();
        self.mix(&mut mixed);
        let mut counts = vec![0_usize; labels];
        owners.iter().for_each(|&owner| counts[owner] += 1);
        let free = owners.len() - counts.iter().filter(|&&count| count > 0).count();
        if free == 0 {
            return self;
        }
        let mut means = vec![0.0_f32; labels * d];
        for (row, &owner) in mixed.chunks_exact(d).zip(owners) {
            let scale = 1.0 / counts[owner] as f32;
            means[owner * d..][..d].iter_mut().zip(row).for_each(|(mean, x)| *mean += scale * x);
        }
        for (row, &owner) in mixed.chunks_exact_mut(d).zip(owners) {
            row.iter_mut().zip(&means[owner * d..][..d]).for_each(|(x, mean)| *x -= mean);
        }
        let sums = products(&mixed, d);
        let mean = (0..d).map(|at| sums[at * d + at]).sum::<f64>() / d as f64;
        // Examples that all repeat their label's first one say nothing of what differs within labels.
        if mean <= f64::from(f32::EPSILON) * free as f64 / d as f64 {
            return self;
        }
        let within = WITHIN_SHARE * free as f64 / (free + d) as f64;
        let mut sigma: Vec<f64> = sums.iter().map(|sum| sum * within / mean).collect();
        (0..d).for_each(|at| sigma[at * d + at] += 1.0 - within);
        let lower = inverse_factor(sigma, d);
        self.set_factor(lower.into_iter().map(f16::from_f64).collect());
        self
    }

    fn set_factor(&mut self, lower: Vec<f16>) {
        let d = self.dimensions;
        let mut full = vec![0.0; d * d];
        let mut rest = &lower[..];
        for (row, numbers) in full.chunks_exact_mut(d).enumerate() {
            let (own, others) = rest.split_at(row + 1);
            numbers.iter_mut().zip(own).for_each(|(to, from)| *to = from.to_f32());
            rest = others;
        }
        self.factor = Some((lower, PackedF32::pack(&full, d, d)));
    }

    /// Scales each view to length 1 and by its share.
    fn mix(&self, vectors: &mut [f32]) {
        for (at, view) in vectors.chunks_exact_mut(self.dimensions / self.views).enumerate() {
            l2_normalize(view);
            let scale = self.scales[at % self.views];
            if scale != 1.0 {
                view.iter_mut().for_each(|x| *x *= scale);
            }
        }
    }

    /// Vectors `[rows, dimensions]` with the views weighed, at length 1: what `explain` compares.
    pub fn weighed(&self, vectors: &[f32]) -> Vec<f32> {
        let mut mixed = vectors.to_vec();
        self.mix(&mut mixed);
        mixed.chunks_exact_mut(self.dimensions).for_each(l2_normalize);
        mixed
    }

    /// Vectors `[rows, dimensions]` as the tagger reads them, at length 1.
    pub fn read(&self, vectors: &[f32]) -> Vec<f32> {
        let mut read = vectors.to_vec();
        self.mix(&mut read);
        if let Some((_, packed)) = &self.factor {
            let mixed = std::mem::replace(&mut read, vec![0.0; vectors.len()]);
            gemm_f32(&mixed, packed, &vec![0.0; self.dimensions], &mut read);
        }
        read.chunks_exact_mut(self.dimensions).for_each(l2_normalize);
        read
    }

    /// The views' scales, and the triangle of `K` (none: the identity), for the file.
    pub fn parts(&self) -> ([f32; 2], Option<&[f16]>) {
        (self.scales, self.factor.as_ref().map(|(lower, _)| &lower[..]))
    }

    /// The space of what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// [`ErrorCode::TaggerFormat`] for numbers that are not finite or a triangle of another size.
    pub fn from_parts(dimensions: usize, views: usize, scales: [f32; 2], lower: Option<Vec<f16>>) -> Result<Self> {
        let malformed = |message| Err(Error::new(ErrorCode::TaggerFormat, message));
        if scales.iter().any(|scale| !(0.0..=1.0).contains(scale)) {
            return malformed(format!("the views are scaled by {scales:?}; each must lie in 0..=1"));
        }
        let mut space = Self { dimensions, views, scales, factor: None };
        if let Some(lower) = lower {
            let expected = triangle(dimensions);
            if lower.len() != expected {
                return malformed(format!("a triangle of {} numbers; {dimensions} dimensions have {expected}", lower.len()));
            }
            if let Some(at) = lower.iter().position(|x| !x.is_finite()) {
                return malformed(format!("number {at} of the triangle is {}", lower[at]));
            }
            space.set_factor(lower);
        }
        Ok(space)
    }
}

/// Numbers in the lower triangle of `[dimensions, dimensions]`.
pub const fn triangle(dimensions: usize) -> usize {
    dimensions * (dimensions + 1) / 2
}

/// `XᵀX` of `[rows, d]`.
fn products(x: &[f32], d: usize) -> Vec<f64> {
    let mut sums = vec![0.0_f64; d * d];
    let mut part = vec![0.0_f32; d * d];
    for chunk in x.chunks(CHUNK * d) {
        let rows = chunk.len() / d;
        let mut columns = vec![0.0; chunk.len()];
        for (row, numbers) in chunk.chunks_exact(d).enumerate() {
            numbers.iter().enumerate().for_each(|(at, &number)| columns[at * rows + row] = number);
        }
        gemm_f32(&columns, &PackedF32::pack(&columns, d, rows), &vec![0.0; d], &mut part);
        sums.iter_mut().zip(&part).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sums
}

/// The lower triangle, row by row, of the inverse of the Cholesky factor of a positive definite matrix `[d, d]`.
fn inverse_factor(mut a: Vec<f64>, d: usize) -> Vec<f64> {
    for i in 0..d {
        let (above, row) = a.split_at_mut(i * d);
        for j in 0..i {
            let other = &above[j * d..][..=j];
            row[j] = (row[j] - dot64(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot64(&row[..i], &row[..i])).max(f64::MIN_POSITIVE).sqrt();
    }
    let mut inverse = Vec::with_capacity(triangle(d));
    for i in 0..d {
        let row = &a[i * d..][..=i];
        let mut own = vec![0.0; i + 1];
        for (k, &factor) in row[..i].iter().enumerate() {
            let other = &inverse[triangle(k)..][..=k];
            own.iter_mut().zip(other).for_each(|(own, x): (&mut f64, &f64)| *own -= factor * x);
        }
        own[..i].iter_mut().for_each(|x| *x /= row[i]);
        own[i] = 1.0 / row[i];
        inverse.extend(own);
    }
    inverse
}

fn dot64(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a4.zip(b4) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The cosine of two rows of length 1.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    dot(a, b).clamp(-1.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Random;

    #[test]
    fn the_inverse_factor_whitens_its_matrix() {
        let (d, mut random) = (7, Random::new(1));
        let x: Vec<f32> = (0..20 * d).map(|_| random.unit() as f32 - 0.5).collect();
        let a = products(&x, d);
        let lower = inverse_factor(a.clone(), d);
        let k = |i: usize, j: usize| if j <= i { lower[triangle(i) + j] } else { 0.0 };
        for i in 0..d {
            for j in 0..d {
                let product: f64 = (0..d).flat_map(|m| (0..d).map(move |n| (m, n))).map(|(m, n)| k(i, m) * a[m * d + n] * k(j, n)).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-5, "{i} {j} {product}");
            }
        }
    }

    #[test]
    fn directions_within_labels_count_less() {
        // Two labels that differ along the first axis; their texts differ most along the second.
        let rows = [[1.0, 0.5, 0.1], [1.0, -0.5, 0.0], [1.0, 0.6, 0.0], [-1.0, 0.5, 0.1], [-1.0, -0.6, 0.0], [-1.0, -0.5, 0.1]];
        let vectors = rows.concat();
        let space = Space::plain(3, 1, 0.5).learn(&vectors, &[0, 0, 0, 1, 1, 1], 2);
        let read = space.read(&[1.0, 0.5, 0.0]);
        let plain = Space::plain(3, 1, 0.5).read(&[1.0, 0.5, 0.0]);
        assert!(read[1] / read[0] < 0.8 * plain[1] / plain[0], "{read:?} {plain:?}");
        assert!((cosine(&read, &read) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn without_differences_the_space_stays_plain() {
        let space = Space::plain(2, 1, 0.5);
        assert!(space.learn(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0], &[0, 0, 1], 2).parts().1.is_none());
    }

    #[test]
    fn views_count_with_their_share() {
        let space = Space::plain(4, 2, 0.9);
        let read = space.read(&[2.0, 0.0, 0.0, 5.0, 2.0, 0.0, 5.0, 0.0]);
        assert!((cosine(&read[..4], &read[4..]) - 0.9).abs() < 1e-6, "{read:?}");
    }
}
