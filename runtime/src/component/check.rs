//! What a guest returned, checked in full before any of it is believed.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, SchemaRef};

use super::bindings::tidemill::transform::columns::{ColumnResult, TextValuesResult, ValuesResult};
use super::bindings::{self, Rejection};
use super::description::Description;
use super::failure::{TEXT_BYTES_MAX, plain};
use super::limits::{Limit, Limits};
use crate::error::{Error, Kind, OrFail, Result};
use crate::sabotage::{self, Fault};
use crate::schema::{Field, Type};
use crate::text::text_column;

/// What came of a batch. An input row that is neither in `sources` nor in `rejected` was dropped on purpose.
#[derive(Clone, Debug)]
pub struct Output {
    /// The rows that came out, with the fields of the description's outputs.
    pub rows: RecordBatch,
    /// For each row that came out, the input row that it came from; never falling.
    pub sources: Vec<u32>,
    /// Input rows that cannot become rows, by rising row, with the reason: at most 4 KiB, without control characters.
    pub rejected: Vec<(u32, String)>,
}

/// Checks all that came back for `rows_in` rows.
pub(super) fn output(
    given: bindings::Output,
    rows_in: usize,
    description: &Description,
    schema: &SchemaRef,
    limits: &Limits,
) -> Result<Output> {
    let rows = given.rows.rows as usize;
    if rows > rows_in.saturating_mul(limits.rows_out_per_row_max) {
        return Err(limits.exceeded(Limit::RowsOutPerRow, &format!("returned {rows} rows for {rows_in}")));
    }
    if !sabotage::is(Fault::AnswersUnchecked) {
        check_sources(&given.sources, rows, rows_in)?;
    }
    let rejected = checked_rejections(given.rejected, &given.sources, rows_in)?;
    let fields = &description.outputs;
    if given.rows.columns.len() != fields.len() {
        return Err(wrong(format!("returned {} columns for {} outputs", given.rows.columns.len(), fields.len())));
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (field, column) in fields.iter().zip(given.rows.columns) {
        columns.push(
            checked_column(field, column, rows).map_err(|fault| fault.within(format!("field {:?}", field.name)))?,
        );
    }
    let rows = RecordBatch::try_new(Arc::clone(schema), columns).or_fail(Kind::Internal, || "returned rows")?;
    Ok(Output { rows, sources: given.sources, rejected })
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Transform, what)
}

fn check_sources(sources: &[u32], rows: usize, rows_in: usize) -> Result<()> {
    if sources.len() != rows {
        return Err(wrong(format!("sources: {} of them for {rows} rows", sources.len())));
    }
    if !sources.is_sorted() {
        return Err(wrong(format!("sources: they fall at row {}", first_fall(sources))));
    }
    match sources.last() {
        Some(&last) if last as usize >= rows_in => {
            Err(wrong(format!("sources: row {} comes from {last}, of {rows_in} given", rows - 1)))
        }
        _ => Ok(()),
    }
}

fn checked_rejections(given: Vec<Rejection>, sources: &[u32], rows_in: usize) -> Result<Vec<(u32, String)>> {
    let mut rejected: Vec<(u32, String)> = Vec::with_capacity(given.len());
    let mut sources = sources.iter().copied().peekable();
    for Rejection { row, reason } in given {
        if row as usize >= rows_in {
            return Err(wrong(format!("rejected: row {row}, of {rows_in} given")));
        }
        if rejected.last().is_some_and(|&(before, _)| before >= row) {
            return Err(wrong(format!("rejected: row {row} does not come after the one before it")));
        }
        while sources.next_if(|&source| source < row).is_some() {}
        if sources.peek() == Some(&row) {
            return Err(wrong(format!("rejected: row {row} came out as well")));
        }
        rejected.push((row, plain(&reason, TEXT_BYTES_MAX)));
    }
    Ok(rejected)
}

fn checked_column(field: &Field, column: ColumnResult, rows: usize) -> Result<ArrayRef> {
    let nulls = column.validity.map(|bits| checked_nulls(field, bits, rows)).transpose()?.flatten();
    let kind = kind_of(&column.values);
    if kind != field.kind {
        return Err(wrong(format!("returned {}, not {}", kind.word(), field.kind.word())));
    }
    Ok(match column.values {
        ValuesResult::Booleans(values) => Arc::new(BooleanArray::new(booleans(&values, rows)?, nulls)),
        ValuesResult::Int64s(values) => Arc::new(Int64Array::new(numbers(values, rows)?, nulls)),
        ValuesResult::Float64s(values) => Arc::new(Float64Array::new(numbers(values, rows)?, nulls)),
        ValuesResult::Timestamps(values) => {
            Arc::new(TimestampMicrosecondArray::new(numbers(values, rows)?, nulls).with_timezone("UTC"))
        }
        ValuesResult::Texts(texts) => {
            check_count(texts.offsets.len(), rows + 1, "offsets")?;
            Arc::new(text_column(signed(texts.offsets), texts.bytes, nulls)?)
        }
        ValuesResult::Bytes(TextValuesResult { offsets, bytes }) => {
            let offsets = checked_offsets(offsets, rows, bytes.len())?;
            Arc::new(BinaryArray::new(offsets, Buffer::from_vec(bytes), nulls))
        }
        ValuesResult::Json(texts) => json(texts, rows, nulls)?,
        ValuesResult::Float64Lists(lists) => {
            let offsets = checked_offsets(lists.offsets, rows, lists.items.len())?;
            list(field, offsets, Arc::new(Float64Array::from(lists.items)), nulls)?
        }
        ValuesResult::TextLists(lists) => {
            let texts = lists.items.offsets.len().checked_sub(1).ok_or_else(|| wrong("items: there are no offsets"))?;
            let offsets = checked_offsets(lists.offsets, rows, texts)?;
            let items = text_column(signed(lists.items.offsets), lists.items.bytes, None);
            list(field, offsets, Arc::new(items.map_err(|fault| fault.within("items"))?), nulls)?
        }
    })
}

