//! Records on their way into a partition: those of one request, appended together or not at all.

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::payload;
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// Records that get offsets one after another and the same append time; all are kept, or none.
#[derive(Debug)]
pub struct Append {
    pub(super) payload: Vec<u8>,
    pub(super) count: u32,
    record_bytes_max: usize,
}

/// Who sent a request and which one it is, so that one that is sent again is known; stored in each frame of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Producer {
    /// Its identity: a hash of its name.
    pub(super) id: u64,
    /// Which life of it.
    pub(super) epoch: u32,
    /// Which of its requests to the topic.
    pub(super) sequence: u32,
    /// Whether it is a key of one request, which has no order; its epoch and sequence are more of the hash then.
    pub(super) key: bool,
    /// A sum over the request's records, so that other records under the same sequence are noticed.
    pub(super) sum: u16,
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
pub struct Ticket(pub(super) Promise);

#[derive(Debug)]
pub(super) enum Promise {
    /// The writer will answer.
    Comes(oneshot::Receiver<Result<Appended>>),
    /// A request that was sent before has it.
    Known(Appended),
}

impl Producer {
    /// A request of a producer that counts: its name, which life of it (a later one has a greater epoch), and how many
    /// requests it sent to the topic in this life before this one.
    pub fn counting(name: &str, epoch: u32, sequence: u32) -> Self {
        let [id, _] = hash("producer", name);
        Self { id, epoch, sequence, key: false, sum: 0 }
    }

    /// A request that has a key of its own and no order.
    pub fn keyed(key: &str) -> Self {
        let [id, more] = hash("key", key);
        Self { id, epoch: (more >> 32) as u32, sequence: more as u32, key: true, sum: 0 }
    }

    /// The partition among `partitions` for the request's records that have neither key nor partition: the same each
    /// time it is sent, another for the next request.
    pub fn partition(&self, partitions: u32) -> u32 {
        (self.id.wrapping_add(u64::from(self.sequence)) % u64::from(partitions.max(1))) as u32
    }
}

/// 128 bits that no two names share.
fn hash(what: &str, name: &str) -> [u64; 2] {
    let digest: [u8; 32] = Sha256::new().chain_update(what).chain_update([0]).chain_update(name).finalize().into();
    let (words, _) = digest.as_chunks::<8>();
    std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
}

impl Append {
    pub(super) fn new(buffer: Vec<u8>, record_bytes_max: usize) -> Self {
        Self { payload: buffer, count: 0, record_bytes_max }
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
    /// Whether the records were appended when their request was sent before.
    pub fn is_repeat(&self) -> bool {
        matches!(self.0, Promise::Known(_))
    }

    /// Waits for the answer. `Kind::Storage`: nothing was kept, or (after a failed sync) that is not known.
    pub async fn wait(self) -> Result<Appended> {
        match self.0 {
            Promise::Comes(answer) => answer.await.unwrap_or_else(|_| Err(unanswered())),
            Promise::Known(appended) => Ok(appended),
        }
    }

    /// Waits for the answer on a thread that is not tokio's.
    pub fn wait_blocking(self) -> Result<Appended> {
        match self.0 {
            Promise::Comes(answer) => answer.blocking_recv().unwrap_or_else(|_| Err(unanswered())),
            Promise::Known(appended) => Ok(appended),
        }
    }
}

fn unanswered() -> Error {
    Error::new(Kind::Internal, "topic: its writer ended before it answered")
}
