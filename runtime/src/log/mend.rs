//! What a segment's header says, made again: what the segment before holds is read of that, and the first frame behind the header names its checksum.

use std::os::unix::fs::FileExt;

use super::frames::{Frames, Step};
use super::place::Place;
use super::segment::{self, Before};
use crate::disk::File;
use crate::error::Result;

/// The header that the segment `base` had; none where what is around it does not say so exactly. `previous` is the segment before it,
/// where there is one.
pub(super) fn header(place: &Place, previous: Option<u64>, base: u64) -> Result<Option<Vec<u8>>> {
    let before = match previous {
        Some(previous) => before(place, previous)?,
        None => Some(Before::nothing()),
    };
    let (Some(before), Some(wanted)) = (before, wanted(place, base)?) else { return Ok(None) };
    let forms = [before.snapshot, !before.snapshot].map(|snapshot| Before { snapshot, ..before.clone() });
    let mut headers = forms.iter().map(|before| segment::encode(place.home(base), before));
    Ok(headers.find(|(_, crc)| *crc == wanted).map(|(header, _)| header))
}

/// Puts a header in its place.
pub(super) fn put(place: &Place, base: u64, header: &[u8]) -> Result<()> {
    let path = segment::path(&place.folder, base);
    let put = || {
        let file = File::open_to_write(&path)?;
        file.write_all_at(header, 0)?;
        file.sync_all()
    };
    place.io(put(), format!("segment {base:020}"))
}

/// What the successor of a segment says of it: read again of the segment itself; none where that is not whole.
pub(super) fn before(place: &Place, previous: u64) -> Result<Option<Before>> {
    let doing = || format!("segment {previous:020}");
    let (mut frames, of_it) = Frames::open(place, previous)?;
    let length = place.io(frames.size(), doing())?;
    let (mut time, mut crc) = (of_it.time, frames.previous());
    loop {
        match place.io(frames.step(length), doing())? {
            Step::Frame(header, _) => time = header.time,
            Step::End => break,
            Step::Bad(_) => return Ok(None),
        }
        crc = frames.previous();
    }
    let (end, bytes) = (frames.next(), frames.position());
    // Behind what a person left out at its end no frame is there to be held against it.
    Ok(Some(Before { base: Some(previous), end, bytes, time, crc: crc.unwrap_or_default(), snapshot: true }))
}

/// The checksum that the first frame of a segment names; none where that frame is not whole.
fn wanted(place: &Place, base: u64) -> Result<Option<u32>> {
    let doing = || format!("segment {base:020}");
    let mut frames = Frames::without_header(place, base)?;
    let length = place.io(frames.size(), doing())?;
    Ok(match place.io(frames.step(length), doing())? {
        Step::Frame(header, _) => Some(header.previous),
        Step::End | Step::Bad(_) => None,
    })
}
