//! A great many records, posted while the process is killed again and again: each becomes once what it was sent as, everywhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tidemill_tests::cli;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::place::{Folder, component};
use tidemill_tests::torture::{number, seed};

/// Records where the environment asks for no other number.
const RECORDS: usize = 300_000;
/// One kill for so many records, and at least a few.
const RECORDS_PER_KILL: usize = 1_000_000;
const KILLS_MIN: usize = 8;
/// Who posts, each one request at a time, each request under a number of its own.
const PRODUCERS: u64 = 3;
/// Records of a request.
const BATCH: u64 = 500;
/// While nobody listens, or there is no room, it is tried again so much later.
const AGAIN_TIME: Duration = Duration::from_millis(5);
/// One record in so many cannot become a row.
const FOUL_EVERY: u64 = 1009;
const COUNTRIES: [&str; 8] =
    ["Åland Islands", "Bhutan", "Côte d'Ivoire", "Dominica", "Egypt", "Fiji", "Ghana", "Holy See"];
/// 2020-02-29T00:00:00Z in seconds.
const DAY: i64 = 1_582_934_400;

fn is_foul(ind: u64) -> bool {
    ind.is_multiple_of(FOUL_EVERY)
}

fn foul(ind: u64) -> String {
    format!("{{\"foul\":{ind}}}")
}

fn country(ind: u64) -> &'static str {
    COUNTRIES[(ind.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as usize]
}

fn coordinates(ind: u64) -> [f64; 2] {
    [(ind % 18_001) as f64 / 100.0 - 90.0, (ind % 36_001) as f64 / 100.0 - 180.0]
}

/// In microseconds.
fn timestamp(ind: u64) -> i64 {
    (DAY + (ind % 86_400) as i64) * 1_000_000
}

/// The record as it is sent.
fn record(ind: u64) -> String {
    if is_foul(ind) {
        return foul(ind);
    }
    let ([latitude, longitude], seconds) = (coordinates(ind), ind % 86_400);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "{{\"ind\":{ind},\"timestamp\":\"2020-02-29 {hours:02}:{minutes:02}:{seconds:02}\",\"latitude\":{latitude},\
         \"longitude\":{longitude},\"country\":\"{}\"}}",
        country(ind)
    )
}

fn pipeline(folder: &Path) -> PathBuf {
    let text = format!(
        "[pipeline]\nname = \"many\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [lake]\nbucket = \"many\"\nendpoint = \"embedded\"\n[topics.geo]\npartitions = 2\n\
         [tables.geo]\ntopic = \"geo\"\ntransform = {:?}\nkey = [\"country\"]\ncache = [\"country\", \"ind\"]\nwindow = \"1s\"\n\
         [[tables.geo.aggregates]]\nname = \"posts_per_country\"\nby = [\"country\"]\n\
         window = {{ kind = \"tumbling\", size = \"10s\", time = \"append\" }}\n\
         measures = {{ posts = \"count()\", total = \"sum(ind)\" }}\n",
        folder.join("data"),
        component("geo"),
    );
    let file = folder.join("many.toml");
    fs::write(&file, text).expect("the pipeline file");
    file
}

/// Posts every `PRODUCERS`th request from the `nth` on, each until it is acknowledged.
fn produce(nth: u64, records: u64, to: &RwLock<SocketAddr>, acknowledged: &AtomicU64) {
    let name = format!("producer {nth}");
    let firsts = (0..records).step_by(BATCH as usize).skip(nth as usize).step_by(PRODUCERS as usize);
    for (sequence, first) in firsts.enumerate() {
        let inds = first..(first + BATCH).min(records);
        let count = inds.end - inds.start;
        let values: Vec<String> = inds.map(|ind| format!("{{\"value\":{}}}", record(ind))).collect();
        let body = format!("{{\"records\":[{}]}}", values.join(","));
        let sequence = sequence.to_string();
        let headers = [
            ("content-type", "application/vnd.kafka.json.v2+json"),
            ("producer-id", name.as_str()),
            ("producer-epoch", "0"),
            ("producer-sequence", sequence.as_str()),
        ];
        loop {
            let here = *to.read().expect("an address");
            let answer = http::request(here, "POST", "/topics/geo", &headers, body.as_bytes());
            match answer.status {
                200 if answer.body.ends_with('}') => {
                    assert_eq!(answer.body.matches("\"offset\":").count() as u64, count, "{answer:?}");
                    assert!(!answer.body.contains("\"error_code\":5"), "{answer:?}");
                    break;
                }
                // Nobody listens, the answer was lost, or there is no room.
                0 | 200 | 429 => thread::park_timeout(AGAIN_TIME),
                _ => panic!("{answer:?}"),
            }
        }
        acknowledged.fetch_add(count, Ordering::Relaxed);
    }
}

