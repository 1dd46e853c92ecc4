//! From texts' vectors to weights: prototypes, the regression that starts from them, and the logits of held-out examples.
//!
//! Cost, with `n` examples of `l` labels and `d` dimensions: `2·n·d² + d³/2` for a space, and `2·n·l·d` a step of the regression, of which there
//! are at most 15. Both are done once for the weights, and with 8 steps for each of the 5 folds (1 fold beyond 2,000 examples). The folds
//! have spaces of their own: with one space of all examples 92 % of CLINC150's requests were kept where 95 % should be.

use super::label::Part;
use super::minimize::{dot, minimize};
use super::objective::{Kind, Objective, Row};
use super::space::{Space, cosine};
use crate::kernels::{PackedF32, gemm_f32, l2_normalize};

/// What a cosine to a prototype is worth as a logit. Of names alone on CLINC150 the likelihood is highest at 20, for four models.
pub(super) const SCALE: f32 = 20.0;
/// `λ` of the regression. On CLINC150 .03 to .3 are right within .005 of each other.
const STRENGTH: f32 = 0.1;
/// Largest entry of the gradient at which the regression ends.
const TOLERANCE: f32 = 1e-3;
/// On CLINC150 with two models, 10, 15 and 25 steps are right for within .002 of the same share of requests.
const STEPS: usize = 15;
/// Held-out logits need no last digit.
const FOLD_STEPS: usize = 8;
const FOLDS: usize = 5;
/// With more examples, one fold says enough.
pub(super) const MAX_FOLDED: usize = 2_000;
/// Names are moved to where examples lie by `labels with examples / (these + SHIFT)` of the mean difference.
const SHIFT: f32 = 3.0;
/// Bounds of an example's weight, which evens out labels of few and of many examples.
const WEIGHTS: (f32, f32) = (0.25, 4.0);
/// The task view's share that is tried; a half stays unless another is better by more than a standard error.
const MIXES: [f32; 5] = [0.5, 0.05, 0.25, 0.75, 0.95];
/// What a cosine is worth while shares are tried: the best of these.
const MIX_SCALES: [f32; 3] = [10.0, 20.0, 40.0];

/// The texts that a tagger learns from.
pub struct Lesson<'a> {
    /// `[texts, dimensions]`.
    pub vectors: &'a [f32],
    /// For each text its label, and whether it is the label's name, its description, an example or a counter-example.
    pub texts: &'a [(usize, Part)],
    pub labels: usize,
    pub views: usize,
    pub dimensions: usize,
}

/// What was learned.
pub struct Learned {
    pub space: Space,
    /// `[labels, dimensions + 1]`; the last column is what is added.
    pub weights: Vec<f32>,
    dimensions: usize,
    rows: PackedF32,
    added: Vec<f32>,
}

/// Logits of examples that took no part in the training.
pub struct HeldOut {
    /// `[examples, labels]`, and the label of each.
    pub logits: Vec<f32>,
    pub owners: Vec<usize>,
}

impl Learned {
    /// The weights of a space, `[labels, dimensions + 1]`.
    pub fn new(space: Space, weights: Vec<f32>, dimensions: usize) -> Self {
        let (mut rows, mut added) = (Vec::with_capacity(weights.len()), Vec::new());
        for row in weights.chunks_exact(dimensions + 1) {
            rows.extend_from_slice(&row[..dimensions]);
            added.push(row[dimensions]);
        }
        Self { space, rows: PackedF32::pack(&rows, added.len(), dimensions), added, weights, dimensions }
    }

    /// The logit of each label for a text's vector.
    pub fn logits(&self, vector: &[f32]) -> Vec<f32> {
        let mut logits = vec![0.0; self.added.len()];
        gemm_f32(&self.space.read(vector), &self.rows, &self.added, &mut logits);
        logits
    }

    /// The logit below which a text is unknown, where no example tells.
    pub fn assumed_unknown(&self) -> f32 {
        let mut rows: Vec<f32> = self.weights.chunks_exact(self.dimensions + 1).flat_map(|row| &row[..self.dimensions]).copied().collect();
        rows.chunks_exact_mut(self.dimensions).for_each(l2_normalize);
        default_unknown(&rows, self.dimensions)
    }
}

