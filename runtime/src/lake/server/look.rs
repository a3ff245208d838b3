//! A look into the server's folder by who changes nothing there, beside a server or without one.

use std::fs::File;
use std::io;
use std::path::Path;

use super::super::bucket::Listed;
use super::listing::{self, Query};
use super::store::{Refusal, Store};

/// The server's folder, read as the server reads it.
pub(in super::super) struct Look(Store);

impl Look {
    /// Looks into a folder, which need not be there.
    pub(in super::super) fn into(root: &Path) -> Self {
        Self(Store::over(root))
    }

    /// Up to so many objects of a bucket whose keys begin with `prefix` and come after `after`, by key.
    pub(in super::super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        entries_max: usize,
    ) -> io::Result<Vec<Listed>> {
        let query = Query { prefix, delimiter: None, after, entries_max };
        let page = match listing::page(&self.0, bucket, &query) {
            Ok(page) => page,
            Err(Refusal::NoBucket) => return Ok(Vec::new()),
            Err(refusal) => return Err(cause(refusal)),
        };
        let mut listed = Vec::with_capacity(page.keys.len());
        for key in page.keys {
            // One that is gone by now is not there.
            if let Some(bytes) = self.0.bytes(bucket, &key)? {
                listed.push(Listed { key, bytes });
            }
        }
        Ok(listed)
    }

    /// An object's file and size; none where there is none of this key.
    pub(in super::super) fn open(&self, bucket: &str, key: &str) -> io::Result<Option<(File, u64)>> {
        match self.0.get(bucket, key) {
            Ok(found) => Ok(Some((found.file, found.bytes))),
            Err(Refusal::NoBucket | Refusal::NoKey) => Ok(None),
            Err(refusal) => Err(cause(refusal)),
        }
    }
}

fn cause(refusal: Refusal) -> io::Error {
    match refusal {
        Refusal::Io(cause) => cause,
        other => io::Error::other(format!("{other:?}")),
    }
}
