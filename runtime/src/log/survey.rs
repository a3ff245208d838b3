//! A partition read from its first frame that is kept to its last, by who may change nothing, beside a writer or without one.

use std::collections::VecDeque;
use std::path::Path;

use super::frame::Header;
use super::frames::{Frames, Step};
use super::index::Entry;
use super::meta::Meta;
use super::payload;
use super::place::Place;
use super::recover;
use super::segment::{self, Before};
use super::skips::Skip;
use crate::disk::File;
use crate::error::{Kind, Result};
use crate::record::Batch;

/// A partition as it stood when it was opened; what is appended since is not seen.
#[derive(Debug)]
pub struct Survey {
    place: Place,
    /// The segments that are still to be read, oldest first.
    ahead: VecDeque<Segment>,
    open: Option<(Frames, Segment)>,
    /// The offset after the last that was found.
    next: u64,
    earliest: Option<u64>,
    has_all: bool,
    bytes: u64,
    bytes_read: u64,
}

/// What lies next in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A frame that is as it was written, with all records of these offsets.
    Records {
        /// The first offset.
        from: u64,
        /// The offset after the last.
        next: u64,
    },
    /// Offsets whose records are not there as they were written.
    Broken {
        /// The first offset.
        from: u64,
        /// The offset after the last.
        next: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Offsets that a person chose to leave out, since they were not as they were written.
    Skipped {
        /// The first offset.
        from: u64,
        /// The offset after the last.
        next: u64,
    },
    /// The newest segment ends here in bytes that are no frame: a torn tail, one that is being written, or rot.
    Torn {
        /// The offset from which on nothing can be read.
        from: u64,
        /// What is wrong.
        why: &'static str,
    },
}

#[derive(Clone, Debug)]
struct Segment {
    base: u64,
    /// What its header says of the one before; none where the header is not as it was written.
    before: Option<Before>,
    /// What the one after it says of this one; none in the newest, or where that one's header is broken.
    sealed: Option<Before>,
    bytes: u64,
}

impl Survey {
    /// Opens a partition of the topic `name` in the folder `dir`.
    ///
    /// `Kind::Missing` where there is no such topic or partition, `Corrupt` where the topic's own file is bad.
    pub fn open(dir: &Path, name: &str, partition: u32) -> Result<Self> {
        let folder = dir.join(name);
        let place = Place::open(&folder, name, Meta::read(&folder, name)?.id, partition)?;
        let mut segments: VecDeque<Segment> = VecDeque::new();
        for base in place.io(segment::bases(&place.folder), "its folder")? {
            let before = match Frames::open(&place, base) {
                Ok((_, before)) => Some(before),
                // Retention was faster.
                Err(error) if error.kind() == Kind::Missing => continue,
                Err(error) if error.kind() == Kind::Corrupt => None,
                Err(error) => return Err(error),
            };
            let path = segment::path(&place.folder, base);
            let bytes = File::open(path).and_then(|file| file.size()).unwrap_or(0);
            if let (Some(last), Some(before)) = (segments.back_mut(), &before)
                && before.base == Some(last.base)
            {
                last.sealed = Some(before.clone());
                last.bytes = before.bytes;
            }
            segments.push_back(Segment { base, before, sealed: None, bytes });
        }
        let first = segments.front();
        let earliest = first.map(|first| first.base);
        let has_all = first.and_then(|first| first.before.as_ref()).is_some_and(|before| before.base.is_none());
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        let next = earliest.unwrap_or(0);
        Ok(Self { place, ahead: segments, open: None, next, earliest, has_all, bytes, bytes_read: 0 })
    }

    /// The first offset that is kept; none where no segment is.
    pub fn earliest(&self) -> Option<u64> {
        self.earliest
    }

    /// Whether its first segment is the first that it ever had.
    pub fn has_all(&self) -> bool {
        self.has_all
    }

