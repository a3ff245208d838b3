//! Where the files of a topic lie: on this disk, or behind whatever else can list and open them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, OrFail, Result};

/// By what a file is known to be as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its size.
    pub bytes: u64,
    /// When it was written to, in nanoseconds since 1970; 0 where that says nothing.
    #[serde(default)]
    pub modified_ns: u64,
    /// The sha256 of its bytes, in hexadecimal, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Stamp {
    /// Whether a file that was seen as `self` may be the one that was taken as `taken`.
    pub(super) fn fits(&self, taken: &Self) -> bool {
        let same_bytes = match (&self.sha256, &taken.sha256) {
            (Some(seen), Some(taken)) => seen == taken,
            _ => true,
        };
        self.bytes == taken.bytes && self.modified_ns == taken.modified_ns && same_bytes
    }

    /// How long ago it was written to.
    pub(super) fn age(&self) -> Duration {
        let modified = UNIX_EPOCH + Duration::from_nanos(self.modified_ns);
        SystemTime::now().duration_since(modified).unwrap_or_default()
    }
}

/// A place that has files; each is known by a name.
pub trait Place: Send {
    /// The files that are there now, in any order.
    fn list(&mut self) -> Result<Vec<(String, Stamp)>>;

    /// Which files will be opened next, in their order; they may be brought here ahead of that.
    fn expect(&mut self, _: &[String]) {}

    /// Opens a file with what it is; none where it is gone.
    fn open(&mut self, name: &str) -> Result<Option<(File, Stamp)>>;

    /// What it is now, where it can have changed since it was opened; none where it is gone.
    fn again(&mut self, opened: &Stamp, name: &str) -> Result<Option<Stamp>>;

    /// A file, as people know it.
    fn shown(&self, name: &str) -> String;

    /// What to do about a file that has changed.
    fn remedy(&self) -> &'static str;
}

/// A folder of this disk, or one file, whose name is empty.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Errors with kind `Missing` where there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::new(
                Kind::Missing,
                format!("files {}: there is no such file or folder", path.display()),
            ));
        }
        Ok(Self { path: path.to_owned() })
    }

    fn path_of(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }

    fn stamp(&self, name: &str) -> Result<Option<Stamp>> {
        let path = self.path_of(name);
        let subject = || format!("file {}", path.display());
        match fs::metadata(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            found => stamp_of(&found.or_fail(Kind::Storage, subject)?).or_fail(Kind::Storage, subject).map(Some),
        }
    }
}

impl Place for Folder {
    /// None that are hidden, or that a program is likely to be writing.
    fn list(&mut self) -> Result<Vec<(String, Stamp)>> {
        let subject = || format!("files {}", self.path.display());
        let mut names = Vec::new();
        if self.path.is_file() {
            names.push(String::new());
        } else {
            for entry in fs::read_dir(&self.path).or_fail(Kind::Storage, subject)? {
                let entry = entry.or_fail(Kind::Storage, subject)?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let unfinished =
                    name.starts_with('.') || [".tmp", ".part", ".crdownload"].iter().any(|end| name.ends_with(end));
                if !unfinished && entry.path().is_file() {
                    names.push(name);
                }
            }
        }
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            found.extend(self.stamp(&name)?.map(|stamp| (name, stamp)));
        }
        Ok(found)
    }

    fn open(&mut self, name: &str) -> Result<Option<(File, Stamp)>> {
        let path = self.path_of(name);
        let subject = || format!("file {}", path.display());
        match File::open(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            opened => {
                let file = opened.or_fail(Kind::Storage, subject)?;
                let stamp = file.metadata().and_then(|found| stamp_of(&found)).or_fail(Kind::Storage, subject)?;
                Ok(Some((file, stamp)))
            }
        }
    }

    fn again(&mut self, _: &Stamp, name: &str) -> Result<Option<Stamp>> {
        self.stamp(name)
    }

    fn shown(&self, name: &str) -> String {
        format!("file {}", self.path_of(name).display())
    }

    fn remedy(&self) -> &'static str {
        "put it back as it was, with its time (cp -p); what is new belongs into a file of another name"
    }
}

fn stamp_of(found: &fs::Metadata) -> std::io::Result<Stamp> {
    let modified = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified_ns = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
    Ok(Stamp { bytes: found.len(), modified_ns, sha256: None })
}
