//! A bucket that is read back: listed, its objects fetched and hashed; nothing in it is changed.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::bucket::{Bucket, Listed};
use super::disk::{COPY_BYTES, hex};
use super::options::{Endpoint, Options};
use super::server::Look;
use crate::error::{Error, Kind, OrFail, Result};

/// Objects in a page of a listing.
const PAGE: usize = 1000;

/// A bucket, read. Its calls block, and must not be made on one of tokio's threads.
pub struct BucketReader {
    side: Side,
    name: String,
}

enum Side {
    /// The embedded server's own folder, through the server's own code: whether it runs or not.
    Embedded(Box<Look>),
    Remote(Box<Bucket>, Handle),
}

/// An object, fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes, from their beginning.
    pub file: File,
    /// How many they are.
    pub bytes: u64,
    /// Their sha256, in hexadecimal.
    pub sha256: String,
}

impl Fetched {
    /// Its bytes, once more from their beginning.
    pub fn again(&self) -> Result<File> {
        let again = || {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            Ok::<_, std::io::Error>(file)
        };
        again().or_fail(Kind::Storage, || "object")
    }
}

impl BucketReader {
    /// Reaches the bucket of `options`; `folder` is the embedded server's. Requests are made on `tokio`.
    ///
    /// Errors as [`Bucket::open`] does.
    pub fn open(options: &Options, folder: &Path, tokio: &Handle) -> Result<Self> {
        let side = match options.endpoint {
            Endpoint::Embedded { .. } => Side::Embedded(Box::new(Look::into(folder))),
            Endpoint::Aws | Endpoint::Url(_) => {
                Side::Remote(Box::new(tokio.block_on(Bucket::open(options, None))?), tokio.clone())
            }
        };
        Ok(Self { side, name: options.bucket.clone() })
    }

    /// Some objects whose keys begin with `prefix` and come after `after`, by key; none where there are no more.
    pub fn page(&self, prefix: &str, after: &str) -> Result<Vec<Listed>> {
        match &self.side {
            Side::Embedded(look) => look.list(&self.name, prefix, after, PAGE).map_err(|cause| self.storage(&cause)),
            Side::Remote(bucket, tokio) => tokio.block_on(bucket.page(prefix, after)),
        }
    }

    /// An object with the sha256 of its bytes; none where there is none of this key.
    pub fn fetch(&self, key: &str) -> Result<Option<Fetched>> {
        let subject = || format!("object {key:?}");
        match &self.side {
            Side::Embedded(look) => {
                let Some((mut file, _)) = look.open(&self.name, key).map_err(|cause| self.storage(&cause))? else {
                    return Ok(None);
                };
                let (sha256, bytes) = hash(&mut file).or_fail(Kind::Storage, subject)?;
                Ok(Some(Fetched { file, bytes, sha256 }))
            }
            Side::Remote(bucket, tokio) => {
                let mut file = unnamed().or_fail(Kind::Storage, subject)?;
                let Some((sha256, bytes)) = tokio.block_on(bucket.get(key, &mut file))? else { return Ok(None) };
                file.rewind().or_fail(Kind::Storage, subject)?;
                Ok(Some(Fetched { file, bytes, sha256 }))
            }
        }
    }

    fn storage(&self, cause: &std::io::Error) -> Error {
        Error::new(Kind::Storage, format!("bucket {:?}: {cause}", self.name))
    }
}

/// The sha256 and the size of what a file holds; it is at its beginning again.
fn hash(file: &mut File) -> std::io::Result<(String, u64)> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; COPY_BYTES]);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
        bytes += read as u64;
    }
    file.rewind()?;
    Ok((hex(&hash.finalize()), bytes))
}

/// A file without a name, gone when it is closed.
fn unnamed() -> std::io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("tidemill-object-{}-{nth}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