impl Lesson<'_> {
    /// Learns the weights, and the logits of examples by weights that were learned without them.
    pub fn learn(&self) -> (Learned, HeldOut) {
        let of = |wanted: &dyn Fn(Part) -> bool| -> Vec<usize> { (0..self.texts.len()).filter(|&n| wanted(self.texts[n].1)).collect() };
        let examples = of(&|part| part == Part::Example);
        let mix = if self.views == 2 { self.mix(&examples) } else { MIXES[0] };
        let course = |taught: &[usize]| {
            let owners: Vec<usize> = taught.iter().map(|&n| self.texts[n].0).collect();
            let vectors: Vec<f32> = taught.iter().flat_map(|&n| self.vector(n)).copied().collect();
            let space = Space::plain(self.dimensions, self.views, mix).learn(&vectors, &owners, self.labels);
            let own = of(&|part| matches!(part, Part::Name | Part::Description));
            Course { lesson: self, read: space.read(self.vectors), space, own, not: of(&|part| part == Part::Not) }
        };
        let held_out = self.held_out(&examples, |taught| course(taught));
        let course = course(&examples);
        let weights = course.train(&examples, STEPS);
        (Learned::new(course.space, weights, self.dimensions), held_out)
    }

    /// Logits of examples by a space and weights that were learned without their fold. A label's examples are spread over the folds.
    fn held_out<'a>(&self, examples: &[usize], course: impl Fn(&[usize]) -> Course<'a>) -> HeldOut {
        let d = self.dimensions;
        let mut seen = vec![0; self.labels];
        let folds: Vec<usize> = examples
            .iter()
            .map(|&n| {
                let label = self.texts[n].0;
                seen[label] += 1;
                (seen[label] + label) % FOLDS
            })
            .collect();
        let asked = if examples.len() > MAX_FOLDED { 1 } else { FOLDS };
        let mut held_out = HeldOut { logits: Vec::new(), owners: Vec::new() };
        for fold in 0..asked {
            let of = |inside: bool| -> Vec<usize> {
                examples.iter().zip(&folds).filter(|(_, at)| (**at == fold) == inside).map(|(&n, _)| n).collect()
            };
            let (left, taught) = (of(true), of(false));
            if left.is_empty() {
                continue;
            }
            let course = course(&taught);
            let weights = course.train(&taught, FOLD_STEPS);
            for &n in &left {
                held_out.logits.extend(weights.chunks_exact(d + 1).map(|row| dot(&row[..d], course.row(n)) as f32 + row[d]));
                held_out.owners.push(self.texts[n].0);
            }
        }
        held_out
    }

    fn vector(&self, n: usize) -> &[f32] {
        &self.vectors[n * self.dimensions..][..self.dimensions]
    }

    /// The task view's share: the one by which examples that are left out are likeliest, by cosines to the labels' means.
    fn mix(&self, examples: &[usize]) -> f32 {
        let size = self.dimensions / 2;
        // Some rows say enough; the means are of all.
        let step = examples.len().div_ceil(MAX_FOLDED).max(1);
        let asked: Vec<usize> = examples.iter().copied().step_by(step).collect();
        if asked.len() < 2 || self.labels < 2 {
            return MIXES[0];
        }
        let mut views = Vec::with_capacity(2);
        for first in [0, size] {
            let view = |n: usize| {
                let mut numbers = self.vector(n)[first..first + size].to_vec();
                l2_normalize(&mut numbers);
                numbers
            };
            let mut sums = vec![0.0; self.labels * size];
            for (n, &(label, _)) in self.texts.iter().enumerate().filter(|(_, (_, part))| *part != Part::Not) {
                sums[label * size..][..size].iter_mut().zip(view(n)).for_each(|(sum, x)| *sum += x);
            }
            let mut products = vec![0.0; asked.len() * self.labels];
            let rows: Vec<f32> = asked.iter().flat_map(|&n| view(n)).collect();
            gemm_f32(&rows, &PackedF32::pack(&sums, self.labels, size), &vec![0.0; self.labels], &mut products);
            views.push((products, sums.chunks_exact(size).map(|sum| dot(sum, sum) as f32).collect::<Vec<f32>>()));
        }
        let losses: Vec<Vec<f64>> = MIXES.iter().map(|&mix| self.left_out_losses(&asked, &views, mix)).collect();
        let total = |losses: &[f64]| losses.iter().sum::<f64>();
        let best = (0..MIXES.len()).min_by(|&a, &b| total(&losses[a]).total_cmp(&total(&losses[b]))).unwrap_or(0);
        let gains: Vec<f64> = losses[0].iter().zip(&losses[best]).map(|(half, best)| half - best).collect();
        let mean = total(&gains) / gains.len() as f64;
        let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / gains.len() as f64;
        if mean * (gains.len() as f64).sqrt() > variance.sqrt() { MIXES[best] } else { MIXES[0] }
    }

    /// The losses of examples by the means of their labels' other texts, at the best of [`MIX_SCALES`].
    fn left_out_losses(&self, asked: &[usize], views: &[(Vec<f32>, Vec<f32>)], mix: f32) -> Vec<f64> {
        let shares = [mix, 1.0 - mix];
        let mixed = |of: &dyn Fn(usize) -> f32| shares[0] * of(0) + shares[1] * of(1);
        let mut losses = MIX_SCALES.map(|_| Vec::with_capacity(asked.len()));
        for (row, &n) in asked.iter().enumerate() {
            let own = self.texts[n].0;
            let cosines: Vec<f32> = (0..self.labels)
                .map(|label| {
                    let product = mixed(&|view| views[view].0[row * self.labels + label]);
                    let square = mixed(&|view| views[view].1[label]);
                    let (product, square) = if label == own { (product - 1.0, square - 2.0 * product + 1.0) } else { (product, square) };
                    // Nothing is left of a label with this text alone.
                    if square > 1e-6 { product / square.sqrt() } else { 0.0 }
                })
                .collect();
            let largest = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (losses, scale) in losses.iter_mut().zip(MIX_SCALES) {
                let sum: f32 = cosines.iter().map(|cosine| (scale * (cosine - largest)).exp()).sum();
                losses.push(f64::from(sum.ln() + scale * (largest - cosines[own])));
            }
        }
        let total = |losses: &Vec<f64>| losses.iter().sum::<f64>();
        losses.into_iter().min_by(|a, b| total(a).total_cmp(&total(b))).unwrap_or_default()
    }
}

