//! Requests that were in order once: some bytes of each were changed, by a seed.

use std::net::SocketAddr;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::Siege;
use crate::corpus::{GOOD, JSON};
use crate::talk::Talk;

/// How many are sent, where the environment does not say.
const INPUTS: u64 = 3_000;
/// Inputs after which it is looked whether all still holds.
const ROUND: u64 = 50_000;
/// Clients at a time, with a connection to each door: fewer than one address may have.
const LANES: u64 = 48;
/// Topics, operator's side, gateway, Kinesis's own API, embedded S3.
const DOORS: usize = 5;
/// What parsers trip over.
const TOKENS: [&str; 40] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "/",
    "//",
    "..",
    "%2e%2e%2f",
    "%00",
    "%",
    "?",
    "#",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "transfer-encoding: chunked\r\n",
    "content-length: 5\r\n",
    "content-length: 0\r\n",
    "content-length: 18446744073709551616\r\n",
    "connection: keep-alive\r\n",
    "expect: 100-continue\r\n",
    "host: evil.example\r\n",
    "content-encoding: gzip\r\n",
    "origin: null\r\n",
    "ffffffffffffffff\r\n",
    "0\r\n\r\n",
    "-1",
    "{",
    "}",
    "[",
    "\"",
    "\\ud800",
    "1e999",
    "\u{feff}",
];

/// The doors that a pipeline has where it says so.
const MORE_DOORS: &str =
    "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.stages.dev]\n[kinesis]\nlisten = \"127.0.0.1:0\"\n";
