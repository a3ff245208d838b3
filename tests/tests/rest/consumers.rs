//! Consumers: groups that share, offsets that last, bounds, keys.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::keys::KeyFile;
use tidemill_tests::place::Folder;

use crate::start;

const JSON: &str = "application/vnd.kafka.json.v2+json";
/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// Asks about consumers, with a key where there is one.
fn ask(daemon: &Daemon, key: Option<&str>, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", key.unwrap_or_default());
    let mut headers = vec![("content-type", "application/vnd.kafka.v2+json")];
    if path.contains("/records") {
        headers.push(("accept", JSON));
    }
    if key.is_some() {
        headers.push(("authorization", &bearer));
    }
    http::request(daemon.topics, method, &format!("/consumers/{path}"), &headers, body.as_bytes())
}

fn create(daemon: &Daemon, key: Option<&str>, group: &str, name: &str) -> u16 {
    let wish = json!({"name": name, "format": "json", "auto.offset.reset": "earliest"});
    ask(daemon, key, "POST", group, &wish.to_string()).status
}

fn subscribed(daemon: &Daemon, group: &str, name: &str, topic: &str) {
    assert_eq!(create(daemon, None, group, name), 200, "{name}");
    let path = format!("{group}/instances/{name}/subscription");
    assert_eq!(ask(daemon, None, "POST", &path, &json!({"topics": [topic]}).to_string()).status, 204, "{name}");
}

/// The values that a consumer reads at once.
fn values(daemon: &Daemon, group: &str, name: &str) -> Vec<Value> {
    let answer = ask(daemon, None, "GET", &format!("{group}/instances/{name}/records?timeout=20"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().expect("a list").iter().map(|record| record["value"].clone()).collect()
}

fn post(daemon: &Daemon, topic: &str, values: std::ops::Range<u32>) {
    let records: Vec<Value> = values.map(|n| json!({"value": n, "partition": n % 2})).collect();
    let answer = http::post(daemon.topics, topic, &json!({"records": records}).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_group_shares_a_topic_and_goes_on_where_it_was_after_a_kill() {
    let folder = Folder::new("rest-consumers");
    let daemon = start(&folder, "");
    post(&daemon, "two", 0..4);
    subscribed(&daemon, "g", "a", "two");
    subscribed(&daemon, "g", "b", "two");
    assert_eq!(values(&daemon, "g", "a"), [0, 2]);
    assert_eq!(values(&daemon, "g", "b"), [1, 3]);
    post(&daemon, "two", 4..6);
    // Deleted, it commits; the other has all.
    assert_eq!(ask(&daemon, None, "DELETE", "g/instances/b", "").status, 204);
    assert_eq!(values(&daemon, "g", "a"), [4, 5]);
    assert_eq!(ask(&daemon, None, "POST", "g/instances/a/offsets", "").status, 200);
    post(&daemon, "two", 6..8);
    assert_eq!(values(&daemon, "g", "a"), [6, 7], "read, and not committed");
    daemon.kill();
    let daemon = start(&folder, "");
    assert_eq!(ask(&daemon, None, "GET", "g/instances/a/records", "").status, 404, "consumers are of their process");
    subscribed(&daemon, "g", "c", "two");
    assert_eq!(values(&daemon, "g", "c"), [6, 7]);
    subscribed(&daemon, "other", "a", "two");
    assert_eq!(values(&daemon, "other", "a").len(), 8);
    daemon.stop();
}

#[test]
fn a_read_waits_for_a_record() {
    let folder = Folder::new("rest-consumers-wait");
    let daemon = start(&folder, "");
    subscribed(&daemon, "g", "a", "one");
    std::thread::scope(|scope| {
        let read = scope.spawn(|| ask(&daemon, None, "GET", "g/instances/a/records?timeout=30000", "").json());
        let answer = http::post(daemon.topics, "one", r#"{"records":[{"value":7}]}"#);
        assert_eq!(answer.status, 200);
        let read = read.join().expect("it reads");
        assert_eq!(read, json!([{"topic": "one", "key": null, "value": 7, "partition": 0, "offset": 0}]));
    });
    daemon.stop();
}

#[test]
fn so_many_at_once_and_none_that_nobody_asks_for() {
    let folder = Folder::new("rest-consumers-bounds");
    let daemon = start(&folder, "[listen.limits]\nconsumers = 2\nconsumer_idle_time = \"300ms\"\n");
    assert_eq!(create(&daemon, None, "g", "a"), 200);
    assert_eq!(create(&daemon, None, "g", "b"), 200);
    assert_eq!(create(&daemon, None, "g", "c"), 429);
    let end = Instant::now() + WAIT_TIME_MAX;
    while create(&daemon, None, "g", "c") != 200 {
        assert!(Instant::now() < end, "the others are forgotten");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(ask(&daemon, None, "GET", "g/instances/a/subscription", "").status, 404);
    daemon.stop();
}

#[test]
fn a_consumer_is_its_keys_alone_and_reads_what_that_may() {
    let folder = Folder::new("rest-consumers-keys");
    let file = KeyFile::new(folder.path());
    let all = file.make(&["--scope", "consume"]);
    let few = file.make(&["--scope", "consume:on", "--scope", "produce:"]);
    let daemon = {
        let text = format!(
            "[pipeline]\nname = \"doors\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             keys = \"keys.toml\"\n[lake]\nbucket = \"doors\"\nendpoint = \"embedded\"\n[topics.one]\n[topics.two]\n",
            folder.path().join("data")
        );
        Daemon::start(&folder.write("doors.toml", text))
    };
    assert_eq!(create(&daemon, Some(&all), "g", "a"), 200);
    assert_eq!(create(&daemon, Some(&few), "g", "b"), 200);
    let two = r#"{"topics":["two"]}"#;
    let check = |key: &str, method: &str, path: &str, body: &str, expected: u16| {
        let answer = ask(&daemon, Some(key), method, path, body);
        assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
    };
    check(&few, "POST", "g/instances/a/subscription", two, 404);
    check(&few, "DELETE", "g/instances/a", "", 404);
    check(&all, "POST", "g/instances/a/subscription", two, 204);
    check(&few, "POST", "g/instances/b/subscription", two, 403);
    check(&few, "POST", "g/instances/b/subscription", r#"{"topics":["one"]}"#, 204);
    check(&few, "POST", "g/instances/b/offsets", r#"{"offsets":[{"topic":"two","partition":0,"offset":1}]}"#, 403);
    check(&few, "GET", "g/instances/b/offsets", r#"{"partitions":[{"topic":"two","partition":0}]}"#, 403);
    check(&few, "GET", "g/instances/b/records?timeout=10", "", 200);
    let bearer = format!("Bearer {few}");
    let topics = http::request(daemon.topics, "GET", "/topics", &[("authorization", &bearer)], b"");
    assert_eq!(topics.json(), json!(["one"]), "it sees what it may read");
    daemon.stop();
}
