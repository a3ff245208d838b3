//! What each release has left on disk is taken up by this one, and what a newer one writes is refused and left alone.

mod house;
mod make;
mod refused;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tidemill::log::Topic;
use tidemill::log::options::Options;
use tidemill::record::{Batch, Source};
use tidemill::time::Clock;
use tidemill_tests::daemon::query;

use self::house::{House, post, releases, this_release};

/// `make golden` sets this: the folder of this release is made anew.
const MAKE: &str = "TIDEMILL_GOLDEN";

/// Where a machine's own paths begin.
const PATHS: [&[u8]; 5] = [b"/home/", b"/root/", b"/tmp/", b"/dev/shm", b"/Users/"];

#[test]
fn what_each_release_left_is_taken_up() {
    if std::env::var_os(MAKE).is_some() {
        make::make();
    }
    assert!(this_release().is_dir(), "this release has no golden folder yet: run `make golden`");
    for release in releases() {
        println!("{}", release.display());
        let house = House::unpack(&release);
        machine_free(house.folder.path());
        all_is_there(&house);
        taken_up(&house);
    }
}

/// No path of the machine that made it is in it.
fn machine_free(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            machine_free(&entry);
            continue;
        }
        let bytes = fs::read(&entry).expect("a file");
        for path in PATHS {
            let found = bytes.windows(path.len()).any(|window| window == path);
            assert!(!found, "{} names {}", entry.display(), String::from_utf8_lossy(path));
        }
    }
}

/// It holds every kind of thing that a pipeline keeps.
fn all_is_there(house: &House) {
    let has = |folder: &str, end: &str, least: usize| {
        let files = fs::read_dir(house.data(folder)).unwrap_or_else(|cause| panic!("{folder}: {cause}"));
        let count = files.filter(|file| file.as_ref().is_ok_and(|file| file.path().to_string_lossy().ends_with(end)));
        assert!(count.count() >= least, "{folder} has not {least} files {end:?}");
    };
    has("topics/thing/0", ".log", 2);
    has("topics/thing/0", ".index", 1);
    has("topics/thing/0", ".producers", 1);
    has("topics/other/0", ".log", 1);
    has("spool", ".parquet", 2);
    has("components", ".wasm", 2);
    has("lake/golden/thing", "", 1);
    has("lake/golden/_tidemill", "owner.json", 1);
    let has = |sql: &str| assert_ne!(query(&house.pipeline, sql)[1], "0", "{sql}");
    has("SELECT count(*) FROM tidemill_objects WHERE delivered IS NULL");
    has("SELECT count(*) FROM tidemill_objects WHERE delivered IS NOT NULL");
    has("SELECT count(*) FROM tidemill_segments");
    has("SELECT count(*) FROM tidemill_groups");
    has("SELECT count(*) FROM tidemill_dead_letters");
}

/// It starts, comes to its answers, knows who has sent what, goes on, and is proven.
fn taken_up(house: &House) {
    let daemon = house.start();
    daemon.settle();
    assert_eq!(house.answers(), house.expected["answers"]);
    let number = |name: &str| house.expected[name].as_u64().expect("a number");
    let (next, sequence) = (number("next"), number("sequence"));
    let again = post(&daemon, sequence, next - 10..next);
    assert_eq!(again.json()["offsets"], house.expected["last"], "a repeat gets its first offsets");
    post(&daemon, sequence + 1, next..next + 100);
    daemon.settle();
    daemon.stop();
    let audit = house.audit();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    let sum = |sql: &str| query(&house.pipeline, sql)[1].parse::<u64>().expect("a number");
    assert_eq!(sum("SELECT sum(records_in) FROM tidemill_ledger WHERE table_name = 'thing'"), next + 100);
    // Of ten numbers, one is dropped and one rejected.
    assert_eq!(sum(&format!("SELECT count(*) FROM thing WHERE ind >= {next}")), 80);
    let mut posted: Vec<u64> = values(house);
    posted.sort_unstable();
    assert!(posted.iter().copied().eq(0..next + 100), "each record once: {posted:?}");
}

/// The numbers of all records of the topic.
fn values(house: &House) -> Vec<u64> {
    let options = Options { partitions: 2, ..Options::default() };
    let topic = Topic::open(&house.data("topics"), "thing", &options, Arc::new(Clock::System)).expect("the topic");
    let mut numbers = Vec::new();
    for partition in 0..2 {
        let mut reader = topic.reader(partition, 0).expect("a reader");
        let (mut batch, mut read) = (Batch::default(), 0);
        while read < topic.end(partition) {
            batch.clear();
            reader.read(&mut batch, usize::MAX).expect("records");
            for record in batch.iter() {
                let value: Value = serde_json::from_slice(record.value.expect("a value")).expect("JSON");
                numbers.push(value["ind"].as_u64().expect("a number"));
                read += 1;
            }
        }
    }
    numbers
}
