//! The aggregates of all tables in the committer's hands: merged, closed, made ready to be stored.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::shelf::Shelf;
use super::table::Table;
use crate::cache::{Mark, Marks};
use crate::commit::{Group, LateRow, Segment, Share};
use crate::error::{Error, Kind, Result};
use crate::lake::options::Format;
use crate::lake::{Profile, SegmentWriter};
use crate::schema::{Field, arrow_schema};
use crate::time::Timestamp;
use crate::window::spec::{Span, Window};
use crate::window::{self, Partial, PartitionProgress, Progress, State};

/// The aggregates of a pipeline.
#[derive(Default)]
pub struct Aggregates {
    all: Vec<Aggregate>,
}

struct Aggregate {
    name: String,
    table: String,
    /// How often it has begun anew.
    renewals: u32,
    output: Vec<Field>,
    state: State,
    memory_max: usize,
    /// Rows that came too late, since the aggregate began.
    late: u64,
    /// Those among them that are stored.
    late_stored: u64,
}

/// An aggregate as the last commit left it.
#[derive(Default)]
pub struct Stored {
    /// How often it has begun anew.
    pub renewals: u32,
    /// Its open groups.
    pub groups: Vec<Group>,
    /// The greatest number of a group.
    pub last: i64,
    /// How far it has come.
    pub marks: Option<Marks>,
}

/// What one transaction stores of one aggregate.
pub struct Change {
    /// Its name.
    pub aggregate: String,
    /// Stored groups that have become a part of others.
    pub gone: Vec<Group>,
    /// Groups that are open and have changed.
    pub changed: Vec<Group>,
    /// Groups whose window has closed.
    pub closed: Vec<Group>,
    /// How far it has come.
    pub marks: Marks,
    /// Rows that came too late since the last time.
    pub late: u64,
    /// Some of them.
    pub late_rows: Vec<LateRow>,
    /// The windows that they missed.
    pub missed: Vec<Timestamp>,
    /// The closed windows as segments for the lake, a file each.
    pub segments: Vec<Segment>,
    output: Vec<Field>,
}

impl Aggregates {
    /// Adds the aggregates of a table, restored by `stored`, which has them by their names.
    pub fn add(&mut self, table: &Arc<Table>, partitions: u32, stored: impl Fn(&str) -> Result<Stored>) -> Result<()> {
        for aggregate in &table.plan.aggregates {
            let output = window::output_fields(aggregate, &table.fields)?;
            let Stored { renewals, groups, last, marks } = stored(&aggregate.name)?;
            let late = marks.as_ref().map_or(0, |marks| marks.late);
            let progress = marks.map_or_else(|| Progress::new(partitions), progress);
            let state = State::restore(aggregate, &table.fields, partitions, (&groups, last), progress)?;
            let (name, table) = (aggregate.name.clone(), table.plan.name.clone());
            let memory_max = aggregate.memory_max;
            self.all.push(Aggregate { name, table, renewals, output, state, memory_max, late, late_stored: late });
        }
        Ok(())
    }

    /// Takes the open groups of a table's aggregates as they are stored now; how far time has come stays.
    pub fn reload(&mut self, table: &Table, stored: impl Fn(&str) -> Result<(Vec<Group>, i64)>) -> Result<()> {
        for declared in &table.plan.aggregates {
            let Some(aggregate) = self.all.iter_mut().find(|aggregate| aggregate.name == declared.name) else {
                continue;
            };
            let progress = aggregate.state.progress().clone();
            let (groups, last) = stored(&declared.name)?;
            aggregate.state = State::restore(declared, &table.fields, 0, (&groups, last), progress)?;
        }
        Ok(())
    }

    /// How far each aggregate of a table has come in a partition, in their order.
    pub fn watermarks(&self, table: &str, partition: u32) -> Vec<Timestamp> {
        let of_table = self.all.iter().filter(|aggregate| aggregate.table == table);
        let watermark =
            |aggregate: &Aggregate| aggregate.state.progress().partitions.get(partition as usize).map(|p| p.watermark);
        of_table.map(|aggregate| watermark(aggregate).unwrap_or(Timestamp::MIN)).collect()
    }

    /// Merges what a partition's epoch adds to the aggregates of its table, which come in their order; says what it was to each.
    pub fn merge(&mut self, table: &str, partition: u32, partials: Vec<Partial>) -> Result<Vec<Share>> {
        let of_table = self.all.iter_mut().filter(|aggregate| aggregate.table == table);
        let mut shares = Vec::with_capacity(partials.len());
        for (aggregate, partial) in of_table.zip(partials) {
            let watermark = partial.watermark;
            let late = aggregate.state.merge(partition, partial)?;
            aggregate.late += late;
            shares.push(Share { aggregate: aggregate.name.clone(), late, watermark });
        }
        Ok(shares)
    }

