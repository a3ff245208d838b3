//! The latest row of each key in an epoch, in the key's order: what a worker prepares so that the writer need only write.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_array::{TimestampMicrosecondArray, UInt32Array};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::cell::Cells;
use super::fault::internal;
use super::layout::TableLayout;
use crate::error::{Kind, OrFail, Result};
use crate::time::Timestamp;

/// One row a key, by rising key: the row with the greatest `(_time, _partition, _offset, _row)`.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The cached columns in the layout's order.
    pub(super) columns: Vec<ArrayRef>,
    pub(super) place: Place,
    superseded: u64,
    unkeyed: u64,
}

/// Where rows come from; the later place wins.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) time: TimestampMicrosecondArray,
    pub(super) partition: Int64Array,
    pub(super) offset: Int64Array,
    row: Int64Array,
}

impl Latest {
    /// Picks and sorts the rows of `batches`, which hold at least the table's cached columns and
    /// `_time` (timestamp), `_partition`, `_offset` and `_row` (int64), found by name.
    ///
    /// Rows whose key has a null are left out. Errors with [`Kind::Internal`] when a column is absent, of another type
    /// than the layout says, or null in a place.
    pub fn prepare(table: &TableLayout, batches: &[RecordBatch]) -> Result<Self> {
        let prepared = Self::pick(table, batches);
        prepared.map_err(|error| error.within(format!("table {:?}", table.name)))
    }

    /// How many rows there are to write.
    pub fn rows(&self) -> usize {
        self.place.offset.len()
    }

    /// How many rows lost to a later one of the same key among those given.
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    /// How many rows were left out because their key has a null.
    pub fn unkeyed(&self) -> u64 {
        self.unkeyed
    }

    /// Without the rows of records before a time, where one is given.
    pub fn since(self, from: Option<Timestamp>) -> Result<Self> {
        let Some(from) = from else { return Ok(self) };
        let kept = (0..self.rows() as u32).filter(|&row| self.place.time.value(row as usize) >= from.0);
        let kept = UInt32Array::from_iter_values(kept);
        let columns = self.columns.iter().map(|column| pick_rows(column, &kept)).collect::<Result<_>>()?;
        Ok(Self { columns, place: self.place.take(&kept)?, ..self })
    }

    fn pick(table: &TableLayout, batches: &[RecordBatch]) -> Result<Self> {
        let mut columns = Vec::with_capacity(table.columns.len());
        for field in &table.columns {
            let column = gather(batches, &field.name, || arrow_array::new_empty_array(&field.kind.arrow()))?;
            if Cells::of(&column, field.kind).is_none() {
                let found = column.data_type();
                return Err(internal(format!("column {:?} is {found}, not {}", field.name, field.kind.word())));
            }
            columns.push(column);
        }
        let place = Place::gather(batches)?;
        let keys: Vec<&ArrayRef> = (table.key.iter())
            .filter_map(|key| table.columns.iter().position(|field| field.name == *key))
            .filter_map(|index| columns.get(index))
            .collect();
        let rows = place.offset.len();
        let keyed: Vec<u32> =
            (0..rows as u32).filter(|&row| keys.iter().all(|key| !key.is_null(row as usize))).collect();
        let unkeyed = (rows - keyed.len()) as u64;
        let winners = winners(&keys, &place, keyed)?;
        let superseded = rows as u64 - unkeyed - winners.len() as u64;
        let winners = UInt32Array::from(winners);
        let taken = columns.iter().map(|column| pick_rows(column, &winners)).collect::<Result<_>>()?;
        Ok(Self { columns: taken, place: place.take(&winners)?, superseded, unkeyed })
    }
}

