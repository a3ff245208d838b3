//! Each stage on its own: log, decode, component, windows, Parquet, commit.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use tidemill::cache::{Latest, Layout, Store, TableLayout};
use tidemill::commit::{Cut, Epoch};
use tidemill::component::limits::Limits;
use tidemill::component::{Component, Host};
use tidemill::decode::Decoder;
use tidemill::emulate::population::Population;
use tidemill::expression::Grouping;
use tidemill::lake::options::Format;
use tidemill::lake::{Profile, SegmentWriter};
use tidemill::log::Topic;
use tidemill::log::options::Options;
use tidemill::record::{Batch, Record, Source};
use tidemill::schema::{Field, Type, arrow_schema};
use tidemill::time::{Clock, Timestamp};
use tidemill::window::spec::{Aggregate, Kind, MEMORY_MAX, Measure, Time, Window};
use tidemill::window::{Accumulator, Origin};
use tidemill_sdk::testing;
use tidemill_tests::place::{Folder, component};

use crate::{median, print};

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 6] = [
    ("log", log),
    ("decode", decode),
    ("component", components),
    ("window", window),
    ("parquet", parquet),
    ("commit", commit),
];

/// Pin records that a stage works on, again and again where that is not enough.
const PINS: u64 = 50_000;
/// Rows of a chunk, as a worker takes them.
const CHUNK: usize = 512;

fn pins() -> Vec<Vec<u8>> {
    let population = Population::new(1_000_000, 3);
    let pin = |index| {
        let mut line = Vec::new();
        population.pin(index * 19, &mut line);
        line
    };
    (0..PINS).map(pin).collect()
}

fn batch(pins: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    for (offset, pin) in (0..).zip(pins) {
        batch.push(Record { offset, time: Timestamp(0), key: None, value: Some(pin), headers: &[] });
    }
    batch
}

fn pin_component() -> Component {
    let bytes = fs::read(component("pin")).expect("the component");
    Host::new(None).expect("a host").load(&bytes, &Limits::default()).expect("it loads")
}

/// Decoded chunks of `rows` pins.
fn decoded(component: &Component, pins: &[Vec<u8>], rows: usize) -> Vec<RecordBatch> {
    let mut decoder = Decoder::new(&component.description().inputs, 0).expect("a decoder");
    let batch = batch(pins);
    let starts = (0..pins.len() - rows).step_by(rows);
    starts.map(|start| decoder.decode(&batch, start..start + rows).expect("it decodes").rows).collect()
}

/// Cleaned chunks, as a worker hands them on.
fn cleaned() -> Vec<RecordBatch> {
    let component = pin_component();
    let mut instance = component.instantiate("{}").expect("it starts");
    let chunks = decoded(&component, &pins(), CHUNK);
    chunks
        .iter()
        .map(|chunk| instance.apply(chunk).map(|out| out.rows).unwrap_or_else(|f| panic!("{}", f.error())))
        .collect()
}

fn log() {
    let folder = Folder::new("bench-log");
    let pins = pins();
    let bytes: usize = pins.iter().map(Vec::len).sum();
    let options = Options { partitions: 2, ..Options::default() };
    let topic = Topic::open(folder.path(), "pin", &options, Arc::new(Clock::System)).expect("a topic");
    let seconds = median(|| {
        let begun = Instant::now();
        let mut tickets = Vec::new();
        for (nth, records) in (0..).zip(pins.chunks(500)) {
            let mut append = topic.begin();
            records.iter().for_each(|record| append.push(None, Some(record), &[]).expect("it fits"));
            tickets.push(topic.append(nth % 2, append).expect("it is taken"));
        }
        for ticket in tickets {
            ticket.wait_blocking().expect("it is synced");
        }
        begun.elapsed().as_secs_f64()
    });
    print("log append, 500 a batch, synced", PINS, bytes as u64, seconds);
    let end = topic.end(0);
    let mut read_bytes = 0;
    let seconds = median(|| {
        read_bytes = 0;
        let mut reader = topic.reader(0, 0).expect("a reader");
        let mut batch = Batch::default();
        let begun = Instant::now();
        let mut next = 0;
        while next < end {
            batch.clear();
            reader.read(&mut batch, 1 << 20).expect("it reads");
            read_bytes += batch.bytes() as u64;
            next += batch.len() as u64;
        }
        begun.elapsed().as_secs_f64()
    });
    print("log read", end, read_bytes, seconds);
}

