//! Files of the spool that are whole on disk before they are named.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result};
use crate::sabotage::{self, Fault};

/// How much is read or written at a time where whole files are copied.
pub(super) const COPY_BYTES: usize = 256 * 1024;

/// What went wrong with a file of the spool, with its name.
pub(super) fn storage(path: &Path) -> impl Fn(io::Error) -> Error {
    move |cause| Error::new(Kind::Storage, format!("file {:?}: {cause}", path.display().to_string()))
}

/// The sha256 of a stretch of a file's bytes as they are now, in hexadecimal.
pub fn sha256(path: &Path, start: u64, bytes: u64) -> Result<String> {
    let mut file = File::open(path).map_err(storage(path))?;
    file.seek(SeekFrom::Start(start)).map_err(storage(path))?;
    let mut stretch = file.take(bytes);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; COPY_BYTES]);
    loop {
        let read = stretch.read(&mut buffer).map_err(storage(path))?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
    }
    Ok(hex(&hash.finalize()))
}

/// A file that hashes what is written to it.
pub(super) struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    /// An empty file, to be written from its beginning.
    pub(super) fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0 }
    }

    /// Syncs it; how many bytes were written, and their sha256 in hexadecimal.
    pub(super) fn sync(&self) -> io::Result<(u64, String)> {
        if !sabotage::is(Fault::SegmentNotSynced) {
            self.file.sync_all()?;
        }
        Ok((self.bytes, hex(&self.hash.clone().finalize())))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write(bytes)?;
        self.hash.update(bytes.get(..taken).unwrap_or(bytes));
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file under a temporary name that hashes what is written, and takes its name when it is whole.
pub(super) struct Draft {
    file: Hashed,
    temp: PathBuf,
}

impl Draft {
    /// A draft of `path`, beside it; a draft that a crash left is begun again.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let mut temp = path.as_os_str().to_owned();
        temp.push(".part");
        let temp = PathBuf::from(temp);
        let file = File::create(&temp).map_err(storage(&temp))?;
        Ok(Self { file: Hashed::new(file), temp })
    }

    /// Syncs the bytes, gives them the name `path`, syncs the folder; says how many bytes, and their sha256.
    pub(super) fn publish(self, path: &Path) -> Result<(u64, String)> {
        let written = self.file.sync().map_err(storage(&self.temp))?;
        disk::rename(&self.temp, path).map_err(storage(path))?;
        disk::sync_parent(path).map_err(storage(path))?;
        Ok(written)
    }
}

/// A draft that was not published is no use to anyone; a published one has no temporary name any more.
impl Drop for Draft {
    fn drop(&mut self) {
        let _ = disk::remove_file(&self.temp);
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Bytes in lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

/// Bytes from hexadecimal.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or("not hexadecimal");
    let digits = digits.or_fail(Kind::Corrupt, || format!("checksum {text:?}"))?;
    Ok(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
