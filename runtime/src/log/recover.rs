//! Recovery: what a partition's folder holds after any stop, with a torn tail cut and nothing acknowledged lost.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem;

use super::frame::{self, Header};
use super::frames::{Frames, Step};
use super::index::{self, Entry, Index};
use super::memory::Found;
use super::mend;
use super::partition::Segment;
use super::place::Place;
use super::segment::{self, Before};
use super::snapshot;
use super::writer::Tail;
use crate::disk::{self, File};
use crate::error::{Error, Kind, Result};
use crate::sabotage::{self, Fault};

/// How much of a tail is looked at or copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A partition as it was found, ready to be read and appended to.
#[derive(Debug)]
pub(super) struct Recovered {
    /// The segments, oldest first; the last is the one that grows.
    pub(super) segments: VecDeque<Segment>,
    /// The last segment's file.
    pub(super) file: File,
    /// Where the next frame goes in it.
    pub(super) tail: Tail,
    /// What is said of producers.
    pub(super) found: Found,
    /// Whether that took more than the newest segment, for want of a snapshot.
    pub(super) without_snapshot: bool,
}

/// What the newest segment holds.
struct Newest {
    segment: Segment,
    file: File,
    tail: Tail,
    found: Found,
}

/// Reads a partition back; all that it returns is synced.
///
/// `Kind::Corrupt` where a segment is missing, a header is bad, or a frame that was acknowledged is.
pub(super) fn recover(place: &Place) -> Result<Recovered> {
    let bases = match segment::list(&place.folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => place.io(listed, "its folder")?,
    };
    let mut befores = Vec::with_capacity(bases.len());
    for &base in &bases {
        let (_, before) = Frames::open(place, base)?;
        befores.push(before);
    }
    let mut segments = VecDeque::with_capacity(bases.len());
    for ((&base, successor), &next) in bases.iter().zip(befores.iter().skip(1)).zip(bases.iter().skip(1)) {
        if successor.base == Some(base) {
            segments.push_back(sealed_segment(place, base, successor)?);
            continue;
        }
        // Its own successor is gone, and cannot tell.
        let missing =
            || place.corrupt(base, successor.end, "a segment is missing, or the one before it is not what was written");
        let read = mend::before(place, base)?.filter(|read| read.end >= next || place.is_given_up(read.end, next));
        segments.push_back(sealed_segment(place, base, &read.ok_or_else(missing)?)?);
    }
    let last = *bases.last().ok_or_else(|| place.corrupt(0, 0, "it has no segment"))?;
    place.io(
        snapshot::prune(&place.folder, bases.get(bases.len().saturating_sub(2)..).unwrap_or(&bases)),
        "its folder",
    )?;
    let kept = snapshot::read(&place.folder, place.home(last));
    let mut newest = recover_tail(place, last, kept.as_ref().map(|(upto, _)| *upto))?;
    let end = newest.tail.next;
    let kept = match kept {
        // It knows of more than there is, so the index that it was trusted with may skip frames that it does not know.
        Some((upto, _)) if upto > end => {
            newest = recover_tail(place, last, None)?;
            None
        }
        kept => kept,
    };
    let without_snapshot = kept.is_none() && befores.last().is_some_and(|before| before.snapshot);
    let Newest { segment, file, tail, mut found } = newest;
    match kept {
        Some((_, known)) => found.add(known),
        None if without_snapshot => older(place, &bases, &befores, &segments, &mut found)?,
        None => {}
    }
    segments.push_back(segment);
    // A name that a crash left may exist in the page cache alone.
    place.io(disk::sync_folder(&place.folder), "its folder")?;
    Ok(Recovered { segments, file, tail, found, without_snapshot })
}

