//! What is remembered of the requests of named producers: the last of each, the longest silent producer forgotten first.
//!
//! To forget is safe: what was forgotten is refused, never taken for new. Producers are forgotten in the order of their
//! last append, so one age says who was; for each a floor under the epochs of producers that look new is raised, in one
//! of [`BUCKETS`] by the hash of its name. So a forgotten first request is refused too, at the price that now and then a
//! producer that is new indeed has to begin with a greater epoch. Keys have no order, so a key that was forgotten is new.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::HashMap;

use super::append::{Appended, Producer};
use super::frame::Header;
use crate::time::Timestamp;

/// So many requests of a producer are remembered.
pub const REQUESTS_KEPT: u32 = 64;
/// A producer is forgotten so long after its last request.
pub const TIME_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// So many appends of producers are remembered in a topic, and as many of keys; a request makes one in each partition
/// that it writes to.
pub const APPENDS_KEPT: usize = 1 << 18;
/// Floors under the epochs of producers that look new.
const BUCKETS: usize = 1 << 16;

/// What one request appended to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The partition.
    pub(super) partition: u32,
    /// The offset of its first record.
    pub(super) first_offset: u64,
    /// How many records that were; none where the request came to nothing.
    pub(super) count: u32,
    /// The size of the payload before it was compressed.
    pub(super) bytes: u32,
    /// The append time.
    pub(super) time: Timestamp,
}

/// Why a request of a producer is not taken; nothing of it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTurn {
    /// The producer is not remembered: it has to begin at sequence 0, with this epoch or a greater.
    Unknown {
        /// The least epoch.
        epoch: u32,
    },
    /// Another life of the producer has begun.
    Stale {
        /// Its epoch.
        epoch: u32,
    },
    /// A request before this one was never taken.
    Gap {
        /// The sequence that comes next; 2³² where all are used up.
        expected: u64,
    },
    /// It was taken, too long ago for its offsets to be remembered.
    Forgotten,
    /// Under this sequence or key other records were sent.
    Differs,
}

/// When a producer was last heard, with its identity, which puts equal times in order.
pub(super) type Age = (Timestamp, u64);

/// What frames or a snapshot say of producers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Requests, in any order.
    pub(super) requests: Vec<(Producer, Part)>,
    /// Up to which age producers were forgotten, and up to which keys.
    pub(super) forgotten: [Option<Age>; 2],
    /// Floors under epochs, by bucket.
    pub(super) floors: Vec<(u16, u32)>,
    /// Whether there was more that cannot be known any more.
    pub(super) lost: bool,
}

/// The producers and keys of one topic.
#[derive(Debug)]
pub(super) struct Memory {
    producers: Pool,
    keys: Pool,
    /// The least epoch of a producer that looks new, by bucket; empty while no producer was forgotten.
    floors: Vec<u32>,
    appends_kept: usize,
    /// Whether something that was found was not all there was.
    lost: bool,
}

#[derive(Debug, Default)]
struct Pool {
    known: HashMap<u64, Known>,
    ages: BTreeSet<Age>,
    parts: usize,
    forgotten: Option<Age>,
}

#[derive(Debug)]
struct Known {
    epoch: u32,
    /// The sequence of its last request.
    last: u32,
    time: Timestamp,
    parts: Vec<(Producer, Part)>,
}

impl Part {
    /// The answer that was given.
    pub(super) fn appended(&self) -> Appended {
        Appended { first_offset: self.first_offset, time: self.time }
    }
}

impl Found {
    /// Takes note of a frame that names a producer.
    pub(super) fn see(&mut self, header: &Header) {
        if let Some(producer) = header.producer {
            let part = Part {
                partition: header.home.partition,
                first_offset: header.base,
                count: header.count,
                bytes: header.raw_bytes as u32,
                time: header.time,
            };
            self.requests.push((producer, part));
        }
    }