    /// The size of its segments.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much of that was read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read + self.open.as_ref().map_or(0, |(frames, _)| frames.position())
    }

    /// The offset after the last that was found.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What lies next, each frame checked; none at the end.
    ///
    /// Errors where the disk refuses.
    pub fn step(&mut self) -> Result<Option<Found>> {
        self.advance(|_, _| Ok(()))
    }

    /// Goes to the record at `offset`, or to the first after it, whose batch it gives; none where there is no such record.
    ///
    /// `Kind::Corrupt` where it is not as it was written.
    pub fn read(&mut self, offset: u64) -> Result<Option<Batch>> {
        let place = self.place.clone();
        // Whole segments before it need not be read.
        while self.ahead.get(1).is_some_and(|second| second.base <= offset) {
            self.ahead.pop_front();
            self.open = None;
        }
        let mut batch = Batch::default();
        loop {
            let fill = |header: &Header, stored: &[u8]| {
                if header.end() <= offset {
                    return Ok(());
                }
                let corrupt = |why| place.corrupt(header.base, header.end(), why);
                batch.extend(|data, spans| payload::unpack(header, stored, offset, data, spans).map_err(corrupt))
            };
            match self.advance(fill)? {
                Some(Found::Records { next, .. }) if next > offset => return Ok(Some(batch)),
                Some(Found::Broken { from, next, why }) if next > offset => return Err(place.corrupt(from, next, why)),
                Some(Found::Torn { .. }) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }

    /// One step; `take` is given the frame.
    fn advance(&mut self, take: impl FnOnce(&Header, &[u8]) -> Result<()>) -> Result<Option<Found>> {
        loop {
            if self.open.is_none() {
                let Some(segment) = self.ahead.pop_front() else { return Ok(None) };
                if let Some(found) = self.begin(segment)? {
                    return Ok(Some(found));
                }
                continue;
            }
            let Some((frames, segment)) = &mut self.open else { continue };
            let (from, is_newest) = (frames.next(), segment.sealed.is_none() && self.ahead.is_empty());
            let chosen = |skip: &&Skip| skip.segment == segment.base && skip.position == frames.position();
            if let Some(skip) = self.place.skips.iter().find(chosen) {
                frames.jump(skip.entry());
                self.next = skip.to;
                return Ok(Some(Found::Skipped { from: skip.from, next: skip.to }));
            }
            match self.place.io(frames.step(segment.bytes), "a segment")? {
                Step::Frame(header, _) if header.count == 0 => {}
                Step::Frame(header, stored) => {
                    take(&header, stored)?;
                    self.next = header.end();
                    return Ok(Some(Found::Records { from: header.base, next: header.end() }));
                }
                Step::Bad(why) => {
                    if let Some(next) = go_behind(&self.place, frames, segment.bytes, is_newest)? {
                        self.next = next;
                        return Ok(Some(Found::Broken { from, next, why }));
                    }
                    let found = if is_newest { Some(Found::Torn { from, why }) } else { self.broken(from, why) };
                    self.close();
                    return Ok(found);
                }
                Step::End => {
                    let whole = segment.sealed.as_ref().is_none_or(|sealed| {
                        sealed.end == from && frames.previous().is_none_or(|crc| crc == sealed.crc)
                    });
                    let found =
                        if whole { None } else { self.broken(from, "the segment is not the one that was sealed") };
                    self.close();
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Begins a segment; says so where it does not follow the one before, or its header is broken.
    fn begin(&mut self, segment: Segment) -> Result<Option<Found>> {
        let from = self.next;
        let follows = match &segment.before {
            // What was skipped was never given to a record.
            Some(before) => before.end <= from || Some(segment.base) == self.earliest,
            None => segment.base <= from,
        };
        self.next = segment.base.max(from);
        if segment.before.is_none() {
            let next = segment.end(self.ahead.front());
            self.next = next.max(self.next);
            self.bytes_read += segment.bytes;
            return Ok(Some(Found::Broken {
                from,
                next: self.next,
                why: "the segment's header is not what was written",
            }));
        }
        let missing = segment.before.as_ref().map_or(segment.base, |before| before.end);
        match Frames::open(&self.place, segment.base) {
            Ok((frames, _)) => self.open = Some((frames, segment)),
            // Retention was faster.
            Err(error) if error.kind() == Kind::Missing => {}
            Err(error) => return Err(error),
        }
        Ok((!follows).then(|| match self.place.is_given_up(from, self.next) {
            true => Found::Skipped { from, next: self.next },
            false => Found::Broken { from, next: missing, why: "a segment is missing" },
        }))
    }

    /// The offsets of the open segment from this one on.
    fn broken(&mut self, from: u64, why: &'static str) -> Option<Found> {
        let next = self.open.as_ref().map(|(_, segment)| segment.end(self.ahead.front()))?.max(from);
        self.next = next;
        Some(Found::Broken { from, next, why })
    }

    fn close(&mut self) {
        if let Some((_, segment)) = self.open.take() {
            self.bytes_read += segment.bytes;
        }
    }
}

/// Goes behind a bad frame to the next whole one, and gives its first offset; none where there is none. In the newest segment a
/// later frame has to say that the bad one was synced: else it was never acknowledged, and neither was what is behind it.
fn go_behind(place: &Place, frames: &mut Frames, bytes: u64, is_newest: bool) -> Result<Option<u64>> {
    let file = place.io(File::open(segment::path(&place.folder, frames.base())), "a segment")?;
    let length = place.io(file.size(), "a segment")?.min(bytes);
    if is_newest && place.io(recover::acknowledged_behind(&file, frames, length), "a segment")?.is_none() {
        return Ok(None);
    }
    let behind = place.io(recover::whole_behind(&file, frames, length, |_| true), "a segment")?;
    let behind = behind.filter(|(header, _)| header.base >= frames.next());
    Ok(behind.map(|(header, position)| {
        frames.jump(Entry { offset: header.base, position, time: header.time });
        header.base
    }))
}

impl Segment {
    /// The offset after its last record, as far as others say it.
    fn end(&self, after: Option<&Self>) -> u64 {
        let sealed = self.sealed.as_ref().map(|sealed| sealed.end);
        sealed.or_else(|| after.map(|after| after.base)).unwrap_or(self.base)
    }
}
