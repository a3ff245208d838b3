//! A version that writes other fields: one more is taken while records flow, what would break readers is refused or accepted.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tidemill_tests::daemon::{query, tidemill};
use tidemill_tests::place::{changeling, digest, replace, wider};
use tidemill_tests::things::{House, Stream, goes_on, post};

/// Objects of a minute in Parquet, so that segments from before and after a change are of one window.
const PARQUET: [(&str, &str); 2] =
    [("format = \"json\"", "format = \"parquet\""), ("window = \"1s\"", "window = \"2s\"")];

#[test]
fn a_field_more_is_taken_and_shown_and_a_field_less_is_not() {
    let (narrow, wide) = (changeling("good"), wider());
    let house = House::with("fields", &narrow, &PARQUET);
    let daemon = house.start();
    let stream = Stream::start(daemon.topics, 0);
    goes_on(&daemon);
    let (status, answer) = post(&daemon, "/tables/thing/reload", &wide);
    assert_eq!(status, 200, "{answer}");
    let added =
        "\"place\" (int64, or null) is added: objects of the lake have it from now on, and those before read as null";
    assert_eq!(answer["changes"], Value::from(vec![added]));
    goes_on(&daemon);
    // Back to fewer fields: only with a word that this is meant.
    let (status, answer) = post(&daemon, "/tables/thing/reload", &narrow);
    let said = answer["message"].as_str().expect("a message");
    assert_eq!(status, 409);
    assert!(said.contains("\"place\" (int64, or null) is removed") && said.contains("--accept-breaking"), "{said}");
    goes_on(&daemon);
    let (status, answer) = post(&daemon, "/tables/thing/reload?accept_breaking=true", &narrow);
    assert_eq!((status, &answer["digest"]), (200, &Value::from(digest(&narrow))), "{answer}");
    goes_on(&daemon);
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    let rejected: u64 =
        query(&house.pipeline, "SELECT sum(rejected) FROM tidemill_ledger")[1].parse().expect("a number");
    let sums = "SELECT (SELECT sum(records_in) FROM tidemill_ledger), (SELECT count(*) FROM thing), (SELECT sum(rows) FROM tidemill_objects)";
    assert_eq!(
        query(&house.pipeline, sums)[1],
        [sent, sent - rejected, sent - rejected].map(|n| n.to_string()).join(",")
    );
    // An object has the components of one set of fields.
    let mixed = query(&house.pipeline, "SELECT digests FROM tidemill_objects WHERE table_name = 'thing'");
    let (narrow, wide) = (digest(&narrow), digest(&wide));
    let (mut with, mut without) = (0, 0);
    for digests in &mixed[1..] {
        match (digests.contains(&narrow), digests.contains(&wide)) {
            (true, false) => without += 1,
            (false, true) => with += 1,
            _ => panic!("an object of two sets of fields: {digests}"),
        }
    }
    assert!(with > 0 && without > 0, "{with} objects with the field, {without} without");
}

#[test]
fn what_the_pipeline_file_names_stays() {
    let (wide, narrow) = (wider(), changeling("good"));
    let house = House::with("fields-named", &wide, &[("\"mark\"", "\"place\"")]);
    let daemon = house.start();
    for path in ["/tables/thing/reload", "/tables/thing/reload?accept_breaking=true"] {
        let (status, answer) = post(&daemon, path, &narrow);
        let said = answer["message"].as_str().expect("a message");
        assert_eq!(status, 409, "{said}");
        let (gone, kept) = ("\"place\" (int64, or null) is removed", "SQLite has it, by cache");
        assert!(said.contains(gone) && said.contains(kept), "{said}");
    }
    daemon.stop();
}

#[test]
fn a_start_takes_the_file_where_what_was_in_service_lacks_what_the_pipeline_names() {
    let (narrow, wide) = (changeling("good"), wider());
    let house = House::new("fields-new", &narrow);
    let live = |first: u64| {
        let daemon = house.start();
        let stream = Stream::start(daemon.topics, first);
        goes_on(&daemon);
        let sent = stream.end();
        daemon.settle();
        daemon.stop();
        sent
    };
    let sent = live(0);
    replace(&house.file(), &wide);
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    fs::write(&house.pipeline, text.replace("\"mark\"", "\"place\"")).expect("the pipeline file");
    let more = live(sent);
    assert_eq!(query(&house.pipeline, "SELECT count(*) FROM thing WHERE place IS NULL")[1], "0");
    assert_eq!(query(&house.pipeline, "SELECT sum(records_in) FROM tidemill_ledger")[1], (sent + more).to_string());
}

#[test]
fn a_start_can_accept_what_breaks() {
    let (wide, narrow) = (wider(), changeling("good"));
    let house = House::new("fields-start", &wide);
    house.start().stop();
    replace(&house.file(), &narrow);
    let daemon = house.start();
    let offer = daemon.status()["tables"]["thing"]["last_offer"].clone();
    assert!(offer["refused"].as_str().is_some_and(|refused| refused.contains("its fields would change")), "{offer}");
    daemon.stop();
    let daemon = house.start_with(&["--accept-breaking"]);
    assert_eq!(daemon.status()["tables"]["thing"]["digest"], *digest(&narrow));
    daemon.stop();
    checks(&house.pipeline);
}

fn checks(pipeline: &Path) {
    let output = tidemill(["check", pipeline.to_str().expect("a path")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
