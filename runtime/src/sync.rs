//! Syncs to the disk, of which the first failure is the last word.
//!
//! After a failed sync the kernel calls the pages clean: the next one would succeed, and what was written is on no disk. So
//! once one has failed all fail, nothing is promised any more, and the process ends. The next start reads back what is
//! there, and writes again what may be in memory alone.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

static FAILED: OnceLock<String> = OnceLock::new();

/// Why a sync of this process failed, if one has: only a new start can help.
pub fn failed() -> Option<&'static str> {
    FAILED.get().map(String::as_str)
}

/// Takes note of a sync that failed and was not made here.
pub fn note(cause: String) {
    FAILED.get_or_init(|| cause);
}

/// Makes a file's bytes and all that is known of it survive a loss of power.
pub fn file(file: &File) -> io::Result<()> {
    checked(|| file.sync_all())
}

/// Makes a file's bytes survive a loss of power, and its size.
pub fn data(file: &File) -> io::Result<()> {
    checked(|| file.sync_data())
}

/// Makes what was created, renamed or removed in a folder survive a loss of power.
///
/// Threads share folders, and the system tells of a failure once: each waits until it is known how the one before it ended.
pub fn folder(folder: &Path) -> io::Result<()> {
    let _turn = turn(folder);
    let opened = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
    file(&opened)
}

/// The same for the folder that a file or folder is in.
pub fn parent(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), folder)
}

/// Makes the folders on the way from `root`, which is there, to `folder`, each synced into the one above. Those that are there are
/// synced too: a crash may have left them in memory alone.
pub fn make_folders(root: &Path, folder: &Path) -> io::Result<()> {
    let mut below: Vec<&Path> = folder.ancestors().take_while(|above| *above != root).collect();
    while let Some(folder) = below.pop() {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(ErrorKind::NotADirectory.into()),
            made => made?,
        }
        parent(folder)?;
    }
    Ok(())
}

/// Held while a folder is synced; folders that share no lock are synced side by side.
fn turn(folder: &Path) -> Option<MutexGuard<'static, ()>> {
    static TURNS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    TURNS.get(hasher.finish() as usize % TURNS.len()).map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner))
}

fn checked(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if let Some(cause) = failed() {
        return Err(io::Error::other(format!("a sync has failed before: {cause}")));
    }
    // A file of a kind that has nothing to sync has lost nothing.
    sync().inspect_err(|cause| {
        if cause.kind() != ErrorKind::InvalidInput {
            note(cause.to_string());
        }
    })
}
