//! The writer of one partition: a thread that owns the newest segment's file, writes what waits, syncs once, answers.

use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::append::Appended;
use super::buffers::Buffers;
use super::frame::{self, Header};
use super::index::{Entry, Index};
use super::partition::{Partition, Segment, Waiting, Work};
use super::segment::{self, Before};
use super::snapshot;
use super::turn::Producers;
use crate::disk::{self, File};
use crate::error::{Error, Kind, Result};
use crate::sabotage::{self, Fault, Place};
use crate::sync;
use crate::time::{Clock, Timestamp};

/// The newest segment's file and where the next frame goes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) partition: Arc<Partition>,
    pub(super) clock: Arc<Clock>,
    pub(super) buffers: Arc<Buffers>,
    pub(super) producers: Arc<Producers>,
    pub(super) poisoned: Arc<AtomicBool>,
    pub(super) segment_bytes: u64,
    pub(super) file: File,
    pub(super) tail: Tail,
}

/// Where the next frame goes; all before it is synced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The base offset of the segment.
    pub(super) base: u64,
    /// The position in its file.
    pub(super) position: u64,
    /// The next offset.
    pub(super) next: u64,
    /// The crc of the frame before.
    pub(super) previous: u32,
    /// The append time of the last record.
    pub(super) time: Timestamp,
    /// Whether the last frame is a mark.
    pub(super) marked: bool,
}

/// Why a group was not written.
enum Failure {
    /// Nothing of it is left; the next may succeed.
    Undone(Error),
    /// What the disk holds is not known.
    Unknown(Error),
}

impl Writer {
    /// Writes until the partition is closed or poisoned.
    pub(super) fn run(mut self) {
        let _end = End(Arc::clone(&self.partition), Arc::clone(&self.poisoned));
        while self.partition.refusal().is_none() {
            let work = self.partition.work(&self.clock);
            if !self.step(work) {
                return;
            }
        }
    }

    /// Does the work that is there without waiting; whether there was any.
    #[cfg(test)]
    pub(crate) fn turn(&mut self) -> bool {
        let open = self.partition.refusal().is_none();
        open && self.partition.work_now(&self.clock).is_some_and(|work| self.step(work))
    }

    /// Does one piece of work; false when it was the last.
    fn step(&mut self, work: Work) -> bool {
        match work {
            Work::Group(group, time) => self.append(group, time),
            Work::Skip(offset, reply) => {
                let skipped = self.skip(offset);
                drop(reply.send(self.settle(skipped)));
            }
            Work::Close(time) => {
                let marked = self.mark(time);
                match self.settle(marked) {
                    Ok(()) => self.keep_index(),
                    Err(cause) => tracing::warn!(%cause, "log closed without a mark"),
                }
                return false;
            }
        }
        true
    }

    fn append(&mut self, group: Vec<Waiting>, time: Timestamp) {
        sabotage::pass(Place::Writer, &self.partition.place.topic);
        let written = self.write(&group, time);
        match self.settle(written) {
            Ok(mut first_offset) => {
                for append in group {
                    let appended = Appended { first_offset, time };
                    if let Some(turn) = &append.turn {
                        turn.note(self.partition.place.partition, appended, append.count, append.raw_bytes);
                    }
                    // Nobody may be left to hear it: a client that has gone.
                    drop(append.reply.send(Ok(appended)));
                    first_offset += u64::from(append.count);
                    self.buffers.give(append.payload);
                }
            }
            Err(_) if sabotage::is(Fault::AckEarly) => {
                let appended = Appended { first_offset: self.tail.next, time };
                group.into_iter().for_each(|append| drop(append.reply.send(Ok(appended))));
            }
            Err(cause) => group.into_iter().for_each(|append| drop(append.reply.send(Err(cause.clone())))),
        }
    }

