//! Rollups over a real file: at every commit they are what plain SQL says of the cached rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::cache::query::Reader;
use crate::cache::{self, Layout};
use crate::config;
use crate::config::plan::Pipeline;
use crate::expression::Grouping;
use crate::rollup::spec::parse;
use crate::schema::{Field, Type};
use crate::value::Value;

/// A folder of one test, in memory where there is one, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidemill-rollups-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() }.join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A cache with its writer, which can be ended and begun again.
struct House {
    folder: Folder,
    declared: Vec<Rollup>,
    layout: Layout,
    open: Option<(Store, Rollups)>,
}

impl House {
    fn new(declared: Vec<Rollup>, tables: Vec<TableLayout>, queries: Vec<(String, String)>) -> Self {
        let rollups = layouts(&declared, &tables).unwrap();
        let layout = Layout { pipeline: "rollups".into(), tables, rollups, queries, ..Layout::default() };
        let mut house = Self { folder: Folder::new(), declared, layout, open: None };
        house.restart();
        house
    }

    fn file(&self) -> PathBuf {
        self.folder.0.join("cache.sqlite")
    }

    fn restart(&mut self) {
        self.open = None;
        let mut store = Store::open(&self.file(), &self.layout).unwrap();
        let mut rollups = Rollups::new(&self.declared, &self.layout.tables).unwrap();
        rollups.restore(&mut store).unwrap();
        self.open = Some((store, rollups));
    }

    /// Commits rows as the committer does; where it is `cut_off`, nothing comes of it.
    fn commit(&mut self, latest: &[(&str, Latest)], cut_off: bool) {
        let (store, rollups) = self.open.as_mut().unwrap();
        let latest: Vec<(&str, &Latest)> = latest.iter().map(|(table, latest)| (*table, latest)).collect();
        let mut commit = store.begin().unwrap();
        rollups.read(&commit.rolled(), &latest).unwrap();
        for (table, latest) in latest {
            commit.upsert(table, latest).unwrap();
        }
        rollups.write(&commit.rolled()).unwrap();
        if !cut_off {
            commit.finish().unwrap();
        }
    }

    fn answer(&self, sql: &str) -> Vec<Vec<Value>> {
        Reader::open(&self.file()).unwrap().run(sql, usize::MAX).unwrap().rows
    }
}

fn field(name: &str, kind: Type) -> Field {
    Field { name: name.into(), aliases: Vec::new(), kind, nullable: true }
}

/// The tables of the pinterest pipeline, with the types that its transforms write.
fn tables(pipeline: &Pipeline) -> Vec<TableLayout> {
    let kind = |column: &str| match column {
        "ind" | "follower_count" | "age" => Type::Int64,
        "timestamp" | "date_joined" => Type::Timestamp,
        _ => Type::Text,
    };
    let table = |table: &crate::config::plan::Table| TableLayout {
        name: table.name.clone(),
        key: table.key.clone(),
        columns: table.cache.iter().map(|column| field(column, kind(column))).collect(),
    };
    pipeline.tables.iter().map(table).collect()
}

/// The pinterest pipeline's cache, with the ten questions as it asks them and, as `plain_..`, over the rows themselves.
fn pinterest() -> (House, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let pipeline = config::read(&folder.join("pinterest.toml")).unwrap().pipeline;
    let mut queries = Vec::new();
    for query in &pipeline.queries {
        let plain = fs::read_to_string(folder.join(format!("sql/plain/{}.sql", query.name))).unwrap();
        queries.push((query.name.clone(), query.sql.clone()));
        queries.push((format!("plain_{}", query.name), plain));
    }
    let names = pipeline.queries.iter().map(|query| query.name.clone()).collect();
    (House::new(pipeline.rollups.clone(), tables(&pipeline), queries), names)
}

