//! Windows of aggregates made anew from the rows that are in force, and held against those that are shown.

use std::collections::BTreeSet;
use std::fs::File;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use serde_json::{Map, Value as Json, json};

use super::report::GroupDifference;
use super::{Found, Replay};
use crate::cache::query::Reader;
use crate::cache::{AggregateLayout, GroupStray, Holding, Replaced};
use crate::commit::{Group, Segment, Standing};
use crate::config::plan;
use crate::error::{Kind, OrFail, Result};
use crate::lake::{Finished, Profile, SegmentWriter};
use crate::pipeline::landed;
use crate::pipeline::layout::layout;
use crate::pipeline::table::{Table, origin_fields};
use crate::schema::{Field, arrow_schema};
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::spec::{Aggregate, Span, Time};
use crate::window::{self, Accumulator, Origin, State};

/// Windows of an aggregate as they come again.
pub struct Anew {
    /// How the cache shows it.
    pub layout: AggregateLayout,
    /// The windows that differ, whatever groups they have.
    pub differ: BTreeSet<i64>,
    /// The groups of all windows that were made anew, each with its state.
    pub groups: Vec<Group>,
    aggregate: Aggregate,
    windows: BTreeSet<i64>,
    /// Windows for which no row is late.
    whole: BTreeSet<i64>,
    state: State,
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
    /// Rows of redrives.
    amending: Accumulator,
}

/// Who has written rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Epoch,
    Replay,
    Redrive,
}

/// Notes the windows of rows, for the aggregates whose time is a column.
pub(super) fn note(plan: &plan::Table, rows: &RecordBatch, windows: &mut [BTreeSet<i64>]) {
    for (aggregate, windows) in plan.aggregates.iter().zip(windows) {
        let Time::Column(column) = &aggregate.window.time else { continue };
        let column = rows.column_by_name(column).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = column.into_iter().flat_map(|column| column.iter().flatten());
        let spans = times.flat_map(|time| aggregate.window.spans(Timestamp(time)));
        windows.extend(spans.map(|window| window.start.0));
    }
}

