//! Many new versions under load, with kills among them: every row once, and by the version that the ledger names.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::{changeling, digest, replace};
use tidemill_tests::things::House;

/// Records of a request, one of which is sent in so much time: 200,000 records a second at most.
const BATCH: u64 = 2_000;
const BATCH_TIME: Duration = Duration::from_millis(10);
/// Distinct keys.
const KEYS: u64 = 1_000_000;
/// Between two kills.
const SWAPS_PER_KILL: u64 = 50;

/// Posts to whatever address there is until it is told to end; a request without an answer is not sent again.
struct Stream {
    to: Arc<Mutex<SocketAddr>>,
    end: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Stream {
    fn start(to: SocketAddr) -> Self {
        let (to, end, acknowledged) = (Arc::new(Mutex::new(to)), Arc::default(), Arc::default());
        let stream = (Arc::clone(&to), Arc::clone(&end), Arc::clone(&acknowledged));
        Self { to, end, acknowledged, thread: std::thread::spawn(move || post(&stream.0, &stream.1, &stream.2)) }
    }
}

fn post(to: &Mutex<SocketAddr>, end: &AtomicBool, acknowledged: &AtomicU64) {
    let mut first = 0;
    let mut next = Instant::now();
    while !end.load(Ordering::Relaxed) {
        next += BATCH_TIME;
        let records: Vec<String> =
            (first..first + BATCH).map(|ind| format!("{{\"value\":{{\"ind\":{}}}}}", ind % KEYS)).collect();
        let to = *to.lock().expect("an address");
        match http::post(to, "thing", &format!("{{\"records\":[{}]}}", records.join(","))).status {
            200 => acknowledged.fetch_add(BATCH, Ordering::Relaxed),
            0 | 429 => {
                std::thread::park_timeout(Duration::from_millis(5));
                0
            }
            status => panic!("a post was answered with {status}"),
        };
        first += BATCH;
        std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        next = next.max(Instant::now() - BATCH_TIME);
    }
}

/// How many versions are put in service; more, such as 1000, where `TIDEMILL_SWAPS` says so.
fn swaps() -> u64 {
    std::env::var("TIDEMILL_SWAPS").map_or(60, |count| count.parse().expect("TIDEMILL_SWAPS is a number"))
}

#[test]
fn every_row_once_and_by_the_version_that_the_ledger_names() {
    let mut marks = HashMap::new();
    let mut version = |nth: u64| {
        let bytes = changeling(&format!("v{nth}"));
        marks.insert(digest(&bytes), format!("v{nth}"));
        bytes
    };
    let house = House::new("swaps", &version(0));
    let mut daemon = Daemon::start(&house.pipeline);
    let stream = Stream::start(daemon.topics);
    let (mut took, mut files, mut pauses, begun) = (Vec::new(), Vec::new(), Vec::new(), Instant::now());
    for nth in 1..=swaps() {
        let bytes = version(nth);
        if nth.is_multiple_of(SWAPS_PER_KILL) {
            let admin = daemon.admin;
            let offer = std::thread::spawn(move || http::request(admin, "POST", "/tables/thing/reload", &[], &bytes));
            // Somewhere between the request and the last worker's taking it.
            std::thread::park_timeout(Duration::from_millis(nth / SWAPS_PER_KILL * 7 % 120));
            daemon.kill();
            offer.join().expect("its answer or none");
            daemon = Daemon::start(&house.pipeline);
            *stream.to.lock().expect("an address") = daemon.topics;
            continue;
        }
        let offered = Instant::now();
        if nth.is_multiple_of(10) {
            let digest = digest(&bytes);
            replace(&house.file(), &bytes);
            daemon.wait("the file is in service", |status| {
                let workers = status["tables"]["thing"]["workers"].as_object().expect("workers");
                workers.values().all(|worker| worker["digest"] == *digest)
            });
            files.push(offered.elapsed());
            continue;
        }
        let answer = http::request(daemon.admin, "POST", "/tables/thing/reload", &[], &bytes);
        assert_eq!(answer.status, 200, "{answer:?}");
        took.push(offered.elapsed());
        let workers = daemon.status()["tables"]["thing"]["workers"].clone();
        let pause = |worker: &Value| worker["swap_us"].as_u64().map(Duration::from_micros);
        pauses.extend(workers.as_object().expect("workers").values().filter_map(pause));
    }
    let seconds = begun.elapsed().as_secs_f64();
    stream.end.store(true, Ordering::Relaxed);
    stream.thread.join().expect("the stream went on");
    daemon.settle();
    daemon.stop();
    let acknowledged = stream.acknowledged.load(Ordering::Relaxed);
    let rate = acknowledged as f64 / seconds;
    println!("{rate:.0} records/s; by request {}; by file {}; pauses {}", spread(took), spread(files), spread(pauses));
    audit(&house, acknowledged, &marks);
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let (median, p99, most) = (ms(at(50)), ms(at(99)), ms(times.last()));
    format!("{} median {median:.1} ms, p99 {p99:.1} ms, most {most:.1} ms", times.len())
}

/// The lake has every offset once, each row with the mark of the version that the ledger names for its epoch; the cache agrees.
fn audit(house: &House, acknowledged: u64, marks: &HashMap<String, String>) {
    let sql = "SELECT partition, from_offset, next_offset, digest FROM tidemill_ledger ORDER BY 1, 2";
    let mut epochs: BTreeMap<(u64, u64), (u64, &str)> = BTreeMap::new();
    let mut ends = [0_u64; 2];
    for line in &query(&house.pipeline, sql)[1..] {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |nth: usize| cells[nth].parse::<u64>().expect("a number");
        let (partition, from, next) = (number(0), number(1), number(2));
        assert_eq!(from, ends[partition as usize], "an epoch begins where the one before ended: {line}");
        ends[partition as usize] = next;
        epochs.insert((partition, from), (next, marks.get(cells[3]).expect("a version that was offered")));
    }
    let total: u64 = ends.iter().sum();
    assert!(total >= acknowledged, "{total} records for {acknowledged} that were acknowledged");
    let mut seen = ends.map(|end| vec![false; end as usize]);
    let mut latest: HashMap<u64, (String, u64, u64, String)> = HashMap::new();
    rows(&house.data().join("lake/things/thing"), &mut |row| {
        let number = |name: &str| row[name].as_u64().expect("a number");
        let (partition, offset) = (number("_partition"), number("_offset"));
        let seen = &mut seen[partition as usize][offset as usize];
        assert!(!std::mem::replace(seen, true), "twice: {row}");
        let (_, (next, mark)) = epochs.range(..=(partition, offset)).next_back().expect("its epoch");
        assert!(offset < *next && row["mark"] == **mark, "its epoch is {mark}'s: {row}");
        let place = (row["_time"].as_str().expect("a time").to_owned(), partition, offset, mark.to_string());
        let last = latest.entry(number("ind")).or_insert_with(|| place.clone());
        if (&last.0, last.1, last.2) < (&place.0, place.1, place.2) {
            *last = place;
        }
    });
    assert!(seen.iter().flatten().all(|seen| *seen), "every offset is in the lake");
    let cached = query(&house.pipeline, "SELECT ind, mark FROM thing");
    assert_eq!(cached.len() - 1, latest.len());
    for line in &cached[1..] {
        let (ind, mark) = line.split_once(',').expect("two columns");
        assert_eq!(latest[&ind.parse::<u64>().expect("a number")].3, mark, "pin {ind} in lake and cache");
    }
}

/// Every row of every object below a folder.
fn rows(folder: &Path, found: &mut dyn FnMut(&Value)) {
    for entry in fs::read_dir(folder).expect("the lake") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rows(&path, found);
            continue;
        }
        for line in fs::read_to_string(&path).expect("an object").lines() {
            found(&serde_json::from_str(line).expect("a row"));
        }
    }
}
