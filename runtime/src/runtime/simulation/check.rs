//! What has to be true when all has been carried through.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;

use super::bucket::sha256;
use super::plan::PARTITIONS;
use super::world::{World, class, value};
use crate::cache::letters::Which;
use crate::cache::query::Reader;
use crate::disk;
use crate::lake::tests::lines;
use crate::time::Timestamp;
use crate::value::Value;

/// A row of the lake.
struct Row {
    number: u64,
    n: i64,
    time: Timestamp,
}

/// A group of the aggregate: its window and class, the count and the sum.
type Groups = BTreeMap<(Timestamp, String), (i64, i64)>;

/// Counts everything.
pub(super) fn all(world: &World) {
    let reader = Reader::open(&world.cache()).unwrap();
    let rows = rows(world);
    let letters = letters(&reader);
    each_record_once(world, &rows, &letters);
    cached(&reader, &rows);
    rolled(&reader);
    aggregated(world, &reader, &rows);
    accounted(world, &reader);
    let left = disk::list(&world.process.as_ref().unwrap().spool).unwrap();
    assert!(left.is_empty(), "in the spool: {left:?}");
}

fn objects<'a>(world: &'a World, of: &'a str) -> impl Iterator<Item = Json> + 'a {
    let format = world.pipeline.lake.format;
    let objects = world.bucket.objects.iter().filter(move |(key, _)| key.starts_with(of));
    let json = |line: &str| serde_json::from_str(line).unwrap();
    objects.flat_map(move |(_, object)| lines(object, format).lines().map(json).collect::<Vec<Json>>())
}

/// The rows of the lake by partition and offset, each there once.
fn rows(world: &World) -> BTreeMap<(u32, u64), Row> {
    let mut rows = BTreeMap::new();
    for row in objects(world, "pin/") {
        let place = (row["_partition"].as_u64().unwrap() as u32, row["_offset"].as_u64().unwrap());
        let number = row["id"].as_str().unwrap()[1..].parse().unwrap();
        let time = Timestamp::parse(row["_time"].as_str().unwrap()).unwrap();
        let row = Row { number, n: row["n"].as_i64().unwrap(), time };
        assert!(rows.insert(place, row).is_none(), "{place:?} is in the lake twice");
    }
    rows
}

/// The dead letters by partition and offset.
fn letters(reader: &Reader) -> BTreeMap<(u32, u64), String> {
    let found = reader.letters("pin", &Which::default(), usize::MAX >> 1).unwrap();
    let letters = found.into_iter().map(|found| found.letter);
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap()).unwrap();
    letters.map(|letter| ((letter.partition, letter.offset), text(letter.value))).collect()
}

/// Each offset is a row or a dead letter, with the bytes that were acknowledged under it; what was not acknowledged is there once or not at all.
fn each_record_once(world: &World, rows: &BTreeMap<(u32, u64), Row>, letters: &BTreeMap<(u32, u64), String>) {
    let mut seen = BTreeSet::new();
    for partition in 0..PARTITIONS {
        let end = world.process.as_ref().unwrap().topic.end(partition);
        for place in (0..end).map(|offset| (partition, offset)) {
            let text = match (rows.get(&place), letters.get(&place)) {
                (Some(row), None) => value(row.number),
                (None, Some(letter)) => letter.clone(),
                (None, None) => panic!("{place:?} is neither a row nor a dead letter"),
                (Some(_), Some(_)) => panic!("{place:?} is a row and a dead letter"),
            };
            assert!(seen.insert(text.clone()), "{text} is there twice");
            if let Some(&number) = world.known.acknowledged.get(&place) {
                assert_eq!(text, value(number), "{place:?}");
            } else {
                let unheard = world.known.unheard.iter().any(|&number| value(number) == text);
                assert!(unheard, "{place:?}: nobody sent {text}");
            }
        }
    }
    assert_eq!(rows.len() + letters.len(), seen.len(), "offsets behind the end of the log");
    for (place, &number) in &world.known.acknowledged {
        assert!(seen.contains(&value(number)), "{place:?}: record {number} is lost");
    }
}

