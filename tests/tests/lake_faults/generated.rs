//! Schedules of faults drawn from a seed: scripts of requests, plans of connections, kinds of S3, kills.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tidemill_tests::proxy::{Plan, Proxy};
use tidemill_tests::s3::{Conditions, Fault, Habits, Server};

use crate::house::{House, SHORT};

/// Schedules of one run: tables of one pipeline.
const TABLES: u64 = 30;
/// Schedules where `TIDEMILL_LAKE_SCHEDULES` does not say.
const SCHEDULES: u64 = 60;
/// The seed of the first run where `TIDEMILL_SEED` does not say; each run adds one.
const SEED: u64 = 4;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What one run met.
#[derive(Default)]
struct Met {
    requests: usize,
    kills: usize,
    faults: BTreeMap<String, usize>,
}

/// Says how to repeat a run that fails.
struct Reproduce(u64);

impl Drop for Reproduce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let run = format!("TIDEMILL_SEED={} TIDEMILL_LAKE_SCHEDULES={TABLES}", self.0);
            println!("reproduce: {run} cargo test -p tidemill-tests --test lake_faults generated -- --nocapture");
        }
    }
}

fn habits(random: &mut ChaCha8Rng) -> Habits {
    let conditions = match random.random_range(0..6) {
        0 => Conditions::Ignored,
        1 => Conditions::Unknown,
        _ => Conditions::Heeded,
    };
    Habits { conditions, names_checksums: random.random_bool(0.7), keeps_metadata: random.random_bool(0.8) }
}

/// One pipeline of as many tables as there are schedules, each with a script; connections break too, and some runs are killed.
fn run(seed: u64, schedules: u64, met: &mut Met) {
    let _reproduce = Reproduce(seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let server = Server::start(habits(&mut random));
    let plans = (0..random.random_range(0..40)).map(|_| Plan::draw(&mut random));
    // The first connection is that of the start, which wants an answer.
    let proxy = Proxy::start(server.addr(), [Plan::default()].into_iter().chain(plans.collect::<Vec<_>>()));
    let tables: Vec<String> = (0..schedules).map(|nth| format!("t{nth}")).collect();
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let house = House::new("generated", &tables, proxy.addr(), SHORT);
    let mut daemon = house.start();
    for table in &tables {
        let faults = (0..random.random_range(1..7)).map(|_| Fault::draw(&mut random));
        server.script(table, faults.collect::<Vec<_>>());
    }
    for _round in 0..random.random_range(1..3) {
        for table in &tables {
            house.post(&daemon, table, random.random_range(1..8));
        }
        if random.random_bool(0.5) {
            let until = server.seen().len() + random.random_range(0..60);
            daemon.wait("requests came, or there are no more", |status| {
                server.seen().len() >= until || status["settled"] == true
            });
            daemon.kill();
            met.kills += 1;
            daemon = house.start();
        }
    }
    daemon.settle();
    daemon.stop();
    house.prove(&server);
    let seen = server.seen();
    met.requests += seen.len();
    for fault in seen.iter().filter_map(|seen| seen.fault) {
        *met.faults.entry(fault.name()).or_default() += 1;
    }
}

#[test]
fn generated_schedules_end_in_one_object_of_the_right_bytes() {
    let (seed, schedules) = (setting("TIDEMILL_SEED", SEED), setting("TIDEMILL_LAKE_SCHEDULES", SCHEDULES));
    let (began, mut met) = (Instant::now(), Met::default());
    let (mut left, mut nth) = (schedules, 0);
    while left > 0 {
        let tables = left.min(TABLES);
        run(seed + nth, tables, &mut met);
        (left, nth) = (left - tables, nth + 1);
    }
    let took = Duration::from_secs(began.elapsed().as_secs());
    let Met { requests, kills, faults } = met;
    let count: usize = faults.values().sum();
    println!("seeds {seed} to {}: {schedules} schedules, {requests} requests, {kills} kills, {took:?}", seed + nth - 1);
    println!("{count} faults: {faults:?}");
    assert!(schedules < SCHEDULES || faults.len() > 20, "the schedules were not all of a kind");
}
