//! Files as a source: the lines of one, or of all in a folder, in an order that is fixed before the first of them is read.
//!
//! Which file has which offsets stands in a manifest of the topic's own, synced before a record of the file is given to anybody. So
//! an offset means the same line for good, whoever reads it and after any crash. A file must not change once it was taken.

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod manifest;
mod place;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::manifest::Manifest;
pub use self::place::{Folder, Place, Stamp};
use self::rows::Rows;
use super::options::FilesOptions;
use crate::error::{Error, Kind, Result};
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
    place: Box<dyn Place>,
    manifest: Manifest,
    open: Option<Open>,
    /// Files that were found and not taken.
    found: VecDeque<String>,
    /// When it was looked for files last.
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
    stamp: Stamp,
    time: Timestamp,
    rows: Rows,
}

impl FilePartition {
    /// Begins to read the files of a place at offset `from`; `manifest` is the file that says which file has which offsets.
    pub fn open(options: FilesOptions, place: Box<dyn Place>, manifest: &Path, from: u64) -> Result<Self> {
        Ok(Self {
            options,
            place,
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
            let shown = || self.place.shown(&open.name);
            if open.rows.next(&mut self.line).map_err(|cause| broken(&shown(), &cause))? {
                self.latest = self.latest.max(open.time);
                let (offset, time) = (self.next, self.latest);
                batch.push(Record { offset, time, key: None, value: Some(&self.line), headers: &[] });
                self.next += 1;
            } else {
                let seen = self.place.again(&open.stamp, &open.name)?;
                unchanged(&*self.place, &open.name, &open.stamp, seen.as_ref())?;
                self.manifest.finish(&open.name, self.next)?;
                self.open = None;
            }
        }
        Ok(())
    }

    /// Goes to the file that has the next offset, or takes one; false where there is none.
    fn advance(&mut self) -> Result<bool> {
        self.manifest.refresh()?;
        let mut fetched: Option<(String, File, Stamp)> = None;
        loop {
            if let Some(taken) = self.manifest.at(self.next) {
                let (name, stamp, time, passed) =
                    (taken.name.clone(), taken.stamp.clone(), taken.time, self.next - taken.first);
                let opened = match fetched.take().filter(|(fetched, ..)| *fetched == name) {
                    Some((_, file, seen)) => Some((file, seen)),
                    None => self.place.open(&name)?,
                };
                unchanged(&*self.place, &name, &stamp, opened.as_ref().map(|(_, seen)| seen))?;
                let Some((file, _)) = opened else { continue };
                let rows = self.pass(file, &name, passed)?;
                (self.open, self.drained) = (Some(Open { name, stamp, time, rows }), false);
                return Ok(true);
            }
            if self.next < self.manifest.end() {
                let gone = format!("{}: offset {} is in none that is known", self.place.shown(""), self.next);
                return Err(Error::new(Kind::Missing, gone));
            }
            self.look()?;
            let Some(name) = self.found.front().cloned() else {
                self.drained = true;
                return Ok(false);
            };
            if let Some((file, stamp)) = self.place.open(&name)? {
                let time = now().max(self.latest);
                self.manifest.take(&name, &stamp, time)?;
                fetched = Some((name, file, stamp));
            }
            self.found.pop_front();
        }
    }

    /// The records of a file that are left once so many were passed over.
    fn pass(&mut self, file: File, name: &str, passed: u64) -> Result<Rows> {
        let shown = self.place.shown(name);
        let named = if name.is_empty() { &shown } else { name };
        let mut rows = Rows::read(file, named, &self.options).map_err(|cause| broken(&shown, &cause))?;
        for _ in 0..passed {
            if !rows.next(&mut self.line).map_err(|cause| broken(&shown, &cause))? {
                return Err(Error::new(Kind::Corrupt, format!("{shown}: it has fewer lines than were read of it")));
            }
        }
        Ok(rows)
    }

    /// Finds files that were not taken, where it is time to look.
    fn look(&mut self) -> Result<()> {
        let due = self.looked.is_none_or(|looked| self.options.watch && looked.elapsed() >= LOOK_TIME);
        if !self.found.is_empty() || !due {
            return Ok(());
        }
        let mut names = Vec::new();
        for (name, seen) in self.place.list()? {
            if !name.is_empty() && !fits(&self.options.names, &name) {
                continue;
            }
            match self.manifest.stamp(&name) {
                Some(taken) if seen.fits(taken) => {}
                Some(_) if self.told.insert(name.clone()) => {
                    tracing::warn!(file = name, "changed after it was read, what is new in it is not");
                }
                Some(_) => {}
                // One that is written to right now is for later.
                None if !self.options.watch || seen.age() >= self.options.settle => names.push(name),
                None => {}
            }
        }
        self.looked = Some(Instant::now());
        names.sort();
        self.place.expect(&names);
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

/// Errors with kind `Corrupt` where a file is not what it was when it was taken, or is gone.
fn unchanged(place: &dyn Place, name: &str, taken: &Stamp, seen: Option<&Stamp>) -> Result<()> {
    let fault = match seen {
        Some(seen) if seen.fits(taken) => return Ok(()),
        Some(_) => "it changed after it was taken",
        None => "it is gone, and was not read to its end",
    };
    Err(Error::new(Kind::Corrupt, format!("{}: {fault}", place.shown(name))).hint(place.remedy()))
}

fn broken(file: &str, cause: &std::io::Error) -> Error {
    let kind = match cause.kind() {
        // As zstd says that it is none.
        ErrorKind::Other | ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => Kind::Corrupt,
        _ => Kind::Storage,
    };
    Error::new(kind, format!("{file}: {cause}"))
}

fn now() -> Timestamp {
    Timestamp(
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0)),
    )
}
