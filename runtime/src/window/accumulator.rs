//! A worker's half of an aggregate: the groups of one partition's rows since the last epoch.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;

use super::cell::Cell;
use super::column::{self, Column, Values};
use super::cut::{Cut, Picked};
use super::groups::{Groups, Key};
use super::plan::{Input, Plan};
use super::scalar::ScalarRef;
use super::spec::{Aggregate, Window};
use crate::error::{Error, Kind, Result};
use crate::schema::Field;
use crate::time::Timestamp;

/// Aggregates the rows of one partition, in their order, until they are taken.
#[derive(Debug)]
pub struct Accumulator {
    plan: Arc<Plan>,
    cut: Cut,
    groups: Groups,
    /// A list for each measure, with a cell for each group.
    cells: Vec<Vec<Cell>>,
    late: u64,
    rows: u64,
    picked: Picked,
    ids: Vec<u32>,
}

/// What one partition adds to an aggregate in one epoch.
#[derive(Debug)]
pub struct Partial {
    pub(super) plan: Arc<Plan>,
    pub(super) groups: Vec<PartialGroup>,
    /// How many rows were looked at; those that are late are among them.
    pub rows: u64,
    /// Rows whose window had closed by the partition's own watermark as it stood before the row; rows without a time; and
    /// rows more than [`super::AHEAD_MAX`] ahead of their record.
    pub late: u64,
    /// The partition's watermark after these rows.
    pub watermark: Timestamp,
}

/// One group of a partial.
#[derive(Debug)]
pub(super) struct PartialGroup {
    pub(super) window: Timestamp,
    pub(super) key: Key,
    pub(super) rows: u64,
    pub(super) cells: Vec<Cell>,
}

impl Partial {
    /// Leaves out the groups of other windows than those that are wanted.
    pub fn retain(&mut self, wanted: impl Fn(Timestamp) -> bool) {
        self.groups.retain(|group| wanted(group.window));
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
            groups: Groups::default(),
            cells: plan.measures.iter().map(|_| Vec::new()).collect(),
            late: 0,
            rows: 0,
            picked: Picked::default(),
            ids: Vec::new(),
            plan,
        })
    }

    /// An accumulator for rows that come again, out of their order: none of them is late by the others. Which window has closed
    /// for them the state says, in [`super::State::amend`].
    pub fn amending(aggregate: &Aggregate, fields: &[Field]) -> Result<Self> {
        let mut amending = Self::new(aggregate, fields, Timestamp::MIN)?;
        let patient = Window { lateness: Duration::MAX, ..aggregate.window.clone() };
        amending.cut = Cut::new(patient, Timestamp::MIN);
        Ok(amending)
    }

    /// Adds a chunk of rows; `append_times` has the append time (µs) of each row's record.
    ///
    /// Errors with kind `Internal`, and adds nothing, where the rows are not as the fields said.
    pub fn add(&mut self, rows: &RecordBatch, append_times: &[i64]) -> Result<()> {
        if rows.num_rows() != append_times.len() {
            let what = format!("{} rows have {} append times", rows.num_rows(), append_times.len());
            return Err(Error::new(Kind::Internal, what).within(self.subject()));
        }
        self.add_checked(rows, append_times).map_err(|error| error.within(self.subject()))
    }

    /// Goes on from where the partition's watermark stood at another time.
    pub fn resume(&mut self, watermark: Timestamp) {
        self.cut.watermark = watermark;
    }

    /// Takes what has been added since the last time; the watermark stays.
    pub fn take(&mut self) -> Partial {
        let mut cells: Vec<_> = self.cells.iter_mut().map(|cells| cells.drain(..)).collect();
        let mut groups = Vec::with_capacity(self.groups.seen.len());
        for seen in self.groups.take() {
            let cells = cells.iter_mut().filter_map(Iterator::next).collect();
            groups.push(PartialGroup { window: Timestamp(seen.window), key: seen.key, rows: seen.rows, cells });
        }
        Partial {
            plan: Arc::clone(&self.plan),
            groups,
            rows: std::mem::take(&mut self.rows),
            late: std::mem::take(&mut self.late),
            watermark: self.cut.watermark,
        }
    }

    fn add_checked(&mut self, rows: &RecordBatch, append_times: &[i64]) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let column = |input: &Input| Column::of(rows, input);
        let time = plan.time.as_ref().map(column).transpose()?;
        let by = plan.by.iter().map(|by| Column::of_key(rows, by)).collect::<Result<Vec<_>>>()?;
        let measured = plan.measures.iter().map(|(_, input)| input.as_ref().map(column).transpose());
        let measured = measured.collect::<Result<Vec<_>>>()?;
        self.rows += append_times.len() as u64;
        self.late += match &time {
            None => self.cut.by_append(append_times, &mut self.picked),
            Some(column) => self.cut.by_column(column, append_times, &mut self.picked),
        };
        self.groups.number(&self.picked, &by, &mut self.ids);
        for ((cells, column), (measure, input)) in self.cells.iter_mut().zip(&measured).zip(&plan.measures) {
            cells.resize_with(self.groups.seen.len(), || Cell::empty(measure, *input));
            fill(cells, &self.picked.rows, &self.ids, column.as_ref());
        }
        Ok(())
    }

    fn subject(&self) -> String {
        format!("aggregate {:?}", self.plan.name)
    }
}

/// Adds each row's value to the cell of its group, in a loop of its own for each shape of column.
fn fill(cells: &mut [Cell], rows: &[u32], ids: &[u32], column: Option<&Column<'_>>) {
    match column {
        None => fill_by(cells, rows, ids, |_| Some(ScalarRef::Word(0))),
        Some(Column { nulls: None, values: Values::Words(words) }) => {
            let words: &[i64] = words;
            fill_by(cells, rows, ids, |row| column::word(words, row));
        }
        Some(Column { nulls: None, values: Values::Bytes { offsets, data } }) => {
            let (offsets, data): (&[i32], &[u8]) = (offsets, data);
            fill_by(cells, rows, ids, |row| column::bytes(offsets, data, row));
        }
        Some(column) => fill_by(cells, rows, ids, |row| column.get(row)),
    }
}

#[inline]
fn fill_by<'a>(cells: &mut [Cell], rows: &[u32], ids: &[u32], value: impl Fn(usize) -> Option<ScalarRef<'a>>) {
    for (&row, &id) in rows.iter().zip(ids) {
        if let (Some(cell), Some(value)) = (cells.get_mut(id as usize), value(row as usize)) {
            cell.add(value);
        }
    }
}
