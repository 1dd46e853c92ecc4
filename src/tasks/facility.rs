//! Facility location: rows that serve all others, by greedy choice with lazy evaluation (Minoux 1978).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::blocks::map_blocks;
use super::products::Factor;
use super::{Random, Vectors};
use crate::kernels::PANEL;

/// Candidates of the first pass that one walk over the pool serves.
const CANDIDATES: usize = 64;

/// Rows over which the sum runs at most; of larger pools so many are drawn. The time then grows with the pool, not with its square, and
/// a sum over so many tells two candidates apart as well as a person could.
const SERVED: usize = 1 << 14;

/// A row and what it adds at most: what it added when `chosen` rows were there.
struct Bound {
    gain: f64,
    row: usize,
    chosen: usize,
}

impl Bound {
    fn key(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(Reverse(self.row).cmp(&Reverse(other.row)))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key(other)
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

/// The pool, and how well each of the rows is served that the sum runs over.
struct Service<'a> {
    pool: &'a Vectors,
    served: &'a Vectors,
    quality: Option<&'a [f64]>,
    best: Vec<f64>,
}

impl Service<'_> {
    /// What `work` makes, block by block, of each served row's number and what each candidate is worth to it.
    fn map<T: Send>(&self, candidates: &[usize], work: impl Fn(&mut dyn Iterator<Item = (usize, &[f64])>) -> T + Sync) -> Vec<T> {
        let dimensions = self.pool.dimensions();
        let rows = self.pool.pick(candidates);
        let factor = Factor::new(rows.data(), dimensions);
        let quality: Vec<f64> = candidates.iter().map(|&row| self.quality.map_or(1.0, |quality| quality[row])).collect();
        map_blocks(self.served.len(), |rows| {
            let cosines = factor.products(&self.served.data()[rows.start * dimensions..rows.end * dimensions]);
            let worth: Vec<f64> = cosines.iter().zip(quality.iter().cycle()).map(|(&c, q)| q * f64::from(c.max(0.0))).collect();
            work(&mut rows.zip(worth.chunks_exact(candidates.len())))
        })
    }

    /// What each candidate would add to the sum.
    fn gains(&self, candidates: &[usize]) -> Vec<f64> {
        let parts = self.map(candidates, |rows| {
            let mut gains = vec![0.0; candidates.len()];
            for (row, worth) in rows {
                gains.iter_mut().zip(worth).for_each(|(gain, worth)| *gain += (worth - self.best[row]).max(0.0));
            }
            gains
        });
        let mut gains = vec![0.0; candidates.len()];
        parts.iter().for_each(|part| gains.iter_mut().zip(part).for_each(|(gain, part)| *gain += part));
        gains
    }

    fn add(&mut self, row: usize) {
        let parts = self.map(&[row], |rows| rows.map(|(row, worth)| worth[0].max(self.best[row])).collect::<Vec<f64>>());
        self.best = parts.concat();
    }
}

/// `n` rows, each the one that adds the most to `Σ_i max_j quality_j · max(0, cosine_ij)`, `i` over the pool or a part drawn from it.
pub(super) fn facility_location(pool: &Vectors, quality: Option<&[f64]>, n: usize, seed: u64) -> Vec<usize> {
    let all: Vec<usize> = (0..pool.len()).collect();
    let drawn = (pool.len() > SERVED).then(|| pool.pick(&Random::new(seed).draw(SERVED, pool.len())));
    let served = drawn.as_ref().unwrap_or(pool);
    let mut service = Service { pool, served, quality, best: vec![0.0; served.len()] };
    let bounds = |service: &Service<'_>, rows: &[usize], chosen: usize| -> Vec<Bound> {
        rows.iter().zip(service.gains(rows)).map(|(&row, gain)| Bound { gain, row, chosen }).collect()
    };
    let mut heap: BinaryHeap<Bound> = all.chunks(CANDIDATES).flat_map(|rows| bounds(&service, rows, 0)).collect();
    let mut chosen = Vec::with_capacity(n);
    while chosen.len() < n {
        // A gain only falls as rows are chosen, so one that is up to date and still the largest is the largest of all. A product of
        // one column costs what that of a panel costs: so many are brought up to date at a time.
        let mut stale = Vec::new();
        while stale.len() < PANEL && heap.peek().is_some_and(|top| top.chosen < chosen.len()) {
            stale.extend(heap.pop().map(|top| top.row));
        }
        if stale.is_empty() {
            let Some(top) = heap.pop() else { break };
            service.add(top.row);
            chosen.push(top.row);
        } else {
            heap.extend(bounds(&service, &stale, chosen.len()));
        }
    }
    chosen
}