/// A lesson in the space that was learned.
struct Course<'a> {
    lesson: &'a Lesson<'a>,
    space: Space,
    /// `[texts, dimensions]`, at length 1.
    read: Vec<f32>,
    /// Names and descriptions, and counter-examples.
    own: Vec<usize>,
    not: Vec<usize>,
}

impl Course<'_> {
    fn row(&self, n: usize) -> &[f32] {
        &self.read[n * self.lesson.dimensions..][..self.lesson.dimensions]
    }

    fn label(&self, n: usize) -> usize {
        self.lesson.texts[n].0
    }

    /// The sum of these texts by label, `[labels, dimensions]`, and how many each label has.
    fn sums(&self, texts: &[usize]) -> (Vec<f32>, Vec<usize>) {
        let d = self.lesson.dimensions;
        let (mut sums, mut counts) = (vec![0.0; self.lesson.labels * d], vec![0; self.lesson.labels]);
        for &n in texts {
            sums[self.label(n) * d..][..d].iter_mut().zip(self.row(n)).for_each(|(sum, x)| *sum += x);
            counts[self.label(n)] += 1;
        }
        (sums, counts)
    }

    /// The labels' prototypes, `[labels, dimensions]`, at length 1: the mean of the examples, the name and the description. Names are
    /// written in another style than requests, so they are moved by the mean difference of both, as far as labels have both.
    /// `sums` and `counts` are those of the examples.
    fn prototypes(&self, mut sums: Vec<f32>, counts: &[usize]) -> Vec<f32> {
        let d = self.lesson.dimensions;
        let (own, owned) = self.sums(&self.own);
        let mut shift = vec![0.0; d];
        let both: Vec<usize> = (0..self.lesson.labels).filter(|&label| counts[label] > 0 && owned[label] > 0).collect();
        let share = 1.0 / (both.len() as f32 + SHIFT);
        for &label in &both {
            let (taught, said) = (share / counts[label] as f32, share / owned[label] as f32);
            let pairs = sums[label * d..][..d].iter().zip(&own[label * d..][..d]);
            shift.iter_mut().zip(pairs).for_each(|(shift, (example, name))| *shift += taught * example - said * name);
        }
        for (label, sum) in sums.chunks_exact_mut(d).enumerate() {
            let names = own[label * d..][..d].iter().zip(&shift);
            sum.iter_mut().zip(names).for_each(|(sum, (name, shift))| *sum += name + owned[label] as f32 * shift);
            l2_normalize(sum);
        }
        sums
    }

    /// The weights `[labels, dimensions + 1]` learned from these examples.
    fn train(&self, examples: &[usize], steps: usize) -> Vec<f32> {
        let (d, labels) = (self.lesson.dimensions, self.lesson.labels);
        let (sums, counts) = self.sums(examples);
        let prototypes = self.prototypes(sums, &counts);
        let mut prior = Vec::with_capacity(labels * (d + 1));
        for row in prototypes.chunks_exact(d) {
            prior.extend(row.iter().map(|x| SCALE * x));
            prior.push(0.0);
        }
        let taught: Vec<usize> = examples.iter().chain(&self.not).copied().collect();
        if taught.is_empty() {
            return prior;
        }
        let mean = examples.len() as f32 / counts.iter().filter(|count| **count > 0).count().max(1) as f32;
        let weigh = |label: usize| (mean / counts[label] as f32).clamp(WEIGHTS.0, WEIGHTS.1);
        let total: f32 = examples.iter().map(|&n| weigh(self.label(n))).sum();
        let even = if total > 0.0 { examples.len() as f32 / total } else { 1.0 };
        let kind = |n: usize, label| if self.lesson.texts[n].1 == Part::Not { Kind::Not } else { Kind::Example(even * weigh(label)) };
        let rows: Vec<Row> = taught.iter().map(|&n| Row { label: self.label(n), kind: kind(n, self.label(n)) }).collect();
        let mut x = Vec::with_capacity(rows.len() * (d + 1));
        for &n in &taught {
            x.extend_from_slice(self.row(n));
            x.push(1.0);
        }
        let background = default_unknown(&prototypes, d);
        let mut difference = vec![0.0; prior.len()];
        let mut objective = Objective::new(&x, &rows, &prior, d + 1, STRENGTH, background);
        minimize(&mut objective, &mut difference, steps, TOLERANCE);
        let raised = |(row, x): (&Row, &[f32])| dot(&difference[row.label * (d + 1)..][..=d], x);
        let raise: f64 = rows.iter().zip(x.chunks_exact(d + 1)).take(examples.len()).map(raised).sum();
        let raise = (raise / examples.len().max(1) as f64 / 2.0) as f32;
        prior.iter_mut().zip(&difference).for_each(|(w, d)| *w += d);
        let untaught: Vec<usize> = (0..labels).filter(|&label| counts[label] == 0).collect();
        if !untaught.is_empty() && !examples.is_empty() {
            let raise = raise.min(self.room(examples, &untaught, &prior)).max(0.0);
            untaught.iter().for_each(|label| prior[label * (d + 1) + d] += raise);
        }
        prior
    }
}

