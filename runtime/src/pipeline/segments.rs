//! Rows on their way into the lake: cut by lake window into segments, each a synced file of the spool.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::table::Table;
use crate::commit::{Epoch, Segment};
use crate::disk;
use crate::error::Result;
use crate::lake::{Profile, SegmentWriter};
use crate::time::Timestamp;

/// Where rows go: the table, and what is known of how its columns are best encoded.
pub(super) struct Target<'a> {
    pub(super) table: &'a Table,
    pub(super) profile: &'a mut Profile,
}

/// The segments of one partition's rows.
pub(super) struct Segments {
    /// What each of them says: table, partition, digest, and whose rows they are; its file is how their names begin.
    like: Segment,
    open: Option<Open>,
    finished: Vec<Segment>,
}

struct Open {
    writer: SegmentWriter,
    segment: Segment,
}

impl Segments {
    pub(super) fn new(like: Segment) -> Self {
        Self { like, open: None, finished: Vec::new() }
    }

    /// Writes rows with their origin; `times` are those of the rows and never fall, `offsets` are theirs too.
    pub(super) fn write(
        &mut self,
        to: &mut Target<'_>,
        rows: &RecordBatch,
        times: &[i64],
        offsets: &[i64],
    ) -> Result<()> {
        let size = to.table.plan.window;
        let mut start = 0;
        while let (Some(&time), Some(&offset)) = (times.get(start), offsets.get(start)) {
            let window = Timestamp(time).floor(size);
            let end = window.plus(size);
            let rest = times.get(start..).unwrap_or_default();
            let count = rest.partition_point(|&time| Timestamp(time) < end).max(1);
            let open = self.open(to, window, offset)?;
            open.writer.write(&rows.slice(start, count))?;
            open.segment.rows += count as u64;
            start += count;
            open.segment.next_offset = offsets.get(start - 1).map_or(0, |&last| last as u64 + 1);
        }
        Ok(())
    }

    /// Syncs the last of them, and gives them all, in the order of their rows.
    pub(super) fn finish(mut self, profile: &mut Profile) -> Result<Vec<Segment>> {
        self.close(profile)?;
        Ok(self.finished)
    }

    /// The same of an epoch whose rows take the place of others: together the segments cover its offsets, and there is one also where
    /// it has no row.
    pub(super) fn cover(mut self, to: &mut Target<'_>, epoch: &Epoch) -> Result<Vec<Segment>> {
        let Epoch { from, next, watermark, .. } = *epoch;
        if self.open.is_none() && self.finished.is_empty() {
            self.open(to, watermark.floor(to.table.plan.window), from.cast_signed())?;
        }
        let mut segments = self.finish(to.profile)?;
        let mut first = from;
        for segment in &mut segments {
            segment.first_offset = first;
            first = segment.next_offset;
        }
        segments.last_mut().into_iter().for_each(|last| last.next_offset = next);
        Ok(segments)
    }

    /// Leaves nothing of them.
    pub(super) fn abandon(self, table: &Table) {
        let open = self.open.iter().map(|open| &open.segment);
        // What stays is swept with all that no transaction names.
        self.finished.iter().chain(open).for_each(|segment| drop(disk::remove_file(table.spool.join(&segment.file))));
    }

    /// The open segment of a lake window; one of an earlier window is finished first.
    fn open(&mut self, to: &mut Target<'_>, window: Timestamp, first_offset: i64) -> Result<&mut Open> {
        if self.open.as_ref().is_some_and(|open| open.segment.window != window) {
            self.close(to.profile)?;
        }
        match &mut self.open {
            Some(open) => Ok(open),
            closed => {
                let table = to.table;
                let (first_offset, nth) = (first_offset as u64, self.finished.len());
                let file = format!("{}+{nth}.{}", self.like.file, table.format.extension());
                let next_offset = first_offset;
                let segment = Segment { file, window, first_offset, next_offset, ..self.like.clone() };
                let path = table.spool.join(&segment.file);
                let writer = SegmentWriter::create(&path, table.format, Arc::clone(&table.lake), to.profile)?;
                Ok(closed.insert(Open { writer, segment }))
            }
        }
    }

    fn close(&mut self, profile: &mut Profile) -> Result<()> {
        if let Some(Open { writer, mut segment }) = self.open.take() {
            let finished = writer.finish(profile)?;
            (segment.bytes, segment.sha256) = (finished.bytes, finished.sha256);
            self.finished.push(segment);
        }
        Ok(())
    }
}