    /// Takes note of a failure; one that leaves the disk unknown poisons the partition.
    fn settle<T>(&self, done: Result<T, Failure>) -> Result<T> {
        done.map_err(|failure| match failure {
            Failure::Undone(cause) => {
                self.partition.not_written(&cause);
                cause
            }
            Failure::Unknown(cause) => {
                // Never tried again: the kernel calls the pages clean after a failed sync, and the second would succeed.
                self.poisoned.store(true, Ordering::SeqCst);
                self.partition.refuse(cause.clone());
                cause
            }
        })
    }

    /// Writes and syncs a group; gives back its first offset.
    fn write(&mut self, group: &[Waiting], time: Timestamp) -> Result<u64, Failure> {
        if self.tail.position >= self.segment_bytes && self.tail.next > self.tail.base {
            self.roll(self.tail.next)?;
        }
        let start = self.tail;
        let mut tail = Tail { time, marked: false, ..start };
        let mut headers = Vec::with_capacity(group.len());
        let mut entries = Vec::with_capacity(group.len());
        for append in group {
            entries.push(Entry { offset: tail.next, position: tail.position, time });
            headers.push(self.stamp(&mut tail, append)?);
        }
        let payloads = group.iter().map(|append| append.payload.as_slice());
        let mut slices = Vec::with_capacity(group.len() * 2);
        for (header, payload) in headers.iter().zip(payloads) {
            slices.extend([IoSlice::new(header), IoSlice::new(payload)]);
        }
        self.write_synced(&mut slices, tail)?;
        self.partition.durable(tail.position, tail.next, time, &entries);
        Ok(start.next)
    }

    /// The header of the frame at `tail`, which moves behind it.
    fn stamp(&self, tail: &mut Tail, append: &Waiting) -> Result<[u8; frame::HEADER_BYTES], Failure> {
        let header = Header {
            home: self.partition.place.home(tail.base),
            length: frame::HEADER_BYTES + append.payload.len(),
            lz4: append.lz4,
            raw_bytes: append.raw_bytes,
            count: append.count,
            previous: tail.previous,
            base: tail.next,
            synced: self.tail.position,
            time: tail.time,
            producer: append.turn.as_ref().map(|turn| turn.producer),
        };
        let full = || Failure::Undone(self.partition.place.error(Kind::Storage, "its offsets are used up"));
        tail.next = tail.next.checked_add(u64::from(append.count)).ok_or_else(full)?;
        tail.position += header.length as u64;
        let (stored, crc) = header.encode(&append.payload);
        tail.previous = crc;
        Ok(stored)
    }

