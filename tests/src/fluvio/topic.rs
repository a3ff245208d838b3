//! Partitions in memory: batches as they lie in the files of a real cluster.

use std::io;

use fluvio::Compression;
use fluvio_protocol::Encoder;
use fluvio_protocol::record::{Batch, RawRecords, Record};

/// A partition's batches, by rising offset.
#[derive(Debug, Default)]
pub struct Partition {
    batches: Vec<Stored>,
    start: i64,
    end: i64,
}

#[derive(Debug)]
struct Stored {
    first: i64,
    next: i64,
    bytes: Vec<u8>,
}

impl Partition {
    /// Appends a batch of `(time in ms, key, value)`; record times count from the first's.
    pub fn append(
        &mut self,
        compression: Compression,
        records: impl IntoIterator<Item = (i64, Option<Vec<u8>>, Vec<u8>)>,
    ) -> io::Result<()> {
        let mut base = None;
        let mut latest = 0;
        let mut made = Vec::new();
        for (time, key, value) in records {
            let mut record = Record { key: key.map(Into::into), ..Record::new(value) };
            record.preamble.set_timestamp_delta(time - *base.get_or_insert(time));
            latest = time.max(latest);
            made.push(record);
        }
        let mut batch = Batch::from(made);
        batch.header.first_timestamp = base.unwrap_or(-1);
        batch.header.max_time_stamp = latest;
        batch.header.set_compression(compression);
        self.store(Batch::<RawRecords>::try_from(batch).map_err(io::Error::other)?)
    }

    /// Appends a batch as a producer sent it; returns the offset of its first record.
    pub(super) fn store(&mut self, mut batch: Batch<RawRecords>) -> io::Result<()> {
        batch.set_base_offset(self.end);
        let first = self.end;
        self.end += batch.records_len() as i64;
        let mut bytes = Vec::new();
        batch.encode(&mut bytes, 0)?;
        self.batches.push(Stored { first, next: self.end, bytes });
        Ok(())
    }

    /// Lets go of the batches before `offset`, as retention does: the one that holds it stays whole.
    pub fn retain(&mut self, offset: i64) {
        self.batches.retain(|stored| stored.next > offset);
        self.start = self.batches.first().map_or(self.end, |stored| stored.first);
    }

    /// The first offset that is kept.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// The offset after the last record.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// What lies in the files from the batch that holds `offset` on, cut after `bytes_max`.
    pub(super) fn slice(&self, offset: i64, bytes_max: usize) -> Vec<u8> {
        let mut slice = Vec::new();
        for stored in self.batches.iter().filter(|stored| stored.next > offset) {
            if slice.len() >= bytes_max {
                break;
            }
            slice.extend_from_slice(&stored.bytes);
        }
        slice.truncate(bytes_max);
        slice
    }
}
