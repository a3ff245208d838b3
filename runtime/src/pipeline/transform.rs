//! A chunk through a table's transforms, one after another.

mod stage;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take;

use self::stage::Stage;
use super::generation::{Column, Step};
use super::worker::CHUNK_ROWS;
use crate::error::{Error, Kind, OrFail, Result};
use crate::schema::arrow_schema;

/// The most bytes of `@value` and other parts of records that one call of a later transform is given: they are copied for each row.
const PART_BYTES_MAX: usize = 32 << 20;

/// Rows that came out of one call, and for each the row of the chunk that it came from.
#[derive(Debug)]
pub struct Piece {
    /// The rows, with the fields of the last transform's outputs.
    pub rows: RecordBatch,
    /// For each, the row of the chunk; never falling. The rows of one row of the chunk are in one piece.
    pub sources: Vec<u32>,
}

/// What came of a chunk.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The rows that came out, in order.
    pub pieces: Vec<Piece>,
    /// Rows of the chunk that were rejected, by rising row, and why.
    pub rejected: Vec<(u32, String)>,
    /// How many of them a transform failed on.
    pub failed: u64,
}

/// A table's transforms at work in one worker.
#[derive(Debug)]
pub struct Transform {
    first: Stage,
    /// How many columns it reads; those after them are for later ones.
    first_columns: usize,
    later: Vec<Later>,
    /// As many row numbers as the longest chunk has had.
    numbers: Vec<u32>,
}

/// A transform that reads what another has written.
#[derive(Debug)]
struct Later {
    stage: Stage,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl Transform {
    /// Fresh instances of a chain's components, at least one.
    ///
    /// Errors when one traps, takes too long, or refuses its parameters.
    pub(super) fn start(steps: &[Step]) -> Result<Self> {
        let (first, later) = steps.split_first().ok_or_else(|| Error::new(Kind::Internal, "chain: it is empty"))?;
        let stage = |step: &Step| step.component.instantiate(&step.parameters).map(Stage::new);
        let after = |step: &Step| {
            let schema = arrow_schema(&step.component.description().inputs);
            Ok(Later { stage: stage(step)?, columns: step.columns.clone(), schema })
        };
        let first_columns = first.component.description().inputs.len();
        let later = later.iter().map(after).collect::<Result<_>>()?;
        Ok(Self { first: stage(first)?, first_columns, later, numbers: Vec::new() })
    }

    /// Whether it is on trial, where the first deadline hit is one too many.
    pub(super) fn on_trial(&mut self, on_trial: bool) {
        self.stages().for_each(|stage| stage.on_trial(on_trial));
    }

    /// The bytes of memory that the guests have.
    pub(super) fn memory(&self) -> usize {
        self.first.memory() + self.later.iter().map(|later| later.stage.memory()).sum::<usize>()
    }

    /// Cleans a chunk, whose columns are the chain's inputs. An error is a reason to pause: a transform ran out of time again and again.
    ///
    /// A row of the chunk becomes rows, or is rejected, or is dropped, as a whole: where a transform rejects one of the rows
    /// that one before it has made of it, the others do not come out either.
    pub fn apply(&mut self, chunk: &RecordBatch) -> Result<Cleaned> {
        let rows = chunk.num_rows();
        self.numbers.extend(self.numbers.len() as u32..rows as u32);
        let mut cleaned = Cleaned::default();
        self.first.begin();
        let mine = if chunk.num_columns() > self.first_columns {
            &chunk.project(&(0..self.first_columns).collect::<Vec<_>>()).or_fail(Kind::Internal, || "chunk")?
        } else {
            chunk
        };
        self.first.apply(mine, self.numbers.get(..rows).unwrap_or_default(), &mut cleaned)?;
        for later in &mut self.later {
            later.stage.begin();
            for piece in std::mem::take(&mut cleaned.pieces) {
                later.apply(&piece, chunk, &mut cleaned)?;
            }
        }
        self.stages().try_for_each(Stage::end)?;
        if !self.later.is_empty() {
            cleaned.settle()?;
        }
        Ok(cleaned)
    }

    fn stages(&mut self) -> impl Iterator<Item = &mut Stage> {
        std::iter::once(&mut self.first).chain(self.later.iter_mut().map(|later| &mut later.stage))
    }
}

impl Later {
    /// Cleans what the transform before it has made, in calls of as many rows as the first one gets.
    fn apply(&mut self, piece: &Piece, chunk: &RecordBatch, cleaned: &mut Cleaned) -> Result<()> {
        let mut start = 0;
        while start < piece.sources.len() {
            let end = start + self.stretch(piece.sources.get(start..).unwrap_or_default(), chunk);
            let sources = piece.sources.get(start..end).unwrap_or_default();
            let bytes = self.part_bytes(sources, chunk);
            if bytes > PART_BYTES_MAX {
                let what = format!(
                    "the parts of its record that a transform reads, once for each of its {} rows, are {bytes} bytes (at most {PART_BYTES_MAX})",
                    sources.len()
                );
                cleaned.fail(sources, &Error::new(Kind::Transform, what));
            } else {
                let read = self.read(&piece.rows.slice(start, end - start), sources, chunk)?;
                self.stage.apply(&read, sources, cleaned)?;
            }
            start = end;
        }
        Ok(())
    }

