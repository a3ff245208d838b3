//! Whether the bucket is ahead of the cache: with a copy that is older, rows would be written again that are there.

use super::claim::WAIT_TIME_MAX;
use crate::cache::Store;
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::lake::{Bucket, Listed};
use crate::pipeline::shelf::Shelf;

/// What the bucket has of a table or aggregate from the window on in which the newest object lies that the cache knows.
pub(super) struct Found {
    name: String,
    listed: Vec<Listed>,
}

/// The newest object of each table and aggregate that the cache knows: its name and the object's key.
pub(super) fn newest(store: &Store, pipeline: &Pipeline) -> Result<Vec<(String, String)>> {
    let tables = pipeline.tables.iter();
    let names = tables.flat_map(|table| std::iter::once(&table.name).chain(table.aggregates.iter().map(|of| &of.name)));
    names.filter_map(|name| store.newest_key(name).map(|key| Some((name.clone(), key?))).transpose()).collect()
}

/// Lists what there is from there on; what is not answered is not known, and looked at by the next start.
pub(super) async fn listed(bucket: &Bucket, newest: Vec<(String, String)>) -> Vec<Found> {
    let mut found = Vec::new();
    for (name, key) in newest {
        let (Some(folder), Some(table)) = (key.rfind('/'), key.rfind("/window=")) else { continue };
        let (folder, table) = (key.get(..=folder).unwrap_or_default(), key.get(..=table).unwrap_or_default());
        match tokio::time::timeout(WAIT_TIME_MAX, bucket.page(table, folder)).await {
            Ok(Ok(listed)) => found.push(Found { name, listed }),
            Ok(Err(error)) => tracing::warn!(name, error = error.line(), "it is not known whether the bucket is ahead"),
            Err(_) => break,
        }
    }
    found
}

/// Has a table stand still of which the bucket knows more than the cache: nobody would notice that its rows are doubled.
pub(super) fn compare(store: &Store, found: Vec<Found>, shelf: &Shelf) -> Result<()> {
    for Found { name, listed } in found {
        for Listed { key, .. } in listed {
            let is_ours = key.rsplit('/').next().is_some_and(|file| file.contains('+'));
            if !is_ours || store.has_object(&key)? {
                continue;
            }
            let what = format!(
                "the bucket has object {key:?}, and the cache does not know of it: it is older than the bucket"
            );
            let error = Error::new(Kind::Conflict, what).hint(
                "put the newest copy of cache.sqlite back, with its -wal; where there is none, move away what `tidemill audit --quick` \
                 names as foreign: its records are cleaned again",
            );
            tracing::error!(name, error = error.message(), "the table stands still");
            shelf.refuse(&name, &error);
            break;
        }
    }
    Ok(())
}
