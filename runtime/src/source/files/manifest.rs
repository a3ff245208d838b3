//! Which file of a topic has which offsets, a line for each beginning and end, synced before anybody goes by it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::place::Stamp;
use crate::error::{Error, Kind, Result};
use crate::sync;
use crate::time::Timestamp;

/// Held while a manifest is read or written: several tables may read one topic, each with a manifest of its own in memory.
static WRITING: Mutex<()> = Mutex::new(());

/// A file that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) name: String,
    pub(super) stamp: Stamp,
    /// When; also the time of its records.
    pub(super) time: Timestamp,
    /// The offset of its first record.
    pub(super) first: u64,
    /// The offset after its last record, once it was read to its end.
    pub(super) next: Option<u64>,
}

/// A line of the manifest.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Taken { file: String, stamp: Stamp, time: i64, first: u64 },
    Read { file: String, next: u64 },
}

/// The files of a topic in their order.
pub(super) struct Manifest {
    path: PathBuf,
    all: Vec<Taken>,
    /// Where in `all` a file is.
    places: HashMap<String, usize>,
    /// Bytes of the manifest that are in `all`.
    known: u64,
}

impl Manifest {
    /// Reads what there is. A line that a crash cut off was gone by by nobody, and is removed.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failed(path);
        if !path.exists() {
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(&failed)?;
            File::create(path).and_then(|file| sync::file(&file)).and_then(|()| sync::parent(path)).map_err(&failed)?;
        }
        let text = fs::read(path).map_err(&failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let file = File::options().write(true).open(path).map_err(&failed)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(&failed)?;
        }
        // What a crash left may be in memory alone.
        sync::file(&file).map_err(&failed)?;
        let mut manifest = Self { path: path.to_owned(), all: Vec::new(), places: HashMap::new(), known: 0 };
        manifest.read()?;
        Ok(manifest)
    }

    /// Reads what others have added.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        self.read()
    }

    /// The file that has an offset, or that would have it next.
    pub(super) fn at(&self, offset: u64) -> Option<&Taken> {
        let from = self.all.partition_point(|taken| taken.first <= offset);
        let has = |taken: &&Taken| taken.next.is_none_or(|next| offset < next);
        // Files without a record have no offsets, so several may begin at the same.
        self.all.get(..from)?.iter().rev().take_while(|taken| taken.next.is_none_or(|next| next >= offset)).find(has)
    }

    /// The offset after the last that a file is known to have.
    pub(super) fn end(&self) -> u64 {
        self.all.last().map_or(0, |last| last.next.unwrap_or(last.first))
    }

    /// What a file was when it was taken.
    pub(super) fn stamp(&self, name: &str) -> Option<&Stamp> {
        self.of(name).map(|taken| &taken.stamp)
    }

    fn of(&self, name: &str) -> Option<&Taken> {
        self.places.get(name).and_then(|at| self.all.get(*at))
    }

    /// Takes a file, unless another has taken one since; it begins where the one before it ended.
    pub(super) fn take(&mut self, name: &str, stamp: &Stamp, time: Timestamp) -> Result<()> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        self.read()?;
        let open = self.all.last().is_some_and(|last| last.next.is_none());
        if open || self.stamp(name).is_some() {
            return Ok(());
        }
        let time = self.all.last().map_or(time, |last| last.time.max(time));
        self.append(&Line::Taken { file: name.to_owned(), stamp: stamp.clone(), time: time.0, first: self.end() })?;
        let failed = failed(&self.path);
        File::open(&self.path).and_then(|file| sync::data(&file)).map_err(failed)
    }

    /// Notes that a file ends before an offset. What takes the next file syncs that too; until then nobody goes by it, and it can
    /// be found out again.
    pub(super) fn finish(&mut self, name: &str, next: u64) -> Result<()> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        self.read()?;
        match self.of(name).and_then(|taken| taken.next) {
            None => self.append(&Line::Read { file: name.to_owned(), next }),
            Some(same) if same == next => Ok(()),
            Some(other) => {
                let what = format!("file {name:?}: it ended at offset {other} before, and ends at {next} now");
                Err(Error::new(Kind::Corrupt, what))
            }
        }
    }

    fn append(&mut self, line: &Line) -> Result<()> {
        let failed = failed(&self.path);
        let mut text = serde_json::to_vec(line).map_err(|cause| failed(cause.into()))?;
        text.push(b'\n');
        let mut file = File::options().append(true).open(&self.path).map_err(&failed)?;
        file.write_all(&text).map_err(&failed)?;
        self.read()
    }

    fn read(&mut self) -> Result<()> {
        let failed = failed(&self.path);
        let mut text = String::new();
        let mut file = File::open(&self.path).map_err(&failed)?;
        file.seek(SeekFrom::Start(self.known)).and_then(|_| file.read_to_string(&mut text)).map_err(&failed)?;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let broken = |cause| Error::new(Kind::Corrupt, format!("manifest {}: {cause}", self.path.display()));
            match serde_json::from_str(line).map_err(broken)? {
                Line::Taken { file, stamp, time, first } => {
                    self.places.insert(file.clone(), self.all.len());
                    self.all.push(Taken { name: file, stamp, time: Timestamp(time), first, next: None });
                }
                Line::Read { file, next } => {
                    let taken = self.places.get(&file).and_then(|at| self.all.get_mut(*at));
                    taken.into_iter().for_each(|taken| taken.next = Some(next));
                }
            }
            self.known += line.len() as u64;
        }
        Ok(())
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |cause| Error::new(Kind::Storage, format!("manifest {path}: {cause}"))
}
