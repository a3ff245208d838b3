//! The repair of a topic that nobody has open: all of it is read, and what is rotten can be left out from then on.

use std::path::Path;

use super::frames::{Frames, Step};
use super::mend;
use super::meta::{self, Meta};
use super::place::Place;
use super::recover;
use super::segment::{self, Before};
use super::skips::{self, Skip};
use crate::disk::File;
use crate::error::{Kind, Result};

/// What is not as it was written.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The partition.
    pub partition: u32,
    /// What it is.
    pub what: What,
    /// How it was told.
    pub why: &'static str,
}

/// What is not as it was written, and what can be done about it.
#[derive(Clone, Debug)]
pub enum What {
    /// A stretch of records, which can be left out.
    Stretch(Skip),
    /// The header of the segment that begins with this offset, and the bytes that it had: they can be put back, and nothing is lost.
    Header(u64, Vec<u8>),
}

/// Reads the topic `name` in `dir` through, and gives what is rotten in it, and what is gone of that which is wanted: of a partition all from an
/// offset on. A torn tail, which the next start cuts, is no fault.
///
/// Of a partition in which a header is to be put back no more is told: it can be read after that. `Kind::Corrupt` where more is
/// damaged: a header together with what is around it.
pub fn faults(dir: &Path, name: &str, wanted: impl Fn(u32) -> Result<u64>) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for place in places(dir, name)? {
        let bases = place.io(segment::list(&place.folder), "its folder")?;
        let next = wanted(place.partition)?;
        if let Some(first) = bases.first().and_then(|&base| place.gone(next, base)) {
            let what = What::Stretch(Skip::of_gone(next, first));
            faults.push(Fault { partition: place.partition, what, why: "the segments that had them are gone" });
        }
        if let Some(fault) = header(&place, &bases)? {
            faults.push(fault);
            continue;
        }
        for (nth, &base) in bases.iter().enumerate() {
            let successor = bases.get(nth + 1).map(|&next| Frames::open(&place, next)).transpose()?;
            let mut sealed = successor.map(|(frames, before)| (frames.base(), before));
            if let Some((next, before)) = sealed.as_mut().filter(|(_, before)| before.base != Some(base)) {
                let read = mend::before(&place, base)?;
                let gap = read.as_ref().map(|read| (read.end, *next)).filter(|(end, next)| end < next);
                if let Some((end, next)) = gap.filter(|(end, next)| !place.is_given_up(*end, *next)) {
                    let what = What::Stretch(Skip::of_gone(end, next));
                    faults.push(Fault { partition: place.partition, what, why: "the segments that had them are gone" });
                }
                // Of one that is rotten itself, what is behind the rot goes as far as the next.
                let bytes = place.io(Frames::open(&place, base)?.0.size(), "a segment")?;
                *before = read.unwrap_or(Before { base: Some(base), end: *next, bytes, ..Before::nothing() });
            }
            of_segment(&place, base, sealed.map(|(_, before)| (before.bytes, before.end)), &mut faults)?;
        }
    }
    Ok(faults)
}

/// Puts headers back, and has stretches left out from the next start on.
pub fn mend(dir: &Path, name: &str, faults: &[Fault]) -> Result<()> {
    for place in places(dir, name)? {
        let mut chosen = Vec::new();
        for fault in faults.iter().filter(|fault| fault.partition == place.partition) {
            match &fault.what {
                What::Stretch(skip) => chosen.push(*skip),
                What::Header(base, header) => mend::put(&place, *base, header)?,
            }
        }
        if !chosen.is_empty() {
            place.io(skips::add(&place.folder, &chosen), "its skips")?;
        }
    }
    Ok(())
}

fn places(dir: &Path, name: &str) -> Result<Vec<Place>> {
    meta::check_name(name)?;
    let folder = dir.join(name);
    let meta = Meta::open(&folder, name)?;
    (0..meta.partitions).map(|partition| Place::open(&folder, name, meta.id, partition)).collect()
}

/// The first header that is not what was written: nothing behind it can be followed before it is put back.
fn header(place: &Place, bases: &[u64]) -> Result<Option<Fault>> {
    let mut previous = None;
    for &base in bases {
        if let Err(broken) = Frames::open(place, base) {
            let header = if broken.kind() == Kind::Corrupt { mend::header(place, previous, base)? } else { None };
            let what = What::Header(base, header.ok_or(broken)?);
            let why = "the segment's header is not what was written";
            return Ok(Some(Fault { partition: place.partition, what, why }));
        }
        previous = Some(base);
    }
    Ok(None)
}

/// Reads one segment; `sealed` is what its successor says of it: its size and the offset after its last record.
fn of_segment(place: &Place, base: u64, sealed: Option<(u64, u64)>, faults: &mut Vec<Fault>) -> Result<()> {
    let (mut frames, _) = Frames::open(place, base)?;
    let file = place.io(File::open(segment::path(&place.folder, base)), "a segment")?;
    let length = place.io(file.size(), "a segment")?;
    let limit = sealed.map_or(length, |(bytes, _)| bytes);
    loop {
        let why = match place.io(frames.step(limit), "a segment")? {
            Step::Frame(..) => continue,
            Step::End => return Ok(()),
            Step::Bad(why) => why,
        };
        let (position, from) = (frames.position(), frames.next());
        let behind = place.io(recover::whole_behind(&file, &frames, length.min(limit), |_| true), "a segment")?;
        let acknowledged = match sealed {
            Some(_) => true,
            None => place.io(recover::acknowledged_behind(&file, &frames, length), "a segment")?.is_some(),
        };
        let (to, end) = match (behind, sealed) {
            _ if !acknowledged => return Ok(()),
            (Some((header, at)), _) => (header.base, at),
            (None, Some((bytes, end))) => (end, bytes),
            (None, None) => return Ok(()),
        };
        if to < from {
            return Err(place.error(Kind::Corrupt, format!("offsets from {from} on are there twice")));
        }
        let skip = Skip { segment: base, position, end, from, to };
        frames.jump(skip.entry());
        faults.push(Fault { partition: place.partition, what: What::Stretch(skip), why });
    }
}
