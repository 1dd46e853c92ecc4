//! Rows by their label, with the mean of their vectors: grouping, merging, lending.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::kernels::l2_normalize;
use crate::tasks::labelled::Labelled;
use crate::tasks::name::noun;

use super::BuildOptions;

/// The vectors of rows, by the number of the row, each of length 1.
pub type RowVectors = HashMap<usize, Vec<f32>>;

/// Thresholds that let the rows of [`Source::lenders`](super::Source::lenders) count toward a label: rows, confidence, cosine to the label's
/// prototype, margin over the next one's.
pub const LENDER_ROWS: usize = 5;
pub const LENDER_CONF: f32 = 0.8;
const LENDER_COSINE: f32 = 0.6;
const LENDER_MARGIN: f32 = 0.05;
/// The rows of a lender count as so many, however few they are: a label has hundreds of its own.
const LENDER_WEIGHT: usize = 100;

/// A label and its rows.
pub struct Group {
    pub label: String,
    pub name: String,
    /// Labels that merged into this one.
    pub aliases: Vec<String>,
    /// The index of its family, where its rows name one.
    pub family: Option<usize>,
    pub rows: Vec<usize>,
    /// `[dimensions]`, of length 1.
    pub prototype: Vec<f32>,
}

/// The rows of each label, of those in a range that are sure enough.
pub fn grouped<'a>(rows: &[&'a Labelled], range: Range<usize>, min_conf: f32) -> BTreeMap<&'a str, Vec<usize>> {
    let mut by_label: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for n in range.filter(|&n| rows[n].conf >= min_conf) {
        by_label.entry(rows[n].label()).or_default().push(n);
    }
    by_label
}

/// The mean of the rows' vectors, at length 1.
pub fn mean(rows: &[usize], vectors: &RowVectors, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimensions];
    for vector in rows.iter().filter_map(|row| vectors.get(row)) {
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
    }
    l2_normalize(&mut sum);
    sum
}

pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Merges the closest pair until none is close enough; the larger group names the result.
pub fn merge(mut groups: Vec<Group>, options: &BuildOptions, vectors: &RowVectors, dimensions: usize) -> Vec<Group> {
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
pub fn lend(groups: &mut [Group], lenders: impl Iterator<Item = Vec<usize>>, vectors: &RowVectors, dimensions: usize) -> usize {
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

#[cfg(test)]
mod tests {
    use super::{Group, LENDER_WEIGHT, RowVectors, cosine, lend};

    #[test]
    fn labels_lend_their_rows_to_the_one_that_they_are_near_to() {
        let group = |prototype: [f32; 3], row| Group {
            label: String::new(),
            name: String::new(),
            aliases: Vec::new(),
            family: None,
            rows: vec![row; LENDER_WEIGHT],
            prototype: prototype.to_vec(),
        };
        let own = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        // Near the first, as near to both, near to none.
        let lenders = [[0.8, 0.0, 0.6], [0.7, 0.7, 0.141], [0.1, 0.0, 0.995]];
        let vectors: RowVectors = (0..).zip(own.iter().chain(&lenders).map(|v| v.to_vec())).collect();
        let mut groups = vec![group(own[0], 0), group(own[1], 1)];
        assert_eq!(lend(&mut groups, (2..5).map(|row| vec![row]), &vectors, 3), 1);
        assert_eq!(groups.iter().map(|group| group.rows.len()).collect::<Vec<_>>(), [2 * LENDER_WEIGHT, LENDER_WEIGHT]);
        // Half way between its own rows and the one that was lent.
        let half = cosine(&groups[0].prototype, &own[0]);
        assert!((half - cosine(&groups[0].prototype, &lenders[0])).abs() < 1e-6 && half > 0.9, "{half}");
        assert_eq!(groups[1].prototype, own[1]);
    }
}
