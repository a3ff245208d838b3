//! Histories from seeds: posts, versions, redrives, replays and kills in any order, always balanced and always the same again.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::letters::put_in_service;
use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

use crate::applied::rebuilt;
use crate::house::{audited, house, replay, replay_live, same, send, send_users};
use crate::redrive;

/// Versions that history is run through.
const VERSIONS: [&str; 4] = ["good", "mended", "drops", "sieve"];
/// How many of them pass a trial after any of the others: the last rejects more.
const PASSING: usize = 3;
const SEEDS: u64 = 4;
const STEPS: usize = 14;

fn step(house: &House, daemon: Daemon, random: &mut ChaCha8Rng) -> Daemon {
    match random.random_range(0..10) {
        0 | 1 => put_in_service(house, &daemon, &changeling(VERSIONS[random.random_range(0..PASSING)])),
        2 => redrive(house, &daemon),
        3 => {
            daemon.kill();
            return house.start();
        }
        4 | 5 => {
            daemon.stop();
            revise(house, None, random);
            return house.start();
        }
        9 => revise(house, Some(&daemon), random),
        6 => send_users(&daemon, random.random_range(0..900)..random.random_range(900..1_800)),
        _ => {
            let first = random.random_range(0..3_000);
            send(&daemon, first..first + random.random_range(1..900));
        }
    }
    daemon
}

/// Replays a part of history through a version, and keeps what comes of it; where the pipeline runs, that does it.
fn revise(house: &House, daemon: Option<&Daemon>, random: &mut ChaCha8Rng) {
    let version = VERSIONS[random.random_range(0..VERSIONS.len())];
    let replay = |arguments: &[&str]| match daemon {
        Some(daemon) => replay_live(house, daemon, arguments),
        None => replay(house, "thing", arguments),
    };
    daemon.inspect(|daemon| daemon.settle());
    let file = house.put("revised.wasm", &changeling(version));
    let from = random.random_range(0..1_500);
    let (from, to) = (from.to_string(), (from + random.random_range(1..1_500)).to_string());
    let mut arguments = vec!["--with", file.to_str().expect("a path"), "--from", &from, "--to", &to];
    if random.random_bool(0.5) {
        arguments.extend(["--partition", if random.random_bool(0.5) { "0" } else { "1" }]);
    }
    let (_, seen) = replay(&arguments);
    arguments.push("--apply");
    let (code, done) = replay(&arguments);
    assert_eq!(code, 0, "{done:#}");
    for name in ["records", "records_changed", "rows_changed", "rows_added", "rows_removed", "groups_changed", "fields"]
    {
        assert_eq!(seen[name], done[name], "what was seen is what is done: {name}");
    }
    assert_eq!(done["revision"] == Value::Null, seen["records_changed"] == 0);
    let (_, again) = replay(&arguments);
    assert!(again["same"] == true && again["revision"] == Value::Null, "{again:#}");
    audited(house);
    if daemon.is_none() {
        rebuilt(house);
    }
    same(house, "thing");
}

fn check(seed: u64) {
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let format = if seed.is_multiple_of(2) { "json" } else { "parquet" };
    let house = house(&format!("replay-story-{seed}"), format, &changeling("sieve"), &[]);
    let mut daemon = house.start();
    send(&daemon, 0..1_000);
    for _ in 0..STEPS {
        daemon = step(&house, daemon, &mut random);
    }
    daemon.settle();
    daemon.stop();
    audited(&house);
    same(&house, "thing");
    same(&house, "user");
    rebuilt(&house);
}

#[test]
fn any_history_is_the_same_again_whatever_was_revised() {
    (0..SEEDS).for_each(check);
}
