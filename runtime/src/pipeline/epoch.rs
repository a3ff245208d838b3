//! An open epoch: what a worker has gathered since it last handed over.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::generation::Generation;
use super::segments::{Segments, Target};
use crate::cache::Latest;
use crate::commit::{DeadLetter, Epoch, Object, Segment};
use crate::config::plan::EpochBounds;
use crate::error::Result;
use crate::record::Record;
use crate::time::Timestamp;
use crate::window::Partial;

/// What a kept row weighs for each of its bytes: it is in memory as it came, sorted, and with those of other epochs before it is committed.
const KEPT_WEIGHT: u64 = 6;

/// An epoch that holds this part of a bound is worth a commit although there is time left.
pub(super) const WORTH_A_COMMIT: u64 = 4;

/// What a worker hands over at the end of an epoch, to be committed as one.
pub struct Handover {
    /// The ledger's line.
    pub epoch: Epoch,
    /// The synced segments of its rows, by lake window.
    pub segments: Vec<Segment>,
    /// Its objects that are made of no segments, synced too.
    pub objects: Vec<Object>,
    /// What each aggregate of the table gained, in their order.
    pub partials: Vec<Partial>,
    /// The latest row of each key, where the cache keeps rows.
    pub latest: Option<Latest>,
    /// What could not become a row.
    pub dead_letters: Vec<DeadLetter>,
}

/// What came of the records of one chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) out: u64,
    pub(super) rejected: u64,
}

pub(super) struct OpenEpoch {
    line: Epoch,
    bytes: u64,
    begun: Option<Instant>,
    segments: Segments,
    latest: Vec<RecordBatch>,
    dead_letters: Vec<DeadLetter>,
}

impl OpenEpoch {
    /// The epoch after `before`, without a record.
    pub(super) fn after(before: &Epoch, generation: &Generation) -> Self {
        let line = Epoch {
            table: before.table.clone(),
            partition: before.partition,
            epoch: before.epoch + 1,
            from: before.next,
            next: before.next,
            watermark: before.watermark,
            digest: generation.chain.digest().to_owned(),
            generation: generation.number,
            ..Epoch::default()
        };
        let Epoch { table, partition, epoch, digest, .. } = &line;
        let segments = Segments::new(Segment {
            file: format!("{table}+{partition}+{epoch}"),
            table: table.clone(),
            partition: *partition,
            epoch: *epoch,
            digest: digest.clone(),
            ..Segment::default()
        });
        Self { line, bytes: 0, begun: None, segments, latest: Vec::new(), dead_letters: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.records_in == 0
    }

    /// How long until it has to end; zero when it must end now.
    pub(super) fn left(&self, bounds: &EpochBounds) -> Duration {
        if self.line.records_in >= bounds.records || self.bytes >= bounds.bytes {
            return Duration::ZERO;
        }
        self.begun.map_or(bounds.time, |begun| bounds.time.saturating_sub(begun.elapsed()))
    }

    /// Whether it holds so much that a worker with nothing to read ends it at once: a busy one gathers more, for fewer commits.
    pub(super) fn is_worth_a_commit(&self, bounds: &EpochBounds) -> bool {
        let enough = |held: u64, bound: u64| held >= bound / WORTH_A_COMMIT;
        enough(self.line.records_in, bounds.records) || enough(self.bytes, bounds.bytes)
    }

    /// Counts a chunk whose last record is `last`.
    pub(super) fn count(&mut self, tally: Tally, last: &Record<'_>) {
        self.begun.get_or_insert_with(Instant::now);
        self.bytes += tally.bytes;
        self.line.records_in += tally.records;
        self.line.out += tally.out;
        self.line.rejected += tally.rejected;
        self.line.next = last.offset + 1;
        self.line.watermark = self.line.watermark.max(last.time);
    }

    /// Counts time that the worker spent on it.
    pub(super) fn spend(&mut self, time: Duration) {
        self.line.spent += time;
    }

    /// Puts a record into the dead letters; the caller counts it.
    pub(super) fn reject(&mut self, record: &Record<'_>, reason: String) {
        self.dead_letters.push(DeadLetter {
            table: self.line.table.clone(),
            partition: self.line.partition,
            offset: record.offset,
            epoch: self.line.epoch,
            time: record.time,
            reason,
            digest: self.line.digest.clone(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
        });
    }

    /// Writes rows with their origin; `times` are those of the rows and never fall, `offsets` are theirs too.
    pub(super) fn write(
        &mut self,
        to: &mut Target<'_>,
        rows: &RecordBatch,
        times: &[i64],
        offsets: &[i64],
    ) -> Result<()> {
        let table = to.table;
        self.line.rows += rows.num_rows() as u64;
        if table.layout.is_some() {
            let kept = table.cached(rows)?;
            // They wait in memory for the end of the epoch and are copied there to be sorted, so they bring it nearer.
            self.bytes += KEPT_WEIGHT * kept.get_array_memory_size() as u64;
            self.latest.push(kept);
        }
        self.segments.write(to, rows, times, offsets)
    }

    /// Syncs what was written and gives all of it away.
    pub(super) fn finish(mut self, to: &mut Target<'_>, partials: Vec<Partial>, now: Timestamp) -> Result<Handover> {
        let segments = self.segments.finish(to.profile)?;
        let kept = to.table.layout.as_ref().filter(|_| !self.latest.is_empty());
        let latest = kept.map(|layout| Latest::prepare(layout, &self.latest)).transpose()?;
        self.line.dropped = self.line.records_in - self.line.out - self.line.rejected;
        self.line.committed = now;
        self.line.cuts = segments.iter().map(Segment::cut).collect();
        let Self { line, dead_letters, .. } = self;
        Ok(Handover { epoch: line, segments, objects: Vec::new(), partials, latest, dead_letters })
    }
}
