//! A worker's half of an aggregate: the groups of one partition's rows since the last epoch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;

use super::cell::{Cell, Place};
use super::column::{self, Column, Values};
use super::cut::{Cut, Picked};
use super::groups::{Groups, Key, Sessions};
use super::keys::Keys;
use super::plan::{Input, Measured, Plan};
use super::scalar::ScalarRef;
use super::spec::{Aggregate, Measure, Span, Window};
use crate::commit::LateRow;
use crate::error::{Error, Kind, Result};
use crate::schema::Field;
use crate::time::Timestamp;

/// The most late rows of an epoch that are told.
pub const LATE_MAX: usize = 1000;

/// Aggregates the rows of one partition, in their order, until they are taken.
#[derive(Debug)]
pub struct Accumulator {
    plan: Arc<Plan>,
    cut: Cut,
    groups: Groups,
    /// A list for each measure, with a cell for each group.
    cells: Vec<Vec<Cell>>,
    late: u64,
    late_rows: Vec<LateRow>,
    missed: BTreeSet<Timestamp>,
    rows: u64,
    picked: Picked,
    ids: Vec<u32>,
}

/// Where the rows of a chunk came from: of each, its record's append time (µs) and offset.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The partition of them all.
    pub partition: u32,
    /// The append times.
    pub times: &'a [i64],
    /// The offsets.
    pub offsets: &'a [i64],
}

/// What one partition adds to an aggregate in one epoch.
#[derive(Debug)]
pub struct Partial {
    pub(super) plan: Arc<Plan>,
    pub(super) groups: Vec<PartialGroup>,
    /// How many rows were looked at; those that are late are among them.
    pub rows: u64,
    /// Rows whose window had closed by the partition's own watermark as it stood before the row; rows without a time; and
    /// rows beyond the bound on the future.
    pub late: u64,
    /// The first of them, at most [`LATE_MAX`].
    pub late_rows: Vec<LateRow>,
    /// The starts of all windows that rows missed.
    pub missed: BTreeSet<Timestamp>,
    /// The partition's watermark after these rows.
    pub watermark: Timestamp,
}

/// One group of a partial.
#[derive(Debug)]
pub(super) struct PartialGroup {
    pub(super) window: Span,
    pub(super) key: Key,
    pub(super) rows: u64,
    pub(super) cells: Vec<Cell>,
}

impl Partial {
    /// Leaves out the groups of other windows than those that are wanted.
    pub fn retain(&mut self, wanted: impl Fn(Timestamp) -> bool) {
        self.groups.retain(|group| wanted(group.window.start));
    }

    /// Leaves out the groups of other keys than these.
    pub fn retain_of(&mut self, keys: &Keys) {
        self.groups.retain(|group| keys.has(&group.key));
    }
}

impl Accumulator {
    /// An accumulator for rows with these `fields`, of a partition whose watermark has come to `watermark`
    /// ([`Timestamp::MIN`] at first, later what [`super::State::progress`] says).
    ///
    /// Errors with kind `Input` where a column does not exist or is not of a type that its use allows.
    pub fn new(aggregate: &Aggregate, fields: &[Field], watermark: Timestamp) -> Result<Self> {
        let plan = Arc::new(Plan::new(aggregate, fields)?);
        Ok(Self {
            cut: Cut::new(plan.window.clone(), watermark),
            groups: Groups::new(if plan.window.is_session() { Sessions::Grow } else { Sessions::None }),
            cells: plan.measures.iter().map(|_| Vec::new()).collect(),
            late: 0,
            late_rows: Vec::new(),
            missed: BTreeSet::new(),
            rows: 0,
            picked: Picked::default(),
            ids: Vec::new(),
            plan,
        })
    }

    /// An accumulator for rows in any order: none of them is late by the others.
    pub fn patient(aggregate: &Aggregate, fields: &[Field]) -> Result<Self> {
        let patient = Window { lateness: Duration::MAX, ..aggregate.window.clone() };
        let cut = Cut::new(patient, Timestamp::MIN);
        Ok(Self { cut, ..Self::new(aggregate, fields, Timestamp::MIN)? })
    }

