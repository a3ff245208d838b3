//! The doors beside the REST proxy: the API gateway and Kinesis's own API, as their clients see them.

mod hostile;
mod kept;
mod keyed;
mod late;

use tidemill_tests::daemon::Daemon;
use tidemill_tests::exchange::{self, Notes};
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
    let refused = tidemill_tests::http::get(daemon.admin, "/metrics").body;
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
