//! The sparse index of a segment: which offset and time lie where, derived from the frames and never believed against them.
//!
//! The index of a sealed segment, or of one whose writer was closed, is kept in a file beside it, so that opening a topic
//! need not read the segment. A file that is missing, stale or garbled is made again.

use std::io;
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::frames::{Frames, Step};
use super::place::Home;
use crate::disk;
use crate::time::Timestamp;

/// An entry is made at least so many bytes after the one before.
const STRIDE_BYTES: u64 = 256 << 10;
const MAGIC: [u8; 8] = *b"TMindex1";

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The offset of its first record.
    pub(super) offset: u64,
    /// Its position in the file.
    pub(super) position: u64,
    /// Its append time.
    pub(super) time: Timestamp,
}

/// Some frames of a segment, by rising offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index(Vec<Entry>);

impl Index {
    /// Notes a frame behind all that are known, unless one close to it is noted.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.0.last().is_none_or(|last| entry.position >= last.position + STRIDE_BYTES) {
            self.0.push(entry);
        }
    }

    /// The last noted frame that begins at or before `offset`.
    pub(super) fn at(&self, offset: u64) -> Option<Entry> {
        let after = self.0.partition_point(|entry| entry.offset <= offset);
        self.0.get(after.checked_sub(1)?).copied()
    }

    /// The last noted frame that was appended before `time`.
    pub(super) fn before(&self, time: Timestamp) -> Option<Entry> {
        let after = self.0.partition_point(|entry| entry.time < time);
        self.0.get(after.checked_sub(1)?).copied()
    }

    /// The offset of the first noted frame that lies behind `position`.
    pub(super) fn behind(&self, position: u64) -> Option<u64> {
        let after = self.0.partition_point(|entry| entry.position <= position);
        self.0.get(after).map(|entry| entry.offset)
    }

    /// Reads a segment of `bytes` bytes through, as far as it is good; whether that is to its end.
    pub(super) fn scan(frames: &mut Frames, bytes: u64) -> io::Result<(Self, bool)> {
        let mut index = Self::default();
        loop {
            let (offset, position) = (frames.next(), frames.position());
            match frames.step(bytes)? {
                Step::Frame(header, _) => index.push(Entry { offset, position, time: header.time }),
                Step::End => return Ok((index, true)),
                Step::Bad(_) => return Ok((index, false)),
            }
        }
    }

    /// The last noted frame.
    pub(super) fn last(&self) -> Option<Entry> {
        self.0.last().copied()
    }

    /// Keeps the index of a segment's first `bytes` bytes, which are synced, beside it.
    pub(super) fn write(&self, folder: &Path, home: Home, bytes: u64) -> io::Result<()> {
        disk::write(path(folder, home.segment), self.encode(home, bytes))
    }

    /// Reads what [`Index::write`] kept of a segment of `bytes` bytes; `None` where it is not there, not whole, or of another.
    pub(super) fn read(folder: &Path, home: Home, bytes: u64) -> Option<Self> {
        Self::read_first(folder, home).filter(|(_, first)| *first == bytes).map(|(index, _)| index)
    }

    /// Reads what [`Index::write`] kept of a segment, and of how many of its bytes that was.
    pub(super) fn read_first(folder: &Path, home: Home) -> Option<(Self, u64)> {
        Self::decode(&disk::read(path(folder, home.segment)).ok()?, home)
    }

    /// The index of a segment's first `bytes` bytes as it is stored.
    pub(super) fn encode(&self, home: Home, bytes: u64) -> Vec<u8> {
        let mut stored = start(home);
        stored.extend_from_slice(&bytes.to_le_bytes());
        for entry in &self.0 {
            stored.extend_from_slice(&entry.offset.to_le_bytes());
            stored.extend_from_slice(&entry.position.to_le_bytes());
            stored.extend_from_slice(&entry.time.0.to_le_bytes());
        }
        stored.extend_from_slice(&crc32c::crc32c(&stored).to_le_bytes());
        stored
    }

    /// Reads what [`Index::encode`] made, and of how many bytes of the segment that was.
    pub(super) fn decode(stored: &[u8], home: Home) -> Option<(Self, u64)> {
        let (body, crc) = stored.split_last_chunk::<4>()?;
        let mut fields = Fields(body.strip_prefix(start(home).as_slice())?);
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let bytes = fields.u64()?;
        let mut index = Self::default();
        while !fields.0.is_empty() {
            let (offset, position, time) = (fields.u64()?, fields.u64()?, Timestamp(fields.i64()?));
            index.0.push(Entry { offset, position, time });
        }
        Some((index, bytes))
    }
}

/// The path of the index of the segment that begins with `base`.
pub(super) fn path(folder: &Path, base: u64) -> PathBuf {
    folder.join(format!("{base:020}.index"))
}

fn start(home: Home) -> Vec<u8> {
    let mut stored = MAGIC.to_vec();
    stored.extend_from_slice(&home.topic.to_le_bytes());
    stored.extend_from_slice(&home.partition.to_le_bytes());
    stored.extend_from_slice(&home.segment.to_le_bytes());
    stored
}
