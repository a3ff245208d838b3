//! Windows of aggregates made anew from the rows that are in force, and held against those that are shown.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use serde_json::{Map, Value as Json, json};

use super::gather::Pass;
use super::report::{GroupDifference, Report};
use super::sessions::Sessions;
use super::{Found, Replay};
use crate::cache::query::Reader;
use crate::cache::{AggregateLayout, GroupStray, Revise};
use crate::commit::{Group, Segment, Standing};
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::lake::{Finished, Profile, SegmentWriter};
use crate::pipeline::layout::layout;
use crate::pipeline::table::Table;
use crate::schema::arrow_schema;
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::spec::{Aggregate, Span, Time};
use crate::window::{self, Keys, State};

/// About what a session takes of memory, in bytes.
const SESSION: usize = 800;

/// Windows of an aggregate as they come again.
pub struct Anew {
    /// How the cache shows it.
    pub(super) layout: AggregateLayout,
    pub(super) aggregate: Aggregate,
    /// The starts of the windows; of sessions, the times of rows that these are to have, or have had.
    pub(super) windows: BTreeSet<i64>,
    /// Windows for which no row is late; of sessions, the times of such rows.
    pub(super) whole: BTreeSet<i64>,
    /// Of sessions, the keys of all rows at those times.
    pub(super) keys: Keys,
    pub(super) state: State,
    /// All groups that were made anew, each with its state; of sessions, all that those keys ever had.
    pub(super) groups: Vec<Group>,
    /// How often it has begun anew.
    renewals: u32,
    differ: Differ,
}

/// What differs from what is shown.
enum Differ {
    /// Windows, whatever groups they have.
    Windows(BTreeSet<i64>),
    Sessions(Sessions),
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
    /// for those that are late by their own partition's watermark, where none of these were put in before. What differs from what the
    /// cache shows is put into the report.
    pub fn windows(&self, reader: &Reader, found: &mut Found, revision: u64) -> Result<Vec<Anew>> {
        let mut all = self.begin(reader, found)?;
        if all.iter().any(|anew| anew.aggregate.window.is_session()) {
            self.gather(reader, found, &mut all, revision, Pass::Keys)?;
        }
        if !all.is_empty() {
            self.gather(reader, found, &mut all, revision, Pass::Groups)?;
        }
        for anew in &mut all {
            if let Err(error) = anew.fits() {
                found.report.left_out.push(error.line());
                continue;
            }
            anew.groups = anew.state.changed();
            anew.stand(reader)?;
            anew.differ = self.compare(reader, anew, &mut found.report)?;
        }
        if !all.is_empty() {
            found.report.same = !found.report.differs();
        }
        found.report.proven &= found.report.left_out.is_empty();
        Ok(all)
    }

    fn begin(&self, reader: &Reader, found: &Found) -> Result<Vec<Anew>> {
        let layout = layout(self.pipeline, [&found.table])?;
        let mut all = Vec::new();
        for (aggregate, windows) in found.table.plan.aggregates.iter().zip(&found.windows) {
            let layout = layout.aggregates.iter().find(|layout| layout.name == aggregate.name);
            let (Some(layout), false) = (layout, windows.is_empty()) else { continue };
            all.push(Anew {
                layout: layout.clone(),
                windows: windows.clone(),
                whole: self.whole(reader, aggregate, windows)?,
                keys: Keys::default(),
                state: State::new(aggregate, &found.table.fields, 0)?,
                groups: Vec::new(),
                renewals: reader.renewals(&aggregate.name)?,
                differ: Differ::Windows(BTreeSet::new()),
                aggregate: aggregate.clone(),
            });
        }
        Ok(all)
    }

