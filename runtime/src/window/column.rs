//! A batch's column, read as words or as bytes.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::NullBuffer;

use super::plan::{By, Input};
use super::scalar::{self, ScalarRef};
use crate::error::{Error, Kind, Result};
use crate::expression::Expression;
use crate::schema::Type;
use crate::time::Timestamp;

/// The values of one column of one batch.
pub(super) struct Column<'a> {
    pub(super) nulls: Option<NullBuffer>,
    pub(super) values: Values<'a>,
}

/// The values apart from which of them are null.
pub(super) enum Values<'a> {
    Words(Cow<'a, [i64]>),
    /// Row `i` is `data[offsets[i]..offsets[i + 1]]`.
    Bytes {
        offsets: Cow<'a, [i32]>,
        data: Cow<'a, [u8]>,
    },
}

impl<'a> Column<'a> {
    /// The column `input` of `rows`; an error of kind `Internal` where it is not of the type that was planned with.
    pub(super) fn of(rows: &'a RecordBatch, input: &Input) -> Result<Self> {
        let array = rows.columns().get(input.index).ok_or_else(|| mismatch(input))?;
        let values = values(array, input.kind).ok_or_else(|| mismatch(input))?;
        Ok(Self { nulls: array.nulls().filter(|nulls| nulls.null_count() > 0).cloned(), values })
    }

    /// The same as floats.
    pub(super) fn of_floats(rows: &'a RecordBatch, input: &Input) -> Result<Self> {
        let mut column = Self::of(rows, input)?;
        if let (Type::Int64, Values::Words(words)) = (input.kind, &column.values) {
            column.values = Values::Words(words.iter().map(|&word| scalar::word_of(word as f64)).collect());
        }
        Ok(column)
    }

    /// Its words; nothing where it has none.
    pub(super) fn words(&self) -> &[i64] {
        match &self.values {
            Values::Words(words) => words,
            Values::Bytes { .. } => &[],
        }
    }

    /// What `rows` are grouped by.
    pub(super) fn of_key(rows: &'a RecordBatch, by: &By) -> Result<Self> {
        let mut column = Self::of(rows, &by.input)?;
        match &by.expression {
            Expression::Column(_) => {
                // NaN counts as null: SQLite, which keeps the groups, knows no NaN.
                if let (Type::Float64, Values::Words(words)) = (by.kind, &column.values)
                    && words.contains(&scalar::NAN)
                {
                    let numbers = words.iter().map(|&word| word != scalar::NAN).collect();
                    column.nulls = NullBuffer::union(column.nulls.as_ref(), Some(&NullBuffer::new(numbers)));
                }
                Ok(column)
            }
            Expression::Part { part, zone, .. } => {
                Ok(computed_words(&column, rows.num_rows(), |word| part.of(Timestamp(word), zone)))
            }
            Expression::Label { ranges, .. } if by.input.kind == Type::Float64 => {
                computed_texts(&column, rows.num_rows(), |word| ranges.of(scalar::float_of(word)))
                    .ok_or_else(|| mismatch(&by.input))
            }
            Expression::Label { ranges, .. } => computed_texts(&column, rows.num_rows(), |word| ranges.of_whole(word))
                .ok_or_else(|| mismatch(&by.input)),
        }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The value of a row; none where it is null.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<ScalarRef<'_>> {
        if self.is_null(row) {
            return None;
        }
        match &self.values {
            Values::Words(words) => word(words, row),
            Values::Bytes { offsets, data } => bytes(offsets, data, row),
        }
    }
}

#[inline]
pub(super) fn word(words: &[i64], row: usize) -> Option<ScalarRef<'_>> {
    words.get(row).map(|&word| ScalarRef::Word(word))
}

#[inline]
pub(super) fn bytes<'a>(offsets: &[i32], data: &'a [u8], row: usize) -> Option<ScalarRef<'a>> {
    let (from, to) = (*offsets.get(row)?, *offsets.get(row + 1)?);
    data.get(from as usize..to as usize).map(ScalarRef::Bytes)
}

fn values(array: &dyn Array, kind: Type) -> Option<Values<'_>> {
    Some(match kind {
        Type::Int64 => Values::Words(Cow::Borrowed(array.as_primitive_opt::<Int64Type>()?.values())),
        Type::Timestamp => Values::Words(Cow::Borrowed(array.as_primitive_opt::<TimestampMicrosecondType>()?.values())),
        Type::Float64 => {
            let floats = array.as_primitive_opt::<Float64Type>()?.values();
            Values::Words(floats.iter().map(|&value| scalar::word_of(value)).collect())
        }
        Type::Boolean => Values::Words(array.as_boolean_opt()?.values().iter().map(i64::from).collect()),
        Type::Text | Type::Json => {
            let texts = array.as_string_opt::<i32>()?;
            Values::Bytes { offsets: texts.value_offsets().into(), data: texts.value_data().into() }
        }
        Type::Bytes => {
            let bytes = array.as_binary_opt::<i32>()?;
            Values::Bytes { offsets: bytes.value_offsets().into(), data: bytes.value_data().into() }
        }
        // Lists are only ever counted.
        Type::Float64List | Type::TextList => Values::Words(vec![0; array.len()].into()),
    })
}

/// Words that are computed of a column's words; null where there is none.
fn computed_words(of: &Column<'_>, rows: usize, value: impl Fn(i64) -> Option<i64>) -> Column<'static> {
    let computed = (0..rows).map(|row| match of.get(row)? {
        ScalarRef::Word(word) => value(word),
        ScalarRef::Bytes(_) => None,
    });
    let (mut words, mut known) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for word in computed {
        known.push(word.is_some());
        words.push(word.unwrap_or_default());
    }
    Column { nulls: nulls(known), values: Values::Words(words.into()) }
}

/// Texts that are computed of a column's words; none where they are longer than an array can be.
fn computed_texts<'t>(of: &Column<'_>, rows: usize, text: impl Fn(i64) -> Option<&'t str>) -> Option<Column<'static>> {
    let (mut offsets, mut data, mut known) = (vec![0], Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        let text = match of.get(row) {
            Some(ScalarRef::Word(word)) => text(word),
            _ => None,
        };
        known.push(text.is_some());
        data.extend_from_slice(text.unwrap_or_default().as_bytes());
        offsets.push(i32::try_from(data.len()).ok()?);
    }
    Some(Column { nulls: nulls(known), values: Values::Bytes { offsets: offsets.into(), data: data.into() } })
}

fn nulls(known: Vec<bool>) -> Option<NullBuffer> {
    known.contains(&false).then(|| NullBuffer::from(known))
}

fn mismatch(input: &Input) -> Error {
    let what = format!("column {} of the rows to aggregate is not of type {}", input.index, input.kind.word());
    Error::new(Kind::Internal, what)
}
