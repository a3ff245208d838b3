//! The segment: a file of frames, named by its first offset, whose header ties it to the one before.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `TMsg` |
//! | 4 | 4 | crc32c of all that follows |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | flags: 1 a snapshot of producers was kept beside it, see `snapshot.rs` |
//! | 12 | 4 | partition |
//! | 16 | 8 | identity of the topic |
//! | 24 | 8 | base offset, also the file's name |
//! | 32 | 8 | base offset of the segment before; `u64::MAX` in the first |
//! | 40 | 8 | offset after the last record before; less than the base where offsets were skipped |
//! | 48 | 8 | size of the segment before, in bytes |
//! | 56 | 8 | append time of the last record before |
//! | 64 | 4 | crc of the last frame before |
//! | 68 | 4 | zero |
//!
//! Only the newest segment grows; what its successor says of it is how a sealed one is known to be whole.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::place::{Home, Place};
use crate::disk::{self, File};
use crate::error::{Kind, Result};
use crate::time::Timestamp;

/// The size of a segment's header.
pub(super) const HEADER_BYTES: u64 = 72;

const MAGIC: [u8; 4] = *b"TMsg";
const VERSION: u16 = 1;
const FLAG_SNAPSHOT: u16 = 1;
const CHECKED_FROM: usize = 8;
const NONE: u64 = u64::MAX;

/// What a segment says of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// Its base offset; `None` where there never was one.
    pub(super) base: Option<u64>,
    /// The offset after its last record.
    pub(super) end: u64,
    /// Its size.
    pub(super) bytes: u64,
    /// The append time of its last record.
    pub(super) time: Timestamp,
    /// The crc of its last frame.
    pub(super) crc: u32,
    /// Whether a snapshot tells what it and those before it say of producers; otherwise they say nothing.
    pub(super) snapshot: bool,
}

impl Before {
    /// What the first segment of all says.
    pub(super) fn nothing() -> Self {
        Self { base: None, end: 0, bytes: 0, time: Timestamp::MIN, crc: 0, snapshot: false }
    }
}

/// The path of the segment that begins with `base`.
pub(super) fn path(folder: &Path, base: u64) -> PathBuf {
    folder.join(format!("{base:020}.log"))
}

/// Makes a segment and gives back its file and its header's crc, once a crash can no longer take them away.
pub(super) fn create(folder: &Path, home: Home, before: &Before) -> io::Result<(File, u32)> {
    let (header, crc) = encode(home, before);
    // Under its own name only when it is whole, so that a bad header is always rot and never a crash.
    let (unnamed, named) = (folder.join(format!("{:020}.new", home.segment)), path(folder, home.segment));
    let made = File::create(&unnamed).and_then(|mut file| {
        file.write_all(&header)?;
        file.sync_all()?;
        disk::rename(&unnamed, &named)?;
        Ok(file)
    });
    if made.is_err() {
        drop(disk::remove_file(&unnamed));
    }
    let file = made?;
    disk::sync_folder(folder)?;
    Ok((file, crc))
}

/// Reads the header of a segment: what it says of the one before, and its crc.
pub(super) fn read_header(file: &File, place: &Place, base: u64) -> Result<(Before, u32)> {
    let mut stored = [0; HEADER_BYTES as usize];
    let wrong = |why: &str| {
        let error = place.error(Kind::Corrupt, format!("offsets from {base} on cannot be read: {why}"));
        let folder = &place.folder;
        error.hint(format!(
            "see whether `tidemill repair` can put it back, or restore the segment from a backup of {folder:?}"
        ))
    };
    match file.read_exact_at(&mut stored, 0) {
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(wrong("the segment's header is cut short"));
        }
        read => place.io(read, format!("segment {base:020}"))?,
    }
    let (version, home, before, crc) =
        decode(&stored).ok_or_else(|| wrong("the segment's header is not what was written"))?;
    if version > VERSION {
        let what = format!("segment {base:020}: its format is {version}, and only {VERSION} is known here");
        return Err(place.error(Kind::Input, what).hint("use the newer version of tidemill that wrote it"));
    }
    if home != place.home(base) {
        return Err(wrong("the segment belongs to another place"));
    }
    Ok((before, crc))
}

/// The base offsets of the segments in a folder, rising; removes what a crash left half made.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    for path in disk::list(folder)? {
        if path.extension().is_some_and(|extension| extension == "new") {
            disk::remove_file(&path)?;
        }
    }
    bases(folder)
}

/// The same, by who may change nothing.
pub(super) fn bases(folder: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for path in disk::list(folder)? {
        if path.extension().is_some_and(|extension| extension == "log") {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            bases.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// The header as it is stored, and its crc.
pub(super) fn encode(home: Home, before: &Before) -> (Vec<u8>, u32) {
    let mut fields = Vec::with_capacity(HEADER_BYTES as usize);
    fields.extend_from_slice(&VERSION.to_le_bytes());
    fields.extend_from_slice(&(u16::from(before.snapshot) * FLAG_SNAPSHOT).to_le_bytes());
    fields.extend_from_slice(&home.partition.to_le_bytes());
    fields.extend_from_slice(&home.topic.to_le_bytes());
    fields.extend_from_slice(&home.segment.to_le_bytes());
    fields.extend_from_slice(&before.base.unwrap_or(NONE).to_le_bytes());
    fields.extend_from_slice(&before.end.to_le_bytes());
    fields.extend_from_slice(&before.bytes.to_le_bytes());
    fields.extend_from_slice(&before.time.0.to_le_bytes());
    fields.extend_from_slice(&before.crc.to_le_bytes());
    fields.extend_from_slice(&[0; 4]);
    let crc = crc32c::crc32c(&fields);
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&crc.to_le_bytes());
    header.append(&mut fields);
    (header, crc)
}

/// Reads a header: its version, where it belongs, what it says of the segment before, its crc.
pub(super) fn decode(stored: &[u8]) -> Option<(u16, Home, Before, u32)> {
    let mut from = Fields(stored);
    let magic: [u8; 4] = from.array()?;
    let crc = from.u32()?;
    if magic != MAGIC || crc != crc32c::crc32c(stored.get(CHECKED_FROM..)?) {
        return None;
    }
    let (version, flags, partition, topic, segment) = (from.u16()?, from.u16()?, from.u32()?, from.u64()?, from.u64()?);
    let base = Some(from.u64()?).filter(|&base| base != NONE);
    let (end, bytes, time, crc_before) = (from.u64()?, from.u64()?, Timestamp(from.i64()?), from.u32()?);
    let before = Before { base, end, bytes, time, crc: crc_before, snapshot: flags & FLAG_SNAPSHOT != 0 };
    Some((version, Home { topic, partition, segment }, before, crc))
}