fn kind_of(values: &ValuesResult) -> Type {
    match values {
        ValuesResult::Booleans(_) => Type::Boolean,
        ValuesResult::Int64s(_) => Type::Int64,
        ValuesResult::Float64s(_) => Type::Float64,
        ValuesResult::Timestamps(_) => Type::Timestamp,
        ValuesResult::Texts(_) => Type::Text,
        ValuesResult::Bytes(_) => Type::Bytes,
        ValuesResult::Json(_) => Type::Json,
        ValuesResult::Float64Lists(_) => Type::Float64List,
        ValuesResult::TextLists(_) => Type::TextList,
    }
}

/// The nulls that a validity tells of; none where every row has a value.
fn checked_nulls(field: &Field, bits: Vec<u8>, rows: usize) -> Result<Option<NullBuffer>> {
    check_count(bits.len(), rows.div_ceil(8), "bytes of validity")?;
    let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows));
    if nulls.null_count() == 0 {
        return Ok(None);
    }
    if !field.nullable {
        let row = nulls.iter().position(|valid| !valid).unwrap_or_default();
        return Err(wrong(format!("row {row} is null, and the field may not be")));
    }
    Ok(Some(nulls))
}

fn check_count(count: usize, wanted: usize, what: &str) -> Result<()> {
    match count == wanted {
        true => Ok(()),
        false => Err(wrong(format!("returned {count} {what} where {wanted} are due"))),
    }
}

fn numbers<T: arrow_buffer::ArrowNativeType>(values: Vec<T>, rows: usize) -> Result<ScalarBuffer<T>> {
    check_count(values.len(), rows, "values")?;
    Ok(ScalarBuffer::from(values))
}

fn booleans(values: &[u8], rows: usize) -> Result<BooleanBuffer> {
    check_count(values.len(), rows, "values")?;
    if let Some(row) = values.iter().position(|&value| value > 1) {
        return Err(wrong(format!("row {row} is neither 0 nor 1")));
    }
    Ok(values.iter().map(|&value| value == 1).collect())
}

fn json(texts: TextValuesResult, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    check_count(texts.offsets.len(), rows + 1, "offsets")?;
    let column = text_column(signed(texts.offsets), texts.bytes, nulls)?;
    for (row, value) in column.iter().enumerate() {
        if let Some(Err(cause)) = value.map(serde_json::from_str::<serde::de::IgnoredAny>) {
            return Err(wrong(format!("row {row} is not JSON: {cause}")));
        }
    }
    Ok(Arc::new(column))
}

fn list(field: &Field, offsets: OffsetBuffer<i32>, items: ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    match field.kind.arrow() {
        DataType::List(item) => {
            Ok(Arc::new(ListArray::try_new(item, offsets, items, nulls).or_fail(Kind::Transform, || "lists")?))
        }
        other => Err(Error::new(Kind::Internal, format!("{other} is no list"))),
    }
}

/// Offsets that begin at 0, never fall and end with the values.
fn checked_offsets(offsets: Vec<u32>, rows: usize, values: usize) -> Result<OffsetBuffer<i32>> {
    check_count(offsets.len(), rows + 1, "offsets")?;
    if offsets.first() != Some(&0) || offsets.last().map(|&end| end as usize) != Some(values) {
        return Err(wrong(format!("its offsets do not span its {values} values")));
    }
    if !offsets.is_sorted() {
        return Err(wrong(format!("its offsets fall after row {}", first_fall(&offsets).saturating_sub(1))));
    }
    if i32::try_from(values).is_err() {
        return Err(wrong(format!("it holds {values} values, more than a column can")));
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(signed(offsets))))
}

/// The same bits in the same memory: what is beyond `i32` turns negative, which the checks that follow refuse.
fn signed(offsets: Vec<u32>) -> Vec<i32> {
    Buffer::from_vec(offsets).into_vec().unwrap_or_else(|kept| kept.typed_data::<i32>().to_vec())
}

fn first_fall(values: &[u32]) -> usize {
    values.iter().zip(values.iter().skip(1)).position(|(before, after)| before > after).map_or(0, |at| at + 1)
}
