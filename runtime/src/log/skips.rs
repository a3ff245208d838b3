//! What a person chose not to read any more: stretches of segments that are not what was written.
//!
//! A partition's are kept in its file `skips`, a line of JSON each, none of which is ever taken back.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::index::Entry;
use crate::disk::{self, File};
use crate::time::Timestamp;

/// A stretch of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The segment: the offset that it begins with.
    pub(super) segment: u64,
    /// Where the stretch begins in its file.
    pub(super) position: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// The first offset that is not read.
    pub from: u64,
    /// The offset that is read next.
    pub to: u64,
}

impl Skip {
    /// A stretch of segments that are gone, from the offset that is wanted to the first that is there: of no segment.
    pub(super) fn of_gone(from: u64, to: u64) -> Self {
        Self { segment: u64::MAX, position: 0, end: 0, from, to }
    }

    /// Whether a person chose to do without these offsets.
    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        self.from <= from && to <= self.to
    }

    /// Where reading goes on.
    pub(super) fn entry(&self) -> Entry {
        Entry { offset: self.to, position: self.end, time: Timestamp::MIN }
    }
}

/// Reads the skips of the partition in `folder`, in the order in which they were chosen.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Skip>> {
    match disk::read(path(folder)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => decode(&read?),
    }
}

/// Reads lines of skips.
pub(super) fn decode(text: &[u8]) -> io::Result<Vec<Skip>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(io::Error::from)).collect()
}

/// Keeps more skips, so that a crash leaves those before or all.
pub(super) fn add(folder: &Path, skips: &[Skip]) -> io::Result<()> {
    let mut text = String::new();
    for skip in read(folder)?.iter().chain(skips) {
        text += &serde_json::to_string(skip)?;
        text.push('\n');
    }
    let unnamed = folder.join("skips.new");
    let mut file = File::create(&unnamed)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    disk::rename(&unnamed, path(folder))?;
    disk::sync_folder(folder)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("skips")
}
