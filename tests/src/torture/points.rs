//! Where trouble strikes: every operation of a reference run, each kind of operation at least once, the rest drawn by a seed.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::player::Story;
use crate::shim::Operation;

/// A kind of operation that a run has fewer times is struck each time.
const RARE: usize = 4;

/// What a reference run did to files, in each of its lives.
pub struct Points {
    lives: Vec<Vec<Operation>>,
    random: ChaCha8Rng,
}

impl Points {
    /// The points of a run that nothing disturbed.
    pub fn of(story: &Story, seed: u64) -> Self {
        let lives = story.lives.iter().map(|life| life.operations.clone()).collect();
        Self { lives, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// How many operations there are in all lives.
    pub fn count(&self) -> usize {
        self.lives.iter().map(Vec::len).sum()
    }

    /// Every function with the kind of file that it is for.
    pub fn kinds(&self) -> BTreeSet<String> {
        self.lives.iter().flatten().map(Operation::what).collect()
    }

    /// The random numbers that go with the points.
    pub fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// A life, and a rule's `FUNCTION KIND NTH`: each kind in a place of its own, a rare one in all, then the n-th operation of all for every n, in
    /// an order by chance and again and again, as far as they are asked for.
    pub fn drawn(&mut self, wanted: impl Fn(&Operation) -> bool, count: usize) -> Vec<(usize, String)> {
        let mut by_kind: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        let mut every = Vec::new();
        for (life, operations) in self.lives.iter().enumerate() {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for (nth, operation) in operations.iter().enumerate().filter(|(_, operation)| wanted(operation)) {
                let seen = seen.entry(operation.what()).or_default();
                *seen += 1;
                by_kind.entry(operation.what()).or_default().push((life, *seen));
                every.push((life, format!("* * {}", nth + 1)));
            }
        }
        let mut drawn = Vec::new();
        for (what, places) in by_kind {
            // What comes a few times may not come at all in another run.
            let tries = if places.len() < RARE { places.len() } else { 1 };
            let chosen = places.sample(&mut self.random, tries);
            drawn.extend(chosen.map(|(life, nth)| (*life, format!("{what} {nth}"))));
        }
        drawn.shuffle(&mut self.random);
        while drawn.len() < count {
            every.shuffle(&mut self.random);
            drawn.extend(every.iter().cloned());
        }
        drawn.truncate(count);
        drawn
    }

    /// A number from 1 on, the small ones more often: an operation of a start.
    pub fn early(&mut self) -> usize {
        let most = self.lives.iter().map(Vec::len).max().unwrap_or(1).max(2);
        let bound = self.random.random_range(1..most);
        self.random.random_range(1..=bound)
    }
}

/// A number that the environment may give.
pub fn number(variable: &str, default: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text:?} is no number")))
}

/// The seed, by `TIDEMILL_SEED`.
pub fn seed() -> u64 {
    number("TIDEMILL_SEED", 1) as u64
}
