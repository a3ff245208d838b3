//! A new version is tried on its first records: one that is bad is rewound by itself, and nothing of it is seen.

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::{changeling, digest, replace};
use tidemill_tests::things::{House, Stream, goes_on, post};

/// A version that behaves so is offered under load: it is refused for `reason`, and nothing of it is seen.
fn check(behaviour: &str, reason: &str) {
    let good = changeling("good");
    let house = House::new(&format!("trial-{behaviour}"), &good);
    let daemon = house.start();
    let stream = Stream::start(daemon.topics, 0);
    goes_on(&daemon);
    let (status, answer) = post(&daemon, "/tables/thing/reload", &changeling(behaviour));
    assert_eq!(status, 409, "{answer}");
    let said = answer["message"].as_str().expect("a message");
    assert!(said.contains(reason), "{said}");
    goes_on(&daemon);
    assert_eq!(daemon.status()["tables"]["thing"]["digest"], *digest(&good));
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    assert_eq!(house.audit(sent), ["good"], "{behaviour}");
    assert_eq!(query(&house.pipeline, "SELECT count(DISTINCT digest) FROM tidemill_ledger")[1], "1");
    assert_eq!(query(&house.pipeline, "SELECT count(*) FROM tidemill_dead_letters")[1], "0");
}

#[test]
fn a_version_that_fails_on_one_record_of_fifty_is_rewound() {
    check("traps", "it failed on ");
}

#[test]
fn a_version_that_rejects_everything_is_rewound() {
    check("rejects", "it rejected ");
}

#[test]
fn a_version_that_never_ends_is_rewound_at_its_first_call() {
    check("loops", "out of time");
}

#[test]
fn a_version_that_leaks_is_rewound() {
    check("leaks", "its memory grew call after call");
}

#[test]
fn a_version_that_is_bad_where_no_other_worker_saw_it_is_withdrawn() {
    let (good, bad) = (changeling("good"), changeling("rejects"));
    let house = House::new("trial-later", &good);
    let daemon = house.start();
    // Nothing to try it on: it is taken, and judged by the first records that come.
    let (status, answer) = post(&daemon, "/tables/thing/reload", &bad);
    assert_eq!((status, &answer["generation"]), (200, &Value::from(2)));
    let stream = Stream::start(daemon.topics, 0);
    daemon.wait("it is withdrawn", |status| status["tables"]["thing"]["digest"] == *digest(&good));
    goes_on(&daemon);
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    assert_eq!(house.audit(sent), ["good"]);
    let history = "SELECT number, withdrawn, digest FROM tidemill_generations ORDER BY number";
    let expected = [(1, 0, &good), (2, 1, &bad), (3, 0, &good)];
    let expected = expected.map(|(number, withdrawn, bytes)| format!("{number},{withdrawn},{}", digest(bytes)));
    assert_eq!(query(&house.pipeline, history)[1..], expected);
}

#[test]
fn a_person_goes_back_and_stays_there() {
    let [first, second, third] = ["first", "second", "third"].map(changeling);
    let house = House::new("trial-back", &first);
    let live = |work: &dyn Fn(&Daemon)| {
        let daemon = house.start();
        work(&daemon);
        daemon.settle();
        daemon.stop();
    };
    let serves = |daemon: &Daemon, bytes: &[u8]| {
        let digest = digest(bytes);
        daemon.wait("all workers have it", |status| {
            let table = &status["tables"]["thing"];
            ["0", "1"].iter().all(|partition| table["workers"][*partition]["digest"] == *digest)
        });
    };
    live(&|daemon| {
        let (status, answer) = post(daemon, "/tables/thing/rollback", b"");
        assert_eq!(status, 404, "there is nothing to go back to: {answer}");
        replace(&house.file(), &second);
        serves(daemon, &second);
        let (status, answer) = post(daemon, "/tables/thing/rollback", b"");
        assert_eq!((status, &answer["digest"]), (200, &Value::from(digest(&first))));
        serves(daemon, &first);
        replace(&house.file(), &third);
        let status = daemon
            .wait("the file is refused", |status| status["tables"]["thing"]["last_offer"]["digest"] == *digest(&third));
        let refused = status["tables"]["thing"]["last_offer"]["refused"].as_str().unwrap_or_default();
        assert!(refused.contains("generation 3 is pinned"), "{refused}");
    });
    // A restart keeps the pin, and only a person's word takes the file.
    live(&|daemon| {
        serves(daemon, &first);
        let (status, _) = post(daemon, "/tables/thing/reload", b"");
        assert_eq!(status, 200);
        serves(daemon, &third);
        let answer = http::get(daemon.admin, "/tables/thing/generations").json();
        let seen: Vec<(u64, String)> = answer
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                (one["number"].as_u64().expect("a number"), one["digest"].as_str().expect("a digest").to_owned())
            })
            .collect();
        let expected = [(1, &first), (2, &second), (3, &first), (4, &third)];
        assert_eq!(seen[..3], expected.map(|(number, bytes)| (number, digest(bytes)))[..3]);
    });
    live(&|daemon| serves(daemon, &third));
}