    fn compare(&self, reader: &Reader, anew: &Anew, report: &mut Report) -> Result<Differ> {
        let (layout, name, mut differ) = (&anew.layout, anew.layout.name.as_str(), BTreeSet::new());
        let (rows_max, shown) = (self.asked.rows_max, report.groups.len());
        let tell = |report: &mut Report, group: GroupStray| {
            if report.groups.len() < shown + rows_max {
                report.groups.push(told(layout, group));
            }
        };
        let (differ, count) = if anew.aggregate.window.is_session() && reader.has_aggregate(layout)? {
            let (sessions, strays) = Sessions::compare(reader, anew)?;
            report.left_out.extend(sessions.left_out(name));
            let count = strays.len() as u64;
            strays.into_iter().for_each(|stray| tell(report, stray));
            (Differ::Sessions(sessions), count)
        } else if let Some(derived) = reader.derive_aggregate(layout)? {
            derived.add(&window::rows(&layout.fields, &anew.groups)?, false)?;
            let windows: Vec<Timestamp> = anew.windows.iter().map(|window| Timestamp(*window)).collect();
            let count = derived.differences(&windows, |group| {
                if let Some(Value::Text(window)) = group.key.first() {
                    differ.extend(Timestamp::parse(window).map(|window| window.0));
                }
                tell(report, group);
            })?;
            (Differ::Windows(differ), count)
        } else {
            let what = format!("aggregate {name:?}: it is declared otherwise than when the pipeline last ran");
            report.left_out.push(what);
            (Differ::Windows(differ), 0)
        };
        if count > 0 {
            report.groups_changed.insert(name.to_owned(), count);
        }
        Ok(differ)
    }
}

impl Anew {
    /// Whether it has more sessions than memory allows: it is given no more rows then.
    pub(super) fn is_beyond(&self) -> bool {
        self.aggregate.window.is_session() && self.state.open() > self.aggregate.memory_max / SESSION
    }

    /// Errors where it has more sessions than memory allows: what differs of them is not known.
    pub fn fits(&self) -> Result<()> {
        if !self.is_beyond() {
            return Ok(());
        }
        let Aggregate { name, memory_max, .. } = &self.aggregate;
        let what = format!(
            "aggregate {name:?}: the groups that are concerned have had {} sessions, more than memory ({memory_max} bytes) allows",
            self.state.open()
        );
        Err(Error::new(Kind::Input, what).hint("raise memory of the aggregate, and give the same command again"))
    }

    /// Has the groups stand as far as time has come, without numbers of their own.
    fn stand(&mut self, reader: &Reader) -> Result<()> {
        let upto = self.closed_upto(reader)?;
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

    /// Puts what differs into a revision, and what has closed of it into segments for the lake.
    pub fn revise(
        &self,
        reader: &Reader,
        revise: &Revise,
        to: &Table,
        (revision, at): (u64, Timestamp),
    ) -> Result<Vec<Segment>> {
        let windows = match &self.differ {
            Differ::Windows(windows) => windows,
            Differ::Sessions(sessions) => {
                let segments = sessions.segments(reader, self, to, revision)?;
                revise.sessions(&self.layout, (&sessions.gone, &sessions.come), &segments, at)?;
                return Ok(segments);
            }
        };
        let (mut segments, upto) = (Vec::new(), self.closed_upto(reader)?);
        for window in windows.iter().map(|window| Timestamp(*window)) {
            let groups = self.groups_of(window);
            let is_closed = |span: Span| self.aggregate.window.closes(span.end) <= upto;
            let closed = self.aggregate.window.starting(window).is_some_and(is_closed);
            let segment = closed.then(|| self.segment(window, groups, to, revision)).transpose()?;
            revise.window(&self.layout, window, groups, segment.as_ref(), at)?;
            segments.extend(segment);
        }
        Ok(segments)
    }

    fn closed_upto(&self, reader: &Reader) -> Result<Timestamp> {
        Ok(reader.marks(&self.layout.name)?.map_or(Timestamp::MIN, |marks| marks.closed_upto))
    }

    /// The groups of a window.
    fn groups_of(&self, window: Timestamp) -> &[Group] {
        let first = self.groups.partition_point(|group| group.window < window);
        let end = self.groups.partition_point(|group| group.window <= window);
        self.groups.get(first..end).unwrap_or_default()
    }

    /// Writes the groups of a window of the lake as a segment.
    pub(super) fn segment(&self, window: Timestamp, groups: &[Group], to: &Table, revision: u64) -> Result<Segment> {
        let (table, partition) = (self.layout.name.clone(), self.renewals);
        let file = format!("{table}+{partition}+{}+v{revision}", window.0);
        let schema = arrow_schema(&self.layout.fields);
        let mut writer = SegmentWriter::create(&to.spool.join(&file), to.format, schema, &Profile::default())?;
        writer.write(&window::rows(&self.layout.fields, groups)?)?;
        let Finished { bytes, sha256, .. } = writer.finish(&mut Profile::default())?;
        let (rows, replaces) = (groups.len() as u64, true);
        Ok(Segment { file, table, partition, revision, replaces, window, rows, bytes, sha256, ..Segment::default() })
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
