//! The disk as the log and the spool use it: the machine's, or in unit tests a simulated one.
//!
//! Names and meanings are those of `std::fs`. A path below the root of a simulated disk leads there, any other to the
//! machine; outside of unit tests there is nothing but the machine, and a call is the system's and no more.

use std::fs;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::sync;

#[cfg(test)]
pub(crate) mod simulated;

/// An open file.
#[derive(Debug)]
pub struct File(Open);

#[derive(Debug)]
enum Open {
    Machine(fs::File),
    #[cfg(test)]
    Simulated(simulated::Handle),
}

impl File {
    /// Opens a file to read it; a folder to sync it.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(disk) = simulated::at(path.as_ref()) {
            return disk.open(path.as_ref(), simulated::How::Read).map(Self::simulated);
        }
        fs::File::open(path).map(Self::machine)
    }

    /// Opens a file that is there to read and write it.
    pub fn open_to_write(path: impl AsRef<Path>) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(disk) = simulated::at(path.as_ref()) {
            return disk.open(path.as_ref(), simulated::How::Write).map(Self::simulated);
        }
        fs::File::options().read(true).write(true).open(path).map(Self::machine)
    }

    /// Makes an empty file to write; one that is there is emptied.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(disk) = simulated::at(path.as_ref()) {
            return disk.open(path.as_ref(), simulated::How::Create).map(Self::simulated);
        }
        fs::File::create(path).map(Self::machine)
    }

    /// Makes an empty file to read and write; an error where there is one of this name.
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(disk) = simulated::at(path.as_ref()) {
            return disk.open(path.as_ref(), simulated::How::CreateNew).map(Self::simulated);
        }
        fs::File::create_new(path).map(Self::machine)
    }

    /// Its size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        match &self.0 {
            Open::Machine(file) => file.metadata().map(|metadata| metadata.len()),
            #[cfg(test)]
            Open::Simulated(file) => file.size(),
        }
    }

    /// Cuts it off, or fills it up with zeros.
    pub fn set_len(&self, bytes: u64) -> io::Result<()> {
        match &self.0 {
            Open::Machine(file) => file.set_len(bytes),
            #[cfg(test)]
            Open::Simulated(file) => file.set_len(bytes),
        }
    }

    /// Makes what was written survive a loss of power, and all that is known of the file.
    pub fn sync_all(&self) -> io::Result<()> {
        match &self.0 {
            Open::Machine(file) => sync::file(file),
            #[cfg(test)]
            Open::Simulated(file) => file.sync(),
        }
    }

    /// Makes what was written survive a loss of power, with its size.
    pub fn sync_data(&self) -> io::Result<()> {
        match &self.0 {
            Open::Machine(file) => sync::data(file),
            #[cfg(test)]
            Open::Simulated(file) => file.sync(),
        }
    }

    /// The same open file once more; the two share their place.
    pub fn try_clone(&self) -> io::Result<Self> {
        match &self.0 {
            Open::Machine(file) => file.try_clone().map(Self::machine),
            #[cfg(test)]
            Open::Simulated(file) => Ok(Self::simulated(file.clone())),
        }
    }

    fn machine(file: fs::File) -> Self {
        Self(Open::Machine(file))
    }

    #[cfg(test)]
    fn simulated(file: simulated::Handle) -> Self {
        Self(Open::Simulated(file))
    }
}

impl FileExt for File {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        match &self.0 {
            Open::Machine(file) => file.read_at(into, at),
            #[cfg(test)]
            Open::Simulated(file) => file.read_at(into, at),
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        match &self.0 {
            Open::Machine(file) => file.write_at(bytes, at),
            #[cfg(test)]
            Open::Simulated(file) => file.write_at(&[bytes], at),
        }
    }
}

impl Read for File {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Open::Machine(file) => file.read(into),
            #[cfg(test)]
            Open::Simulated(file) => file.read(into),
        }
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Open::Machine(file) => file.write(bytes),
            #[cfg(test)]
            Open::Simulated(file) => file.write(&[bytes]),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.0 {
            Open::Machine(file) => file.write_vectored(slices),
            #[cfg(test)]
            Open::Simulated(file) => file.write(&slices.iter().map(|slice| &**slice).collect::<Vec<_>>()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Open::Machine(file) => file.seek(to),
            #[cfg(test)]
            Open::Simulated(file) => file.seek(to),
        }
    }
}

/// The bytes of a file.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(path.as_ref()) {
        return disk.read(path.as_ref());
    }
    fs::read(path)
}

/// Makes a file of these bytes, which are not synced.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// Gives a file another name, in place of what had it.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(from.as_ref()) {
        return disk.rename(from.as_ref(), to.as_ref());
    }
    fs::rename(from, to)
}

/// Gives a file a second name.
pub fn hard_link(file: impl AsRef<Path>, name: impl AsRef<Path>) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(file.as_ref()) {
        return disk.hard_link(file.as_ref(), name.as_ref());
    }
    fs::hard_link(file, name)
}

/// Takes a name of a file away.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(path.as_ref()) {
        return disk.remove_file(path.as_ref());
    }
    fs::remove_file(path)
}

/// Makes a folder and those above it, where they are not there.
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(path.as_ref()) {
        return disk.create_dir_all(path.as_ref());
    }
    fs::create_dir_all(path)
}

/// Removes a folder with all that it holds.
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(path.as_ref()) {
        return disk.remove_dir_all(path.as_ref());
    }
    fs::remove_dir_all(path)
}

/// The paths of what a folder holds, in no order.
pub fn list(folder: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(folder.as_ref()) {
        return disk.list(folder.as_ref());
    }
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Whether there is a file or a folder of this name.
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    #[cfg(test)]
    if let Some(disk) = simulated::at(path.as_ref()) {
        return disk.exists(path.as_ref());
    }
    fs::exists(path)
}

/// Makes what was created, renamed or removed in a folder survive a loss of power.
pub fn sync_folder(folder: impl AsRef<Path>) -> io::Result<()> {
    #[cfg(test)]
    if simulated::at(folder.as_ref()).is_some() {
        return File::open(folder)?.sync_all();
    }
    sync::folder(folder.as_ref())
}

/// The same for the folder that holds `path`.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}
