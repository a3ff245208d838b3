//! An open file of a simulated disk.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, Entry, Pending, State, Trouble, below, bytes, ended, lock};

/// An open file, or a folder that can be synced; of no use once its process has ended.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    disk: Disk,
    life: u64,
    path: PathBuf,
    entry: Entry,
    position: Arc<Mutex<u64>>,
}

impl Handle {
    pub(super) fn new(disk: Disk, life: u64, path: PathBuf, entry: Entry) -> Self {
        Self { disk, life, path, entry, position: Arc::default() }
    }

    pub(crate) fn size(&self) -> io::Result<u64> {
        let (mut state, file) = self.file()?;
        state.operate(("size", &self.path))?;
        Ok(state.files[file].cached.len() as u64)
    }

    pub(crate) fn set_len(&self, bytes: u64) -> io::Result<()> {
        let (mut state, file) = self.file()?;
        state.operate(("length", &self.path, bytes))?;
        if state.files[file].cached.len() as u64 != bytes {
            state.set_length(file, bytes);
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        match state.trouble(("sync", &self.path))? {
            Some(Trouble::Error(code)) => {
                if let Entry::File(file) = self.entry {
                    state.call_clean(file);
                }
                Err(io::Error::from_raw_os_error(code))
            }
            Some(Trouble::Death) => Err(state.die()),
            Some(Trouble::Lie) => {
                if let Entry::File(file) = self.entry {
                    state.forget(file);
                }
                Ok(())
            }
            _ => {
                match self.entry {
                    Entry::File(file) => state.sync_file(file),
                    Entry::Folder => state.sync_names(&self.path),
                }
                Ok(())
            }
        }
    }

    pub(crate) fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let (mut state, file) = self.file()?;
        state.operate(("read", &self.path, at, into.len()))?;
        let bytes = state.files[file].cached.get(at as usize..).unwrap_or_default();
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    pub(crate) fn write_at(&self, slices: &[&[u8]], at: u64) -> io::Result<usize> {
        let (mut state, file) = self.file()?;
        let whole: usize = slices.iter().map(|slice| slice.len()).sum();
        let trouble = state.trouble(("write", &self.path, at, whole))?;
        let count = match trouble {
            Some(Trouble::Error(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Trouble::Short | Trouble::Death) if whole > 0 => {
                1.max(below(&mut state.random, whole as u64) as usize)
            }
            _ => whole,
        };
        let mut written = 0;
        for slice in slices {
            let slice = &slice[..slice.len().min(count - written)];
            state.write(file, at + written as u64, slice);
            match (trouble, state.pending.last_mut()) {
                (Some(Trouble::Lost), _) => drop(state.pending.pop()),
                (Some(Trouble::Misdirected(by)), Some(Pending::Write { at, .. })) => *at += by,
                _ => {}
            }
            written += slice.len();
        }
        if trouble == Some(Trouble::Death) { Err(state.die()) } else { Ok(written) }
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut position = lock(&self.position);
        let count = self.read_at(into, *position)?;
        *position += count as u64;
        Ok(count)
    }

    pub(crate) fn write(&self, slices: &[&[u8]]) -> io::Result<usize> {
        let mut position = lock(&self.position);
        let count = self.write_at(slices, *position)?;
        *position += count as u64;
        Ok(count)
    }

    pub(crate) fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let (state, file) = self.file()?;
        let mut position = lock(&self.position);
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(by) => position.checked_add_signed(by),
            SeekFrom::End(by) => (state.files[file].cached.len() as u64).checked_add_signed(by),
        };
        *position = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(*position)
    }

    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life == self.life { Ok(state) } else { Err(ended()) }
    }

    fn file(&self) -> io::Result<(MutexGuard<'_, State>, usize)> {
        match self.entry {
            Entry::File(file) => Ok((self.state()?, file)),
            Entry::Folder => Err(io::ErrorKind::IsADirectory.into()),
        }
    }
}

impl State {
    /// What a failed sync leaves: some of the file's changes on the disk, and all of them called clean, so that no later sync keeps them.
    fn call_clean(&mut self, file: usize) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Pending::Write { file: of, at, bytes } if of == file => {
                    if below(&mut self.random, 2) == 1 {
                        bytes::write(&mut self.files[file].durable, at, &bytes);
                    }
                }
                Pending::Length { file: of, bytes } if of == file => {
                    if below(&mut self.random, 2) == 1 {
                        self.files[file].durable.resize(bytes as usize, 0);
                    }
                }
                other => self.pending.push(other),
            }
        }
    }

    /// What a sync that lied leaves: none of the file's changes on the disk.
    pub(super) fn forget(&mut self, file: usize) {
        self.pending.retain(|change| match change {
            Pending::Write { file: of, .. } | Pending::Length { file: of, .. } => *of != file,
            Pending::Names { .. } => true,
        });
    }
}
