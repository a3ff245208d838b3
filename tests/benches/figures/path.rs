//! The whole path in a process of its own: from filled topics to objects in S3 and aggregates in SQLite.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest, query};
use tidemill_tests::place::{Folder, component, rebuilt};
use tidemill_tests::{fill, http};

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 5] = [
    ("path aggregates", || whole("aggregates", &["pin", "geo", "user"], Kept::Aggregates)),
    ("path latest rows", || whole("latest rows too", &["pin", "geo", "user"], Kept::Rows)),
    ("path rollups", || whole("the ten answers too", &["pin", "geo", "user"], Kept::Rollups)),
    ("path shadow", shadow),
    ("path pin", || whole("pin alone, aggregates", &["pin"], Kept::Aggregates)),
];

/// What is kept up to date of the pinterest pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Aggregates,
    /// And the latest rows.
    Rows,
    /// And the rollups of the ten answers.
    Rollups,
}

/// Distinct keys in each table.
const KEYS: u64 = 1_000_000;

/// Without the rollups and the queries that need them, or the cached rows either.
fn lean(pipeline: &Path, kept: Kept) {
    let text = fs::read_to_string(pipeline).expect("the pipeline file");
    let mut lines = Vec::new();
    let mut of_rows = false;
    for line in text.lines() {
        if line.starts_with('[') {
            of_rows = line.starts_with("[queries.") || line.starts_with("[rollups.");
        }
        let cached = line.starts_with("key = ") || line.starts_with("cache = ");
        let goes = match kept {
            Kept::Aggregates => of_rows || cached,
            Kept::Rows => of_rows,
            Kept::Rollups => false,
        };
        if !goes {
            lines.push(line);
        }
    }
    fs::write(pipeline, lines.join("\n")).expect("the pipeline file");
}

/// Leaves compiled components in `data`, as every start but the first finds them.
fn compile_beforehand(data: &Path) {
    let other = Folder::new("bench-compile");
    Daemon::start(&pinterest(other.path(), &[])).stop();
    fs::rename(other.path().join("data/compiled"), data.join("compiled")).expect("compiled components");
}

/// A pipeline whose topics are full and whose components are compiled.
struct Filled {
    _folder: Folder,
    pipeline: PathBuf,
    records: u64,
    bytes: u64,
}

fn filled(tables: &[&str], kept: Kept) -> Filled {
    let folder = Folder::new("bench-path");
    let pipeline = pinterest(folder.path(), &[]);
    lean(&pipeline, kept);
    let data = folder.path().join("data");
    let population = Population::new(KEYS, 1);
    let (mut records, mut bytes) = (0, 0);
    for (name, row) in fill::TABLES.iter().filter(|(name, _)| tables.contains(name)) {
        let lines = fill::shuffled(KEYS).map(|index| {
            let mut line = Vec::new();
            row(&population, index, &mut line);
            line
        });
        bytes += fill::topic(&data, name, lines);
        records += KEYS;
    }
    compile_beforehand(&data);
    Filled { _folder: folder, pipeline, records, bytes }
}

fn whole(what: &str, tables: &[&str], kept: Kept) {
    let filled = filled(tables, kept);
    let begun = Instant::now();
    let daemon = Daemon::start(&filled.pipeline);
    daemon.settle();
    let seconds = begun.elapsed().as_secs_f64();
    let (processor, memory) = daemon.used();
    daemon.stop();
    crate::print(&format!("whole path: {what}"), filled.records, filled.bytes, seconds);
    let per_million = processor / (filled.records as f64 / 1e6);
    println!("    {per_million:.2} s of processor time per million records, {memory} MB at most");
    let sizes =
        query(&filled.pipeline, "SELECT table_name, sum(bytes) / sum(rows), count(*) FROM tidemill_objects GROUP BY 1");
    println!("    bytes a row in the lake, objects: {}", sizes[1..].join("; "));
}

/// The path of pins with a shadow beside it, as a ratio to the path without one; the median of three of each.
fn shadow() {
    let candidate = rebuilt(&fs::read(component("pin")).expect("the component"), "candidate");
    let run = |shadowed: bool| {
        let filled = filled(&["pin"], Kept::Aggregates);
        let begun = Instant::now();
        let daemon = Daemon::start(&filled.pipeline);
        if shadowed {
            let answer = http::request(daemon.admin, "POST", "/tables/pin/shadow", &[], &candidate);
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        // The lake's windows end when the clock says so: what a shadow slows down is the way to the commit.
        daemon.wait("all is committed", |status| {
            let workers = status["tables"]["pin"]["workers"].as_object().expect("workers");
            workers.values().map(|worker| worker["next"].as_u64().unwrap_or(0)).sum::<u64>() == filled.records
        });
        let rate = filled.records as f64 / begun.elapsed().as_secs_f64();
        let seen = daemon.status()["tables"]["pin"]["shadow"].clone();
        daemon.stop();
        (rate, seen)
    };
    let mut without: Vec<f64> = Vec::new();
    let mut with: Vec<(f64, Value)> = Vec::new();
    for _ in 0..3 {
        without.push(run(false).0);
        with.push(run(true));
    }
    without.sort_by(f64::total_cmp);
    with.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let (alone, (rate, seen)) = (without[1], &with[1]);
    let number = |name: &str| seen[name].as_u64().unwrap_or(0);
    let part = number("records") as f64 / number("records_seen").max(1) as f64;
    println!("path of pins, records/s: {alone:.0}; with a shadow {rate:.0} ({:.0} %)", rate / alone * 100.0);
    println!(
        "    it saw {:.0} % of the records, {} rows equal, {} others; {} ns a record, live {}",
        part * 100.0,
        number("rows_equal"),
        number("rows_changed") + number("rows_added") + number("rows_lost"),
        number("ns_per_record"),
        number("live_ns_per_record")
    );
}
