//! The whole path in a process of its own: from filled topics to objects in S3 and aggregates in SQLite.

use std::fs;
use std::path::Path;
use std::time::Instant;

use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest, query};
use tidemill_tests::fill;
use tidemill_tests::place::Folder;

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 3] = [
    ("path aggregates", || whole("aggregates", &["pin", "geo", "user"], false)),
    ("path latest rows", || whole("latest rows too", &["pin", "geo", "user"], true)),
    ("path pin", || whole("pin alone, aggregates", &["pin"], false)),
];

/// Distinct keys in each table.
const KEYS: u64 = 1_000_000;

/// Without the cached rows of a table, nor the queries that need them.
fn lean(pipeline: &Path) {
    let text = fs::read_to_string(pipeline).expect("the pipeline file");
    let mut kept = Vec::new();
    let mut in_queries = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_queries = line.starts_with("[queries.");
        }
        if !in_queries && !line.starts_with("key = ") && !line.starts_with("cache = ") {
            kept.push(line);
        }
    }
    fs::write(pipeline, kept.join("\n")).expect("the pipeline file");
}

/// Leaves compiled components in `data`, as every start but the first finds them.
fn compile_beforehand(data: &Path) {
    let other = Folder::new("bench-compile");
    Daemon::start(&pinterest(other.path(), &[])).stop();
    fs::rename(other.path().join("data/compiled"), data.join("compiled")).expect("compiled components");
}

fn whole(what: &str, tables: &[&str], rows: bool) {
    let folder = Folder::new("bench-path");
    let pipeline = pinterest(folder.path(), &[]);
    if !rows {
        lean(&pipeline);
    }
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
    let begun = Instant::now();
    let daemon = Daemon::start(&pipeline);
    daemon.settle();
    let seconds = begun.elapsed().as_secs_f64();
    let (processor, memory) = daemon.used();
    daemon.stop();
    crate::print(&format!("whole path: {what}"), records, bytes, seconds);
    let per_million = processor / (records as f64 / 1e6);
    println!("    {per_million:.2} s of processor time per million records, {memory} MB at most");
    let sizes =
        query(&pipeline, "SELECT table_name, sum(bytes) / sum(rows), count(*) FROM tidemill_objects GROUP BY 1");
    println!("    bytes a row in the lake, objects: {}", sizes[1..].join("; "));
}
