//! Random numbers as a pure function of the seed and the place they are drawn for, so that a resumed run draws what an
//! uninterrupted one would have drawn, with no generator state to keep.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn for; each purpose has its own stream.
#[derive(Clone, Copy)]
pub enum Purpose {
    Split = 1,
    Batch = 2,
    Augment = 3,
    Dropout = 4,
    Evaluate = 5,
    Phrasebook = 6,
}

/// The generator for item `index` of `step`.
pub fn generator(seed: u64, purpose: Purpose, step: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.as_chunks_mut::<8>().0.iter_mut().zip([seed, purpose as u64, step, index]) {
        *bytes = number.to_le_bytes();
    }
    ChaCha8Rng::from_seed(key)
}