fn decode() {
    let component = pin_component();
    let pins = pins();
    let bytes: usize = pins.iter().map(Vec::len).sum();
    let batch = batch(&pins);
    let mut decoder = Decoder::new(&component.description().inputs, 0).expect("a decoder");
    let seconds = median(|| {
        let begun = Instant::now();
        for start in (0..pins.len()).step_by(CHUNK) {
            let end = (start + CHUNK).min(pins.len());
            black_box(decoder.decode(&batch, start..end).expect("it decodes"));
        }
        begun.elapsed().as_secs_f64()
    });
    print("decode, 11 of 12 fields", PINS, bytes as u64, seconds);
}

/// The same chunks through the component and through the same function compiled for this machine.
fn components() {
    let component = pin_component();
    let pins = pins();
    for rows in [256, 512, 1024] {
        // So few chunks that they stay in the cache, as they do behind the decoder.
        let chunks = decoded(&component, &pins[..rows * 4 + 1], rows);
        let bytes: usize = pins[..rows * 4].iter().map(Vec::len).sum();
        let lines: Vec<&str> = pins.iter().map(|pin| std::str::from_utf8(pin).expect("UTF-8")).collect();
        let description = tidemill_transform_pin::describe();
        let inputs: Vec<_> = (0..chunks.len())
            .map(|nth| testing::batch(&description.inputs, &lines[nth * rows..(nth + 1) * rows]).expect("columns"))
            .collect();
        let mut instance = component.instantiate("{}").expect("it starts");
        const ROUNDS: usize = 40;
        let mut sandboxed = || {
            let begun = Instant::now();
            for chunk in chunks.iter().cycle().take(ROUNDS * chunks.len()) {
                black_box(instance.apply(chunk).unwrap_or_else(|failure| panic!("{}", failure.error())));
            }
            begun.elapsed().as_secs_f64()
        };
        let native = || {
            let begun = Instant::now();
            for input in inputs.iter().cycle().take(ROUNDS * inputs.len()) {
                black_box(tidemill_transform_pin::apply(input).expect("it runs"));
            }
            begun.elapsed().as_secs_f64()
        };
        // In turns, so that both have the machine as it is then.
        let (mut inside, mut outside): (Vec<f64>, Vec<f64>) = (0..25).map(|_| (sandboxed(), native())).unzip();
        let mut ratios: Vec<f64> = inside.iter().zip(&outside).map(|(inside, outside)| inside / outside).collect();
        let [sandboxed, native, ratio] = [&mut inside, &mut outside, &mut ratios].map(|all| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        });
        let records = (ROUNDS * chunks.len() * rows) as u64;
        let bytes = (ROUNDS * bytes) as u64 * chunks.len() as u64 / 4;
        print(&format!("component, {rows} rows a call"), records, bytes, sandboxed);
        print(&format!("the same function on the host, {rows} rows"), records, bytes, native);
        println!("    the sandbox costs {ratio:.2} x the host build");
    }
}

fn window() {
    let chunks = cleaned();
    let aggregate = Aggregate {
        name: "pins_per_category".into(),
        by: vec![Grouping::column("category")],
        window: Window {
            kind: Kind::Tumbling { size: Duration::from_secs(60) },
            time: Time::Append,
            lateness: Duration::ZERO,
            idle: Duration::from_secs(30),
            future: Duration::from_hours(24),
        },
        measures: vec![
            ("pins".into(), Measure::Count(None)),
            ("followers".into(), Measure::Sum("follower_count".into())),
        ],
        memory_max: MEMORY_MAX,
    };
    let fields = pin_component().description().outputs.clone();
    let mut accumulator = Accumulator::new(&aggregate, &fields, Timestamp::MIN).expect("it fits");
    let times: Vec<i64> = (0..CHUNK as i64).collect();
    let origin = Origin { partition: 0, times: &times, offsets: &times };
    let seconds = median(|| {
        let begun = Instant::now();
        chunks.iter().for_each(|chunk| accumulator.add(chunk, origin).expect("it adds"));
        black_box(accumulator.take());
        begun.elapsed().as_secs_f64()
    });
    let rows: usize = chunks.iter().map(RecordBatch::num_rows).sum();
    let bytes: usize = chunks.iter().map(RecordBatch::get_array_memory_size).sum();
    print("window, count and sum by category", rows as u64, bytes as u64, seconds);
}

