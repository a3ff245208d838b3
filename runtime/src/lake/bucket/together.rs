//! Objects that lie in one file of the spool, brought into the bucket together: there may be very many, and they are small.

use std::collections::HashSet;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;

use super::super::disk::unhex;
use super::super::server::{Docked, Part};
use super::{Bucket, SHA256, content_type};
use crate::commit::Object;
use crate::error::{Kind, OrFail, Result};

/// Requests of one call that are on their way at one time.
const REQUESTS_MAX: usize = 32;

impl Bucket {
    /// Brings objects of one file in the folder `spool` under their keys; gives the keys of those that are there now. What
    /// became of the others [`Bucket::put`] finds out.
    pub async fn put_all(&self, objects: &[Object], spool: &Path) -> HashSet<String> {
        let Some(first) = objects.first() else { return HashSet::new() };
        let file = spool.join(&first.file);
        if self.dock.is_some() {
            let docked = self.hand_over_parts(objects, &file).await.unwrap_or_default();
            let stored = objects.iter().zip(docked).filter(|(_, docked)| *docked == Docked::Stored);
            return stored.map(|(object, _)| object.key.clone()).collect();
        }
        let put = async |object: &Object| self.put(object, &file).await.is_ok().then(|| object.key.clone());
        let arrived = futures_util::stream::iter(objects).map(put).buffer_unordered(REQUESTS_MAX);
        arrived.filter_map(std::future::ready).collect().await
    }

    /// Gives the embedded server copies of stretches of a file, where there is one that can take them.
    pub(super) async fn hand_over_parts(&self, objects: &[Object], file: &Path) -> Result<Vec<Docked>> {
        let Some(dock) = self.dock.clone() else { return Ok(vec![Docked::Apart; objects.len()]) };
        let part = |object: &Object| {
            Ok(Part {
                key: object.key.clone(),
                start: object.start,
                bytes: object.bytes,
                sha256: (object.sha256.clone(), STANDARD.encode(unhex(&object.sha256)?)),
                content_type: content_type(&object.key),
                user: [(SHA256.to_owned(), object.sha256.clone())].into(),
            })
        };
        let parts = objects.iter().map(part).collect::<Result<Vec<_>>>()?;
        let (bucket, spooled) = (self.name.clone(), file.to_owned());
        let what = || format!("objects in {:?}", file.display().to_string());
        let docked = tokio::task::spawn_blocking(move || dock.put_all(&bucket, &spooled, parts));
        docked.await.or_fail(Kind::Internal, what)?.or_fail(Kind::Unavailable, what)
    }
}
