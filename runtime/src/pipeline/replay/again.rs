//! Records once more through a chain.

use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use crate::config::plan;
use crate::decode::Decoder;
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::options::Format;
use crate::pipeline::bounds::Bounds;
use crate::pipeline::generation::Chain;
use crate::pipeline::landed;
use crate::pipeline::table::{Table, origin_fields};
use crate::pipeline::transform::Transform;
use crate::record::Batch;
use crate::schema::Field;

/// A chain at work on a partition, as a worker has it.
pub(super) struct Again {
    /// The table as the chain writes it.
    pub(super) table: Table,
    digest: String,
    parameters: Vec<String>,
    partition: u32,
    decoder: Decoder,
    transform: Transform,
    bounds: Bounds,
}

/// What came of records.
#[derive(Default)]
pub(super) struct Came {
    /// Their rows with their origin.
    pub(super) rows: Vec<RecordBatch>,
    /// Those that were rejected, by offset, and why.
    pub(super) rejected: Vec<(u64, String)>,
}

impl Again {
    pub(super) fn start(
        chain: &Chain,
        plan: &plan::Table,
        format: Format,
        spool: &Path,
        partition: u32,
    ) -> Result<Self> {
        Ok(Self {
            table: Table::new(plan, chain.outputs(), format, spool)?,
            digest: chain.digest().to_owned(),
            parameters: chain.parameters(),
            partition,
            decoder: chain.decoder(partition)?,
            transform: chain.start()?,
            bounds: Bounds::of(plan),
        })
    }

    /// Whether it is this chain.
    pub(super) fn is(&self, chain: &Chain, partition: u32) -> bool {
        (self.digest.as_str(), self.partition) == (chain.digest(), partition) && self.parameters == chain.parameters()
    }

    /// Cleans as many records as one call takes.
    pub(super) fn run(&mut self, batch: &Batch, range: Range<usize>) -> Result<Came> {
        let decoded = self.decoder.decode(batch, range)?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        let record = |index: u32| batch.get(index as usize);
        let of_row = |row: u32| decoded.sources.get(row as usize).copied().and_then(record);
        let cleaned = self.bounds.keep(cleaned, |row| of_row(row).map(|record| record.time))?;
        let mut came = Came::default();
        let refused = cleaned.rejected.into_iter().map(|(row, reason)| (of_row(row), reason));
        let undecoded = decoded.rejected.into_iter().map(|(index, reason)| (record(index), reason));
        for (record, reason) in undecoded.chain(refused) {
            came.rejected.extend(record.map(|record| (record.offset, reason)));
        }
        for piece in cleaned.pieces.into_iter().filter(|piece| !piece.sources.is_empty()) {
            let records = piece.sources.iter().filter_map(|&row| of_row(row));
            let (times, offsets): (Vec<i64>, Vec<i64>) =
                records.map(|record| (record.time.0, record.offset.cast_signed())).unzip();
            came.rows.push(self.table.with_origin(&piece.rows, &piece.sources, self.partition, &times, &offsets)?);
        }
        Ok(came)
    }
}

impl Came {
    /// Takes in what another chain made of other records of the same chunk, in the columns of `fields`.
    pub(super) fn join(mut self, other: Self, fields: &[Field]) -> Result<Self> {
        self.rejected.extend(other.rejected);
        if other.rows.is_empty() {
            return Ok(self);
        }
        let all: Vec<Field> = fields.iter().cloned().chain(origin_fields()).collect();
        let rows = self.rows.iter().chain(&other.rows).map(|rows| landed::completed(rows, &all));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let Some(first) = rows.first() else { return Ok(self) };
        let joined = concat_batches(first.schema_ref(), &rows).or_fail(Kind::Internal, || "replay")?;
        let (_, offsets) = places(&joined)?;
        let mut order: Vec<u32> = (0..joined.num_rows() as u32).collect();
        // The rows of a record stay in their order.
        order.sort_by_key(|&row| offsets.get(row as usize).copied());
        self.rows = vec![take_record_batch(&joined, &UInt32Array::from(order)).or_fail(Kind::Internal, || "replay")?];
        Ok(self)
    }
}

/// The append times and offsets of rows that have their origin.
pub(super) fn places(rows: &RecordBatch) -> Result<(Vec<i64>, Vec<i64>)> {
    let lost = || Error::new(Kind::Internal, "replay: rows without their origin");
    let time = rows.column_by_name("_time").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
    let offset = rows.column_by_name("_offset").and_then(|c| c.as_primitive_opt::<Int64Type>());
    Ok((time.ok_or_else(lost)?.values().to_vec(), offset.ok_or_else(lost)?.values().to_vec()))
}
