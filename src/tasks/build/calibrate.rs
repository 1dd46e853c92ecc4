//! Fitting how cosines become probabilities, on rows that prototypes were not made of.

use std::hash::Hasher;

use xxhash_rust::xxh3::Xxh3;

use super::group::{Group, RowVectors, cosine, mean};
use crate::tasks::prototypes::Calibration;

/// One label in this many is taken as unknown while the calibration is fitted.
const UNKNOWN_LABELS: u64 = 8;

/// Held-out texts whose first label got a score within one tenth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// The share of all texts, with unknown ones in the share that the calibration expects.
    pub weight: f64,
    /// The mean score, and the share whose first label is right.
    pub score: f64,
    pub right: f64,
}

/// A calibration, and how it does on the held-out rows that it was fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub calibration: Calibration,
    /// Held-out rows of known labels, and the share of them whose label is the first, and among the first three.
    pub held_out: usize,
    pub top1: f64,
    pub top3: f64,
    /// The reliability of the first label's score: ten bins from 0 to 1.
    pub bins: [Bin; 10],
    /// Expected calibration error: how far score and share of right ones are apart in a bin, on average.
    pub error: f64,
    /// The share of held-out known rows that are called unknown, and of rows of left-out labels that are.
    pub false_unknown: f64,
    pub true_unknown: f64,
}

/// The rows of groups, and which of them are held out.
pub struct Rows<'a> {
    pub vectors: &'a RowVectors,
    pub dimensions: usize,
    pub is_held_out: &'a dyn Fn(usize) -> bool,
    /// Unknown groups whose prototype has at least this cosine to a known one do not count.
    pub near: f32,
    /// The share of texts that the calibration expects to be unknown, 0..1.
    pub unknown_share: f64,
}

/// What answers are measured by: the cosines of rows to prototypes of which some share a class.
struct Trial {
    unknown_share: f64,
    /// The class of each prototype: a label, or a family.
    classes: Vec<usize>,
    /// Of each row its cosines to the prototypes, and its class; none of unknown ones.
    cases: Vec<(Vec<f32>, Option<usize>)>,
}

/// Fits the scores of the groups' own labels: one in eight of them is taken as unknown.
pub fn of_labels(groups: &[Group], strangers: &[Group], rows: &Rows<'_>) -> Fit {
    let classes = groups.iter().zip(0..).map(|(group, n)| (group, (!hash(&group.label).is_multiple_of(UNKNOWN_LABELS)).then_some(n)));
    Trial::new(classes.collect(), strangers.iter().map(|group| (group, None)).collect(), rows).fit()
}

/// Fits the scores of families: one in eight of them, by its number, is taken as unknown with all its labels.
pub fn of_families(groups: &[Group], strangers: &[Group], families: usize, rows: &Rows<'_>) -> Fit {
    let is_known = |family: &usize| families < 3 || !(*family as u64).is_multiple_of(UNKNOWN_LABELS);
    let classes = |groups: &[Group]| groups.iter().map(|group| group.family.filter(is_known)).collect::<Vec<_>>();
    let (known, strange) = (classes(groups), classes(strangers));
    Trial::new(groups.iter().zip(known).collect(), strangers.iter().zip(strange).collect(), rows).fit()
}

impl Trial {
    /// Takes groups with their class, none of those that count as unknown; strangers have no prototype.
    fn new(groups: Vec<(&Group, Option<usize>)>, strangers: Vec<(&Group, Option<usize>)>, rows: &Rows<'_>) -> Self {
        let (mut prototypes, mut classes) = (Vec::new(), Vec::new());
        let mut cases: Vec<(usize, Option<usize>)> = Vec::new();
        for (group, class) in groups.iter().filter(|(_, class)| class.is_some()) {
            let (held_out, train): (Vec<usize>, Vec<usize>) = group.rows.iter().partition(|&&row| (rows.is_held_out)(row));
            if !train.is_empty() {
                cases.extend(held_out.into_iter().map(|row| (row, *class)));
                prototypes.push(mean(&train, rows.vectors, rows.dimensions));
                classes.extend(*class);
            }
        }
        let is_far = |group: &Group| prototypes.iter().all(|known| cosine(known, &group.prototype) < rows.near);
        for (group, class) in groups.iter().filter(|(_, class)| class.is_none()).chain(&strangers) {
            let counts = class.map_or_else(|| is_far(group), |class| classes.contains(&class));
            if counts {
                cases.extend(group.rows.iter().map(|&row| (row, *class)));
            }
        }
        let cosines = |row: usize| prototypes.iter().map(|prototype| cosine(prototype, &rows.vectors[&row])).collect();
        let cases = cases.into_iter().map(|(row, class)| (cosines(row), class)).collect();
        Self { unknown_share: rows.unknown_share, classes, cases }
    }

