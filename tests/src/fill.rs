//! Topics filled straight in a data folder, as if their records had been posted a while ago.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tidemill::emulate::population::Population;
use tidemill::log::options::Options;
use tidemill::log::{Ticket, Topic};
use tidemill::time::{Clock, Timestamp};

/// A topic's records, as the population writes them.
pub type Row = fn(&Population, u64, &mut Vec<u8>);

/// The three tables with their records.
pub const TABLES: [(&str, Row); 3] = [("pin", Population::pin), ("geo", Population::geo), ("user", Population::user)];

/// Records of one append.
const BATCH: usize = 500;
/// How long ago the first record was appended, in microseconds.
const AGO: i64 = 7_200_000_000;
/// Over how long the records were appended, in microseconds.
const DURING: i64 = 60_000_000;

/// Fills a topic of two partitions with `records`, batch after batch in turn; gives the bytes of all values.
pub fn topic(data: &Path, name: &str, records: impl ExactSizeIterator<Item = Vec<u8>>) -> u64 {
    let began = Clock::System.now().0 - AGO;
    let clock = Arc::new(Clock::manual(Timestamp(began)));
    let topics = data.join("topics");
    fs::create_dir_all(&topics).expect("a folder for the topics");
    let options = Options { partitions: 2, ..Options::default() };
    let topic = Topic::open(&topics, name, &options, Arc::clone(&clock)).expect("a topic");
    let batches = records.len().div_ceil(BATCH).max(1);
    let (mut bytes, mut waiting) = (0, Vec::new());
    let mut records = records.peekable();
    for batch in 0..batches {
        clock.set(Timestamp(began + DURING * batch as i64 / batches as i64));
        let mut append = topic.begin();
        for record in records.by_ref().take(BATCH) {
            bytes += record.len() as u64;
            append.push(None, Some(&record), &[]).expect("it fits");
        }
        waiting.push(topic.append((batch % 2) as u32, append).expect("it is taken"));
        if waiting.len() == 16 {
            waiting.drain(..).for_each(synced);
        }
    }
    waiting.into_iter().for_each(synced);
    topic.close().expect("it closes");
    bytes
}

fn synced(ticket: Ticket) {
    ticket.wait_blocking().expect("it is synced");
}

/// Numbers below `count` in an order that has nothing to do with theirs, each once.
pub fn shuffled(count: u64) -> impl ExactSizeIterator<Item = u64> {
    // A step that shares no factor with the count visits every number.
    let step = (count / 2..).map(|step| (step * 2 / 3) | 1).find(|step| gcd(*step, count) == 1).expect("a prime");
    (0..count as usize).map(move |nth| (nth as u64).wrapping_mul(step) % count)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
