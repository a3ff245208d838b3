//! Each target on mutations of what it begins with, drawn from a seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{TARGETS, Target};
use crate::component::tests::guest::Guest;
use crate::disk::simulated::number;

/// Runs of the cheapest where the environment asks for no other number.
const RUNS: u64 = 20_000;
/// No input grows over this.
const BYTES_MAX: usize = 64 << 10;
/// Bytes and words at which parsers turn.
const ODD: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    &[0xff; 4],
    &[0xff; 8],
    &[0, 0, 0, 0x80],
    &[0; 8],
    b"\"",
    b"\\",
    b"[[[[[[[[[[[[[[[[",
    b"99999999999999999999",
    b"\xed\xa0\x80",
    b"\\ud800",
];

#[test]
fn no_bytes_are_too_much_for_a_parser() {
    let (runs, seed) = (number("TIDEMILL_FUZZ").unwrap_or(RUNS), number("TIDEMILL_SEED").unwrap_or(2026));
    let only = std::env::var("TIDEMILL_FUZZ_TARGET").ok();
    let mut count = 0;
    for target in TARGETS.iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name)) {
        let seeds = seeds(target);
        let runs = (runs / u64::from(target.cost)).max(100);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        seeds.iter().for_each(|seed| (target.run)(seed));
        for nth in 0..runs {
            let input = mutated(&seeds, &mut random);
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                let file = std::env::temp_dir().join(format!("tidemill-fuzz-{}-{seed}-{nth}", target.name));
                std::fs::write(&file, &input).unwrap();
                panic!(
                    "target {:?} fails on {}; reproduce: TIDEMILL_SEED={seed} TIDEMILL_FUZZ={} TIDEMILL_FUZZ_TARGET={} \
                     cargo test --workspace --lib fuzz::",
                    target.name,
                    file.display(),
                    runs * u64::from(target.cost),
                    target.name
                );
            }
        }
        count += runs;
    }
    println!("{count} inputs of {} parsers and decoders, seed {seed}", TARGETS.len());
}

/// `make fuzz` sets this: where each target's corpus begins.
#[test]
fn the_seeds_are_read_by_their_targets() {
    let corpus = std::env::var_os("TIDEMILL_FUZZ_CORPUS");
    for target in &TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{}", target.name);
        let Some(corpus) = &corpus else { continue };
        let folder = Path::new(corpus).join(target.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (nth, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{nth}")), seed).unwrap();
        }
    }
}

#[test]
fn each_target_has_its_binary() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let built: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).skip(1).collect();
    assert_eq!(built, TARGETS.map(|target| target.name));
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds = (target.seeds)();
    if target.name == "component" {
        seeds.push(Guest::honest().bytes());
    }
    seeds
}

fn mutated(seeds: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut input = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=input.len());
        let end = (at + random.random_range(0..16)).min(input.len());
        match random.random_range(0..8) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = random.random(),
            2 => drop(input.splice(at..at, ODD[random.random_range(0..ODD.len())].iter().copied())),
            3 => {
                let odd = ODD[random.random_range(0..ODD.len())];
                let end = (at + odd.len()).min(input.len());
                input.splice(at..end, odd.iter().copied());
            }
            4 => drop(input.drain(at..end)),
            5 => {
                let again = input[at..end].to_vec();
                let to = random.random_range(0..=input.len());
                input.splice(to..to, again);
            }
            6 => input.truncate(at),
            _ => {
                let other = &seeds[random.random_range(0..seeds.len())];
                let from = random.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(BYTES_MAX);
    input
}
