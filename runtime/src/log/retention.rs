//! Retention: the oldest sealed segments go when they are too old or too many, and nobody needs them.

use std::fs;
use std::io;

use super::index;
use super::options::Options;
use super::partition::{Partition, Segment};
use super::segment;
use super::snapshot;
use crate::error::Result;
use crate::sync;
use crate::time::Timestamp;

/// Removes what may go and holds nothing at or after offset `needed_from`; gives back how many bytes that were.
///
/// The caller has made durable that nothing before `needed_from` is needed. One segment after the other, the oldest
/// first and the folder synced each time: a crash leaves no hole.
pub(super) fn retain(partition: &Partition, options: &Options, now: Timestamp, needed_from: u64) -> Result<u64> {
    let mut removed = 0;
    loop {
        let bytes = partition.bytes();
        let due = |segment: &Segment| {
            let old = options.retention_age.is_some_and(|age| segment.time < now.minus(age));
            let much = options.retention_bytes.is_some_and(|bytes_max| bytes > bytes_max);
            segment.end <= needed_from && (old || much)
        };
        let Some(oldest) = partition.take_oldest(due) else { return Ok(removed) };
        let folder = &partition.place.folder;
        let gone = match fs::remove_file(segment::path(folder, oldest.base)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            gone => gone,
        };
        let base = oldest.base;
        match &gone {
            Ok(()) => removed += oldest.bytes,
            Err(_) => partition.put_back(oldest),
        }
        partition.place.io(gone, format!("segment {base:020}"))?;
        // What is beside it goes last: what is left over is of a segment that is no more, and nothing looks at it.
        drop(fs::remove_file(index::path(folder, base)));
        drop(fs::remove_file(snapshot::path(folder, base)));
        partition.place.io(sync::folder(folder), "its folder")?;
    }
}
