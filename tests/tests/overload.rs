//! Three times what can be taken, for a while: the rest is told to come later, and what was taken is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

/// How long, in seconds, where the environment asks for no other time.
const SECONDS: u64 = 3;
/// Bodies for which there is room at one time, and clients that each have one on its way.
const ROOM: usize = 8;
const CLIENTS: usize = 3 * ROOM;
/// Records of a body, which is 8 KiB with them.
const RECORDS: u64 = 8;
const VALUE_BYTES: usize = 900;
/// The most that this may add to the memory that the process has held, in MB.
const MEMORY_MB_MAX: u64 = 64;
/// However busy the machine is that tests run on.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// What a client was answered.
#[derive(Default)]
struct Heard {
    taken: u64,
    refused: u64,
    slowest: Duration,
}

/// Whether it is the disk alone that holds it up.
fn is_slow(ready: &Answer) -> bool {
    let said = ready.json();
    let held_up = said["held_up"].as_array().expect("what is slow");
    said["trouble"] == json!([])
        && held_up.iter().all(|trouble| trouble["why"].as_str().is_some_and(|why| why.contains("its disk is slow")))
}

#[test]
fn three_times_what_can_be_taken_loses_nothing_that_was_taken() {
    let seconds = std::env::var("TIDEMILL_OVERLOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let room = format!("[ingest]\nbody = \"8KiB\"\ninflight = \"{}KiB\"\n[epoch]\n", 8 * ROOM);
    let house = House::with("overload", &changeling("good"), &[("[epoch]\n", &room)]);
    let mut daemon = house.start();
    let (to, admin) = (daemon.topics, daemon.admin);
    http::post_lines(to, "thing", ["{\"ind\":0}"], 1);
    daemon.settle();
    let before = daemon.used().1;

    let end = AtomicBool::new(false);
    let client = |nth: usize| {
        let mut heard = Heard::default();
        while !end.load(Ordering::Relaxed) {
            let first = 1 + (heard.taken * CLIENTS as u64 + nth as u64) * RECORDS;
            let record = |ind| json!({ "value": { "ind": ind, "pad": "x".repeat(VALUE_BYTES) } });
            let body = json!({ "records": (first..first + RECORDS).map(record).collect::<Vec<_>>() }).to_string();
            let begun = Instant::now();
            let answer = http::post(to, "thing", &body);
            heard.slowest = heard.slowest.max(begun.elapsed());
            match answer.status {
                200 => {
                    let answer = answer.json();
                    let receipts = answer["offsets"].as_array().expect("receipts");
                    assert!(receipts.iter().all(|receipt| receipt["offset"].is_u64()), "{answer}");
                    heard.taken += 1;
                }
                429 => {
                    assert!(answer.headers.to_lowercase().contains("\r\nretry-after: "), "{answer:?}");
                    heard.refused += 1;
                }
                _ => panic!("{answer:?}"),
            }
        }
        heard
    };
    let (heard, looks) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|nth| scope.spawn(move || client(nth))).collect();
        let (begun, mut looks) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(seconds) {
            let look = Instant::now();
            let ready = http::get(admin, "/ready");
            assert!(ready.status == 200 || is_slow(&ready), "{ready:?}");
            assert!(look.elapsed() < ANSWER_TIME_MAX, "the operator is answered");
            looks += 1;
        }
        end.store(true, Ordering::Relaxed);
        let heard: Vec<Heard> = clients.into_iter().map(|client| client.join().expect("a client")).collect();
        (heard, looks)
    });
    let sum = |of: fn(&Heard) -> u64| heard.iter().map(of).sum::<u64>();
    let (taken, refused) = (sum(|heard| heard.taken), sum(|heard| heard.refused));
    let slowest = heard.iter().map(|heard| heard.slowest).max().unwrap_or_default();
    println!(
        "{seconds} s, {CLIENTS} clients: {taken} requests taken, {refused} refused, {looks} looks, slowest {slowest:?}"
    );
    assert!(taken > 0 && refused > 0, "it was more than can be taken");
    assert!(slowest < ANSWER_TIME_MAX, "nobody waits for long: {slowest:?}");
    assert!(daemon.is_running());
    let grown = daemon.used().1.saturating_sub(before);
    assert!(grown < MEMORY_MB_MAX, "{grown} MB more");
    daemon.settle();
    daemon.wait("nothing is wrong", |status| status["trouble"] == json!([]));
    daemon.stop();
    assert_eq!(house.audit(1 + taken * RECORDS), ["good"]);
}
