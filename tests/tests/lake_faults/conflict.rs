//! Another's object under a key stops its table with a state and an alarm, and no other; it is never overwritten.

use serde_json::Value;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::s3::{Fault, Reply, Server};

use crate::house::{House, SHORT};

/// Waits until the table `one` tells of the conflict; its key.
fn told(daemon: &Daemon) -> String {
    let of = |status: &Value| status["tables"]["one"]["troubles"].as_array().cloned().unwrap_or_default();
    let is_conflict = |trouble: &Value| trouble["why"].as_str().is_some_and(|why| why.contains("the bucket holds"));
    let status = daemon.wait("the conflict is told", |status| of(status).iter().any(is_conflict));
    let trouble = of(&status).into_iter().find(is_conflict).expect("the conflict");
    assert!(trouble["hint"].as_str().is_some_and(|hint| hint.contains("move its object away")), "{trouble}");
    assert!(trouble["since"].as_str().is_some_and(|since| since.starts_with("20")), "{trouble}");
    assert!(status["trouble"].as_array().is_some_and(|all| all.contains(&trouble)), "{:#}", status["trouble"]);
    let what = trouble["what"].as_str().expect("a text");
    let key = what.strip_prefix("table \"one\", object \"").and_then(|key| key.strip_suffix('"'));
    key.unwrap_or_else(|| panic!("{what}")).to_owned()
}

/// What the figures say of a table.
fn figure(daemon: &Daemon, name: &str, table: &str) -> String {
    let metrics = http::get(daemon.admin, "/metrics").body;
    let begin = format!("tidemill_{name}{{table=\"{table}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_default().to_owned()
}

fn next(daemon: &Daemon) -> [Value; 2] {
    let status = daemon.status();
    ["0", "1"].map(|partition| status["tables"]["one"]["workers"][partition]["next"].clone())
}

#[test]
fn a_foreign_object_stops_its_table_alone_until_it_is_moved_away() {
    let server = Server::start(Default::default());
    let tables = ["one", "two", "three"];
    let house = House::new("conflict", &tables, server.addr(), SHORT);
    let daemon = house.start();
    server.script("one", [Fault::instead(Reply::Foreign)]);
    tables.iter().for_each(|table| house.post(&daemon, table, 5));
    let key = told(&daemon);
    assert_eq!(http::get(daemon.admin, "/ready").status, 503);
    assert_eq!(["one", "two"].map(|table| figure(&daemon, "lake_stopped", table)), ["1", "0"]);
    assert_eq!(["one", "two"].map(|table| figure(&daemon, "lake_troubles", table)), ["1", "0"]);
    assert!(house.log().lines().any(|line| line.contains("ERROR object refused") && line.contains(&key)));

    // Records are taken for all; the others' go on to the bucket, and the table reads no more.
    let before = next(&daemon);
    for _ in 0..3 {
        tables.iter().for_each(|table| house.post(&daemon, table, 5));
        ["two", "three"].iter().for_each(|table| house.arrived(&daemon, &server, table));
    }
    let tries = || server.seen().iter().filter(|seen| seen.method == "PUT" && seen.key == key).count();
    let until = tries() + 5;
    daemon.wait("it is tried again", |_| tries() >= until);
    assert_eq!(next(&daemon), before, "the table waits");

    // A crash changes nothing of it.
    daemon.kill();
    let daemon = house.start();
    assert_eq!(told(&daemon), key);
    house.post(&daemon, "two", 5);
    house.arrived(&daemon, &server, "two");
    let history = &server.history()[&key];
    assert!(matches!(history.as_slice(), [only] if only.bytes == b"another's\n"), "{history:?}");

    server.remove(&key);
    daemon.settle();
    let status = daemon.wait("nothing is wrong any more", |status| status["trouble"] == Value::Array(Vec::new()));
    assert_eq!(status["tables"]["one"]["troubles"], Value::Array(Vec::new()));
    assert_eq!(figure(&daemon, "lake_stopped", "one"), "0");
    daemon.stop();
    house.prove(&server);
}
