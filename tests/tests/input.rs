//! Requests that are wrong, too large, cut short or too many: each is answered in words, and keeps nothing that it should not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own, query};
use tidemill_tests::http::{self, Answer};
use tidemill_tests::place::Folder;

const JSON: &str = "application/vnd.kafka.json.v2+json";
const BINARY: &str = "application/vnd.kafka.binary.v2+json";
const GOOD: &str = r#"{"records":[{"value":{"ind":1,"category":"art"}}]}"#;
/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// A pipeline with narrow limits: bodies of 8 KiB, one at a time; 5 records in a request; records of 1 KiB.
struct Narrow {
    _folder: Folder,
    pipeline: PathBuf,
    daemon: Daemon,
}

impl Narrow {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let narrow = [
            ("body = \"8MiB\"", "body = \"8KiB\""),
            ("records = 10000", "records = 5"),
            ("inflight = \"256MiB\"", "inflight = \"8KiB\""),
            ("[topics.pin]\n", "[topics.pin]\nrecord = \"1KiB\"\n"),
        ];
        let pipeline = pinterest_of_its_own(folder.path(), &narrow);
        let daemon = Daemon::start(&pipeline);
        Self { _folder: folder, pipeline, daemon }
    }

    fn to(&self) -> SocketAddr {
        self.daemon.topics
    }

    /// Posts to the topic pin as `content_type`.
    fn post(&self, content_type: &str, body: &str) -> Answer {
        http::request(self.to(), "POST", "/topics/pin", &[("content-type", content_type)], body.as_bytes())
    }

    /// A request is refused with a status, a code in the body, and a message that has `part`.
    fn refused(&self, answer: &Answer, status: u16, code: u64, part: &str) {
        let body = answer.json();
        let message = body["message"].as_str().unwrap_or_default();
        let got = (answer.status, body["error_code"].as_u64());
        assert!(
            got == (status, Some(code)) && message.contains(part),
            "expected {status}, {code}, {part:?}: {answer:?}"
        );
    }

    /// How many records the topic pin has.
    fn kept(&self) -> u64 {
        let partitions = self.daemon.status()["topics"]["pin"].as_array().expect("its partitions").clone();
        partitions.iter().map(|partition| partition["end"].as_u64().expect("an offset")).sum()
    }

    /// A good request is taken, the pipeline is in order, and `kept` records are committed in all.
    fn goes_on(self, kept: u64) {
        assert_eq!(self.kept(), kept - 1);
        assert_eq!(self.post(JSON, GOOD).status, 200);
        let status = self.daemon.wait("all is committed", |status| status["settled"] == true);
        assert_eq!(status["trouble"], json!([]));
        self.daemon.stop();
        let sql = "SELECT coalesce(sum(records_in), 0) FROM tidemill_ledger WHERE table_name = 'pin'";
        assert_eq!(query(&self.pipeline, sql)[1], kept.to_string());
    }
}

/// The answers for the records of a request, each as partition and offset, or code and message.
fn receipts(answer: &Answer) -> Vec<Result<(u64, u64), (u64, String)>> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let receipt = |receipt: &Value| match receipt["error_code"].as_u64() {
        None => {
            Ok((receipt["partition"].as_u64().expect("a partition"), receipt["offset"].as_u64().expect("an offset")))
        }
        Some(code) => {
            assert!(receipt["partition"].is_null() && receipt["offset"].is_null(), "{answer:?}");
            Err((code, receipt["error"].as_str().unwrap_or_default().to_owned()))
        }
    };
    answer.json()["offsets"].as_array().expect("a receipt for each record").iter().map(receipt).collect()
}

