//! A folder for what a build needs and nobody keeps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Kind, OrFail, Result};

/// It is removed with all that is in it when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder of its own.
    pub(super) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidemill-build-{}-{nth}", std::process::id()));
        // One that is there already is not ours: somebody else could change what is run from it.
        fs::create_dir(&path).or_fail(Kind::Storage, || format!("folder {path:?}"))?;
        path.canonicalize().or_fail(Kind::Storage, || format!("folder {path:?}")).map(Self)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the component is to be written.
    pub(super) fn component(&self) -> PathBuf {
        self.0.join("component.wasm")
    }

    /// Writes a file in it, and the folders on the way there; returns where it is.
    pub(super) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.0.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        made.or_fail(Kind::Storage, || format!("file {path:?}"))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
