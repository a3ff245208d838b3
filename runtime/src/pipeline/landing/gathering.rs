//! What a landing has gathered since it last handed over: what has ended, and what is open behind it.

use std::time::{Duration, Instant};

use crate::commit::{Cut, DeadLetter, Epoch, Object};
use crate::config::plan::EpochBounds;
use crate::lake::hex;
use crate::landing::Finished;
use crate::pipeline::epoch::{Handover, WORTH_A_COMMIT};
use crate::record::Record;
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Gathering {
    /// Up to where all objects have ended.
    ended: Stretch,
    /// What was read since.
    open: Stretch,
    /// Since when something has ended that is not committed.
    since: Option<Instant>,
    objects: Vec<Object>,
    spent: Duration,
}

/// Records one after another.
#[derive(Default)]
struct Stretch {
    records: u64,
    out: u64,
    bytes: u64,
    /// The offset after its last record.
    next: u64,
    watermark: Option<Timestamp>,
    dead_letters: Vec<DeadLetter>,
    letter_bytes: u64,
}

impl Gathering {
    /// Counts a record that was looked at, and whether it is landed.
    pub(super) fn count(&mut self, record: &Record<'_>, landed: bool) {
        let open = &mut self.open;
        open.records += 1;
        open.out += u64::from(landed);
        open.bytes += record.bytes() as u64;
        open.next = record.offset + 1;
        open.watermark = open.watermark.max(Some(record.time));
    }

    /// Puts a record into the dead letters; the caller counts it.
    pub(super) fn reject(&mut self, record: &Record<'_>, reason: String) {
        let letter = DeadLetter {
            table: String::new(),
            partition: 0,
            offset: record.offset,
            epoch: 0,
            time: record.time,
            reason,
            digest: String::new(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
        };
        self.open.letter_bytes += letter.bytes() as u64;
        self.open.dead_letters.push(letter);
    }

    /// An open object has ended.
    pub(super) fn end_object(&mut self, object: Object, finished: Finished) {
        let Finished { file, start, bytes, sha256 } = finished;
        self.objects.push(Object { file, start, bytes, sha256: hex(&sha256), ..object });
    }

    /// All open objects have ended.
    pub(super) fn end(&mut self) {
        if self.open.records == 0 {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        let open = std::mem::take(&mut self.open);
        let ended = &mut self.ended;
        ended.records += open.records;
        ended.out += open.out;
        ended.bytes += open.bytes;
        ended.next = open.next;
        ended.watermark = ended.watermark.max(open.watermark);
        ended.dead_letters.extend(open.dead_letters);
        ended.letter_bytes += open.letter_bytes;
    }

    /// The bytes of the dead letters that wait in memory.
    pub(super) fn letter_bytes(&self) -> u64 {
        self.ended.letter_bytes + self.open.letter_bytes
    }

    /// Counts time that the worker spent.
    pub(super) fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    /// Whether so much has ended that it has to be committed now.
    pub(super) fn is_full(&self, bounds: &EpochBounds, objects_max: usize) -> bool {
        let Stretch { records, bytes, .. } = self.ended;
        records >= bounds.records || bytes >= bounds.bytes || self.objects.len() >= objects_max
    }

    /// Whether so much has ended that a worker with nothing to read commits it at once.
    pub(super) fn is_worth_a_commit(&self, bounds: &EpochBounds, objects_max: usize) -> bool {
        let Stretch { records, bytes, .. } = self.ended;
        records >= bounds.records / WORTH_A_COMMIT && records > 0
            || bytes >= bounds.bytes / WORTH_A_COMMIT
            || self.objects.len() as u64 >= objects_max as u64 / WORTH_A_COMMIT
    }

    /// How long until what has ended must be committed; none where nothing has.
    pub(super) fn left(&self, bounds: &EpochBounds) -> Option<Duration> {
        self.since.map(|since| bounds.time.saturating_sub(since.elapsed()))
    }

    /// The offset up to which all objects have ended, where that is not committed.
    pub(super) fn ended(&self) -> Option<u64> {
        self.since.map(|_| self.ended.next)
    }

    /// Gives away what has ended after the epoch `before`; none where nothing has.
    pub(super) fn hand_over(&mut self, before: &Epoch, now: Timestamp) -> Option<Handover> {
        self.since.take()?;
        let ended = std::mem::take(&mut self.ended);
        let objects = std::mem::take(&mut self.objects);
        let (table, partition, epoch) = (&before.table, before.partition, before.epoch + 1);
        let rejected = ended.dead_letters.len() as u64;
        let offsets = objects.iter().map(|object| (object.first_offset, object.next_offset));
        let span = offsets.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let cut =
            |(first_offset, next_offset)| Cut { window: Timestamp(0), first_offset, next_offset, rows: ended.out };
        let line = Epoch {
            table: table.clone(),
            partition,
            epoch,
            from: before.next,
            next: ended.next,
            records_in: ended.records,
            out: ended.out,
            dropped: ended.records - ended.out - rejected,
            rejected,
            rows: ended.out,
            cuts: span.into_iter().map(cut).collect(),
            watermark: ended.watermark.map_or(before.watermark, |watermark| watermark.max(before.watermark)),
            committed: now,
            spent: std::mem::take(&mut self.spent),
            ..Epoch::default()
        };
        let of_line = |letter| DeadLetter { table: table.clone(), partition, epoch, ..letter };
        let dead_letters = ended.dead_letters.into_iter().map(of_line).collect();
        let (segments, partials, latest) = (Vec::new(), Vec::new(), None);
        Some(Handover { epoch: line, segments, objects, partials, latest, dead_letters })
    }
}
