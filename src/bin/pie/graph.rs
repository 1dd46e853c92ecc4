//! A graph of an index's rows in which near ones are neighbours (HNSW, Malkov and Yashunin 2016): a search looks at some thousand rows
//! of a pool, and may miss one.
//!
//! It stands beside the index, in the name of the index and `.hnsw`: the sum of the index's checks and the graph, as postcard, and XXH3-64
//! of both.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use instant_distance::{Builder, Hnsw, Point, Search};
use pie_embed_wasm::kernels::dot;
use pie_embed_wasm::tasks::{Hit, Vectors};
use pie_embed_wasm::{Error, ErrorCode, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::output::write_file;

/// Rows that are kept in view while the graph is made, and while it is searched: no search finds more.
const IN_VIEW: usize = 100;
pub const MOST: usize = 200;
const CHECK_BYTES: usize = 8;
const HINT: &str = "`pie index --hnsw` makes one";

/// A row by its number; the file has no vectors, they are those of the index.
#[derive(Clone, Serialize, Deserialize)]
struct Row {
    number: u32,
    #[serde(skip)]
    of: OnceLock<Arc<Vectors>>,
}

impl Row {
    fn new(number: u32, of: &Arc<Vectors>) -> Self {
        Self { number, of: of.clone().into() }
    }

    fn vector(&self) -> &[f32] {
        self.of.get().map_or(&[], |vectors| vectors.row(self.number as usize))
    }
}

impl Point for Row {
    fn distance(&self, other: &Self) -> f32 {
        1.0 - dot(self.vector(), other.vector())
    }
}

pub struct Graph(Hnsw<Row>);

/// Neighbours of a row in an upper layer; the lowest has twice as many.
type Neighbours = [u32; 32];
/// In place of a neighbour that is not there.
const NONE: u32 = u32::MAX;

/// What the crate keeps of a graph, whose neighbours it takes as they are and looks rows up by.
#[derive(Deserialize)]
struct Shape {
    in_view: usize,
    /// Numbers of the rows.
    rows: Vec<u32>,
    lowest: Vec<(Neighbours, Neighbours)>,
    /// Neighbours in the upper layers; each layer holds the first rows only, fewer than the layer below.
    upper: Vec<Vec<Neighbours>>,
}

impl Shape {
    /// What is wrong where a search would look for a row that is not there, or keep more in view than one does.
    fn check((_, shape): (u64, Self)) -> std::result::Result<(), String> {
        let Self { in_view, rows, lowest, upper } = shape;
        if in_view != MOST || lowest.len() != rows.len() {
            return Err(format!("{in_view} rows in view and {} of {} rows in the lowest layer", lowest.len(), rows.len()));
        }
        let beyond = |neighbours: &Neighbours, rows: usize| neighbours.iter().find(|&&row| row != NONE && row as usize >= rows).copied();
        if let Some(row) = lowest.iter().find_map(|(a, b)| beyond(a, rows.len()).or_else(|| beyond(b, rows.len()))) {
            return Err(format!("row {row} of {} is a neighbour in the lowest layer", rows.len()));
        }
        let mut below = rows.len();
        for layer in &upper {
            if layer.is_empty() || layer.len() > below {
                return Err(format!("a layer of {} rows above one of {below}", layer.len()));
            }
            below = layer.len();
            if let Some(row) = layer.iter().find_map(|neighbours| beyond(neighbours, below)) {
                return Err(format!("row {row} of {below} is a neighbour in an upper layer"));
            }
        }
        Ok(())
    }
}

/// The file of an index's graph.
pub fn path_of(index: &Path) -> PathBuf {
    let mut name = OsString::from(index);
    name.push(".hnsw");
    name.into()
}

impl Graph {
    /// Joins rows of length 1. On several cores two graphs of the same rows may differ.
    pub fn build(vectors: &Arc<Vectors>) -> Result<Self> {
        let most = u32::MAX as usize - 1;
        if vectors.len() > most {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("{} rows; a graph has at most {most}", vectors.len())));
        }
        let rows = (0..vectors.len() as u32).map(|number| Row::new(number, vectors)).collect();
        // Neighbours are spread by the crate's rule: the nearest alone cost a quarter, and leave rows that no search reaches.
        let builder = Builder::default().seed(0).ef_construction(IN_VIEW).ef_search(MOST);
        Ok(Self(builder.build_hnsw(rows).0))
    }

    /// Writes the graph of the index with these checks.
    pub fn write(&self, path: &Path, checks: u64) -> Result<()> {
        let internal = |e: postcard::Error| Error::new(ErrorCode::Internal, format!("writing {}: {e}", path.display()));
        let mut bytes = postcard::to_stdvec(&(checks, &self.0)).map_err(internal)?;
        let check = xxh3_64(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        write_file(path, &bytes)
    }

    /// Reads the graph of the index with these checks and vectors.
    pub fn read(path: &Path, checks: u64, vectors: &Arc<Vectors>) -> Result<Self> {
        let wrong = |what: &str| Error::new(ErrorCode::Data, format!("{}: {what}; {HINT}", path.display()));
        let bytes = fs::read(path).map_err(|e| Error::new(ErrorCode::Io, format!("{}: {e}; {HINT}", path.display())).with_source(e))?;
        let (content, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or_else(|| wrong("no graph"))?;
        if xxh3_64(content).to_le_bytes() != *check {
            return Err(wrong("it is not what was written"));
        }
        let malformed = |e: postcard::Error| wrong(&format!("no graph: {e}")).with_source(e);
        Shape::check(postcard::from_bytes(content).map_err(malformed)?).map_err(|what| wrong(&format!("no graph: {what}")))?;
        let (of, graph): (u64, Hnsw<Row>) = postcard::from_bytes(content).map_err(malformed)?;
        let numbers: Vec<usize> = graph.iter().map(|(_, row)| row.number as usize).collect();
        if of != checks || numbers.len() != vectors.len() || numbers.iter().any(|&number| number >= vectors.len()) {
            return Err(wrong("the graph of another index"));
        }
        graph.iter().for_each(|(_, row)| drop(row.of.set(vectors.clone())));
        Ok(Self(graph))
    }

    /// The `k` nearest rows of each query that are found, best first; `k` counts up to [`MOST`].
    pub fn search(&self, queries: &Arc<Vectors>, k: usize) -> Vec<Vec<Hit>> {
        let find = |search: &mut Search, number: u32| {
            let query = Row::new(number, queries);
            let hit = |row: &Row| Hit { row: row.number as usize, cosine: dot(row.vector(), query.vector()) };
            let mut hits: Vec<Hit> = self.0.search(&query, search).map(|found| hit(found.point)).collect();
            hits.sort_by(Hit::better);
            hits.truncate(k);
            hits
        };
        (0..queries.len() as u32).into_par_iter().map_init(Search::default, find).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose check was made anew after a change: what is read of it can be searched.
    #[test]
    fn changed_graphs_are_refused_or_searched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.hnsw");
        let numbers = (0..4000_u32 * 8).map(|n| n.wrapping_mul(2_654_435_761).rotate_left(7) as f32 / u32::MAX as f32 - 0.5);
        let vectors = Arc::new(Vectors::new(numbers.collect(), 8).unwrap().normalized());
        Graph::build(&vectors).unwrap().write(&path, 7).unwrap();
        let graph = Graph::read(&path, 7, &vectors).unwrap();
        assert_eq!(graph.search(&Arc::new(vectors.pick(&[5])), 1)[0][0].row, 5);
        let whole = fs::read(&path).unwrap();
        let queries = Arc::new(vectors.pick(&[0, 1, 1000, 3999]));
        let mut refused = 0;
        for at in (0..whole.len() - CHECK_BYTES).step_by(whole.len() / 300) {
            for bits in [0x01, 0x80, 0xff] {
                let mut bytes = whole[..whole.len() - CHECK_BYTES].to_vec();
                bytes[at] ^= bits;
                let check = xxh3_64(&bytes);
                bytes.extend_from_slice(&check.to_le_bytes());
                fs::write(&path, &bytes).unwrap();
                match Graph::read(&path, 7, &vectors) {
                    Ok(graph) => drop(graph.search(&queries, 10)),
                    Err(e) => {
                        assert!(e.code() == ErrorCode::Data, "{e}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
