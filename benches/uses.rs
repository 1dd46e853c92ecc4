//! What the uses take on large pools of random vectors of 384 dimensions: `cargo bench --bench uses --features cli [-- ROWS]`.
//! A line each: learning own labels, exact search (with the bytes of the pool that a second's search goes through), facility location,
//! anchors.

use std::time::Instant;

use pie_embed_wasm::tasks::{Anchors, Method, Random, Tagger, TaggerLabel, TaggerOptions, Vectors, search, select};
use pie_embed_wasm::{Embeddings, Result};

const DIMENSIONS: usize = 384;

fn main() -> Result<()> {
    // cargo adds flags of its own.
    let rows: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let mut random = Random::new(0);
    for (labels, examples) in [(6, 10), (77, 10), (150, 10), (150, 100)] {
        let seconds = learn(labels, examples, &mut random)?;
        println!("tagger: {labels} labels of {examples} examples: {:.0} ms", seconds * 1e3);
    }
    // Rows around one of a hundred centres, as those of tasks are.
    let centres: Vec<f32> = (0..100 * DIMENSIONS).map(|_| random.unit() as f32 - 0.5).collect();
    let row = |random: &mut Random| {
        let centre = random.below(100) * DIMENSIONS;
        centres[centre..centre + DIMENSIONS].iter().map(|x| x + 0.5 * (random.unit() as f32 - 0.5)).collect::<Vec<f32>>()
    };
    let pool = Vectors::new((0..rows).flat_map(|_| row(&mut random)).collect(), DIMENSIONS)?.normalized();
    for queries in [1, 64, 1024] {
        let asked = pool.pick(&(0..queries).map(|n| n * (rows / queries)).collect::<Vec<_>>());
        let seconds = timed(|| search(&pool, &asked, 10).map(drop))?;
        let bytes = (rows * DIMENSIONS * size_of::<f32>() * queries) as f64;
        let (each_ms, speed) = (seconds * 1e3 / queries as f64, bytes / seconds / 1e9);
        println!("search: {queries} queries in {rows} rows: {each_ms:.2} ms each, {speed:.1} GB of vectors a second");
    }
    let n = 1000.min(rows);
    let seconds = timed(|| select(&pool, Method::FacilityLocation, n, None, 0).map(drop))?;
    println!("facility location: {n} of {rows} rows: {seconds:.1} s");
    let seconds = timed(|| Anchors::pick(&pool, n).map(drop))?;
    println!("anchors: {n} of {rows} rows: {seconds:.1} s");
    Ok(())
}

/// The seconds that a tagger learns from vectors which lie around one centre a label.
fn learn(labels: usize, examples: usize, random: &mut Random) -> Result<f64> {
    let label = |n: usize| TaggerLabel::new(format!("label {n}")).with_examples((0..examples).map(|example| format!("{n} {example}")));
    let labels: Vec<TaggerLabel> = (0..labels).map(label).collect();
    let mut data = Vec::new();
    for _ in &labels {
        let centre: Vec<f32> = (0..DIMENSIONS).map(|_| random.unit() as f32 - 0.5).collect();
        data.extend((0..(examples + 1) * DIMENSIONS).map(|at| centre[at % DIMENSIONS] + 1.5 * (random.unit() as f32 - 0.5)));
    }
    let unread = vec![0.0; data.len() / DIMENSIONS];
    let embeddings = Embeddings { data, dimensions: DIMENSIONS, unread, ..Embeddings::default() };
    timed(|| Tagger::from_embeddings(labels.clone(), &embeddings, 2, "", TaggerOptions::default()).map(drop))
}

fn timed(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}
