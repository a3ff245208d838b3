//! A table's lane of the shelf: its outbox, what it weighs, what is wrong with it.

use std::collections::{BTreeMap, VecDeque};

use super::Stock;
use crate::commit::Object;
use crate::error::{Error, Kind};
use crate::time::Timestamp;
use crate::trouble::Trouble;

/// Objects of one file that are sent together at most.
const TOGETHER_MAX: usize = 512;

/// So many troubles of a lane are remembered: they are told to a person.
const TROUBLES_MAX: usize = 16;

/// Something that keeps rows from the bucket, or the table's workers from going on.
#[derive(Clone, Debug)]
pub struct Noted {
    /// What is wrong, as said last.
    pub trouble: Trouble,
    /// Whether the table's workers wait because of it.
    pub stops: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Segments that are neither being joined nor part of an object.
    segments: usize,
    segment_bytes: u64,
    /// Segments that were taken to be joined: not landed yet.
    pub(super) joining: usize,
    joining_bytes: u64,
    outbox: VecDeque<Object>,
    uploading: usize,
    /// Of those that wait and those on their way.
    object_bytes: u64,
    /// Its share is used up.
    full: Option<Trouble>,
    /// By what they are about.
    troubles: BTreeMap<String, Noted>,
}

impl Lane {
    pub(super) fn add(&mut self, bytes: u64) {
        self.segments += 1;
        self.segment_bytes += bytes;
    }

    pub(super) fn take(&mut self, segments: usize, bytes: u64) {
        self.segments = self.segments.saturating_sub(segments);
        self.segment_bytes = self.segment_bytes.saturating_sub(bytes);
        self.joining += segments;
        self.joining_bytes += bytes;
    }

    pub(super) fn put_back(&mut self, segments: usize, bytes: u64) {
        self.joined(segments, bytes);
        self.segments += segments;
        self.segment_bytes += bytes;
    }

    pub(super) fn landed(&mut self, segments: usize, object: Object) {
        self.joined(segments, object.bytes);
        self.queue(object);
    }

    pub(super) fn queue(&mut self, object: Object) {
        self.object_bytes += object.bytes;
        self.outbox.push_back(object);
    }

    /// The next object, with those after it that lie in the same file.
    pub(super) fn send(&mut self) -> Vec<Object> {
        let Some(first) = self.outbox.front() else { return Vec::new() };
        let same = |object: &&Object| object.file == first.file;
        let count = self.outbox.iter().take(TOGETHER_MAX).take_while(same).count();
        self.uploading += count;
        self.outbox.drain(..count).collect()
    }

    pub(super) fn delivered(&mut self, bytes: u64) {
        self.uploading = self.uploading.saturating_sub(1);
        self.object_bytes = self.object_bytes.saturating_sub(bytes);
    }

    /// What goes wrong again keeps the time of its first.
    pub(super) fn note(&mut self, what: String, error: &Error, now: Timestamp) {
        let before = self.troubles.get(&what).map(|noted| &noted.trouble);
        // Only a person can help: more of the same would only pile up.
        let stops = matches!(error.kind(), Kind::Conflict | Kind::Corrupt);
        if before.is_some() || stops || self.troubles.len() < TROUBLES_MAX {
            let trouble = Trouble::of(what.as_str(), error, before, now);
            self.troubles.insert(what, Noted { trouble, stops });
        }
    }

    pub(super) fn forget(&mut self, what: &str) {
        self.troubles.remove(what);
    }

    /// Looks whether it, the lane of `table`, weighs more than its share.
    pub(super) fn weigh(&mut self, table: &str, share: u64, now: impl FnOnce() -> Timestamp) {
        let before = self.full.take();
        if self.bytes() >= share {
            let message = format!("{} bytes wait for the lake, of {share} that the table may keep", self.bytes());
            let error = Error::new(Kind::Busy, message)
                .hint("its workers go on when objects arrive; spool under [lake] sets what may wait for it");
            self.full = Some(Trouble::of(format!("table {table:?}, spool"), &error, before.as_ref(), now()));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.is_some()
    }

    pub(super) fn holds(&self) -> bool {
        self.is_full() || self.troubles.values().any(|noted| noted.stops)
    }

    pub(super) fn troubles(&self) -> Vec<Noted> {
        let full = self.full.iter().map(|full| Noted { trouble: full.clone(), stops: true });
        full.chain(self.troubles.values().cloned()).collect()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segment_bytes + self.joining_bytes + self.object_bytes
    }

    pub(super) fn stock(&self) -> Stock {
        Stock {
            segments: self.segments + self.joining,
            segment_bytes: self.segment_bytes + self.joining_bytes,
            objects: self.outbox.len() + self.uploading,
            object_bytes: self.object_bytes,
        }
    }

    fn joined(&mut self, segments: usize, bytes: u64) {
        self.joining = self.joining.saturating_sub(segments);
        // An object is about as large as what it is made of; with nothing in hand, there are no bytes.
        self.joining_bytes = if self.joining == 0 { 0 } else { self.joining_bytes.saturating_sub(bytes) };
    }
}