/// Reads what sealed segments say of producers, the newest first, up to one whose snapshot tells the rest.
fn older(
    place: &Place,
    bases: &[u64],
    befores: &[Before],
    sealed: &VecDeque<Segment>,
    found: &mut Found,
) -> Result<()> {
    tracing::warn!(topic = place.topic, partition = place.partition, "snapshot of producers made again from the log");
    for (((&base, before), segment), after) in bases.iter().zip(befores).zip(sealed).zip(befores.iter().skip(1)).rev() {
        // Of those that are missing between this one and the next nobody knows.
        found.lost |= after.base != Some(base);
        let (mut frames, _) = Frames::open(place, base)?;
        loop {
            match place.io(frames.step(segment.bytes), format!("segment {base:020}"))? {
                Step::Frame(header, _) => found.see(&header),
                Step::End => break,
                Step::Bad(_) => {
                    found.lost = true;
                    break;
                }
            }
        }
        if let Some((_, known)) = snapshot::read(&place.folder, place.home(base)) {
            found.add(known);
            return Ok(());
        }
        if !before.snapshot {
            return Ok(());
        }
    }
    found.lost = true;
    Ok(())
}

/// Describes a sealed segment by its successor's word; one that is not so is found out by who reads it.
fn sealed_segment(place: &Place, base: u64, successor: &Before) -> Result<Segment> {
    let home = place.home(base);
    let index = match Index::read(&place.folder, home, successor.bytes) {
        Some(index) => index,
        None => {
            let (mut frames, _) = Frames::open(place, base)?;
            let (index, whole) = place.io(Index::scan(&mut frames, successor.bytes), "an index")?;
            if whole && let Err(cause) = index.write(&place.folder, home, successor.bytes) {
                tracing::warn!(topic = place.topic, partition = place.partition, %cause, "index not kept");
            }
            index
        }
    };
    let crc = Some(successor.crc);
    Ok(Segment { base, end: successor.end, bytes: successor.bytes, time: successor.time, crc, index })
}

/// Reads the newest segment, of whose producers a snapshot tells up to offset `known`.
fn recover_tail(place: &Place, base: u64, known: Option<u64>) -> Result<Newest> {
    let (mut frames, before) = Frames::open(place, base)?;
    let path = segment::path(&place.folder, base);
    let file = place.io(File::open_to_write(&path), "its last segment")?;
    let length = place.io(file.size(), "its last segment")?;
    let kept = Index::read_first(&place.folder, place.home(base));
    let synced = kept.as_ref().map_or(0, |(_, bytes)| *bytes);
    let mut index = match kept {
        Some((index, bytes)) if bytes <= length => jump_to_last(place, &mut frames, index, length, known)?,
        _ => Index::default(),
    };
    let mut found = Found::default();
    let (mut time, mut marked) = (before.time, false);
    // The last group: no later frame calls it synced, and it may exist in the page cache alone.
    let mut unsynced = VecDeque::new();
    let torn = loop {
        let (offset, position) = (frames.next(), frames.position());
        match place.io(frames.step(length), "its last segment")? {
            Step::Frame(header, _) => {
                (time, marked) = (header.time, header.count == 0);
                index.push(Entry { offset, position, time });
                found.see(&header);
                unsynced.push_back(position);
                while unsynced.front().is_some_and(|&position| position < header.synced) {
                    unsynced.pop_front();
                }
            }
            Step::End => break None,
            // Whole, and so not torn: to cut it would lose what another version acknowledged.
            Step::Bad(frame::UNKNOWN) => return Err(of_another_version(place, offset)),
            Step::Bad(why) => break Some(why),
        }
    };
    let (position, end) = (frames.position(), frames.next());
    if let Some(why) = torn
        && let Some(next) = place.io(acknowledged_behind(&file, &frames, length), "its last segment")?
    {
        return Err(place.corrupt(end, next, why));
    }
    // All but a mark, which holds no record.
    if position + (frame::HEADER_BYTES as u64) < synced {
        return Err(cut_short(place, base, end, synced - position));
    }
    if let Some(why) = torn {
        let (partition, bytes) = (place.partition, length - position);
        tracing::warn!(topic = place.topic, partition, end, bytes, why, "torn tail cut");
        place.io(file.set_len(position), "its torn tail")?;
    }
    let from = unsynced.front().copied().unwrap_or(position);
    if !sabotage::is(Fault::TailNotSynced) {
        place.io(rewrite(&file, from, position).and_then(|()| file.sync_all()), "its last segment")?;
    }
    let previous = frames.previous().unwrap_or_default();
    let segment = Segment { base, end, bytes: position, time, crc: None, index };
    Ok(Newest { segment, file, tail: Tail { base, position, next: end, previous, time, marked }, found })
}

