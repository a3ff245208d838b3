//! A pipeline with a history, what a replay of it says, and what its lake has in force.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tidemill::emulate::population::Population;
use tidemill_tests::cli::done;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::letters::AGGREGATES;
use tidemill_tests::place::component;
use tidemill_tests::things::House;

/// A second table, whose aggregate is of a column of time and has late rows.
const USERS: (&str, &str) = (
    "[topics.thing]",
    "[topics.user]\n[tables.user]\ntopic = \"user\"\ntransform = \"user.wasm\"\nkey = [\"ind\"]\n\
     cache = [\"ind\", \"age\", \"date_joined\"]\nwindow = \"1s\"\n[[tables.user.aggregates]]\nname = \"joined\"\nby = [\"age\"]\n\
     window = { kind = \"tumbling\", size = \"30d\", time = \"date_joined\", lateness = \"300d\" }\n\
     measures = { posts = \"count()\", oldest = \"max(age)\" }\n[topics.thing]",
);

/// Things that came less than a little while apart.
const RUNS: (&str, &str) = (
    "[tables.thing.limits]",
    "[[tables.thing.aggregates]]\nname = \"runs\"\nby = [\"mark\"]\n\
     window = { kind = \"session\", gap = \"40ms\", time = \"append\" }\n\
     measures = { things = \"count()\", least = \"min(ind)\" }\n[tables.thing.limits]",
);
/// How far apart, in microseconds.
pub(crate) const APART: i64 = 40_000;

/// A pipeline of things and users.
pub(crate) fn house(name: &str, format: &str, first: &[u8], more: &[(&str, &str)]) -> House {
    let format = format!("format = \"{format}\"");
    let replace = [&[AGGREGATES, RUNS, USERS, ("format = \"json\"", format.as_str())], more].concat();
    let house = House::with(name, first, &replace);
    fs::copy(component("user"), house.pipeline.with_file_name("user.wasm")).expect("the component");
    house
}

pub(crate) fn send(daemon: &Daemon, range: std::ops::Range<u64>) {
    let values: Vec<String> = range.map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(daemon.topics, "thing", values.iter().map(String::as_str), 100);
}

/// Posts users, one in a hundred without what makes it one.
pub(crate) fn send_users(daemon: &Daemon, range: std::ops::Range<u64>) {
    let population = Population::new(2_000, 5);
    let user = |index: u64| {
        let mut value = Vec::new();
        population.user(index, &mut value);
        if index % 100 == 7 { format!("{{\"ind\":{index}}}") } else { String::from_utf8(value).expect("JSON") }
    };
    let values: Vec<String> = range.map(user).collect();
    http::post_lines(daemon.topics, "user", values.iter().map(String::as_str), 100);
}

/// Runs `tidemill replay --json`: how it ended, and what it says.
pub(crate) fn replay(house: &House, table: &str, more: &[&str]) -> (i32, Value) {
    replay_of(&house.pipeline, table, more)
}

/// The same of a pipeline that runs, which is asked to do it.
pub(crate) fn replay_live(house: &House, daemon: &Daemon, more: &[&str]) -> (i32, Value) {
    replay_of(&house.found(daemon), "thing", more)
}

fn replay_of(pipeline: &Path, table: &str, more: &[&str]) -> (i32, Value) {
    let pipeline = pipeline.to_str().expect("a path");
    let output = tidemill(["replay", table, "-p", pipeline, "--json"].iter().chain(more).copied());
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("{more:?}: {cause}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("it ends"), said)
}

/// History run again comes to what was written.
pub(crate) fn same(house: &House, table: &str) -> Value {
    let (code, said) = replay(house, table, &[]);
    assert_eq!(code, 0, "{said:#}");
    assert!(said["same"] == true && said["proven"] == true, "{said:#}");
    for name in ["records_changed", "rows_changed", "rows_added", "rows_removed", "newly_rejected"] {
        assert_eq!(said[name], 0, "{name}: {said:#}");
    }
    assert_eq!(said["rows"].as_array().map(Vec::len), Some(0), "{said:#}");
    assert_eq!(said["groups"].as_array().map(Vec::len), Some(0), "{said:#}");
    let records = query(
        &house.pipeline,
        &format!("SELECT coalesce(sum(records_in), 0) FROM tidemill_ledger WHERE table_name = '{table}'"),
    );
    assert_eq!(said["records"].to_string(), records[1], "all was run again");
    said
}

pub(crate) fn audited(house: &House) {
    done(house.pipeline.parent().expect("a folder"), &["audit", house.pipeline.to_str().expect("a path")], "");
}

/// Partition, offset, row.
pub(crate) type Place = (u64, u64, u64);

/// An object of the lake, by its name.
struct Named {
    partition: u64,
    revision: u64,
    /// The offsets in whose place its rows stand.
    covers: Option<(u64, u64)>,
    rows: Vec<Value>,
}

/// The rows of the lake that count, by the names of its objects alone: those of offsets that no later revision covers.
pub(crate) fn in_force(house: &House) -> BTreeMap<Place, Value> {
    let mut objects = Vec::new();
    read(&house.data().join("lake/things/thing"), &mut objects);
    let mut found = BTreeMap::new();
    for object in &objects {
        for row in &object.rows {
            let number = |name: &str| row[name].as_u64().expect("a number");
            let (partition, offset, nth) = (number("_partition"), number("_offset"), number("_row"));
            let replaced = objects.iter().any(|other| {
                other.partition == partition
                    && other.revision > object.revision
                    && other.covers.is_some_and(|(from, next)| offset >= from && offset < next)
            });
            if !replaced {
                let twice = found.insert((partition, offset, nth), row.clone());
                assert!(twice.is_none(), "twice: {row}");
            }
        }
    }
    found
}

fn read(folder: &Path, objects: &mut Vec<Named>) {
    for entry in fs::read_dir(folder).expect("the lake") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, objects);
            continue;
        }
        let name = path.file_stem().expect("a name").to_str().expect("text");
        let parts: Vec<&str> = name.split('+').collect();
        let [_, partition, offsets, writer] = parts[..] else { panic!("{name}") };
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let (kind, revision) = writer.split_at(usize::from(!writer.starts_with(|c: char| c.is_ascii_digit())));
        let covers = (kind == "v").then(|| offsets.split_once('-').map(|(from, next)| (number(from), number(next))));
        let text = fs::read_to_string(&path).expect("an object");
        objects.push(Named {
            partition: number(partition),
            revision: if kind.is_empty() { 0 } else { number(revision) },
            covers: covers.flatten(),
            rows: text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect(),
        });
    }
}
