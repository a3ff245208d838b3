//! The frames of one segment, read one after another, each checked before it is believed.

use std::io;
use std::os::unix::fs::FileExt;

use super::frame::{self, Header};
use super::index::Entry;
use super::place::{Home, Place};
use super::segment::{self, Before};
use super::skips::Skip;
use crate::disk::File;
use crate::error::Result;
use crate::sabotage::{self, Fault};

/// How much is read from the file at a time; a larger frame is read whole.
const WINDOW_BYTES: usize = 512 << 10;

/// A place between two frames of a segment's file.
#[derive(Debug)]
pub(super) struct Frames {
    file: File,
    home: Home,
    skips: Vec<Skip>,
    window: Vec<u8>,
    window_at: u64,
    position: u64,
    next: u64,
    previous: Option<u32>,
}

/// What lies at the place.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A whole, checked frame and its stored payload; the place is behind it now.
    Frame(Header, &'a [u8]),
    /// Nothing: the limit was reached.
    End,
    /// Bytes that are not the frame that should be here, and why; the place stays.
    Bad(&'static str),
}

impl Frames {
    /// Opens a segment at its first frame; also gives what its header says of the segment before.
    pub(super) fn open(place: &Place, base: u64) -> Result<(Self, Before)> {
        let file = place.io(File::open(segment::path(&place.folder, base)), format!("segment {base:020}"))?;
        let (before, crc) = segment::read_header(&file, place, base)?;
        Ok((Self::at_first(file, place, base, Some(crc)), before))
    }

    /// The same without a look at the header.
    pub(super) fn without_header(place: &Place, base: u64) -> Result<Self> {
        let file = place.io(File::open(segment::path(&place.folder, base)), format!("segment {base:020}"))?;
        Ok(Self::at_first(file, place, base, None))
    }

    fn at_first(file: File, place: &Place, base: u64, previous: Option<u32>) -> Self {
        Self {
            file,
            home: place.home(base),
            skips: place.skips.iter().filter(|skip| skip.segment == base).copied().collect(),
            window: Vec::new(),
            window_at: 0,
            position: segment::HEADER_BYTES,
            next: base,
            previous,
        }
    }

    /// Goes to where an index says that a frame begins; it is believed only once a frame was found there.
    pub(super) fn jump(&mut self, to: Entry) {
        (self.position, self.next, self.previous) = (to.position, to.offset, None);
    }

    /// The size of the file.
    pub(super) fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    /// The position in the file of the next frame.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The offset that the next frame begins with.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The segment.
    pub(super) fn home(&self) -> Home {
        self.home
    }

    /// The base offset of the segment.
    pub(super) fn base(&self) -> u64 {
        self.home.segment
    }

    /// The crc that the next frame must name; `None` after a jump.
    pub(super) fn previous(&self) -> Option<u32> {
        self.previous
    }

    /// The next frame that ends at or before the position `limit`.
    pub(super) fn step(&mut self, limit: u64) -> io::Result<Step<'_>> {
        while let Some(skip) = self.skips.iter().find(|skip| skip.position == self.position) {
            self.jump(skip.entry());
        }
        let left = limit.saturating_sub(self.position);
        if left == 0 {
            return Ok(Step::End);
        }
        let found = Header::decode(self.bytes(frame::HEADER_BYTES, left)?);
        let (header, crc) = match found {
            Ok(found) => found,
            Err(why) => return Ok(Step::Bad(why)),
        };
        if header.length as u64 > left {
            return Ok(Step::Bad("it is cut short"));
        }
        let (length, begin) = (header.length, self.position);
        let whole = frame::check(self.bytes(length, left)?, crc);
        if let Err(why) = whole.and_then(|()| self.follows(&header)) {
            return Ok(Step::Bad(why));
        }
        (self.position, self.next, self.previous) = (begin + length as u64, header.end(), Some(crc));
        let begin = (begin - self.window_at) as usize;
        let payload = self.window.get(begin + frame::HEADER_BYTES..begin + length).unwrap_or_default();
        Ok(Step::Frame(header, payload))
    }

    fn follows(&self, header: &Header) -> Result<(), &'static str> {
        if header.home != self.home && !sabotage::is(Fault::PlaceUnread) {
            return Err("it belongs to another place");
        }
        if sabotage::is(Fault::ChainUnread) {
            return Ok(());
        }
        if header.base != self.next || self.previous.is_some_and(|crc| crc != header.previous) {
            return Err("it does not follow what is before it");
        }
        Ok(())
    }

    /// The next `len` bytes, fewer where the file or what is `left` ends.
    fn bytes(&mut self, len: usize, left: u64) -> io::Result<&[u8]> {
        let skip = self.position.checked_sub(self.window_at).unwrap_or(u64::MAX);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.window.len());
        if self.window.len() - skip < len {
            self.window.drain(..skip);
            self.window_at = self.position;
            self.fill(len.max(WINDOW_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX)))?;
        }
        let begin = (self.position - self.window_at) as usize;
        Ok(self.window.get(begin..self.window.len().min(begin + len)).unwrap_or_default())
    }

    fn fill(&mut self, len: usize) -> io::Result<()> {
        let mut filled = self.window.len();
        self.window.resize(len.max(filled), 0);
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.window_at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    self.window.truncate(filled);
                    return Err(cause);
                }
            }
        }
        self.window.truncate(filled);
        Ok(())
    }
}
