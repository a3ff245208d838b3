//! Time at the doors: an integration that takes too long, iterators and quotas that run out, shards that take no more.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::keys::KeyFile;
use tidemill_tests::place::{changeling, command};
use tidemill_tests::shim::Shim;
use tidemill_tests::things::House;

use super::kept::ask;

/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// Starts a pipeline under the shim.
fn start(house: &House, rule: Option<&str>, clock: Option<(u64, u64)>) -> (Daemon, PathBuf, PathBuf) {
    let folder = house.pipeline.parent().expect("a folder");
    let (armed, healed) = (folder.join("armed"), folder.join("healed"));
    let shim = Shim {
        folder: house.data(),
        log: folder.join("operations"),
        rule: rule.map(str::to_owned),
        armed: Some(armed.clone()),
        healed: healed.clone(),
        clock,
    };
    let log = fs::File::create(folder.join("log")).expect("a file for the log");
    let mut command = Command::new(command());
    command.arg("run").arg(&house.pipeline).stderr(log);
    shim.before(&mut command);
    (Daemon::spawn(&mut command), armed, healed)
}

/// Asks until an answer fits.
fn until(what: &str, mut ask: impl FnMut() -> Answer, fits: impl Fn(&Answer) -> bool) -> Answer {
    let end = Instant::now() + WAIT_TIME_MAX;
    loop {
        let answer = ask();
        if fits(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: {answer:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn put(to: SocketAddr, path: &str) -> Answer {
    http::request(to, "PUT", path, &[("content-type", "application/json")], br#"{"Data":{"ind":1},"PartitionKey":"k"}"#)
}

#[test]
fn an_integration_that_takes_too_long_is_left_and_what_it_was_given_is_kept() {
    let doors = "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.stages.dev]\ntimeout = \"100ms\"\n[kinesis]\nlisten = \"127.0.0.1:0\"\n[epoch]\n";
    let house = House::with("doors-late", &changeling("good"), &[("[epoch]\n", doors)]);
    let (daemon, armed, healed) = start(&house, Some("wait f*sync log 1+"), None);
    let (gateway, kinesis) = (daemon.gateway.expect("a gateway"), daemon.kinesis.expect("Kinesis"));
    fs::write(&armed, "").expect("the rule counts");
    for path in ["/dev/streams/thing/record", "/dev/topics/thing"] {
        let answer = match path.contains("streams") {
            true => put(gateway, path),
            false => {
                let headers = [("content-type", "application/vnd.kafka.json.v2+json")];
                http::request(gateway, "POST", path, &headers, br#"{"records":[{"key":"k","value":{"ind":2}}]}"#)
            }
        };
        assert_eq!((answer.status, answer.json()), (504, json!({ "message": "Endpoint request timed out" })));
        assert!(answer.headers.contains("x-amzn-errortype: InternalServerErrorException"), "{answer:?}");
    }
    // What needs no disk is answered meanwhile.
    assert_eq!(http::get(gateway, "/dev/streams").status, 200);
    fs::write(&healed, "").expect("the disk goes on");
    let kept = daemon.wait("both records are kept", |status| {
        let ends = status["topics"]["thing"].as_array().expect("its partitions").iter();
        ends.map(|partition| partition["end"].as_u64().expect("an offset")).sum::<u64>() == 2
    });
    assert_eq!(kept["trouble"], json!([]));
    assert_eq!(put(gateway, "/dev/streams/thing/record").status, 200);
    assert_eq!(ask(kinesis, "ListStreams", &json!({})).status, 200);
    daemon.stop();
}

#[test]
fn iterators_and_quotas_run_out_and_quotas_begin_again() {
    /// How many times as fast the day goes: it takes five seconds.
    const SPEED: u64 = 17_280;
    let doors = "[gateway]\nlisten = \"127.0.0.1:0\"\nkeys = \"keys.toml\"\n[gateway.stages.dev]\n[gateway.plans.all]\nstages = [\"dev\"]\n\
                 quota = 1\nperiod = \"DAY\"\n[kinesis]\nlisten = \"127.0.0.1:0\"\n[epoch]\n";
    let house = House::with("doors-clock", &changeling("good"), &[("[epoch]\n", doors)]);
    let key = KeyFile::new(house.pipeline.parent().expect("a folder")).make(&["--scope", "consume"]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    let (daemon, ..) = start(&house, None, Some((now, SPEED)));
    let (gateway, kinesis) = (daemon.gateway.expect("a gateway"), daemon.kinesis.expect("Kinesis"));
    let get = || http::request(gateway, "GET", "/dev/topics", &[("x-api-key", &key)], b"");
    for round in 0..2 {
        until(&format!("a new day, {round}"), get, |answer| answer.status == 200);
        let answer = until("the quota is used up", get, |answer| answer.status == 429);
        assert_eq!(answer.json(), json!({ "message": "Limit Exceeded" }));
    }
    let input = json!({ "StreamName": "thing", "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST" });
    let iterator = ask(kinesis, "GetShardIterator", &input).json()["ShardIterator"].clone();
    let read = || ask(kinesis, "GetRecords", &json!({ "ShardIterator": iterator }));
    let answer = until("an iterator expires", read, |answer| answer.status != 200);
    assert_eq!((answer.status, answer.json()["__type"].as_str()), (400, Some("ExpiredIteratorException")));
    daemon.stop();
}

#[test]
fn a_shard_that_takes_no_more_refuses_the_rest_of_a_batch() {
    /// Records of a batch that go to the one shard; one goes to the other.
    const TO_ONE: usize = 499;
    let doors = "[kinesis]\nlisten = \"127.0.0.1:0\"\nshard_limits = \"aws\"\n[epoch]\n";
    let house = House::with("doors-rates", &changeling("good"), &[("[epoch]\n", doors)]);
    let daemon = Daemon::start_with_log(&house.pipeline);
    let at = daemon.kinesis.expect("Kinesis");
    let record = |nth: usize| json!({ "Data": "YQ==", "PartitionKey": if nth == TO_ONE { "b" } else { "a" } });
    let batch = json!({ "StreamName": "thing", "Records": (0..=TO_ONE).map(record).collect::<Vec<Value>>() });
    let (begun, mut taken) = (Instant::now(), 0);
    loop {
        let answer = ask(at, "PutRecords", &batch).json();
        let records = answer["Records"].as_array().expect("records");
        assert!(records.len() == TO_ONE + 1 && records[TO_ONE]["SequenceNumber"].is_string(), "{answer}");
        let failed = |record: &&Value| record["ErrorCode"] == "ProvisionedThroughputExceededException";
        let failed = records.iter().filter(failed).count();
        assert_eq!(answer["FailedRecordCount"], json!(failed), "{answer}");
        taken += TO_ONE - failed;
        let most = 1_000.0 * (1.0 + begun.elapsed().as_secs_f64());
        assert!(taken as f64 <= most, "{taken} of {most} at most");
        if failed > 0 {
            break;
        }
        assert!(begun.elapsed() < WAIT_TIME_MAX, "{taken} were taken");
    }
    let one = json!({ "StreamName": "thing", "Data": "YQ==", "PartitionKey": "a" });
    let refused =
        |answer: &Answer| answer.status == 400 && answer.json()["__type"] == "ProvisionedThroughputExceededException";
    let input =
        json!({ "StreamName": "thing", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON" });
    let iterator = ask(at, "GetShardIterator", &input).json()["ShardIterator"].clone();
    let read = json!({ "ShardIterator": iterator, "Limit": 1 });
    let end = Instant::now() + WAIT_TIME_MAX;
    while !refused(&ask(at, "GetRecords", &read)) {
        assert!(Instant::now() < end, "a shard answers more than five reads a second");
    }
    until("it answers again", || ask(at, "GetRecords", &read), |answer| answer.status == 200);
    until("it takes again", || ask(at, "PutRecord", &one), |answer| answer.status == 200);
    daemon.stop();
}