/// Rows of a table with the places that they come from: `(time, partition, offset)`.
fn batch(columns: Vec<(&str, ArrayRef)>, places: &[(i64, i64, i64)]) -> RecordBatch {
    let int64 = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let times = TimestampMicrosecondArray::from_iter_values(places.iter().map(|place| place.0)).with_timezone("UTC");
    let place: [(&str, ArrayRef); 4] = [
        ("_time", Arc::new(times)),
        ("_partition", int64(places.iter().map(|place| place.1).collect())),
        ("_offset", int64(places.iter().map(|place| place.2).collect())),
        ("_row", int64(vec![0; places.len()])),
    ];
    RecordBatch::try_from_iter(columns.into_iter().chain(place)).unwrap()
}

/// Random rows of one of the three tables.
fn rows(random: &mut ChaCha8Rng, table: usize, keys: i64, offset: &mut i64) -> RecordBatch {
    let count = random.random_range(1..40);
    let maybe = |random: &mut ChaCha8Rng| !random.random_bool(0.08);
    let mut texts = |words: &[&str]| -> ArrayRef {
        let text = |_| maybe(random).then(|| words.choose(random).unwrap().to_string());
        Arc::new((0..count).map(text).collect::<StringArray>())
    };
    let (categories, posters) = (texts(&["art", "beauty", "diy"]), texts(&["ann", "bob", "\"cy\"", "d\u{e9}"]));
    let countries = texts(&["Albania", "Aruba", "Chad"]);
    let mut numbers = |from: i64, to: i64| -> ArrayRef {
        Arc::new((0..count).map(|_| maybe(random).then(|| random.random_range(from..to))).collect::<Int64Array>())
    };
    let (followers, ages) = (numbers(0, 30), numbers(15, 70));
    let mut times = |from: i64, to: i64| -> ArrayRef {
        let seconds = (0..count).map(|_| maybe(random).then(|| random.random_range(from..to) * 1_000_000));
        Arc::new(seconds.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let (posted, joined) = (times(1_480_000_000, 1_700_000_000), times(1_400_000_000, 1_620_000_000));
    let inds: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(|_| random.random_range(0..keys))));
    let places: Vec<(i64, i64, i64)> = (0..count)
        .map(|_| {
            *offset += 1;
            // Some come before those that are there.
            (*offset / 50 + random.random_range(-20..20), random.random_range(0..2), *offset)
        })
        .collect();
    let columns = match table {
        0 => vec![("ind", inds), ("category", categories), ("follower_count", followers), ("poster_name", posters)],
        1 => vec![("ind", inds), ("country", countries), ("timestamp", posted)],
        _ => vec![("ind", inds), ("age", ages), ("date_joined", joined)],
    };
    batch(columns, &places)
}

#[test]
fn the_ten_answers_are_those_of_plain_sql_at_every_commit() {
    for seed in 0..40 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut house, names) = pinterest();
        let (keys, mut offset, mut before) = (random.random_range(3..200), 0, None::<(usize, RecordBatch)>);
        for epoch in 0..50 {
            let mut latest = Vec::new();
            for _ in 0..random.random_range(1..6) {
                let table = random.random_range(0..3);
                let mut batches = vec![rows(&mut random, table, keys, &mut offset)];
                // What was sent before comes again.
                batches.extend(before.take().filter(|(of, _)| *of == table).map(|(_, batch)| batch));
                let of = &house.layout.tables[table];
                latest.push((of.name.clone(), Latest::prepare(of, &batches).unwrap()));
                before = random.random_bool(0.5).then(|| (table, batches.swap_remove(0)));
            }
            let latest: Vec<(&str, Latest)> = latest.iter().map(|(name, of)| (name.as_str(), of.clone())).collect();
            if random.random_bool(0.2) {
                house.commit(&latest, true);
            }
            if random.random_bool(0.2) {
                house.restart();
            }
            house.commit(&latest, false);
            let reader = Reader::open(&house.file()).unwrap();
            let answer = |name: &str| reader.run(name, usize::MAX).unwrap().rows;
            for name in &names {
                let plain = answer(&format!("plain_{name}"));
                assert_eq!(answer(name), plain, "seed {seed}, epoch {epoch}: {name}");
            }
        }
    }
}