impl Place {
    fn gather(batches: &[RecordBatch]) -> Result<Self> {
        let int64 = |name| match gather(batches, name, || std::sync::Arc::new(Int64Array::from(Vec::<i64>::new())))? {
            column if column.null_count() > 0 => Err(internal(format!("column {name:?} has a null"))),
            column => column.as_primitive_opt::<Int64Type>().cloned().ok_or_else(|| not_place(name, &column)),
        };
        let empty = DataType::Timestamp(TimeUnit::Microsecond, None);
        let time = gather(batches, "_time", || arrow_array::new_empty_array(&empty))?;
        let time = match time.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(time) if time.null_count() == 0 => time.clone(),
            _ => return Err(not_place("_time", &time)),
        };
        Ok(Self { time, partition: int64("_partition")?, offset: int64("_offset")?, row: int64("_row")? })
    }

    /// The place of a row as far as the cache keeps it.
    pub(super) fn at(&self, row: usize) -> (i64, i64, i64) {
        (self.time.value(row), self.partition.value(row), self.offset.value(row))
    }

    fn compare(&self, a: u32, b: u32) -> Ordering {
        let at = |row: u32| {
            let row = row as usize;
            (self.time.value(row), self.partition.value(row), self.offset.value(row), self.row.value(row))
        };
        at(a).cmp(&at(b))
    }

    fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let int64 = |column: &Int64Array| pick_rows(column, rows).map(|taken| taken.as_primitive().clone());
        let time = pick_rows(&self.time, rows)?.as_primitive().clone();
        Ok(Self { time, partition: int64(&self.partition)?, offset: int64(&self.offset)?, row: int64(&self.row)? })
    }
}

/// The rows that win, by rising key.
fn winners(keys: &[&ArrayRef], place: &Place, rows: Vec<u32>) -> Result<Vec<u32>> {
    if let [key] = keys
        && let Some(key) = key.as_primitive_opt::<Int64Type>()
    {
        // The usual key: its values lie beside the rows, so that sorting does not reach into the columns.
        let mut sorted: Vec<(i64, u32)> = rows.into_iter().map(|row| (key.value(row as usize), row)).collect();
        sorted.sort_unstable();
        return Ok(last_of_each(&sorted, place, |a, b| a.0 == b.0, |pair| pair.1));
    }
    let keys = keys.iter().map(|key| KeyColumn::of(key)).collect::<Result<Vec<_>>>()?;
    let compare = |a: u32, b: u32| {
        let columns = keys.iter().map(|key| key.compare(a as usize, b as usize));
        columns.fold(Ordering::Equal, Ordering::then)
    };
    let mut sorted = rows;
    sorted.sort_unstable_by(|&a, &b| compare(a, b));
    Ok(last_of_each(&sorted, place, |&a, &b| compare(a, b).is_eq(), |&row| row))
}

fn last_of_each<T>(sorted: &[T], place: &Place, same: impl Fn(&T, &T) -> bool, row: impl Fn(&T) -> u32) -> Vec<u32> {
    let runs = sorted.chunk_by(|a, b| same(a, b));
    runs.filter_map(|run| run.iter().map(&row).max_by(|&a, &b| place.compare(a, b))).collect()
}

/// A column of a key, none of whose values is null; ordered as SQLite orders it.
enum KeyColumn<'a> {
    Boolean(&'a BooleanArray),
    Int64(&'a Int64Array),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Timestamp(&'a TimestampMicrosecondArray),
}

impl<'a> KeyColumn<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Boolean => Self::Boolean(column.as_boolean()),
            DataType::Int64 => Self::Int64(column.as_primitive()),
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Binary => Self::Bytes(column.as_binary()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Timestamp(column.as_primitive()),
            other => return Err(internal(format!("a key of type {other} cannot be ordered"))),
        })
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Self::Boolean(column) => column.value(a).cmp(&column.value(b)),
            Self::Int64(column) => column.value(a).cmp(&column.value(b)),
            Self::Text(column) => column.value(a).cmp(column.value(b)),
            Self::Bytes(column) => column.value(a).cmp(column.value(b)),
            Self::Timestamp(column) => column.value(a).cmp(&column.value(b)),
        }
    }
}

/// One column of all batches; `empty` where there is no batch.
fn gather(batches: &[RecordBatch], name: &str, empty: impl FnOnce() -> ArrayRef) -> Result<ArrayRef> {
    let mut parts: Vec<&dyn Array> = Vec::with_capacity(batches.len());
    for batch in batches {
        parts.push(batch.column_by_name(name).ok_or_else(|| internal(format!("column {name:?} is missing")))?);
    }
    match parts.as_slice() {
        [] => Ok(empty()),
        parts => concat(parts).or_fail(Kind::Internal, || format!("column {name:?}")),
    }
}

fn pick_rows(column: &dyn Array, rows: &UInt32Array) -> Result<ArrayRef> {
    take(column, rows, None).or_fail(Kind::Internal, || "latest rows")
}

fn not_place(name: &str, column: &ArrayRef) -> crate::error::Error {
    internal(format!("column {name:?} is {} with {} nulls", column.data_type(), column.null_count()))
}
