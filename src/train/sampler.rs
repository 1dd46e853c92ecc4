//! Which examples make up a batch: a pure function of the seed and the batch's number.

use std::collections::{HashMap, HashSet};

use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::dataset::{Label, Source};
use super::random::{Purpose, generator};

/// Draws that find nothing new before a batch is left smaller than asked for.
const MAX_MISSES: usize = 64;

/// The examples of one batch, all of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub source: usize,
    /// Indices into the source's examples. In a batch of triples: all anchors, all positives, all hard negatives.
    pub rows: Vec<u32>,
}

/// How batches are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `tasks` tasks with up to `samples` examples each; a drawn task brings up to `hard` tasks of its family, or that share its verb
    /// or its noun.
    Groups { tasks: usize, samples: usize, hard: usize },
    /// An anchor, another example of its task, and one of a task of its family, or that shares its verb or its noun (any other task
    /// where none does).
    Triples { count: usize },
}

/// A source with what is needed to draw from it.
struct Pool<'d> {
    source: &'d Source,
    /// Labels with two examples and more.
    labels: Vec<u32>,
    /// Running sums of their weights.
    cumulative: Vec<f64>,
    /// For each label of the source the others with examples that are hard to tell from it: they share its family, or its verb and not its
    /// noun, or its noun and not its verb.
    hard: Vec<Vec<u32>>,
}

/// Draws batches.
pub struct Sampler<'d> {
    pools: Vec<Pool<'d>>,
    shape: Shape,
    seed: u64,
}

impl<'d> Sampler<'d> {
    /// `balance` is the power of a task's number of examples that it is drawn with: 0 draws all tasks alike, 1 all examples.
    pub fn new(sources: &'d [Source], shape: Shape, balance: f64, seed: u64) -> Self {
        Self { pools: sources.iter().map(|source| Pool::new(source, balance)).collect(), shape, seed }
    }

    /// Batch number `n`.
    pub fn batch(&self, n: u64) -> Batch {
        let mut rng = generator(self.seed, Purpose::Batch, n, 0);
        let total: f64 = self.pools.iter().map(|pool| pool.source.weight).sum();
        let mut at = rng.random::<f64>() * total;
        let source = self.pools.iter().position(|pool| {
            at -= pool.source.weight;
            at < 0.0
        });
        let source = source.unwrap_or(self.pools.len() - 1);
        let rows = match self.shape {
            Shape::Groups { tasks, samples, hard } => self.pools[source].groups(tasks, samples, hard, &mut rng),
            Shape::Triples { count } => self.pools[source].triples(count, &mut rng),
        };
        Batch { source, rows }
    }
}

impl<'d> Pool<'d> {
    fn new(source: &'d Source, balance: f64) -> Self {
        let size = |label: u32| source.labels[label as usize].examples.len();
        let labels: Vec<u32> = (0..source.labels.len() as u32).filter(|&label| size(label) > 1).collect();
        let mut sum = 0.0;
        let weights = labels.iter().map(|&label| {
            sum += (size(label) as f64).powf(balance);
            sum
        });
        let cumulative = weights.collect();
        Self { source, labels, cumulative, hard: hard_labels(source) }
    }

    fn draw_label(&self, rng: &mut ChaCha8Rng) -> u32 {
        let at = rng.random::<f64>() * self.cumulative.last().copied().unwrap_or(0.0);
        self.labels[self.cumulative.partition_point(|&sum| sum <= at).min(self.labels.len() - 1)]
    }

    fn groups(&self, tasks: usize, samples: usize, hard: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let (mut chosen, mut seen, mut misses) = (Vec::new(), HashSet::new(), 0);
        while chosen.len() < tasks.min(self.labels.len()) && misses < MAX_MISSES {
            let label = self.draw_label(rng);
            if !seen.insert(label) {
                misses += 1;
                continue;
            }
            chosen.push(label);
            let near = &self.hard[label as usize];
            for n in index::sample(rng, near.len(), hard.min(near.len())) {
                if chosen.len() < tasks && seen.insert(near[n]) {
                    chosen.push(near[n]);
                }
            }
        }
        let (mut rows, mut used) = (Vec::new(), HashSet::new());
        for label in chosen {
            let examples = &self.source.labels[label as usize].examples;
            let drawn = index::sample(rng, examples.len(), samples.min(examples.len()));
            rows.extend(drawn.into_iter().map(|n| examples[n]).filter(|&row| used.insert(row)));
        }
        rows
    }

    fn triples(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
        let mut columns = [const { Vec::new() }; 3];
        for _ in 0..count {
            let label = self.draw_label(rng);
            let examples = &self.source.labels[label as usize].examples;
            let pair = index::sample(rng, examples.len(), 2);
            let (anchor, positive) = (examples[pair.index(0)], examples[pair.index(1)]);
            columns[0].push(anchor);
            columns[1].push(positive);
            columns[2].push(self.negative(label, anchor, rng));
        }
        columns.concat()
    }

    /// An example of a hard task, or of any other task.
    fn negative(&self, label: u32, anchor: u32, rng: &mut ChaCha8Rng) -> u32 {
        let (near, examples) = (&self.hard[label as usize], &self.source.examples);
        let mut last = anchor;
        for miss in 0..MAX_MISSES {
            last = if !near.is_empty() && miss < MAX_MISSES / 2 {
                let of = &self.source.labels[near[rng.random_range(0..near.len())] as usize].examples;
                of[rng.random_range(0..of.len())]
            } else {
                rng.random_range(0..examples.len()) as u32
            };
            if !examples[last as usize].same_task(&examples[anchor as usize]) {
                break;
            }
        }
        // One of the same task is masked by the loss.
        last
    }
}

fn hard_labels(source: &Source) -> Vec<Vec<u32>> {
    let mut sharing: [HashMap<&str, Vec<u32>>; 3] = Default::default();
    for (id, label) in source.labels.iter().enumerate().filter(|(_, label)| !label.examples.is_empty()) {
        if let Some(family) = &label.family {
            sharing[2].entry(family).or_default().push(id as u32);
        }
        if let (verb, Some(noun)) = label.parts() {
            sharing[0].entry(verb).or_default().push(id as u32);
            sharing[1].entry(noun).or_default().push(id as u32);
        }
    }
    let near = |(id, label): (usize, &Label)| {
        let (verb, noun) = label.parts();
        let family = label.family.as_deref().and_then(|family| sharing[2].get(family));
        let all = [noun.and_then(|_| sharing[0].get(verb)), noun.and_then(|noun| sharing[1].get(noun)), family];
        all.into_iter().flatten().flatten().copied().filter(|&other| other as usize != id).collect()
    };
    source.labels.iter().enumerate().map(near).collect()
}
