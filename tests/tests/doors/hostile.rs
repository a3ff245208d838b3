//! Hostile requests to both doors: whatever is sent, the process lives and keeps what it has said that it keeps.

use std::net::SocketAddr;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};

use super::house;

/// Inputs of a run without a word about them.
const INPUTS: usize = 1_500;
/// The most memory that they may add, in MB.
const MEMORY_MB_MAX: u64 = 96;

/// Good requests to start from: bytes, and where they go.
fn good(daemon: &Daemon) -> Vec<(SocketAddr, Vec<u8>)> {
    let (gateway, kinesis) = (daemon.gateway.expect("a gateway"), daemon.kinesis.expect("Kinesis"));
    let request = |line: &str, headers: &str, body: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let target = |action: &str| {
        format!("x-amz-target: Kinesis_20131202.{action}\r\ncontent-type: application/x-amz-json-1.1\r\n")
    };
    let records = r#"{"StreamName":"thing","Records":[{"Data":"eyJpbmQiOjF9","PartitionKey":"a"},{"Data":"eyJpbmQiOjJ9","PartitionKey":"b","ExplicitHashKey":"7"}]}"#;
    let iterator =
        r#"{"StreamName":"thing","ShardId":"shardId-000000000001","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5}"#;
    vec![
        (kinesis, request("POST /", &target("PutRecords"), records)),
        (
            kinesis,
            request(
                "POST /",
                &target("PutRecord"),
                r#"{"StreamName":"thing","Data":"eyJpbmQiOjF9","PartitionKey":"a"}"#,
            ),
        ),
        (kinesis, request("POST /", &target("GetShardIterator"), iterator)),
        (kinesis, request("POST /", &target("ListShards"), r#"{"StreamName":"thing","MaxResults":1}"#)),
        (gateway, request("PUT /dev/streams/thing/record", "", r#"{"Data":{"ind":1},"PartitionKey":"a"}"#)),
        (
            gateway,
            request("PUT /json/streams/thing/records", "", r#"{"records":[{"data":{"ind":1},"partition-key":"a"}]}"#),
        ),
        (gateway, request("GET /dev/streams/thing/sharditerator?shard-id=shardId-000000000000", "", "")),
        (
            gateway,
            request(
                "POST /dev/topics/thing",
                "content-type: application/vnd.kafka.json.v2+json\r\n",
                r#"{"records":[{"value":{"ind":1}},{"key":1,"value":{"ind":2}}]}"#,
            ),
        ),
    ]
}

fn kept(daemon: &Daemon) -> u64 {
    let status = daemon.status();
    let topics = status["topics"].as_object().expect("topics");
    let partitions = topics.values().flat_map(|partitions| partitions.as_array().expect("partitions"));
    partitions.map(|partition| partition["end"].as_u64().expect("an offset")).sum()
}

/// The records that an answer says are kept.
fn said(answer: &Answer) -> u64 {
    if answer.status != 200 {
        return 0;
    }
    let Ok(body) = serde_json::from_str::<Value>(&answer.body) else { return 0 };
    let list = |name: &str| body[name].as_array().map_or(&[][..], Vec::as_slice).iter();
    let receipts =
        list("Records").chain([&body]).filter(|one| one["SequenceNumber"].is_string() && one["ShardId"].is_string());
    receipts.count() as u64 + list("offsets").filter(|one| one["offset"].is_u64()).count() as u64
}

/// Changes some bytes, takes some out, doubles some.
fn garbled(random: &mut ChaCha8Rng, request: &[u8]) -> Vec<u8> {
    const PIECES: [&[u8]; 12] = [
        b"\r\n",
        b"\0",
        b"{",
        b"]",
        b"\"",
        b"\xff",
        b"99999999999999999999",
        b"-1",
        b"null",
        b"\\ud800",
        b"[[[[[[[[",
        b":",
    ];
    let mut bytes = request.to_vec();
    for _ in 0..random.random_range(1..3) {
        let at = random.random_range(0..bytes.len().max(1)).min(bytes.len());
        let end = (at + random.random_range(0..12)).min(bytes.len());
        match random.random_range(0..8) {
            0..4 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.random_range(b' '..b'~')),
            4 => bytes.iter_mut().take(end).skip(at).for_each(|byte| *byte = random.random()),
            5 => drop(bytes.drain(at..end)),
            6 => bytes = [&bytes[..end], &bytes[at..]].concat(),
            _ => bytes = [&bytes[..at], PIECES[random.random_range(0..PIECES.len())], &bytes[at..]].concat(),
        }
    }
    bytes
}

/// Changes the body alone, and says its length anew.
fn within(random: &mut ChaCha8Rng, request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(request.to_vec()).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let body = garbled(random, body.as_bytes());
    let (before, _) = head.split_once("content-length: ").expect("a length");
    [format!("{before}content-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
}

#[test]
fn garbled_requests_are_refused_or_kept_as_they_are_answered() {
    let seed = std::env::var("TIDEMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_126);
    let house = house("doors-hostile");
    let mut daemon = Daemon::start_with_log(&house.pipeline);
    let good = good(&daemon);
    let mut expected = 0;
    for (to, request) in &good {
        let answer = http::raw(*to, request);
        assert_eq!(answer.status, 200, "{answer:?}");
        expected += said(&answer);
    }
    assert_eq!((expected, kept(&daemon)), (7, 7), "each good request is taken");
    let memory_mb = daemon.used().1;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut taken, mut statuses) = (0, std::collections::BTreeMap::<u16, usize>::new());
    for nth in 0..INPUTS {
        let (to, request) = &good[nth % good.len()];
        // Of every other one the body alone, so that it is a whole request. The others may wait for more until they hear that
        // none comes, upon which a request that is being answered is dropped.
        let (request, answer) = match nth / good.len() % 2 {
            0 => {
                let request = garbled(&mut random, request);
                let answer = http::cut(*to, &request);
                (request, answer)
            }
            _ => {
                let request = within(&mut random, request);
                let answer = http::raw(*to, &request);
                (request, answer)
            }
        };
        let shown = || String::from_utf8_lossy(&request).into_owned();
        assert!(answer.status < 500 || answer.status == 501, "seed {seed}, input {nth}: {answer:?} to {:?}", shown());
        taken += said(&answer);
        *statuses.entry(answer.status).or_default() += 1;
    }
    assert!(daemon.is_running());
    // Two requests in one piece have two answers, of which the first is looked at.
    let now = kept(&daemon);
    assert!(now >= expected + taken, "seed {seed}: {now} kept, {expected} and {taken} answered");
    assert!(taken > 20 && statuses.get(&400).is_some_and(|count| *count > 100), "{taken} taken, {statuses:?}");
    for (to, request) in &good {
        assert_eq!(http::raw(*to, request).status, 200, "good clients are served");
    }
    let held = daemon.used().1;
    assert!(held <= memory_mb + MEMORY_MB_MAX, "{held} MB, before {memory_mb}");
    assert_eq!(daemon.status()["trouble"], Value::Array(Vec::new()));
    daemon.stop();
}

#[test]
fn a_request_that_breaks_off_at_any_byte_keeps_nothing() {
    let house = house("doors-cut");
    let daemon = Daemon::start_with_log(&house.pipeline);
    for (to, request) in good(&daemon) {
        for end in 0..request.len() {
            let answer = http::cut(to, &request[..end]);
            assert!([0, 400, 408].contains(&answer.status), "{end} bytes: {answer:?}");
        }
    }
    assert_eq!(kept(&daemon), 0);
    daemon.stop();
}
