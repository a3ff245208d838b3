//! A partition read from an offset on and then as it grows, by who may change nothing, beside a writer or without one.

use std::path::Path;

use super::frames::{Frames, Step};
use super::index::Entry;
use super::meta::Meta;
use super::payload;
use super::place::Place;
use super::segment;
use crate::disk::File;
use crate::error::{Kind, Result};
use crate::record::Batch;
use crate::time::Timestamp;

/// Reads whole frames, each checked. What a writer beside it has not yet synced may be among them.
#[derive(Debug)]
pub struct Follower {
    place: Place,
    frames: Option<Frames>,
    next: u64,
}

/// The partitions of the topic `name` in the folder `dir`; `Kind::Missing` where there is none of this name.
pub fn partitions(dir: &Path, name: &str) -> Result<u32> {
    Meta::read(&dir.join(name), name).map(|meta| meta.partitions)
}

impl Follower {
    /// Begins at the offset `from`, or at the first after it that is kept.
    pub fn open(dir: &Path, name: &str, partition: u32, from: u64) -> Result<Self> {
        let folder = dir.join(name);
        let place = Place::open(&folder, name, Meta::read(&folder, name)?.id, partition)?;
        Ok(Self { place, frames: None, next: from })
    }

    /// The offset that is read next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Appends the records of the next frame; whether there was one. `Kind::Corrupt` where it is not what was written.
    pub fn read(&mut self, batch: &mut Batch) -> Result<bool> {
        let Self { place, frames, next } = self;
        loop {
            let open = match frames {
                Some(open) => open,
                None => match locate(place, *next)? {
                    Some(found) => frames.insert(found),
                    None => return Ok(false),
                },
            };
            let (base, before) =
                (open.base(), Entry { offset: open.next(), position: open.position(), time: Timestamp::MIN });
            let file = File::open(segment::path(&place.folder, base)).and_then(|file| file.size());
            let bytes = match place.io(file, "a segment") {
                // Retention was faster.
                Err(error) if error.kind() == Kind::Missing => {
                    *frames = None;
                    continue;
                }
                size => size?,
            };
            match place.io(open.step(bytes), "a segment")? {
                Step::Frame(header, _) if header.end() <= *next => {}
                Step::Frame(header, stored) => {
                    let corrupt = |why| place.corrupt(header.base, header.end(), why);
                    let from = *next;
                    batch.extend(|data, spans| payload::unpack(&header, stored, from, data, spans).map_err(corrupt))?;
                    *next = header.end();
                    return Ok(true);
                }
                ended => {
                    let why = if let Step::Bad(why) = ended { Some(why) } else { None };
                    let bases = place.io(segment::bases(&place.folder), "its folder")?;
                    let after = bases.into_iter().find(|other| *other > base);
                    match (why, after) {
                        (None, Some(after)) => {
                            *next = (*next).max(after);
                            *frames = Some(Frames::open(place, after)?.0);
                        }
                        (None, None) => return Ok(false),
                        // It may be half written: it is looked at again, from the disk.
                        (Some(_), None) => {
                            let (mut again, _) = Frames::open(place, base)?;
                            again.jump(before);
                            *frames = Some(again);
                            return Ok(false);
                        }
                        (Some(why), Some(after)) => return Err(place.corrupt(before.offset, after, why)),
                    }
                }
            }
        }
    }
}

/// Opens the segment that holds an offset, or the first after it.
fn locate(place: &Place, next: u64) -> Result<Option<Frames>> {
    let bases = place.io(segment::bases(&place.folder), "its folder")?;
    let holding = bases.iter().rev().find(|base| **base <= next).or(bases.first());
    holding.map(|base| Ok(Frames::open(place, *base)?.0)).transpose()
}
