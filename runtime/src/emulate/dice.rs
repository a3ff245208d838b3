//! Random numbers that are the same on every machine with every version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// One stream of numbers. It takes only raw bits from the generator, whose output is fixed by its definition;
/// ranges and choices are computed here, since the libraries' own may change.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream `stream` of `seed`; streams of one seed have nothing to do with one another.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        if let Some(start) = key.first_chunk_mut() {
            *start = seed.to_le_bytes();
        }
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Sixty-four random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which is at least 1.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A number below `bound`, which is at least 1, where 32 bits are too few.
    pub(super) fn below_wide(&mut self, bound: u64) -> u64 {
        part(bound, self.bits())
    }

    /// Yes, once in `times`.
    pub(super) fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// One of `all`; of none, the default.
    pub(super) fn pick<T: Copy + Default>(&mut self, all: &[T]) -> T {
        let nth = self.below(all.len().max(1) as u32);
        all.get(nth as usize).copied().unwrap_or_default()
    }
}

/// The part of `whole`, rounded down, that a fraction of 2⁶⁴ is.
pub(super) fn part(whole: u64, fraction: u64) -> u64 {
    ((u128::from(whole) * u128::from(fraction)) >> 64) as u64
}
