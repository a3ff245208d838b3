//! The lock of a data folder: one process at a time, for as long as it lives.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Kind, OrFail, Result};
use crate::sabotage::{self, Fault};
use crate::sync;

/// A data folder that is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the folder, making it where it is not there. `Kind::Conflict` where another process has it.
    pub fn take(folder: &Path) -> Result<Self> {
        let subject = || format!("data folder {folder:?}");
        fs::create_dir_all(folder).and_then(|()| sync::parent(folder)).or_fail(Kind::Storage, subject)?;
        // What it holds is its owner's alone, whatever made it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).or_fail(Kind::Storage, subject)?;
        let path = folder.join("lock");
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.or_fail(Kind::Storage, subject)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(_) if sabotage::is(Fault::LockLeftOut) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut owner = String::new();
                let owner = file.read_to_string(&mut owner).map_or("unknown", |_| owner.trim());
                let what = format!("{}: in use by process {owner}", subject());
                return Err(Error::new(Kind::Conflict, what).hint("stop that process, or name another data folder"));
            }
            Err(cause) => return Err(cause).or_fail(Kind::Storage, subject),
        }
        let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        named.or_fail(Kind::Storage, subject)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = std::env::temp_dir().join(format!("tidemill-lock-{}", std::process::id()));
        let first = DataLock::take(&folder).unwrap();
        let second = DataLock::take(&folder).unwrap_err();
        assert_eq!(second.kind(), Kind::Conflict);
        assert!(second.message().ends_with(&format!("in use by process {}", std::process::id())), "{second}");
        drop(first);
        DataLock::take(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