    /// Merges rows of a table that come again and let no time pass; how many each aggregate counts as late, where there are any.
    pub fn amend(&mut self, table: &str, partials: Vec<Partial>) -> Result<Vec<(String, u64)>> {
        let of_table = self.all.iter_mut().filter(|aggregate| aggregate.table == table);
        let mut all_late = Vec::new();
        for (aggregate, partial) in of_table.zip(partials) {
            let late = aggregate.state.amend(partial)?;
            aggregate.late += late;
            all_late.extend((late > 0).then(|| (aggregate.name.clone(), late)));
        }
        Ok(all_late)
    }

    /// Holds up the workers of tables with an aggregate whose open windows take more memory than they may, and no others.
    pub fn weigh(&self, shelf: &Shelf) {
        self.all.iter().for_each(|aggregate| shelf.crowded(&aggregate.name, aggregate.crowded().as_ref()));
    }

    /// Lets time pass in a partition that has shown no record for `quiet`.
    pub fn advance(&mut self, table: &str, partition: u32, settled: Timestamp, quiet: Duration) {
        let of_table = self.all.iter_mut().filter(|aggregate| aggregate.table == table);
        of_table.for_each(|aggregate| aggregate.state.advance(partition, settled, quiet));
    }

    /// Closes what can be closed, and gives all that is to be stored.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.all.iter_mut().filter_map(Aggregate::take_change).collect()
    }
}

impl Aggregate {
    fn crowded(&self) -> Option<Error> {
        let (taken, most) = (self.state.memory(), self.memory_max);
        (taken > most).then(|| {
            let [taken, most] = [taken, most].map(|bytes| bytes.div_ceil(1 << 10));
            let what = format!(
                "its open windows, {} groups, take about {taken} KiB, and memory allows {most} KiB",
                self.state.open()
            );
            let hint =
                "raise memory of the aggregate, or let its windows end sooner or have fewer groups, and start again";
            Error::new(Kind::Conflict, what).hint(hint)
        })
    }

    fn take_change(&mut self) -> Option<Change> {
        let closed = self.state.close();
        let (changed, gone) = (self.state.changed(), self.state.gone());
        let late = self.late - self.late_stored;
        // Time that passes without a row is worth storing only with what it has closed.
        if closed.is_empty() && changed.is_empty() && gone.is_empty() && late == 0 {
            return None;
        }
        self.late_stored = self.late;
        let marks = marks(self.state.progress(), self.late);
        let segments = segments((&self.name, self.renewals), self.state.window(), &closed);
        Some(Change {
            aggregate: self.name.clone(),
            gone,
            changed,
            closed,
            marks,
            late,
            late_rows: self.state.late_rows(),
            missed: self.state.missed(),
            segments,
            output: self.output.clone(),
        })
    }
}

/// Progress as the cache stores it.
fn marks(progress: &Progress, late: u64) -> Marks {
    let mark = |(partition, p): (u32, &PartitionProgress)| Mark { partition, watermark: p.watermark, idle: p.idle };
    Marks { closed_upto: progress.closed_upto, late, partitions: (0..).zip(&progress.partitions).map(mark).collect() }
}

/// Progress as it was stored.
fn progress(marks: Marks) -> Progress {
    let mut progress = Progress::new(marks.partitions.iter().map(|mark| mark.partition + 1).max().unwrap_or(0));
    progress.closed_upto = marks.closed_upto;
    for mark in marks.partitions {
        if let Some(partition) = progress.partitions.get_mut(mark.partition as usize) {
            *partition = PartitionProgress { watermark: mark.watermark, idle: mark.idle };
        }
    }
    progress
}

/// A segment for each window of the lake among `closed`, which come by these.
fn segments((aggregate, renewals): (&str, u32), of: &Window, closed: &[Group]) -> Vec<Segment> {
    let lands = |group: &Group| of.lands(Span { start: group.window, end: group.end });
    let windows = closed.chunk_by(|a, b| lands(a) == lands(b));
    let segment = |groups: &[Group]| {
        let window = lands(groups.first()?);
        Some(Segment {
            file: format!("{aggregate}+{renewals}+{}", window.0),
            table: aggregate.to_owned(),
            partition: renewals,
            epoch: 0,
            revision: 0,
            replaces: false,
            window,
            first_offset: 0,
            next_offset: 0,
            rows: groups.len() as u64,
            bytes: 0,
            digest: String::new(),
            sha256: String::new(),
            restored: false,
        })
    };
    windows.filter_map(segment).collect()
}

impl Change {
    /// Writes and syncs the segments; done again, it writes the same.
    pub fn write_segments(&mut self, spool: &Path, format: Format) -> Result<()> {
        let schema = arrow_schema(&self.output);
        let mut closed = self.closed.as_slice();
        for segment in &mut self.segments {
            let (groups, rest) = closed.split_at_checked(segment.rows as usize).unwrap_or((closed, &[]));
            closed = rest;
            let mut writer =
                SegmentWriter::create(&spool.join(&segment.file), format, Arc::clone(&schema), &Profile::default())?;
            writer.write(&window::rows(&self.output, groups)?)?;
            let finished = writer.finish(&mut Profile::default())?;
            (segment.bytes, segment.sha256) = (finished.bytes, finished.sha256);
        }
        Ok(())
    }
}
