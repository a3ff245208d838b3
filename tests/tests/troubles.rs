//! One part's trouble stays its own: the others go on, and the status says which part, why, since when and what to do.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tidemill::log::Topic;
use tidemill::log::options::Options;
use tidemill::time::Clock;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::pair::{Pair, post};
use tidemill_tests::place::changeling;

/// Records of an append.
const BATCH: u64 = 10;

/// Fills partition 0 and 1 of the topic `bad` with so many appends each; gives the offsets that a partition has.
fn fill(pair: &Pair, appends: u64, segment_bytes: u64) -> u64 {
    let folder = pair.file("data/topics");
    fs::create_dir_all(&folder).expect("the topics' folder");
    let options = Options { partitions: 2, segment_bytes, ..Options::default() };
    let topic = Topic::open(&folder, "bad", &options, Arc::new(Clock::System)).expect("the topic");
    for nth in 0..appends {
        for partition in 0..2 {
            let mut append = topic.begin();
            for ind in nth * BATCH..(nth + 1) * BATCH {
                let value = format!("{{\"ind\":{}}}", 2 * ind + u64::from(partition));
                append.push(None, Some(value.as_bytes()), &[]).expect("room");
            }
            topic.append(partition, append).expect("a ticket").wait_blocking().expect("it is synced");
        }
    }
    topic.close().expect("it closes");
    appends * BATCH
}

/// Flips a bit in the middle of a file.
fn flip(file: &Path) {
    flip_at(file, file.metadata().expect("its size").len() / 2);
}

fn flip_at(file: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(file).expect("the file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("a byte");
}

fn segments(pair: &Pair, partition: u32) -> Vec<std::path::PathBuf> {
    let folder = fs::read_dir(pair.file(&format!("data/topics/bad/{partition}"))).expect("the partition");
    let files = folder.map(|entry| entry.expect("a file").path());
    let mut segments: Vec<_> = files.filter(|file| file.extension().is_some_and(|e| e == "log")).collect();
    segments.sort();
    segments
}

/// The offset that a segment begins with.
fn base(segment: &Path) -> u64 {
    segment.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).expect("an offset")
}

/// Whether `tidemill repair` found all to be well, and what it said.
fn repair(pair: &Pair, more: &[&str]) -> (bool, String) {
    let output = tidemill([&["repair", pair.pipeline.to_str().expect("a path")], more].concat());
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

/// The one trouble whose part is `what`.
fn trouble<'a>(status: &'a Value, what: &str) -> Option<&'a Value> {
    status["trouble"].as_array()?.iter().find(|trouble| trouble["what"] == what)
}

/// The offset after the last record of a partition of the table `bad` that was handed over.
fn next(status: &Value, partition: &str) -> u64 {
    status["tables"]["bad"]["workers"][partition]["next"].as_u64().expect("an offset")
}

fn good_goes_on(daemon: &Daemon) {
    post(daemon.topics, "good", 0, BATCH);
    daemon.wait("the other table goes on", |status| status["tables"]["good"]["workers"]["0"]["next"] == BATCH);
}

