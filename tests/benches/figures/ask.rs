//! How soon a named answer is there while records flow in: `TIDEMILL_ASK` names the queries, between commas.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidemill::cache::query::Reader;
use tidemill::cache::question::Question;
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::fill;
use tidemill_tests::place::Folder;

use crate::door::exchange;

/// The bench of this file.
pub(crate) const BENCHES: [(&str, fn()); 1] = [("ask beside records", ask)];

/// Records of each table that flow in.
const RECORDS: u64 = 2_000_000;
/// Distinct keys among them.
const KEYS: u64 = 100_000;
/// How often each query is asked, over HTTP and in this process.
const PAUSE: Duration = Duration::from_millis(10);
/// Rows of a page.
const ROWS: usize = 1_000;

/// Queries over aggregates, beside those of the file.
const QUERIES: &str = "[queries.pins_now]\nquery = \"SELECT category, sum(pins) AS pins FROM pins_per_category GROUP BY 1\"\n\n\
     [queries.posts_now]\nquery = \"SELECT country, sum(posts) AS posts FROM posts_per_country GROUP BY 1\"\n\n\
     [queries.users_joined_by_year]";

/// The topics are full when the pipeline starts: it takes them as fast as it can, and is asked meanwhile.
fn ask() {
    let names = std::env::var("TIDEMILL_ASK").unwrap_or_else(|_| "pins_now,posts_now".to_owned());
    let names: Vec<&str> = names.split(',').collect();
    let folder = Folder::new("bench-ask");
    let pipeline = pinterest(folder.path(), &[("[queries.users_joined_by_year]", QUERIES)]);
    let data = folder.path().join("data");
    let population = Population::new(KEYS, 1);
    for (name, row) in &fill::TABLES {
        let record = |index: u64| {
            let mut line = Vec::new();
            row(&population, index % KEYS, &mut line);
            line
        };
        fill::topic(&data, name, (0..RECORDS as usize).map(|nth| record(nth as u64 * 7_919)));
    }
    let daemon = Daemon::start(&pipeline);
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let all = 3 * RECORDS;
    let (http, inside, seconds) = std::thread::scope(|scope| {
        let http = scope.spawn(|| over_http(daemon.admin, &names, &over));
        let inside = scope.spawn(|| in_process(&data.join("cache.sqlite"), &names, &over));
        daemon.wait("all is committed", |status| committed(status) == all);
        let seconds = begun.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        (http.join().expect("answers"), inside.join().expect("answers"), seconds)
    });
    println!("{} asked while {:.0} records/s flowed in", names.join(", "), all as f64 / seconds);
    line("over HTTP", http);
    line("in this process", inside);
    daemon.stop();
}

fn committed(status: &serde_json::Value) -> u64 {
    let tables = ["pin", "geo", "user"].iter().filter_map(|name| status["tables"][name]["workers"].as_object());
    tables.flat_map(|workers| workers.values()).map(|worker| worker["next"].as_u64().unwrap_or(0)).sum()
}

fn over_http(to: SocketAddr, names: &[&str], over: &AtomicBool) -> Vec<Duration> {
    let mut socket = BufReader::new(TcpStream::connect(to).expect("the listener"));
    timed(names, over, |name| {
        let request = format!("GET /queries/{name}?limit={ROWS} HTTP/1.1\r\nhost: {to}\r\n\r\n");
        exchange(&mut socket, request.as_bytes());
    })
}

fn in_process(cache: &Path, names: &[&str], over: &AtomicBool) -> Vec<Duration> {
    let reader = Reader::open(cache).expect("the cache");
    timed(names, over, |name| {
        let page = reader.ask(&Question::whole(name, ROWS), Duration::from_secs(60));
        assert!(page.is_ok(), "{name}: {page:?}");
    })
}

fn timed(names: &[&str], over: &AtomicBool, mut ask: impl FnMut(&str)) -> Vec<Duration> {
    let mut times = Vec::new();
    for name in names.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        ask(name);
        times.push(begun.elapsed());
        std::thread::sleep(PAUSE);
    }
    times
}

fn line(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "    {what:<16} {} answers: half {:.2} ms, p99 {:.2} ms, slowest {:.1} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
