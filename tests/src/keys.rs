//! API keys for a test: made by the command, in a file beside the pipeline's.

use std::path::{Path, PathBuf};

use crate::cli::done;

/// The file of a pipeline's keys.
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// One in this folder, without keys yet.
    pub fn new(folder: &Path) -> Self {
        Self(folder.join("keys.toml"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a key with these arguments, such as `--scope admin`.
    pub fn make(&self, arguments: &[&str]) -> String {
        let file = self.0.to_str().expect("a path");
        let all = [&["key", "new", "--file", file], arguments].concat();
        done(self.0.parent().expect("a folder"), &all, "").0.trim().to_owned()
    }
}
