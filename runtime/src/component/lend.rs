//! Arrow columns as the guest is given them: borrowed where the layout is the same, rewritten where it is not.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer};

use super::bindings::BatchParam;
use super::bindings::tidemill::transform::columns::{
    ColumnParam, Float64ListValuesParam, TextListValuesParam, TextValuesParam, ValuesParam,
};
use crate::error::{Error, Kind, Result};
use crate::schema::{Field, Type};

/// A column with what had to be rewritten for it.
pub(super) struct Lent<'a> {
    validity: Option<Buffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Booleans(Vec<u8>),
    Int64s(&'a [i64]),
    Float64s(&'a [f64]),
    Timestamps(&'a [i64]),
    Texts(Texts<'a>),
    Bytes(Texts<'a>),
    Json(Texts<'a>),
    Float64Lists(Cow<'a, [u32]>, &'a [f64]),
    TextLists(Cow<'a, [u32]>, Texts<'a>),
}

struct Texts<'a> {
    offsets: Cow<'a, [u32]>,
    bytes: &'a [u8],
}

/// The columns of a batch that has exactly `fields`, in their order.
pub(super) fn columns<'a>(fields: &[Field], batch: &'a RecordBatch) -> Result<Vec<Lent<'a>>> {
    if fields.len() != batch.num_columns() {
        let what = format!("batch: it has {} columns for {} inputs", batch.num_columns(), fields.len());
        return Err(Error::new(Kind::Internal, what));
    }
    fields.iter().zip(batch.columns()).map(|(field, column)| lend(field, column.as_ref())).collect()
}

/// The batch as an argument.
pub(super) fn batch<'a>(rows: usize, columns: &'a [ColumnParam<'a>]) -> BatchParam<'a> {
    BatchParam { rows: rows as u32, columns }
}

impl Lent<'_> {
    /// The column as an argument.
    pub(super) fn param(&self) -> ColumnParam<'_> {
        let values = match &self.values {
            Values::Booleans(values) => ValuesParam::Booleans(values),
            Values::Int64s(values) => ValuesParam::Int64s(values),
            Values::Float64s(values) => ValuesParam::Float64s(values),
            Values::Timestamps(values) => ValuesParam::Timestamps(values),
            Values::Texts(texts) => ValuesParam::Texts(texts.param()),
            Values::Bytes(texts) => ValuesParam::Bytes(texts.param()),
            Values::Json(texts) => ValuesParam::Json(texts.param()),
            Values::Float64Lists(offsets, items) => {
                ValuesParam::Float64Lists(Float64ListValuesParam { offsets, items })
            }
            Values::TextLists(offsets, items) => {
                ValuesParam::TextLists(TextListValuesParam { offsets, items: items.param() })
            }
        };
        ColumnParam { validity: self.validity.as_ref().map(Buffer::as_slice), values }
    }
}

impl Texts<'_> {
    fn param(&self) -> TextValuesParam<'_> {
        TextValuesParam { offsets: &self.offsets, bytes: self.bytes }
    }
}

fn lend<'a>(field: &Field, column: &'a dyn Array) -> Result<Lent<'a>> {
    let values = values(field.kind, column).ok_or_else(|| {
        let what = format!("batch: column {:?} is {}, not {}", field.name, column.data_type(), field.kind.word());
        Error::new(Kind::Internal, what)
    })?;
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    Ok(Lent { validity: nulls.map(|nulls| nulls.inner().sliced()), values })
}

fn values(kind: Type, column: &dyn Array) -> Option<Values<'_>> {
    Some(match kind {
        Type::Boolean => Values::Booleans(column.as_boolean_opt()?.values().iter().map(u8::from).collect()),
        Type::Int64 => Values::Int64s(column.as_primitive_opt::<Int64Type>()?.values()),
        Type::Float64 => Values::Float64s(column.as_primitive_opt::<Float64Type>()?.values()),
        Type::Timestamp => Values::Timestamps(column.as_primitive_opt::<TimestampMicrosecondType>()?.values()),
        Type::Text => Values::Texts(texts(column)?),
        Type::Json => Values::Json(texts(column)?),
        Type::Bytes => {
            let column = column.as_binary_opt::<i32>()?;
            Values::Bytes(stretch(unsigned(column.offsets()), column.value_data()))
        }
        Type::Float64List => {
            let lists = column.as_list_opt::<i32>()?;
            let (offsets, items) = rebased(unsigned(lists.offsets()));
            let all: &[f64] = lists.values().as_primitive_opt::<Float64Type>()?.values();
            Values::Float64Lists(offsets, all.get(items)?)
        }
        Type::TextList => {
            let lists = column.as_list_opt::<i32>()?;
            let (offsets, items) = rebased(unsigned(lists.offsets()));
            let all = lists.values().as_string_opt::<i32>()?;
            // One offset more than there are texts.
            let ends = unsigned(all.offsets()).get(items.start..=items.end)?;
            Values::TextLists(offsets, stretch(ends, all.value_data()))
        }
    })
}

fn texts(column: &dyn Array) -> Option<Texts<'_>> {
    let column = column.as_string_opt::<i32>()?;
    Some(stretch(unsigned(column.offsets()), column.value_data()))
}

/// The same bits: offsets are never negative.
fn unsigned(offsets: &OffsetBuffer<i32>) -> &[u32] {
    offsets.inner().inner().typed_data()
}

fn stretch<'a>(offsets: &'a [u32], bytes: &'a [u8]) -> Texts<'a> {
    let (offsets, range) = rebased(offsets);
    Texts { offsets, bytes: bytes.get(range).unwrap_or_default() }
}

/// Offsets that begin at 0, with the stretch of values that they are about: those of a slice begin elsewhere.
fn rebased(offsets: &[u32]) -> (Cow<'_, [u32]>, Range<usize>) {
    let first = offsets.first().copied().unwrap_or(0);
    let last = offsets.last().copied().unwrap_or(0);
    let offsets = match first {
        0 => Cow::Borrowed(offsets),
        _ => Cow::Owned(offsets.iter().map(|at| at - first).collect()),
    };
    (offsets, first as usize..last as usize)
}
