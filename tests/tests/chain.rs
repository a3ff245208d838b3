//! A table with two transforms: records pass both, and either is replaced by itself.

use serde_json::Value;
use tidemill_tests::daemon::{query, tidemill};
use tidemill_tests::place::{changeling, digest, rebuilt, replace, wider};
use tidemill_tests::things::{House, Stream, goes_on, post};

const CHAIN: (&str, &str) =
    ("transform = \"thing.wasm\"", "transforms = [\"thing.wasm\", { transform = \"wider.wasm\" }]");

fn joined(one: &[u8], other: &[u8]) -> String {
    format!("{}+{}", digest(one), digest(other))
}

#[test]
fn records_pass_both_and_either_is_replaced() {
    let (first, second) = (changeling("first"), wider());
    let house = House::with("chain", &first, &[CHAIN]);
    let file = house.put("wider.wasm", &second);
    let checked = tidemill(["check", house.pipeline.to_str().expect("a path")]);
    let shown = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && shown.contains("then") && shown.contains("wider 0.1.0"), "{shown}");
    let daemon = house.start();
    let stream = Stream::start(daemon.topics, 0);
    goes_on(&daemon);
    let serves = |expected: String| {
        daemon.wait("all workers have it", |status| {
            let table = &status["tables"]["thing"];
            ["0", "1"].iter().all(|partition| table["workers"][*partition]["digest"] == *expected)
        });
        goes_on(&daemon);
    };
    serves(joined(&first, &second));
    // By its file, by its number, by its name.
    let again = rebuilt(&second, "again");
    replace(&file, &again);
    serves(joined(&first, &again));
    let (status, answer) = post(&daemon, "/tables/thing/reload", &changeling("unsaid"));
    assert_eq!(status, 400, "{answer}");
    let said = answer["message"].as_str().expect("a message");
    assert!(said.contains("it has 2 transforms") && said.contains("name one of changeling, wider"), "{said}");
    let next = changeling("second");
    assert_eq!(post(&daemon, "/tables/thing/reload?transform=1", &next).0, 200);
    serves(joined(&next, &again));
    assert_eq!(post(&daemon, "/tables/thing/reload?transform=wider", &second).0, 200);
    serves(joined(&next, &second));
    // What does not fit the other is refused.
    let (status, answer) = post(&daemon, "/tables/thing/reload?transform=changeling", &second);
    assert_eq!(status, 200, "wider writes what wider reads: {answer}");
    serves(joined(&second, &second));
    let (_, answer) = post(&daemon, "/tables/thing/rollback", b"");
    assert_eq!(answer["digest"], Value::from(joined(&next, &second)));
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    let sums =
        "SELECT sum(records_in), sum(records_out), sum(rejected), (SELECT count(*) FROM thing) FROM tidemill_ledger";
    let rejected = sent / 1000;
    assert_eq!(
        query(&house.pipeline, sums)[1],
        [sent, sent - rejected, rejected, sent - rejected].map(|n| n.to_string()).join(",")
    );
    assert_eq!(query(&house.pipeline, "SELECT DISTINCT mark FROM thing ORDER BY 1")[1..], ["first", "second", "wider"]);
    // A restart begins with what was in service.
    let daemon = house.start();
    assert_eq!(daemon.status()["tables"]["thing"]["digest"], Value::from(joined(&next, &second)));
    daemon.stop();
}

#[test]
fn what_does_not_fit_is_told_before_it_runs() {
    let turned = ("transform = \"thing.wasm\"", "transforms = [\"wider.wasm\", \"thing.wasm\"]");
    let house = House::with("chain-fits", &changeling("last"), &[turned]);
    house.put("wider.wasm", &changeling("first"));
    // Both read what the other writes; a third that writes no number is what does not fit.
    let checked = tidemill(["check", house.pipeline.to_str().expect("a path")]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let mut silent = changeling("silent");
    let places: Vec<usize> =
        silent.windows(3).enumerate().filter(|(_, three)| three == b"ind").map(|(at, _)| at).collect();
    places.iter().for_each(|&at| silent[at..at + 3].copy_from_slice(b"out"));
    house.put("wider.wasm", &silent);
    let checked = tidemill(["check", house.pipeline.to_str().expect("a path")]);
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(told.contains("tables.thing.transforms[1]: it reads \"ind\", which the transform before it does not write; written are out, mark"), "{told}");
    let run = tidemill(["run", house.pipeline.to_str().expect("a path")]);
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && told.contains("table \"thing\": transform \"changeling\": it reads \"ind\""),
        "{told}"
    );
}
