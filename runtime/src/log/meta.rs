//! The topic's own file, `topic.json`: its identity, its format, how many partitions it has.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The format of the folder, its segments and frames.
const FORMAT: u32 = 1;
/// The file's name.
pub(super) const FILE: &str = "topic.json";
const NAME_BYTES_MAX: usize = 249;

/// What a topic's folder says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    format: u32,
    name: String,
    /// Drawn when the topic was made; its segments and frames carry it.
    pub(super) id: u64,
    /// How many partitions have been made.
    pub(super) partitions: u32,
    /// Whether it was made on request while a pipeline ran, so that no pipeline file need name it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) created: bool,
}

/// The format alone, which every version can read.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Meta {
    /// Reads what `folder` says, or begins a topic without partitions there.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self> {
        match Self::read(folder, name) {
            Ok(meta) => {
                // A crash may have left its name in memory alone, and the folder's.
                let synced = disk::sync_folder(folder).and_then(|()| disk::sync_parent(folder));
                synced.map_err(|cause| Error::new(io_kind(&cause), format!("topic {name:?}: {folder:?}: {cause}")))?;
                Ok(meta)
            }
            Err(error) if error.kind() == Kind::Missing => Self::create(folder, name, false),
            Err(error) => Err(error),
        }
    }

    /// Reads what `folder` says; `Kind::Missing` where it says nothing.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self> {
        let stored = disk::read(folder.join(FILE));
        let stored = stored.map_err(|cause| Error::new(io_kind(&cause), format!("topic {name:?}: {FILE}: {cause}")))?;
        Self::decode(&stored, name)
    }

    /// Keeps it, so that a crash leaves the old or the new.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        let stored = serde_json::to_vec(self).or_fail(Kind::Internal, || FILE)?;
        let unnamed = folder.join("topic.new");
        let saved = File::create(&unnamed).and_then(|mut file| {
            file.write_all(&stored)?;
            file.sync_all()?;
            disk::rename(&unnamed, folder.join(FILE))?;
            disk::sync_folder(folder)
        });
        saved.map_err(|cause| Error::new(io_kind(&cause), format!("topic {:?}: {FILE}: {cause}", self.name)))
    }

    /// Begins a topic without partitions.
    pub(super) fn create(folder: &Path, name: &str, created: bool) -> Result<Self> {
        let failed =
            |cause: std::io::Error| Error::new(io_kind(&cause), format!("topic {name:?}: {folder:?}: {cause}"));
        if disk::exists(folder.join("0")).map_err(failed)? {
            let what = format!("topic {name:?}: {FILE} is missing, though there are partitions");
            return Err(Error::new(Kind::Corrupt, what).hint(format!("restore it from a backup of {folder:?}")));
        }
        let made = disk::create_dir_all(folder).and_then(|()| folder.parent().map_or(Ok(()), disk::sync_folder));
        made.map_err(failed)?;
        let (name, id) = (name.to_owned(), RandomState::new().hash_one(name));
        let meta = Self { format: FORMAT, name, id, partitions: 0, created };
        meta.save(folder)?;
        Ok(meta)
    }

    pub(super) fn decode(stored: &[u8], name: &str) -> Result<Self> {
        let garbled = || format!("topic {name:?}: {FILE}");
        let Format { format } = serde_json::from_slice(stored).or_fail(Kind::Corrupt, garbled)?;
        if format > FORMAT {
            let what = format!("topic {name:?}: its format is {format}, and only {FORMAT} is known here");
            return Err(Error::new(Kind::Input, what).hint("use the newer version of tidemill that wrote it"));
        }
        let meta: Self = serde_json::from_slice(stored).or_fail(Kind::Corrupt, garbled)?;
        if meta.name != name {
            let what = format!("topic {name:?}: its folder holds topic {:?}", meta.name);
            return Err(Error::new(Kind::Corrupt, what).hint("give the folder its own name back"));
        }
        Ok(meta)
    }
}

/// Whether a topic can have this name: letters, digits, `.`, `_` and `-`, up to 249 of them, and not `.` or `..`.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) && name != "." && name != ".." {
        return Ok(());
    }
    let hint = format!("use letters, digits, \".\", \"_\" and \"-\", up to {NAME_BYTES_MAX} of them");
    Err(Error::new(Kind::Input, format!("topic {name:?}: not a name that a topic can have")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_names_that_are_safe_in_a_path() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for (name, taken) in [
            ("pin", true),
            ("0a.b_c-D", true),
            (&long[1..], true),
            (&long, false),
            ("", false),
            (".", false),
            ("..", false),
            ("...", true),
            ("a/b", false),
            ("a\0", false),
            ("é", false),
        ] {
            assert_eq!(check_name(name).is_ok(), taken, "{name:?}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_folder() {
        let check = |stored: &str, kind: Option<Kind>| {
            assert_eq!(Meta::decode(stored.as_bytes(), "pin").err().map(|e| e.kind()), kind, "{stored}");
        };
        check(r#"{"format":1,"name":"pin","id":7,"partitions":2}"#, None);
        check(r#"{"format":2,"something":"else"}"#, Some(Kind::Input));
        check(r#"{"format":1,"name":"geo","id":7,"partitions":2}"#, Some(Kind::Corrupt));
        check("", Some(Kind::Corrupt));
    }
}
