//! A disk that is slow: answers come late and as what they are, nothing is lost, and what does not need it goes on.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::pair::{Pair, post};
use tidemill_tests::place::{changeling, command};
use tidemill_tests::shim::Shim;

/// What each of the slow operations takes.
const SLOW: Duration = Duration::from_secs(1);

/// A pipeline whose disk can become slow.
struct House {
    pair: Pair,
    shim: Shim,
}

impl House {
    /// From the moment at which it is armed, operations of these functions on these files take longer.
    fn new(name: &str, slow: &str) -> Self {
        let pair = Pair::new(name, &changeling("honest"), &changeling("honest"));
        let rule = Some(format!("slow{} {slow} 1+", SLOW.as_millis()));
        let armed = Some(pair.file("armed"));
        let (folder, healed) = (pair.file("data"), pair.file("healed"));
        let shim = Shim { folder, log: pair.file("operations"), rule, armed, healed, clock: None };
        Self { pair, shim }
    }

    fn start(&self) -> Daemon {
        let mut run = Command::new(command());
        self.shim.before(&mut run);
        Daemon::spawn(run.arg("run").arg(&self.pair.pipeline))
    }

    fn arm(&self) {
        touch(self.shim.armed.as_ref().expect("it is not slow from the start"));
    }

    /// Ends it well on a disk that is well again; each table has so many rows, once in each place.
    fn ends_with(&self, daemon: Daemon, good: u64, bad: u64) {
        touch(&self.shim.healed);
        daemon.settle();
        daemon.wait("nothing is wrong", |status| status["trouble"] == serde_json::json!([]));
        daemon.stop();
        for (table, rows) in [("good", good), ("bad", bad)] {
            for sql in [
                format!("SELECT count(*) FROM {table}"),
                format!("SELECT coalesce(sum(records_in), 0) FROM tidemill_ledger WHERE table_name = '{table}'"),
                format!("SELECT coalesce(sum(rows), 0) FROM tidemill_objects WHERE table_name = '{table}'"),
            ] {
                assert_eq!(query(&self.pair.pipeline, &sql)[1], rows.to_string(), "{sql}");
            }
        }
    }
}

fn touch(file: &PathBuf) {
    fs::write(file, "").expect("a file");
}

/// Clients that each post one number after another; gives how long the quickest and the slowest post took.
fn crowd(
    to: SocketAddr,
    topic: &'static str,
    first: u64,
    clients: u64,
    posts: u64,
) -> JoinHandle<(Duration, Duration)> {
    let client = move |nth: u64| {
        let times = (0..posts).map(|at| {
            let begun = Instant::now();
            post(to, topic, first + nth * posts + at, 1);
            begun.elapsed()
        });
        times.collect::<Vec<_>>()
    };
    thread::spawn(move || {
        let clients: Vec<_> = (0..clients).map(|nth| thread::spawn(move || client(nth))).collect();
        let times = clients.into_iter().flat_map(|client| client.join().expect("each post was taken"));
        times.fold((Duration::MAX, Duration::ZERO), |(least, most), time| (least.min(time), most.max(time)))
    })
}

#[test]
fn a_topic_whose_disk_is_slow_is_slow_alone() {
    let house = House::new("slow-topic", "f*sync topics/bad/*");
    let daemon = house.start();
    post(daemon.topics, "bad", 0, 1);
    post(daemon.topics, "good", 0, 1);
    house.arm();
    let waiting = crowd(daemon.topics, "bad", 1, 8, 2);
    let (mut sent, mut most, mut not_ready) = (1, Duration::ZERO, 0);
    while !waiting.is_finished() {
        let begun = Instant::now();
        post(daemon.topics, "good", sent, 1);
        let ready = http::get(daemon.admin, "/ready");
        most = most.max(begun.elapsed());
        let said = ready.body.contains("topic \\\"bad\\\", partition") && ready.body.contains("its disk is slow");
        assert_eq!((ready.status == 503, ready.status == 200), (said, !said), "{ready:?}");
        not_ready += usize::from(said);
        sent += 1;
    }
    assert!(not_ready > 0, "who asks whether it is ready hears of the disk");
    let (least, _) = waiting.join().expect("they were answered");
    assert!(least >= SLOW, "no answer before the sync: {least:?}");
    assert!(sent > 5 && most < SLOW, "{sent} posts to the other topic, the slowest with a look at the status {most:?}");
    house.ends_with(daemon, sent, 17);
}

#[test]
fn a_slow_disk_makes_answers_late_and_none_of_them_wrong() {
    let house = House::new("slow-all", "f*sync *");
    let daemon = house.start();
    post(daemon.topics, "good", 0, 1);
    daemon.settle();
    house.arm();
    let (least, most) = crowd(daemon.topics, "good", 1, 16, 3).join().expect("they were answered");
    assert!(least >= SLOW, "no answer before the sync: {least:?}");
    // Who waits shares a sync: one is under way when a post comes, the next has it.
    assert!(most < 5 * SLOW, "who waits together is synced together: {most:?}");
    daemon.status();
    house.ends_with(daemon, 49, 0);
}

#[test]
fn commits_that_are_slow_delay_results_and_no_post() {
    let house = House::new("slow-commits", "f*sync wal");
    let daemon = house.start();
    post(daemon.topics, "good", 0, 1);
    daemon.settle();
    house.arm();
    // One whole commit after another, while posts come.
    let (mut sent, mut most, begun) = (1, Duration::ZERO, Instant::now());
    while begun.elapsed() < 4 * SLOW {
        for topic in ["good", "bad"] {
            let begun = Instant::now();
            post(daemon.topics, topic, sent, 1);
            most = most.max(begun.elapsed());
        }
        sent += 1;
    }
    assert!(most < SLOW, "no post waits for a commit: {most:?}");
    assert_eq!(daemon.status()["settled"], false);
    house.ends_with(daemon, sent, sent - 1);
}
