//! Principal components: the directions in which a set of vectors spreads most.

/// The result of [`principal_components`].
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// `[dim]`
    pub mean: Vec<f64>,
    /// Directions of length 1, `[dim, dim]`, row after row, by falling variance.
    pub directions: Vec<f64>,
    /// `[dim]`, the variance along each direction.
    pub variances: Vec<f64>,
}

/// Off-diagonal entries below this share of the largest variance count as zero.
const TOLERANCE: f64 = 1e-12;
/// Jacobi's method converges quadratically; it takes about ten sweeps for hundreds of dimensions.
const MAX_SWEEPS: usize = 60;

/// The principal components of rows `[n, dim]`, from their covariance matrix by Jacobi's method (cyclic). Each direction's sign is the one that
/// makes its largest entry positive.
pub fn principal_components(rows: &[f32], dim: usize) -> Components {
    let count = (rows.len() / dim).max(1) as f64;
    let mut mean = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / count);
    }
    let mut covariance = vec![0.0; dim * dim];
    for row in rows.chunks_exact(dim) {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect();
        for (line, x) in covariance.chunks_exact_mut(dim).zip(&centred) {
            line.iter_mut().zip(&centred).for_each(|(sum, y)| *sum += x * y / count);
        }
    }
    let directions = diagonalise(&mut covariance, dim);
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|&a, &b| covariance[b * dim + b].total_cmp(&covariance[a * dim + a]));
    let mut sorted = Vec::with_capacity(dim * dim);
    for &n in &order {
        let direction = &directions[n * dim..][..dim];
        let largest = direction.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        sorted.extend(direction.iter().map(|x| x * largest.signum()));
    }
    Components { mean, directions: sorted, variances: order.iter().map(|&n| covariance[n * dim + n]).collect() }
}

/// Turns a symmetric matrix into a diagonal one and gives the rotation that does it: row `n` is the eigenvector of entry `n`.
fn diagonalise(matrix: &mut [f64], dim: usize) -> Vec<f64> {
    let mut rotation = vec![0.0; dim * dim];
    (0..dim).for_each(|n| rotation[n * dim + n] = 1.0);
    let largest = (0..dim).map(|n| matrix[n * dim + n].abs()).fold(f64::MIN_POSITIVE, f64::max);
    for _ in 0..MAX_SWEEPS {
        let mut turned = false;
        for p in 0..dim {
            for q in p + 1..dim {
                let off = matrix[p * dim + q];
                if off.abs() <= TOLERANCE * largest {
                    continue;
                }
                turned = true;
                let theta = (matrix[q * dim + q] - matrix[p * dim + p]) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                turn_rows(matrix, dim, [p, q], [cosine, sine]);
                for n in 0..dim {
                    let (x, y) = (matrix[n * dim + p], matrix[n * dim + q]);
                    matrix[n * dim + p] = cosine * x - sine * y;
                    matrix[n * dim + q] = sine * x + cosine * y;
                }
                turn_rows(&mut rotation, dim, [p, q], [cosine, sine]);
            }
        }
        if !turned {
            break;
        }
    }
    rotation
}

fn turn_rows(matrix: &mut [f64], dim: usize, [p, q]: [usize; 2], [cosine, sine]: [f64; 2]) {
    let (head, tail) = matrix.split_at_mut(q * dim);
    for (x, y) in head[p * dim..][..dim].iter_mut().zip(&mut tail[..dim]) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::principal_components;

    #[test]
    fn directions_are_orthonormal_and_rebuild_the_covariance() {
        let (rows, dim) = (200, 24);
        // Mixed sines: no two columns alike, all of them correlated.
        let values: Vec<f32> = (0..rows * dim).map(|n| ((n * n % 97) as f32 * 0.13).sin() + (n / dim % 7) as f32 * 0.1).collect();
        let found = principal_components(&values, dim);
        let direction = |n: usize| &found.directions[n * dim..][..dim];
        for a in 0..dim {
            for b in 0..dim {
                let product: f64 = direction(a).iter().zip(direction(b)).map(|(x, y)| x * y).sum();
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-10, "{a} {b}: {product}");
                let spread: f64 = (0..dim).map(|n| found.variances[n] * direction(n)[a] * direction(n)[b]).sum();
                let at = |row: usize, column: usize| f64::from(values[row * dim + column]) - found.mean[column];
                let wanted: f64 = (0..rows).map(|row| at(row, a) * at(row, b)).sum::<f64>() / rows as f64;
                assert!((spread - wanted).abs() < 1e-10, "{a} {b}: {spread} {wanted}");
            }
        }
        assert!(found.variances.windows(2).all(|pair| pair[0] >= pair[1]));
    }
}