    /// The same for rows that come again. Which window has closed for them the state says, in [`super::State::amend`].
    pub fn amending(aggregate: &Aggregate, fields: &[Field]) -> Result<Self> {
        let mut amending = Self::patient(aggregate, fields)?;
        if aggregate.window.is_session() {
            // One of them may have closed for all, and the next not.
            amending.groups = Groups::new(Sessions::Alone);
        }
        Ok(amending)
    }

    /// Adds a chunk of rows; those of one record come in their order.
    ///
    /// Errors with kind `Internal`, and adds nothing, where the rows are not as the fields said.
    pub fn add(&mut self, rows: &RecordBatch, origin: Origin<'_>) -> Result<()> {
        let Origin { times, offsets, .. } = origin;
        if rows.num_rows() != times.len() || times.len() != offsets.len() {
            let (rows, times, offsets) = (rows.num_rows(), times.len(), offsets.len());
            let what = format!("{rows} rows have {times} append times and {offsets} offsets");
            return Err(Error::new(Kind::Internal, what).within(self.subject()));
        }
        self.add_checked(rows, origin).map_err(|error| error.within(self.subject()))
    }

    /// Goes on from where the partition's watermark stood at another time.
    pub fn resume(&mut self, watermark: Timestamp) {
        self.cut.watermark = watermark;
    }

    /// Takes no row for late in the windows with these starts; of sessions, at these times.
    pub fn forgive(&mut self, windows: &BTreeSet<i64>) {
        self.cut.whole.clone_from(windows);
    }

    /// Takes what has been added since the last time; the watermark stays.
    pub fn take(&mut self) -> Partial {
        let mut cells: Vec<_> = self.cells.iter_mut().map(|cells| cells.drain(..)).collect();
        let mut groups = Vec::with_capacity(self.groups.seen.len());
        for seen in self.groups.take() {
            let cells = cells.iter_mut().filter_map(Iterator::next).collect();
            groups.push(PartialGroup { window: seen.window, key: seen.key, rows: seen.rows, cells });
        }
        Partial {
            plan: Arc::clone(&self.plan),
            groups,
            rows: std::mem::take(&mut self.rows),
            late: std::mem::take(&mut self.late),
            late_rows: std::mem::take(&mut self.late_rows),
            missed: std::mem::take(&mut self.missed),
            watermark: self.cut.watermark,
        }
    }

    fn add_checked(&mut self, rows: &RecordBatch, origin: Origin<'_>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let column = |input: &Input| Column::of(rows, input);
        let time = plan.time.as_ref().map(column).transpose()?;
        let by = plan.by.iter().map(|by| Column::of_key(rows, by)).collect::<Result<Vec<_>>>()?;
        let measured = plan.measures.iter().map(|measured| Read::of(rows, measured)).collect::<Result<Vec<_>>>()?;
        self.rows += rows.num_rows() as u64;
        self.late += match &time {
            None => self.cut.by_append(origin.times, &mut self.picked),
            Some(column) => self.cut.by_column(column, origin.times, &mut self.picked),
        };
        self.missed.extend(&self.picked.missed);
        self.groups.number(&self.picked, &by, &mut self.ids);
        self.note_late(time.as_ref(), origin);
        let places = Places { times: time.as_ref().map_or(origin.times, Column::words), origin };
        for ((cells, read), measured) in self.cells.iter_mut().zip(&measured).zip(&plan.measures) {
            if cells.len() < self.groups.seen.len() {
                let empty = Cell::empty(measured);
                cells.resize(self.groups.seen.len(), empty);
            }
            let rows = (self.picked.rows.as_slice(), self.ids.as_slice());
            match (&measured.measure, &read.column) {
                (Measure::First(_) | Measure::Last(_), Some(column)) => fill_by_place(cells, rows, column, &places),
                (Measure::TopK { .. }, Some(column)) => fill_ranks(cells, rows, column, read.ranked_by.as_ref()),
                (_, column) => fill(cells, rows, column.as_ref()),
            }
        }
        Ok(())
    }

