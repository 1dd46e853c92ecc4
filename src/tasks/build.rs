//! Building a taxonomy from labelled instructions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hasher;
use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

use super::labelled::Labelled;
use super::name::{noun, task_name};
use super::prototypes::Calibration;
use super::taxonomy::{Level, MODEL_SHA256};
use crate::config::Dtype;
use crate::embedder::{EmbedOptions, Embedder};
use crate::error::{Error, ErrorCode, Result};
use crate::gguf::{GgufWriter, MetadataValue, keys};
use crate::kernels::l2_normalize;

/// Texts that are embedded at once, between two calls of the progress function.
const CHUNK: usize = 512;
/// One row in this many is kept from the prototypes while the calibration is fitted.
const HOLD_OUT: u64 = 5;
/// One label in this many is taken as unknown while the calibration is fitted.
const UNKNOWN_LABELS: u64 = 8;
/// Share of unknown texts that the calibration expects.
const UNKNOWN_PRIOR: f64 = 0.1;
/// Which labels lend their rows ([`Source::lenders`]): those of so many rows that are so sure, whose prototype is so near to one label's,
/// and nearer by so much than to any other's.
const LENDER_ROWS: usize = 5;
const LENDER_CONF: f32 = 0.8;
const LENDER_COSINE: f32 = 0.6;
const LENDER_MARGIN: f32 = 0.05;
/// The rows of a lender count as so many, however few they are: a label has hundreds of its own.
const LENDER_WEIGHT: usize = 100;

/// What becomes a label, and how many.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Rows whose label is less sure are left out.
    pub min_conf: f32,
    /// Labels with fewer rows are left out.
    pub min_samples: usize,
    /// At most this many labels, the most frequent ones.
    pub max_labels: usize,
    /// Prototypes of a higher cosine merge into one label.
    pub merge_above: f32,
    /// Left-out labels whose prototype is closer to a known one ask for a known task in other words: they do not count as unknown.
    pub near: f32,
    /// Prototypes that name the same noun merge already above this cosine: "write a poem", "create a poem".
    pub merge_same_noun_above: f32,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { min_conf: 0.6, min_samples: 5, max_labels: 800, merge_above: 0.93, merge_same_noun_above: 0.8, near: 0.7 }
    }
}

/// The labelled instructions that make one level of a taxonomy.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    pub level: Level,
    pub rows: &'a [Labelled],
    /// Rows to fit the calibration on, best such as the encoder was not trained on; one in five of `rows` where there are none.
    /// Those of labels that `rows` does not have count as unknown.
    pub held_out: &'a [Labelled],
    /// Rows with labels of another kind, finer ones: where the mean of such a label is near to one label of this level alone, its rows
    /// count for that too. So prototypes know more ways of asking than `rows` has.
    pub lenders: &'a [Labelled],
    pub options: BuildOptions,
}

/// Held-out texts whose first label got a score within one tenth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// The share of all texts, with unknown ones in the share that the calibration expects.
    pub weight: f64,
    /// The mean score, and the share whose first label is right.
    pub score: f64,
    pub right: f64,
}

/// What [`build`] did for one level, in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildReport {
    pub level: Level,
    /// Rows that were used, of those given.
    pub used_rows: usize,
    pub rows: usize,
    pub labels: usize,
    /// Labels that became aliases of another.
    pub merged: usize,
    /// Labels of [`Source::lenders`] whose rows count.
    pub lent: usize,
    pub calibration: Calibration,
    /// Held-out rows whose label is the first, and among the first three.
    pub held_out: usize,
    pub top1: f64,
    pub top3: f64,
    /// The reliability of the first label's score: ten bins from 0 to 1.
    pub bins: [Bin; 10],
    /// Expected calibration error: how far score and share of right ones are apart in a bin, on average.
    pub calibration_error: f64,
    /// Held-out known rows that are called unknown, and rows of left-out labels that are.
    pub false_unknown: f64,
    pub true_unknown: f64,
}

struct Group {
    label: String,
    name: String,
    aliases: Vec<String>,
    rows: Vec<usize>,
    prototype: Vec<f32>,
}