fn rollup(name: &str, tables: &[&str], by: &[&str], measures: &[(&str, &str)]) -> Rollup {
    let measure = |(name, text): &(&str, &str)| ((*name).to_owned(), parse(text).unwrap());
    Rollup {
        name: name.into(),
        from: tables[0].into(),
        join: tables[1..].iter().map(|&table| table.into()).collect(),
        by: by.iter().map(|&column| Grouping::column(column)).collect(),
        measures: measures.iter().map(measure).collect(),
    }
}

/// Two tables whose key is of a text and a number, which have other names.
fn keyed() -> Vec<TableLayout> {
    let table = |name: &str, key: [&str; 2], value: &str, kind| TableLayout {
        name: name.into(),
        key: key.map(str::to_owned).to_vec(),
        columns: vec![field(key[0], Type::Text), field(value, kind), field(key[1], Type::Int64)],
    };
    vec![table("orders", ["shop", "number"], "total", Type::Int64), table("sent", ["of", "nth"], "to", Type::Text)]
}

fn keyed_rows(random: &mut ChaCha8Rng, layout: &TableLayout, offset: &mut i64) -> Latest {
    let count = random.random_range(1..30usize);
    let text = |random: &mut ChaCha8Rng| ["", "a", "a\0b", "\u{e9}"].choose(random).unwrap().to_string();
    let texts = |random: &mut ChaCha8Rng| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..count).map(|_| text(random))))
    };
    let numbers = |random: &mut ChaCha8Rng| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..count).map(|_| random.random_range(0..8))))
    };
    let mut columns = Vec::new();
    for field in &layout.columns {
        columns.push((field.name.as_str(), if field.kind == Type::Text { texts(random) } else { numbers(random) }));
    }
    let places: Vec<_> = (0..count)
        .map(|_| {
            *offset += 1;
            (*offset, 0, *offset)
        })
        .collect();
    Latest::prepare(layout, &[batch(columns, &places)]).unwrap()
}

const SENT: &str = "SELECT \"to\", count(*), sum(total), max(total), count(DISTINCT number) FROM orders \
     JOIN sent ON shop = of AND number = nth GROUP BY 1 ORDER BY 1";

fn sent() -> Rollup {
    let measures = [
        ("rows", "count()"),
        ("sum", "sum(total)"),
        ("most", "max(orders.total)"),
        ("numbers", "count_distinct(number)"),
    ];
    rollup("sent_to", &["orders", "sent"], &["to"], &measures)
}

#[test]
fn keys_of_several_columns_are_joined() {
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut house = House::new(vec![sent()], keyed(), Vec::new());
        let mut offset = 0;
        for epoch in 0..20 {
            let of = |table: usize| house.layout.tables[table].clone();
            let (orders, sent) = (of(0), of(1));
            let latest = [
                ("orders", keyed_rows(&mut random, &orders, &mut offset)),
                ("sent", keyed_rows(&mut random, &sent, &mut offset)),
                ("orders", keyed_rows(&mut random, &orders, &mut offset)),
            ];
            house.commit(&latest, false);
            let shown = house.answer("SELECT \"to\", rows, sum, most, numbers FROM sent_to ORDER BY 1");
            assert_eq!(shown, house.answer(SENT), "seed {seed}, epoch {epoch}");
        }
    }
}

/// A house in which orders were sent.
fn filled() -> (House, ChaCha8Rng) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut house = House::new(vec![sent()], keyed(), Vec::new());
    let (orders, of) = (house.layout.tables[0].clone(), house.layout.tables[1].clone());
    let latest = [("orders", keyed_rows(&mut random, &orders, &mut 0)), ("sent", keyed_rows(&mut random, &of, &mut 0))];
    house.commit(&latest, false);
    (house, random)
}

