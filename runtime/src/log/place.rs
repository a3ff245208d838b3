//! Where a partition lives: what its frames carry to prove it, the folder that holds it, the words that name it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::skips::{self, Skip};
use crate::error::{Error, Kind, Result, io_kind};

/// One partition of one topic.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The topic's name.
    pub(super) topic: String,
    /// The topic's identity, drawn when it was made.
    pub(super) id: u64,
    /// The partition.
    pub(super) partition: u32,
    /// The folder of its segments.
    pub(super) folder: PathBuf,
    /// What is not read in it any more.
    pub(super) skips: Arc<[Skip]>,
}

/// What a frame or a segment says about where it belongs; one that says otherwise was misplaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// The topic's identity.
    pub(super) topic: u64,
    /// The partition.
    pub(super) partition: u32,
    /// The offset that the segment begins with, which is also its name.
    pub(super) segment: u64,
}

impl Place {
    /// The place of a partition in the folder of its topic.
    pub(super) fn open(topic_folder: &Path, topic: &str, id: u64, partition: u32) -> Result<Self> {
        let folder = topic_folder.join(partition.to_string());
        let (topic, skips) = (topic.to_owned(), skips::read(&folder));
        let place = Self { topic, id, partition, folder, skips: Arc::default() };
        let skips = skips.map_err(|cause| match cause.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                place.error(Kind::Corrupt, format!("its skips: {cause}"))
            }
            _ => place.error(io_kind(&cause), format!("its skips: {cause}")),
        })?;
        Ok(Self { skips: skips.into(), ..place })
    }

    /// The home of what lies in the segment that begins with offset `segment`.
    pub(super) fn home(&self, segment: u64) -> Home {
        Home { topic: self.id, partition: self.partition, segment }
    }

    /// An error that has this partition for its subject.
    pub(super) fn error(&self, kind: Kind, what: impl std::fmt::Display) -> Error {
        Error::new(kind, format!("topic {:?}: partition {}: {what}", self.topic, self.partition))
    }

    /// The error for stored bytes between two offsets that are not what was written.
    pub(super) fn corrupt(&self, from: u64, to: u64, why: impl std::fmt::Display) -> Error {
        self.error(Kind::Corrupt, format!("offsets {from} to {to} cannot be read: {why}")).hint(format!(
            "restore the segment from a backup of {:?}, or leave these offsets out with `tidemill repair --skip`",
            self.folder
        ))
    }

    /// The first offset after those that are gone, where a reader wants `next`, the oldest segment begins with `base`, and no person has
    /// chosen to do without what lies between.
    pub(super) fn gone(&self, next: u64, base: u64) -> Option<u64> {
        // Who has read nothing yet begins with the oldest that retention has left.
        (next > 0 && base > next && !self.is_given_up(next, base)).then_some(base)
    }

    /// Whether a person has chosen to do without what lies between two offsets, whose segments are gone.
    pub(super) fn is_given_up(&self, from: u64, to: u64) -> bool {
        self.skips.iter().any(|skip| skip.covers(from, to))
    }

    /// Puts this partition and what was being done in front of an I/O error.
    pub(super) fn io<T>(&self, done: io::Result<T>, doing: impl std::fmt::Display) -> Result<T> {
        done.map_err(|cause| self.error(io_kind(&cause), format!("{doing}: {cause}")))
    }
}
