//! The Mersenne Twister as CPython seeds it with a number, which drew the order of the original emulators.

use std::collections::VecDeque;

/// Numbers of the state.
const SIZE: usize = 624;
/// How far apart two numbers are that make a new one, once the oldest is taken away.
const MIDDLE: usize = 396;
/// The seed of the state that a key is then worked into.
const START: u32 = 19_650_218;
/// Indexes that the original draws from: of 0 to 11,000 each is as likely.
const INDEXES: u32 = 11_001;
/// Pauses that it draws from: 0 or 1 second.
const PAUSES: u32 = 2;

/// A generator (MT19937); its state is the last numbers that it made, before they were tempered.
pub(super) struct Twister(VecDeque<u32>);

/// What the original draws for a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draw {
    pub(super) pause_seconds: u32,
    pub(super) index: u64,
}

impl Twister {
    /// As Python's `random.seed(seed)`.
    pub(super) fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let key = if high == 0 { vec![low] } else { vec![low, high] };
        let mut state = VecDeque::with_capacity(SIZE + 1);
        let mut before = START;
        for nth in 1..=SIZE as u32 {
            state.push_back(before);
            before = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(nth);
        }
        before = START;
        let mut mix = |at: usize, factor: u32, more: u32| {
            if let Some(number) = state.get_mut(at) {
                *number = (*number ^ (before ^ (before >> 30)).wrapping_mul(factor)).wrapping_add(more);
                before = *number;
            }
        };
        let mut places = (1..SIZE).cycle();
        for (at, (nth, word)) in places.by_ref().take(SIZE).zip((0..).zip(&key).cycle()) {
            mix(at, 1_664_525, word.wrapping_add(nth));
        }
        for at in places.take(SIZE - 1) {
            mix(at, 1_566_083_941, (at as u32).wrapping_neg());
        }
        if let Some(first) = state.front_mut() {
            *first = 1 << 31;
        }
        Self(state)
    }

    /// The pause and the index of the original's next post: `randrange(0, 2)`, then `randint(0, 11000)`.
    pub(super) fn draw(&mut self) -> Draw {
        Draw { pause_seconds: self.below(PAUSES), index: self.below(INDEXES).into() }
    }

    /// A number below `bound`, which is at least 1, as Python's `_randbelow`: what is too large is drawn again.
    fn below(&mut self, bound: u32) -> u32 {
        loop {
            let drawn = self.bits() >> bound.leading_zeros();
            if drawn < bound {
                return drawn;
            }
        }
    }

    /// Thirty-two random bits.
    fn bits(&mut self) -> u32 {
        let at = |place| self.0.get(place).copied().unwrap_or_default();
        let (oldest, next, middle) = (at(0), at(1), at(MIDDLE + 1));
        let joined = (oldest & 1 << 31) | (next & !(1 << 31));
        let made = middle ^ (joined >> 1) ^ if joined & 1 == 1 { 0x9908_b0df } else { 0 };
        self.0.pop_front();
        self.0.push_back(made);
        let mut bits = made;
        bits ^= bits >> 11;
        bits ^= (bits << 7) & 0x9d2c_5680;
        bits ^= (bits << 15) & 0xefc6_0000;
        bits ^ (bits >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CPython's `random.Random(seed)` gives for `getrandbits(32)`.
    #[test]
    fn is_seeded_as_cpython_does() {
        for (seed, expected) in [
            (0, [3_626_764_237, 1_654_615_998, 3_255_389_356]),
            (1, [577_090_037, 2_444_712_010, 3_639_700_191]),
            (100, [625_644_691, 1_973_661_107, 1_953_896_601]),
            (u64::from(u32::MAX), [2_728_839_433, 2_661_025_012, 872_737_089]),
            (1 << 32, [485_306_839, 1_508_871_100, 1_794_561_286]),
            (u64::MAX, [93_740_670, 1_068_495_656, 1_452_108_352]),
        ] {
            let mut twister = Twister::new(seed);
            assert_eq!(std::array::from_fn(|_| twister.bits()), expected, "{seed}");
        }
    }

    /// The figures of `random.seed(100)`, then `randrange(0, 2)` with `randint(0, 11000)` over and over.
    #[test]
    fn draws_what_the_original_drew() {
        let mut twister = Twister::new(100);
        let draws: Vec<Draw> = (0..100_000).map(|_| twister.draw()).collect();
        let first: Vec<(u32, u64)> = draws.iter().take(20).map(|draw| (draw.pause_seconds, draw.index)).collect();
        let expected = [
            (0, 7528),
            (1, 2863),
            (1, 5730),
            (1, 8304),
            (0, 8731),
            (0, 1313),
            (1, 4315),
            (0, 10794),
            (0, 5494),
            (0, 5069),
            (0, 2923),
            (0, 3089),
            (1, 6063),
            (1, 3454),
            (1, 7554),
            (1, 6145),
            (0, 10625),
            (0, 2959),
            (0, 9875),
            (1, 2418),
        ];
        assert_eq!(first, expected);
        let sums = |draws: &[Draw]| {
            let pauses: u32 = draws.iter().map(|draw| draw.pause_seconds).sum();
            (pauses, draws.iter().map(|draw| draw.index).sum::<u64>())
        };
        assert_eq!(sums(&draws[..2_262]), (1_157, 12_254_837), "as far as a log of the original goes");
        assert_eq!(sums(&draws), (50_251, 548_574_004));
        assert_eq!(draws[99_999], Draw { pause_seconds: 1, index: 9_185 });
    }
}
