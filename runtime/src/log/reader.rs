//! A reader of one partition: whole frames into a batch, each decompressed once, straight to where it stays.

use std::sync::Arc;
use std::thread::Thread;

use super::frames::{Frames, Step};
use super::index::Entry;
use super::partition::{Partition, Segment};
use super::payload;
use crate::error::{Error, Kind, Result};
use crate::record::{Batch, Source};
use crate::time::Timestamp;

/// A batch that holds so much is full, whatever its reader asks for: its spans are of 32 bits.
const BATCH_BYTES_MAX: usize = 1 << 30;

/// Reads one partition from an offset on; sees only what is durable.
///
/// Where stored bytes are not what was written, each read fails with `Kind::Corrupt` and the offsets; a seek behind
/// them reads on.
#[derive(Debug)]
pub struct Reader {
    partition: Arc<Partition>,
    number: u64,
    frames: Option<Frames>,
    next: u64,
}

impl Reader {
    pub(super) fn new(partition: Arc<Partition>, from: u64) -> Self {
        let number = partition.reader();
        Self { partition, number, frames: None, next: from }
    }

    /// Appends the next frame to the batch; whether there was one.
    fn read_frame(&mut self, batch: &mut Batch) -> Result<bool> {
        loop {
            if self.frames.is_none() && !self.locate()? {
                return Ok(false);
            }
            let Some(frames) = &mut self.frames else { return Ok(false) };
            let look = self.partition.segment(frames.base(), |segment| (segment.bytes, segment.end, segment.crc));
            let Some((bytes, end, crc)) = look else {
                // Removed by retention: on with the oldest that is kept.
                self.frames = None;
                continue;
            };
            let place = &self.partition.place;
            match place.io(frames.step(bytes), "a segment")? {
                Step::Frame(header, _) if header.end() <= self.next => continue,
                Step::Frame(header, stored) => {
                    let from = self.next;
                    let corrupt = |why| place.corrupt(header.base, header.end(), why);
                    let unpacked = batch
                        .extend(|data, spans| payload::unpack(&header, stored, from, data, spans).map_err(corrupt));
                    if unpacked.is_err() {
                        self.frames = None;
                    }
                    unpacked?;
                    self.next = header.end();
                    return Ok(true);
                }
                Step::Bad(why) => return Err(corrupt(&self.partition, frames, why)),
                Step::End => {}
            }
            let Some(crc) = crc else { return Ok(false) };
            if frames.next() != end || frames.previous().is_some_and(|last| last != crc) {
                return Err(place.corrupt(frames.base(), end, "the segment is not the one that was sealed"));
            }
            self.next = self.next.max(end);
            self.frames = None;
        }
    }

    /// Finds the next record's segment; whether there is one.
    fn locate(&mut self) -> Result<bool> {
        loop {
            let next = self.next;
            let look = |segment: &Segment| (segment.base, segment.bytes, segment.index.at(next));
            let Some((base, bytes, entry)) = self.partition.first(|segment| segment.end > next, look) else {
                return Ok(false);
            };
            match open_at(&self.partition, base, bytes, entry) {
                Ok(frames) => {
                    self.next = next.max(base);
                    self.frames = Some(frames);
                    return Ok(true);
                }
                // Retention was faster.
                Err(cause) if cause.kind() == Kind::Missing && self.partition.segment(base, |_| ()).is_none() => {}
                Err(cause) => return Err(cause),
            }
        }
    }
}

impl Source for Reader {
    fn read(&mut self, batch: &mut Batch, bytes_max: usize) -> Result<()> {
        let (records, bytes) = (batch.len(), batch.bytes());
        while batch.bytes() < BATCH_BYTES_MAX && batch.bytes() - bytes < bytes_max.max(1) {
            match self.read_frame(batch) {
                Ok(true) => {}
                Ok(false) => break,
                // What lies before the fault is good; the next read meets the fault first.
                Err(_) if batch.len() > records => break,
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    fn seek(&mut self, offset: u64, _floor: Timestamp) -> Result<()> {
        self.next = offset;
        self.frames = None;
        let place = &self.partition.place;
        match self.partition.first(|_| true, |oldest| oldest.base).and_then(|base| place.gone(offset, base)) {
            None => Ok(()),
            Some(first) => Err(place
                .error(Kind::Missing, format!("offsets {offset} to {first} are gone, and were not read yet"))
                .hint(format!(
                    "put their segments back from a backup of {:?}, or give them up with `tidemill repair --skip`",
                    place.folder
                ))),
        }
    }

    fn end(&self) -> Option<u64> {
        Some(self.partition.end())
    }

    fn wake(&mut self, reader: Thread) {
        self.partition.wake(self.number, Some(reader));
    }

    fn settled(&mut self, next: u64, now: Timestamp) -> Option<Timestamp> {
        self.partition.settled(next, now)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.partition.wake(self.number, None);
    }
}

/// The first offset whose record was appended at or after `time`; the end where there is none.
pub(super) fn offset_at(partition: &Partition, time: Timestamp) -> Result<u64> {
    let look = |segment: &Segment| (segment.base, segment.bytes, segment.index.before(time));
    let Some((base, bytes, entry)) = partition.first(|segment| segment.time >= time, look) else {
        return Ok(partition.end());
    };
    let mut frames = open_at(partition, base, bytes, entry)?;
    loop {
        match partition.place.io(frames.step(bytes), "a segment")? {
            Step::Frame(header, _) if header.count > 0 && header.time >= time => return Ok(header.base),
            Step::Frame(..) => {}
            Step::Bad(why) => return Err(corrupt(partition, &frames, why)),
            Step::End => return Ok(frames.next()),
        }
    }
}

/// Opens a segment where the index says, or at its beginning where the index is wrong.
fn open_at(partition: &Partition, base: u64, bytes: u64, entry: Option<Entry>) -> Result<Frames> {
    let place = &partition.place;
    let (mut frames, _) = Frames::open(place, base)?;
    if let Some(entry) = entry.filter(|entry| entry.position > frames.position()) {
        frames.jump(entry);
        if let Step::Frame(..) = place.io(frames.step(bytes), "a segment")? {
            frames.jump(entry);
        } else {
            frames = Frames::open(place, base)?.0;
        }
    }
    Ok(frames)
}

fn corrupt(partition: &Partition, frames: &Frames, why: &str) -> Error {
    let behind =
        partition.segment(frames.base(), |segment| segment.index.behind(frames.position()).unwrap_or(segment.end));
    partition.place.corrupt(frames.next(), behind.unwrap_or(frames.next()), why)
}
