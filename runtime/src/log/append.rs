//! Records on their way into a partition: those of one request, appended together or not at all.

use tokio::sync::oneshot;

use super::payload;
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// Records that get offsets one after another and the same append time; all are kept, or none.
#[derive(Debug)]
pub struct Append {
    pub(super) payload: Vec<u8>,
    pub(super) count: u32,
    pub(super) producer: Option<Producer>,
    record_bytes_max: usize,
}

/// Who sent an append, so that one that is sent again can be known; stored with it, not yet looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Producer {
    /// Its identity.
    pub id: u64,
    /// Which life of it.
    pub epoch: u32,
    /// Which of its appends to this partition.
    pub sequence: u32,
}

/// Where an append came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record; the others follow without a gap.
    pub first_offset: u64,
    /// The append time of all its records.
    pub time: Timestamp,
}

/// The promise of an answer, which comes once the append is synced to the disk or has failed.
#[derive(Debug)]
pub struct Ticket(pub(super) oneshot::Receiver<Result<Appended>>);

impl Append {
    pub(super) fn new(buffer: Vec<u8>, record_bytes_max: usize) -> Self {
        Self { payload: buffer, count: 0, producer: None, record_bytes_max }
    }

    /// Adds a record by copying it. `headers` are as [`crate::record::push_header`] writes them.
    ///
    /// Fails with `Kind::Input`, adding nothing, when the record is larger than the topic takes or the append is full.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]) -> Result<()> {
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers.len();
        if bytes > self.record_bytes_max {
            let what = format!("record: its {bytes} bytes are over the limit of {}", self.record_bytes_max);
            return Err(Error::new(Kind::Input, what));
        }
        if self.payload.len() + payload::RECORD_HEADER_BYTES + bytes > payload::BYTES_MAX {
            let what = format!("append: it would be over the limit of {} bytes", payload::BYTES_MAX);
            return Err(Error::new(Kind::Input, what).hint("send fewer records in one request"));
        }
        payload::push(&mut self.payload, key, value, headers);
        self.count += 1;
        Ok(())
    }

    /// Names the producer.
    #[must_use]
    pub fn by(mut self, producer: Producer) -> Self {
        self.producer = Some(producer);
        self
    }

    /// How many records it holds.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Ticket {
    /// Waits for the answer. `Kind::Storage`: nothing was kept, or (after a failed sync) that is not known.
    pub async fn wait(self) -> Result<Appended> {
        self.0.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// The answer, if it has come.
    #[cfg(test)]
    pub(crate) fn answer(&mut self) -> Option<Result<Appended>> {
        match self.0.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => None,
            answer => Some(answer.unwrap_or_else(|_| Err(unanswered()))),
        }
    }

    /// Waits for the answer on a thread that is not tokio's.
    pub fn wait_blocking(self) -> Result<Appended> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(unanswered()))
    }
}

fn unanswered() -> Error {
    Error::new(Kind::Internal, "topic: its writer ended before it answered")
}
