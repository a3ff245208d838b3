//! The rows of one object, followed by where each says that it came from.

use crate::commit::{Cut, Object};
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::lake::options::Format;
use crate::lake::{Fetched, json_rows, parquet_rows};
use crate::record::{Batch, Record};
use crate::schema::Field;
use crate::time::Timestamp;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::report::{Fault, What};

/// Lines of JSON in memory at a time.
const LINES: usize = 1024;
/// Faults of one object's rows that are told.
const FAULTS_MAX: usize = 10;

/// A cut with the epoch that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) epoch: u64,
    pub(super) digest: String,
    /// Records of the epoch that came out.
    pub(super) out: u64,
    pub(super) cut: Cut,
    /// Whether it is the epoch's last cut.
    pub(super) is_last: bool,
}

/// Gives these fields of an object's rows, a batch at a time.
pub(super) fn rows(
    fetched: Fetched,
    format: Format,
    fields: &[Field],
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    match format {
        Format::Parquet => parquet_rows(fetched.file, fields)?.try_for_each(|batch| each(&batch?)),
        Format::Json => {
            let mut decoder = Decoder::new(fields, 0)?;
            let (mut batch, mut lines) = (Batch::default(), 0);
            for line in json_rows(fetched.file) {
                let line = line?;
                batch.push(Record { offset: lines, time: Timestamp::MIN, key: None, value: Some(&line), headers: &[] });
                lines += 1;
                if batch.len() == LINES {
                    each(&decoded(&mut decoder, &batch)?)?;
                    batch.clear();
                }
            }
            if batch.is_empty() { Ok(()) } else { each(&decoded(&mut decoder, &batch)?) }
        }
    }
}

fn decoded(decoder: &mut Decoder, batch: &Batch) -> Result<RecordBatch> {
    let decoded = decoder.decode(batch, 0..batch.len())?;
    match decoded.rejected.first() {
        None => Ok(decoded.rows),
        Some((index, reason)) => {
            let line = batch.get(*index as usize).map_or(0, |line| line.offset + 1);
            Err(Error::new(Kind::Corrupt, format!("line {line}: {reason}")))
        }
    }
}

/// Follows the rows of an object through its cuts.
pub(super) struct Follow<'a> {
    object: &'a Object,
    pieces: &'a [Piece],
    /// The cut that the rows have come to, and how many there were of it.
    at: usize,
    of_cut: u64,
    before: Option<(i64, i64)>,
    /// Rows in all.
    pub(super) rows: u64,
    /// Records that begin in it, by cut.
    pub(super) records: Vec<u64>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
}

impl<'a> Follow<'a> {
    pub(super) fn new(object: &'a Object, pieces: &'a [Piece]) -> Self {
        let records = vec![0; pieces.len()];
        Self { object, pieces, at: 0, of_cut: 0, before: None, rows: 0, records, faults: Vec::new() }
    }

    /// Takes the next rows, which have the columns of [`crate::pipeline::table::origin_fields`].
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<()> {
        let column = |name: &str| {
            let column = rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
            column.ok_or_else(|| Error::new(Kind::Corrupt, format!("column {name:?} is missing")))
        };
        let (partitions, offsets, nths) = (column("_partition")?, column("_offset")?, column("_row")?);
        for ((&partition, &offset), &nth) in partitions.values().iter().zip(offsets.values()).zip(nths.values()) {
            self.rows += 1;
            if partition != i64::from(self.object.partition) {
                self.fault(What::Foreign, offset, format!("a row says that it came from partition {partition}"));
            }
            match self.before {
                Some((last, of_last)) if offset == last && nth <= of_last => {
                    self.fault(What::Overlap, offset, format!("row {nth} of the record comes again"));
                }
                Some((last, of_last)) if offset == last && nth != of_last + 1 => {
                    self.fault(What::Gap, offset, format!("row {nth} of the record comes after row {of_last}"));
                }
                Some((last, _)) if offset < last => {
                    self.fault(What::Overlap, offset, format!("a row comes after one of offset {last}"));
                }
                Some((last, _)) if offset == last => {}
                _ if nth != 0 => self.fault(What::Gap, offset, format!("the record begins with row {nth}")),
                _ => {}
            }
            let is_new = self.before.is_none_or(|(last, _)| last != offset);
            self.before = Some((offset, nth));
            self.count(offset.cast_unsigned(), is_new);
        }
        Ok(())
    }

    /// Ends it after the last row.
    pub(super) fn finish(&mut self) {
        while self.at < self.pieces.len() {
            self.leave();
        }
        if self.rows != self.object.rows {
            let said = format!("it has {} rows, the outbox says {}", self.rows, self.object.rows);
            self.push(Fault::new(What::Sum, said).offsets(self.object.first_offset, self.object.next_offset));
        }
    }

    fn count(&mut self, offset: u64, is_new: bool) {
        while self.pieces.get(self.at).is_some_and(|piece| piece.cut.next_offset <= offset) {
            self.leave();
        }
        match self.pieces.get(self.at) {
            Some(piece) if piece.cut.first_offset <= offset => {
                self.of_cut += 1;
                if is_new && let Some(records) = self.records.get_mut(self.at) {
                    *records += 1;
                }
            }
            _ => self.fault(
                What::Foreign,
                offset.cast_signed(),
                "a row of an offset that none of its epochs has".to_owned(),
            ),
        }
    }

    /// Compares a cut with its rows, and goes to the next.
    fn leave(&mut self) {
        if let Some(piece) = self.pieces.get(self.at)
            && piece.cut.rows != self.of_cut
        {
            let what = if self.of_cut < piece.cut.rows { What::Gap } else { What::Overlap };
            let said = format!("it has {} rows of them, the ledger says {}", self.of_cut, piece.cut.rows);
            let fault = Fault::new(what, said).epoch(piece.epoch);
            self.push(fault.offsets(piece.cut.first_offset, piece.cut.next_offset));
        }
        self.at += 1;
        self.of_cut = 0;
    }

    fn fault(&mut self, what: What, offset: i64, said: String) {
        let offset = offset.cast_unsigned();
        self.push(Fault::new(what, said).offsets(offset, offset.saturating_add(1)));
    }

    /// Notes a fault; where it goes on from the one before, that one's offsets do.
    fn push(&mut self, fault: Fault) {
        if let Some(before) = self.faults.last_mut()
            && (before.what, &before.message, before.epoch) == (fault.what, &fault.message, fault.epoch)
            && let (Some([from, to]), Some([first, next])) = (before.offsets, fault.offsets)
            && (from..=to).contains(&first)
        {
            before.offsets = Some([from, to.max(next)]);
        } else if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault.of(&self.object.table, self.object.partition).key(&self.object.key));
        }
    }
}
