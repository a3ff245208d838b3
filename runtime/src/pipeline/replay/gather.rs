//! The rows that are in force of a table, gathered for windows that are made anew.

use std::fs::File;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;

use super::windows::Anew;
use super::{Found, Replay, places};
use crate::cache::query::Reader;
use crate::cache::{Holding, Replaced};
use crate::error::{Kind, OrFail, Result};
use crate::pipeline::landed;
use crate::pipeline::table::origin_fields;
use crate::schema::Field;
use crate::time::Timestamp;
use crate::window::spec::Time;
use crate::window::{Accumulator, Origin};

/// What is gathered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Of sessions, the keys of all rows at the times that are asked for, in force or not.
    Keys,
    /// The groups.
    Groups,
}

/// What rows of one partition add to the windows of an aggregate.
struct Gather<'a> {
    anew: &'a mut Anew,
    partition: u32,
    /// From which offset on the aggregate has the partition.
    begun: u64,
    /// Where its watermark stood when each epoch began, by the epoch's first offset.
    starts: Vec<(u64, Timestamp)>,
    /// Rows that come in the order of their offsets, those of epochs and those of replays, each with the epoch that it is at.
    ordered: [(Accumulator, usize); 2],
    /// Rows that come in any order: those of redrives, and all by append time.
    patient: Accumulator,
}

/// Who has written rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Epoch,
    Replay,
    Redrive,
}

impl Replay<'_> {
    /// Gathers from all rows that the lake has, and from those that came again.
    pub(super) fn gather(
        &self,
        reader: &Reader,
        found: &Found,
        all: &mut [Anew],
        revision: u64,
        pass: Pass,
    ) -> Result<()> {
        let files = self.files()?;
        let columns = columns(found, all);
        let table = found.table.plan.name.as_str();
        for (name, partition) in reader.partitions()?.into_iter().filter(|(name, _)| name == table) {
            let mut replaced = reader.replaced(&name, partition)?;
            let mine = || found.epochs.iter().filter(|(of, ..)| *of == partition);
            mine().for_each(|(_, from, next, _)| replaced.add(*from, *next, revision));
            let mut gathers = gathers(reader, &name, partition, all, &columns)?;
            let begun = gathers.iter().map(|gather| gather.begun).min().unwrap_or(0);
            let asked = match span(&gathers, pass) {
                Some(span) => offsets(reader, &name, partition, span)?,
                None => 0..i64::MAX.cast_unsigned(),
            };
            let mut feed = |file: File, offsets: Range<u64>, of: u64, by: By| {
                landed::rows(file, &columns, |rows| {
                    let rows = of_offsets(rows, &offsets)?;
                    match pass {
                        Pass::Keys => gathers.iter_mut().try_for_each(|gather| gather.name(&rows)),
                        Pass::Groups => {
                            let rows = replaced.in_force(&rows, of)?;
                            gathers.iter_mut().try_for_each(|gather| gather.add(&rows, by))
                        }
                    }
                })
            };
            for holding in reader.holdings(&name, partition, asked.start.max(begun), asked.end) {
                let holding = holding?;
                // A segment may have become part of a larger object since it was listed.
                let offsets = holding.object.first_offset..holding.object.next_offset;
                let read = feed(files.open(&holding)?, offsets, holding.object.revision, by(&holding, &replaced));
                read.map_err(|error| error.within(format!("{:?}", holding.object.file)))?;
            }
            for segment in mine().flat_map(|(.., segments)| segments) {
                let file = File::open(self.spool.join(&segment.file)).or_fail(Kind::Storage, || "replay")?;
                feed(file, 0..u64::MAX, revision, By::Replay)?;
            }
        }
        Ok(())
    }
}

/// The columns that the aggregates read, and where a row came from.
fn columns(found: &Found, all: &[Anew]) -> Vec<Field> {
    let reads = |field: &&Field| all.iter().any(|anew| anew.aggregate.columns().any(|column| column == field.name));
    let read = found.table.fields.iter().filter(reads).map(|field| Field { nullable: true, ..field.clone() });
    read.chain(origin_fields()).collect()
}

fn gathers<'a>(
    reader: &Reader,
    table: &str,
    partition: u32,
    all: &'a mut [Anew],
    columns: &[Field],
) -> Result<Vec<Gather<'a>>> {
    let mut gathers = Vec::new();
    for anew in all {
        let begun = reader.begun(&anew.layout.name)?;
        let begun = begun.iter().find(|(of, _)| *of == partition).map_or(0, |(_, from)| *from);
        let accumulator = || {
            let mut ordered = Accumulator::new(&anew.aggregate, columns, Timestamp::MIN)?;
            ordered.forgive(&anew.whole);
            Ok((ordered, usize::MAX))
        };
        let (ordered, patient) = ([accumulator()?, accumulator()?], Accumulator::patient(&anew.aggregate, columns)?);
        gathers.push(Gather { anew, partition, begun, starts: Vec::new(), ordered, patient });
    }
    if gathers.iter().all(|gather| gather.anew.aggregate.window.time == Time::Append) {
        return Ok(gathers);
    }
    let mut before = vec![Timestamp::MIN; gathers.len()];
    for line in reader.lines(table, partition) {
        let line = line?;
        for (gather, before) in gathers.iter_mut().zip(&mut before) {
            gather.starts.push((line.from, *before));
            let share = line.shares.iter().find(|share| share.aggregate == gather.anew.layout.name);
            // What the ledger says of the one that had its name before is not of it.
            let own = share.filter(|_| line.from >= gather.begun);
            *before = own.map_or(*before, |share| share.watermark);
        }
    }
    Ok(gathers)
}

