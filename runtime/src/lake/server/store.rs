//! Objects as files, durable before anything is answered.

mod together;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub(super) use self::together::Draft;
use super::path;
use crate::sync;

const META: &str = ".meta";
const TEMP: &str = ".temp";
/// Keys share this many locks.
const LOCKS: usize = 64;
/// So many folders are remembered; after more, each is looked at again.
const FOLDERS_MAX: usize = 4096;

/// A folder of buckets. Its calls block; each returns when what it did is on disk.
pub(super) struct Store {
    root: PathBuf,
    next_temp: AtomicU64,
    /// Folders that are there, and synced into those above; read while a file is put into one, written while one is made or removed.
    folders: RwLock<HashSet<PathBuf>>,
    /// Held while an object is replaced or removed.
    keys: [Mutex<()>; LOCKS],
}

/// What S3 knows of an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// Without its quotes.
    pub(super) etag: String,
    /// In base64; objects of several parts have none.
    pub(super) sha256: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) user: HashMap<String, String>,
}

/// A [`Meta`] and the file that it belongs to, so that neither a crash between the two nor a file put there by hand
/// can give an object another's metadata.
#[derive(Serialize, Deserialize)]
struct Record {
    bytes: u64,
    modified_ns: u64,
    meta: Meta,
}

/// An object that is there.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
    pub(super) meta: Meta,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    NoBucket,
    NoKey,
    BucketTaken,
    BucketNotEmpty,
    /// A condition on the object as it stands does not hold.
    Condition,
    /// The key is a folder of other keys, or lies below an object.
    Folder,
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => Self::Folder,
            _ => Self::Io(error),
        }
    }
}

pub(super) type Outcome<T> = Result<T, Refusal>;

/// A temporary file; dropped before it is an object, it is removed.
pub(super) struct Temp(pub(super) PathBuf);

impl Drop for Temp {
    fn drop(&mut self) {
        // Once it has become an object it is gone already; what a crash leaves, the next start removes.
        let _ = fs::remove_file(&self.0);
    }
}