impl Course<'_> {
    /// How much the logits of labels without examples can be raised so that nine of ten examples stay with their own label. The regression
    /// raises the logits of labels that have examples; the caller raises the others by half as much, up to this bound.
    fn room(&self, examples: &[usize], untaught: &[usize], weights: &[f32]) -> f32 {
        let d = self.lesson.dimensions;
        let logit = |label: usize, n: usize| {
            let row = &weights[label * (d + 1)..][..=d];
            dot(&row[..d], self.row(n)) as f32 + row[d]
        };
        // Of many examples some say enough.
        let asked = examples.iter().step_by(examples.len().div_ceil(200));
        let room = |&n: &usize| logit(self.label(n), n) - untaught.iter().map(|&label| logit(label, n)).fold(f32::MIN, f32::max);
        let mut rooms: Vec<f32> = asked.map(room).collect();
        rooms.sort_by(f32::total_cmp);
        rooms[rooms.len() / 10]
    }
}

/// Between-label cosine that is assumed of a single label.
const BETWEEN: f32 = 0.2;
/// How far the unknown level lies from the mean cosine between labels: this share of the way to the mean cosine of nearest labels, at least
/// this share of the way to 1. Of CLINC150's names .4 keeps 92 to 96 % of the requests with four models.
const NEAREST_SHARE: f32 = 0.4;
const LEAST_SHARE: f32 = 0.15;

