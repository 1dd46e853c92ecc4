//! The benchmark's measures against scikit-learn and SciPy, and on inputs that have no answer.

use pie_embed_wasm::ErrorCode;
use pie_embed_wasm::ieb::{
    Clusters, KMeans, Random, Vectors, adjusted_rand_index, binary_ceiling, clustering_scores, few_shot_accuracy, fidelity, homogeneity,
    nearest, nearest_neighbour_accuracy, purity, r_precision, silhouette, spearman,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::common::fixtures;

const TOLERANCE: f64 = 1e-9;

fn load<T: DeserializeOwned>(file: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(file)).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Metrics {
    clustering: Vec<Clustering>,
    silhouette: Vec<Silhouette>,
    spearman: Vec<Spearman>,
}

#[derive(Deserialize)]
struct Clustering {
    name: String,
    labels_true: Vec<usize>,
    labels_pred: Vec<usize>,
    adjusted_rand_score: f64,
    homogeneity_score: f64,
    purity_score: f64,
}

#[derive(Deserialize)]
struct Silhouette {
    name: String,
    x: Vec<Vec<f64>>,
    labels: Vec<usize>,
    silhouette_score: Option<f64>,
}

#[derive(Deserialize)]
struct Spearman {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    spearmanr: Option<f64>,
}

fn assert_close(name: &str, ours: Option<f64>, golden: Option<f64>) {
    match (ours, golden) {
        (Some(ours), Some(golden)) => assert!((ours - golden).abs() <= TOLERANCE, "{name}: {ours}, golden {golden}"),
        _ => assert_eq!(ours, golden, "{name}"),
    }
}

#[test]
fn equal_scikit_learn_and_scipy() {
    let metrics: Metrics = load("metrics.json");
    for case in metrics.clustering {
        let (classes, clusters) = (&case.labels_true, &case.labels_pred);
        assert_close(&case.name, Some(adjusted_rand_index(classes, clusters)), Some(case.adjusted_rand_score));
        assert_close(&case.name, Some(homogeneity(classes, clusters)), Some(case.homogeneity_score));
        assert_close(&case.name, Some(purity(classes, clusters)), Some(case.purity_score));
    }
    for case in metrics.silhouette {
        let dimensions = case.x[0].len();
        assert_close(&case.name, silhouette(&case.x.concat(), dimensions, &case.labels), case.silhouette_score);
    }
    for case in metrics.spearman {
        assert_close(&case.name, spearman(&case.x, &case.y), case.spearmanr);
    }
}

#[test]
fn the_ceiling_is_what_a_perfect_order_reaches() {
    for (negatives, positives) in [(1, 1), (3, 7), (992, 1504)] {
        let scores: Vec<f64> = (0..negatives + positives).map(|n| n as f64).collect();
        let labels: Vec<f64> = (0..negatives + positives).map(|n| f64::from(u8::from(n >= negatives))).collect();
        assert_close("ceiling", spearman(&scores, &labels), binary_ceiling(negatives, positives));
    }
    assert_eq!(binary_ceiling(0, 5), None);
    assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    assert_eq!(spearman(&[1.0, 2.0], &[1.0]), None);
}

#[derive(Deserialize)]
struct Blobs {
    clusters: usize,
    seeds: u64,
    #[serde(rename = "k-means++")]
    plus_plus: Fits,
    random: Fits,
    #[serde(rename = "mini-batch")]
    mini_batch: Fits,
    groups: Vec<usize>,
    points: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Fits {
    inertia: Figure,
    adjusted_rand_score: Figure,
}

#[derive(Deserialize)]
struct Figure {
    mean: f64,
    deviation: f64,
}

#[test]
fn k_means_is_on_a_par_with_scikit_learn() {
    let blobs: Blobs = load("kmeans.json");
    let points = Vectors::new(blobs.points.concat(), blobs.points[0].len()).unwrap();
    let n = blobs.seeds as f64;
    // Three standard errors of the difference of two means of as many runs.
    let slack = |figure: &Figure| 3.0 * figure.deviation * (2.0 / n).sqrt();
    let fits = |batch: Option<usize>| {
        let fit = |seed| KMeans { seed, batch, ..KMeans::new(blobs.clusters) }.fit(&points).unwrap();
        let fits: Vec<Clusters> = (0..blobs.seeds).map(fit).collect();
        let inertia = fits.iter().map(|fit| fit.inertia).sum::<f64>() / n;
        let ari = fits.iter().map(|fit| adjusted_rand_index(&blobs.groups, &fit.labels)).sum::<f64>() / n;
        (fits, inertia, ari)
    };
    let golden = &blobs.plus_plus;
    // Between what scikit-learn's mini-batches come to and what all rows do.
    let (_, inertia, ari) = fits(Some(60));
    let (batches, all) = (&blobs.mini_batch.inertia, &golden.inertia);
    assert!(inertia < batches.mean && inertia > all.mean - slack(all), "{inertia}, scikit-learn {} and {}", batches.mean, all.mean);
    assert!(ari > blobs.mini_batch.adjusted_rand_score.mean, "{ari}");

    let (fits, inertia, ari) = fits(None);
    assert!((inertia - golden.inertia.mean).abs() < slack(&golden.inertia), "{inertia}, scikit-learn {}", golden.inertia.mean);
    assert!((ari - golden.adjusted_rand_score.mean).abs() < slack(&golden.adjusted_rand_score), "{ari}");
    // The test can tell: random initialisation is beyond that.
    assert!(blobs.random.inertia.mean - golden.inertia.mean > slack(&golden.inertia));

    for (seed, fit) in (0..).zip(&fits).take(3) {
        // What is reported is the sum of squares about the means of the labels, and a seed repeats.
        let mut sum = 0.0;
        for cluster in 0..blobs.clusters {
            let rows: Vec<&[f32]> = points.rows().zip(&fit.labels).filter(|(_, label)| **label == cluster).map(|(row, _)| row).collect();
            assert!(!rows.is_empty(), "cluster {cluster} is empty");
            for dimension in 0..points.dimensions() {
                let mean = rows.iter().map(|row| f64::from(row[dimension])).sum::<f64>() / rows.len() as f64;
                sum += rows.iter().map(|row| (f64::from(row[dimension]) - mean).powi(2)).sum::<f64>();
            }
        }
        assert!((sum - fit.inertia).abs() < 1e-2 * sum, "{sum}, reported {}", fit.inertia);
        let again = KMeans { seed, ..KMeans::new(blobs.clusters) }.fit(&points).unwrap();
        assert_eq!((&again.labels, again.inertia), (&fit.labels, fit.inertia));
    }
    let best = KMeans { runs: 10, ..KMeans::new(blobs.clusters) }.fit(&points).unwrap();
    assert!(best.inertia <= fits[0].inertia);
}

#[test]
fn k_means_takes_odd_inputs() {
    let points = Vectors::new(vec![1.0, 2.0, 3.0], 1).unwrap();
    assert_eq!(KMeans::new(4).fit(&points).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(KMeans::new(0).fit(&points).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(KMeans { batch: Some(0), ..KMeans::new(1) }.fit(&points).unwrap_err().code(), ErrorCode::InvalidArgument);
    let all = KMeans::new(3).fit(&points).unwrap();
    assert!(all.inertia < 1e-12);
    assert_eq!(adjusted_rand_index(&all.labels, &[0, 1, 2]), 1.0);
    // More clusters than distinct points.
    let same = Vectors::new(vec![0.5; 12], 2).unwrap();
    assert_eq!(KMeans::new(4).fit(&same).unwrap().inertia, 0.0);
    assert_eq!(KMeans { batch: Some(3), ..KMeans::new(4) }.fit(&same).unwrap().inertia, 0.0);
}

fn unit(degrees: &[f32]) -> Vectors {
    Vectors::new(degrees.iter().flat_map(|d| [d.to_radians().cos(), d.to_radians().sin()]).collect(), 2).unwrap()
}

#[test]
fn neighbours_by_hand() {
    let vectors = unit(&[0.0, 10.0, 25.0, 100.0, 90.0, 180.0]);
    let labels = [7, 7, 3, 3, 3, 9];
    let itself: Vec<_> = (0..6).map(Some).collect();
    let found: Vec<_> = nearest(&vectors, &vectors, &itself).unwrap().into_iter().flatten().collect();
    assert_eq!(found, [1, 0, 1, 4, 3, 3]);
    // Row 5 has no other of its label and is not asked; row 2 errs.
    assert_eq!(nearest_neighbour_accuracy(&vectors, &labels).unwrap(), Some(4.0 / 5.0));
    // R: 1 and 1 for the sevens (right), 2 for the threes: row 2 finds {1, 0}, row 3 {4, 2}, row 4 {3, 2}.
    assert_eq!(r_precision(&vectors, &labels).unwrap(), Some((1.0 + 1.0 + 0.0 + 1.0 + 1.0) / 5.0));
    assert_eq!(nearest_neighbour_accuracy(&vectors, &[0, 1, 2, 3, 4, 5]).unwrap(), None);
    assert_eq!(nearest_neighbour_accuracy(&vectors, &[0]).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn few_shots_tag_what_is_apart() {
    let vectors = unit(&[0.0, 5.0, 10.0, 15.0, 90.0, 95.0, 100.0, 105.0]);
    let labels = [0, 0, 0, 0, 1, 1, 1, 1];
    assert_eq!(few_shot_accuracy(&vectors, &labels, 3, 0..5).unwrap(), vec![1.0; 5]);
    // Three examples of four rows leave one; of two rows one is kept back, of one row none.
    assert_eq!(few_shot_accuracy(&unit(&[0.0, 1.0, 90.0]), &[0, 0, 1], 3, 0..2).unwrap(), vec![1.0; 2]);
    assert_eq!(few_shot_accuracy(&unit(&[0.0, 90.0]), &[0, 1], 3, 0..2).unwrap(), Vec::<f64>::new());
    assert_eq!(few_shot_accuracy(&vectors, &[0; 8], 3, 0..2).unwrap(), Vec::<f64>::new());
    assert_eq!(few_shot_accuracy(&vectors, &labels, 0, 0..2).unwrap_err().code(), ErrorCode::InvalidArgument);
    // Chance is chance: labels that say nothing.
    let mut random = Random::new(3);
    let noise = Vectors::new((0..400 * 16).map(|_| (random.unit() - 0.5) as f32).collect(), 16).unwrap().normalized();
    let classes: Vec<usize> = (0..400).map(|n| n % 4).collect();
    let accuracies = few_shot_accuracy(&noise, &classes, 3, 0..10).unwrap();
    let mean = accuracies.iter().sum::<f64>() / 10.0;
    assert!((mean - 0.25).abs() < 0.05, "{mean}");
}

#[test]
fn faulty_vectors_are_refused() {
    assert_eq!(Vectors::new(vec![1.0, 2.0, 3.0], 2).unwrap_err().code(), ErrorCode::InvalidDimensions);
    assert_eq!(Vectors::new(vec![], 0).unwrap_err().code(), ErrorCode::InvalidDimensions);
    let nan = Vectors::new(vec![1.0, 2.0, f32::NAN, 4.0], 2).unwrap_err();
    assert_eq!((nan.code(), nan.to_string().as_str()), (ErrorCode::InvalidArgument, "vector 1 holds NaN at dimension 0"));
    let (two, three) = (Vectors::new(vec![1.0; 6], 2).unwrap(), Vectors::new(vec![1.0; 9], 3).unwrap());
    assert_eq!(two.dot(&three).unwrap_err().code(), ErrorCode::InvalidDimensions);
    assert_eq!(fidelity(&two, &three).unwrap_err().code(), ErrorCode::InvalidDimensions);
    assert_eq!(nearest(&two, &three, &[None; 3]).unwrap_err().code(), ErrorCode::InvalidDimensions);
    assert_eq!(clustering_scores(&two, &[0, 1], 1).unwrap_err().code(), ErrorCode::InvalidArgument);
    let nothing = Vectors::new(vec![], 2).unwrap();
    assert_eq!(clustering_scores(&nothing, &[], 1).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(nearest_neighbour_accuracy(&nothing, &[]).unwrap(), None);
    assert_eq!(r_precision(&nothing, &[]).unwrap(), None);
}

#[test]
fn fidelity_finds_the_worst_row() {
    let before = unit(&[0.0, 20.0, 90.0, 105.0]);
    let same = fidelity(&before, &before).unwrap();
    assert!((same.worst_cosine - 1.0).abs() < 1e-6 && same.neighbour_loss == Some(0.0));
    let after = fidelity(&before, &unit(&[0.0, 60.0, 90.0, 105.0])).unwrap();
    assert_eq!(after.worst_row, 1);
    assert!((after.worst_cosine - 40_f64.to_radians().cos()).abs() < 1e-6);
    // Row 1 now lies nearer to 90 degrees.
    assert_eq!(after.neighbour_loss, Some(0.25));
}