/// Makes the bytes of a taxonomy file for `embedder`, whose file has this sha256. `progress` gets the rows that are done.
///
/// # Errors
/// [`ErrorCode::Data`] when fewer than two labels of a level are left; what [`Embedder::embed`] says.
pub fn build(
    embedder: &Embedder,
    model_sha256: &str,
    sources: &[Source<'_>],
    mut progress: impl FnMut(usize),
) -> Result<(Vec<u8>, Vec<BuildReport>)> {
    let mut file = GgufWriter::default();
    file.string(keys::GENERAL_ARCHITECTURE, keys::TAXONOMY_ARCHITECTURE).string(MODEL_SHA256, model_sha256);
    let (mut reports, mut done) = (Vec::new(), 0);
    for source in sources {
        let (groups, report) = build_level(embedder, source, &mut |n| progress(done + n))?;
        done += source.rows.len() + source.held_out.len() + source.lenders.len();
        write(&mut file, source.level, &groups, report.calibration, embedder.view_size())?;
        reports.push(report);
    }
    Ok((file.finish()?, reports))
}

fn build_level(embedder: &Embedder, source: &Source<'_>, progress: &mut dyn FnMut(usize)) -> Result<(Vec<Group>, BuildReport)> {
    let Source { level, options, .. } = source;
    let rows: Vec<&Labelled> = source.rows.iter().chain(source.held_out).chain(source.lenders).collect();
    let own = source.rows.len() + source.held_out.len();
    let by_label = grouped(&rows, 0..own, options.min_conf);
    let mut lenders = grouped(&rows, own..rows.len(), LENDER_CONF);
    lenders.retain(|_, rows| rows.len() >= LENDER_ROWS);
    let mut kept: Vec<(&str, Vec<usize>)> = by_label.into_iter().filter(|(_, rows)| rows.len() >= options.min_samples).collect();
    kept.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(b.0)));
    kept.truncate(options.max_labels);
    if kept.len() < 2 {
        let message = format!(
            "{} of {} rows and {} labels are left (min_conf {}, min_samples {}); a taxonomy needs at least 2 labels of a {level}",
            kept.iter().map(|(_, rows)| rows.len()).sum::<usize>(),
            own,
            kept.len(),
            options.min_conf,
            options.min_samples
        );
        return Err(Error::new(ErrorCode::Data, message));
    }

    let is_held_out = |row: usize| match source.held_out {
        [] => (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).is_multiple_of(HOLD_OUT),
        _ => (source.rows.len()..own).contains(&row),
    };
    let known: BTreeSet<&str> = kept.iter().map(|(label, _)| *label).collect();
    let mut strangers = grouped(&rows, source.rows.len()..own, f32::NEG_INFINITY);
    strangers.retain(|label, _| !known.contains(label));

    let used: Vec<usize> = kept.iter().map(|(_, rows)| rows).chain(strangers.values()).chain(lenders.values()).flatten().copied().collect();
    let dimensions = embedder.view_size();
    let mut vectors: HashMap<usize, Vec<f32>> = HashMap::with_capacity(used.len());
    for chunk in used.chunks(CHUNK) {
        let texts: Vec<&str> = chunk.iter().map(|&n| rows[n].instruction.as_str()).collect();
        let embeddings = embedder.embed(&texts, &EmbedOptions::default())?;
        vectors.extend(chunk.iter().copied().zip(embeddings.rows().map(<[f32]>::to_vec)));
        progress(vectors.len());
    }

    let before = kept.len();
    let groups = kept.into_iter().map(|(label, members)| {
        let name = members.iter().find_map(|&n| rows[n].name.clone()).unwrap_or_else(|| task_name(label));
        let prototype = mean(&members, &vectors, dimensions);
        Group { label: label.to_owned(), name, aliases: Vec::new(), rows: members, prototype }
    });
    let mut groups = merge(groups.collect(), options, &vectors, dimensions);
    let lent = lend(&mut groups, lenders.into_values(), &vectors, dimensions);
    let strangers = strangers.into_iter().map(|(label, members)| {
        let prototype = mean(&members, &vectors, dimensions);
        Group { label: label.to_owned(), name: String::new(), aliases: Vec::new(), rows: members, prototype }
    });
    let strangers: Vec<Group> = strangers.collect();
    let mut report = calibrate(source, &groups, &strangers, &is_held_out, &vectors, dimensions);
    report.rows = rows.len();
    report.used_rows = used.len();
    report.lent = lent;
    report.labels = groups.len();
    report.merged = before - groups.len();
    Ok((groups, report))
}

