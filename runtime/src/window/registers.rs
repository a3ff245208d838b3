//! A HyperLogLog: how many different values there were, by the rarest hash that each of 4,096 registers has seen.

use std::collections::BTreeMap;

use super::scalar::ScalarRef;

/// The bits of a hash that choose a register.
const BITS: u32 = 12;
/// The registers; the standard error of the count is 1.04 over the root of them: 1.6 %.
pub(super) const REGISTERS: usize = 1 << BITS;
/// The most that a register holds: one more than the bits of a hash that are left.
pub(super) const RANK_MAX: u8 = (64 - BITS + 1) as u8;
/// While no more registers than these hold something, they alone are kept.
const FEW_MAX: usize = REGISTERS / 8;

/// Registers. Whatever the order in which values came, the same values give the same registers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Registers {
    /// Those that hold something.
    Few(BTreeMap<u16, u8>),
    /// All of them.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Registers {
    fn default() -> Self {
        Self::Few(BTreeMap::new())
    }
}

impl Registers {
    pub(super) fn add(&mut self, value: ScalarRef<'_>) {
        let hash = hash(value);
        // The lowest bit ends the run of zeros where all are zero.
        let rank = ((hash << BITS) | 1 << (BITS - 1)).leading_zeros() as u8 + 1;
        self.raise((hash >> (64 - BITS)) as u16, rank);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match other {
            Self::Few(few) => few.iter().for_each(|(register, rank)| self.raise(*register, *rank)),
            Self::Many(many) => {
                (0..).zip(many.iter()).filter(|(_, rank)| **rank > 0).for_each(|(at, rank)| self.raise(at, *rank));
            }
        }
    }

    /// Has a register hold at least `rank`.
    pub(super) fn raise(&mut self, register: u16, rank: u8) {
        match self {
            Self::Many(many) => {
                many.get_mut(usize::from(register)).into_iter().for_each(|held| *held = rank.max(*held));
            }
            Self::Few(few) => {
                let held = few.entry(register).or_default();
                *held = rank.max(*held);
                if few.len() > FEW_MAX {
                    let mut many = Box::new([0; REGISTERS]);
                    for (register, rank) in few {
                        many.get_mut(usize::from(*register)).into_iter().for_each(|held| *held = *rank);
                    }
                    *self = Self::Many(many);
                }
            }
        }
    }

    /// About how many different values there were, by Ertl's estimator (arXiv 1702.01284, algorithm 6).
    pub(super) fn count(&self) -> u64 {
        let mut of_rank = [0_u32; RANK_MAX as usize + 1];
        let mut count = |rank: u8, registers: u32| {
            of_rank.get_mut(usize::from(rank)).into_iter().for_each(|count| *count += registers);
        };
        match self {
            Self::Few(few) => {
                few.values().for_each(|rank| count(*rank, 1));
                count(0, (REGISTERS - few.len()) as u32);
            }
            Self::Many(many) => many.iter().for_each(|rank| count(*rank, 1)),
        }
        let registers = REGISTERS as f64;
        let [empty, ranks @ .., full] = of_rank.map(f64::from);
        let mut z = registers * tau(1.0 - full / registers);
        for count in ranks.into_iter().rev() {
            z = 0.5 * (z + count);
        }
        z += registers * sigma(empty / registers);
        (registers * registers / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

/// The hash of a value, which is stored in what it has raised: it stays as it is for good.
fn hash(value: ScalarRef<'_>) -> u64 {
    match value {
        ScalarRef::Word(word) => mix(word.cast_unsigned()),
        ScalarRef::Bytes(bytes) => {
            let (words, rest) = bytes.as_chunks::<8>();
            let mut hash = mix(bytes.len() as u64);
            for word in words {
                hash = mix(hash ^ u64::from_le_bytes(*word));
            }
            let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
            mix(hash ^ last)
        }
    }
}

/// The finaliser of SplitMix64: each bit of what comes in changes half of what comes out.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: impl Iterator<Item = i64>) -> Registers {
        let mut registers = Registers::default();
        words.for_each(|word| registers.add(ScalarRef::Word(word)));
        registers
    }

    #[test]
    fn counts_are_within_four_standard_errors() {
        for count in [0_i64, 1, 2, 10, 100, 700, 3_000, 10_000, 100_000, 1_000_000] {
            let got = words(0..count).count() as f64;
            assert!((got - count as f64).abs() <= 0.065 * count as f64, "{got}, not {count}");
            let texts = (0..count.min(100_000)).fold(Registers::default(), |mut registers, i| {
                registers.add(ScalarRef::Bytes(format!("user {i} of many").as_bytes()));
                registers
            });
            let (got, count) = (texts.count() as f64, count.min(100_000) as f64);
            assert!((got - count).abs() <= 0.065 * count, "{got} texts, not {count}");
        }
    }

    #[test]
    fn the_same_values_give_the_same_registers() {
        for count in [3_i64, 400, 600, 5_000] {
            let all = words(0..count);
            assert_eq!(words((0..count).rev().chain(0..count)), all);
            let mut merged = words(0..count / 3);
            merged.merge(&words(count / 4..count));
            assert_eq!(merged, all);
            let mut merged = words(count / 4..count);
            merged.merge(&words(0..count / 3));
            assert_eq!(merged, all);
        }
    }

    /// They are in the states that are stored.
    #[test]
    fn hashes_stay_as_they_are() {
        let texts: [&[u8]; 4] = [b"", b"a", b"12345678", b"123456789"];
        let hashes = texts.map(|text| hash(ScalarRef::Bytes(text)));
        assert_eq!(hash(ScalarRef::Word(0)), 0xe220_a839_7b1d_cdaf);
        assert_eq!(hashes.map(|hash| hash >> 48), [0xa706, 0x5e02, 0x92df, 0x7cf4]);
    }
}
