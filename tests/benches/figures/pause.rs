//! Two tables under load, of which one gets a transform that never ends: what the other notices of it.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::pair::Pair;
use tidemill_tests::place::changeling;

use crate::door::exchange;

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 1] = [("pause", pause)];

/// Records of one request.
const BATCH: u64 = 50;
/// From one request to the next.
const STEP: Duration = Duration::from_millis(4);
/// How long the load runs before the records come on which the transform loops.
const BEFORE: Duration = Duration::from_secs(3);
/// What is looked at after the pause: "back to normal within a second" is that what comes after the first is as before.
const SECOND: Duration = Duration::from_secs(1);
/// How often the figures are asked for.
const ASK_TIME: Duration = Duration::from_millis(2);
/// Nothing that is waited for takes so long.
const PAUSE_TIME_MAX: Duration = Duration::from_secs(30);
/// A record that is like any other, and one on which the transform loops.
const HARMLESS: u64 = 0;
const POISON: u64 = 7;

/// What the client of the good table saw: when it sent each request, and when that was answered.
type Posts = Vec<(Instant, Instant)>;
/// How many records of the good table were committed, and when that was seen.
type Commits = Vec<(Instant, u64)>;

fn pause() {
    let pair = Pair::new("bench-pause", &changeling("good"), &changeling("loops"));
    let daemon = Daemon::start(&pair.pipeline);
    let (topics, admin, end) = (daemon.topics, daemon.admin, AtomicBool::new(false));
    let (begun, first, ind) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(HARMLESS));
    let (posts, commits, began, paused) = std::thread::scope(|scope| {
        let posts = scope.spawn(|| load(topics, "good", &|| first.fetch_add(1, Ordering::Relaxed), &end));
        let other = scope.spawn(|| load(topics, "bad", &|| ind.load(Ordering::Relaxed), &end));
        let commits = scope.spawn(|| watch(admin, &end));
        std::thread::park_timeout(BEFORE);
        let began = Instant::now();
        // Nothing but these from now on: a harmless record in between is a call that ends, and no hit in a row.
        ind.store(POISON, Ordering::Relaxed);
        let paused = wait_for_pause(&daemon);
        std::thread::park_timeout(SECOND * 3);
        end.store(true, Ordering::Relaxed);
        other.join().expect("every post was taken");
        (posts.join().expect("every post was taken"), commits.join().expect("figures"), began, paused)
    });
    println!("{:<44} {:>12.0} ms", "pause of a table whose transform loops", (paused - began).as_secs_f64() * 1e3);
    let phases = [
        ("before", begun + SECOND, began),
        ("while it loops", began, paused),
        ("in the second after", paused, paused + SECOND),
        ("in the two after that", paused + SECOND, paused + SECOND * 3),
    ];
    for (what, from, to) in phases {
        let within = |post: &&(Instant, Instant)| (from..to).contains(&post.0);
        let acks = posts.iter().filter(within).map(|(sent, acked)| *acked - *sent);
        let acks = p99(acks.collect());
        let lags = p99(lags(&posts, &commits, from, to));
        println!(
            "    the other table, {what:<24} p99 of a post {acks:>6.1} ms, from its answer to the commit {lags:>6.1} ms"
        );
    }
}

/// Posts numbers to a topic at a steady rate, each request on its time or as soon as it can.
fn load(to: SocketAddr, topic: &str, next: &(dyn Fn() -> u64 + Sync), end: &AtomicBool) -> Posts {
    let mut socket = BufReader::new(TcpStream::connect(to).expect("the listener"));
    let (mut posts, begun) = (Vec::new(), Instant::now());
    while !end.load(Ordering::Relaxed) {
        let values: Vec<String> = (0..BATCH).map(|_| format!("{{\"value\":{{\"ind\":{}}}}}", next())).collect();
        let body = format!("{{\"records\":[{}]}}", values.join(","));
        let head = format!(
            "POST /topics/{topic} HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/vnd.kafka.json.v2+json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let sent = Instant::now();
        exchange(&mut socket, (head + &body).as_bytes());
        posts.push((sent, Instant::now()));
        let due = begun + STEP * posts.len() as u32;
        std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    posts
}

/// Asks again and again how much of the good table is committed.
fn watch(admin: SocketAddr, end: &AtomicBool) -> Commits {
    let mut commits: Commits = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let figures = http::get(admin, "/metrics").body;
        let line = figures.lines().find_map(|line| line.strip_prefix("tidemill_records_in_total{table=\"good\"} "));
        let committed = line.and_then(|line| line.parse().ok()).unwrap_or(0);
        if commits.last().is_none_or(|(_, before)| *before < committed) {
            commits.push((Instant::now(), committed));
        }
        std::thread::park_timeout(ASK_TIME);
    }
    commits
}

/// Waits until both workers of the bad table have paused.
fn wait_for_pause(daemon: &Daemon) -> Instant {
    let end = Instant::now() + PAUSE_TIME_MAX;
    loop {
        let status = daemon.status();
        let workers = &status["tables"]["bad"]["workers"];
        if ["0", "1"].iter().all(|partition| workers[*partition]["paused"] == true) {
            return Instant::now();
        }
        assert!(Instant::now() < end, "{status:#}");
        std::thread::park_timeout(ASK_TIME);
    }
}

/// How long after its answer each request of this time was seen as committed.
fn lags(posts: &Posts, commits: &Commits, from: Instant, to: Instant) -> Vec<Duration> {
    let mut lags = Vec::new();
    for (nth, (sent, acked)) in (1..).zip(posts) {
        let due = nth * BATCH;
        let seen = commits.get(commits.partition_point(|(_, committed)| *committed < due));
        if let (true, Some((at, _))) = ((from..to).contains(sent), seen) {
            lags.push(at.saturating_duration_since(*acked));
        }
    }
    lags
}

/// In milliseconds.
fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
