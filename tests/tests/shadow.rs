//! A candidate beside the live transform: what it does is seen, none of it is kept, and it is promoted only through its gate.

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::{changeling, digest, rebuilt, wider};
use tidemill_tests::things::{House, Stream, goes_on, post};

fn report(daemon: &Daemon) -> Value {
    http::get(daemon.admin, "/tables/thing/shadow").json()
}

/// Waits until the shadow has compared so many records, and gives what it has seen.
fn compared(daemon: &Daemon, records: u64) -> Value {
    daemon.wait("the shadow compares", |status| {
        status["tables"]["thing"]["shadow"]["records"].as_u64().is_some_and(|seen| seen >= records)
    });
    report(daemon)
}

fn counts(report: &Value, names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| report[*name].as_u64().expect("a number")).collect()
}

/// A candidate runs beside the live version while `work` looks at it; the results are those of the live version alone.
fn beside(name: &str, candidate: &[u8], work: impl Fn(&Daemon)) {
    let good = changeling("good");
    let house = House::new(name, &good);
    let daemon = house.start();
    let stream = Stream::start(daemon.topics, 0);
    goes_on(&daemon);
    let (status, answer) = post(&daemon, "/tables/thing/shadow", candidate);
    assert_eq!((status, &answer["digest"]), (200, &Value::from(digest(candidate))), "{answer}");
    work(&daemon);
    let (status, answer) = post(&daemon, "/tables/thing/discard", b"");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(http::get(daemon.admin, "/tables/thing/shadow").status, 404);
    goes_on(&daemon);
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    assert_eq!(house.audit(sent), ["good"]);
    assert_eq!(query(&house.pipeline, "SELECT count(DISTINCT digest) FROM tidemill_ledger")[1], "1");
}

#[test]
fn every_row_is_another_and_the_gate_holds_it_back() {
    beside("shadow-other", &changeling("other"), |daemon| {
        let seen = compared(daemon, 2_000);
        let records = seen["records"].as_u64();
        assert_eq!([&seen["rows_changed"], &seen["fields"]["mark"]["changed"]].map(Value::as_u64), [records, records]);
        assert_eq!(counts(&seen, &["rows_equal", "rows_added", "rows_lost", "newly_rejected", "failed"]), [0; 5]);
        let example = &seen["fields"]["mark"]["examples"][0];
        assert_eq!((&example["live"], &example["candidate"]), (&Value::from("good"), &Value::from("other")));
        let (status, answer) = post(daemon, "/tables/thing/promote?changed_max=0.5", b"");
        assert_eq!(status, 409);
        let said = answer["message"].as_str().expect("a message");
        assert!(
            said.contains("the shadow is not promoted") && said.contains("rows differ, 100.000 % (at most 50 %)"),
            "{said}"
        );
    });
}

#[test]
fn records_that_it_fails_on_or_rejects_are_counted() {
    beside("shadow-traps", &changeling("traps"), |daemon| {
        let seen = compared(daemon, 2_000);
        let [lost, rejected, failed] = counts(&seen, &["rows_lost", "newly_rejected", "failed"])[..] else { panic!() };
        assert!(lost > 0 && lost == rejected && rejected == failed, "{seen}");
        assert!(seen["rejected"][0]["reason"].as_str().is_some_and(|reason| reason.contains("trapped")), "{seen}");
        let (status, answer) = post(daemon, "/tables/thing/promote?changed_max=1", b"");
        assert!(
            status == 409 && answer["message"].as_str().is_some_and(|said| said.contains("it failed on")),
            "{answer}"
        );
    });
    beside("shadow-wider", &wider(), |daemon| {
        let seen = compared(daemon, 10_000);
        assert!(counts(&seen, &["newly_rejected"])[0] > 0, "{seen}");
        assert!(seen["changes"][0].as_str().is_some_and(|change| change.contains("\"place\"")), "{seen}");
        assert_eq!(
            seen["fields"].as_object().map(|fields| fields.len()),
            Some(1),
            "a field more makes no row another: {seen}"
        );
    });
}

#[test]
fn one_that_never_ends_holds_nobody_up() {
    beside("shadow-loops", &changeling("loops"), |daemon| {
        daemon.wait("it is given up", |status| status["tables"]["thing"]["shadow"]["trouble"].is_string());
        let trouble = report(daemon)["trouble"].as_str().expect("a reason").to_owned();
        assert!(trouble.contains("out of time"), "{trouble}");
        goes_on(daemon);
        assert!(daemon.status()["trouble"].as_array().is_some_and(Vec::is_empty));
    });
}

#[test]
fn an_equal_one_is_promoted_from_an_offset_on() {
    let (good, equal) = (changeling("good"), rebuilt(&changeling("good"), "equal"));
    let house = House::new("shadow-equal", &good);
    let daemon = house.start();
    let stream = Stream::start(daemon.topics, 0);
    goes_on(&daemon);
    let file = house.put("candidate.wasm", &equal);
    let found = house.found(&daemon);
    let found = found.to_str().expect("a path");
    let command = |arguments: &[&str]| {
        let output = tidemill(arguments.iter().copied().chain(["-p", found]));
        let told = [&output.stdout[..], &output.stderr].concat();
        (output.status.success(), String::from_utf8(told).expect("text"))
    };
    let (well, told) = command(&["shadow", "thing", file.to_str().expect("a path"), "--share", "0.9"]);
    assert!(well && told.contains("runs as a shadow"), "{told}");
    compared(&daemon, 5_000);
    let (well, told) = command(&["shadow", "thing"]);
    assert!(well && told.contains("rows changed                   0") && told.contains("ns a record"), "{told}");
    let (well, told) = command(&["promote", "thing", "--max-changed", "0.1%"]);
    assert!(well && told.contains("generation 2 is in service"), "{told}");
    goes_on(&daemon);
    let sent = stream.end();
    daemon.settle();
    let history = http::get(daemon.admin, "/tables/thing/generations").json();
    assert!(history[1]["partitions"][0]["first_offset"].as_u64().is_some_and(|offset| offset > 0), "{history}");
    daemon.stop();
    assert_eq!(house.audit(sent), ["good"]);
    let (well, told) = command(&["promote", "thing"]);
    assert!(!well && !told.is_empty(), "nothing runs any more: {told}");
}