fn cached(reader: &Reader, rows: &BTreeMap<(u32, u64), Row>) {
    let table = reader.run("SELECT id, n FROM pin", usize::MAX).unwrap();
    let cached: BTreeMap<String, i64> = table.rows.iter().map(|row| (text(&row[0]), int(&row[1]))).collect();
    assert_eq!(cached.len(), table.rows.len());
    let expected: BTreeMap<String, i64> = rows.values().map(|row| (format!("r{}", row.number), row.n)).collect();
    assert_eq!(cached, expected, "the cache's rows are those of the lake");
}

/// The rollup is what the cache's rows come to.
fn rolled(reader: &Reader) {
    let shown = reader.run("SELECT pins, total, middle, most, last FROM now", usize::MAX).unwrap();
    let plain = "SELECT count(*), sum(n), percentile_approx(n, 0.5), max(n), \
         json_group_array(id ORDER BY id) FILTER (WHERE n = (SELECT max(n) FROM pin)) FROM pin HAVING count(*) > 0";
    assert_eq!(shown.rows, reader.run(plain, usize::MAX).unwrap().rows, "the rollup");
}

/// The aggregate in the cache and in the lake is what the lake's rows come to, without one that was late.
fn aggregated(world: &World, reader: &Reader, rows: &BTreeMap<(u32, u64), Row>) {
    let mut expected = Groups::new();
    for row in rows.values() {
        let window = row.time.floor(Duration::from_secs(60));
        let group = expected.entry((window, class(row.number).to_string())).or_default();
        *group = (group.0 + 1, group.1 + row.n);
    }
    let late = reader.run("SELECT coalesce(sum(late), 0) FROM tidemill_aggregates", 1).unwrap();
    assert_eq!(int(&late.rows[0][0]), 0, "late rows");
    let table = reader.run("SELECT window_start, class, pins, total FROM per_minute", usize::MAX).unwrap();
    let group = |row: &Vec<Value>| {
        let window = Timestamp::parse(&text(&row[0])).unwrap();
        ((window, text(&row[1])), (int(&row[2]), int(&row[3])))
    };
    assert_eq!(table.rows.iter().map(group).collect::<Groups>(), expected, "the aggregate in the cache");
    let mut landed = Groups::new();
    for row in objects(world, "per_minute/") {
        let window = Timestamp::parse(row["window_start"].as_str().unwrap()).unwrap();
        let of = (window, row["class"].as_str().unwrap().to_owned());
        let group = (row["pins"].as_i64().unwrap(), row["total"].as_i64().unwrap());
        assert!(landed.insert(of.clone(), group).is_none(), "{of:?} landed twice");
    }
    assert_eq!(landed, expected, "the aggregate in the lake");
}

/// The ledger follows without a gap, balances, and says what the bucket holds.
fn accounted(world: &World, reader: &Reader) {
    for partition in 0..PARTITIONS {
        let mut lines = reader.epochs("pin", partition, usize::MAX >> 1).unwrap();
        lines.reverse();
        let mut next = 0;
        for (nth, line) in (1..).zip(&lines) {
            assert_eq!((line.epoch, line.from), (nth, next), "partition {partition}");
            assert_eq!(line.records_in, line.next - line.from, "partition {partition}, epoch {nth}");
            assert_eq!(line.records_in, line.out + line.dropped + line.rejected, "partition {partition}, epoch {nth}");
            next = line.next;
        }
        assert_eq!(next, world.process.as_ref().unwrap().topic.end(partition), "partition {partition}");
    }
    let objects = reader.objects(usize::MAX >> 1).unwrap();
    assert_eq!(objects.len(), world.bucket.objects.len());
    for (object, delivered) in objects {
        assert!(delivered, "{:?} waits", object.key);
        assert_eq!(object.sha256, sha256(&world.bucket.objects[&object.key]), "{:?}", object.key);
    }
    let sound = reader.run("SELECT * FROM pragma_integrity_check", 10).unwrap();
    assert_eq!(text(&sound.rows[0][0]), "ok");
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int64(number) => *number,
        other => panic!("{other:?} is no whole number"),
    }
}