    /// Notes which rows are late.
    fn note_late(&mut self, time: Option<&Column<'_>>, Origin { partition, times, offsets }: Origin<'_>) {
        let room = LATE_MAX.saturating_sub(self.late_rows.len());
        for &(row, window) in self.picked.late.iter().take(room) {
            let at = row as usize;
            let time = match time {
                None => times.get(at).copied(),
                Some(column) => column.words().get(at).copied().filter(|_| !column.is_null(at)),
            };
            let Some((&offset, before)) = offsets.get(..=at).and_then(<[i64]>::split_last) else { continue };
            let row = before.iter().rev().take_while(|before| **before == offset).count() as u32;
            self.late_rows.push(LateRow { partition, offset, row, time: time.map(Timestamp), window });
        }
    }

    fn subject(&self) -> String {
        format!("aggregate {:?}", self.plan.name)
    }
}

/// The columns that a measure reads.
struct Read<'a> {
    column: Option<Column<'a>>,
    /// What a `top_k` ranks by; none counts rows.
    ranked_by: Option<Column<'a>>,
}

impl<'a> Read<'a> {
    fn of(rows: &'a RecordBatch, measured: &Measured) -> Result<Self> {
        let column = measured.input.as_ref().map(|input| match measured.measure {
            Measure::Variance(_) | Measure::Stddev(_) | Measure::ApproxQuantile(..) | Measure::Histogram { .. } => {
                Column::of_floats(rows, input)
            }
            _ => Column::of(rows, input),
        });
        let by = measured.ranked_by.as_ref().and_then(|by| by.input.as_ref());
        Ok(Self { column: column.transpose()?, ranked_by: by.map(|input| Column::of(rows, input)).transpose()? })
    }
}

/// The place of each row.
struct Places<'a> {
    /// The times that the aggregate reads.
    times: &'a [i64],
    origin: Origin<'a>,
}

impl Places<'_> {
    fn get(&self, row: usize) -> Option<Place> {
        let (time, offset) = (*self.times.get(row)?, *self.origin.offsets.get(row)?);
        Some(Place { time, partition: self.origin.partition, offset })
    }
}

/// The picked rows, and the group of each.
type Rows<'a> = (&'a [u32], &'a [u32]);

/// Adds each row's value to the cell of its group, in a loop of its own for each shape of column.
fn fill(cells: &mut [Cell], rows: Rows<'_>, column: Option<&Column<'_>>) {
    match column {
        None => fill_by(cells, rows, |_| Some(ScalarRef::Word(0))),
        Some(Column { nulls: None, values: Values::Words(words) }) => {
            let words: &[i64] = words;
            fill_by(cells, rows, |row| column::word(words, row));
        }
        Some(Column { nulls: None, values: Values::Bytes { offsets, data } }) => {
            let (offsets, data): (&[i32], &[u8]) = (offsets, data);
            fill_by(cells, rows, |row| column::bytes(offsets, data, row));
        }
        Some(column) => fill_by(cells, rows, |row| column.get(row)),
    }
}

#[inline]
fn fill_by<'a>(cells: &mut [Cell], (rows, ids): Rows<'_>, value: impl Fn(usize) -> Option<ScalarRef<'a>>) {
    for (&row, &id) in rows.iter().zip(ids) {
        if let (Some(cell), Some(value)) = (cells.get_mut(id as usize), value(row as usize)) {
            cell.add(value);
        }
    }
}

fn fill_by_place(cells: &mut [Cell], (rows, ids): Rows<'_>, column: &Column<'_>, places: &Places<'_>) {
    for (&row, &id) in rows.iter().zip(ids) {
        let row = row as usize;
        if let (Some(cell), Some(value), Some(place)) = (cells.get_mut(id as usize), column.get(row), places.get(row)) {
            cell.add_at(value, place);
        }
    }
}

fn fill_ranks(cells: &mut [Cell], (rows, ids): Rows<'_>, column: &Column<'_>, by: Option<&Column<'_>>) {
    for (&row, &id) in rows.iter().zip(ids) {
        let row = row as usize;
        if let (Some(cell), Some(value)) = (cells.get_mut(id as usize), column.get(row)) {
            let by = by.map_or(Some(ScalarRef::Word(0)), |by| by.get(row));
            cell.add_ranked(value, by);
        }
    }
}
