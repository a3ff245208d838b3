//! Changed components: seen on the disk, read once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::error::{Kind, OrFail, Result};

/// How long a file must have been left alone before it is read: a compiler writes in several steps.
const QUIET_TIME: Duration = Duration::from_millis(100);

/// Watches files; it ends when it is dropped.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

/// A file that was written, and what it holds.
pub type Changed = (Arc<Path>, Vec<u8>);

/// Watches the files and calls `changed` with each, once as it is found and then whenever it was written, in a thread of its own;
/// with those together that were written at about the same time. A file that is written while the watch begins is not missed.
pub fn watch(files: Vec<PathBuf>, changed: impl Fn(&[Changed]) + Send + 'static) -> Result<Watch> {
    let (sender, events) = channel();
    let failed = || "watch of the components' files";
    let mut watcher = notify::recommended_watcher(sender).or_fail(Kind::Storage, failed)?;
    // A file that is replaced by another of its name can only be seen from its folder.
    let mut folders: Vec<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::NonRecursive).or_fail(Kind::Storage, failed)?;
    }
    let spawned =
        std::thread::Builder::new().name("reload".to_owned()).spawn(move || follow(&events, &files, &changed));
    spawned.or_fail(Kind::Internal, failed)?;
    Ok(Watch { _watcher: watcher })
}

fn follow(events: &Receiver<notify::Result<notify::Event>>, files: &[PathBuf], changed: &impl Fn(&[Changed])) {
    let mut touched: Vec<Arc<Path>> =
        files.iter().filter(|file| file.is_file()).map(|file| Arc::from(file.as_path())).collect();
    loop {
        let event = if touched.is_empty() {
            events.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            events.recv_timeout(QUIET_TIME)
        };
        match event {
            Ok(Ok(event)) if !event.kind.is_access() => {
                let ours = event.paths.iter().filter(|path| files.contains(path));
                let fresh: Vec<Arc<Path>> = ours.map(|path| Arc::from(path.as_path())).collect();
                touched.extend(fresh.into_iter().filter(|path| path.is_file()));
                touched.sort_unstable();
                touched.dedup();
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "watch of the components' files"),
            Err(RecvTimeoutError::Timeout) => {
                let mut read = Vec::new();
                for path in touched.drain(..) {
                    match fs::read(&path) {
                        Ok(bytes) => read.push((path, bytes)),
                        Err(error) => tracing::warn!(?path, %error, "changed component not read"),
                    }
                }
                changed(&read);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