    /// Adds what a snapshot says.
    pub(super) fn add(&mut self, snapshot: Self) {
        self.requests.extend(snapshot.requests);
        (self.forgotten, self.floors) = (snapshot.forgotten, snapshot.floors);
    }
}

impl Memory {
    /// Remembers nothing yet, and no more than so many appends of producers, and of keys.
    pub(super) fn new(appends_kept: usize) -> Self {
        Self { producers: Pool::default(), keys: Pool::default(), floors: Vec::new(), appends_kept, lost: false }
    }

    /// What was appended of this very request: nothing where it is the next one.
    pub(super) fn check(&mut self, producer: &Producer, now: Timestamp) -> Result<Vec<Part>, OutOfTurn> {
        self.trim(now);
        match self.pool(producer.key).known.get(&producer.id) {
            None if producer.key => Ok(Vec::new()),
            None => match self.floor(producer.id) {
                epoch if producer.sequence == 0 && producer.epoch >= epoch => Ok(Vec::new()),
                epoch => Err(OutOfTurn::Unknown { epoch }),
            },
            // All of the key's hash counts.
            Some(known) if producer.key && !known.has(producer) => Err(OutOfTurn::Differs),
            Some(known) if producer.key => known.parts(producer),
            Some(known) => known.admit(producer).and_then(|()| known.parts(producer)),
        }
    }

    /// Remembers an append that is durable.
    pub(super) fn note(&mut self, producer: Producer, part: Part) {
        self.pool_mut(producer.key).note(producer, part);
        // Time passes as requests are checked; a record may have come by a clock that had jumped.
        self.trim(Timestamp::MIN);
    }

    /// Takes in what was found, in any order; [`Memory::settle`] comes after the last.
    pub(super) fn merge(&mut self, found: Found) {
        for (producer, part) in found.requests {
            self.pool_mut(producer.key).note(producer, part);
        }
        for (pool, forgotten) in [&mut self.producers, &mut self.keys].into_iter().zip(found.forgotten) {
            pool.forgotten = pool.forgotten.max(forgotten);
        }
        self.lost |= found.lost;
        for (bucket, epoch) in found.floors {
            self.raise(usize::from(bucket), epoch);
        }
    }

    /// Forgets again what had been forgotten; all, where something was lost.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.lost) {
            tracing::error!("what is known of producers is not whole: each has to begin again with a greater epoch");
            let epochs = self.producers.known.values().map(|known| known.epoch.saturating_add(1));
            let epoch = epochs.max().unwrap_or(1);
            (0..BUCKETS).for_each(|bucket| self.raise(bucket, epoch));
            for pool in [&mut self.producers, &mut self.keys] {
                pool.forgotten = pool.forgotten.max(pool.ages.last().copied());
            }
        }
        for key in [false, true] {
            while self.pool(key).has_forgotten() {
                self.forget(key);
            }
        }
        self.trim(now);
    }

    /// What is to be found of a partition.
    pub(super) fn of(&self, partition: u32) -> Found {
        let pools = [&self.producers, &self.keys];
        let requests = pools.iter().flat_map(|pool| pool.known.values()).flat_map(|known| &known.parts);
        let floors = self.floors.iter().enumerate().filter(|(_, epoch)| **epoch > 0);
        Found {
            requests: requests.filter(|(_, part)| part.partition == partition).copied().collect(),
            forgotten: pools.map(|pool| pool.forgotten),
            floors: floors.map(|(bucket, epoch)| (bucket as u16, *epoch)).collect(),
            lost: false,
        }
    }

    /// Forgets who was silent for too long, and the longest silent while there is too much.
    fn trim(&mut self, now: Timestamp) {
        for key in [false, true] {
            while self.pool(key).is_over(self.appends_kept, now) {
                self.forget(key);
            }
        }
    }

    fn forget(&mut self, key: bool) {
        let pool = self.pool_mut(key);
        let Some(age) = pool.ages.pop_first() else { return };
        pool.forgotten = pool.forgotten.max(Some(age));
        let Some(known) = pool.known.remove(&age.1) else { return };
        pool.parts -= known.parts.len();
        if !key {
            self.raise(bucket(age.1), known.epoch.saturating_add(1));
        }
    }

    fn floor(&self, id: u64) -> u32 {
        self.floors.get(bucket(id)).copied().unwrap_or(0)
    }

    fn raise(&mut self, bucket: usize, epoch: u32) {
        self.floors.resize(BUCKETS, 0);
        if let Some(floor) = self.floors.get_mut(bucket) {
            *floor = epoch.max(*floor);
        }
    }

    fn pool(&self, key: bool) -> &Pool {
        if key { &self.keys } else { &self.producers }
    }

    fn pool_mut(&mut self, key: bool) -> &mut Pool {
        if key { &mut self.keys } else { &mut self.producers }
    }
}

