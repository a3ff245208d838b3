//! A transform that never ends pauses its own table, with the reason, and no other.

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::pair::{Pair, post};
use tidemill_tests::place::changeling;

/// Records of a request.
const BATCH: u64 = 500;

fn worker<'a>(status: &'a Value, table: &str, partition: &str) -> &'a Value {
    &status["tables"][table]["workers"][partition]
}

/// Waits until all that was posted to `good` is committed.
fn good_is_committed(daemon: &Daemon, sent: u64) {
    let line = format!("tidemill_records_in_total{{table=\"good\"}} {sent}");
    daemon.wait("the other table goes on", |_| http::get(daemon.admin, "/metrics").body.lines().any(|one| one == line));
}

#[test]
fn three_deadline_hits_in_a_row_pause_a_table_and_no_other() {
    let pair = Pair::new("pause", &changeling("good"), &changeling("loops"));
    let daemon = Daemon::start(&pair.pipeline);
    let mut sent = 0;
    let mut both = |daemon: &Daemon| {
        for _ in 0..4 {
            post(daemon.topics, "good", sent, BATCH);
            post(daemon.topics, "bad", sent, BATCH);
            sent += BATCH;
        }
        sent
    };
    both(&daemon);
    let paused = daemon.wait("both workers of the table pause", |status| {
        ["0", "1"].iter().all(|partition| worker(status, "bad", partition)["paused"] == true)
    });
    let reason = "transform \"changeling\": out of time (limit deadline = 250 ms)";
    for partition in ["0", "1"] {
        let state = worker(&paused, "bad", partition);
        assert_eq!((&state["trouble"]["why"], &state["next"]), (&Value::from(reason), &Value::from(0)));
        let what = format!("table \"bad\", partition {partition}");
        let said =
            |trouble: &Value| trouble["what"] == what && trouble["why"] == reason && trouble["since"].is_string();
        assert!(paused["trouble"].as_array().is_some_and(|all| all.iter().any(said)), "{paused:#}");
    }
    assert_eq!(http::get(daemon.admin, "/ready").status, 503, "the pipeline says that something is wrong");
    let sent = both(&daemon);
    good_is_committed(&daemon, sent);
    let status = daemon.status();
    assert_eq!(worker(&status, "good", "0")["trouble"], Value::Null);
    assert!(
        worker(&status, "bad", "0")["paused"] == true && worker(&status, "bad", "1")["paused"] == true,
        "{status:#}"
    );
    // A version that ends takes up where the other stood.
    let answer = http::request(daemon.admin, "POST", "/tables/bad/reload", &[], &changeling("mended"));
    assert_eq!(answer.status, 200, "{answer:?}");
    daemon.settle();
    daemon.stop();
    for (table, mark) in [("good", "good"), ("bad", "mended")] {
        let rows = query(&pair.pipeline, &format!("SELECT mark, count(*) FROM {table} GROUP BY 1"));
        assert_eq!(rows[1..], [format!("{mark},{sent}")]);
    }
    assert_eq!(query(&pair.pipeline, "SELECT count(*) FROM tidemill_dead_letters")[1], "0");
}
