//! A seeded permutation of the numbers below a bound, computed without a table.

use super::dice::Dice;

/// Rounds of the network: four make a permutation that looks random.
const ROUNDS: usize = 4;

/// A Feistel network over the least even number of bits that holds the bound. What it throws beyond the bound
/// goes through it again until it falls inside, which keeps it one to one.
pub(super) struct Shuffle {
    bound: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Shuffle {
    /// A permutation of `0..bound`; `bound` is at least 1.
    pub(super) fn new(bound: u64, mut dice: Dice) -> Self {
        let bits = u64::BITS - bound.saturating_sub(1).leading_zeros();
        Self { bound, half_bits: bits.div_ceil(2).max(1), keys: std::array::from_fn(|_| dice.bits()) }
    }

    /// Where `n` goes; `n` is below the bound.
    pub(super) fn at(&self, n: u64) -> u64 {
        debug_assert!(n < self.bound);
        let mut at = self.once(n);
        while at >= self.bound {
            at = self.once(at);
        }
        at
    }

    fn once(&self, n: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (n >> self.half_bits, n & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (stir(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

/// Spreads each bit over the upper half, then takes that.
fn stir(n: u64) -> u64 {
    let n = (n ^ (n >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (n ^ (n >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number below `bound` comes once, and not in its own order.
    fn check(bound: u64) {
        let shuffle = Shuffle::new(bound, Dice::new(7, bound));
        let mut seen: Vec<u64> = (0..bound).map(|n| shuffle.at(n)).collect();
        let moved = seen.iter().zip(0..).filter(|(at, n)| *at != n).count() as u64;
        assert!(bound < 100 || moved > bound * 9 / 10, "{bound}: {moved} moved");
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..bound), "{bound}");
    }

    #[test]
    fn covers_each_number_once() {
        [1, 2, 3, 4, 5, 16, 17, 100, 257, 1_024, 11_154, 65_537].into_iter().for_each(check);
    }

    #[test]
    fn another_seed_is_another_order() {
        let [one, other] = [1, 2].map(|seed| Shuffle::new(1_000, Dice::new(seed, 0)));
        let same = (0..1_000).filter(|&n| one.at(n) == other.at(n)).count();
        assert!(same < 20, "{same}");
        assert!(Shuffle::new(u64::MAX / 2, Dice::new(1, 0)).at(u64::MAX / 2 - 1) < u64::MAX / 2);
    }
}
