//! What consumer groups have committed: for each partition the offset that is read next, a file a group.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::meta::check_name;
use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The most groups that are kept.
const GROUPS_MAX: usize = 1_000;
/// The most partitions of which one group has committed something.
const PARTITIONS_MAX: usize = 10_000;

/// A group's offsets by topic and partition.
type Offsets = BTreeMap<String, BTreeMap<u32, u64>>;

/// The groups of a pipeline.
#[derive(Debug)]
pub struct Groups {
    folder: PathBuf,
    /// Those that were asked for, each as its file has it.
    known: Mutex<BTreeMap<String, Offsets>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    offsets: Offsets,
}

impl Groups {
    /// Those in a folder, which need not be there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, known: Mutex::default() }
    }

    /// What a group has committed of a partition: the offset that is read next.
    ///
    /// Errors: `Input` for a name that no group can have, `Corrupt` for a file that is not what was written, `Storage`.
    pub fn committed(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>> {
        let mut known = self.known();
        let offsets = self.of(&mut known, group)?;
        Ok(offsets.get(topic).and_then(|of| of.get(&partition)).copied())
    }

    /// Keeps offsets, all or none, and waits until they are durable. The same errors, and `Busy` where there are too many.
    pub fn commit(&self, group: &str, next: impl IntoIterator<Item = (String, u32, u64)>) -> Result<()> {
        let mut known = self.known();
        let before = self.of(&mut known, group)?;
        let mut after = before.clone();
        for (topic, partition, offset) in next {
            after.entry(topic).or_default().insert(partition, offset);
        }
        if after == *before {
            return Ok(());
        }
        if after.values().map(BTreeMap::len).sum::<usize>() > PARTITIONS_MAX {
            return Err(full(
                group,
                format!("it has committed offsets of {PARTITIONS_MAX} partitions, and no more are kept"),
            ));
        }
        self.save(group, &after)?;
        known.insert(group.to_owned(), after);
        Ok(())
    }

    fn of<'a>(&self, known: &'a mut BTreeMap<String, Offsets>, group: &str) -> Result<&'a Offsets> {
        if !known.contains_key(group) {
            check(group)?;
            let read = match disk::read(self.file(group)) {
                Ok(stored) => {
                    let stored: Stored = serde_json::from_slice(&stored)
                        .or_fail(Kind::Corrupt, || format!("consumer group {group:?}: its offsets"))?;
                    stored.offsets
                }
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Offsets::new(),
                Err(cause) => return Err(failed(group, &cause)),
            };
            // What is not on the disk is not worth remembering.
            if known.len() >= GROUPS_MAX {
                known.clear();
            }
            known.insert(group.to_owned(), read);
        }
        known.get(group).ok_or_else(|| Error::new(Kind::Internal, format!("consumer group {group:?}")))
    }

    fn save(&self, group: &str, offsets: &Offsets) -> Result<()> {
        let file = self.file(group);
        let stored = serde_json::to_vec(&Stored { offsets: offsets.clone() }).or_fail(Kind::Internal, || "offsets")?;
        let saved = || {
            disk::create_dir_all(&self.folder)?;
            if !disk::exists(&file)? && disk::list(&self.folder)?.len() >= GROUPS_MAX {
                return Ok(false);
            }
            // No group can have this name.
            let unnamed = self.folder.join(format!("~{group}"));
            let mut new = File::create(&unnamed)?;
            new.write_all(&stored)?;
            new.sync_all()?;
            disk::rename(&unnamed, &file)?;
            disk::sync_folder(&self.folder)?;
            disk::sync_parent(&self.folder)?;
            Ok(true)
        };
        match saved().map_err(|cause| failed(group, &cause))? {
            true => Ok(()),
            false => Err(full(group, format!("{GROUPS_MAX} groups have committed something, and no more are kept"))),
        }
    }

    fn file(&self, group: &str) -> PathBuf {
        self.folder.join(group)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Offsets>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a group can have this name: what a topic can be called.
pub fn check(group: &str) -> Result<()> {
    check_name(group).map_err(|_| {
        let what = format!("consumer group {group:?}: not a name that a group can have");
        Error::new(Kind::Input, what).hint("use letters, digits, \".\", \"_\" and \"-\", up to 249 of them")
    })
}

fn full(group: &str, what: String) -> Error {
    Error::new(Kind::Busy, format!("consumer group {group:?}: {what}"))
}

fn failed(group: &str, cause: &std::io::Error) -> Error {
    Error::new(io_kind(cause), format!("consumer group {group:?}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::{Fault, Loss, Simulated, Trouble};

    fn offset(of: &str, partition: u32, offset: u64) -> (String, u32, u64) {
        (of.to_owned(), partition, offset)
    }

    #[test]
    fn what_is_committed_is_there_after_a_loss_of_power() {
        for at in 1..60 {
            let disk = Simulated::new(at);
            disk::create_dir_all(disk.root()).unwrap();
            let folder = disk.root().join("groups");
            let groups = Groups::new(folder.clone());
            groups.commit("g", [offset("pin", 0, 7), offset("pin", 1, 3)]).unwrap();
            disk.fail(Fault { at: disk.operations() + at, trouble: Trouble::Death, lasting: false });
            let done = groups.commit("g", [offset("pin", 0, 9), offset("geo", 0, 1)]);
            disk.heal();
            disk.cut_power(Loss::Random);
            let groups = Groups::new(folder);
            let found = [("pin", 0), ("pin", 1), ("geo", 0)].map(|(topic, p)| groups.committed("g", topic, p).unwrap());
            let (old, new) = ([Some(7), Some(3), None], [Some(9), Some(3), Some(1)]);
            assert!(found == new || (done.is_err() && found == old), "operation {at}: {found:?}, {done:?}");
            if done.is_ok() {
                return;
            }
        }
        panic!("it takes more operations");
    }

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        let groups = Groups::new(PathBuf::from("/nowhere"));
        for name in ["..", "a/b", "", "~a"] {
            assert_eq!(groups.committed(name, "pin", 0).unwrap_err().kind(), Kind::Input, "{name:?}");
        }
    }
}
