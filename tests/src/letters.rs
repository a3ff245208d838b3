//! What a pipeline of one table has in lake, cache and ledger, found to agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tidemill::time::Timestamp;

use crate::daemon::{Daemon, query};
use crate::place::replace;
use crate::things::{House, post};

/// Two aggregates of the table `thing`: one whose window stays open, one whose windows close after a second. And a rollup.
pub const AGGREGATES: (&str, &str) = (
    "[tables.thing.limits]",
    "[[tables.thing.aggregates]]\nname = \"ever\"\nby = [\"mark\"]\nwindow = { kind = \"tumbling\", size = \"876000h\", time = \"append\" }\n\
     measures = { things = \"count()\" }\n[[tables.thing.aggregates]]\nname = \"soon\"\nby = [\"mark\"]\n\
     window = { kind = \"tumbling\", size = \"1s\", time = \"append\" }\nmeasures = { things = \"count()\" }\n[rollups.now]\nfrom = \"thing\"\nby = [\"mark\"]\n\
     measures = { things = \"count()\", least = \"min(ind)\", middle = \"median(ind)\", kinds = \"count_distinct(mark)\", \
     top = \"top(mark, ind)\" }\n[tables.thing.limits]",
);

/// The single number that a query answers.
pub fn number(pipeline: &Path, sql: &str) -> u64 {
    query(pipeline, sql)[1].parse().unwrap_or_else(|cause| panic!("{sql}: {cause}"))
}

/// The rows of a table of the lake, by partition and offset; none comes twice.
pub fn lake(house: &House) -> BTreeMap<(u64, u64), Value> {
    let mut found = BTreeMap::new();
    rows(&house.data().join("lake/things/thing"), &mut found);
    found
}

fn rows(folder: &Path, found: &mut BTreeMap<(u64, u64), Value>) {
    for entry in fs::read_dir(folder).expect("the lake") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rows(&path, found);
            continue;
        }
        for line in fs::read_to_string(&path).expect("an object").lines() {
            let row: Value = serde_json::from_str(line).expect("a row");
            let place = (row["_partition"].as_u64().expect("a partition"), row["_offset"].as_u64().expect("an offset"));
            let twice = found.insert(place, row);
            assert!(twice.is_none(), "twice: {place:?} in {}", path.display());
        }
    }
}

/// The lake has the rows that the ledger counts, each once and in the window of its record; the cache has the latest of each key;
/// the ledger's lines and revisions balance, and agree with positions and dead letters.
pub fn agree(house: &House) {
    let pipeline = &house.pipeline;
    let rows = lake(house);
    assert_eq!(rows.len() as u64, number(pipeline, "SELECT sum(rows) FROM tidemill_positions"), "lake and ledger");
    assert_eq!(
        rows.len() as u64,
        number(pipeline, "SELECT sum(rows) FROM tidemill_objects WHERE table_name = 'thing'")
    );
    let mut latest: BTreeMap<i64, (i64, u64, u64)> = BTreeMap::new();
    for ((partition, offset), row) in &rows {
        let time = Timestamp::parse(row["_time"].as_str().expect("a time")).expect("a time").0;
        let place = (time, *partition, *offset);
        let known = latest.entry(row["ind"].as_i64().expect("a number")).or_insert(place);
        *known = place.max(*known);
    }
    let expected: Vec<String> =
        latest.iter().map(|(ind, (time, partition, offset))| format!("{ind},{time},{partition},{offset}")).collect();
    let cached = query(pipeline, "SELECT ind, _time, _partition, _offset FROM thing ORDER BY ind");
    assert!(cached[1..] == expected, "the latest of {} keys, and {} in the cache", expected.len(), cached.len() - 1);
    balanced(pipeline);
}

/// The ledger's lines, with their revisions, balance; positions are their sums; what is rejected still waits.
pub fn balanced(pipeline: &Path) {
    let lines = "SELECT table_name, partition, epoch, records_in, records_out, dropped, rejected, rows FROM tidemill_ledger \
                 UNION ALL SELECT table_name, partition, epoch, 0, records_out, dropped, rejected, rows FROM tidemill_revisions";
    let sums = "sum(records_in) AS i, sum(records_out) AS o, sum(dropped) AS d, sum(rejected) AS r, sum(rows) AS n";
    let none = |what: &str, sql: String| assert_eq!(number(pipeline, &sql), 0, "{what}");
    none(
        "an epoch does not balance",
        format!(
            "SELECT count(*) FROM (SELECT {sums} FROM ({lines}) GROUP BY table_name, partition, epoch) \
             WHERE i <> o + d + r OR min(o, d, r) < 0"
        ),
    );
    none(
        "a position is not the sum of its lines",
        format!(
            "SELECT count(*) FROM (SELECT table_name, partition, {sums} FROM ({lines}) GROUP BY 1, 2) \
             JOIN tidemill_positions p USING (table_name, partition) \
             WHERE (i, o, d, r, n) <> (p.records_in, p.records_out, p.dropped, p.rejected, p.rows)"
        ),
    );
    none(
        "an epoch has other letters than records that it rejected",
        format!(
            "SELECT count(*) FROM (SELECT table_name, partition, epoch, {sums} FROM ({lines}) GROUP BY 1, 2, 3) s \
             WHERE r <> (SELECT count(*) FROM tidemill_dead_letters l WHERE redriven IS NULL AND l.table_name = s.table_name \
             AND l.partition = s.partition AND l.epoch = s.epoch)"
        ),
    );
    none(
        "a revision healed other letters than it says",
        "SELECT count(*) FROM (SELECT table_name, revision, sum(records_out) AS o, sum(dropped) AS d FROM tidemill_revisions \
         GROUP BY 1, 2) r WHERE (o, d) <> (SELECT sum(became = 'rows'), sum(became = 'dropped') FROM tidemill_dead_letters l \
         WHERE l.table_name = r.table_name AND l.revision = r.revision)"
            .to_owned(),
    );
}

/// All that the cache's file holds, table by table.
pub fn all(pipeline: &Path) -> Vec<(String, Vec<String>)> {
    let names = query(pipeline, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    names[1..].iter().map(|name| (name.clone(), sorted(pipeline, &format!("SELECT * FROM \"{name}\"")))).collect()
}

/// A query's answer, sorted by its text.
pub fn sorted(pipeline: &Path, sql: &str) -> Vec<String> {
    let mut rows = query(pipeline, sql);
    rows[1..].sort();
    rows
}

/// Has a component in the place of a pipeline's file, and in service.
pub fn put_in_service(house: &House, daemon: &Daemon, component: &[u8]) {
    replace(&house.file(), component);
    let (status, answer) = post(daemon, "/tables/thing/reload", b"");
    assert_eq!(status, 200, "{answer}");
}