impl Replay<'_> {
    /// Makes the windows anew in which a replay found differences, of the rows as they then are: all that the lake has in them, but
    /// for those that are late by their own partition's watermark, where none of these were put in before. What differs from what the cache shows is put into the report.
    pub fn windows(&self, reader: &Reader, found: &mut Found, revision: u64) -> Result<Vec<Anew>> {
        let mut all = self.begin(reader, found)?;
        if all.is_empty() {
            found.report.proven &= found.report.left_out.is_empty();
            return Ok(all);
        }
        let files = self.files()?;
        let columns = columns(found, &all);
        let table = found.table.plan.name.as_str();
        for (name, partition) in reader.partitions()?.into_iter().filter(|(name, _)| name == table) {
            let mut replaced = reader.replaced(&name, partition)?;
            let mine = || found.epochs.iter().filter(|(of, ..)| *of == partition);
            mine().for_each(|(_, from, next, _)| replaced.add(*from, *next, revision));
            let mut gathers = gathers(reader, &name, partition, &mut all, &columns)?;
            let begun = gathers.iter().map(|gather| gather.begun).min().unwrap_or(0);
            let span = span(&gathers);
            for holding in reader.holdings(&name, partition, begun, i64::MAX.cast_unsigned()) {
                let holding = holding?;
                let start = holding.object.window;
                if span.is_some_and(|(from, to)| start.0 >= to || start.plus(found.table.plan.window).0 <= from) {
                    continue;
                }
                let by = by(&holding, &replaced);
                let read = feed(files.open(&holding)?, &columns, &replaced, holding.object.revision, by, &mut gathers);
                read.map_err(|error| error.within(format!("{:?}", holding.object.file)))?;
            }
            for segment in mine().flat_map(|(.., segments)| segments) {
                let file = File::open(self.spool.join(&segment.file)).or_fail(Kind::Storage, || "replay")?;
                feed(file, &columns, &replaced, revision, By::Replay, &mut gathers)?;
            }
        }
        for anew in &mut all {
            anew.groups = anew.state.changed();
            anew.stand(reader)?;
            self.compare(reader, anew, found)?;
        }
        found.report.same = !found.report.differs();
        found.report.proven &= found.report.left_out.is_empty();
        Ok(all)
    }

    fn begin(&self, reader: &Reader, found: &mut Found) -> Result<Vec<Anew>> {
        let layout = layout(self.pipeline, [&found.table])?;
        let mut all = Vec::new();
        for (aggregate, windows) in found.table.plan.aggregates.iter().zip(&found.windows) {
            let layout = layout.aggregates.iter().find(|layout| layout.name == aggregate.name);
            let (Some(layout), false) = (layout, windows.is_empty()) else { continue };
            if aggregate.window.is_session() {
                // Where a session begins and ends depends on rows that did not come again.
                let what = format!("aggregate {:?}: sessions are not made anew by a replay", aggregate.name);
                found.report.left_out.push(what);
                continue;
            }
            let state = State::new(aggregate, &found.table.fields, 0)?;
            let (layout, windows, aggregate) = (layout.clone(), windows.clone(), aggregate.clone());
            let (differ, groups) = (BTreeSet::new(), Vec::new());
            let whole = self.whole(reader, &aggregate, &windows)?;
            all.push(Anew { layout, differ, groups, aggregate, windows, whole, state });
        }
        Ok(all)
    }

    fn compare(&self, reader: &Reader, anew: &mut Anew, found: &mut Found) -> Result<()> {
        let (name, report) = (anew.layout.name.as_str(), &mut found.report);
        let Some(derived) = reader.derive_aggregate(&anew.layout)? else {
            let what = format!("aggregate {name:?}: it is declared otherwise than when the pipeline last ran");
            report.left_out.push(what);
            return Ok(());
        };
        derived.add(&window::rows(&anew.layout.fields, &anew.groups)?, false)?;
        let windows: Vec<Timestamp> = anew.windows.iter().map(|window| Timestamp(*window)).collect();
        let rows_max = self.asked.rows_max;
        let shown = report.groups.len();
        let differs = derived.differences(&windows, |group| {
            if let Some(Value::Text(window)) = group.key.first() {
                anew.differ.extend(Timestamp::parse(window).map(|window| window.0));
            }
            if report.groups.len() < shown + rows_max {
                report.groups.push(told(&anew.layout, group));
            }
        })?;
        if differs > 0 {
            report.groups_changed.insert(name.to_owned(), differs);
        }
        Ok(())
    }
}

impl Anew {
    /// Has the groups stand as far as time has come, without numbers of their own.
    fn stand(&mut self, reader: &Reader) -> Result<()> {
        let upto = reader.marks(&self.layout.name)?.map_or(Timestamp::MIN, |marks| marks.closed_upto);
        for group in &mut self.groups {
            // Those that the cache has keep theirs.
            group.number = 0;
            group.standing = match group.end {
                end if self.aggregate.window.closes(end) <= upto => Standing::Closed,
                end if end <= upto => Standing::OnTime,
                _ => Standing::Early,
            };
        }
        Ok(())
    }

    /// The groups of a window.
    pub fn groups_of(&self, window: Timestamp) -> &[Group] {
        let first = self.groups.partition_point(|group| group.window < window);
        let end = self.groups.partition_point(|group| group.window <= window);
        self.groups.get(first..end).unwrap_or_default()
    }

    /// Writes a window as a segment for the lake, where it has closed for good; none where it is open.
    pub fn segment(&self, reader: &Reader, window: Timestamp, to: &Table, revision: u64) -> Result<Option<Segment>> {
        let upto = reader.marks(&self.layout.name)?.map_or(Timestamp::MIN, |marks| marks.closed_upto);
        let is_open = |span: Span| self.aggregate.window.closes(span.end) > upto;
        if self.aggregate.window.starting(window).is_none_or(is_open) {
            return Ok(None);
        }
        let table = self.layout.name.clone();
        let file = format!("{table}+{}+v{revision}", window.0);
        let schema = arrow_schema(&self.layout.fields);
        let mut writer = SegmentWriter::create(&to.spool.join(&file), to.format, schema, &Profile::default())?;
        let groups = self.groups_of(window);
        writer.write(&window::rows(&self.layout.fields, groups)?)?;
        let Finished { bytes, sha256, .. } = writer.finish(&mut Profile::default())?;
        let rows = groups.len() as u64;
        let sha256 = Some(sha256);
        Ok(Some(Segment { file, table, revision, replaces: true, window, rows, bytes, sha256, ..Segment::default() }))
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
        let accumulator = || Accumulator::new(&anew.aggregate, columns, Timestamp::MIN).map(|it| (it, usize::MAX));
        let (ordered, amending) = ([accumulator()?, accumulator()?], Accumulator::amending(&anew.aggregate, columns)?);
        gathers.push(Gather { anew, partition, begun, starts: Vec::new(), ordered, amending });
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
            *before = share.map_or(*before, |share| share.watermark);
        }
    }
    Ok(gathers)
}

