//! What the commit of an epoch costs with many rows in the cache, the ten answers kept up to date or not: `TIDEMILL_ROWS` names
//! the numbers of rows.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tidemill::cache::{Latest, Layout, Store, TableLayout};
use tidemill::config;
use tidemill::pipeline::rollups::{Rollups, layouts};
use tidemill::schema::{Field, Type};
use tidemill_tests::place::{Folder, root};

/// The bench of this file.
pub(crate) const BENCHES: [(&str, fn()); 1] = [("rollups", rollups)];

/// Posts of an epoch to each of the three tables.
const POSTS: i64 = 3_333;
/// Epochs of which each figure is the median.
const EPOCHS: usize = 15;
/// Rows of a commit while the cache is filled.
const FILLED: i64 = 200_000;

/// Which keys an epoch has.
#[derive(Clone, Copy, Debug)]
enum Keys {
    /// One in five is there and says the same again, the others follow the last.
    Posts,
    /// All are there, wherever, and say something else.
    Updates,
}

struct House {
    store: Store,
    rollups: Rollups,
    tables: Vec<TableLayout>,
    offset: i64,
}

fn rollups() {
    let asked = std::env::var("TIDEMILL_ROWS").unwrap_or_else(|_| "1000000,10000000".to_owned());
    let numbers = asked.split(',').map(|number| number.trim().parse::<i64>().expect("a number of rows"));
    println!("commit of an epoch of {} posts to three tables: ms, the median of {EPOCHS}", 3 * POSTS);
    for rows in numbers {
        for kept in [false, true] {
            let folder = Folder::new("bench-rollups");
            let mut house = House::new(&folder, kept);
            let begun = Instant::now();
            for from in (0..rows).step_by(FILLED as usize) {
                let keys: Vec<i64> = (from..(from + FILLED).min(rows)).collect();
                house.commit(&keys, 0);
            }
            let what = if kept { "ten answers" } else { "rows alone" };
            let filled = begun.elapsed().as_secs_f64() * 1e6 / rows as f64;
            let (mut random, mut next, mut figures) = (ChaCha8Rng::seed_from_u64(1), rows, Vec::new());
            for keys in [Keys::Posts, Keys::Updates] {
                let mut took: Vec<f64> = (0..EPOCHS as u64)
                    .map(|epoch| {
                        let (keys, turn) = epoch_of(keys, &mut random, rows, &mut next, epoch);
                        let begun = Instant::now();
                        house.commit(&keys, turn);
                        begun.elapsed().as_secs_f64() * 1e3
                    })
                    .collect();
                took.sort_by(f64::total_cmp);
                figures.push(format!("{keys:?} {:.1}", took[EPOCHS / 2]));
            }
            println!("    {rows:>9} keys, {what:<11} {}; {filled:.2} us a key while filled", figures.join(", "));
        }
    }
}

fn epoch_of(keys: Keys, random: &mut ChaCha8Rng, rows: i64, next: &mut i64, epoch: u64) -> (Vec<i64>, u64) {
    let mut all: Vec<i64> = match keys {
        Keys::Posts => {
            let (repeats, first) = (POSTS / 5, *next);
            *next += POSTS - repeats;
            (first..*next).chain((0..repeats).map(|_| random.random_range(0..rows))).collect()
        }
        Keys::Updates => (0..POSTS).map(|_| random.random_range(0..rows)).collect(),
    };
    all.sort_unstable();
    all.dedup();
    (all, if matches!(keys, Keys::Posts) { 0 } else { epoch + 1 })
}

