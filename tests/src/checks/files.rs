//! Files that nothing names: none is left in the spool, none has a temporary name.

use std::fs;
use std::path::{Path, PathBuf};

/// The ends of names that files have only until they are whole.
const TEMPORARY: [&str; 4] = ["new", "part", "half", "tmp"];

pub(super) fn faults(data: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for left in all(&data.join("spool")) {
        faults.push(format!("spool: {} is left", left.display()));
    }
    for left in all(&data.join("lake/.temp")) {
        faults.push(format!("lake: temporary {} is left", left.display()));
    }
    // What is compiled is a cache that wasmtime keeps and sweeps by itself.
    for folder in ["topics", "components", "lake"] {
        let temporary = |path: &PathBuf| path.extension().is_some_and(|end| TEMPORARY.iter().any(|one| end == *one));
        for left in all(&data.join(folder)).into_iter().filter(temporary) {
            faults.push(format!("{} has a temporary name", left.display()));
        }
    }
    faults
}

/// All files below a folder.
pub(super) fn all(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().expect("its type").is_dir() {
            true => files.extend(all(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}
