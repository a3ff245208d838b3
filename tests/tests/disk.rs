//! A full disk: posts are refused one by one with the reason, nothing acknowledged is lost, and all goes on when there is space.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own, query};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, digest, rebuilt, replace};

/// Short epochs, so that commits meet the full disk too.
const SHORT: &str = "20ms";
/// Epochs so long that what was posted is not committed when the disk is full at once.
const LONG: &str = "3s";

struct Full {
    folder: Folder,
    pipeline: PathBuf,
}

impl Full {
    fn new(name: &str, epoch: &str) -> Self {
        let folder = Folder::new(name);
        let epoch = format!("[epoch]\ntime = {epoch:?}\n\n[lake]\n");
        let pipeline = pinterest_of_its_own(folder.path(), &[("[lake]\n", &epoch)]);
        Self { folder, pipeline }
    }

    /// The ledger has `count` records of the topic pin, one after another, and the cache has as many rows.
    fn has(&self, count: u64) {
        let one = |sql: &str| query(&self.pipeline, sql)[1].clone();
        assert_eq!(one("SELECT sum(records_in) FROM tidemill_ledger WHERE table_name = 'pin'"), count.to_string());
        assert_eq!(one("SELECT count(*) FROM pin"), count.to_string());
        assert_eq!(one("SELECT sum(rows) FROM tidemill_objects WHERE table_name = 'pin'"), count.to_string());
    }
}