/// From where to where the windows reach, where all are of append time: no other record has rows of them. Of sessions that holds for
/// the rows at the times that are asked for alone.
fn span(gathers: &[Gather<'_>], pass: Pass) -> Option<(i64, i64)> {
    let mut span: Option<(i64, i64)> = None;
    for gather in gathers {
        let Anew { aggregate, windows, .. } = &*gather.anew;
        let (first, last) = (*windows.first()?, *windows.last()?);
        let end = match (&aggregate.window.time, aggregate.window.is_session(), pass) {
            (Time::Column(_), ..) | (_, true, Pass::Groups) => return None,
            (_, true, Pass::Keys) => last.saturating_add(1),
            (_, false, _) => aggregate.window.starting(Timestamp(last))?.end.0,
        };
        span = Some(span.map_or((first, end), |(from, to)| (from.min(first), to.max(end))));
    }
    span
}

/// The offsets of the epochs that have records of these append times, the last time being none of them.
fn offsets(reader: &Reader, table: &str, partition: u32, (from, to): (i64, i64)) -> Result<Range<u64>> {
    let (mut first, mut next, mut before) = (None, 0, Timestamp::MIN);
    for line in reader.lines(table, partition) {
        let line = line?;
        if line.watermark.0 >= from && before.0 < to {
            first.get_or_insert(line.from);
            next = line.next;
        }
        before = line.watermark;
    }
    Ok(first.unwrap_or(next)..next)
}

/// Rows of these offsets.
fn of_offsets(rows: &RecordBatch, of: &Range<u64>) -> Result<RecordBatch> {
    let (_, offsets) = places(rows)?;
    if offsets.iter().all(|offset| of.contains(&offset.cast_unsigned())) {
        return Ok(rows.clone());
    }
    let kept: BooleanArray = offsets.iter().map(|offset| Some(of.contains(&offset.cast_unsigned()))).collect();
    filter_record_batch(rows, &kept).or_fail(Kind::Internal, || "replay")
}

fn by(holding: &Holding, replaced: &Replaced) -> By {
    match holding.object.revision {
        0 => By::Epoch,
        revision if replaced.by_any(revision) => By::Replay,
        _ => By::Redrive,
    }
}

impl Gather<'_> {
    fn add(&mut self, rows: &RecordBatch, by: By) -> Result<()> {
        let (times, offsets) = places(rows)?;
        let mut at = offsets.partition_point(|offset| offset.cast_unsigned() < self.begun);
        while let Some(offset) = offsets.get(at).map(|offset| offset.cast_unsigned()) {
            let epoch = self.starts.partition_point(|(from, _)| *from <= offset);
            let end = self.starts.get(epoch).map_or(u64::MAX, |(from, _)| *from);
            let rest = offsets.get(at..).unwrap_or_default();
            let count = rest.partition_point(|offset| offset.cast_unsigned() < end).max(1);
            let origin = Origin {
                partition: self.partition,
                times: times.get(at..at + count).unwrap_or_default(),
                offsets: offsets.get(at..at + count).unwrap_or_default(),
            };
            self.part(&rows.slice(at, count), origin, epoch, by)?;
            at += count;
        }
        Ok(())
    }

    /// Adds rows of one epoch.
    fn part(&mut self, rows: &RecordBatch, origin: Origin<'_>, epoch: usize, by: By) -> Result<()> {
        if self.anew.is_beyond() {
            return Ok(());
        }
        let [of_epochs, of_replays] = &mut self.ordered;
        // By append time no row is late; and of what a redrive has added, none is by those that came after its record.
        let accumulator = match by {
            _ if self.starts.is_empty() || self.anew.aggregate.window.time == Time::Append => &mut self.patient,
            By::Redrive => &mut self.patient,
            By::Epoch | By::Replay => {
                let (accumulator, at) = if by == By::Epoch { of_epochs } else { of_replays };
                if *at != epoch {
                    *at = epoch;
                    let start = epoch.checked_sub(1).and_then(|before| self.starts.get(before));
                    accumulator.resume(start.map_or(Timestamp::MIN, |(_, watermark)| *watermark));
                }
                accumulator
            }
        };
        accumulator.add(rows, origin)?;
        let mut partial = accumulator.take();
        let Anew { aggregate, windows, keys, state, .. } = &mut *self.anew;
        match aggregate.window.is_session() {
            true => partial.retain_of(keys),
            false => partial.retain(|window| windows.contains(&window.0)),
        }
        state.amend(partial)?;
        // Who is late is known, and told by nobody here.
        let _ = (state.late_rows(), state.missed());
        Ok(())
    }

    /// Takes the keys of rows at the times that are asked for, where windows are sessions.
    fn name(&mut self, rows: &RecordBatch) -> Result<()> {
        let Anew { aggregate, windows, keys, .. } = &mut *self.anew;
        if !aggregate.window.is_session() {
            return Ok(());
        }
        let time = match &aggregate.window.time {
            Time::Append => "_time",
            Time::Column(column) => column,
        };
        let times = rows.column_by_name(time).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.into_iter().flat_map(|times| times.iter());
        let asked: BooleanArray = times.map(|time| Some(time.is_some_and(|time| windows.contains(&time)))).collect();
        if asked.true_count() == 0 {
            return Ok(());
        }
        let rows = filter_record_batch(rows, &asked).or_fail(Kind::Internal, || "replay: rows of some times")?;
        let (times, offsets) = places(&rows)?;
        self.patient.add(&rows, Origin { partition: self.partition, times: &times, offsets: &offsets })?;
        keys.take(self.patient.take());
        Ok(())
    }
}