    fn write_synced(&mut self, slices: &mut [IoSlice<'_>], to: Tail) -> Result<(), Failure> {
        if let Err(cause) = write_all(&mut self.file, slices) {
            return Err(self.undo(&cause));
        }
        if !sabotage::is(Fault::SyncLeftOut) {
            let synced = self.file.sync_data();
            let synced = if sabotage::is(Fault::SyncTriedAgain) { Ok(()) } else { synced };
            synced.map_err(|cause| self.unknown("its sync failed", &cause))?;
        }
        self.tail = to;
        Ok(())
    }

    /// Takes back a write that the disk refused, so that the next begins where this one did.
    fn undo(&mut self, cause: &io::Error) -> Failure {
        let position = self.tail.position;
        // Synced too: else a loss of power might bring whole frames back, of which nothing was to be kept.
        let undone = self.file.set_len(position).and_then(|()| self.file.sync_data());
        let undone = undone.and_then(|()| self.file.seek(SeekFrom::Start(position)));
        match undone {
            Ok(_) => Failure::Undone(self.refused(cause)),
            Err(cause) => self.unknown("a write could not be taken back", &cause),
        }
    }

    fn refused(&self, cause: &io::Error) -> Error {
        let what = format!("nothing was kept, the disk does not take it: {cause}");
        self.partition.place.error(Kind::Storage, what).hint("free some space and try again")
    }

    fn unknown(&self, what: &str, cause: &io::Error) -> Failure {
        let what = format!("{what}, so what the disk holds is not known: {cause}");
        let hint = "check the disk and start again: the log is read back from what is there";
        Failure::Unknown(self.partition.place.error(Kind::Storage, what).hint(hint))
    }

    /// Seals the segment and begins one at offset `base`.
    fn roll(&mut self, base: u64) -> Result<(), Failure> {
        let place = &self.partition.place;
        let sealed = self.tail;
        let before = Before {
            base: Some(sealed.base),
            end: sealed.next,
            bytes: sealed.position,
            time: sealed.time,
            crc: sealed.previous,
            snapshot: true,
        };
        // The snapshot first: a segment without it would have those before it read again, and retention may have them removed.
        let kept = self.producers.keep(place, base, sealed.next);
        let made = kept.and_then(|()| segment::create(&place.folder, place.home(base), &before));
        let (file, crc) = made.map_err(|cause| match sync::failed() {
            Some(_) => self.unknown("the sync of a new segment failed", &cause),
            None => Failure::Undone(self.refused(&cause)),
        })?;
        if let Some(old) = self.partition.before(sealed.base) {
            // One that is left over is never read, and goes at the next start.
            drop(disk::remove_file(snapshot::path(&place.folder, old)));
        }
        self.file = file;
        self.tail = Tail { base, position: segment::HEADER_BYTES, next: base, previous: crc, ..sealed };
        let (bytes, time) = (self.tail.position, sealed.time);
        let new = Segment { base, end: base, bytes, time, crc: None, index: Index::default() };
        let index = self.partition.rolled(sealed.previous, new);
        self.keep(&index, sealed);
        Ok(())
    }

    /// Keeps what is known of producers and the index of the newest segment, so that the next start need not read it through.
    fn keep_index(&self) {
        let place = &self.partition.place;
        if let Err(cause) = self.producers.keep(place, self.tail.base, self.tail.next) {
            // Without the index the next start reads what the snapshot would have said.
            tracing::warn!(topic = place.topic, partition = place.partition, %cause, "snapshot of producers not kept");
            return;
        }
        if let Some(index) = self.partition.segment(self.tail.base, |newest| newest.index.clone()) {
            self.keep(&index, self.tail);
        }
    }

    fn keep(&self, index: &Index, tail: Tail) {
        let place = &self.partition.place;
        if let Err(cause) = index.write(&place.folder, place.home(tail.base), tail.position) {
            // Derived: the next start makes it again.
            tracing::warn!(topic = place.topic, partition = place.partition, %cause, "index not kept");
        }
    }

    fn skip(&mut self, offset: u64) -> Result<(), Failure> {
        if offset > self.tail.next {
            let place = &self.partition.place;
            tracing::error!(
                topic = place.topic,
                partition = place.partition,
                from = self.tail.next,
                to = offset,
                "offsets skipped"
            );
            self.roll(offset)?;
        }
        Ok(())
    }

    /// Writes a frame without records, by which the next start knows that all before it was synced.
    fn mark(&mut self, time: Timestamp) -> Result<(), Failure> {
        if self.tail.marked || self.tail.position == segment::HEADER_BYTES {
            return Ok(());
        }
        let (reply, _) = tokio::sync::oneshot::channel();
        let empty = Waiting { payload: Vec::new(), lz4: false, raw_bytes: 0, count: 0, turn: None, reply };
        let mut tail = Tail { time, marked: true, ..self.tail };
        let header = self.stamp(&mut tail, &empty)?;
        self.write_synced(&mut [IoSlice::new(&header)], tail)
    }
}

/// Leaves nobody waiting when the writer ends, however it does.
struct End(Arc<Partition>, Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.store(true, Ordering::SeqCst);
        }
        self.0.refuse(self.0.place.error(Kind::Unavailable, "it is closed"));
    }
}

fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty ones first: a write of nothing but those would look like a full disk.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) if sabotage::is(Fault::ShortWriteKept) => return Ok(()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}