impl Store {
    /// Opens or creates the folder; what was not whole when it was last used is removed.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let temp = root.join(TEMP);
        if temp.exists() {
            fs::remove_dir_all(&temp)?;
        }
        fs::create_dir_all(root).and_then(|()| sync::parent(root))?;
        sync::make_folders(root, &temp)?;
        sync::make_folders(root, &root.join(META))?;
        Ok(Self::over(root))
    }

    /// A folder as it is, which another may be using.
    pub(super) fn over(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            next_temp: AtomicU64::new(0),
            folders: RwLock::default(),
            keys: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// A new name on the same file system.
    pub(super) fn temp(&self) -> Temp {
        let number = self.next_temp.fetch_add(1, Ordering::Relaxed);
        Temp(self.root.join(TEMP).join(number.to_string()))
    }

    pub(super) fn buckets(&self) -> io::Result<Vec<(String, SystemTime)>> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().filter(|name| s3s::path::check_bucket_name(name));
            if let Some(name) = name.filter(|_| entry.path().is_dir()) {
                buckets.push((name, entry.metadata()?.modified()?));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    pub(super) fn create_bucket(&self, bucket: &str) -> Outcome<()> {
        let _folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        let folder = self.root.join(bucket);
        if folder.is_dir() {
            return Err(Refusal::BucketTaken);
        }
        Ok(sync::make_folders(&self.root, &folder)?)
    }

    pub(super) fn remove_bucket(&self, bucket: &str) -> Outcome<()> {
        let folder = self.bucket(bucket)?;
        let mut folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        if has_file(&folder)? {
            return Err(Refusal::BucketNotEmpty);
        }
        folders.clear();
        fs::remove_dir_all(&folder)?;
        match fs::remove_dir_all(self.root.join(META).join(bucket)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(sync::folder(&self.root)?)
    }

    /// The bucket's folder.
    pub(super) fn bucket(&self, bucket: &str) -> Outcome<PathBuf> {
        let folder = self.root.join(bucket);
        if folder.is_dir() { Ok(folder) } else { Err(Refusal::NoBucket) }
    }

    /// Opens an object.
    pub(super) fn get(&self, bucket: &str, key: &str) -> Outcome<Found> {
        let at = self.bucket(bucket)?.join(path::of_key(key));
        let file = match File::open(&at) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Refusal::NoKey);
            }
            Err(error) => return Err(error.into()),
        };
        let status = file.metadata()?;
        if status.is_dir() {
            return Err(Refusal::NoKey);
        }
        let (bytes, modified) = (status.len(), status.modified()?);
        let modified_ns = nanos(modified);
        let records = read_records(&self.meta_path(bucket, key));
        let record = records.into_iter().find(|r| (r.bytes, r.modified_ns) == (bytes, modified_ns));
        let meta = record.map(|record| record.meta);
        let meta = meta.unwrap_or_else(|| Meta { etag: format!("{modified_ns:x}-{bytes:x}-0"), ..Meta::default() });
        Ok(Found { file, bytes, modified, meta })
    }

    /// The size of an object, whatever else is known of it; none where there is none.
    pub(super) fn bytes(&self, bucket: &str, key: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.root.join(bucket).join(path::of_key(key))) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a whole, synced temporary file an object, if `allowed` likes the ETag that is there (`None`: no object).
    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        temp: Temp,
        meta: Meta,
        allowed: impl Fn(Option<&str>) -> bool,
    ) -> Outcome<SystemTime> {
        let at = self.bucket(bucket)?.join(path::of_key(key));
        let meta_at = self.meta_path(bucket, key);
        let _key = self.lock(bucket, key);
        let _folders = self.folders_of(bucket, [at.as_path(), meta_at.as_path()].into_iter())?;
        self.replace(bucket, key, &at, &temp, meta, allowed)
    }

    /// Sees to it that the folders of some files are there; none is removed while what is given is held.
    fn folders_of<'a>(
        &self,
        bucket: &str,
        files: impl Iterator<Item = &'a Path> + Clone,
    ) -> Outcome<RwLockReadGuard<'_, HashSet<PathBuf>>> {
        loop {
            let folders = self.folders.read().unwrap_or_else(PoisonError::into_inner);
            let needed = || files.clone().filter_map(Path::parent);
            if needed().all(|folder| folders.contains(folder)) {
                return Ok(folders);
            }
            drop(folders);
            let mut folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
            self.bucket(bucket)?;
            if folders.len() > FOLDERS_MAX {
                folders.clear();
            }
            for folder in needed() {
                let known = folder.ancestors().find(|above| folders.contains(*above)).unwrap_or(&self.root).to_owned();
                sync::make_folders(&known, folder)?;
                folders.extend(folder.ancestors().take_while(|above| *above != known).map(Path::to_owned));
            }
        }
    }

    fn replace(
        &self,
        bucket: &str,
        key: &str,
        at: &Path,
        temp: &Temp,
        meta: Meta,
        allowed: impl Fn(Option<&str>) -> bool,
    ) -> Outcome<SystemTime> {
        let old = match self.get(bucket, key) {
            Ok(old) => Some(old),
            Err(Refusal::NoKey) => None,
            Err(refusal) => return Err(refusal),
        };
        if !allowed(old.as_ref().map(|old| old.meta.etag.as_str())) {
            // Whoever hears that it is there relies on it, and a crash may have left its name in memory alone.
            sync::parent(at)?;
            return Err(Refusal::Condition);
        }
        let file = File::options().write(true).open(&temp.0)?;
        let mut status = file.metadata()?;
        if let Some(old) = old.as_ref().filter(|old| status.modified().is_ok_and(|new| new <= old.modified)) {
            // Two files of one key must differ in their times: the metadata is told apart by them.
            file.set_modified(old.modified + Duration::from_micros(1))?;
            status = file.metadata()?;
        }
        let modified = status.modified()?;
        let mut records = vec![Record { bytes: status.len(), modified_ns: nanos(modified), meta }];
        if let Some(old) = old {
            records.push(Record { bytes: old.bytes, modified_ns: nanos(old.modified), meta: old.meta });
        }
        self.write_records(&self.meta_path(bucket, key), &records)?;
        // Metadata first: it names the file that it belongs to, so until the rename the old file keeps its own.
        if records.len() > 1 {
            fs::rename(&temp.0, at)?;
        } else {
            link(&temp.0, at)?;
        }
        sync::parent(at)?;
        Ok(modified)
    }

    /// Removes an object; one that is not there is no error.
    pub(super) fn remove(&self, bucket: &str, key: &str) -> Outcome<()> {
        let folder = self.bucket(bucket)?;
        let at = folder.join(path::of_key(key));
        let _key = self.lock(bucket, key);
        let mut folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        match fs::metadata(&at) {
            Ok(status) if status.is_file() => {}
            _ => return Ok(()),
        }
        fs::remove_file(&at)?;
        sync::parent(&at)?;
        let meta_at = self.meta_path(bucket, key);
        let _ = fs::remove_file(&meta_at);
        folders.clear();
        prune(&at, &folder);
        prune(&meta_at, &self.root.join(META).join(bucket));
        Ok(())
    }

    fn write_records(&self, at: &Path, records: &[Record]) -> io::Result<()> {
        let temp = self.temp();
        let mut file = File::create(&temp.0)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(records)?)?;
        sync::file(&file)?;
        fs::rename(&temp.0, at)?;
        sync::parent(at)
    }

    fn meta_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(META).join(bucket).join(path::of_key(key))
    }

    fn lock(&self, bucket: &str, key: &str) -> Option<MutexGuard<'_, ()>> {
        self.lock_of(Self::lock_number(bucket, key))
    }

    fn lock_number(bucket: &str, key: &str) -> usize {
        BuildHasherDefault::<DefaultHasher>::default().hash_one((bucket, key)) as usize % LOCKS
    }

    fn lock_of(&self, number: usize) -> Option<MutexGuard<'_, ()>> {
        Some(self.keys.get(number)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read_records(at: &Path) -> Vec<Record> {
    // An object without readable metadata is still an object: its bytes, and a made-up ETag.
    fs::read(at).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn has_file(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || has_file(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives a file the name `at`, only if nothing has it; the temporary name goes with the [`Temp`].
fn link(temp: &Path, at: &Path) -> Outcome<()> {
    match fs::hard_link(temp, at) {
        Ok(()) => Ok(()),
        Err(_) if at.is_dir() => Err(Refusal::Folder),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Refusal::Condition),
        // Some file systems have no links; the key's lock keeps others of this server away.
        Err(_) => Ok(fs::rename(temp, at)?),
    }
}

/// Removes the folders above `at` that are empty, up to `root`, which stays.
fn prune(at: &Path, root: &Path) {
    for folder in at.ancestors().skip(1).take_while(|folder| *folder != root) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}
