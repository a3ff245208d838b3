//! Windows: rows into three aggregates of a thousand groups, and a commit of some among a million open groups.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use tidemill::cache::{AggregateLayout, Layout, Store};
use tidemill::expression::Grouping;
use tidemill::schema::{Field, Type, arrow_schema};
use tidemill::time::Timestamp;
use tidemill::window::spec::{Aggregate, Kind, MEMORY_MAX, Time, Window, parse};
use tidemill::window::{Accumulator, Origin, State, output_fields};
use tidemill_tests::place::Folder;

use crate::{median, print};

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 2] = [("aggregates", aggregates), ("open groups", open_groups)];

/// Rows of a chunk, as a worker takes them.
const CHUNK: usize = 512;
const CHUNKS: usize = 4_000;
const GROUPS: i64 = 1_000;

fn fields() -> Vec<Field> {
    let field = |(name, kind): (&str, Type)| Field { name: name.into(), aliases: vec![], kind, nullable: false };
    [("key", Type::Int64), ("whole", Type::Int64), ("part", Type::Float64)].map(field).to_vec()
}

/// A chunk of rows whose numbers come from here on.
fn rows(from: i64, count: usize) -> RecordBatch {
    let numbers = || (from..).take(count).map(|nth| nth.wrapping_mul(0x9e37_79b9).rem_euclid(1_000_003));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers().map(|number| number % GROUPS))),
        Arc::new(Int64Array::from_iter_values(numbers().map(|number| number % 10_000))),
        Arc::new(Float64Array::from_iter_values(numbers().map(|number| (number % 5_000) as f64 / 8.0))),
    ];
    RecordBatch::try_new(arrow_schema(&fields()), columns).expect("rows")
}

fn aggregate(name: &str, measures: &[&str]) -> Aggregate {
    Aggregate {
        name: name.into(),
        by: vec![Grouping::column("key")],
        window: Window {
            kind: Kind::Tumbling { size: Duration::from_mins(1) },
            time: Time::Append,
            lateness: Duration::ZERO,
            idle: Duration::from_secs(30),
            future: Duration::from_hours(24),
        },
        measures: (1..).zip(measures).map(|(nth, text)| (format!("m{nth}"), parse(text).expect("a measure"))).collect(),
        memory_max: MEMORY_MAX,
    }
}

/// Three aggregates of a thousand groups, on one core.
fn aggregates() {
    let chunks: Vec<RecordBatch> = (0..CHUNKS).map(|nth| rows((nth * CHUNK) as i64, CHUNK)).collect();
    let bytes: usize = chunks.iter().map(RecordBatch::get_array_memory_size).sum();
    let times = vec![0; CHUNK];
    for (what, measures) in [
        (
            "3 aggregates, counts and sums",
            [["count()", "sum(whole)"], ["count()", "sum(part)"], ["count()", "max(whole)"]],
        ),
        (
            "3 aggregates, exact quantiles",
            [["quantile(whole, 0.9)", "count()"], ["median(part)", "count()"], ["sum(part)", "count()"]],
        ),
        (
            "3 aggregates, sketches",
            [
                ["approx_quantile(part, 0.9)", "count()"],
                ["approx_count_distinct(whole)", "count()"],
                ["variance(part)", "count()"],
            ],
        ),
    ] {
        let all = measures.map(|measures| aggregate("a", &measures));
        let mut accumulators = all.map(|of| Accumulator::new(&of, &fields(), Timestamp::MIN).expect("it fits"));
        let seconds = median(|| {
            let begun = Instant::now();
            for chunk in &chunks {
                let origin = Origin { partition: 0, times: &times, offsets: &times };
                accumulators.iter_mut().for_each(|accumulator| accumulator.add(chunk, origin).expect("it adds"));
            }
            accumulators.iter_mut().for_each(|accumulator| drop(black_box(accumulator.take())));
            begun.elapsed().as_secs_f64()
        });
        print(what, (CHUNKS * CHUNK) as u64, bytes as u64, seconds);
    }
}

/// A million open groups in a hundred windows, of which an epoch changes twenty thousand: as long as a partition is behind all of them,
/// and once the windows' time is over, so that what each group showed is kept.
fn open_groups() {
    for over in [false, true] {
        change_open_groups(over);
    }
}

fn change_open_groups(over: bool) {
    const WINDOWS: i64 = 100;
    const KEYS: i64 = 10_000;
    const CHANGED: i64 = 20_000;
    let mut of = aggregate("open", &["count()", "sum(whole)"]);
    of.window.lateness = Duration::from_hours(24);
    let folder = Folder::new("bench-open-groups");
    let layout = AggregateLayout {
        name: "open".into(),
        table: "pin".into(),
        fields: output_fields(&of, &fields()).expect("fields"),
        by: 1,
        definition: of.definition(),
    };
    let layout = Layout {
        pipeline: "bench".into(),
        tables: vec![],
        aggregates: vec![layout],
        queries: vec![],
        ..Layout::default()
    };
    let mut store = Store::open(&folder.path().join("cache.sqlite"), &layout).expect("a store");
    let mut state = State::new(&of, &fields(), if over { 1 } else { 2 }).expect("a state");
    let mut accumulator = Accumulator::new(&of, &fields(), Timestamp::MIN).expect("it fits");
    let before = memory();
    let mut epoch = |groups: &mut dyn Iterator<Item = (i64, i64)>| {
        let (windows, keys): (Vec<i64>, Vec<i64>) = groups.unzip();
        let times: Vec<i64> = windows.iter().map(|window| window * 60_000_000).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys.clone())),
            Arc::new(Int64Array::from(keys.clone())),
            Arc::new(Float64Array::from_iter_values(keys.iter().map(|key| *key as f64))),
        ];
        let rows = RecordBatch::try_new(arrow_schema(&fields()), columns).expect("rows");
        accumulator.add(&rows, Origin { partition: 0, times: &times, offsets: &times }).expect("it adds");
        let begun = Instant::now();
        state.merge(0, accumulator.take()).expect("it fits");
        let (closed, gone, changed) = (state.close(), state.gone(), state.changed());
        let mut commit = store.begin().expect("a transaction");
        commit.groups("open", [&gone, &changed, &closed], Timestamp(0)).expect("groups");
        commit.finish().expect("a commit");
        (begun.elapsed().as_secs_f64(), changed.len())
    };
    for window in 0..WINDOWS {
        epoch(&mut (0..KEYS).map(|key| (window, key)));
    }
    let grown = (memory() - before) as f64 / 1e6;
    let mut nth = 0;
    let seconds = median(|| {
        nth += 1;
        let some = (0..CHANGED).map(|i| (i * 7 + nth) * 49_999_991 % (WINDOWS * KEYS)).map(|id| (id / KEYS, id % KEYS));
        epoch(&mut some.into_iter()).0
    });
    let windows = if over { "over, with what they showed" } else { "not over" };
    println!(
        "open groups: a million take {grown:.0} MB; a commit that changes {CHANGED}, windows {windows}: {:.0} ms",
        seconds * 1e3
    );
}

/// The bytes of memory that this process has.
fn memory() -> i64 {
    let status = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: i64 = status.split(' ').nth(1).expect("a number").parse().expect("a number");
    pages * 4096
}