#[test]
fn rot_in_what_was_acknowledged_stops_one_partition_at_the_start() {
    let pair = Pair::new("trouble-start", &changeling("good"), &changeling("bad"));
    let end = fill(&pair, 30, 1 << 20);
    flip(&segments(&pair, 1)[0]);
    // What a clean stop leaves lets the start look at the end of the segment only.
    segments(&pair, 1).iter().for_each(|file| fs::remove_file(file.with_extension("index")).expect("the index"));
    let daemon = Daemon::start(&pair.pipeline);
    let status = daemon.wait("the sound partition is read", |status| next(status, "0") == end);
    for what in ["topic \"bad\", partition 1", "table \"bad\", partition 1"] {
        let trouble = trouble(&status, what).unwrap_or_else(|| panic!("{what}: {status:#}"));
        let why = trouble["why"].as_str().expect("a reason");
        assert!(why.starts_with("topic \"bad\": partition 1: offsets ") && why.contains("cannot be read"), "{why}");
        assert!(trouble["since"].is_string() && trouble["hint"].is_string(), "{trouble}");
    }
    assert_eq!(status["trouble"].as_array().map(Vec::len), Some(2), "{status:#}");
    good_goes_on(&daemon);
    let posted = |partition: u32| {
        let body = json!({"records": [{"partition": partition, "value": {"ind": 1_000_000}}]});
        http::post(daemon.topics, "bad", &body.to_string()).json()["offsets"][0].clone()
    };
    assert_eq!((&posted(0)["offset"], &posted(1)["error_code"]), (&json!(end), &json!(50002)));
    daemon.wait("the last record is read", |status| next(status, "0") == end + 1);
    daemon.stop();
    assert_eq!(query(&pair.pipeline, "SELECT count(*), max(ind) FROM bad")[1], format!("{},1000000", end + 1));
}

#[test]
fn rot_that_a_reader_meets_stops_one_partition_there() {
    let pair = Pair::new("trouble-read", &changeling("good"), &changeling("bad"));
    let end = fill(&pair, 30, 1 << 10);
    let segments = segments(&pair, 1);
    assert!(segments.len() > 4, "{segments:?}");
    flip(&segments[2]);
    let base = |nth: usize| base(&segments[nth]);
    let daemon = Daemon::start(&pair.pipeline);
    let status = daemon.wait("all that can be read is", |status| {
        next(status, "0") == end && status["tables"]["bad"]["workers"]["1"]["paused"] == true
    });
    let stopped = next(&status, "1");
    assert!((base(2)..base(3)).contains(&stopped), "it stands at {stopped}, the fault is before {}", base(3));
    let found = trouble(&status, "table \"bad\", partition 1").unwrap_or_else(|| panic!("{status:#}"));
    let why = found["why"].as_str().expect("a reason");
    assert!(why.starts_with(&format!("topic \"bad\": partition 1: offsets {stopped} ")), "{why}");
    good_goes_on(&daemon);
    daemon.stop();
    // Nothing behind the fault is taken, and what is before it stays as it is over a restart.
    let daemon = Daemon::start(&pair.pipeline);
    let status =
        daemon.wait("it stands there again", |status| status["tables"]["bad"]["workers"]["1"]["paused"] == true);
    assert_eq!(next(&status, "1"), stopped);
    daemon.stop();
    assert_eq!(query(&pair.pipeline, "SELECT count(*) FROM bad")[1], (end + stopped).to_string());
}

#[test]
fn what_is_rotten_is_named_and_left_out_on_request() {
    let pair = Pair::new("trouble-repair", &changeling("good"), &changeling("bad"));
    let end = fill(&pair, 30, 1 << 10);
    let rotten = &segments(&pair, 1)[2];
    let base = base(rotten);
    flip(rotten);
    let repair = |more: &[&str]| repair(&pair, more);
    let (well, said) = repair(&["--json"]);
    let found: Value = serde_json::from_str(&said).expect("JSON");
    let (from, to) = (found[0]["from"].as_u64().expect("an offset"), found[0]["to"].as_u64().expect("an offset"));
    assert!(!well && base <= from && from < to, "{said}");
    assert_eq!((&found[0]["topic"], &found[0]["partition"], &found[1]), (&json!("bad"), &json!(1), &Value::Null));
    let (well, said) = repair(&["--skip"]);
    assert!(well && said.contains(&format!("offsets {from} to {to}")), "{said}");
    assert_eq!(repair(&[]), (true, "every record of every topic is as it was written\n".to_owned()));
    let daemon = Daemon::start(&pair.pipeline);
    daemon.wait("all but these are read", |status| next(status, "0") == end && next(status, "1") == end);
    daemon.settle();
    assert_eq!(daemon.status()["trouble"], json!([]));
    let busy = tidemill(["repair", pair.pipeline.to_str().expect("a path")]);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("in use by process"), "{busy:?}");
    daemon.stop();
    assert_eq!(query(&pair.pipeline, "SELECT count(*) FROM bad")[1], (2 * end - (to - from)).to_string());
}