    /// How many of the rows go into one call: those of whole records, at least of one.
    fn stretch(&self, sources: &[u32], chunk: &RecordBatch) -> usize {
        let (mut rows, mut bytes) = (0, 0);
        for record in sources.chunk_by(|one, next| one == next) {
            bytes += self.part_bytes(record, chunk);
            if rows > 0 && (rows + record.len() > CHUNK_ROWS || bytes > PART_BYTES_MAX) {
                break;
            }
            rows += record.len();
        }
        rows
    }

    /// The bytes of the parts of records that it reads, for rows that came of `sources`.
    fn part_bytes(&self, sources: &[u32], chunk: &RecordBatch) -> usize {
        let column = |column: &Column| match *column {
            Column::Decoded(index) => chunk.columns().get(index),
            Column::Written(_) => None,
        };
        let bytes = |column: &ArrayRef, row: usize| match column.data_type() {
            DataType::Binary => column.as_binary::<i32>().value_length(row) as usize,
            DataType::Utf8 => column.as_string::<i32>().value_length(row) as usize,
            _ => size_of::<i64>(),
        };
        let columns = self.columns.iter().filter_map(column);
        columns.map(|column| sources.iter().map(|&row| bytes(column, row as usize)).sum::<usize>()).sum()
    }

    /// What it reads of rows that came of `sources`, rows of the chunk.
    fn read(&self, rows: &RecordBatch, sources: &[u32], chunk: &RecordBatch) -> Result<RecordBatch> {
        let places = UInt32Array::from(sources.to_vec());
        let absent = || Error::new(Kind::Internal, "chain: a column is not there");
        let column = |column: &Column| -> Result<ArrayRef> {
            match *column {
                Column::Written(index) => rows.columns().get(index).cloned().ok_or_else(absent),
                Column::Decoded(index) => {
                    let whole = chunk.columns().get(index).ok_or_else(absent)?;
                    take(whole, &places, None).or_fail(Kind::Internal, || "chain")
                }
            }
        };
        let columns = self.columns.iter().map(column).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .or_fail(Kind::Internal, || "chain")
    }
}

impl Cleaned {
    /// Rejects records for one reason; each may have several rows.
    fn fail(&mut self, records: &[u32], reason: &Error) {
        for rows in records.chunk_by(|one, next| one == next) {
            self.rejected.extend(rows.first().map(|&record| (record, reason.message().to_owned())));
            self.failed += 1;
        }
    }

    /// Rejects records that came out, each for a reason.
    pub(super) fn reject(&mut self, records: Vec<(u32, String)>) -> Result<()> {
        self.rejected.extend(records);
        self.settle()
    }

    /// Each rejected record once, by its first reason, and no row of it among those that came out.
    fn settle(&mut self) -> Result<()> {
        self.rejected.sort_by_key(|(record, _)| *record);
        self.rejected.dedup_by_key(|(record, _)| *record);
        let rejected = |record: &u32| self.rejected.binary_search_by_key(record, |(record, _)| *record).is_ok();
        for piece in &mut self.pieces {
            if !self.rejected.is_empty() && piece.sources.iter().any(rejected) {
                let kept = piece.sources.iter().map(|record| Some(!rejected(record))).collect();
                piece.rows = filter_record_batch(&piece.rows, &kept).or_fail(Kind::Internal, || "chain")?;
                piece.sources.retain(|record| !rejected(record));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
