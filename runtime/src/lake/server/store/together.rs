//! Many new objects at once: all their files are written, then all are synced, then all get their names.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use super::{Meta, Outcome, Record, Refusal, Store, Temp, link, nanos, path};
use crate::sync;

/// An object that is to be, in memory.
pub(in super::super) struct Draft {
    pub(in super::super) key: String,
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) meta: Meta,
}

/// A draft on disk, not named yet.
struct Written {
    key: String,
    file: Temp,
    meta: Temp,
}

impl Store {
    /// Makes objects of them whose keys have none, durable when it returns; for each what became of it. After an error some of
    /// them may be objects.
    pub(in super::super) fn put_new(&self, bucket: &str, drafts: Vec<Draft>) -> Outcome<Vec<Outcome<()>>> {
        let folder = self.bucket(bucket)?;
        let written = drafts.into_iter().map(|draft| self.write(draft)).collect::<Outcome<Vec<_>>>()?;
        // One after another is cheap, as the first has the others written too.
        for temp in written.iter().flat_map(|written| [&written.file, &written.meta]) {
            sync::file(&File::open(&temp.0)?)?;
        }
        let places: Vec<_> = written
            .iter()
            .map(|written| (folder.join(path::of_key(&written.key)), self.meta_path(bucket, &written.key)))
            .collect();
        // In one order, so that two who lock several do not wait for each other.
        let numbers: BTreeSet<usize> = written.iter().map(|written| Self::lock_number(bucket, &written.key)).collect();
        let _keys: Vec<_> = numbers.into_iter().filter_map(|number| self.lock_of(number)).collect();
        // Keys first, as who puts or removes one does.
        let _folders = self.folders_of(bucket, places.iter().flat_map(|(at, meta)| [at.as_path(), meta.as_path()]))?;

        let mut became: Vec<Outcome<()>> = Vec::with_capacity(written.len());
        for (written, (_, meta_at)) in written.iter().zip(&places) {
            became.push(match self.get(bucket, &written.key) {
                Ok(_) => Err(Refusal::Condition),
                Err(Refusal::NoKey) => Ok(fs::rename(&written.meta.0, meta_at)?),
                Err(refusal) => Err(refusal),
            });
        }
        sync_parents(places.iter().map(|(_, meta)| meta.as_path()))?;
        for ((written, (at, _)), became) in written.iter().zip(&places).zip(&mut became) {
            if became.is_ok() {
                *became = link(&written.file.0, at);
            }
        }
        // Also of those that were there: whoever hears so relies on it, and a crash may have left their names in memory alone.
        sync_parents(places.iter().map(|(at, _)| at.as_path()))?;
        Ok(became)
    }

    fn write(&self, Draft { key, bytes, meta }: Draft) -> Outcome<Written> {
        let (file, beside) = (self.temp(), self.temp());
        fs::write(&file.0, &bytes)?;
        let modified_ns = nanos(fs::metadata(&file.0)?.modified()?);
        let records = [Record { bytes: bytes.len() as u64, modified_ns, meta }];
        fs::write(&beside.0, serde_json::to_vec(&records).map_err(std::io::Error::from)?)?;
        Ok(Written { key, file, meta: beside })
    }
}

fn sync_parents<'a>(files: impl Iterator<Item = &'a Path>) -> Outcome<()> {
    let folders: BTreeSet<&Path> = files.filter_map(Path::parent).collect();
    Ok(folders.into_iter().try_for_each(sync::folder)?)
}
