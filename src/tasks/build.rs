//! Building a taxonomy from labelled instructions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::labelled::Labelled;
use super::name::{task_name, verb};
use super::prototypes::Calibration;
use super::taxonomy::Level;
use crate::embedder::{EmbedOptions, Embedder};
use crate::error::{Error, ErrorCode, Result};

mod calibrate;
mod group;
mod write;

pub use calibrate::{Bin, Fit};
use calibrate::{Rows, of_families, of_labels};
use group::{Group, LENDER_CONF, LENDER_ROWS, RowVectors, grouped, lend, mean, merge};

/// Texts that are embedded at once, between two calls of the progress function.
const CHUNK: usize = 512;
/// One row in this many is kept from the prototypes while the calibration is fitted.
const HOLD_OUT: u64 = 5;
/// What stands in a file for a calibration that is not fitted yet.
const UNFITTED: Calibration = Calibration { temperature: 1.0, unknown: 0.0 };

/// What becomes a label, and how many.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Rows whose label is less sure are left out.
    pub min_conf: f32,
    /// Labels with fewer rows are left out.
    pub min_samples: usize,
    /// At most this many labels, the most frequent ones; of equally frequent ones those whose verb is in more rows.
    pub max_labels: usize,
    /// Prototypes of a higher cosine merge into one label.
    pub merge_above: f32,
    /// Left-out labels whose prototype is closer to a known one ask for a known task in other words: they do not count as unknown.
    pub near: f32,
    /// Prototypes that name the same noun merge already above this cosine: "write a poem", "create a poem".
    pub merge_same_noun_above: f32,
    /// The share of texts that the calibration expects to be of no label, 0..1: the fewer, the fewer are called unknown.
    pub unknown_share: f64,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            min_conf: 0.6,
            min_samples: 5,
            max_labels: 800,
            merge_above: 0.93,
            merge_same_noun_above: 0.8,
            near: 0.7,
            unknown_share: 0.1,
        }
    }
}

/// The labelled instructions that make one level of a taxonomy: tasks, or kinds. Where the rows of kinds name a
/// [`family`](Labelled::family), the level of families is made of them too.
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
    pub fit: Fit,
}

/// A family of kinds.
struct Family {
    label: String,
    name: String,
}

/// The rows of a source, and which of them belong to a label that is kept.
struct Plan<'a> {
    source: &'a Source<'a>,
    /// Those of the source, then held-out ones, then those of lenders.
    rows: Vec<&'a Labelled>,
    /// How many are no lenders'.
    own: usize,
    /// Most frequent first.
    kept: Vec<(&'a str, Vec<usize>)>,
}

