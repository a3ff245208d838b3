//! Files as a source: the lines of one, or of all in a folder, in an order that is fixed before the first of them is read.
//!
//! Which file has which offsets stands in a manifest of the topic's own, synced before a record of the file is given to anybody. So
//! an offset means the same line for good, whoever reads it and after any crash. A file must not change once it was taken.

mod manifest;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::manifest::{Manifest, Stamp};
use self::rows::Rows;
use super::options::FilesOptions;
use crate::error::{Error, Kind, OrFail, Result};
use crate::record::{Batch, Record, Source};
use crate::time::Timestamp;
use crate::wildcard::fits;

/// How often a watched folder is looked at.
const LOOK_TIME: Duration = Duration::from_millis(500);

/// The only partition of a topic of files.
///
/// A record's time is when its file was taken, so that it is the same whenever it is read.
pub struct FilePartition {
    options: FilesOptions,
    manifest: Manifest,
    open: Option<Open>,
    /// Files that were found and not taken.
    found: VecDeque<String>,
    /// When the folder was looked at last.
    looked: Option<Instant>,
    /// Whether nothing was left to read at the last try.
    drained: bool,
    /// Files of which it was said that they changed.
    told: BTreeSet<String>,
    next: u64,
    latest: Timestamp,
    line: Vec<u8>,
}

/// The file that is being read.
struct Open {
    name: String,
    path: PathBuf,
    stamp: Stamp,
    time: Timestamp,
    rows: Rows,
}

impl FilePartition {
    /// Begins to read at offset `from`; `manifest` is the file that says which file has which offsets.
    pub fn open(options: FilesOptions, manifest: &Path, from: u64) -> Result<Self> {
        if !options.path.exists() {
            let missing = format!("files {}: there is no such file or folder", options.path.display());
            return Err(Error::new(Kind::Missing, missing));
        }
        Ok(Self {
            options,
            manifest: Manifest::open(manifest)?,
            open: None,
            found: VecDeque::new(),
            looked: None,
            drained: false,
            told: BTreeSet::new(),
            next: from,
            latest: Timestamp::MIN,
            line: Vec::new(),
        })
    }

    fn fill(&mut self, batch: &mut Batch, bytes: usize) -> Result<()> {
        while batch.bytes() < bytes {
            let Some(open) = &mut self.open else { if self.advance()? { continue } else { return Ok(()) } };
            if open.rows.next(&mut self.line).map_err(|cause| broken(&open.path, &cause))? {
                self.latest = self.latest.max(open.time);
                let (offset, time) = (self.next, self.latest);
                batch.push(Record { offset, time, key: None, value: Some(&self.line), headers: &[] });
                self.next += 1;
            } else {
                unchanged(&open.path, &open.stamp)?;
                self.manifest.finish(&open.name, self.next)?;
                self.open = None;
            }
        }
        Ok(())
    }

    /// Goes to the file that has the next offset, or takes one; false where there is none.
    fn advance(&mut self) -> Result<bool> {
        self.manifest.refresh()?;
        loop {
            if let Some(taken) = self.manifest.at(self.next) {
                let (name, stamp, time, passed) =
                    (taken.name.clone(), taken.stamp, taken.time, self.next - taken.first);
                let path = self.options.path_of(&name);
                unchanged(&path, &stamp)?;
                let mut rows = Rows::open(&path, &self.options).map_err(|cause| broken(&path, &cause))?;
                for _ in 0..passed {
                    if !rows.next(&mut self.line).map_err(|cause| broken(&path, &cause))? {
                        let short = format!("file {}: it has fewer lines than were read of it", path.display());
                        return Err(Error::new(Kind::Corrupt, short));
                    }
                }
                (self.open, self.drained) = (Some(Open { name, path, stamp, time, rows }), false);
                return Ok(true);
            }
            if self.next < self.manifest.end() {
                let gone = format!("files {}: offset {} has no file", self.options.path.display(), self.next);
                return Err(Error::new(Kind::Missing, gone));
            }
            self.look()?;
            let Some(name) = self.found.pop_front() else {
                self.drained = true;
                return Ok(false);
            };
            if let Some(stamp) = stamp(&self.options.path_of(&name))? {
                let time = now().max(self.latest);
                self.manifest.take(&name, stamp, time)?;
            }
        }
    }

