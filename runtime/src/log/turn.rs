//! The turn of a producer: one of its requests at a time, from the look at what is remembered until all of it is settled.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

use super::append::{Append, Appended, Producer};
use super::memory::{APPENDS_KEPT, Found, Memory, OutOfTurn, Part};
use super::place::Place;
use super::snapshot;
use crate::time::{Clock, Timestamp};

/// A producer, or a key, by its identity.
type Name = (bool, u64);

/// The named producers of one topic.
#[derive(Debug)]
pub(super) struct Producers(Mutex<State>);

#[derive(Debug)]
struct State {
    memory: Memory,
    /// Those who have requests under way.
    lanes: HashMap<Name, Arc<Lock<()>>>,
}

/// The turn of one request. The others of its producer wait until it is dropped, by who answers and by each writer.
#[derive(Debug)]
pub(super) struct Turn {
    lane: Lane,
    /// The request.
    pub(super) producer: Producer,
    known: Vec<Part>,
}

/// A place among the requests of one producer.
#[derive(Debug)]
struct Lane {
    producers: Arc<Producers>,
    name: Name,
    lock: Arc<Lock<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Producers {
    /// Those of a topic, of whom nothing is known yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { memory: Memory::new(APPENDS_KEPT), lanes: HashMap::new() }))
    }

    /// Takes in what the partitions' folders say, before the first turn.
    pub(super) fn open(&self, found: impl Iterator<Item = Found>, now: Timestamp) {
        let mut state = self.state();
        found.for_each(|found| state.memory.merge(found));
        state.memory.settle(now);
    }

    /// Waits until no other request of the producer is under way, and looks what was appended of this one.
    pub(super) async fn turn(self: &Arc<Self>, producer: Producer, clock: &Clock) -> Result<Turn, OutOfTurn> {
        let mut lane = self.lane((producer.key, producer.id));
        lane.held = Some(Arc::clone(&lane.lock).lock_owned().await);
        let known = self.state().memory.check(&producer, clock.aged())?;
        Ok(Turn { lane, producer, known })
    }

    /// Keeps what a partition's frames up to offset `upto` say beside the segment that begins with `base`.
    pub(super) fn keep(&self, place: &Place, base: u64, upto: u64) -> io::Result<()> {
        let found = self.state().memory.of(place.partition);
        snapshot::write(&place.folder, place.home(base), upto, &found)
    }

    fn lane(self: &Arc<Self>, name: Name) -> Lane {
        let lock = Arc::clone(self.state().lanes.entry(name).or_default());
        Lane { producers: Arc::clone(self), name, lock, held: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whether what was appended of the request is of these very appends.
    pub(super) fn check(&self, appends: &[(u32, Append)]) -> Result<(), OutOfTurn> {
        let same = |part: &Part| {
            let append = appends.iter().find(|(partition, _)| *partition == part.partition).map(|(_, append)| append);
            let size = append.map_or((0, 0), |append| (append.count, append.payload.len()));
            size == (part.count, part.bytes as usize)
        };
        if self.known.iter().all(same) { Ok(()) } else { Err(OutOfTurn::Differs) }
    }

    /// What was appended of it to a partition.
    pub(super) fn known(&self, partition: u32) -> Option<&Part> {
        self.known.iter().find(|part| part.partition == partition)
    }

    /// Whether nothing was appended of it.
    pub(super) fn is_first(&self) -> bool {
        self.known.is_empty()
    }

    /// Remembers what is durable now.
    pub(super) fn note(&self, partition: u32, appended: Appended, count: u32, raw_bytes: usize) {
        let Appended { first_offset, time } = appended;
        let part = Part { partition, first_offset, count, bytes: raw_bytes as u32, time };
        self.lane.producers.state().memory.note(self.producer, part);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.held = None;
        let mut state = self.producers.state();
        // Ours and the one in the table: nobody else waits, and nobody can come while the state is held.
        if Arc::strong_count(&self.lock) == 2 {
            state.lanes.remove(&self.name);
        }
    }
}

/// A sum over the records of a request, with where they go.
pub(super) fn sum(appends: &[(u32, Append)]) -> u16 {
    let crc = appends.iter().fold(0, |crc, (partition, append)| {
        crc32c::crc32c_append(crc32c::crc32c_append(crc, &partition.to_le_bytes()), &append.payload)
    });
    (crc ^ (crc >> 16)) as u16
}