#[test]
fn wrong_bodies() {
    let narrow = Narrow::start("input-bodies");
    let six = format!("{{\"records\":[{}]}}", ["{\"value\":1}"; 6].join(","));
    for (content_type, body, status, code, part) in [
        (JSON, "", 422, 422, "Request body is empty"),
        (JSON, "  \n", 422, 422, "Request body is empty"),
        (JSON, "{", 400, 400, "Bad Request: EOF while parsing"),
        (JSON, r#"{"records":[{"value":{"ind":1}}"#, 400, 400, "Bad Request: EOF while parsing"),
        (JSON, r#"{"records":[{"value":{"ind":1,}}]}"#, 400, 400, "Bad Request: key must be a string"),
        (JSON, r#"[{"value":1}]"#, 400, 400, "Bad Request: invalid type"),
        (JSON, r#"{"records":{"value":1}}"#, 400, 400, "Bad Request: invalid type"),
        (JSON, r#"{"records":[{"value":"\ud83d"}]}"#, 400, 400, "Bad Request: "),
        (JSON, "{}", 422, 422, "records may not be empty"),
        (JSON, r#"{"records":null}"#, 422, 422, "records may not be empty"),
        (JSON, r#"{"records":[]}"#, 422, 422, "records may not be empty"),
        (JSON, r#"{"records":[{"value":1}],"more":1}"#, 422, 422, "Unrecognized field: more"),
        (JSON, r#"{"records":[{"values":1}]}"#, 422, 422, "Unrecognized field: values"),
        (JSON, r#"{"records":[{"value":1,"partition":"0"}]}"#, 400, 400, "Bad Request: invalid type"),
        (JSON, r#"{"records":[{"value":1,"partition":9223372036854775808}]}"#, 400, 400, "Bad Request: invalid value"),
        (JSON, r#"{"value_schema_id":1,"records":[{"value":1}]}"#, 422, 42206, "Schema Registry must be configured"),
        (JSON, &six, 413, 413, "records: 6 are over the limit of 5 in one request"),
        (BINARY, r#"{"records":[{"value":"AQI="},{"value":"?"}]}"#, 400, 400, "Bad Request: data=\"?\""),
        (BINARY, r#"{"records":[{"value":{"ind":1}}]}"#, 400, 400, "Bad Request: data={\"ind\":1}"),
    ] {
        narrow.refused(&narrow.post(content_type, body), status, code, part);
    }
    narrow.goes_on(1);
}

#[test]
fn wrong_types_and_places() {
    let narrow = Narrow::start("input-types");
    for wrong in
        ["text/plain", "application/json", "application/x-www-form-urlencoded", "application/vnd.kafka.v2+json", ""]
    {
        narrow.refused(&narrow.post(wrong, GOOD), 415, 415, "Unsupported Media Type");
    }
    narrow.refused(
        &http::request(narrow.to(), "POST", "/topics/pin", &[], GOOD.as_bytes()),
        415,
        415,
        "Unsupported Media Type",
    );
    for schemas in ["avro", "protobuf", "jsonschema"] {
        let answer = narrow.post(&format!("application/vnd.kafka.{schemas}.v2+json"), GOOD);
        narrow.refused(&answer, 422, 42202, "Values must have a value schema");
    }
    for accept in ["text/plain", "application/xml, text/html;q=0.5"] {
        let headers = [("content-type", JSON), ("accept", accept)];
        let answer = http::request(narrow.to(), "POST", "/topics/pin", &headers, GOOD.as_bytes());
        assert_eq!((answer.status, answer.body.as_str()), (406, ""), "{accept}");
    }
    narrow.refused(&http::post(narrow.to(), "pins", GOOD), 404, 40401, "Topic not found.");
    narrow.refused(&http::post(narrow.to(), "..%2Fpin", GOOD), 404, 40401, "Topic not found.");
    narrow.refused(&http::post(narrow.to(), "pin/0", GOOD), 404, 404, "Not Found");
    narrow.refused(
        &http::request(narrow.to(), "PUT", "/topics/pin", &[("content-type", JSON)], GOOD.as_bytes()),
        405,
        405,
        "Not Allowed",
    );
    narrow.refused(
        &http::request(narrow.to(), "POST", "/topics", &[("content-type", JSON)], GOOD.as_bytes()),
        405,
        405,
        "Not Allowed",
    );
    narrow.goes_on(1);
}

#[test]
fn too_large() {
    let narrow = Narrow::start("input-large");
    let large = format!("{{\"records\":[{{\"value\":\"{}\"}}]}}", "x".repeat(9_000));
    narrow.refused(&narrow.post(JSON, &large), 413, 413, "over the limit of 8192 bytes");
    let chunks: String = large
        .as_bytes()
        .chunks(1_000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let head = format!(
        "POST /topics/pin HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    narrow.refused(
        &http::raw(narrow.to(), format!("{head}{chunks}0\r\n\r\n").as_bytes()),
        413,
        413,
        "over the limit of 8192 bytes",
    );
    let taken = http::raw(narrow.to(), format!("{head}{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len()).as_bytes());
    assert_eq!(taken.status, 200, "{taken:?}");
    let head = format!(
        "POST /topics/pin HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nmore: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    assert_eq!(http::raw(narrow.to(), head.as_bytes()).status, 431);
    narrow.goes_on(2);
}

#[test]
fn a_record_over_its_limit_beside_good_ones() {
    let narrow = Narrow::start("input-record");
    let value =
        |ind: u64, bytes: usize| json!({ "value": { "ind": ind, "category": "x".repeat(bytes) }, "partition": 0 });
    let answer = narrow.post(JSON, &json!({ "records": [value(1, 1), value(2, 1_024), value(3, 1)] }).to_string());
    let large = value(2, 1_024)["value"].to_string().len();
    let error = format!("record: its {large} bytes are over the limit of 1024");
    assert_eq!(receipts(&answer), [Ok((0, 0)), Err((50002, error)), Ok((0, 1))]);
    narrow.goes_on(3);
}

#[test]
fn partitions_that_clients_choose() {
    let narrow = Narrow::start("input-partitions");
    let at = |partition: i64| json!({ "value": { "ind": 1, "category": "art" }, "partition": partition });
    let answer = narrow.post(JSON, &json!({ "records": [at(1), at(2), at(-1), at(i64::MAX), at(1)] }).to_string());
    let none = |partition: i64| Err((50003, format!("Partition {partition} of topic pin does not exist")));
    assert_eq!(receipts(&answer), [Ok((1, 0)), none(2), none(-1), none(i64::MAX), Ok((1, 1))]);
    // The figures of Kafka's own test of murmur2: the last bit of each decides between two partitions.
    for (nth, (key, partition)) in [
        ("MjE=", 0),                                                             // 21: -973932308
        ("Zm9vYmFy", 0),                                                         // foobar: -790332482
        ("YS1saXR0bGUtYml0LWxvbmctc3RyaW5n", 0),                                 // a-little-bit-long-string: -985981536
        ("YS1saXR0bGUtYml0LWxvbmdlci1zdHJpbmc=", 1), // a-little-bit-longer-string: -1486304829
        ("bGtqaDIzNGxoOWZpdWg5MHkyM29pdWhzYWZ1amhhZG9mMjI5cGhyOWgxOWg4OWg4", 1), // lkjh234lh9fiuh..: -58897971
        ("YWJj", 1),                                 // abc: 479470107
    ]
    .into_iter()
    .enumerate()
    {
        let answer = narrow.post(BINARY, &json!({ "records": [{ "key": key, "value": "e30=" }] }).to_string());
        assert_eq!(receipts(&answer)[0].as_ref().map(|(partition, _)| *partition), Ok(partition), "key {nth}");
    }
    narrow.goes_on(9);
}

#[test]
fn cut_at_every_fiftieth_byte() {
    let narrow = Narrow::start("input-cut");
    let records: Vec<Value> =
        (0..5).map(|ind| json!({ "value": { "ind": ind, "category": "x".repeat(200) } })).collect();
    let body = json!({ "records": records }).to_string();
    let head = format!("POST /topics/pin HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {JSON}\r\n");
    let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [&whole, &chunked] {
        for end in (0..request.len()).step_by(50).chain([request.len() - 1]) {
            let answer = http::cut(narrow.to(), &request.as_bytes()[..end]);
            assert!(matches!(answer.status, 0 | 400), "cut at {end}: {answer:?}");
        }
    }
    assert_eq!(narrow.kept(), 0, "nothing of a request that was cut");
    assert_eq!(http::raw(narrow.to(), whole.as_bytes()).status, 200);
    assert_eq!(http::raw(narrow.to(), chunked.as_bytes()).status, 200);
    narrow.goes_on(11);
}

#[test]
fn wrong_lengths() {
    let narrow = Narrow::start("input-lengths");
    let head = format!("POST /topics/pin HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {JSON}\r\n");
    let with = |lengths: &str| format!("{head}{lengths}\r\n{GOOD}");
    let length = GOOD.len();
    for lengths in [
        format!("content-length: {}\r\n", length - 1),
        format!("content-length: {}\r\n", length + 1),
        format!("content-length: {length}\r\ncontent-length: {}\r\n", length + 1),
        "content-length: -1\r\n".to_owned(),
        "content-length: many\r\n".to_owned(),
        "content-length: 0\r\n".to_owned(),
        String::new(),
    ] {
        let answer = http::cut(narrow.to(), with(&lengths).as_bytes());
        assert!(matches!(answer.status, 0 | 400 | 422), "{lengths:?}: {answer:?}");
    }
    assert_eq!(http::raw(narrow.to(), with(&format!("content-length: {length}\r\n")).as_bytes()).status, 200);
    narrow.goes_on(2);
}

#[test]
fn too_many_at_once() {
    let narrow = Narrow::start("input-busy");
    let mut slow = TcpStream::connect(narrow.to()).expect("the listener");
    let head = format!(
        "POST /topics/pin HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: {JSON}\r\ncontent-length: 8192\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).expect("it is sent");
    // The server asks for the body when it has found room for it: from here on there is no more.
    let mut asked = [0; 12];
    slow.read_exact(&mut asked).expect("it asks for the body");
    assert_eq!(&asked, b"HTTP/1.1 100");
    let busy = narrow.post(JSON, GOOD);
    narrow.refused(&busy, 429, 429, "try again later");
    assert!(busy.headers.to_lowercase().contains("\r\nretry-after: 1"), "{busy:?}");
    drop(slow);
    let end = Instant::now() + WAIT_TIME_MAX;
    while narrow.post(JSON, GOOD).status == 429 {
        assert!(Instant::now() < end, "there is room again");
        std::thread::yield_now();
    }
    narrow.goes_on(2);
}