/// The logit below which a text is unknown, where no example tells.
pub(super) fn default_unknown(prototypes: &[f32], dimensions: usize) -> f32 {
    let labels = prototypes.len() / dimensions;
    if labels < 2 {
        return SCALE * (BETWEEN + LEAST_SHARE * (1.0 - BETWEEN));
    }
    // Of many labels some say enough.
    let step = labels.div_ceil(200);
    let rows: Vec<&[f32]> = prototypes.chunks_exact(dimensions).step_by(step).collect();
    let (mut sum, mut nearest) = (0.0, 0.0);
    for (at, row) in rows.iter().enumerate() {
        let others = rows.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| cosine(row, other));
        let (total, largest) = others.fold((0.0, -1.0_f32), |(sum, most), cosine| (sum + cosine, most.max(cosine)));
        sum += total / (rows.len() - 1).max(1) as f32;
        nearest += largest;
    }
    let (between, nearest) = (sum / rows.len() as f32, nearest / rows.len() as f32);
    SCALE * (between + (NEAREST_SHARE * (nearest - between)).max(LEAST_SHARE * (1.0 - between)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Random;

    /// Texts of labels in two views of 8 dimensions: one view tells the labels, the other is chance.
    fn texts(labels: usize, each: usize, telling: usize) -> (Vec<f32>, Vec<(usize, Part)>) {
        let mut random = Random::new(7);
        let (mut vectors, mut texts) = (Vec::new(), Vec::new());
        for label in 0..labels {
            for _ in 0..each {
                for view in 0..2 {
                    let told = |at: usize| if view == telling && at == label { 2.0 } else { 0.0 };
                    let mut numbers: Vec<f32> = (0..8).map(|at| told(at) + random.unit() as f32 - 0.5).collect();
                    l2_normalize(&mut numbers);
                    vectors.extend(numbers);
                }
                texts.push((label, Part::Example));
            }
        }
        (vectors, texts)
    }

    fn lesson<'a>(vectors: &'a [f32], texts: &'a [(usize, Part)]) -> Lesson<'a> {
        Lesson { vectors, texts, labels: 4, views: 2, dimensions: 16 }
    }

    #[test]
    fn the_view_that_tells_labels_counts_more() {
        for (telling, least) in [(0, 0.7), (1, -1.0)] {
            let (vectors, texts) = texts(4, 6, telling);
            let examples: Vec<usize> = (0..texts.len()).collect();
            let mix = lesson(&vectors, &texts).mix(&examples);
            assert!(if telling == 0 { mix >= least } else { mix <= 0.3 }, "{telling}: {mix}");
        }
    }

    #[test]
    fn examples_are_learned_and_held_out_ones_found() {
        let (vectors, texts) = texts(4, 6, 0);
        let (learned, held_out) = lesson(&vectors, &texts).learn();
        let best = |logits: &[f32]| (0..4).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        for (vector, &(label, _)) in vectors.chunks_exact(16).zip(&texts) {
            assert_eq!(best(&learned.logits(vector)), label);
        }
        assert_eq!(held_out.owners.len(), 24);
        assert!(held_out.logits.chunks_exact(4).zip(&held_out.owners).all(|(logits, &owner)| best(logits) == owner));
        let (again, _) = lesson(&vectors, &texts).learn();
        assert_eq!(learned.weights, again.weights);
    }

    #[test]
    fn a_counter_example_pushes_its_label_away() {
        let (vectors, mut texts) = texts(4, 6, 0);
        texts[1].1 = Part::Not;
        let logits = |texts: &[(usize, Part)]| lesson(&vectors, texts).learn().0.logits(&vectors[16..32])[0];
        let pushed = logits(&texts);
        let mut kept = texts.clone();
        kept[1].1 = Part::Example;
        assert!(pushed < logits(&kept) - 1.0);
        // Of a single label too, against the background.
        let one: Vec<(usize, Part)> = texts.iter().copied().filter(|(label, _)| *label == 0).collect();
        let lesson = Lesson { vectors: &vectors[..one.len() * 16], texts: &one, labels: 1, views: 2, dimensions: 16 };
        let learned = lesson.learn().0;
        assert!(learned.logits(&vectors[16..32])[0] < learned.logits(&vectors[..16])[0] - 1.0);
    }
}