/// The rows of each label, of those in a range that are sure enough.
fn grouped<'a>(rows: &[&'a Labelled], range: Range<usize>, min_conf: f32) -> BTreeMap<&'a str, Vec<usize>> {
    let mut by_label: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for n in range.filter(|&n| rows[n].conf >= min_conf) {
        by_label.entry(rows[n].label()).or_default().push(n);
    }
    by_label
}

/// The mean of the rows' vectors, at length 1.
fn mean(rows: &[usize], vectors: &HashMap<usize, Vec<f32>>, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimensions];
    for vector in rows.iter().filter_map(|row| vectors.get(row)) {
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
    }
    l2_normalize(&mut sum);
    sum
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Merges the closest pair until none is close enough; the larger group names the result.
fn merge(mut groups: Vec<Group>, options: &BuildOptions, vectors: &HashMap<usize, Vec<f32>>, dimensions: usize) -> Vec<Group> {
    // How far a pair is above the cosine that merges it, or `None`.
    let excess = |a: &Group, b: &Group| {
        let same_noun = noun(&a.label).is_some() && noun(&a.label) == noun(&b.label);
        let above = if same_noun { options.merge_same_noun_above } else { options.merge_above };
        let excess = cosine(&a.prototype, &b.prototype) - above;
        (excess > 0.0).then_some(excess)
    };
    let best_of = |groups: &[Group], a: usize| {
        let partners = (a + 1..groups.len()).filter_map(|b| excess(&groups[a], &groups[b]).map(|e| (e, b)));
        partners.max_by(|x, y| x.0.total_cmp(&y.0).then(y.1.cmp(&x.1)))
    };
    let mut best: Vec<_> = (0..groups.len()).map(|a| best_of(&groups, a)).collect();
    while let Some((a, (_, b))) =
        best.iter().enumerate().filter_map(|(a, e)| e.map(|e| (a, e))).max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(y.0.cmp(&x.0)))
    {
        let mut from = groups.remove(b);
        let into = &mut groups[a];
        if from.rows.len() > into.rows.len() {
            std::mem::swap(&mut from, into);
        }
        into.aliases.push(from.label);
        into.aliases.extend(from.aliases);
        into.rows.extend(from.rows);
        into.prototype = mean(&into.rows, vectors, dimensions);
        best = (0..groups.len()).map(|a| best_of(&groups, a)).collect();
    }
    groups
}

/// Adds the rows of each lender to the one group that it is near to; says how many lenders were.
fn lend(groups: &mut [Group], lenders: impl Iterator<Item = Vec<usize>>, vectors: &HashMap<usize, Vec<f32>>, dimensions: usize) -> usize {
    let mut lent = vec![Vec::new(); groups.len()];
    for rows in lenders {
        let prototype = mean(&rows, vectors, dimensions);
        let mut nearest: Vec<(f32, usize)> = groups.iter().map(|group| cosine(&group.prototype, &prototype)).zip(0..).collect();
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        if let [(first, group), (second, _), ..] = nearest[..]
            && first >= LENDER_COSINE
            && first - second >= LENDER_MARGIN
        {
            lent[group].push(rows);
        }
    }
    for (group, lenders) in groups.iter_mut().zip(&lent).filter(|(_, lenders)| !lenders.is_empty()) {
        for rows in lenders {
            group.rows.extend(rows.iter().cycle().take(rows.len().max(LENDER_WEIGHT)));
        }
        group.prototype = mean(&group.rows, vectors, dimensions);
    }
    lent.iter().map(Vec::len).sum()
}