/// Makes the bytes of a taxonomy file for `embedder`, whose file has this sha256. `progress` gets the rows that are done.
///
/// # Errors
/// [`ErrorCode::Data`] when fewer than two labels of a level are left, or the rows of kinds name families in part or in conflict;
/// what [`Embedder::embed`] says.
pub fn build(
    embedder: &Embedder,
    model_sha256: &str,
    sources: &[Source<'_>],
    mut progress: impl FnMut(usize),
) -> Result<(Vec<u8>, Vec<BuildReport>)> {
    let mut file = write::file(model_sha256);
    let (mut reports, mut done) = (Vec::new(), 0);
    let dimensions = embedder.dimensions(&EmbedOptions::default())?;
    for source in sources {
        let plan = Plan::new(source)?;
        let (groups, families, level) = plan.build(embedder, dimensions, &mut |n| progress(done + n))?;
        done += source.rows.len() + source.held_out.len() + source.lenders.len();
        write::labels(&mut file, source.level, &groups, level[0].fit.calibration, dimensions)?;
        if let Some(of_families) = level.get(1) {
            write::families(&mut file, &groups, &families, of_families.fit.calibration);
        }
        reports.extend(level);
    }
    Ok((file.finish()?, reports))
}

/// Bytes that the file of [`build`] takes where no labels merge, without embedding anything; vectors have these dimensions.
///
/// # Errors
/// [`ErrorCode::Data`] as [`build`].
pub fn largest_bytes(sources: &[Source<'_>], dimensions: usize) -> Result<usize> {
    let mut file = write::file(&"0".repeat(64));
    for source in sources {
        let plan = Plan::new(source)?;
        let mut groups = plan.groups(|_| vec![0.0; dimensions]);
        let families = plan.families(&mut groups, &mut [])?;
        write::labels(&mut file, source.level, &groups, UNFITTED, dimensions)?;
        if !families.is_empty() {
            write::families(&mut file, &groups, &families, UNFITTED);
        }
    }
    Ok(file.finish()?.len())
}

impl<'a> Plan<'a> {
    fn new(source: &'a Source<'a>) -> Result<Self> {
        let Source { level, options, .. } = source;
        let rows: Vec<&Labelled> = source.rows.iter().chain(source.held_out).chain(source.lenders).collect();
        let own = source.rows.len() + source.held_out.len();
        let by_label = grouped(&rows, 0..own, options.min_conf);
        let mut kept: Vec<(&str, Vec<usize>)> = by_label.into_iter().filter(|(_, rows)| rows.len() >= options.min_samples).collect();
        let mut of_verb: HashMap<&str, usize> = HashMap::new();
        for (label, rows) in &kept {
            *of_verb.entry(verb(label)).or_default() += rows.len();
        }
        kept.sort_by_key(|(label, rows)| (Reverse(rows.len()), Reverse(of_verb[verb(label)]), *label));
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
        Ok(Self { source, rows, own, kept })
    }

    /// A label with its rows; the name is what they say, or is made of the label.
    fn group(&self, label: &str, rows: Vec<usize>, prototype: Vec<f32>) -> Group {
        let name = rows.iter().find_map(|&n| self.rows[n].name.clone()).unwrap_or_else(|| task_name(label));
        Group { label: label.to_owned(), name, aliases: Vec::new(), family: None, rows, prototype }
    }

    fn groups(&self, prototype: impl Fn(&[usize]) -> Vec<f32>) -> Vec<Group> {
        self.kept.iter().map(|(label, rows)| self.group(label, rows.clone(), prototype(rows))).collect()
    }

    /// Gives each group the family that its rows name, and strangers those of them that a group has too; none where no row names one.
    /// Families stand in the order of their labels.
    fn families(&self, groups: &mut [Group], strangers: &mut [Group]) -> Result<Vec<Family>> {
        if self.source.level != Level::Kind {
            return Ok(Vec::new());
        }
        let data = |message| Err(Error::new(ErrorCode::Data, message));
        let level = self.source.level;
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        let mut of_groups = Vec::with_capacity(groups.len());
        for group in &*groups {
            let named: BTreeSet<Option<&str>> = group.rows.iter().map(|&n| self.rows[n].family.as_deref()).collect();
            if named.len() > 1 {
                let named: Vec<&str> = named.into_iter().map(|family| family.unwrap_or("none")).collect();
                return data(format!(
                    "the {} rows of {level} {:?} name {} families: {}",
                    group.rows.len(),
                    group.label,
                    named.len(),
                    named.join(", ")
                ));
            }
            let family = named.into_iter().next().flatten();
            of_groups.push(family);
            let Some(family) = family else { continue };
            let name = group.rows.iter().find_map(|&n| self.rows[n].family_name.as_deref());
            let known = found.entry(family).or_insert_with(|| name.unwrap_or_default());
            if known.is_empty() {
                *known = name.unwrap_or_default();
            }
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(without) = of_groups.iter().position(Option::is_none) {
            let with = of_groups.iter().flatten().count();
            return data(format!("{with} of {} {level}s have a family; {:?} has none", groups.len(), groups[without].label));
        }
        let place = |family: Option<&str>| found.keys().position(|known| Some(*known) == family);
        groups.iter_mut().zip(of_groups).for_each(|(group, family)| group.family = place(family));
        for stranger in strangers {
            stranger.family = place(stranger.rows.iter().find_map(|&n| self.rows[n].family.as_deref()));
        }
        let family = |(label, name): (&&str, &&str)| {
            let name = if name.is_empty() { label.replace('-', " ") } else { (*name).to_owned() };
            Family { label: (*label).to_owned(), name }
        };
        Ok(found.iter().map(family).collect())
    }

    /// Embeds the rows and makes groups, their families, and a report for the level and, where there are families, for theirs.
    fn build(
        &self,
        embedder: &Embedder,
        dimensions: usize,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(Vec<Group>, Vec<Family>, Vec<BuildReport>)> {
        let Source { level, options, .. } = self.source;
        let held_out: Range<usize> = self.source.rows.len()..self.own;
        let known: BTreeSet<&str> = self.kept.iter().map(|(label, _)| *label).collect();
        let mut strangers = grouped(&self.rows, held_out.clone(), f32::NEG_INFINITY);
        strangers.retain(|label, _| !known.contains(label));
        let mut lenders = grouped(&self.rows, self.own..self.rows.len(), LENDER_CONF);
        lenders.retain(|_, rows| rows.len() >= LENDER_ROWS);

        let kept = self.kept.iter().map(|(_, rows)| rows);
        let used: Vec<usize> = kept.chain(strangers.values()).chain(lenders.values()).flatten().copied().collect();
        let mut vectors = RowVectors::with_capacity(used.len());
        for chunk in used.chunks(CHUNK) {
            let texts: Vec<&str> = chunk.iter().map(|&n| self.rows[n].instruction.as_str()).collect();
            let embeddings = embedder.embed(&texts, &EmbedOptions::default())?;
            vectors.extend(chunk.iter().copied().zip(embeddings.rows().map(<[f32]>::to_vec)));
            progress(vectors.len());
        }

        let prototype = |rows: &[usize]| mean(rows, &vectors, dimensions);
        let mut groups = merge(self.groups(prototype), options, &vectors, dimensions);
        let mut strangers: Vec<Group> =
            strangers.into_iter().map(|(label, rows)| self.group(label, rows.clone(), prototype(&rows))).collect();
        let families = self.families(&mut groups, &mut strangers)?;
        let lent = lend(&mut groups, lenders.into_values(), &vectors, dimensions);

        let is_held_out = |row: usize| match self.source.held_out {
            [] => (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).is_multiple_of(HOLD_OUT),
            _ => held_out.contains(&row),
        };
        let rows =
            Rows { vectors: &vectors, dimensions, is_held_out: &is_held_out, near: options.near, unknown_share: options.unknown_share };
        let report = |level, labels, fit| BuildReport {
            level,
            used_rows: used.len(),
            rows: self.rows.len(),
            labels,
            merged: self.kept.len() - groups.len(),
            lent,
            fit,
        };
        let mut reports = vec![report(*level, groups.len(), of_labels(&groups, &strangers, &rows))];
        if !families.is_empty() {
            reports.push(report(Level::Family, families.len(), of_families(&groups, &strangers, families.len(), &rows)));
        }
        Ok((groups, families, reports))
    }
}
