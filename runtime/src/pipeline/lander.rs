//! The lander: joins the segments of a closed window into one object, ready for the outbox.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use hashbrown::HashMap;

use super::committer::Message;
use super::shelf::Shelf;
use crate::commit::{Object, Segment};
use crate::error::{Error, Kind, Result};
use crate::lake::options::Options;
use crate::lake::{self, Finished, Joined, Part};
use crate::sabotage::{self, Place};

/// All that the lander needs.
pub struct Setup {
    /// Where it takes segments from.
    pub shelf: Arc<Shelf>,
    /// The spool's folder.
    pub spool: PathBuf,
    /// The lake.
    pub lake: Options,
    /// The topic of each table; an aggregate has none.
    pub topics: HashMap<String, String>,
    /// Where it sends what it has joined.
    pub committer: SyncSender<Message>,
}

/// Joins what is due until the shelf ends.
pub fn run(setup: &Setup) {
    while let Some(segments) = setup.shelf.take_due() {
        if !step(setup, segments) {
            return;
        }
    }
}

/// Joins segments that were taken from the shelf, and hands the object over; those that cannot be joined rest there a while. False
/// when nobody listens any more.
pub(crate) fn step(setup: &Setup, mut segments: Vec<Segment>) -> bool {
    segments.iter().for_each(|segment| sabotage::pass(Place::Lander, &segment.table));
    match join(setup, &segments) {
        Ok((joined, object)) => {
            // What has other columns becomes an object of its own.
            setup.shelf.put_back(segments.split_off(joined));
            let files = segments.into_iter().map(|segment| segment.file).collect();
            setup.committer.send(Message::Landed { segments: files, object }).is_ok()
        }
        Err(error) => {
            let table = segments.first().map(|segment| segment.table.as_str());
            tracing::error!(table, error = error.message(), "segments not joined");
            setup.shelf.put_back_to_rest(segments, &error);
            true
        }
    }
}

/// The object of the segments, or of as many of them as have the columns of the first: how many, too.
fn join(setup: &Setup, segments: &[Segment]) -> Result<(usize, Object)> {
    let nothing = || Error::new(Kind::Internal, "lander: nothing to join");
    let first = segments.first().ok_or_else(nothing)?;
    let Segment { table, partition, epoch, revision, window, first_offset, .. } = first;
    let topic = setup.topics.get(table).unwrap_or(table);
    let extension = setup.lake.format.extension();
    let file = format!("object+{table}+{partition}+{}+{first_offset}+{epoch}+{revision}.{extension}", window.0);
    let joined = match one(setup, segments, &file)? {
        Some(joined) => joined,
        None => {
            let parts: Vec<Part> = segments.iter().map(|segment| part(setup, segment)).collect();
            lake::join(&parts, &setup.spool.join(&file), setup.lake.format)?
        }
    };
    let segments = segments.get(..joined.segments).unwrap_or_default();
    let last = segments.last().ok_or_else(nothing)?;
    let key = lake::object_key(&setup.lake, topic, first, last);
    let mut digests = Vec::new();
    for segment in segments {
        if !digests.contains(&segment.digest) {
            digests.push(segment.digest.clone());
        }
    }
    let object = Object {
        key,
        file,
        start: 0,
        table: table.clone(),
        partition: *partition,
        revision: *revision,
        window: *window,
        first_offset: *first_offset,
        next_offset: last.next_offset,
        rows: joined.holds.rows,
        bytes: joined.holds.bytes,
        sha256: joined.holds.sha256,
        digests,
    };
    Ok((segments.len(), object))
}

/// One segment that this process has written is the object, and is not read again.
fn one(setup: &Setup, segments: &[Segment], file: &str) -> Result<Option<Joined>> {
    let [segment @ Segment { restored: false, .. }] = segments else { return Ok(None) };
    let Part { file: segment, holds } = part(setup, segment);
    Ok(lake::link(&segment, &setup.spool.join(file))?.then_some(Joined { segments: 1, holds }))
}

fn part(setup: &Setup, segment: &Segment) -> Part {
    let Segment { file, rows, bytes, sha256, .. } = segment;
    Part { file: setup.spool.join(file), holds: Finished { rows: *rows, bytes: *bytes, sha256: sha256.clone() } }
}