/// A number that depends on nothing but the text: which rows and labels are held out does not change with their order.
fn hash(text: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.write(text.as_bytes());
    hash.finish()
}

/// Fits temperature and unknown level by the likelihood of held-out rows: rows of known labels must get their label, rows of labels
/// that are left out must get the unknown.
fn calibrate(
    source: &Source<'_>,
    groups: &[Group],
    strangers: &[Group],
    is_held_out: &dyn Fn(usize) -> bool,
    vectors: &HashMap<usize, Vec<f32>>,
    dimensions: usize,
) -> BuildReport {
    let is_known = |group: &Group| !hash(&group.label).is_multiple_of(UNKNOWN_LABELS);
    let mut prototypes = Vec::new();
    // Cosines to all prototypes, with the index of the right one.
    let mut cases: Vec<(usize, Option<usize>)> = Vec::new();
    for group in groups {
        if is_known(group) {
            let (held_out, train): (Vec<usize>, Vec<usize>) = group.rows.iter().partition(|&&row| is_held_out(row));
            if !train.is_empty() {
                cases.extend(held_out.into_iter().map(|row| (row, Some(prototypes.len()))));
                prototypes.push(mean(&train, vectors, dimensions));
            }
        }
    }
    for group in groups.iter().filter(|group| !is_known(group)).chain(strangers) {
        if prototypes.iter().all(|known| cosine(known, &group.prototype) < source.options.near) {
            cases.extend(group.rows.iter().map(|&row| (row, None)));
        }
    }
    let cosines: Vec<Vec<f32>> = cases.iter().map(|(row, _)| prototypes.iter().map(|p| cosine(p, &vectors[row])).collect()).collect();
    let known = cases.iter().filter(|(_, label)| label.is_some()).count().max(1) as f64;
    let unknown = (cases.len() as f64 - known).max(1.0);

    let mut best = (f64::INFINITY, Calibration { temperature: 0.05, unknown: 0.3 });
    for step in 0..30 {
        let temperature = 0.01 * 1.1_f32.powi(step);
        let log_sums: Vec<f64> = cosines.iter().map(|cosines| log_sum_exp(cosines, temperature)).collect();
        for level in -10..=90 {
            let level = level as f32 / 100.0;
            let mut loss = 0.0;
            for ((&log_sum, cosines), (_, label)) in log_sums.iter().zip(&cosines).zip(&cases) {
                let unknown_logit = f64::from(level / temperature);
                let (large, small) = if log_sum > unknown_logit { (log_sum, unknown_logit) } else { (unknown_logit, log_sum) };
                let total = large + (small - large).exp().ln_1p();
                loss += match label {
                    Some(label) => (total - f64::from(cosines[*label] / temperature)) * (1.0 - UNKNOWN_PRIOR) / known,
                    None => (total - unknown_logit) * UNKNOWN_PRIOR / unknown,
                };
            }
            if loss < best.0 {
                best = (loss, Calibration { temperature, unknown: level });
            }
        }
    }
    measure(source.level, &cosines, &cases, best.1)
}

fn log_sum_exp(cosines: &[f32], temperature: f32) -> f64 {
    let largest = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = cosines.iter().map(|c| ((c - largest) / temperature).exp()).sum();
    f64::from(largest / temperature) + f64::from(sum).ln()
}