/// Posts all of them, with so many kills meanwhile, evenly but for chance.
fn post_and_kill(pipeline: &Path, records: u64, kills: u64, random: &mut ChaCha8Rng) -> Daemon {
    let mut daemon = Daemon::start(pipeline);
    let (to, acknowledged) = (RwLock::new(daemon.topics), AtomicU64::new(0));
    thread::scope(|scope| {
        let (to, acknowledged) = (&to, &acknowledged);
        let producers: Vec<_> =
            (0..PRODUCERS).map(|nth| scope.spawn(move || produce(nth, records, to, acknowledged))).collect();
        let share = records / (kills + 1);
        for kill in 0..kills {
            let at = share * kill + random.random_range(0..share) + share / 2;
            while acknowledged.load(Ordering::Relaxed) < at {
                assert!(producers.iter().any(|producer| !producer.is_finished()), "somebody still posts");
                thread::park_timeout(Duration::from_millis(1));
            }
            daemon.kill();
            daemon = Daemon::start(pipeline);
            *to.write().expect("an address") = daemon.topics;
        }
        daemon
    })
}

/// Waits until it has worked off what was posted, as long as it goes on.
fn catch_up(daemon: &Daemon, records: u64) {
    let done = |status: &Value| -> u64 {
        let workers = status["tables"]["geo"]["workers"].as_object().expect("workers");
        workers.values().map(|worker| worker["next"].as_u64().unwrap_or(0)).sum()
    };
    let mut before = 0;
    while before < records {
        before = done(&daemon.wait("it goes on", |status| done(status) > before));
    }
    daemon.settle();
}

/// What all rows of the lake come to.
#[derive(Default)]
struct Lake {
    /// A bit for each record that became a row.
    seen: Vec<u64>,
    rows: u64,
    countries: BTreeMap<&'static str, Country>,
}

/// What the rows of a country come to.
#[derive(Default)]
struct Country {
    rows: i64,
    /// Of their numbers.
    sum: i64,
    /// Time, partition and offset of the latest, and its number.
    latest: (i64, i64, i64, i64),
}

impl Lake {
    fn read(data: &Path, cache: &Connection, records: u64) -> Self {
        let mut lake = Self { seen: vec![0; records.div_ceil(64) as usize], ..Self::default() };
        let mut objects = cache.prepare("SELECT key FROM tidemill_objects WHERE table_name = 'geo'").expect("a query");
        let keys = objects.query_map([], |row| row.get::<_, String>(0)).expect("objects");
        for key in keys {
            let file = File::open(data.join("lake/many").join(key.expect("a key"))).expect("the object");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
            reader.expect("Parquet").for_each(|rows| lake.add(&rows.expect("rows")));
        }
        lake
    }