fn parquet() {
    let folder = Folder::new("bench-parquet");
    let chunks = cleaned();
    let file = folder.path().join("segment");
    let mut profile = Profile::default();
    let mut written = 0;
    let seconds = median(|| {
        let begun = Instant::now();
        let schema = chunks[0].schema();
        let mut writer = SegmentWriter::create(&file, Format::Parquet, schema, &profile).expect("a file");
        chunks.iter().for_each(|chunk| writer.write(chunk).expect("it is written"));
        written = writer.finish(&mut profile).expect("it is synced").bytes;
        begun.elapsed().as_secs_f64()
    });
    let rows: u64 = chunks.iter().map(|chunk| chunk.num_rows() as u64).sum();
    let raw: usize = chunks.iter().flat_map(RecordBatch::columns).map(|column| column.get_buffer_memory_size()).sum();
    print("parquet, snappy, synced", rows, raw as u64, seconds);
    println!("    {} bytes a row", written / rows);
}

/// The latest rows of a million shuffled keys, in commits of 250,000.
fn commit() {
    const KEYS: u64 = 1_000_000;
    const ROWS: u64 = 250_000;
    let folder = Folder::new("bench-commit");
    let column = |name: &str, kind| Field { name: name.into(), aliases: Vec::new(), kind, nullable: false };
    let columns = vec![column("ind", Type::Int64), column("follower_count", Type::Int64)];
    let table = TableLayout { name: "pin".into(), key: vec!["ind".into()], columns: columns.clone() };
    let layout = Layout { pipeline: "bench".into(), tables: vec![table.clone()], ..Layout::default() };
    let mut store = Store::open(&folder.path().join("cache.sqlite"), &layout).expect("a store");
    let origin =
        [("_time", Type::Timestamp), ("_partition", Type::Int64), ("_offset", Type::Int64), ("_row", Type::Int64)];
    let schema = arrow_schema(&[columns, origin.map(|(name, kind)| column(name, kind)).to_vec()].concat());
    let keys: Vec<i64> = tidemill_tests::fill::shuffled(KEYS).map(|key| key as i64).collect();
    let mut line = Epoch { table: "pin".into(), ..Epoch::default() };
    for what in ["commit, latest rows of new keys", "commit, latest rows of known keys"] {
        let begun = Instant::now();
        for keys in keys.chunks(ROWS as usize) {
            let offsets: Vec<i64> = (0..ROWS as i64).map(|nth| line.next as i64 + nth).collect();
            let times = TimestampMicrosecondArray::from(offsets.clone()).with_timezone("UTC");
            let zeros: ArrayRef = Arc::new(Int64Array::from_value(0, keys.len()));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(keys.to_vec())),
                Arc::new(Int64Array::from(keys.to_vec())),
                Arc::new(times),
                Arc::clone(&zeros),
                Arc::new(Int64Array::from(offsets)),
                zeros,
            ];
            let rows = RecordBatch::try_new(Arc::clone(&schema), columns).expect("rows");
            let latest = Latest::prepare(&table, &[rows]).expect("it is sorted");
            let next = line.next + ROWS;
            let cuts = vec![Cut { window: Timestamp(0), first_offset: line.next, next_offset: next, rows: ROWS }];
            let (epoch, from) = (line.epoch + 1, line.next);
            line = Epoch { epoch, from, next, records_in: ROWS, out: ROWS, rows: ROWS, cuts, ..line };
            let mut commit = store.begin().expect("a transaction");
            commit.epoch(&line).expect("the ledger's line");
            commit.upsert("pin", &latest).expect("the rows");
            commit.finish().expect("it is committed");
        }
        print(what, KEYS, KEYS * 48, begun.elapsed().as_secs_f64());
    }
}