#[test]
fn a_header_that_is_rotten_is_put_back_and_nothing_is_lost() {
    let pair = Pair::new("trouble-header", &changeling("good"), &changeling("bad"));
    let end = fill(&pair, 30, 1 << 10);
    let all = segments(&pair, 1);
    [&all[2], &all[4]].into_iter().for_each(|segment| flip_at(segment, 40));
    let daemon = Daemon::start(&pair.pipeline);
    let status = daemon.wait("the sound partition is read", |status| next(status, "0") == end);
    let found = trouble(&status, "topic \"bad\", partition 1").unwrap_or_else(|| panic!("{status:#}"));
    assert!(found["hint"].as_str().is_some_and(|hint| hint.contains("tidemill repair")), "{found}");
    good_goes_on(&daemon);
    daemon.stop();
    let said = |segment: &Path, end: &str| {
        format!(
            "topic \"bad\": partition 1: segment {:020}: the segment's header is not what was written; {end}\n",
            base(segment)
        )
    };
    let offered = said(&all[2], "`--skip` puts it back as it was, and nothing is lost");
    assert_eq!(repair(&pair, &[]), (false, offered));
    let done = [&all[2], &all[4]].map(|segment| said(segment, "put back as it was, nothing is lost"));
    assert_eq!(repair(&pair, &["--skip"]), (true, done.concat()));
    assert_eq!(repair(&pair, &[]), (true, "every record of every topic is as it was written\n".to_owned()));
    let daemon = Daemon::start(&pair.pipeline);
    daemon.wait("all is read", |status| next(status, "0") == end && next(status, "1") == end);
    daemon.stop();
    assert_eq!(query(&pair.pipeline, "SELECT count(*) FROM bad")[1], (2 * end).to_string());
}

#[test]
fn segments_that_are_gone_stop_one_partition_until_they_are_given_up() {
    let pair = Pair::new("trouble-gone", &changeling("good"), &changeling("bad"));
    let read = fill(&pair, 3, 1 << 10);
    let daemon = Daemon::start(&pair.pipeline);
    daemon.wait("all is read", |status| next(status, "0") == read && next(status, "1") == read);
    daemon.stop();
    let end = read + fill(&pair, 30, 1 << 10);
    let all = segments(&pair, 1);
    let kept = all.iter().position(|segment| base(segment) > read).expect("a segment") + 1;
    all[..kept].iter().for_each(|segment| fs::remove_file(segment).expect("it goes"));
    let first = base(&all[kept]);
    let daemon = Daemon::start(&pair.pipeline);
    let status = daemon.wait("the whole partition is read", |status| {
        next(status, "0") == end && trouble(status, "table \"bad\", partition 1").is_some()
    });
    let why = trouble(&status, "table \"bad\", partition 1").expect("a trouble")["why"].clone();
    assert_eq!(why, format!("topic \"bad\": partition 1: offsets {read} to {first} are gone, and were not read yet"));
    good_goes_on(&daemon);
    daemon.stop();
    let (well, said) = repair(&pair, &[]);
    assert!(!well && said.contains(&format!("offsets {read} to {first} cannot be read")), "{said}");
    assert!(repair(&pair, &["--skip"]).0 && repair(&pair, &[]).0);
    let daemon = Daemon::start(&pair.pipeline);
    daemon.wait("all that is there is read", |status| next(status, "1") == end);
    daemon.stop();
    let lines = "SELECT sum(records_in) FROM tidemill_ledger WHERE table_name = 'bad' AND partition = 1";
    assert_eq!(query(&pair.pipeline, lines)[1], (end - (first - read)).to_string());
}