#[test]
fn what_is_declared_otherwise_is_computed_anew() {
    let (mut house, _) = filled();
    let computed = |house: &House| {
        let sql = "SELECT count(*) FROM tidemill_layout WHERE kind = 'rollup' AND definition <> ''";
        house.answer(sql)[0][0].clone()
    };
    let rows = || "SELECT \"to\", count(*) FROM orders JOIN sent ON shop = of AND number = nth GROUP BY 1 ORDER BY 1";
    assert_eq!(computed(&house), Value::Int64(1));
    let two = [
        rollup("sent_to", &["sent", "orders"], &["to"], &[("n", "count()")]),
        rollup("new", &["sent"], &[], &[("n", "count()")]),
    ];
    house.declared = two.to_vec();
    house.layout.rollups = layouts(&house.declared, &house.layout.tables).unwrap();
    house.restart();
    assert_eq!(computed(&house), Value::Int64(2));
    assert_eq!(house.answer("SELECT \"to\", n FROM sent_to ORDER BY 1"), house.answer(rows()));
    assert_eq!(house.answer("SELECT n FROM new"), house.answer("SELECT count(*) FROM sent"));
    assert!(!house.answer(rows()).is_empty());
    house.declared.clear();
    house.layout.rollups.clear();
    house.restart();
    assert!(house.answer("SELECT * FROM tidemill_rolled").is_empty());
    assert!(house.answer("SELECT * FROM tidemill_stretches").is_empty());
}

#[test]
fn a_table_that_begins_anew_takes_its_rollups_along() {
    let (mut house, _) = filled();
    house.layout.tables[0].columns.push(field("more", Type::Text));
    house.layout.rollups = layouts(&house.declared, &house.layout.tables).unwrap();
    house.restart();
    assert!(house.answer("SELECT * FROM orders").is_empty());
    assert!(house.answer("SELECT * FROM sent_to").is_empty());
}

#[test]
fn what_another_program_has_taken_away_is_computed_anew() {
    let (mut house, mut random) = filled();
    house.open = None;
    let taken = "DELETE FROM tidemill_rolled; UPDATE tidemill_stretches SET entries = x'ff'";
    cache::execute(&house.file(), taken);
    house.restart();
    let (orders, mut offset) = (house.layout.tables[0].clone(), 1000);
    house.commit(&[("orders", keyed_rows(&mut random, &orders, &mut offset))], false);
    let shown = house.answer("SELECT \"to\", rows, sum, most, numbers FROM sent_to ORDER BY 1");
    assert_eq!(shown, house.answer(SENT));
    assert!(!shown.is_empty());
}

#[test]
fn first_values_that_are_used_up_are_made_up_for() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let declared =
        vec![rollup("most", &["sent"], &[], &[("most", "max(nth)"), ("who", "top(to, nth)"), ("least", "min(nth)")])];
    let mut house = House::new(declared, keyed(), Vec::new());
    let layout = TableLayout { key: vec!["of".into()], ..house.layout.tables[1].clone() };
    house.layout.tables[1] = layout.clone();
    house.layout.rollups = layouts(&house.declared, &house.layout.tables).unwrap();
    house.restart();
    let latest = |numbers: &mut dyn FnMut(i64) -> i64, offset: i64| {
        let keys: Vec<String> = (0..2_000).map(|key| format!("k{key}")).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("of", Arc::new(StringArray::from_iter_values(&keys))),
            ("to", Arc::new(StringArray::from_iter_values(keys.iter().map(|key| format!("to {key}"))))),
            ("nth", Arc::new(Int64Array::from_iter_values((0..2_000).map(numbers)))),
        ];
        let places: Vec<_> = (0..2_000).map(|nth| (offset, 0, offset + nth)).collect();
        Latest::prepare(&layout, &[batch(columns, &places)]).unwrap()
    };
    // Each time all of the first ones become others.
    for epoch in 0..6 {
        let rows = latest(&mut |_| random.next_u32() as i64 - (epoch << 32), epoch * 10_000);
        house.commit(&[("sent", rows)], false);
        let shown = house.answer("SELECT most, who, least FROM most");
        let plain = "SELECT max(nth), json_group_array(\"to\") FILTER (WHERE nth = (SELECT max(nth) FROM sent)), min(nth) FROM sent";
        assert_eq!(shown, house.answer(plain), "epoch {epoch}");
    }
}
