//! Killed again and again while it lands filled topics, a pipeline leaves the objects that an undisturbed one leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::fill;
use tidemill_tests::place::Folder;
use tidemill_tests::torture::number;

use super::house::{objects, pipeline, prove};

/// Kills that have to land while something is under way: objects that wait, or files that no commit names.
const KILLS: u32 = 25;
/// Records of each topic, unless `TIDEMILL_LANDED` says otherwise. One in fifty is broken.
const RECORDS: usize = 12_000;
/// One object a record; folders by field, compressed; folders by time, by an interval of records; by the wall clock, which ends objects
/// elsewhere each time.
const LANDINGS: &str = r#"
[landings.each]
topics = ["pin"]
flush = 1
topics_dir = "each"

[landings.field]
topics = ["geo"]
flush = 700
gzip = 6
topics_dir = "field"
partitioner = { kind = "field", fields = ["country"] }

[landings.time]
topics = ["geo", "user"]
flush = 500
topics_dir = "time"
rotate_interval = "5s"
rotate_on_change = false
partitioner = { kind = "time", path = "'month'=YYYY-MM", duration = "1d", time = "append" }

[landings.clock]
topics = ["user"]
flush = 100000
topics_dir = "clock"
rotate_schedule = "100ms"
"#;

fn fill(data: &Path, records: u64) {
    let population = Population::new(records, 3);
    for (name, row) in fill::TABLES {
        let records: Vec<Vec<u8>> = (0..records)
            .map(|index| {
                let mut value = Vec::new();
                row(&population, index, &mut value);
                if index % 50 == 7 {
                    value.truncate(value.len() / 2);
                }
                value
            })
            .collect();
        fill::topic(data, name, records.into_iter());
    }
}

/// What the outbox and the ledger say, and the dead letters.
fn facts(pipeline: &Path) -> Vec<Vec<String>> {
    let asked = [
        "SELECT key, table_name, partition, first_offset, next_offset, rows, bytes, sha256, delivered IS NOT NULL \
         FROM tidemill_objects WHERE key NOT LIKE 'clock/%' ORDER BY key",
        "SELECT table_name, partition, sum(records_in), sum(records_out), sum(rejected), max(next_offset) \
         FROM tidemill_ledger GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT table_name, partition, offset, reason, value FROM tidemill_dead_letters ORDER BY 1, 2, 3",
    ];
    asked.iter().map(|sql| query(pipeline, sql)).collect()
}

fn is_under_way(pipeline: &Path) -> bool {
    let waits = query(pipeline, "SELECT count(*) FROM tidemill_objects WHERE delivered IS NULL")[1] != "0";
    let known = query(pipeline, "SELECT DISTINCT file FROM tidemill_objects WHERE delivered IS NULL");
    let spool = fs::read_dir(pipeline.with_file_name("data").join("spool")).expect("the spool");
    waits || spool.flatten().any(|file| !known.contains(&file.file_name().to_string_lossy().into_owned()))
}

#[test]
fn kills_change_no_object() {
    let records = number("TIDEMILL_LANDED", RECORDS) as u64;
    let folder = Folder::in_memory("landing-kills");
    let (calm, rough) = (folder.path().join("calm"), folder.path().join("rough"));
    fs::create_dir_all(calm.join("data")).expect("a folder");
    fill(&calm.join("data"), records);
    assert!(Command::new("cp").arg("-r").args([&calm, &rough]).status().expect("cp").success());
    let made = |of: &Path| pipeline(of, &["pin", "geo", "user"], 2, LANDINGS);
    let (calm_file, rough_file) = (made(&calm), made(&rough));

    let undisturbed = Daemon::start(&calm_file);
    settle(&undisturbed);
    undisturbed.stop();

    let mut random = ChaCha8Rng::seed_from_u64(20);
    let (mut landed, mut lives) = (0, 0);
    while landed < KILLS && lives < 10 * KILLS {
        let daemon = Daemon::start(&rough_file);
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..60 * records.div_ceil(RECORDS as u64))));
        daemon.kill();
        lives += 1;
        landed += u32::from(is_under_way(&rough_file));
    }
    let committed: u64 = query(&rough_file, "SELECT coalesce(sum(next_offset), 0) FROM tidemill_positions")[1]
        .parse()
        .expect("a number");
    println!(
        "{landed} of {lives} kills landed while something was under way; {committed} of {} were committed",
        5 * records
    );
    assert_eq!(landed, KILLS, "{lives} lives: give it more records");
    let last = Daemon::start(&rough_file);
    settle(&last);
    last.stop();

    let (expected, got) = (facts(&calm_file), facts(&rough_file));
    for (expected, got) in expected.iter().zip(&got) {
        assert!(
            expected == got,
            "{} lines and {} lines differ: {:?}",
            expected.len(),
            got.len(),
            first_difference(expected, got)
        );
    }
    let by_clock = |of: &Path| -> Vec<u8> { objects(of, "clock").into_values().flatten().collect() };
    assert!(by_clock(&calm) == by_clock(&rough), "whatever ends objects, the lines are the same");
    let bytes = |of: &Path| -> BTreeMap<String, Vec<u8>> {
        let apart = |key: &String| key.starts_with("_tidemill") || key.starts_with("clock/");
        objects(of, "").into_iter().filter(|(key, _)| !apart(key)).collect()
    };
    let (expected, got) = (bytes(&calm), bytes(&rough));
    assert!(expected == got, "the bytes are the same");
    assert!(expected.len() as u64 > records, "{} objects", expected.len());
    assert_eq!(fs::read_dir(rough.join("data/spool")).expect("the spool").count(), 0, "nothing is left in the spool");
    prove(&folder, &rough_file);
}

/// Waits until all is landed, also what time alone ends. What the others have open stays so.
fn settle(daemon: &Daemon) {
    daemon.wait("all is landed", |status| {
        let open = |landing: &str, partition: &str| &status["landings"][landing]["workers"][partition]["open_records"];
        let by_time = ["time.geo", "time.user", "clock.user"];
        status["settled"] == true && by_time.iter().all(|of| ["0", "1"].iter().all(|at| *open(of, at) == 0))
    });
}

fn first_difference<'a>(one: &'a [String], other: &'a [String]) -> Option<(&'a String, &'a String)> {
    one.iter().zip(other).find(|(one, other)| one != other)
}