    /// Finds files that were not taken, where it is time to look.
    fn look(&mut self) -> Result<()> {
        let due = self.looked.is_none_or(|looked| self.options.watch && looked.elapsed() >= LOOK_TIME);
        if !self.found.is_empty() || !due {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let mut names = Vec::new();
        for name in self.options.names()? {
            let Some(seen) = stamp(&self.options.path_of(&name))? else { continue };
            match self.manifest.stamp(&name) {
                Some(taken) if taken == seen => {}
                Some(_) if self.told.insert(name.clone()) => {
                    tracing::warn!(file = name, "changed after it was read, what is new in it is not");
                }
                Some(_) => {}
                // One that is written to right now is for later.
                None if !self.options.watch || seen.age() >= self.options.settle => names.push(name),
                None => {}
            }
        }
        names.sort();
        self.found = names.into();
        Ok(())
    }
}

impl Source for FilePartition {
    fn read(&mut self, batch: &mut Batch, bytes_max: usize) -> Result<()> {
        let (records, bytes) = (batch.len(), batch.bytes());
        match self.fill(batch, bytes.saturating_add(bytes_max.max(1))) {
            // The fault is for the next read, which comes to it again: this one has records to show.
            Err(_) if batch.len() > records => {
                self.open = None;
                Ok(())
            }
            done => done,
        }
    }

    fn seek(&mut self, offset: u64, floor: Timestamp) -> Result<()> {
        (self.open, self.drained) = (None, false);
        (self.next, self.latest) = (offset, floor);
        Ok(())
    }

    /// How many lines a file has is known when it has been read.
    fn end(&self) -> Option<u64> {
        self.drained.then_some(self.next)
    }

    /// A folder wakes nobody: it is looked at whenever the worker has nothing else to do.
    fn wake(&mut self, _: Thread) {}

    fn settled(&mut self, next: u64, now: Timestamp) -> Option<Timestamp> {
        if !self.drained || next < self.next {
            return None;
        }
        self.latest = self.latest.max(now);
        Some(self.latest)
    }
}

impl FilesOptions {
    /// The names of the files that may be read: none that are hidden, or that a program is likely to be writing.
    fn names(&self) -> Result<Vec<String>> {
        if self.path.is_file() {
            return Ok(vec![String::new()]);
        }
        let subject = || format!("files {}", self.path.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).or_fail(Kind::Storage, subject)? {
            let entry = entry.or_fail(Kind::Storage, subject)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let unfinished =
                name.starts_with('.') || [".tmp", ".part", ".crdownload"].iter().any(|end| name.ends_with(end));
            if !unfinished && fits(&self.names, &name) && entry.path().is_file() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn path_of(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }
}

/// By what a file is known to be as it was; none where it is gone.
fn stamp(path: &Path) -> Result<Option<Stamp>> {
    let failed = |cause: std::io::Error| Error::new(Kind::Storage, format!("file {}: {cause}", path.display()));
    let found = match fs::metadata(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed)?,
    };
    let modified = found.modified().map_err(failed)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Stamp { bytes: found.len(), modified_ns: u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX) }))
}

fn unchanged(path: &Path, taken: &Stamp) -> Result<()> {
    match stamp(path)? {
        Some(seen) if seen == *taken => Ok(()),
        Some(_) => Err(Error::new(Kind::Corrupt, format!("file {}: it changed after it was taken", path.display()))
            .hint("put it back as it was, with its time; what is new belongs into a file of another name")),
        None => {
            Err(Error::new(Kind::Corrupt, format!("file {}: it is gone, and was not read to its end", path.display()))
                .hint("put it back as it was, with its time (cp -p)"))
        }
    }
}

fn broken(path: &Path, cause: &std::io::Error) -> Error {
    let kind = match cause.kind() {
        // As zstd says that it is none.
        ErrorKind::Other | ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => Kind::Corrupt,
        _ => Kind::Storage,
    };
    Error::new(kind, format!("file {}: {cause}", path.display()))
}

fn now() -> Timestamp {
    Timestamp(
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0)),
    )
}
