//! Retention of the cache: what is too old or too much goes, and nobody calls it a loss.

use std::cell::Cell;

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

const PRUNE: &str = "[schedules.prune]\ncron = \"@yearly\"\nprune = {}\n[topics.thing]";

/// Posts numbers in requests of ten, each at a time of its own.
fn post(daemon: &Daemon, from: u64, to: u64) {
    let lines: Vec<String> = (from..to).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(daemon.topics, "thing", lines.iter().map(String::as_str), 10);
    daemon.settle();
}

/// Waits until all rows are in the bucket: before that, nothing of them goes.
fn landed(house: &House, daemon: &Daemon) {
    let waits = "SELECT (SELECT count(*) FROM tidemill_segments) + (SELECT count(*) FROM tidemill_objects WHERE delivered IS NULL)";
    daemon.wait("all is in the bucket", |_| query(&house.pipeline, waits)[1] == "0");
}

/// Prunes now; what is said of it.
fn prune(daemon: &Daemon) -> String {
    let started = http::request(daemon.admin, "POST", "/schedules/prune/runs", &[], b"").json();
    let run = || http::get(daemon.admin, &format!("/schedules/prune/runs/{}", started["id"])).json();
    daemon.wait("it is pruned", |_| run()["state"] == "done");
    run()["log"].as_str().expect("a log").to_owned()
}

/// The numbers that the cache has.
fn kept(house: &House) -> Vec<u64> {
    let rows = query(&house.pipeline, "SELECT ind FROM thing ORDER BY ind");
    rows[1..].iter().map(|row| row.parse().expect("a number")).collect()
}

fn audited(house: &House) -> Value {
    let output = tidemill(["audit", house.pipeline.to_str().expect("a path"), "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_latest_rows_stay_and_the_audit_knows_of_the_others() {
    let retention = "[tables.thing.retention]\nrows = 25\n[tables.thing.limits]";
    let replace = [("[topics.thing]", PRUNE), ("[tables.thing.limits]", retention)];
    let house = House::with("retention-rows", &changeling("good"), &replace);
    let daemon = house.start();
    post(&daemon, 0, 100);
    assert_eq!(kept(&house).len(), 100);
    // A row that comes again is new.
    post(&daemon, 0, 1);
    landed(&house, &daemon);
    assert!(prune(&daemon).contains("pruned thing: "));
    let left = kept(&house);
    assert!(
        (25..60).contains(&left.len()) && left.contains(&0) && left.contains(&99) && !left.contains(&1),
        "{left:?}"
    );
    assert!(prune(&daemon).contains("nothing was too old"));
    let report = audited(&house);
    let said = report["not_provable"][0].as_str().expect("a sentence");
    assert!(report["proven"] == true && said.contains("was pruned from the cache"), "{report}");
    post(&daemon, 100, 200);
    landed(&house, &daemon);
    prune(&daemon);
    let later = kept(&house);
    assert!((25..60).contains(&later.len()) && later.contains(&199) && !later.contains(&0), "{later:?}");
    daemon.stop();
    // Made anew from the lake, it has what it had.
    let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(kept(&house), later);
    assert_eq!(audited(&house)["proven"], true);
    // What is lost otherwise is a loss still.
    let cache = rusqlite::Connection::open(house.data().join("cache.sqlite")).expect("the cache");
    cache.execute("DELETE FROM thing WHERE ind = 199", []).expect("a loss");
    drop(cache);
    let output = tidemill(["audit", house.pipeline.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("the cache has no row of (199)"), "{said}");
}

#[test]
fn what_is_pruned_leaves_the_rollups_too() {
    let retention = "[rollups.marks_now]\nfrom = \"thing\"\nby = [\"mark\"]\nmeasures = { rows = \"count()\", total = \"sum(ind)\", \
                     middle = \"median(ind)\", most = \"max(ind)\", numbers = \"count_distinct(ind)\" }\n\
                     [tables.thing.retention]\nrows = 25\n[tables.thing.limits]";
    let replace = [("[topics.thing]", PRUNE), ("[tables.thing.limits]", retention)];
    let house = House::with("retention-rollups", &changeling("good"), &replace);
    let rolled = || query(&house.pipeline, "SELECT rows, total, middle, most, numbers FROM marks_now");
    let plain = "SELECT count(*) AS rows, sum(ind) AS total, (SELECT ind FROM thing ORDER BY ind LIMIT 1 OFFSET (SELECT (count(*) - 1) / 2 \
                 FROM thing)) AS middle, max(ind) AS most, count(DISTINCT ind) AS numbers FROM thing";
    let agree = || assert_eq!(rolled(), query(&house.pipeline, plain));
    let daemon = house.start();
    post(&daemon, 0, 100);
    landed(&house, &daemon);
    agree();
    prune(&daemon);
    assert!(kept(&house).len() < 60);
    agree();
    // The greatest go with the others when they are the oldest.
    post(&daemon, 0, 50);
    landed(&house, &daemon);
    prune(&daemon);
    agree();
    daemon.stop();
    let before = rolled();
    let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(rolled(), before);
    assert_eq!(audited(&house)["proven"], true);
}

#[test]
fn closed_windows_go_by_their_own_time() {
    let aggregate = "[tables.thing.retention]\naggregates = { per_second = \"1s\" }\n[[tables.thing.aggregates]]\nname = \"per_second\"\n\
                     by = [\"mark\"]\nwindow = { kind = \"tumbling\", size = \"100ms\" }\nmeasures = { things = \"count()\" }\n[tables.thing.limits]";
    let replace = [("[topics.thing]", PRUNE), ("[tables.thing.limits]", aggregate)];
    let house = House::with("retention-windows", &changeling("good"), &replace);
    let daemon = house.start();
    post(&daemon, 0, 10);
    let closed = || query(&house.pipeline, "SELECT count(*) FROM per_second WHERE _closed = 1")[1].clone();
    daemon.wait("its window has closed", |_| closed() != "0");
    // Time passes by the records that come.
    let next = Cell::new(10);
    daemon.wait("it is pruned", |_| {
        post(&daemon, next.get(), next.get() + 10);
        next.set(next.get() + 10);
        prune(&daemon).contains("per_second: ")
    });
    daemon.settle();
    let report = audited(&house);
    assert_eq!(report["proven"], true, "{report}");
    daemon.stop();
    let before = query(&house.pipeline, "SELECT * FROM per_second ORDER BY 1");
    let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let columns = "SELECT window_start, mark, things FROM per_second ORDER BY 1";
    assert_eq!(query(&house.pipeline, columns).len(), before.len());
}