impl Pool {
    fn note(&mut self, producer: Producer, part: Part) {
        let new = || Known { epoch: producer.epoch, last: 0, time: Timestamp::MIN, parts: Vec::new() };
        let known = self.known.entry(producer.id).or_insert_with(new);
        if producer.epoch < known.epoch {
            return;
        }
        self.ages.remove(&(known.time, producer.id));
        self.parts -= known.parts.len();
        if producer.epoch > known.epoch {
            *known = new();
        }
        known.note(producer, part);
        self.parts += known.parts.len();
        self.ages.insert((known.time, producer.id));
    }

    /// Whether it has one that had been forgotten.
    fn has_forgotten(&self) -> bool {
        self.ages.first().is_some_and(|age| Some(*age) <= self.forgotten)
    }

    fn is_over(&self, appends_kept: usize, now: Timestamp) -> bool {
        self.parts > appends_kept || self.ages.first().is_some_and(|(time, _)| time.plus(TIME_KEPT) < now)
    }
}

impl Known {
    /// Whether a request is the next one or one that is remembered.
    fn admit(&self, producer: &Producer) -> Result<(), OutOfTurn> {
        let expected = match producer.epoch.cmp(&self.epoch) {
            Ordering::Less => return Err(OutOfTurn::Stale { epoch: self.epoch }),
            Ordering::Equal => u64::from(self.last) + 1,
            Ordering::Greater => 0,
        };
        match u64::from(producer.sequence) {
            sequence if sequence > expected => Err(OutOfTurn::Gap { expected }),
            sequence if sequence + u64::from(REQUESTS_KEPT) < expected => Err(OutOfTurn::Forgotten),
            _ => Ok(()),
        }
    }

    fn has(&self, producer: &Producer) -> bool {
        self.of(producer).next().is_some()
    }

    /// What was appended of a request.
    fn parts(&self, producer: &Producer) -> Result<Vec<Part>, OutOfTurn> {
        if self.of(producer).any(|(known, _)| known.sum != producer.sum) {
            return Err(OutOfTurn::Differs);
        }
        Ok(self.of(producer).map(|(_, part)| *part).collect())
    }

    fn of(&self, producer: &Producer) -> impl Iterator<Item = &(Producer, Part)> {
        let wanted = (producer.epoch, producer.sequence);
        self.parts.iter().filter(move |(known, _)| (known.epoch, known.sequence) == wanted)
    }

    fn note(&mut self, producer: Producer, part: Part) {
        self.time = self.time.max(part.time);
        self.last = self.last.max(producer.sequence);
        let first = (u64::from(self.last) + 1).saturating_sub(u64::from(REQUESTS_KEPT));
        self.parts.retain(|(known, other)| {
            let again = known.sequence == producer.sequence && other.partition == part.partition;
            u64::from(known.sequence) >= first && !again
        });
        if u64::from(producer.sequence) >= first {
            self.parts.push((producer, part));
        }
    }
}

fn bucket(id: u64) -> usize {
    (id >> 48) as usize
}
