//! What `GET /status` says of the doors: where each is, its limits, what came in and what was refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

use super::DOORS;
use super::kept::ask;

const JSON: (&str, &str) = ("content-type", "application/json");
const V2: (&str, &str) = ("content-type", "application/vnd.kafka.json.v2+json");

fn post(to: std::net::SocketAddr, path: &str, more: &[(&str, &str)], body: &Value) -> Answer {
    http::request(to, "POST", path, &[&[V2], more].concat(), body.to_string().as_bytes())
}

/// How a door is shown.
fn shown<'a>(status: &'a Value, door: &str) -> &'a Value {
    let doors = status["doors"].as_array().expect("doors");
    doors.iter().find(|shown| shown["door"] == door).unwrap_or_else(|| panic!("no door {door}: {status:#}"))
}

/// Refusals by reason, out of the answers that gave them.
fn reasons(answers: &[(Answer, &str)]) -> Value {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (answer, reason) in answers {
        assert!(answer.body.contains(reason) || answer.status.to_string() == *reason, "{reason}: {answer:?}");
        *counted.entry((*reason).to_owned()).or_default() += 1;
    }
    json!(counted)
}

#[test]
fn each_door_tells_what_came_in_and_what_was_refused_by_reason() {
    let doors = DOORS.replace("[epoch]", "[ingest]\nbody = \"4KiB\"\nrecords = 10\n[epoch]");
    let replace = [("[epoch]\n", doors.as_str()), ("[topics.thing]\n", "[topics.thing]\nrecord = \"1KiB\"\n")];
    let house = House::with("doors-told", &changeling("good"), &replace);
    let daemon = Daemon::start_with_log(&house.pipeline);
    let (rest, gateway, kinesis) =
        (daemon.topics, daemon.gateway.expect("a gateway"), daemon.kinesis.expect("Kinesis"));
    let large = "x".repeat(2 << 10);

    // The REST proxy: three and one of three; two and the same two again.
    let some = json!({ "records": [{ "value": { "ind": 1 } }, { "value": { "ind": 2 } }, { "value": { "ind": 3 } }] });
    assert_eq!(post(rest, "/topics/thing", &[], &some).status, 200);
    let mixed = json!({ "records": [{ "value": { "ind": 4 } }, { "value": large }, { "value": {}, "partition": 9 }] });
    assert_eq!(post(rest, "/topics/thing", &[], &mixed).json()["offsets"][0]["error_code"], Value::Null);
    let named = [("producer-id", "told"), ("producer-epoch", "1"), ("producer-sequence", "0")];
    let two = json!({ "records": [{ "value": { "ind": 5 } }, { "value": { "ind": 6 } }] });
    for _ in 0..2 {
        assert_eq!(post(rest, "/topics/thing", &named, &two).status, 200);
    }
    let eleven = json!({ "records": vec![json!({ "value": 1 }); 11] });
    let of_rest = reasons(&[
        (post(rest, "/topics/none", &[], &some), "40401"),
        (post(rest, "/topics/none", &[], &some), "40401"),
        (post(rest, "/topics/thing", &[], &json!({ "records": [{ "value": large.repeat(2) }] })), "413"),
        (post(rest, "/topics/thing", &[], &eleven), "413"),
    ]);

    // The gateway: a record for each of what lies behind it.
    let put = |path: &str, body: &Value| http::request(gateway, "PUT", path, &[JSON], body.to_string().as_bytes());
    let one = json!({ "Data": { "ind": 7 }, "PartitionKey": "k" });
    assert!(put("/dev/streams/thing/record", &one).json()["SequenceNumber"].is_string());
    let of_proxy = json!({ "records": [{ "value": { "ind": 8 } }] });
    assert_eq!(post(gateway, "/dev/topics/thing", &[], &of_proxy).status, 200);
    let of_gateway = reasons(&[
        (http::get(gateway, "/prod/topics"), "403"),
        (put("/dev/streams/none/record", &one), "ResourceNotFoundException"),
        (post(gateway, "/dev/topics/none", &[], &of_proxy), "40401"),
    ]);

    // Kinesis: two records, and none of a request in which one is too large.
    let put = |stream: &str, data: &[&str]| {
        let records: Vec<Value> = data.iter().map(|data| json!({ "Data": data, "PartitionKey": "k" })).collect();
        ask(kinesis, "PutRecords", &json!({ "StreamName": stream, "Records": records }))
    };
    assert_eq!(put("thing", &["eyJpbmQiOjl9", "eyJpbmQiOjl9"]).json()["FailedRecordCount"], 0);
    let of_kinesis = reasons(&[
        (put("none", &["YQ=="]), "ResourceNotFoundException"),
        (put("thing", &["YQ==", &large]), "ValidationException"),
        (ask(kinesis, "Dream", &json!({})), "UnknownOperationException"),
    ]);

    let status = daemon.status();
    let taken = |records: u64, bytes: u64, repeats: u64| {
        let topic = json!({ "records": records, "bytes": bytes, "repeats": repeats });
        json!({ "records": records, "bytes": bytes, "repeats": repeats, "topics": { "thing": topic } })
    };
    // A value is nine bytes, a key one.
    for (door, address, came, requests, records, limits) in [
        (
            "rest",
            rest,
            taken(6, 54, 2),
            of_rest,
            json!({ "thing": { "input": 1, "missing": 1 } }),
            json!({ "body_bytes": 4096, "request_records": 10 }),
        ),
        ("gateway", gateway, taken(2, 19, 0), of_gateway, json!({}), json!({ "body_bytes": 10_485_760 })),
        (
            "kinesis",
            kinesis,
            taken(2, 20, 0),
            of_kinesis,
            json!({}),
            json!({ "request_records": 500, "shard": null, "connections": 1024 }),
        ),
    ] {
        let shown = shown(&status, door);
        assert_eq!(shown["address"], format!("http://{address}"), "{door}");
        assert_eq!(shown["taken"], came, "{door}");
        assert_eq!(shown["refused"], json!({ "requests": requests, "records": records }), "{door}");
        for (limit, expected) in limits.as_object().expect("limits") {
            assert_eq!(shown["limits"].get(limit), Some(expected), "{door}: {limit}");
        }
    }
    assert!(shown(&status, "gateway")["limits"]["stages"]["dev"]["timeout_ms"] == 29_000, "{status:#}");
    daemon.stop();
}
