//! The whole path from a seed: log, worker, committer, lander and uploader, a step at a time, on a simulated disk, clock and bucket.
//!
//! The steps are those of the threads. Who steps next, what fails and when the process or the power ends follows the seed, so
//! that a seed is a life that can be lived again. At its end all that waits is carried through and everything is counted.

mod bucket;
mod check;
pub(super) mod plan;
mod process;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::world::World;
use crate::disk::simulated::seeds;

/// Says how to live a life again when it ends in a panic.
struct Reproduce(u64);

impl Drop for Reproduce {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("reproduce: TIDEMILL_SEED={} cargo test -p tidemill --lib runtime::simulation", self.0);
        }
    }
}

/// A life from its seed to the last check; gives a number that is the same for lives that went the same way.
fn live(seed: u64) -> u64 {
    let _reproduce = Reproduce(seed);
    let mut world = World::new(seed);
    world.live();
    world.drain();
    check::all(&world);
    world.trace()
}

#[test]
fn nothing_is_lost_or_doubled_whatever_happens() {
    let seeds = seeds(100);
    let next = AtomicU64::new(seeds.start);
    let some = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            live(seed);
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(some))));
}

#[test]
fn the_same_seed_gives_the_same_life() {
    for seed in 0..6 {
        assert_eq!(live(seed), live(seed), "seed {seed}");
    }
}
