//! What outlives a process: numbers of records, quotas; what does not: iterators.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};

use super::house;

/// Asks for an action of Kinesis.
pub(crate) fn ask(to: SocketAddr, action: &str, input: &Value) -> Answer {
    let target = format!("Kinesis_20131202.{action}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")];
    http::request(to, "POST", "/", &headers, input.to_string().as_bytes())
}

fn done(to: SocketAddr, action: &str, input: &Value) -> Value {
    let answer = ask(to, action, input);
    assert_eq!(answer.status, 200, "{action}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// The numbers of all records of a shard, from an iterator on.
fn numbers(to: SocketAddr, iterator: &Value) -> Vec<String> {
    let read = done(to, "GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"] }));
    let records = read["Records"].as_array().expect("records");
    records.iter().map(|record| record["SequenceNumber"].as_str().expect("a number").to_owned()).collect()
}

#[test]
fn numbers_and_streams_survive_a_kill_and_iterators_expire_with_it() {
    let house = house("doors-kept");
    let daemon = Daemon::start_with_log(&house.pipeline);
    let at = daemon.kinesis.expect("Kinesis");
    done(at, "CreateStream", &json!({ "StreamName": "kept", "ShardCount": 2 }));
    let mut by_shard: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for nth in 0..20 {
        let record = json!({ "StreamName": "kept", "Data": "YQ==", "PartitionKey": format!("key-{nth}") });
        let put = done(at, "PutRecord", &record);
        let of = |name: &str| put[name].as_str().expect("a text").to_owned();
        by_shard.entry(of("ShardId")).or_default().push(of("SequenceNumber"));
    }
    assert_eq!(by_shard.len(), 2, "{by_shard:?}");
    let from = |shard: &str| json!({ "StreamName": "kept", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let (shard, first) = by_shard.first_key_value().expect("a shard");
    let iterator = done(at, "GetShardIterator", &from(shard));
    assert_eq!(&numbers(at, &iterator), first);
    daemon.kill();
    let daemon = Daemon::start_with_log(&house.pipeline);
    let at = daemon.kinesis.expect("Kinesis");
    let stale = ask(at, "GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"] }));
    assert_eq!((stale.status, stale.json()["__type"].as_str()), (400, Some("ExpiredIteratorException")));
    for (shard, numbers_before) in &by_shard {
        let iterator = done(at, "GetShardIterator", &from(shard));
        assert_eq!(&numbers(at, &iterator), numbers_before, "what was acknowledged is there, under its numbers");
        let after = json!({
            "StreamName": "kept", "ShardId": shard, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
            "StartingSequenceNumber": numbers_before[0],
        });
        let iterator = done(at, "GetShardIterator", &after);
        assert_eq!(numbers(at, &iterator), numbers_before[1..]);
        let sorted = numbers_before.windows(2).all(|two| two[0] < two[1]);
        assert!(sorted, "{numbers_before:?}");
    }
    let time = json!({ "StreamName": "kept", "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1 });
    let read = done(at, "GetShardIterator", &time);
    let records = done(at, "GetRecords", &json!({ "ShardIterator": read["ShardIterator"] }));
    let arrived = records["Records"][3]["ApproximateArrivalTimestamp"].as_f64().expect("a time");
    let time =
        json!({ "StreamName": "kept", "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": arrived });
    let found = numbers(at, &done(at, "GetShardIterator", &time));
    // Times are told to the millisecond, so some that came in the same one may be there too.
    assert!(found.len() >= first.len() - 3 && first.ends_with(&found), "{found:?} of {first:?}");
    daemon.stop();
}
