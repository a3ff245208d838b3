//! Killed again and again while it works off a filled topic, a pipeline ends with what an undisturbed one ends with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest, query};
use tidemill_tests::fill;
use tidemill_tests::place::Folder;

/// Kills that have to land in an open epoch: some records read, not all of them committed.
const KILLS: u32 = 50;
/// Records of each table; a tenth of them are sent twice, and one in five hundred cannot become a row.
const ROWS: u64 = 60_000;
/// Short epochs, so that a life between two kills sees several.
const EPOCH: (&str, &str) = ("[lake]\n", "[epoch]\ntime = \"50ms\"\n\n[lake]\n");

/// Fills the three topics: a tenth of the records come twice, one in five hundred is cut in half.
fn fill(data: &Path) {
    let population = Population::new(ROWS, 11);
    for (name, row) in fill::TABLES {
        let records: Vec<Vec<u8>> = (0..ROWS)
            .flat_map(|index| {
                let mut value = Vec::new();
                row(&population, index, &mut value);
                if index % 500 == 77 {
                    value.truncate(value.len() / 2);
                }
                let times = if index % 10 == 0 { 2 } else { 1 };
                std::iter::repeat_n(value, times)
            })
            .collect();
        fill::topic(data, name, records.into_iter());
    }
}

/// All that a pipeline's end can be told by: rows, aggregates, answers, dead letters, the ledger's sums, the lake's rows.
fn facts(pipeline: &Path) -> Vec<(String, Vec<String>)> {
    let mut asked: Vec<String> = query(pipeline, "SELECT name FROM tidemill_layout WHERE kind = 'query'")[1..].to_vec();
    assert_eq!(asked.len(), 10, "the ten answers");
    for table in ["pin", "geo", "user"] {
        asked.push(format!("SELECT * FROM \"{table}\" ORDER BY ind"));
    }
    for aggregate in ["pins_per_category", "posts_per_country", "joined_per_month"] {
        let columns = query(pipeline, &format!("SELECT name FROM pragma_table_info('{aggregate}')"))[1..].to_vec();
        // A revision is a commit that changed what was shown, and commits are made elsewhere each time.
        let apart = ["_group", "_revision"];
        let columns: Vec<String> = columns.into_iter().filter(|name| !apart.contains(&name.as_str())).collect();
        asked.push(format!("SELECT {} FROM {aggregate} ORDER BY 1, 2, 3, 4", columns.join(", ")));
    }
    asked.extend([
        "SELECT table_name, partition, offset, time, reason, value FROM tidemill_dead_letters ORDER BY 1, 2, 3"
            .to_owned(),
        "SELECT table_name, partition, sum(records_in), sum(records_out), sum(dropped), sum(rejected), sum(rows), \
         max(next_offset) FROM tidemill_ledger GROUP BY 1, 2 ORDER BY 1, 2"
            .to_owned(),
        "SELECT table_name, partition, window_start, sum(rows) FROM tidemill_objects GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            .to_owned(),
    ]);
    asked
        .into_iter()
        .map(|sql| {
            let rows = query(pipeline, &sql);
            (sql, rows)
        })
        .collect()
}

/// Offsets that are committed, summed over all partitions.
fn committed(pipeline: &Path) -> u64 {
    query(pipeline, "SELECT coalesce(sum(next_offset), 0) FROM tidemill_positions")[1].parse().expect("a number")
}

/// The objects of a lake, by key, with where their bytes lie.
fn objects(pipeline: &Path) -> Vec<String> {
    query(pipeline, "SELECT key, sha256, delivered IS NOT NULL FROM tidemill_objects ORDER BY key")
}

/// Whether the spool has a file of an epoch that was under way: one that no transaction names.
fn has_open_epoch(pipeline: &Path) -> bool {
    let known = query(pipeline, "SELECT file FROM tidemill_segments UNION SELECT file FROM tidemill_objects");
    let spool = fs::read_dir(spool(pipeline)).expect("the spool");
    spool.flatten().any(|file| !known.contains(&file.file_name().to_string_lossy().into_owned()))
}

fn spool(pipeline: &Path) -> PathBuf {
    pipeline.with_file_name("data").join("spool")
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp").success());
}

#[test]
fn fifty_kills_change_nothing() {
    let folder = Folder::new("crash");
    let (calm, rough) = (folder.path().join("calm"), folder.path().join("rough"));
    fs::create_dir_all(calm.join("data")).expect("a folder");
    fill(&calm.join("data"));
    copy(&calm, &rough);
    let pipeline = |of: &PathBuf| pinterest(of, &[EPOCH]);
    let (calm, rough) = (pipeline(&calm), pipeline(&rough));

    let undisturbed = Daemon::start(&calm);
    undisturbed.settle();
    undisturbed.stop();
    let expected = facts(&calm);
    let total = committed(&calm);
    assert_eq!(total, 3 * (ROWS + ROWS / 10));

    let mut random = ChaCha8Rng::seed_from_u64(50);
    let (mut landed, mut lives) = (0, 0);
    let mut before = 0;
    while landed < KILLS {
        let daemon = Daemon::start(&rough);
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..90)));
        daemon.kill();
        lives += 1;
        let now = committed(&rough);
        assert!(now >= before, "what was committed stays");
        assert!(now < total, "{landed} of {lives} kills landed before all was done: give it more records");
        landed += u32::from(has_open_epoch(&rough));
        before = now;
    }
    println!("{landed} of {lives} kills landed in an open epoch; {before} of {total} records were committed by then");
    let last = Daemon::start(&rough);
    last.settle();
    last.stop();
    for ((sql, expected), (_, got)) in expected.iter().zip(&facts(&rough)) {
        assert!(expected == got, "{sql}: {} lines and {} lines differ", expected.len(), got.len());
    }
    assert!(objects(&rough)[1..].iter().all(|object| object.ends_with(",1")), "every object was delivered");
    assert_eq!(fs::read_dir(spool(&rough)).expect("the spool").count(), 0, "nothing is left in the spool");
}
