//! Topics that are made and removed while a pipeline runs, and found again at the next start.

use std::path::Path;
use std::sync::Arc;

use super::meta::{self, FILE, Meta};
use super::options::Options;
use super::topic::Topic;
use crate::disk;
use crate::error::{Error, Kind, Result, io_kind};
use crate::time::Clock;

/// What [`FILE`] is called once the topic is removed: from then on it is never found again, whatever is still there.
const REMOVED: &str = "topic.removed";

/// Makes a topic in the folder `dir`, so that [`found`] gives it, and opens it.
///
/// Errors: `Input` for a bad name or bad options, `Conflict` where there is one, also one that no pipeline file names any
/// more; `Storage` where the disk refuses.
pub fn create(dir: &Path, name: &str, options: &Options, clock: Arc<Clock>) -> Result<Topic> {
    meta::check_name(name)?;
    let folder = dir.join(name);
    finish(&folder, name)?;
    if exists(&folder, name, FILE)? {
        let what = format!("topic {name:?}: there is one, which the pipeline file does not name");
        return Err(Error::new(Kind::Conflict, what).hint(format!("name it there, or remove {folder:?}")));
    }
    Meta::create(&folder, name, true)?;
    Topic::open(dir, name, options, clock)
}

/// The topics in the folder `dir` that [`create`] made, each with its partitions, by rising name. What a crash left half made or
/// half removed is removed.
pub fn found(dir: &Path) -> Result<Vec<(String, u32)>> {
    let failed = |cause| Error::new(io_kind(&cause), format!("topics: {dir:?}: {cause}"));
    let mut found = Vec::new();
    for folder in disk::list(dir).map_err(failed)? {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        finish(&folder, name)?;
        // What is wrong with a topic that the pipeline file names is told where that is opened.
        let Ok(Meta { created: true, partitions, .. }) = Meta::read(&folder, name) else { continue };
        match partitions {
            0 => remove(dir, name)?,
            _ => found.push((name.to_owned(), partitions)),
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a topic that nobody has open, with all that it holds.
pub fn remove(dir: &Path, name: &str) -> Result<()> {
    meta::check_name(name)?;
    let folder = dir.join(name);
    let renamed = disk::rename(folder.join(FILE), folder.join(REMOVED)).and_then(|()| disk::sync_folder(&folder));
    renamed.map_err(|cause| failed(name, &cause))?;
    finish(&folder, name)
}

/// Finishes a removal that was begun.
fn finish(folder: &Path, name: &str) -> Result<()> {
    let removed = || {
        // The partitions first, and lastingly: without the file that calls it removed, they would be taken for a damaged topic.
        for held in disk::list(folder)? {
            let partition =
                held.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<u32>().is_ok());
            if partition {
                disk::remove_dir_all(&held)?;
            }
        }
        disk::sync_folder(folder)?;
        disk::remove_dir_all(folder)?;
        disk::sync_parent(folder)
    };
    match exists(folder, name, REMOVED)? {
        true => removed().map_err(|cause| failed(name, &cause)),
        false => Ok(()),
    }
}

fn exists(folder: &Path, name: &str, file: &str) -> Result<bool> {
    disk::exists(folder.join(file)).map_err(|cause| failed(name, &cause))
}

fn failed(name: &str, cause: &std::io::Error) -> Error {
    Error::new(io_kind(cause), format!("topic {name:?}: {cause}"))
}
