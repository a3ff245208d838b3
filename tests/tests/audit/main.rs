//! The audit: a pipeline that ran well is proven, and whatever is altered behind its back is named, down to offsets.

mod explain;
mod house;
mod sabotage;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tidemill_tests::cli::done;
use tidemill_tests::daemon::{Daemon, tidemill};
use tidemill_tests::{http, place};

use self::house::{Copy, House, Report, THINGS, USERS, keys, post_things};
use self::sabotage::{FULL, QUICK, base, flip};

/// All is proven as it ran, and every sabotage of a copy is named.
fn check(name: &str, format: &str) {
    let house = House::new(name, format, &[]);
    house.run();
    let whole = house.audit(&house.data(), &[]);
    whole.proves();
    assert_eq!(whole.sum("thing", "records_in"), THINGS + THINGS / 2);
    assert_eq!(whole.sum("thing", "topic_records"), THINGS + THINGS / 2);
    assert_eq!(whole.sum("thing", "dropped"), (THINGS + THINGS / 2) / 10);
    assert_eq!(whole.sum("thing", "rejected"), (THINGS + THINGS / 2) / 10);
    assert_eq!(whole.sum("thing", "rows"), (THINGS + THINGS / 2) / 10 * 9, "a tenth are two");
    assert_eq!(whole.sum("thing", "lake_rows"), whole.sum("thing", "rows"));
    assert_eq!(whole.sum("user", "rejected"), USERS / 100);
    let late =
        whole.said["partitions"].as_array().expect("a list").iter().filter_map(|of| of["late"]["joined"].as_u64());
    assert!(late.sum::<u64>() > 0, "rows come too late");
    assert!(whole.said["aggregates"]["marks"]["lake_rows"].as_u64() > Some(1), "closed windows are landed");
    let quick = house.audit(&house.data(), &["--quick"]);
    quick.proves();
    assert_eq!(quick.said["partitions"][0]["lake_rows"], Value::Null, "no object was read");

    let mut unnamed = Vec::new();
    for (nth, (what, sabotage)) in QUICK.iter().chain(&FULL).enumerate() {
        let copy = Copy::of(&house, nth);
        let expected = sabotage(&copy);
        let full: &[&str] = &[];
        let ways = if nth < QUICK.len() { vec![full, &["--quick"]] } else { vec![full] };
        for way in ways {
            let report = house.audit(&copy.data, way);
            if !report.names(&expected) {
                unnamed.push(format!("{what}: {way:?}: expected {expected}, found {:#}", report.said["faults"]));
            }
        }
        fs::remove_dir_all(&copy.data).expect("the copy");
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
    house.audit(&house.data(), &[]).proves();
}

#[test]
fn every_sabotage_of_a_lake_of_parquet_is_named() {
    check("audit-parquet", "parquet");
}

#[test]
fn every_sabotage_of_a_lake_of_json_is_named() {
    check("audit-json", "json");
}

#[test]
fn a_pipeline_is_proven_while_records_flow() {
    for format in ["parquet", "json"] {
        let house = House::new("audit-live", format, &[]);
        let daemon = Daemon::start(&house.pipeline);
        let (to, end) = (daemon.topics, Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&end);
        let posting = std::thread::spawn(move || {
            let mut first = 0;
            while !told.load(Ordering::Relaxed) {
                let values: Vec<String> =
                    (first..first + 250).map(|ind| format!("{{\"ind\":{}}}", ind % 9_000)).collect();
                http::post_lines(to, "thing", values.iter().map(String::as_str), 250);
                first += 250;
            }
            first
        });
        daemon.wait("objects are delivered", |_| !keys(&house, "thing").is_empty());
        let (mut first, mut seen) = (None, 0);
        for nth in 0..6 {
            let report = house.audit(&house.data(), if nth % 3 == 2 { &["--quick"] } else { &[] });
            report.proves();
            let records = report.sum("thing", "records_in");
            assert!(records >= seen, "records do not go back: {records} after {seen}");
            seen = records;
            first.get_or_insert(seen);
        }
        assert!(first < Some(seen), "records flow");
        end.store(true, Ordering::Relaxed);
        let sent = posting.join().expect("every post was taken");
        daemon.settle();
        daemon.stop();
        let report = house.audit(&house.data(), &[]);
        report.proves();
        assert_eq!(report.sum("thing", "lake_rows"), sent / 10 * 9);
    }
}

#[test]
fn what_retention_removed_is_not_provable_and_no_fault() {
    let house = House::new(
        "audit-retention",
        "json",
        &[("record = \"16KiB\"", "record = \"16KiB\"\nretention_size = \"64KiB\"")],
    );
    house.run();
    // What retention does after a while: the oldest segment goes.
    let segments = Copy { data: house.data() }.segments("thing", 0);
    fs::remove_file(&segments[0]).expect("it was there");
    let report = house.audit(&house.data(), &[]);
    report.proves();
    let removed = format!("offsets 0 to {} were removed", base(&segments[1]));
    let said = report.said["not_provable"].as_array().expect("a list");
    assert!(said.iter().any(|said| said.as_str().is_some_and(|said| said.contains(&removed))), "{said:?}");
    let key = keys(&house, "thing").remove(0);
    let output = tidemill(["explain", house.pipeline.to_str().expect("a path"), &key, "1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("is not there any more"), "{said}");
}

#[test]
fn what_a_person_left_out_of_a_topic_is_not_provable_and_no_fault() {
    let house = House::new("audit-repaired", "json", &[]);
    house.run();
    let segment = Copy { data: house.data() }.segments("thing", 1).remove(0);
    flip(&segment, 20_000);
    let rotten = house.audit(&house.data(), &[]);
    let fault = json!({ "what": "altered", "table": "thing", "partition": 1, "message": "its checksum is wrong" });
    assert!(rotten.names(&fault), "{:#}", rotten.said);
    let offsets = rotten.faults()[0]["offsets"].clone();
    done(house.folder.path(), &["repair", "audited.toml", "--skip"], "");
    let report = house.audit(&house.data(), &[]);
    report.proves();
    let said = report.said["not_provable"].to_string();
    let left_out = format!("offsets {} to {} were left out", offsets[0], offsets[1]);
    assert!(said.contains(&left_out), "{left_out}: {said}");
}

#[test]
fn a_pipeline_that_was_killed_again_and_again_is_proven() {
    let house = House::new("audit-killed", "parquet", &[]);
    for life in 0..6 {
        let daemon = Daemon::start(&house.pipeline);
        post_things(&daemon, life * 2_000, 3_000);
        daemon.kill();
        house.audit(&house.data(), &[]).proves();
    }
    let daemon = Daemon::start(&house.pipeline);
    daemon.settle();
    daemon.stop();
    let report = house.audit(&house.data(), &[]);
    report.proves();
    assert_eq!(report.sum("thing", "topic_records"), 18_000);
}

#[test]
fn a_table_that_began_anew_is_proven_from_there_on() {
    let house = House::new("audit-anew", "parquet", &[]);
    house.run();
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let text =
        text.replace("key = [\"ind\"]\ncache = [\"ind\", \"mark\"]", "key = [\"mark\"]\ncache = [\"mark\", \"ind\"]");
    fs::write(&house.pipeline, text.replace("mean = \"mean(ind)\"", "most = \"max(ind)\"")).expect("the pipeline file");
    let before = house.audit(&house.data(), &[]);
    before.proves();
    assert!(before.said["not_provable"].to_string().contains("declared otherwise"), "{:#}", before.said);
    let daemon = Daemon::start(&house.pipeline);
    post_things(&daemon, 0, 1_000);
    daemon.settle();
    daemon.stop();
    let after = house.audit(&house.data(), &[]);
    after.proves();
    assert_eq!(after.said["not_provable"], json!([]));
    Copy { data: house.data() }.alter(1, "UPDATE thing SET ind = 4 WHERE mark = 'sieve'");
    assert!(
        house.audit(&house.data(), &[]).names(&json!({ "what": "altered", "table": "thing", "message": "(sieve)" }))
    );
}

#[test]
fn a_bucket_elsewhere_is_read_through_requests() {
    let house = House::new("audit-remote", "parquet", &[]);
    let daemon = Daemon::start(&house.pipeline);
    post_things(&daemon, 0, 1_000);
    daemon.settle();
    // The same bucket, as a pipeline would name it that knows nothing of its folder.
    let lake = daemon.lake.expect("the embedded S3");
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let remote = text.replace("endpoint = \"embedded\"", &format!("endpoint = \"http://{lake}\""));
    let remote = house.folder.write("remote.toml", remote);
    let audited = || {
        let mut command = Command::new(place::command());
        command.env("AWS_ACCESS_KEY_ID", "tidemill").env("AWS_SECRET_ACCESS_KEY", "tidemill");
        let output = command.args(["audit", remote.to_str().expect("a path"), "--json"]).output().expect("it starts");
        Report::of(&output)
    };
    let report = audited();
    report.proves();
    assert_eq!(report.sum("thing", "lake_rows"), 900);
    let key = keys(&house, "thing").remove(0);
    fs::remove_file(house.data().join("lake/audited").join(&key)).expect("it was there");
    assert!(audited().names(&json!({ "what": "missing", "key": key })));
    daemon.stop();
}
