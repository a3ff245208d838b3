//! Late rows of sessions: put where they belong they make sessions longer, join them, or are ones of their own.

use std::fs;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tidemill_tests::daemon::{Daemon, tidemill};
use tidemill_tests::http;

use super::House;

/// A stream of posts at times that rise, but for some that come late, by up to two days.
struct Stream {
    random: ChaCha8Rng,
    sent: u64,
    /// How many seconds later each is than the one before, about.
    apart: u64,
}

impl Stream {
    fn new(seed: u64, apart: u64) -> Self {
        println!("seed {seed}");
        Self { random: ChaCha8Rng::seed_from_u64(seed), sent: 0, apart }
    }

    /// Sends so many more, a few at a time, to both partitions in turn; of a hundred, about so many come late.
    fn send(&mut self, daemon: &Daemon, count: u64, late: u64) {
        for _ in 0..count / 10 {
            let partition = self.random.random_range(0..2);
            let records: Vec<_> =
                (0..10).map(|_| json!({ "partition": partition, "value": self.post(late) })).collect();
            let answer = http::post(daemon.topics, "geo", &json!({ "records": records }).to_string());
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        daemon.settle();
    }

    fn post(&mut self, late: u64) -> serde_json::Value {
        self.sent += 1;
        let behind = match self.random.random_range(0..100) < late {
            true => self.random.random_range(0..2 * 24 * 3600),
            false => self.random.random_range(0..600),
        };
        let second = 3 * 24 * 3600 + self.sent * self.apart - behind;
        let (day, hour, minute, second) = (1 + second / 86_400, second / 3600 % 24, second / 60 % 60, second % 60);
        let time = format!("2020-05-{day:02}T{hour:02}:{minute:02}:{second:02}");
        let country = ["Chad", "Peru", "Fiji"][self.random.random_range(0..3)];
        json!({ "ind": self.sent, "timestamp": time, "country": country })
    }
}

/// What the sessions show is what the rows say: all of them, whenever they came.
fn agrees(house: &House) {
    for (aggregate, by, gap) in [("sessions", "'all'", 3600), ("visits", "country", 7200)] {
        let shown = house.ask(&format!("SELECT {by}, window_start, window_end, posts FROM {aggregate} ORDER BY 1, 2"));
        let rows = house.ask(&format!(
            "WITH begun AS (SELECT {by} AS key, timestamp AS t, ind, coalesce(unixepoch(timestamp) - unixepoch(lag(timestamp) \
             OVER (PARTITION BY {by} ORDER BY timestamp)) >= {gap}, 1) AS begins FROM geo), \
             counted AS (SELECT *, sum(begins) OVER (PARTITION BY key ORDER BY t, ind) AS nth FROM begun) \
             SELECT key, min(t), datetime(max(t), '+{gap} seconds'), count(*) FROM counted GROUP BY key, nth ORDER BY 1, 2"
        ));
        assert!(shown.len() > 5, "{aggregate}: {shown:#?}");
        assert_eq!(shown, rows, "{aggregate}");
    }
}

/// What keeps visits of four days, when it is asked to.
const RETENTION: &str = "[tables.geo.retention]\naggregates = { visits = \"4d\" }\n[schedules.prune]\ncron = \"0 0 1 1 *\"\n\
                         prune = {}\n[tables.user]";

fn prune(house: &House, daemon: &Daemon) {
    let running = house.found(daemon);
    let pruned = tidemill(["schedule", "run", "prune", "-p", running.to_str().expect("a path")]);
    assert!(pruned.status.success(), "{pruned:?}");
}

fn shown(house: &House) -> Vec<Vec<String>> {
    let of = |aggregate| {
        house.ask(&format!("SELECT *, NULL FROM (SELECT window_start, window_end, posts, _closed, _state, _revision FROM {aggregate}) ORDER BY 1, 3, 2"))
    };
    vec![of("sessions"), of("visits")]
}

fn put_in(house: &House, pipeline: &std::path::Path) -> u64 {
    let mut changed = 0;
    for aggregate in ["sessions", "visits"] {
        let (code, said) = house.run(pipeline, &["replay", "geo", "--late", aggregate, "--apply"]);
        assert_eq!((code, said["revision"].is_u64(), &said["proven"]), (0, true, &json!(true)), "{said:#}");
        changed += said["groups_changed"][aggregate].as_u64().expect("a number");
        let waits = format!("SELECT count(*) FROM tidemill_late WHERE aggregate = '{aggregate}'");
        assert_eq!(house.ask(&waits), ["0"]);
        let (code, again) = house.run(pipeline, &["replay", "geo", "--late", aggregate, "--apply"]);
        assert_eq!((code, &again["late_windows"], again["revision"].is_null()), (0, &json!(0), true), "{again:#}");
    }
    changed
}

#[test]
fn late_rows_are_put_into_sessions_which_they_make_longer_and_join() {
    let (house, mut stream) = (House::with("late-sessions", "451KiB", "4MiB"), Stream::new(11, 900));
    let daemon = house.start();
    stream.send(&daemon, 400, 20);
    let late = house.ask("SELECT count(*) FROM tidemill_late WHERE aggregate = 'visits'");
    assert!(late[0].parse::<u64>().expect("a number") > 30, "{late:?}");
    let before = shown(&house);
    let (code, seen) = house.run(&house.pipeline, &["replay", "geo", "--late", "visits"]);
    assert_eq!((code, &seen["revision"]), (1, &serde_json::Value::Null), "{seen:#}");
    assert!(seen["groups_changed"]["visits"].as_u64() > Some(10), "{seen:#}");
    assert_eq!(shown(&house), before, "to look changes nothing");

    let running = house.found(&daemon);
    assert!(put_in(&house, &running) > 10);
    agrees(&house);
    let revised = "SELECT count(*) FROM visits v JOIN tidemill_changes c ON c.aggregate = 'visits' AND c.window_start = v.window_start \
                   AND json_extract(c.grouped, '$.country') = v.country AND v._revision = c.revision + 1";
    assert!(house.ask(revised)[0].parse::<u64>().expect("a number") > 5, "what was shown before is kept");
    house.audited();

    // It goes on: sessions that were open take more; a replay leaves those in that were put in.
    stream.send(&daemon, 200, 10);
    daemon.stop();
    let (code, same) = house.run(&house.pipeline, &["replay", "geo"]);
    assert_eq!((code, &same["same"], &same["proven"]), (0, &json!(true), &json!(true)), "{same:#}");
    put_in(&house, &house.pipeline);
    agrees(&house);
    let daemon = house.start();
    stream.send(&daemon, 100, 0);
    daemon.stop();
    agrees(&house);
    house.audited();
    let last = shown(&house);
    let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(shown(&house), last, "made anew from the lake, it is the same");
    house.audited();
}

#[test]
fn sessions_that_were_pruned_in_part_stay_as_they_are() {
    let (house, mut stream) = (House::with("late-pruned", "[tables.user]", RETENTION), Stream::new(12, 2_700));
    let daemon = house.start();
    stream.send(&daemon, 250, 15);
    prune(&house, &daemon);
    daemon.stop();
    let before = house.ask("SELECT before FROM tidemill_pruned WHERE name = 'visits'");
    let [before] = &before[..] else { panic!("nothing was pruned") };
    // By no more than a session's gap the lake's windows would have lost some of theirs.
    let kept = |house: &House| {
        house.ask(&format!(
            "SELECT window_start, window_end, country, posts FROM visits WHERE window_end <= datetime({before} / 1000000, 'unixepoch', '+2 hours')"
        ))
    };
    let were = kept(&house);
    assert!(!were.is_empty(), "there are such");
    let (code, said) = house.run(&house.pipeline, &["replay", "geo", "--late", "visits", "--apply"]);
    assert_eq!((code, said["revision"].is_u64(), &said["proven"]), (3, true, &json!(false)), "{said:#}");
    let left = said["left_out"].to_string();
    assert!(left.contains("were pruned") && said["groups_changed"]["visits"].as_u64() > Some(0), "{said:#}");
    assert_eq!(kept(&house), were);
    house.audited();
    let last = shown(&house);
    let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(shown(&house), last);
    let (code, again) = house.run(&house.pipeline, &["replay", "geo", "--late", "visits"]);
    assert_eq!((code, &again["groups_changed"]), (3, &json!({})), "{again:#}");
}

#[test]
fn a_session_that_would_take_in_what_was_pruned_stays_as_it_is() {
    let house = House::with("late-swallowed", "[tables.user]", RETENTION);
    let daemon = house.start();
    let post = |ind: u64, partition: u64, time: &str, country: &str| {
        let value = json!({ "ind": ind, "timestamp": time, "country": country });
        let records = json!({ "records": [{ "partition": partition, "value": value }] });
        let answer = http::post(daemon.topics, "geo", &records.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        daemon.settle();
    };
    post(1, 0, "2020-05-01T09:00:00", "Chad");
    post(2, 0, "2020-05-01T12:40:00", "Chad");
    for partition in 0..2 {
        post(3 + partition, partition, "2020-05-05T12:30:00", "Peru");
    }
    prune(&house, &daemon);
    let shown = || house.ask("SELECT window_start, window_end, posts FROM visits WHERE country = 'Chad'");
    assert_eq!(shown(), ["2020-05-01 12:40:00,2020-05-01 14:40:00,1"], "the first was pruned");
    post(5, 1, "2020-05-01T10:50:00", "Chad");
    let running = house.found(&daemon);
    let (code, said) = house.run(&running, &["replay", "geo", "--late", "visits", "--apply"]);
    assert_eq!((code, &said["groups_changed"], &said["late_windows"]), (3, &json!({}), &json!(1)), "{said:#}");
    let left = said["left_out"].to_string();
    assert!(left.contains("rows of 1 times are of sessions of which some were pruned"), "{left}");
    daemon.settle();
    assert_eq!(shown(), ["2020-05-01 12:40:00,2020-05-01 14:40:00,1"]);
    let revised = "SELECT count(*) FROM tidemill_objects WHERE table_name = 'visits' AND revision > 0";
    assert_eq!(house.ask(revised), ["0"], "the lake has each row in one session");
    let (code, again) = house.run(&running, &["replay", "geo", "--late", "visits", "--apply"]);
    assert_eq!((code, &again["late_windows"], again["revision"].is_null()), (0, &json!(0), true), "{again:#}");
    daemon.stop();
    house.audited();
}

#[test]
fn sessions_that_memory_does_not_allow_are_left_as_they_are() {
    let house = House::new("late-many-sessions");
    let daemon = house.start();
    Stream::new(13, 6_000).send(&daemon, 300, 5);
    daemon.stop();
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let little = text.replace("name = \"visits\"\n", "name = \"visits\"\nmemory = \"64KiB\"\n");
    fs::write(&house.pipeline, little).expect("a pipeline file");
    let before = shown(&house);
    let arguments = ["replay", "geo", "--late", "visits", "--apply", "-p", house.pipeline.to_str().expect("a path")];
    let refused = tidemill(arguments);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("more than memory (65536 bytes) allows"), "{said}");
    let (code, said) = house.run(&house.pipeline, &["replay", "geo", "--late", "visits"]);
    assert!(code == 3 && said["left_out"].to_string().contains("raise memory of the aggregate"), "{said:#}");
    assert_eq!(shown(&house), before);
}
