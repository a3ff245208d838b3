//! The doors beside the REST proxy: the API gateway and Kinesis's own API, as their clients see them.

mod hostile;
mod kept;
mod keyed;
mod late;
mod told;
mod wrapped;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::exchange::{self, Notes};
use tidemill_tests::http;
use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

/// Both doors, with a stage of each kind.
pub(crate) const DOORS: &str = r#"
[gateway]
listen = "127.0.0.1:0"
[gateway.stages.dev]
shards = 3
[gateway.stages.mapped]
quoting = "plain"
status = "mapped"
[gateway.stages.json]
quoting = "json"
[gateway.stages.whole]
quoting = "body"
[gateway.stages.streams-only]
routes = ["streams"]
[gateway.stages.proxy-only]
routes = ["proxy"]
[kinesis]
listen = "127.0.0.1:0"
[epoch]
"#;

/// A pipeline with both doors.
pub(crate) fn house(name: &str) -> House {
    House::with(name, &changeling("good"), &[("[epoch]\n", DOORS)])
}

#[test]
fn the_gateway_answers_as_awss_does() {
    let daemon = Daemon::start_with_log(&house("doors-gateway").pipeline);
    let count = exchange::play(include_str!("gateway.txt"), daemon.gateway.expect("a gateway"), &mut Notes::new());
    assert!(count >= 60, "{count} exchanges");
    let refused = http::get(daemon.admin, "/metrics").body;
    assert!(refused.contains("tidemill_refused_requests_total{door=\"gateway\",reason=\"413\"} 2"), "{refused}");
    daemon.stop();
}

#[test]
fn kinesis_answers_as_awss_does() {
    let daemon = Daemon::start_with_log(&house("doors-kinesis").pipeline);
    let count = exchange::play(include_str!("kinesis.txt"), daemon.kinesis.expect("Kinesis"), &mut Notes::new());
    assert!(count >= 120, "{count} exchanges");
    daemon.stop();
}

#[test]
fn packed_bodies_are_unpacked_once_and_up_to_their_limit() {
    let daemon = Daemon::start_with_log(&house("doors-packed").pipeline);
    let at = daemon.gateway.expect("a gateway");
    // `{"records":[{"value":{"ind":1}}]}` and `{"Data":{"ind":2},"PartitionKey":"k"}`, as Python's gzip packs them.
    let post = "H4sIAAAAAAACA6tWKkpNzi9KKVayiq5WKkvMKU1VsqpWysxLUbIyrK2NrQUApDwijCEAAAA=";
    let put = "H4sIAAAAAAACA6tWckksSVSyqlbKzEtRsjKq1VEKSCwqySzJzM/zTq1UslLKVqoFANp1sswlAAAA";
    let unpacked = |text: &str| STANDARD.decode(text).expect("base64");
    let send = |method: &str, path: &str, kind: &str, body: &[u8]| {
        http::request(at, method, path, &[("content-type", kind), ("content-encoding", "gzip")], body)
    };
    let proxy = "application/vnd.kafka.json.v2+json";
    assert_eq!(send("POST", "/dev/topics/thing", proxy, &unpacked(post)).json()["offsets"][0]["offset"], 0);
    let placed = send("PUT", "/dev/streams/thing/record", "application/json", &unpacked(put)).json();
    assert!(placed["SequenceNumber"].is_string(), "{placed}");
    for (body, status, message) in
        [(b"no gzip".to_vec(), 400, "Bad Request"), (unpacked(post)[..20].to_vec(), 400, "Bad Request")]
    {
        let answer = send("POST", "/dev/topics/thing", proxy, &body);
        assert_eq!((answer.status, answer.json()["message"].as_str()), (status, Some(message)), "{answer:?}");
    }
    let v3 = http::get(at, "/dev/v3/clusters/none");
    assert!(v3.status == 404 && v3.headers.contains("content-type: application/json"), "{v3:?}");
    daemon.stop();
}
