//! Work on many rows in blocks that the caches hold, on all cores with the feature `parallel`.

use std::ops::Range;

/// Rows of a block: at 384 dimensions they fill most of a second-level cache of 1 MiB.
const ROWS: usize = 512;

/// What `work` makes of each block of `0..rows`, in order. Blocks do not depend on the number of cores, so sums over them do not either.
pub(super) fn map_blocks<T: Send>(rows: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    map_blocks_of(ROWS, rows, work)
}

/// The same in blocks of `size`.
pub(super) fn map_blocks_of<T: Send>(size: usize, rows: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let block = |n: usize| n * size..((n + 1) * size).min(rows);
    let blocks = 0..rows.div_ceil(size);
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        blocks.into_par_iter().map(|n| work(block(n))).collect()
    }
    #[cfg(not(feature = "parallel"))]
    blocks.map(|n| work(block(n))).collect()
}