impl House {
    fn new(folder: &Folder, kept: bool) -> Self {
        let pipeline = config::read(&root().join("pipelines/pinterest.toml")).expect("the pipeline").pipeline;
        let field = |name: &String| {
            let kind = match name.as_str() {
                "ind" | "follower_count" | "age" => Type::Int64,
                "timestamp" | "date_joined" => Type::Timestamp,
                _ => Type::Text,
            };
            Field { name: name.clone(), aliases: Vec::new(), kind, nullable: true }
        };
        let table = |table: &config::plan::Table| TableLayout {
            name: table.name.clone(),
            key: table.key.clone(),
            columns: table.cache.iter().map(field).collect(),
        };
        let tables: Vec<TableLayout> = pipeline.tables.iter().map(table).collect();
        let declared = if kept { pipeline.rollups } else { Vec::new() };
        let rollups = layouts(&declared, &tables).expect("they fit");
        let layout = Layout { pipeline: "bench".into(), tables: tables.clone(), rollups, ..Layout::default() };
        fs::create_dir_all(folder.path()).expect("a folder");
        let mut store = Store::open(&folder.path().join("cache.sqlite"), &layout).expect("a cache");
        let mut rollups = Rollups::new(&declared, &tables).expect("they fit");
        rollups.restore(&mut store).expect("nothing to restore");
        Self { store, rollups, tables, offset: 0 }
    }

    /// Commits a row of each table for these keys, which are rising; `turn` makes them say something else.
    fn commit(&mut self, keys: &[i64], turn: u64) {
        let latest: Vec<Latest> = (0..3)
            .map(|table| Latest::prepare(&self.tables[table], &[self.rows(table, keys, turn)]).expect("rows"))
            .collect();
        self.offset += keys.len() as i64;
        let names = ["pin", "geo", "user"];
        let all: Vec<(&str, &Latest)> = names.iter().copied().zip(&latest).collect();
        let mut commit = self.store.begin().expect("a commit");
        self.rollups.read(&commit.rolled(), &all).expect("rows as they were");
        for (table, latest) in &all {
            commit.upsert(table, latest).expect("rows");
        }
        self.rollups.write(&commit.rolled()).expect("groups");
        commit.finish().expect("it is committed");
    }

    fn rows(&self, table: usize, keys: &[i64], turn: u64) -> RecordBatch {
        let dice = |key: i64, salt: u64| ChaCha8Rng::seed_from_u64(key.cast_unsigned() ^ (salt << 48) ^ (turn << 32));
        let texts = |text: &dyn Fn(i64) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(keys.iter().map(|key| text(*key))))
        };
        let numbers = |number: &dyn Fn(i64) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(keys.iter().map(|key| number(*key))))
        };
        let times = |from: i64, to: i64, salt| -> ArrayRef {
            let time = |key: &i64| dice(*key, salt).random_range(from..to) * 1_000_000;
            Arc::new(TimestampMicrosecondArray::from_iter_values(keys.iter().map(time)).with_timezone("UTC"))
        };
        let ind: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let columns = match table {
            0 => vec![
                ("ind", ind),
                ("category", texts(&|key| format!("category {}", dice(key, 1).random_range(0..13)))),
                (
                    "follower_count",
                    numbers(&|key| {
                        let mut dice = dice(key, 2);
                        dice.random_range(1..1000) * [1, 1_000, 1_000, 1_000].choose(&mut dice).expect("one")
                    }),
                ),
                ("poster_name", texts(&|key| format!("poster {}", key / 2))),
            ],
            1 => vec![
                ("ind", ind),
                ("country", texts(&|key| format!("country {}", dice(key, 3).random_range(0..243)))),
                ("timestamp", times(1_508_000_000, 1_666_000_000, 4)),
            ],
            _ => vec![
                ("ind", ind),
                ("age", numbers(&|key| dice(key, 5).random_range(20..61))),
                ("date_joined", times(1_445_000_000, 1_508_000_000, 6)),
            ],
        };
        let offsets = (self.offset..).take(keys.len());
        let int64 = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let time = TimestampMicrosecondArray::from_iter_values(offsets.clone()).with_timezone("UTC");
        let place: [(&str, ArrayRef); 4] = [
            ("_time", Arc::new(time)),
            ("_partition", int64(vec![0; keys.len()])),
            ("_offset", int64(offsets.collect())),
            ("_row", int64(vec![0; keys.len()])),
        ];
        RecordBatch::try_from_iter(columns.into_iter().chain(place)).expect("a batch")
    }
}
