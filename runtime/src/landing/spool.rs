//! Objects on their way: small ones gather in memory and share a file of the spool, large ones have a file each.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::disk::{self, File};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// Bytes that all open objects together keep in memory; then those with much write it out.
const MEMORY_BYTES_MAX: usize = 16 << 20;
/// So many bytes of an object are much: it gets a file of its own.
const MUCH_BYTES: usize = 64 << 10;

/// An open object.
#[derive(Debug)]
pub struct Draft {
    /// Its folder.
    pub folder: String,
    /// The offset of its first record.
    pub first_offset: u64,
    /// The offset after its last record.
    pub next_offset: u64,
    /// When its first record was appended.
    pub first_time: Timestamp,
    /// Its records.
    pub records: u64,
    waiting: Vec<u8>,
    file: Option<Named>,
    hash: Sha256,
    bytes: u64,
}

/// Where the bytes of a finished object lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The file's name in the spool.
    pub file: String,
    /// Where they begin in it.
    pub start: u64,
    /// How many they are.
    pub bytes: u64,
    /// Their sha256.
    pub sha256: [u8; 32],
}

/// The files that a partition's objects are written to.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    gzip: Option<u32>,
    /// How the names of new files begin; they are unique for good.
    stem: String,
    files: u64,
    /// The file that small objects share, and how much is in it.
    shared: Option<(Named, u64)>,
    /// Files of finished objects that are not synced yet.
    unsynced: Vec<Named>,
    /// Bytes of open objects in memory.
    waiting: usize,
}

/// A file that is removed when it is dropped, unless it is to be kept.
#[derive(Debug)]
struct Named {
    path: PathBuf,
    file: File,
    keep: bool,
}

impl Draft {
    /// An object whose first record is this.
    pub fn new(folder: String, offset: u64, time: Timestamp) -> Self {
        let (waiting, file, hash) = (Vec::new(), None, Sha256::new());
        Self {
            folder,
            first_offset: offset,
            next_offset: offset,
            first_time: time,
            records: 0,
            waiting,
            file,
            hash,
            bytes: 0,
        }
    }
}

impl Spool {
    /// Files in `folder`, their names beginning with `stem`; objects are compressed where a level is given.
    pub fn new(folder: &Path, stem: String, gzip: Option<u32>) -> Self {
        let folder = folder.to_owned();
        Self { folder, gzip, stem, files: 0, shared: None, unsynced: Vec::new(), waiting: 0 }
    }

    /// Adds a record's bytes to an object; true where memory is full, and [`Spool::relieve`] is due.
    pub fn add(&mut self, draft: &mut Draft, offset: u64, line: &[u8]) -> bool {
        draft.waiting.extend_from_slice(line);
        draft.records += 1;
        draft.next_offset = offset + 1;
        self.waiting += line.len();
        self.waiting >= MEMORY_BYTES_MAX
    }

    /// Writes out what open objects have in memory, where it is much.
    pub fn relieve<'a>(&mut self, drafts: impl Iterator<Item = &'a mut Draft>) -> Result<()> {
        for draft in drafts.filter(|draft| draft.waiting.len() >= MUCH_BYTES) {
            self.write_out(draft)?;
        }
        Ok(())
    }

    /// Ends an object.
    pub fn finish(&mut self, mut draft: Draft) -> Result<Finished> {
        if draft.file.is_some() || draft.waiting.len() >= MUCH_BYTES {
            self.write_out(&mut draft)?;
            let Draft { file: Some(named), hash, bytes, .. } = draft else {
                return Err(Error::new(Kind::Internal, "landing: an object without a file"));
            };
            let file = named.name();
            self.unsynced.push(named);
            return Ok(Finished { file, start: 0, bytes, sha256: hash.finalize().into() });
        }
        self.waiting = self.waiting.saturating_sub(draft.waiting.len());
        let bytes = self.encoded(draft.waiting)?;
        let (mut named, start) = match self.shared.take() {
            Some(shared) => shared,
            None => (self.create()?, 0),
        };
        named.write(&bytes)?;
        let finished =
            Finished { file: named.name(), start, bytes: bytes.len() as u64, sha256: Sha256::digest(&bytes).into() };
        self.shared = Some((named, start + finished.bytes));
        Ok(finished)
    }

    /// Syncs all objects that were ended; they stay from now on. New files get names that begin with `stem`.
    pub fn seal(&mut self, stem: String) -> Result<()> {
        let shared = self.shared.take().map(|(named, _)| named);
        let ended: Vec<Named> = self.unsynced.drain(..).chain(shared).collect();
        for named in &ended {
            named.file.sync_all().map_err(|cause| storage(&named.path, &cause))?;
        }
        if !ended.is_empty() {
            disk::sync_folder(&self.folder).map_err(|cause| storage(&self.folder, &cause))?;
        }
        ended.into_iter().for_each(|mut named| named.keep = true);
        (self.stem, self.files) = (stem, 0);
        Ok(())
    }

    /// What an object has in memory becomes a piece of its file; of gzip, a member.
    fn write_out(&mut self, draft: &mut Draft) -> Result<()> {
        let waiting = std::mem::take(&mut draft.waiting);
        self.waiting = self.waiting.saturating_sub(waiting.len());
        if waiting.is_empty() && draft.file.is_some() {
            return Ok(());
        }
        let bytes = self.encoded(waiting)?;
        draft.hash.update(&bytes);
        draft.bytes += bytes.len() as u64;
        let mut named = match draft.file.take() {
            Some(named) => named,
            None => self.create()?,
        };
        named.write(&bytes)?;
        draft.file = Some(named);
        Ok(())
    }

    fn encoded(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let Some(level) = self.gzip else { return Ok(bytes) };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        let encoded = encoder.write_all(&bytes).and_then(|()| encoder.finish());
        encoded.map_err(|cause| Error::new(Kind::Internal, format!("gzip: {cause}")))
    }

    fn create(&mut self) -> Result<Named> {
        let path = self.folder.join(format!("{}+{}.landed", self.stem, self.files));
        self.files += 1;
        // Never cut off: under a second name it may be an object of the lake.
        let _ = disk::remove_file(&path);
        let file = File::create_new(&path).map_err(|cause| storage(&path, &cause))?;
        Ok(Named { path, file, keep: false })
    }
}

impl Named {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|cause| storage(&self.path, &cause))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if !self.keep {
            let _ = disk::remove_file(&self.path);
        }
    }
}

fn storage(path: &Path, cause: &io::Error) -> Error {
    Error::new(Kind::Storage, format!("file {:?}: {cause}", path.display().to_string()))
}
