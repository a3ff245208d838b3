//! A row is the same whichever door its record came through, and however it was wrapped there.

use std::fs;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidemill_tests::cli::done;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::letters::{agree, number};
use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

use super::DOORS;
use super::kept::ask;

const UNWRAP: &str = "unwrap = [\"json-text\", \"base64\", \"field:value\"]\n";

fn house(name: &str, unwrap: &str) -> House {
    let topic = format!("[topics.thing]\n{unwrap}");
    House::with(name, &changeling("good"), &[("[epoch]\n", DOORS), ("[topics.thing]\n", topic.as_str())])
}

/// Posts a value as the original emulator's batch variant does.
fn post(to: SocketAddr, value: &Value) {
    let body = json!({ "records": [{ "value": value }] }).to_string();
    let kind = ("content-type", "application/vnd.kafka.json.v2+json");
    let answer = http::request(to, "POST", "/topics/thing", &[kind], body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Puts data as its streaming variant does, through the gateway.
fn put(to: SocketAddr, data: &Value) {
    let body = json!({ "StreamName": "thing", "Data": data, "PartitionKey": "partition-1" }).to_string();
    let kind = ("content-type", "application/json");
    let answer = http::request(to, "PUT", "/dev/streams/thing/record", &[kind], body.as_bytes());
    assert!(answer.status == 200 && answer.json()["SequenceNumber"].is_string(), "{answer:?}");
}

/// Puts bytes by Kinesis's own API.
fn put_bytes(to: SocketAddr, bytes: &[u8]) {
    let input = json!({ "StreamName": "thing", "Data": STANDARD.encode(bytes), "PartitionKey": "k" });
    assert_eq!(ask(to, "PutRecord", &input).status, 200);
}

/// Every form through every door, each with a number of its own; gives how many.
fn send_all(daemon: &Daemon) -> u64 {
    let (gateway, kinesis) = (daemon.gateway.expect("a gateway"), daemon.kinesis.expect("Kinesis"));
    let mut count = 0;
    let forms: [fn(&Value) -> Value; 6] = [
        Value::clone,
        |row| row.to_string().into(),
        |row| json!({ "value": row }),
        |row| json!({ "value": row }).to_string().into(),
        |row| STANDARD.encode(row.to_string()).into(),
        |row| STANDARD.encode(json!({ "value": row }).to_string()).into(),
    ];
    for form in forms {
        let mut next = || {
            count += 1;
            form(&json!({ "ind": count, "title": "caf\u{e9} \"7\"" }))
        };
        post(daemon.topics, &next());
        put(gateway, &next());
        put_bytes(kinesis, next().to_string().as_bytes());
        // What is text goes without its quotes too.
        let value = next();
        put_bytes(kinesis, value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_bytes());
    }
    count
}

#[test]
fn rows_are_the_same_whichever_door_they_came_through_and_however_they_were_wrapped() {
    let house = house("doors-wrapped", UNWRAP);
    let daemon = house.start();
    let sent = send_all(&daemon);
    let kinesis = daemon.kinesis.expect("Kinesis");
    let broken = [&b"\"half"[..], b"eyJ*", b"{\"value\":", b"\"\"", b"{\"value\":7}"];
    broken.iter().for_each(|bytes| put_bytes(kinesis, bytes));
    post(daemon.topics, &json!({ "ind": 1_000 }));
    daemon.settle();
    let inds: Vec<String> = (1..=sent).chain([1_000]).map(|ind| format!("{ind},good")).collect();
    assert_eq!(query(&house.pipeline, "SELECT ind, mark FROM thing ORDER BY ind")[1..], inds);
    let letters =
        query(&house.pipeline, "SELECT hex(value) || ' ' || reason FROM tidemill_dead_letters ORDER BY rowid");
    let reasons = [
        "unwrap \"json-text\": at byte 1: a text does not end",
        "unwrap \"base64\": Invalid symbol 42, offset 3.",
        "unwrap \"field:value\": at byte 9: it ends where a value should stand",
        "the value is not JSON: at byte 0: it ends where a value should stand",
        "the value is a number, not an object",
    ];
    for (bytes, reason) in broken.iter().zip(reasons) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let found = letters.iter().any(|letter| {
            let letter = letter.replace("\"\"", "\"");
            letter.contains(&format!("{hex} {reason}"))
        });
        assert!(found, "{hex} {reason}: {letters:?}");
    }
    assert_eq!(letters.len(), broken.len() + 1, "{letters:?}");

    // Tapped, with a field replaced that lies inside of what wraps it: nothing of it is seen, and the rows are the same.
    let found = house.found(&daemon);
    let folder = found.parent().expect("a folder");
    let (tapped, _) = done(folder, &["tap", "thing", "-p", "found.toml", "-n", "40", "--mask", "title", "--json"], "");
    let tapped: Value = serde_json::from_str(&tapped).expect("JSON");
    assert!(!tapped.to_string().contains("caf"), "{tapped:#}");
    let rows = tapped.as_array().expect("records").iter().filter(|record| record["rows"][0]["mark"] == "good");
    assert_eq!(rows.count() as u64, sent + 1, "{tapped:#}");
    agree(&house);
    daemon.stop();
    done(folder, &["audit", "things.toml"], "");
}

/// What a replay finds to be different.
fn replayed(house: &House) -> Value {
    let pipeline = house.pipeline.to_str().expect("a path");
    let output = tidemill(["replay", "thing", "-p", pipeline, "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn what_a_topic_unwraps_may_change_and_history_knows_how_it_was() {
    let house = house("doors-unwrap-changed", "");
    let daemon = house.start();
    let sent = send_all(&daemon);
    daemon.settle();
    let plain = number(&house.pipeline, "SELECT count(*) FROM thing");
    let waiting = "SELECT count(*) FROM tidemill_dead_letters WHERE redriven IS NULL";
    assert_eq!(plain + number(&house.pipeline, waiting), sent);
    assert!(plain >= 4 && plain < sent, "{plain} of {sent}");
    let before = daemon.status()["tables"]["thing"]["digest"].as_str().expect("a digest").to_owned();
    daemon.stop();

    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    fs::write(&house.pipeline, text.replace("[topics.thing]\n", &format!("[topics.thing]\n{UNWRAP}"))).expect("it");
    let daemon = house.start();
    let digest = daemon.status()["tables"]["thing"]["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(digest, format!("unwrap:json-text,base64,field:value+{before}"));
    // Letters are cleaned as the file says now; what was cleaned before stays as it was.
    let found = house.found(&daemon);
    let folder = found.parent().expect("a folder");
    done(folder, &["dead-letters", "redrive", "found.toml", "--all", "--apply"], "");
    assert_eq!(number(&house.pipeline, waiting), 0);
    assert_eq!(number(&house.pipeline, "SELECT count(*) FROM thing"), sent);
    assert_eq!(send_all(&daemon), sent);
    daemon.settle();
    agree(&house);
    daemon.stop();
    let said = replayed(&house);
    assert!(said["same"] == true && said["proven"] == true && said["records"] == sent * 2, "{said:#}");

    // Back to what it was: each epoch and each healed letter is made again as it was made.
    fs::write(&house.pipeline, text).expect("the pipeline file");
    let said = replayed(&house);
    assert!(said["same"] == true && said["proven"] == true, "{said:#}");
    let objects = query(&house.pipeline, "SELECT key FROM tidemill_objects ORDER BY key");
    for key in &objects[1..] {
        let (said, _) = done(folder, &["explain", "things.toml", key, "1", "--json"], "");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(said["same"], true, "{said:#}");
    }
    done(folder, &["audit", "things.toml"], "");
}
