//! Where this process hands the server a file that is on its disk already: it becomes an object by a second name, not by a copy.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::super::disk::hex;
use super::operations::etag_of_sha256;
use super::store::{Draft, Meta, Refusal, Store};

/// A way to the server's folder that needs no connection; cheap to clone.
#[derive(Clone)]
pub(in super::super) struct Dock(Arc<Store>);

/// A stretch of a file that is to become an object.
pub(in super::super) struct Part {
    pub(in super::super) key: String,
    /// Where it begins in the file.
    pub(in super::super) start: u64,
    pub(in super::super) bytes: u64,
    /// The sha256 of its bytes, in hexadecimal and in base64.
    pub(in super::super) sha256: (String, String),
    pub(in super::super) content_type: &'static str,
    pub(in super::super) user: HashMap<String, String>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Docked {
    /// It is an object.
    Stored,
    /// The key has an object, which stays.
    Taken,
    /// It cannot have a name in the server's folder, on another file system say, or the bucket is not there.
    Apart,
}

impl Dock {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// Makes a whole, synced file that nobody writes to any more an object, unless its key is taken. This blocks.
    ///
    /// `sha256` is that of its bytes: 32 bytes in hexadecimal, and in base64.
    pub(in super::super) fn put(
        &self,
        (bucket, key): (&str, &str),
        file: &Path,
        sha256: (&str, &str),
        content_type: &str,
        user: HashMap<String, String>,
    ) -> io::Result<Docked> {
        let temp = self.0.temp();
        if fs::hard_link(file, &temp.0).is_err() {
            return Ok(Docked::Apart);
        }
        // It is as old as an object as the upload is; who lists by time looks for it there.
        File::options().write(true).open(&temp.0)?.set_modified(SystemTime::now())?;
        let meta = Meta {
            etag: etag_of_sha256(sha256.0),
            sha256: Some(sha256.1.to_owned()),
            content_type: Some(content_type.to_owned()),
            user,
            ..Meta::default()
        };
        match self.0.put(bucket, key, temp, meta, |etag| etag.is_none()) {
            Ok(_) => Ok(Docked::Stored),
            Err(Refusal::Condition) => Ok(Docked::Taken),
            Err(Refusal::Io(cause)) => Err(cause),
            // The request says why.
            Err(_) => Ok(Docked::Apart),
        }
    }

    /// Makes copies of stretches of a file objects, unless their keys are taken; for each what became of it. This blocks.
    pub(in super::super) fn put_all(&self, bucket: &str, file: &Path, parts: Vec<Part>) -> io::Result<Vec<Docked>> {
        let mut from = File::open(file)?;
        let (mut drafts, mut became) = (Vec::new(), vec![Docked::Apart; parts.len()]);
        let mut drafted = Vec::new();
        for (nth, part) in parts.into_iter().enumerate() {
            let mut bytes = Vec::new();
            from.seek(SeekFrom::Start(part.start))?;
            (&mut from).take(part.bytes).read_to_end(&mut bytes)?;
            // Where they are not what was promised, the request finds out.
            if hex(&Sha256::digest(&bytes)) == part.sha256.0 {
                let meta = Meta {
                    etag: etag_of_sha256(&part.sha256.0),
                    sha256: Some(part.sha256.1),
                    content_type: Some(part.content_type.to_owned()),
                    user: part.user,
                    ..Meta::default()
                };
                drafted.push(nth);
                drafts.push(Draft { key: part.key, bytes, meta });
            }
        }
        let outcomes = match self.0.put_new(bucket, drafts) {
            Ok(outcomes) => outcomes,
            Err(Refusal::Io(cause)) => return Err(cause),
            Err(_) => return Ok(became),
        };
        for (nth, outcome) in drafted.into_iter().zip(outcomes) {
            if let Some(became) = became.get_mut(nth) {
                *became = match outcome {
                    Ok(()) => Docked::Stored,
                    Err(Refusal::Condition) => Docked::Taken,
                    Err(_) => Docked::Apart,
                };
            }
        }
        Ok(became)
    }
}
