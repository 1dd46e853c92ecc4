//! Searching, choosing, compressing and comparing, held against SciPy, scikit-learn and brute force.

use pie_embed_wasm::ErrorCode;
use pie_embed_wasm::tasks::{
    Anchors, Grouping, Hit, KMeans, Method, Random, Vectors, cluster, cluster_within, coverage, diverse, divided_by_sum, estimate,
    mean_of_max, near_duplicates, overlap, random_anchors, representatives, search, select, similar_order, spread, t_sne, wasserstein,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::common::fixtures;

#[derive(Deserialize)]
struct Correlated {
    dimensions: usize,
    sets: Vec<Vec<f32>>,
    length: Compared,
    sum: Compared,
    distances: Vec<f64>,
    leaves: Vec<usize>,
    nearest: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Compared {
    wasserstein: Vec<Vec<f64>>,
    mean_of_max: Vec<Vec<f64>>,
}

/// Vectors are of 32 bits, the goldens of 64; a sum of components near 0 makes large numbers.
fn close(ours: f64, golden: f64) -> bool {
    (ours - golden).abs() <= 2e-6 * golden.abs().max(1.0)
}

fn check(sets: &[Vectors], golden: &Compared) {
    let distances = wasserstein(&sets.iter().collect::<Vec<_>>()).unwrap();
    let sets: Vec<Vectors> = sets.iter().map(|set| set.clone().normalized()).collect();
    for a in 0..sets.len() {
        for b in 0..sets.len() {
            let ours = (distances[a * sets.len() + b], mean_of_max(&sets[a], &sets[b]).unwrap());
            let golden = (golden.wasserstein[a][b], golden.mean_of_max[a][b]);
            assert!(close(ours.0, golden.0) && close(ours.1, golden.1), "{a}, {b}: {ours:?}, golden {golden:?}");
        }
    }
}

#[test]
fn data_sets_compare_as_with_scipy_and_scikit_learn() {
    let golden: Correlated = serde_json::from_slice(&std::fs::read(fixtures().join("correlate.json")).unwrap()).unwrap();
    let sets: Vec<Vectors> = golden.sets.into_iter().map(|data| Vectors::new(data, golden.dimensions).unwrap()).collect();
    let divided: Vec<Vectors> = sets.iter().map(|set| divided_by_sum(set).unwrap()).collect();
    let sets: Vec<Vectors> = sets.into_iter().map(Vectors::normalized).collect();
    check(&sets, &golden.length);
    check(&divided, &golden.sum);
    assert_eq!(similar_order(&golden.distances, sets.len()).unwrap(), golden.leaves);
    let found = search(&sets[0], &sets[1], 3).unwrap();
    let found: Vec<Vec<usize>> = found.iter().map(|hits| hits.iter().map(|hit| hit.row).collect()).collect();
    assert_eq!(found, golden.nearest);
}

#[derive(Deserialize)]
struct Compressed {
    dimensions: usize,
    vectors: Vec<f32>,
    results: Vec<f64>,
    picked: Vec<usize>,
    estimates: Vec<f64>,
}

/// scikit-learn's Gaussian process finds the same rows, and makes the same of any results on them.
#[test]
fn anchors_are_those_of_a_gaussian_process() {
    let golden: Compressed = serde_json::from_slice(&std::fs::read(fixtures().join("compress.json")).unwrap()).unwrap();
    let vectors = Vectors::new(golden.vectors, golden.dimensions).unwrap().normalized();
    let anchors = Anchors::pick(&vectors, golden.picked.len()).unwrap();
    let rows: Vec<usize> = anchors.weighted(golden.picked.len()).iter().map(|anchor| anchor.row).collect();
    assert_eq!(rows, golden.picked);
    for (k, golden_estimate) in (1..).zip(golden.estimates) {
        let ours = estimate(&anchors.weighted(k), &golden.results).unwrap();
        assert!((ours - golden_estimate).abs() < 1e-5, "{k} anchors: {ours}, golden {golden_estimate}");
    }
}

#[test]
fn what_has_no_answer_is_refused() {
    let two = Vectors::new(vec![1.0, 0.0, 0.0, 1.0], 2).unwrap();
    let none = Vectors::new(vec![], 2).unwrap();
    let other = Vectors::new(vec![1.0, 0.0, 0.0], 3).unwrap();
    for (error, code) in [
        (search(&two, &two, 0).unwrap_err(), ErrorCode::InvalidArgument),
        (search(&two, &other, 1).unwrap_err(), ErrorCode::InvalidDimensions),
        (select(&two, Method::KMeans, 3, None, 0).unwrap_err(), ErrorCode::InvalidArgument),
        (select(&two, Method::KCenter, 0, None, 0).unwrap_err(), ErrorCode::InvalidArgument),
        (select(&two, Method::KCenter, 1, Some(&[1.0, 1.0]), 0).unwrap_err(), ErrorCode::InvalidArgument),
        (select(&two, Method::FacilityLocation, 1, Some(&[1.0]), 0).unwrap_err(), ErrorCode::InvalidArgument),
        (select(&two, Method::FacilityLocation, 1, Some(&[1.0, -1.0]), 0).unwrap_err(), ErrorCode::InvalidArgument),
        (Anchors::pick(&none, 1).unwrap_err(), ErrorCode::InvalidArgument),
        (Anchors::pick(&two, 0).unwrap_err(), ErrorCode::InvalidArgument),
        (estimate(&[], &[1.0]).unwrap_err(), ErrorCode::InvalidArgument),
        (cluster(&two, 0, 0, &mut |_, _| {}).unwrap_err(), ErrorCode::InvalidArgument),
        (cluster(&two, 3, 0, &mut |_, _| {}).unwrap_err(), ErrorCode::InvalidArgument),
        (cluster_within(&two, -0.1, &[]).unwrap_err(), ErrorCode::InvalidArgument),
        (two.clone().put(0, &[1.0]).unwrap_err(), ErrorCode::InvalidDimensions),
        (two.clone().put(3, &[1.0, 0.0]).unwrap_err(), ErrorCode::InvalidArgument),
        (two.clone().put(0, &[1.0, f32::NAN]).unwrap_err(), ErrorCode::InvalidArgument),
        (near_duplicates(&two, &[0, 1], 1.5).unwrap_err(), ErrorCode::InvalidArgument),
        (near_duplicates(&two, &[0, 1], f32::NAN).unwrap_err(), ErrorCode::InvalidArgument),
        (diverse(&two, &[], 1, 1.1).unwrap_err(), ErrorCode::InvalidArgument),
        (wasserstein(&[&two, &none]).unwrap_err(), ErrorCode::NoTexts),
        (mean_of_max(&two, &none).unwrap_err(), ErrorCode::NoTexts),
        (wasserstein(&[&two, &other]).unwrap_err(), ErrorCode::InvalidDimensions),
        (divided_by_sum(&Vectors::new(vec![1.0, -1.0], 2).unwrap()).unwrap_err(), ErrorCode::InvalidArgument),
        (similar_order(&[0.0; 3], 2).unwrap_err(), ErrorCode::InvalidArgument),
    ] {
        assert_eq!(error.code(), code, "{error}");
    }
    assert_eq!(spread(&two.pick(&[0])), None);
    assert_eq!(overlap::<&str>(&[], &["a"]), 0.0);
    assert_eq!(similar_order(&[], 0).unwrap(), Vec::<usize>::new());
    assert_eq!(similar_order(&[0.0], 1).unwrap(), [0]);
    assert!(search(&none, &two, 3).unwrap().iter().all(Vec::is_empty));
}

#[test]
fn every_row_of_a_pool_of_equals_can_be_chosen() {
    let pool = Vectors::new([1.0, 0.0].repeat(5), 2).unwrap();
    for method in [Method::KMeans, Method::KCenter, Method::FacilityLocation] {
        let mut chosen = select(&pool, method, 5, None, 7).unwrap();
        chosen.sort_unstable();
        assert_eq!(chosen, [0, 1, 2, 3, 4], "{method}");
    }
    let found = Anchors::pick(&pool, 5).unwrap().weighted(5);
    assert!((found.iter().map(|anchor| anchor.weight).sum::<f64>() - 1.0).abs() < 1e-12);
}

/// More rows than a block, a span of queries and a tile have: each edge is crossed.
#[test]
fn large_pools_are_searched_whole() {
    let mut random = Random::new(3);
    let data = (0..40_000 * 4).map(|_| random.unit() as f32 - 0.5).collect();
    let pool = Vectors::new(data, 4).unwrap().normalized();
    let queries = pool.pick(&(0..130).map(|n| n * 307).collect::<Vec<_>>());
    for (query, hits) in search(&pool, &queries, 7).unwrap().iter().enumerate() {
        assert_eq!(hits.len(), 7);
        assert!(hits[0].cosine >= 1.0 - 1e-6 && hits.is_sorted_by(|a, b| (b.cosine, a.row) <= (a.cosine, b.row)));
        let worst = hits[6].cosine;
        let better = pool.rows().filter(|row| dot(row, queries.row(query)) > f64::from(worst) + 1e-6).count();
        assert!(better <= 6, "{better} rows stand above the last of query {query}");
    }
}

/// What a query finds, to the bit, does not depend on those beside it.
#[test]
fn queries_do_not_see_each_other() {
    let mut random = Random::new(4);
    let data = (0..3000 * 24).map(|_| random.unit() as f32 - 0.5).collect();
    let pool = Vectors::new(data, 24).unwrap().normalized();
    let together = search(&pool, &pool.pick(&[5, 900, 17, 2000, 8, 77, 1, 2, 3, 4]), 9).unwrap();
    let pair = search(&pool, &pool.pick(&[5, 900]), 9).unwrap();
    assert_eq!(together[..2], pair);
    assert_eq!(search(&pool, &pool.pick(&[900]), 9).unwrap(), pair[1..]);
}

/// A pool that is clustered by mini-batches: as many rows as wanted, one of each group, and nearly what all rows together come to.
#[test]
fn a_large_pool_is_clustered_by_mini_batches() {
    let mut random = Random::new(6);
    let rows = 70_000;
    let data = (0..rows).flat_map(|row| (0..16).map(move |column| f32::from(u8::from(row % 16 == column))));
    let data = data.map(|x| x + 0.4 * (random.unit() as f32 - 0.5)).collect();
    let pool = Vectors::new(data, 16).unwrap().normalized();
    let found = cluster(&pool, 16, 2, &mut |_, _| {}).unwrap();
    assert_eq!(found.clusters.iter().map(|cluster| cluster.size).sum::<usize>(), rows);
    let mut groups: Vec<usize> = found.clusters.iter().map(|cluster| cluster.row % 16).collect();
    groups.sort_unstable();
    assert_eq!(groups, (0..16).collect::<Vec<_>>());
    assert!((0..rows).all(|row| found.labels[row] == found.labels[row % 16]));
    let chosen = select(&pool, Method::KMeans, 40, None, 2).unwrap();
    assert_eq!(chosen, select(&pool, Method::KMeans, 40, None, 2).unwrap());
    let mut distinct = chosen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 40);
}

/// Of a large pool the sum runs over a part: what is chosen serves the whole as well as an exact choice out of a half does.
#[test]
fn facility_location_of_a_large_pool_serves_all_of_it() {
    let mut random = Random::new(5);
    let data = (0..20_000 * 4).map(|_| random.unit() as f32 - 0.5).collect();
    let pool = Vectors::new(data, 4).unwrap().normalized();
    let half = pool.pick(&(0..10_000).collect::<Vec<_>>());
    let served = |from: &Vectors| {
        let chosen = from.pick(&select(from, Method::FacilityLocation, 8, None, 1).unwrap());
        coverage(&pool, &chosen, &[8]).unwrap()[0]
    };
    let (whole, half) = (served(&pool), served(&half));
    assert!(whole > 0.99 * half && whole > 0.6, "{whole}, by an exact choice of half the pool {half}");
}

/// Four bundles of rows stay bundles: of each row the nearest place is that of one of its own.
#[test]
fn a_map_keeps_neighbours() {
    let mut random = Random::new(5);
    let data = (0..200).flat_map(|row| (0..16).map(move |column| (row % 4 == column) as u8)).map(|bundle| f32::from(bundle) * 2.0);
    let data = data.map(|x| x + random.unit() as f32 - 0.5).collect();
    let pool = Vectors::new(data, 16).unwrap().normalized();
    let mut steps = Vec::new();
    let places = t_sne(&pool, 1, &mut |done, total| steps.push((done, total))).unwrap();
    assert_eq!(steps, (1..=100).map(|step| (step, 100)).collect::<Vec<_>>());
    for (row, place) in places.iter().enumerate() {
        let distance = |other: usize| (place[0] - places[other][0]).hypot(place[1] - places[other][1]);
        let nearest = (0..places.len()).filter(|&other| other != row).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        assert_eq!(nearest.map(|other| other % 4), Some(row % 4), "row {row}");
    }
    // More equal rows than neighbours are looked at.
    let equal = Vectors::new([1.0, 0.0].repeat(150), 2).unwrap();
    assert!(t_sne(&equal, 1, &mut |_, _| {}).unwrap().iter().flatten().all(|x| x.is_finite()));
    assert_eq!(t_sne(&pool.pick(&[0, 1, 2]), 1, &mut |_, _| {}).unwrap_err().code(), ErrorCode::InvalidArgument);
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Unit vectors, some of them equal.
fn pools() -> impl Strategy<Value = Vectors> {
    (2..5_usize, 2..40_usize).prop_flat_map(|(dimensions, rows)| {
        proptest::collection::vec(-3..=3_i8, dimensions * rows).prop_map(move |numbers| {
            let data = numbers.chunks(dimensions).flat_map(|row| {
                let zero = row.iter().all(|&x| x == 0);
                row.iter().enumerate().map(move |(n, &x)| if zero && n == 0 { 1.0 } else { f32::from(x) })
            });
            Vectors::new(data.collect(), dimensions).unwrap().normalized()
        })
    })
}

/// `Σ_i max_j quality_j · max(0, cosine_ij)`
fn service(pool: &Vectors, chosen: &[usize], quality: &[f64]) -> f64 {
    let best = |row: &[f32]| chosen.iter().map(|&j| quality[j] * dot(row, pool.row(j)).max(0.0)).fold(0.0, f64::max);
    pool.rows().map(best).sum()
}

fn highest(pool: &Vectors, row: usize, others: &[usize]) -> f64 {
    others.iter().map(|&other| dot(pool.row(row), pool.row(other))).fold(f64::NEG_INFINITY, f64::max)
}

fn sizes_fit(found: &Grouping) -> Result<(), TestCaseError> {
    for (label, cluster) in found.clusters.iter().enumerate() {
        prop_assert_eq!(found.labels.iter().filter(|&&other| other == label).count(), cluster.size);
        prop_assert_eq!(found.labels[cluster.row], label);
    }
    prop_assert!(found.clusters.is_sorted_by(|a, b| (b.size, a.row) < (a.size, b.row)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn search_is_brute_force(pool in pools(), k in 1..50_usize) {
        let found = search(&pool, &pool, k).unwrap();
        for (query, hits) in found.iter().enumerate() {
            let mut all: Vec<f64> = pool.rows().map(|row| dot(row, pool.row(query))).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(hits.len(), k.min(pool.len()));
            for (hit, best) in hits.iter().zip(all) {
                prop_assert!((f64::from(hit.cosine) - best).abs() < 1e-6);
                prop_assert!((f64::from(hit.cosine) - dot(pool.row(hit.row), pool.row(query))).abs() < 1e-6);
            }
            let mut rows: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
            rows.sort_unstable();
            rows.dedup();
            prop_assert_eq!(rows.len(), hits.len());
        }
    }

    /// Each next one has the highest marginal relevance of those that are left.
    #[test]
    fn diverse_is_greedy(pool in pools(), k in 1..12_usize, lambda in 0.0..=1.0_f32) {
        let hits = search(&pool, &pool.pick(&[0]), pool.len()).unwrap().remove(0);
        let taken = diverse(&pool, &hits, k, lambda).unwrap();
        prop_assert_eq!(taken.len(), k.min(pool.len()));
        let worth = |hit: &Hit, before: &[usize]| {
            let nearest = if before.is_empty() { 0.0 } else { highest(&pool, hit.row, before) };
            f64::from(lambda) * f64::from(hit.cosine) - f64::from(1.0 - lambda) * nearest
        };
        let mut before = Vec::new();
        for hit in &taken {
            let best = hits.iter().filter(|hit| !before.contains(&hit.row)).map(|hit| worth(hit, &before)).fold(f64::MIN, f64::max);
            prop_assert!(worth(hit, &before) > best - 1e-5);
            before.push(hit.row);
        }
        if lambda == 1.0 {
            prop_assert_eq!(&taken[..], &hits[..taken.len()]);
        }
    }

    #[test]
    fn k_center_takes_the_farthest(pool in pools(), seed in 0..100_u64) {
        let chosen = select(&pool, Method::KCenter, pool.len(), None, seed).unwrap();
        for n in 1..chosen.len() {
            let rest: Vec<usize> = (0..pool.len()).filter(|row| !chosen[..n].contains(row)).collect();
            let farthest = rest.iter().map(|&row| highest(&pool, row, &chosen[..n])).fold(f64::MAX, f64::min);
            prop_assert!(rest.contains(&chosen[n]) && highest(&pool, chosen[n], &chosen[..n]) < farthest + 1e-6);
        }
    }

    /// Lazy evaluation finds what trying every row finds.
    #[test]
    fn facility_location_is_greedy(pool in pools(), weighted: bool, n in 1..8_usize) {
        let quality: Vec<f64> = (0..pool.len()).map(|row| if weighted { (row * 7 % 5) as f64 } else { 1.0 }).collect();
        let n = n.min(pool.len());
        let chosen = select(&pool, Method::FacilityLocation, n, weighted.then_some(&quality[..]), 0).unwrap();
        prop_assert_eq!(chosen.len(), n);
        for at in 0..n {
            let with = |row: usize| service(&pool, &[&chosen[..at], &[row]].concat(), &quality);
            let best = (0..pool.len()).filter(|row| !chosen[..at].contains(row)).map(with).fold(0.0, f64::max);
            prop_assert!(!chosen[..at].contains(&chosen[at]) && with(chosen[at]) > best - 1e-4);
        }
    }

    #[test]
    fn representatives_stand_for_all_rows(pool in pools(), n in 1..10_usize, seed in 0..10_u64) {
        let n = n.min(pool.len());
        let found = representatives(&pool, n, seed).unwrap();
        prop_assert_eq!(found.iter().map(|r| r.size).sum::<usize>(), pool.len());
        prop_assert!(found.len() <= n && found.is_sorted_by(|a, b| (b.size, a.row) < (a.size, b.row)));
        let chosen = select(&pool, Method::KMeans, n, None, seed).unwrap();
        let mut distinct = chosen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert!(distinct.len() == n && chosen.iter().zip(&found).all(|(row, r)| *row == r.row));
        prop_assert_eq!(&chosen, &select(&pool, Method::KMeans, n, None, seed).unwrap());
        // As many anchors as rows, equal rows in one: the estimate is the truth.
        let results: Vec<f64> = pool.rows().map(|row| f64::from(row[0])).collect();
        let truth = results.iter().sum::<f64>() / results.len() as f64;
        prop_assert!((estimate(&Anchors::pick(&pool, pool.len()).unwrap().weighted(pool.len()), &results).unwrap() - truth).abs() < 1e-5);
        let drawn = random_anchors(pool.len(), pool.len(), &mut Random::new(seed));
        prop_assert!((estimate(&drawn, &results).unwrap() - truth).abs() < 1e-9);
    }

    #[test]
    fn k_means_clusters_are_numbered_by_size(pool in pools(), n in 1..10_usize, seed in 0..10_u64) {
        let n = n.min(pool.len());
        let mut steps = Vec::new();
        let found = cluster(&pool, n, seed, &mut |done, total| steps.push((done, total))).unwrap();
        prop_assert!(steps.is_sorted() && steps.iter().all(|&(done, total)| done <= total && total == steps[0].1), "{steps:?}");
        let fit = KMeans { seed, ..KMeans::new(n) }.fit(&pool).unwrap();
        // The fit's clusters, under other numbers.
        for row in 0..pool.len() {
            for other in 0..row {
                prop_assert_eq!(fit.labels[row] == fit.labels[other], found.labels[row] == found.labels[other]);
            }
        }
        prop_assert_eq!(&found.clusters, &representatives(&pool, n, seed).unwrap());
        sizes_fit(&found)?;
    }

    #[test]
    fn every_row_is_with_the_nearest_leader(pool in pools(), threshold in 0.0..=1.0_f32) {
        let found = cluster_within(&pool, threshold, &[]).unwrap();
        let leaders: Vec<usize> = found.clusters.iter().map(|cluster| cluster.row).collect();
        for (at, &leader) in leaders.iter().enumerate() {
            prop_assert!(at == 0 || highest(&pool, leader, &leaders[..at]) < f64::from(threshold) + 1e-5);
        }
        for (row, &label) in found.labels.iter().enumerate() {
            let own = dot(pool.row(row), pool.row(leaders[label]));
            prop_assert!(own > f64::from(threshold) - 1e-5 && own > highest(&pool, row, &leaders) - 1e-6);
        }
        sizes_fit(&found)?;
    }

    #[test]
    fn rows_are_put_and_cut_off_as_in_a_list(changes in proptest::collection::vec((0..9_usize, any::<i8>(), any::<bool>()), 0..30)) {
        let mut rows: Vec<[f32; 2]> = Vec::new();
        let mut vectors = Vectors::new(Vec::new(), 2).unwrap();
        for (n, value, cut) in changes {
            let row = [f32::from(value), n as f32];
            if cut {
                rows.truncate(n);
                vectors.truncate(n);
            } else if n <= rows.len() {
                rows.splice(n..rows.len().min(n + 1), [row]);
                vectors.put(n, &row).unwrap();
            }
            prop_assert_eq!(vectors.data(), rows.concat());
        }
    }

    #[test]
    fn near_duplicates_are_found_in_order(pool in pools(), threshold in 0.3..=1.0_f32, backwards: bool) {
        let mut order: Vec<usize> = (0..pool.len()).collect();
        if backwards {
            order.reverse();
        }
        let repeats = near_duplicates(&pool, &order, threshold).unwrap();
        let mut kept: Vec<usize> = Vec::new();
        for &row in &order {
            match repeats[row] {
                Some(of) => prop_assert!(kept.contains(&of) && dot(pool.row(row), pool.row(of)) > f64::from(threshold) - 1e-5),
                None => {
                    prop_assert!(kept.is_empty() || highest(&pool, row, &kept) < f64::from(threshold) + 1e-5);
                    kept.push(row);
                }
            }
        }
    }

    #[test]
    fn coverage_and_spread_are_brute_force(pool in pools(), n in 2..10_usize) {
        let chosen: Vec<usize> = (0..n.min(pool.len())).rev().collect();
        let sizes = [1, chosen.len()];
        let curve = coverage(&pool, &pool.pick(&chosen), &sizes).unwrap();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        for (covered, size) in curve.into_iter().zip(sizes) {
            prop_assert!((covered - mean((0..pool.len()).map(|row| highest(&pool, row, &chosen[..size])).collect())).abs() < 1e-5);
        }
        let spread = spread(&pool.pick(&chosen)).unwrap();
        let others = |at: usize| [&chosen[..at], &chosen[at + 1..]].concat();
        let redundancy = mean((0..chosen.len()).map(|at| highest(&pool, chosen[at], &others(at))).collect());
        let novelty = mean((1..chosen.len()).map(|at| 1.0 - highest(&pool, chosen[at], &chosen[..at])).collect());
        prop_assert!((spread.redundancy - redundancy).abs() < 1e-5 && (spread.novelty - novelty).abs() < 1e-5);
    }

    /// The overlap is one minus half the sum of differences of the shares.
    #[test]
    fn overlap_is_one_less_total_variation(a in proptest::collection::vec(0..6_u8, 1..20), b in proptest::collection::vec(0..6_u8, 1..20)) {
        let share = |labels: &[u8], label| labels.iter().filter(|&&l| l == label).count() as f64 / labels.len() as f64;
        let variation = (0..6).map(|label| (share(&a, label) - share(&b, label)).abs()).sum::<f64>() / 2.0;
        let text = |labels: &[u8]| labels.iter().map(u8::to_string).collect::<Vec<_>>();
        prop_assert!((overlap(&text(&a), &text(&b)) - (1.0 - variation)).abs() < 1e-12);
    }
}
