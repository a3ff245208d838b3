//! The cache as a whole, on files: what the tests share.

mod audit;
mod commit;
mod files;
mod latest;
mod layouts;
mod prune;
mod queries;
mod questions;
mod revisions;
mod states;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use super::query::Reader;
use super::{AggregateLayout, Commit, Latest, Layout, Store, TableLayout};
use crate::commit::{Cut, Epoch, Share};
use crate::error::Result;
use crate::schema::{Field, Type};
use crate::time::Timestamp;
use crate::value::Value;

/// A folder of its own for each test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidemill-cache-{}-{number} #%?", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("cache.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn field(name: &str, kind: Type) -> Field {
    Field { name: name.into(), aliases: Vec::new(), kind, nullable: true }
}

fn table(name: &str, key: &[&str], columns: &[(&str, Type)]) -> TableLayout {
    TableLayout {
        name: name.into(),
        key: key.iter().map(|&key| key.to_owned()).collect(),
        columns: columns.iter().map(|&(name, kind)| field(name, kind)).collect(),
    }
}

/// Table `pin (ind, category)`, aggregate `pins_per_category`, query `categories`.
fn layout() -> Layout {
    let fields = [
        ("window_start", Type::Timestamp),
        ("window_end", Type::Timestamp),
        ("category", Type::Text),
        ("pins", Type::Int64),
    ];
    Layout {
        pipeline: "pinterest".into(),
        tables: vec![table("pin", &["ind"], &[("ind", Type::Int64), ("category", Type::Text)])],
        aggregates: vec![AggregateLayout {
            name: "pins_per_category".into(),
            table: "pin".into(),
            fields: fields.iter().map(|&(name, kind)| field(name, kind)).collect(),
            by: 1,
            definition: "tumbling 1m".into(),
        }],
        rollups: Vec::new(),
        queries: vec![(
            "categories".into(),
            "SELECT category, count(*) AS pins FROM pin GROUP BY 1 ORDER BY 1;\n".into(),
        )],
    }
}

/// A row of `pin`: its ind, its category, and its place `(time, partition, offset)`.
type Pin = (i64, &'static str, (i64, i64, i64));

fn pins(rows: &[Pin]) -> RecordBatch {
    let inds = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let categories = StringArray::from_iter_values(rows.iter().map(|row| row.1));
    let places: Vec<_> = rows.iter().map(|row| row.2).collect();
    batch(vec![("ind", Arc::new(inds)), ("category", Arc::new(categories))], &places)
}

/// Columns with the places that their rows come from.
fn batch(columns: Vec<(&str, ArrayRef)>, places: &[(i64, i64, i64)]) -> RecordBatch {
    let time = TimestampMicrosecondArray::from_iter_values(places.iter().map(|place| place.0)).with_timezone("UTC");
    let int64 = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let place: [(&str, ArrayRef); 4] = [
        ("_time", Arc::new(time)),
        ("_partition", int64(places.iter().map(|place| place.1).collect())),
        ("_offset", int64(places.iter().map(|place| place.2).collect())),
        ("_row", int64((0..places.len() as i64).collect())),
    ];
    RecordBatch::try_from_iter(columns.into_iter().chain(place)).unwrap()
}

fn latest(rows: &[Pin]) -> Latest {
    Latest::prepare(&layout().tables[0], &[pins(rows)]).unwrap()
}

fn epoch(partition: u32, number: u64, from: u64, next: u64) -> Epoch {
    let records = next - from;
    Epoch {
        table: "pin".into(),
        partition,
        epoch: number,
        from,
        next,
        records_in: records,
        out: records,
        dropped: 0,
        rejected: 0,
        rows: records,
        superseded: 0,
        unkeyed: 0,
        cuts: vec![Cut { window: Timestamp(0), first_offset: from, next_offset: next, rows: records }],
        shares: vec![Share { aggregate: "pins_per_category".into(), late: 1, watermark: Timestamp::MIN }],
        watermark: Timestamp(5),
        committed: Timestamp(number as i64),
        digest: "ab".into(),
        generation: 7,
        spent: std::time::Duration::from_nanos(9),
    }
}

fn commit(store: &mut Store, fill: impl FnOnce(&mut Commit<'_>) -> Result<()>) -> Result<()> {
    let mut commit = store.begin()?;
    fill(&mut commit)?;
    commit.finish()
}

/// Runs statements on a file, as another program would.
pub(crate) fn execute(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

/// The answer's rows as a person would read them: columns with `|`, null as `-`.
fn ask(file: &Path, sql: &str) -> Vec<String> {
    let answer = Reader::open(file).unwrap().run(sql, 1000).unwrap();
    let shown = |value: &Value| if *value == Value::Null { "-".to_owned() } else { value.to_string() };
    answer.rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect()
}