/// What stands in an answer once for each record that it acknowledges: in v2's, in v3's, in Kinesis's.
const RECEIPTS: [&str; 3] = ["\"error_code\":null", "\"cluster_id\":\"", "\"SequenceNumber\":\""];
const BINARY: &str = r#"{"records":[{"key":"a2V5","value":"AQI=","partition":1},{"value":null}]}"#;
const V3: &str = r#"{"value":{"type":"JSON","data":{"ind":1}},"headers":[{"name":"h","value":"AQI="}]} {"key":{"type":"BINARY","data":"AQI="}}"#;
const BATCH: &str = r#"{"entries":[{"id":"a","value":{"type":"JSON","data":{"ind":1}}},{"id":"b","timestamp":"2026-11-22T21:05:00Z"}]}"#;
const CONSUMER: [[&str; 2]; 5] = [
    ["POST /consumers/g", r#"{"name":"i","format":"json","auto.offset.reset":"earliest"}"#],
    ["POST /consumers/g/instances/i/subscription", r#"{"topics":["thing"]}"#],
    ["POST /consumers/g/instances/i/assignments", r#"{"partitions":[{"topic":"thing","partition":0}]}"#],
    ["POST /consumers/g/instances/i/offsets", r#"{"offsets":[{"topic":"thing","partition":0,"offset":5}]}"#],
    ["POST /consumers/g/instances/i/positions", r#"{"offsets":[{"topic":"thing","partition":0,"offset":5}]}"#],
];
const MAPPED: &str = r#"{"records":[{"data":{"ind":1},"partition-key":"a"},{"data":"{}","partition-key":"b"}]}"#;
const KINESIS: [[&str; 2]; 4] = [
    [
        "PutRecords",
        r#"{"StreamName":"thing","Records":[{"Data":"eyJpbmQiOjF9","PartitionKey":"a","ExplicitHashKey":"7"}]}"#,
    ],
    ["PutRecord", r#"{"StreamName":"thing","Data":"eyJpbmQiOjF9","PartitionKey":"a"}"#],
    [
        "GetShardIterator",
        r#"{"StreamName":"thing","ShardId":"shardId-000000000001","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5}"#,
    ],
    ["ListShards", r#"{"StreamName":"thing","MaxResults":1}"#],
];

/// What came of the inputs of one lane.
#[derive(Default)]
struct Seen {
    /// Records that an answer has acknowledged.
    acknowledged: u64,
    /// Records that may have been kept although no answer came.
    possible: u64,
    /// Answers of each door by the first digit of their status.
    answers: [[u64; 6]; DOORS],
}

#[test]
fn changed_requests() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let inputs = number("TIDEMILL_HTTP_INPUTS").unwrap_or(INPUTS);
    let seed = number("TIDEMILL_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    println!(
        "seed {seed}: TIDEMILL_SEED={seed} TIDEMILL_HTTP_INPUTS={inputs} cargo test -p tidemill-tests --test hostile_http changed_requests"
    );
    let limits = "idle_time = \"1s\"\nhead_time = \"1s\"\nbody_pause = \"1s\"";
    let mut siege = Siege::with("hostile-fuzz", limits, MORE_DOORS);
    let daemon = &siege.daemon;
    let more = [daemon.gateway, daemon.kinesis, daemon.lake].map(|door| door.expect("a door"));
    let doors = [daemon.topics, daemon.admin, more[0], more[1], more[2]];
    let mut answers = [[0; 6]; DOORS];
    for (round, first) in (0..inputs).step_by(ROUND as usize).enumerate() {
        let (before, count) = (siege.kept(), ROUND.min(inputs - first));
        let lanes: Vec<Seen> = std::thread::scope(|scope| {
            let lane = |lane: u64| {
                let seed = seed.wrapping_add(round as u64 * LANES + lane);
                scope.spawn(move || one_lane(seed, count / LANES + u64::from(lane < count % LANES), doors))
            };
            let lanes: Vec<_> = (0..LANES).map(lane).collect();
            lanes.into_iter().map(|lane| lane.join().expect("a lane")).collect()
        });
        let sum = |of: fn(&Seen) -> u64| lanes.iter().map(of).sum::<u64>();
        let (acknowledged, possible) = (sum(|seen| seen.acknowledged), sum(|seen| seen.possible));
        let kept = siege.kept() - before;
        assert!(
            (acknowledged..=acknowledged + possible).contains(&kept),
            "seed {seed}: {kept} kept, {acknowledged} acknowledged, {possible} more possible"
        );
        for seen in &lanes {
            answers.iter_mut().flatten().zip(seen.answers.iter().flatten()).for_each(|(sum, count)| *sum += count);
        }
        siege.holds("changed requests");
    }
    for (name, answers) in ["topics", "admin", "gateway", "kinesis", "lake"].iter().zip(answers) {
        let [none, continued, taken, _, refused, own] = answers;
        println!("{name}: {taken} taken, {refused} refused, {none} closed, {continued} asked to go on");
        assert_eq!(own, 0, "seed {seed}: no answer of {name} is a fault of the server's own");
        // Nothing is signed, so that S3 lets nobody in.
        let answered = none + taken + refused;
        let reached = taken > answered / 100 || *name == "lake" && taken == 0;
        assert!(reached && refused > answered / 10, "the inputs reach the routes of {name}");
    }
    siege.end();
}

fn one_lane(seed: u64, inputs: u64, doors: [SocketAddr; DOORS]) -> Seen {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut seen, mut talks) = (Seen::default(), doors.map(Talk::with));
    for _ in 0..inputs {
        let (door, bytes) = input(&mut random);
        let (answer, times) = talks[door].say(&bytes);
        let finals = seen.hear(door, &answer, &bytes);
        seen.answers[door][0] += u64::from(finals == 0);
        if (times, finals) != (1, 1) {
            // Of what had no answer, or was followed by more in the same piece: each record is an object.
            seen.possible += times * bytes.iter().filter(|byte| **byte == b'{').count() as u64;
        }
    }
    for (door, talk) in talks.into_iter().enumerate() {
        seen.hear(door, &talk.end(), b"what came before");
    }
    seen
}

impl Seen {
    /// What came back after some bytes were sent; how many answers end a request.
    fn hear(&mut self, door: usize, answer: &[u8], bytes: &[u8]) -> usize {
        let text = String::from_utf8_lossy(answer);
        // A body is sent whole, so that what begins so is an answer's first line.
        let mut finals = 0;
        for answer in text.split("HTTP/1.1 ").skip(1) {
            let status: usize = answer.get(..3).and_then(|status| status.parse().ok()).unwrap_or(0);
            // 501 is meant: it is for codings of a body that are not known here.
            self.answers[door][if status == 501 { 4 } else { (status / 100).min(5) }] += 1;
            if status >= 500 && status != 501 {
                println!("{answer}, for {:?}", String::from_utf8_lossy(bytes));
            }
            finals += usize::from(status >= 200);
            let kept = RECEIPTS.iter().map(|receipt| answer.matches(receipt).count() as u64).sum::<u64>();
            self.acknowledged += if matches!(status, 200 | 207) { kept } else { 0 };
        }
        finals
    }
}

/// One input, and the door that it is for.
fn input(random: &mut ChaCha8Rng) -> (usize, Vec<u8>) {
    let mut common = "host: localhost\r\n".to_owned();
    common += if random.random_bool(0.2) { "connection: close\r\n" } else { "x: y\r\n" };
    let with = |line: &str, headers: &str, body: &str| {
        format!("{line} HTTP/1.1\r\n{common}{headers}content-length: {}\r\n\r\n{body}", body.len())
    };
    let without = |line: &str| format!("{line} HTTP/1.1\r\n{common}accept: */*\r\n\r\n");
    let json = format!("{JSON}\r\n");
    let binary = json.replace("json.v2", "binary.v2");
    let v3 = "content-type: application/json\r\n";
    let kinesis = |action: &str, body: &str| {
        let headers =
            format!("x-amz-target: Kinesis_20131202.{action}\r\ncontent-type: application/x-amz-json-1.1\r\n");
        with("POST /", &headers, body)
    };
    let (door, base) = match random.random_range(0..16) {
        0..3 => (0, with("POST /topics/thing", &json, GOOD)),
        3 => {
            let head = format!("POST /topics/thing HTTP/1.1\r\n{common}{json}transfer-encoding: chunked\r\n\r\n");
            (0, format!("{head}{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len()))
        }
        4 => (0, with("POST /topics/thing", &binary, BINARY)),
        5 => (0, without("GET /topics/thing")),
        6 => (0, with("POST /v3/clusters/things/topics/thing/records", v3, V3)),
        7 => (0, with("POST /v3/clusters/things/topics/thing/records:batch", v3, BATCH)),
        8 => {
            let [line, body] = CONSUMER[random.random_range(0..CONSUMER.len())];
            (0, with(line, "content-type: application/vnd.kafka.v2+json\r\n", body))
        }
        9 => (0, without("GET /consumers/g/instances/i/records?timeout=0&max_bytes=100")),
        10 => (1, without("GET /tables/thing/tap?n=2&mask=ind")),
        11 => (1, without("GET /status")),
        12 => (2, with("PUT /dev/streams/thing/records", "", MAPPED)),
        13 => (2, with("POST /dev/topics/thing", &json, GOOD)),
        14 => {
            let [action, body] = KINESIS[random.random_range(0..KINESIS.len())];
            (3, kinesis(action, body))
        }
        _ => (4, without("GET /things?list-type=2&prefix=thing%2F&max-keys=5")),
    };
    let mut bytes = base.into_bytes();
    for _ in 0..random.random_range(1..=4) {
        change(&mut bytes, random);
    }
    (door, bytes)
}

fn change(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=bytes.len());
    let end = (at + random.random_range(1..=8)).min(bytes.len());
    match random.random_range(0..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = random.random(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => drop(bytes.splice(at..at, TOKENS[random.random_range(0..TOKENS.len())].bytes())),
        5 => drop(bytes.splice(at..end, TOKENS[random.random_range(0..TOKENS.len())].bytes())),
        6 if random.random_bool(0.2) => bytes.truncate(at),
        7 if random.random_bool(0.2) => {
            let copy = bytes.clone();
            bytes.splice(at..at, copy);
        }
        _ => bytes[at..end].iter_mut().for_each(|byte| *byte = byte.to_ascii_uppercase()),
    }
}
