//! A partition of a Fluvio topic as a source: every record once, in order, or an error that names what is missing.
//!
//! A thread of its own, the feeder, drives the client, which lives on an executor of its own and would lose records
//! if it were used as its manual says (`fluvio/feeder.rs` says how). Between feeder and worker stands a queue that is bounded in
//! bytes. Offsets are never committed to the cluster: ours stand in the commit.

mod client;
mod feeder;
mod queue;

use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::vec::IntoIter;

use ::fluvio::consumer::ConsumerRecord;

use self::queue::Queue;
pub use self::queue::Status;
use super::options::{FluvioOptions, Timeouts};
use crate::error::{Error, Kind, OrFail, Result};
use crate::record::{Batch, Record, Source};
use crate::time::Timestamp;

/// A partition of a Fluvio topic.
///
/// A record's time is the producer's clock, as Fluvio knows no other. Since append time must not fall within a
/// partition, it is held at the greatest time seen, or settled, or given to [`Source::seek`] as the floor. A record
/// without a time gets the one before it.
pub struct FluvioPartition {
    queue: Arc<Queue>,
    feeder: Option<JoinHandle<()>>,
    taken: IntoIter<ConsumerRecord>,
    next: u64,
    latest: Timestamp,
}

impl FluvioPartition {
    /// Begins to read at offset `from`, and waits for the first word from the cluster.
    ///
    /// A cluster that cannot be reached is no error: [`Self::status`] says so, and the tries go on. `Kind::Missing`
    /// where the cluster has no such topic or partition, or no longer has the offset.
    pub fn open(options: FluvioOptions, from: u64, timeouts: Timeouts) -> Result<Self> {
        let queue = Arc::new(Queue::new(from));
        let name = format!("fluvio-{}", options.partition);
        let subject = format!("topic {:?}", options.topic);
        let fed = Arc::clone(&queue);
        let feeder = std::thread::Builder::new()
            .name(name)
            .spawn(move || feeder::run(options, timeouts, fed))
            .or_fail(Kind::Busy, || format!("{subject}: a thread to read it"))?;
        let taken = Vec::new().into_iter();
        let opened = Self { queue, feeder: Some(feeder), taken, next: from, latest: Timestamp::default() };
        opened.queue.first_word(timeouts.connect + timeouts.answer * 2)?;
        Ok(opened)
    }

    /// How the connection stands, for a person to read.
    pub fn status(&self) -> Status {
        self.queue.status()
    }

    fn append(&mut self, batch: &mut Batch, record: &ConsumerRecord) -> Result<()> {
        if u64::try_from(record.offset()) != Ok(self.next) {
            let message = format!("fluvio: offset {} came where {} was due", record.offset(), self.next);
            return Err(Error::new(Kind::Internal, message));
        }
        self.latest = self.latest.max(Timestamp(record.timestamp().saturating_mul(1000)));
        let (time, key, value) = (self.latest, record.key(), Some(record.value()));
        batch.push(Record { offset: self.next, time, key, value, headers: &[] });
        self.next += 1;
        Ok(())
    }
}

impl Source for FluvioPartition {
    fn read(&mut self, batch: &mut Batch, bytes_max: usize) -> Result<()> {
        let (records, bytes) = (batch.len(), batch.bytes().saturating_add(bytes_max));
        loop {
            while let Some(record) = self.taken.next() {
                self.append(batch, &record)?;
                if batch.bytes() >= bytes {
                    return Ok(());
                }
            }
            match self.queue.pop() {
                Ok(Some(more)) => self.taken = more.into_iter(),
                // The fault is for the next read: this one has records to show.
                Err(_) if batch.len() > records => return Ok(()),
                other => return other.map(|_| ()),
            }
        }
    }

    /// Goes to `offset`. Where the cluster no longer has it, the next reads fail with `Kind::Missing` and name the
    /// earliest that it has: to go on without the records between is a person's choice, made by another `seek`.
    fn seek(&mut self, offset: u64, floor: Timestamp) -> Result<()> {
        self.queue.seek(offset);
        self.taken = Vec::new().into_iter();
        self.next = offset;
        self.latest = floor;
        Ok(())
    }

    fn end(&self) -> Option<u64> {
        self.queue.end()
    }

    fn wake(&mut self, reader: Thread) {
        self.queue.wake(reader);
    }

    /// A producer's clock promises nothing, but times are held at the greatest seen: with nothing left to read, `now`
    /// becomes that, and a record that comes later with an earlier time gets this one.
    fn settled(&mut self, next: u64, now: Timestamp) -> Option<Timestamp> {
        let read = self.taken.len() == 0 && self.queue.is_empty() && self.queue.end().is_some_and(|end| end <= next);
        if !read {
            return None;
        }
        self.latest = self.latest.max(now);
        Some(self.latest)
    }
}

impl Drop for FluvioPartition {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(feeder) = self.feeder.take() {
            // A feeder that panicked has nothing left to wait for.
            let _ = feeder.join();
        }
    }
}
