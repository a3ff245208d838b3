//! What two versions made of the same records, row by row and field by field.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;
use arrow_select::concat::concat_batches;
use serde_json::Value as Json;

use super::Sample;
use super::report::{Example, FieldReport, Rejected, wants_more};
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake;
use crate::pipeline::transform::Piece;

/// A longer value is cut where it is shown.
const VALUE_BYTES_MAX: usize = 1 << 10;

/// What came of a chunk, by the places of its records in the chunk.
pub(super) struct Came {
    pub(super) pieces: Vec<Piece>,
    pub(super) rejected: Vec<(u32, String)>,
    pub(super) failed: u64,
    pub(super) spent: Duration,
}

/// How two versions differ on one chunk.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) records: u64,
    pub(super) rows_equal: u64,
    pub(super) rows_changed: u64,
    pub(super) rows_added: u64,
    pub(super) rows_lost: u64,
    pub(super) newly_rejected: u64,
    pub(super) no_longer_rejected: u64,
    pub(super) failed: u64,
    pub(super) fields: BTreeMap<String, FieldReport>,
    pub(super) rejected: Vec<Rejected>,
    pub(super) live_spent: Duration,
    pub(super) spent: Duration,
}

/// All rows of a chunk, and the record of each.
struct Rows {
    rows: Option<RecordBatch>,
    records: Vec<u32>,
}

/// Compares what a candidate made of a sample with what came of it live.
pub(super) fn compare(sample: &Sample, mine: &Came) -> Result<Compared> {
    let (live, candidate) = (Rows::of(&sample.live)?, Rows::of(mine)?);
    let mut compared = Compared {
        records: sample.records.len() as u64,
        failed: mine.failed,
        live_spent: sample.live.spent,
        spent: mine.spent,
        ..Compared::default()
    };
    let pairs = pair(&live.records, &candidate.records, &mut compared);
    if let (Some(live), Some(candidate)) = (&live.rows, &candidate.rows) {
        compare_fields(sample, live, candidate, &pairs, &mut compared)?;
    }
    count_rejected(sample, mine, &mut compared);
    Ok(compared)
}

impl Rows {
    fn of(came: &Came) -> Result<Self> {
        let records = came.pieces.iter().flat_map(|piece| piece.sources.iter().copied()).collect();
        let rows = match came.pieces.as_slice() {
            [] => None,
            [one] => Some(one.rows.clone()),
            [first, ..] => {
                let all = concat_batches(first.rows.schema_ref(), came.pieces.iter().map(|piece| &piece.rows));
                Some(all.or_fail(Kind::Internal, || "shadow")?)
            }
        };
        Ok(Self { rows, records })
    }
}

/// The rows of each record beside one another, in their order; rows without a counterpart are counted.
fn pair(live: &[u32], candidate: &[u32], compared: &mut Compared) -> Vec<(usize, usize)> {
    let (mut pairs, mut i, mut j) = (Vec::with_capacity(live.len()), 0, 0);
    loop {
        match (live.get(i), candidate.get(j)) {
            (Some(one), Some(other)) if one == other => {
                pairs.push((i, j));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other) if other.is_none_or(|other| one < other) => {
                compared.rows_lost += 1;
                i += 1;
            }
            (_, Some(_)) => {
                compared.rows_added += 1;
                j += 1;
            }
            (_, None) => return pairs,
        }
    }
}

/// Compares the fields that both have; a field that only one has makes no row another.
fn compare_fields(
    sample: &Sample,
    live: &RecordBatch,
    candidate: &RecordBatch,
    pairs: &[(usize, usize)],
    compared: &mut Compared,
) -> Result<()> {
    let mut changed = vec![false; pairs.len()];
    let record = |row: usize| {
        let rows = sample.live.pieces.iter().flat_map(|piece| &piece.sources);
        rows.copied().nth(row).and_then(|record| sample.records.get(record as usize))
    };
    let whole = pairs.len() == live.num_rows() && pairs.len() == candidate.num_rows();
    for (field, mine) in candidate.schema_ref().fields().iter().zip(candidate.columns()) {
        let Some(theirs) = live.column_by_name(field.name()) else { continue };
        if whole && theirs == mine {
            continue;
        }
        let mut found = FieldReport::default();
        for (&(i, j), changed) in pairs.iter().zip(&mut changed) {
            if theirs.slice(i, 1) == mine.slice(j, 1) {
                continue;
            }
            *changed = true;
            found.changed += 1;
            if wants_more(found.examples.len())
                && let Some(record) = record(i)
            {
                let (live, candidate) = (value(theirs, i)?, value(mine, j)?);
                found.examples.push(Example { partition: sample.partition, offset: record.offset, live, candidate });
            }
        }
        if found.changed > 0 {
            compared.fields.insert(field.name().clone(), found);
        }
    }
    compared.rows_changed = changed.iter().filter(|changed| **changed).count() as u64;
    compared.rows_equal = pairs.len() as u64 - compared.rows_changed;
    Ok(())
}

/// A value as the lake writes it in JSON.
fn value(column: &ArrayRef, row: usize) -> Result<Json> {
    let broken = || "shadow: a value";
    let field = arrow_schema::Field::new("value", column.data_type().clone(), true);
    let one = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column.slice(row, 1)]);
    let line = lake::json_lines(&one.or_fail(Kind::Internal, broken)?)?;
    if line.len() > VALUE_BYTES_MAX {
        let shown = line.strip_prefix("{\"value\":").unwrap_or(&line);
        let cut = shown.get(..shown.floor_char_boundary(VALUE_BYTES_MAX)).unwrap_or_default();
        return Ok(Json::from(format!("{cut}.. ({} bytes)", line.len())));
    }
    let mut object: serde_json::Map<String, Json> =
        serde_json::from_str(&line).map_err(|cause| Error::new(Kind::Internal, format!("{}: {cause}", broken())))?;
    Ok(object.remove("value").unwrap_or_default())
}

fn count_rejected(sample: &Sample, mine: &Came, compared: &mut Compared) {
    let among = |rejected: &[(u32, String)], record: u32| rejected.binary_search_by_key(&record, |(at, _)| *at).is_ok();
    for (record, reason) in &mine.rejected {
        if among(&sample.live.rejected, *record) {
            continue;
        }
        compared.newly_rejected += 1;
        if wants_more(compared.rejected.len())
            && let Some(record) = sample.records.get(*record as usize)
        {
            let (partition, offset) = (sample.partition, record.offset);
            compared.rejected.push(Rejected { partition, offset, reason: reason.clone() });
        }
    }
    let gone = sample.live.rejected.iter().filter(|(record, _)| !among(&mine.rejected, *record));
    compared.no_longer_rejected = gone.count() as u64;
}