    fn add(&mut self, rows: &RecordBatch) {
        let column = |name: &str| rows.column_by_name(name).unwrap_or_else(|| panic!("column {name:?}"));
        let number = |name: &str| column(name).as_primitive::<Int64Type>().values();
        let time = |name: &str| column(name).as_primitive::<TimestampMicrosecondType>().values();
        let (inds, times, partitions, offsets) =
            (number("ind"), time("_time"), number("_partition"), number("_offset"));
        let (timestamps, countries, places) =
            (time("timestamp"), column("country").as_string::<i32>(), column("coordinates").as_list::<i32>());
        let nulls: usize = rows.columns().iter().map(|column| column.null_count()).sum();
        assert_eq!(nulls, 0, "no field of what was sent is null");
        for row in 0..rows.num_rows() {
            let ind = inds[row] as u64;
            let place = places.value(row);
            let (country, place) = (countries.value(row), place.as_primitive::<Float64Type>().values());
            assert!(!is_foul(ind), "{ind} cannot be a row");
            let as_sent =
                country == self::country(ind) && timestamps[row] == timestamp(ind) && **place == coordinates(ind);
            assert!(as_sent, "record {ind} is altered: {country:?} {place:?} {}", timestamps[row]);
            let (word, bit) = (&mut self.seen[(ind / 64) as usize], 1 << (ind % 64));
            assert!(*word & bit == 0, "record {ind} is there twice");
            *word |= bit;
            self.rows += 1;
            let known = self.countries.entry(self::country(ind)).or_default();
            known.rows += 1;
            known.sum += inds[row];
            known.latest = known.latest.max((times[row], partitions[row], offsets[row], inds[row]));
        }
    }
}

/// The dead letters are what cannot be a row, each once.
fn check_letters(cache: &Connection, records: u64) -> u64 {
    let mut letters =
        cache.prepare("SELECT value FROM tidemill_dead_letters WHERE table_name = 'geo'").expect("a query");
    let values = letters.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("dead letters");
    let mut values: Vec<String> =
        values.map(|value| String::from_utf8(value.expect("a value")).expect("text")).collect();
    values.sort_unstable();
    let mut expected: Vec<String> = (0..records).filter(|ind| is_foul(*ind)).map(foul).collect();
    expected.sort_unstable();
    assert!(values == expected, "{} dead letters, not {}", values.len(), expected.len());
    expected.len() as u64
}

#[test]
fn a_great_many_records_are_there_once_however_often_it_is_killed() {
    let (records, seed) = (number("TIDEMILL_RECORDS", RECORDS), seed());
    let kills = (records / RECORDS_PER_KILL).max(KILLS_MIN) as u64;
    let records = records as u64;
    let folder = Folder::new("many");
    let (pipeline, data) = (pipeline(folder.path()), folder.path().join("data"));
    let begun = Instant::now();
    let daemon = post_and_kill(&pipeline, records, kills, &mut ChaCha8Rng::seed_from_u64(seed));
    let posted = begun.elapsed();
    catch_up(&daemon, records);
    let memory = daemon.used().1;
    daemon.stop();

    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let cache = Connection::open_with_flags(data.join("cache.sqlite"), flags).expect("the cache");
    let lake = Lake::read(&data, &cache, records);
    let letters = check_letters(&cache, records);
    assert_eq!(lake.rows + letters, records, "each record is a row or a dead letter");
    let sums = "SELECT sum(records_in), sum(rows), sum(rejected) FROM tidemill_ledger";
    let ledger = cache.query_row(sums, [], |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?]));
    assert_eq!(ledger.expect("the ledger"), [records as i64, lake.rows as i64, letters as i64]);
    for (country, Country { rows, sum, latest }) in &lake.countries {
        let aggregate = "SELECT sum(posts), sum(total) FROM posts_per_country WHERE country = ?";
        let got = cache.query_row(aggregate, [country], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        assert_eq!(got.expect("the aggregate"), (*rows, *sum), "{country}");
        let got = cache.query_row("SELECT ind FROM geo WHERE country = ?", [country], |row| row.get::<_, i64>(0));
        assert_eq!(got.expect("the latest row"), latest.3, "{country}");
    }
    let (said, _) = cli::done(folder.path(), &["audit", "many.toml"], "");
    println!(
        "{records} records in {:.0} s, {kills} kills, {memory} MB at most: {} rows and {letters} dead letters, each once and as it \
         was sent; seed {seed}\n{}",
        posted.as_secs_f64(),
        lake.rows,
        said.lines().last().unwrap_or_default()
    );
}