/// Posts a pin to each partition; the receipts.
fn post(daemon: &Daemon, ind: u64) -> Vec<Value> {
    let record =
        |partition: u64| json!({ "partition": partition, "value": { "ind": 2 * ind + partition, "category": "art" } });
    let answer = http::post(daemon.topics, "pin", &json!({ "records": [record(0), record(1)] }).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["offsets"].as_array().expect("receipts").clone()
}

fn taken(daemon: &Daemon, ind: u64) {
    let receipts = post(daemon, ind);
    assert!(receipts.iter().all(|receipt| receipt["offset"].is_u64()), "{receipts:?}");
}

fn refused(daemon: &Daemon, ind: u64) {
    for receipt in post(daemon, ind) {
        let error = receipt["error"].as_str().unwrap_or_default();
        assert_eq!(receipt["error_code"], 50003, "one may try again: {receipt}");
        assert!(error.contains("nothing was kept, the disk does not take it: File too large"), "{receipt}");
    }
}

#[test]
fn posts_are_refused_and_all_goes_on_when_there_is_space() {
    let full = Full::new("disk-full", SHORT);
    let daemon = Daemon::start_on_small_disk(&full.pipeline);
    for ind in 0..10 {
        taken(&daemon, ind);
    }
    daemon.fill_disk(Some(0));
    for ind in 100..110 {
        refused(&daemon, ind);
    }
    let ready = http::get(daemon.admin, "/ready");
    assert!(ready.status == 503 && ready.body.contains("nothing was kept, the disk does not take it"), "{ready:?}");
    daemon.fill_disk(None);
    for ind in 10..20 {
        taken(&daemon, ind);
    }
    daemon.wait("nothing is wrong", |status| status["trouble"] == json!([]));
    daemon.settle();
    daemon.stop();
    full.has(40);
}

#[test]
fn commits_wait_while_another_program_holds_the_cache() {
    let full = Full::new("disk-held", SHORT);
    let daemon = Daemon::start(&full.pipeline);
    taken(&daemon, 0);
    daemon.settle();
    let other = Connection::open(full.folder.path().join("data/cache.sqlite")).expect("the cache");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    for ind in 1..10 {
        taken(&daemon, ind);
    }
    let status = daemon.wait("it says what is wrong", |status| status["trouble"] != json!([]));
    let trouble = &status["trouble"][0];
    assert!(trouble["hint"].as_str().is_some_and(|hint| hint.contains("another program holds the file")), "{trouble}");
    taken(&daemon, 10);
    other.execute_batch("ROLLBACK").expect("its end");
    daemon.settle();
    assert_eq!(daemon.status()["trouble"], json!([]));
    daemon.stop();
    full.has(22);
}

#[test]
fn commits_wait_for_space() {
    let full = Full::new("disk-commit", LONG);
    let daemon = Daemon::start_on_small_disk(&full.pipeline);
    for ind in 0..10 {
        taken(&daemon, ind);
    }
    daemon.fill_disk(Some(0));
    let status = daemon.wait("it says what is wrong", |status| status["trouble"] != json!([]));
    assert!(
        status["trouble"][0]["why"].as_str().is_some_and(|said| said.contains("File too large")),
        "{}",
        status["trouble"]
    );
    let ready = http::get(daemon.admin, "/ready");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
    daemon.fill_disk(None);
    daemon.settle();
    daemon.wait("nothing is wrong any more", |status| status["trouble"] == json!([]));
    assert_eq!(http::get(daemon.admin, "/ready").status, 200);
    daemon.stop();
    full.has(20);
}

#[test]
fn it_ends_on_a_full_disk_and_the_next_start_goes_on() {
    let full = Full::new("disk-end", LONG);
    let daemon = Daemon::start_on_small_disk(&full.pipeline);
    for ind in 0..10 {
        taken(&daemon, ind);
    }
    daemon.fill_disk(Some(0));
    refused(&daemon, 100);
    daemon.stop();
    let daemon = Daemon::start(&full.pipeline);
    for ind in 10..20 {
        taken(&daemon, ind);
    }
    daemon.settle();
    daemon.stop();
    full.has(40);
}

#[test]
fn it_is_killed_on_a_full_disk_and_the_next_start_goes_on() {
    let full = Full::new("disk-kill", SHORT);
    let daemon = Daemon::start_on_small_disk(&full.pipeline);
    for ind in 0..10 {
        taken(&daemon, ind);
    }
    // Some bytes of the next append fit, the rest does not.
    let log = full.folder.path().join("data/topics");
    let size = |folder: PathBuf| {
        fs::read_dir(folder).expect("a partition").flatten().map(|file| file.metadata().expect("its size").len()).max()
    };
    let sizes = fs::read_dir(log).expect("the topics").flatten().filter_map(|topic| size(topic.path())).max();
    daemon.fill_disk(Some(sizes.unwrap_or(0) + 20));
    let outcome: Vec<Value> = (100..140).flat_map(|ind| post(&daemon, ind)).collect();
    let kept = outcome.iter().filter(|receipt| receipt["offset"].is_u64()).count() as u64;
    assert!(kept < 80, "the disk was full at last");
    daemon.kill();
    let daemon = Daemon::start(&full.pipeline);
    for ind in 10..20 {
        taken(&daemon, ind);
    }
    daemon.settle();
    daemon.stop();
    full.has(40 + kept);
}

#[test]
fn a_changed_component_that_cannot_be_kept_is_refused() {
    let full = Full::new("disk-reload", SHORT);
    let daemon = Daemon::start_on_small_disk(&full.pipeline);
    let file = full.folder.path().join("pin.wasm");
    let first = fs::read(&file).expect("the component");
    let second = rebuilt(&first, "second");
    daemon.fill_disk(Some(0));
    replace(&file, &second);
    let offered =
        daemon.wait("it is refused", |status| status["tables"]["pin"]["last_offer"]["digest"] == *digest(&second));
    let table = &offered["tables"]["pin"];
    assert!(
        table["last_offer"]["refused"].as_str().is_some_and(|reason| reason.contains("File too large")),
        "{table:#}"
    );
    assert_eq!(table["digest"], *digest(&first));
    daemon.fill_disk(None);
    replace(&file, &second);
    daemon.wait("it is taken", |status| status["tables"]["pin"]["workers"]["0"]["digest"] == *digest(&second));
    taken(&daemon, 1);
    daemon.settle();
    daemon.stop();
    full.has(2);
}
