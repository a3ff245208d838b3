//! What an S3 refuses is told with its cause and a next step, without a secret, and not asked again and again.

use std::process::Command;

use serde_json::Value;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::s3::{Fault, Reply, Server};
use tidemill_tests::{cli, place};

use crate::house::{House, SECRETS, SHORT};

/// A table, what its requests are answered, what it says, what it advises.
const REFUSALS: [(&str, Reply, &str, &str); 8] = [
    ("skewed", Reply::Status(403, "RequestTimeTooSkewed"), "RequestTimeTooSkewed", "clock"),
    ("expired", Reply::Status(400, "ExpiredToken"), "ExpiredToken", "renew the credentials"),
    ("forbidden", Reply::Status(403, "AccessDenied"), "AccessDenied", "credentials"),
    ("moved", Reply::Status(301, "PermanentRedirect"), "PermanentRedirect", "region"),
    ("moved_for_now", Reply::Status(307, "TemporaryRedirect"), "TemporaryRedirect", "region"),
    ("gone", Reply::Status(404, "NoSuchBucket"), "NoSuchBucket", "create the bucket"),
    ("slow_down", Reply::Status(503, "SlowDown"), "SlowDown", ""),
    ("silent", Reply::Hang, "timeout", "network"),
];

/// Tries of one object in the three seconds after its first, when pauses grow from 0.1 s to between 0.5 and 1 s.
const TRIES_MAX: usize = 12;

fn told(status: &Value, table: &str, why: &str, hint: &str) -> bool {
    let troubles = status["tables"][table]["troubles"].as_array().cloned().unwrap_or_default();
    troubles.iter().any(|trouble| {
        let says = |key: &str, words: &str| trouble[key].as_str().unwrap_or_default().contains(words);
        says("why", why) && says("hint", hint)
    })
}

fn seconds(daemon: &Daemon) -> i64 {
    let now = daemon.status()["now"].as_str().expect("a time").to_owned();
    tidemill::time::Timestamp::parse(&now).expect("a time").0 / 1_000_000
}

#[test]
fn each_refusal_is_told_with_a_next_step_and_without_a_hot_loop() {
    let server = Server::start(Default::default());
    let tables = REFUSALS.map(|(table, ..)| table);
    let house = House::new("told", &tables, server.addr(), "timeout = \"300ms\"\nretry = \"1s\"\n");
    let daemon = house.start();
    // Once it is known that conditions are heeded here, an object's first request is its PUT, whose refusal has words.
    tables.iter().for_each(|table| house.post(&daemon, table, 1));
    daemon.settle();
    for (table, reply, ..) in REFUSALS {
        server.lasting(table, Some(Fault::instead(reply)));
        house.post(&daemon, table, 3);
    }
    for (table, _, why, hint) in REFUSALS {
        daemon.wait(&format!("{table} says {why:?} and {hint:?}"), |status| told(status, table, why, hint));
    }
    assert_eq!(http::get(daemon.admin, "/ready").status, 200, "posts are taken, and tables go on");
    let (before, until) = (server.seen().len(), seconds(&daemon) + 4);
    daemon.wait("four seconds pass", |_| seconds(&daemon) >= until);
    let after = server.seen();
    for table in tables {
        let tries = after[before..].iter().filter(|seen| seen.key.starts_with(&format!("{table}/"))).count();
        // Two objects, one of each partition.
        assert!((2..=2 * TRIES_MAX).contains(&tries), "{table}: {tries} requests");
    }
    for output in ["/status", "/metrics", "/ready"].map(|path| http::get(daemon.admin, path).body) {
        assert!(SECRETS.iter().all(|secret| !output.contains(secret)), "{output}");
    }
    tables.iter().for_each(|table| server.lasting(table, None));
    daemon.settle();
    daemon.stop();
    house.prove(&server);
}

#[test]
fn a_first_start_says_what_is_wrong_with_its_lake() {
    for (status, code, words) in [
        (404, "NoSuchBucket", "create the bucket, or correct its name"),
        (403, "AccessDenied", "look at the credentials in the environment"),
        (301, "PermanentRedirect", "look at region and endpoint"),
    ] {
        let server = Server::start(Default::default());
        server.outage(Some(Fault::instead(Reply::Status(status, code))));
        let house = House::new("first", &["one"], server.addr(), SHORT);
        let mut command = Command::new(place::command());
        let output =
            command.arg("run").arg(&house.pipeline).envs(house.environment()).output().expect("tidemill starts");
        let (out, err) = cli::said(&output);
        let last = err.lines().rev().take(3).collect::<Vec<_>>().join("\n");
        assert!(!output.status.success() && last.contains(words), "{code}: {out}{last}");
        assert!(SECRETS.iter().all(|secret| !err.contains(secret)), "{code}: a secret stands in the log");
    }
}