fn measure(level: Level, cosines: &[Vec<f32>], cases: &[(usize, Option<usize>)], calibration: Calibration) -> BuildReport {
    let (mut known, mut top1, mut top3, mut false_unknown, mut unknown, mut true_unknown) =
        (0_usize, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    // Weighted sums at first, means in the end.
    let mut bins = [Bin::default(); 10];
    let total_of = |wanted: bool| cases.iter().filter(|(_, label)| label.is_some() == wanted).count().max(1) as f64;
    let (known_weight, unknown_weight) = ((1.0 - UNKNOWN_PRIOR) / total_of(true), UNKNOWN_PRIOR / total_of(false));
    for (cosines, (_, label)) in cosines.iter().zip(cases) {
        let best = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let called_unknown = calibration.unknown > best;
        let score = {
            let log_sum = log_sum_exp(cosines, calibration.temperature);
            let total = log_sum.exp() + f64::from(calibration.unknown / calibration.temperature).exp();
            f64::from(best / calibration.temperature).exp() / total
        };
        let bin = &mut bins[((score * 10.0) as usize).min(9)];
        let weight = if label.is_some() { known_weight } else { unknown_weight };
        bin.weight += weight;
        bin.score += score * weight;
        let Some(label) = label else {
            unknown += 1;
            true_unknown += usize::from(called_unknown);
            continue;
        };
        known += 1;
        false_unknown += usize::from(called_unknown);
        let rank = cosines.iter().filter(|&&c| c > cosines[*label]).count();
        top1 += usize::from(rank == 0);
        top3 += usize::from(rank < 3);
        bin.right += f64::from(u8::from(rank == 0)) * weight;
    }
    let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
    let calibration_error = bins.iter().map(|bin| (bin.score - bin.right).abs()).sum();
    for bin in bins.iter_mut().filter(|bin| bin.weight > 0.0) {
        bin.score /= bin.weight;
        bin.right /= bin.weight;
    }
    BuildReport {
        level,
        used_rows: 0,
        rows: 0,
        labels: 0,
        merged: 0,
        lent: 0,
        calibration,
        held_out: known,
        top1: share(top1, known),
        top3: share(top3, known),
        bins,
        calibration_error,
        false_unknown: share(false_unknown, known),
        true_unknown: share(true_unknown, unknown),
    }
}

fn write(file: &mut GgufWriter, level: Level, groups: &[Group], calibration: Calibration, dimensions: usize) -> Result<()> {
    let strings = |of: &dyn Fn(&Group) -> String| MetadataValue::Array(groups.iter().map(|g| MetadataValue::String(of(g))).collect());
    let prototypes: Vec<f32> = groups.iter().flat_map(|g| g.prototype.iter().copied()).collect();
    // Rows that are no whole blocks cannot be quantised; only toy models have such.
    let dtype = if dimensions.is_multiple_of(Dtype::Q8_0.block_len()) { Dtype::Q8_0 } else { Dtype::F32 };
    file.metadata(&level.key("labels"), strings(&|g| g.label.clone()))
        .metadata(&level.key("names"), strings(&|g| g.name.clone()))
        .metadata(&level.key("aliases"), strings(&|g| g.aliases.join(" ")))
        .metadata(&level.key("temperature"), MetadataValue::F32(calibration.temperature))
        .metadata(&level.key("unknown"), MetadataValue::F32(calibration.unknown))
        .tensor(&level.tensor(), &prototypes, &[groups.len(), dimensions], dtype)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Group, HashMap, LENDER_WEIGHT, cosine, lend};

    #[test]
    fn labels_lend_their_rows_to_the_one_that_they_are_near_to() {
        let group = |prototype: [f32; 3], row| Group {
            label: String::new(),
            name: String::new(),
            aliases: Vec::new(),
            rows: vec![row; LENDER_WEIGHT],
            prototype: prototype.to_vec(),
        };
        let own = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        // Near the first, as near to both, near to none.
        let lenders = [[0.8, 0.0, 0.6], [0.7, 0.7, 0.141], [0.1, 0.0, 0.995]];
        let vectors: HashMap<usize, Vec<f32>> = (0..).zip(own.iter().chain(&lenders).map(|v| v.to_vec())).collect();
        let mut groups = vec![group(own[0], 0), group(own[1], 1)];
        assert_eq!(lend(&mut groups, (2..5).map(|row| vec![row]), &vectors, 3), 1);
        assert_eq!(groups.iter().map(|group| group.rows.len()).collect::<Vec<_>>(), [2 * LENDER_WEIGHT, LENDER_WEIGHT]);
        // Half way between its own rows and the one that was lent.
        let half = cosine(&groups[0].prototype, &own[0]);
        assert!((half - cosine(&groups[0].prototype, &lenders[0])).abs() < 1e-6 && half > 0.9, "{half}");
        assert_eq!(groups[1].prototype, own[1]);
    }
}