/// The error for a frame that is whole and cannot be read here.
fn of_another_version(place: &Place, offset: u64) -> Error {
    let what = format!("offsets from {offset} on have a format that is not known here");
    place.error(Kind::Input, what).hint("use the newer version of tidemill that wrote it")
}

/// The error for a segment that was longer when its writer was closed, as the index that was kept then tells.
fn cut_short(place: &Place, base: u64, end: u64, bytes: u64) -> Error {
    let what = format!("offsets from {end} on cannot be read: {bytes} bytes that were synced are not there");
    let index = index::path(&place.folder, base);
    place.error(Kind::Corrupt, what).hint(format!(
        "restore the segment from a backup of {:?}, or remove {index:?} to go on without what is lost",
        place.folder
    ))
}

/// Goes to the last frame that the index of the writer's last close knows, for all before it is synced; gives the index if it is right.
///
/// Not where that would leave out what frames say of producers after offset `known`.
fn jump_to_last(place: &Place, frames: &mut Frames, index: Index, length: u64, known: Option<u64>) -> Result<Index> {
    let Some(last) = index.last().filter(|last| Some(last.offset) <= known) else { return Ok(Index::default()) };
    let mut ahead = Frames::open(place, frames.base())?.0;
    ahead.jump(last);
    if let Step::Frame(..) = place.io(ahead.step(length), "its last segment")? {
        frames.jump(last);
        return Ok(index);
    }
    Ok(Index::default())
}

/// Writes bytes again as they are: after a failed sync the page cache calls them clean, and the disk never got them.
fn rewrite(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    while from < to {
        let len = usize::try_from(to - from).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let bytes = chunk.get_mut(..len).unwrap_or_default();
        file.read_exact_at(bytes, from)?;
        file.write_all_at(bytes, from)?;
        from += len as u64;
    }
    Ok(())
}

/// Looks behind a bad frame for a whole one that says the bad one was synced; gives the offset where that one begins.
pub(super) fn acknowledged_behind(file: &File, bad: &Frames, length: u64) -> io::Result<Option<u64>> {
    if sabotage::is(Fault::CutInTheMiddle) {
        return Ok(None);
    }
    let found = whole_behind(file, bad, length, |header| header.synced > bad.position())?;
    Ok(found.map(|(header, _)| header.base))
}

/// Looks behind a bad frame, in the first `length` bytes, for the next whole one of its segment that is `wanted`; gives its position too.
pub(super) fn whole_behind(
    file: &File,
    bad: &Frames,
    length: u64,
    wanted: impl Fn(&Header) -> bool,
) -> io::Result<Option<(Header, u64)>> {
    let finder = memmem::Finder::new(&frame::MAGIC);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = bad.position();
    while at + (frame::HEADER_BYTES as u64) <= length {
        let len = usize::try_from(length - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let bytes = chunk.get_mut(..len).unwrap_or_default();
        file.read_exact_at(bytes, at)?;
        for found in finder.find_iter(bytes) {
            let at = at + found as u64;
            let whole = whole_frame(file, at, length, |header| header.home == bad.home() && wanted(header))?;
            if let Some(header) = whole {
                return Ok(Some((header, at)));
            }
        }
        // The magic may lie across two chunks.
        at += (len + 1 - frame::MAGIC.len()) as u64;
    }
    Ok(None)
}

/// The frame at a position, if there is a whole one that is `wanted`.
fn whole_frame(file: &File, at: u64, length: u64, wanted: impl Fn(&Header) -> bool) -> io::Result<Option<Header>> {
    let left = length - at;
    if left < frame::HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut stored = vec![0; frame::HEADER_BYTES];
    file.read_exact_at(&mut stored, at)?;
    let decoded = Header::decode(&stored).ok();
    let Some((header, crc)) = decoded.filter(|(header, _)| header.length as u64 <= left && wanted(header)) else {
        return Ok(None);
    };
    stored.resize(header.length, 0);
    file.read_exact_at(&mut stored, at)?;
    Ok(frame::check(&stored, crc).is_ok().then_some(header))
}