/// From where to where the windows reach, where all are of append time: no other lake window has rows of them.
fn span(gathers: &[Gather<'_>]) -> Option<(i64, i64)> {
    let mut span: Option<(i64, i64)> = None;
    for gather in gathers {
        let Anew { aggregate, windows, .. } = &*gather.anew;
        if aggregate.window.time != Time::Append {
            return None;
        }
        let (first, last) = (*windows.first()?, aggregate.window.starting(Timestamp(*windows.last()?))?.end.0);
        span = Some(span.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
    }
    span
}

fn by(holding: &Holding, replaced: &Replaced) -> By {
    match holding.object.revision {
        0 => By::Epoch,
        revision if replaced.by_any(revision) => By::Replay,
        _ => By::Redrive,
    }
}

/// Adds the rows of a file that are in force.
fn feed(
    file: File,
    columns: &[Field],
    replaced: &Replaced,
    revision: u64,
    by: By,
    gathers: &mut [Gather<'_>],
) -> Result<()> {
    landed::rows(file, columns, |rows| {
        let rows = replaced.in_force(rows, revision)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        gathers.iter_mut().try_for_each(|gather| gather.add(&rows, by))
    })
}

impl Gather<'_> {
    fn add(&mut self, rows: &RecordBatch, by: By) -> Result<()> {
        let (times, offsets) = super::places(rows)?;
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
        if by != By::Redrive && !self.anew.whole.is_empty() {
            self.add_whole(rows, origin)?;
        }
        let [of_epochs, of_replays] = &mut self.ordered;
        // By append time no row is late; and of what a redrive has added, none is by those that came after its record.
        let accumulator = match by {
            _ if self.starts.is_empty() || self.anew.aggregate.window.time == Time::Append => &mut self.amending,
            By::Redrive => &mut self.amending,
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
        let Anew { windows, whole, state, .. } = &mut *self.anew;
        partial.retain(|window| windows.contains(&window.0) && (by == By::Redrive || !whole.contains(&window.0)));
        state.amend(partial).map(drop)
    }

    /// Adds rows to the windows for which none is late.
    fn add_whole(&mut self, rows: &RecordBatch, origin: Origin<'_>) -> Result<()> {
        self.amending.add(rows, origin)?;
        let mut partial = self.amending.take();
        let Anew { windows, whole, state, .. } = &mut *self.anew;
        partial.retain(|window| windows.contains(&window.0) && whole.contains(&window.0));
        state.amend(partial).map(drop)
    }
}

/// A group that differs, for people and programs.
fn told(layout: &AggregateLayout, group: GroupStray) -> GroupDifference {
    let names = |skip: usize| layout.fields.iter().skip(skip).map(|field| field.name.clone());
    let mut key = group.key.into_iter();
    let window = key.next().map_or(Json::Null, shown);
    let measures =
        |values: Vec<Value>| -> Map<String, Json> { names(2 + layout.by).zip(values.into_iter().map(shown)).collect() };
    GroupDifference {
        aggregate: layout.name.clone(),
        window,
        group: names(2).zip(key.map(shown)).collect(),
        was: group.was.map(measures),
        now: group.now.map(measures),
    }
}

fn shown(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Int64(value) => json!(value),
        Value::Float64(value) => json!(value),
        Value::Timestamp(_) | Value::Text(_) | Value::Bytes(_) => json!(value.to_string()),
    }
}