    /// Fits temperature and unknown level by the likelihood: rows of known labels must get their class, the others the unknown.
    fn fit(&self) -> Fit {
        let known = self.cases.iter().filter(|(_, class)| class.is_some()).count().max(1) as f64;
        let unknown = (self.cases.len() as f64 - known).max(1.0);
        let mut best = (f64::INFINITY, Calibration { temperature: 0.05, unknown: 0.3 });
        for step in 0..30 {
            let temperature = 0.01 * 1.1_f32.powi(step);
            let log_sum = |cosines: &[f32], class: Option<usize>| {
                let mine = cosines.iter().zip(&self.classes).filter(|(_, of)| class.is_none_or(|class| **of == class));
                log_sum_exp(mine.map(|(cosine, _)| *cosine), temperature)
            };
            // Of each case the logit of all labels together, and of its own class.
            let logits: Vec<(f64, Option<f64>)> =
                self.cases.iter().map(|(cosines, class)| (log_sum(cosines, None), class.map(|_| log_sum(cosines, *class)))).collect();
            for level in -10..=90 {
                let level = level as f32 / 100.0;
                let unknown_logit = f64::from(level / temperature);
                let loss = logits.iter().map(|&(all, own)| {
                    let (large, small) = if all > unknown_logit { (all, unknown_logit) } else { (unknown_logit, all) };
                    let total = large + (small - large).exp().ln_1p();
                    match own {
                        Some(own) => (total - own) * (1.0 - self.unknown_share) / known,
                        None => (total - unknown_logit) * self.unknown_share / unknown,
                    }
                });
                let loss = loss.sum();
                if loss < best.0 {
                    best = (loss, Calibration { temperature, unknown: level });
                }
            }
        }
        self.measure(best.1)
    }

    fn measure(&self, calibration: Calibration) -> Fit {
        let (mut known, mut top1, mut top3, mut false_unknown, mut unknown, mut true_unknown) =
            (0_usize, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
        // Weighted sums at first, means in the end.
        let mut bins = [Bin::default(); 10];
        let total_of = |wanted: bool| self.cases.iter().filter(|(_, class)| class.is_some() == wanted).count().max(1) as f64;
        let (known_weight, unknown_weight) = ((1.0 - self.unknown_share) / total_of(true), self.unknown_share / total_of(false));
        let mut scores = vec![0.0; self.classes.iter().max().map_or(0, |last| last + 1)];
        for (cosines, class) in &self.cases {
            // Relative to the largest term, as logits may be out of range.
            let largest = cosines.iter().copied().fold(calibration.unknown, f32::max);
            let exp = |cosine: f32| f64::from((cosine - largest) / calibration.temperature).exp();
            scores.fill(0.0);
            cosines.iter().zip(&self.classes).for_each(|(&cosine, &class)| scores[class] += exp(cosine));
            let best = scores.iter().copied().fold(0.0, f64::max);
            let unknown_score = exp(calibration.unknown);
            let called_unknown = unknown_score > best;
            let score = best / (scores.iter().sum::<f64>() + unknown_score);
            let bin = &mut bins[((score * 10.0) as usize).min(9)];
            let weight = if class.is_some() { known_weight } else { unknown_weight };
            bin.weight += weight;
            bin.score += score * weight;
            let Some(class) = class else {
                unknown += 1;
                true_unknown += usize::from(called_unknown);
                continue;
            };
            known += 1;
            false_unknown += usize::from(called_unknown);
            let rank = scores.iter().filter(|&&score| score > scores[*class]).count();
            top1 += usize::from(rank == 0);
            top3 += usize::from(rank < 3);
            bin.right += f64::from(u8::from(rank == 0)) * weight;
        }
        let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
        let error = bins.iter().map(|bin| (bin.score - bin.right).abs()).sum();
        for bin in bins.iter_mut().filter(|bin| bin.weight > 0.0) {
            bin.score /= bin.weight;
            bin.right /= bin.weight;
        }
        Fit {
            calibration,
            held_out: known,
            top1: share(top1, known),
            top3: share(top3, known),
            bins,
            error,
            false_unknown: share(false_unknown, known),
            true_unknown: share(true_unknown, unknown),
        }
    }
}

/// A number that depends on nothing but the text: which labels are left out does not change with their order.
fn hash(text: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.write(text.as_bytes());
    hash.finish()
}

fn log_sum_exp(cosines: impl Iterator<Item = f32> + Clone, temperature: f32) -> f64 {
    let largest = cosines.clone().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = cosines.map(|c| ((c - largest) / temperature).exp()).sum();
    f64::from(largest / temperature) + f64::from(sum).ln()
}
