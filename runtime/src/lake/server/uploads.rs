//! Uploads in parts. They live as long as the server: a restart ends them, as a lifecycle rule would.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::super::disk::hex;
use super::store::{Meta, Store, Temp};

/// The open uploads by their ids.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Upload>>);

struct Upload {
    bucket: String,
    key: String,
    meta: Meta,
    parts: BTreeMap<i32, Arc<Part>>,
}

/// A part as it was received.
pub(super) struct Part {
    pub(super) temp: Temp,
    pub(super) etag: String,
    pub(super) bytes: u64,
    pub(super) received: SystemTime,
}

/// Why an upload cannot be completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    NoSuchUpload,
    /// A part that was never received, or has another ETag.
    InvalidPart,
    /// Parts must be named by rising numbers.
    Order,
}

impl Uploads {
    /// Begins an upload, and gives it an id that is not used again.
    pub(super) fn begin(&self, bucket: &str, key: &str, meta: Meta) -> String {
        let id = format!("{:016x}{:016x}", RandomState::new().hash_one(bucket), RandomState::new().hash_one(key));
        let upload = Upload { bucket: bucket.to_owned(), key: key.to_owned(), meta, parts: BTreeMap::new() };
        self.open().insert(id.clone(), upload);
        id
    }

    /// Adds or replaces a part.
    pub(super) fn add(&self, id: &str, bucket: &str, key: &str, number: i32, part: Part) -> Result<(), Flaw> {
        let mut open = self.open();
        let upload = find(&mut open, id, bucket, key)?;
        upload.parts.insert(number, Arc::new(part));
        Ok(())
    }

    /// The parts by number.
    pub(super) fn parts(&self, id: &str, bucket: &str, key: &str) -> Result<Vec<(i32, Arc<Part>)>, Flaw> {
        let mut open = self.open();
        let upload = find(&mut open, id, bucket, key)?;
        Ok(upload.parts.iter().map(|(number, part)| (*number, Arc::clone(part))).collect())
    }

    /// The parts that `wanted` names (number, and ETag where given), with the metadata of the whole.
    pub(super) fn choose(
        &self,
        id: &str,
        bucket: &str,
        key: &str,
        wanted: &[(i32, Option<String>)],
    ) -> Result<(Meta, Vec<Arc<Part>>), Flaw> {
        let mut open = self.open();
        let upload = find(&mut open, id, bucket, key)?;
        if !wanted.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Flaw::Order);
        }
        let mut chosen = Vec::with_capacity(wanted.len());
        for (number, etag) in wanted {
            let part = upload.parts.get(number).ok_or(Flaw::InvalidPart)?;
            if etag.as_ref().is_some_and(|etag| *etag != part.etag) {
                return Err(Flaw::InvalidPart);
            }
            chosen.push(Arc::clone(part));
        }
        if chosen.is_empty() { Err(Flaw::InvalidPart) } else { Ok((upload.meta.clone(), chosen)) }
    }

    /// Ends an upload; its parts go when nobody reads them any more.
    pub(super) fn end(&self, id: &str, bucket: &str, key: &str) -> Result<(), Flaw> {
        let mut open = self.open();
        find(&mut open, id, bucket, key)?;
        open.remove(id);
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(open: &'a mut HashMap<String, Upload>, id: &str, bucket: &str, key: &str) -> Result<&'a mut Upload, Flaw> {
    let upload = open.get_mut(id).filter(|upload| upload.bucket == bucket && upload.key == key);
    upload.ok_or(Flaw::NoSuchUpload)
}

/// Copies the parts into one synced file; its ETag is made of theirs.
pub(super) fn assemble(store: &Store, parts: &[Arc<Part>]) -> io::Result<(Temp, String)> {
    let temp = store.temp();
    let mut whole = File::create_new(&temp.0)?;
    let mut etags = Sha256::new();
    for part in parts {
        io::copy(&mut File::open(&part.temp.0)?, &mut whole)?;
        etags.update(part.etag.as_bytes());
    }
    crate::sync::file(&whole)?;
    Ok((temp, format!("{}-{}", hex(&etags.finalize()), parts.len())))
}
