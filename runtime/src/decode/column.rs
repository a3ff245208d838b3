//! One column while it is built, a value at a time, from JSON or from bytes.

use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, PrimitiveArray, TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use base64::Engine as _;

use crate::error::{Error, Kind as ErrorKind, Result};
use crate::json::{Kind, Scanner, Wrong};
use crate::schema::{Field, Type};
use crate::text::TextBuilder;
use crate::time::Timestamp;

/// Why a value cannot stand in a column.
pub(super) enum Misfit {
    /// The text is not JSON.
    Json(Wrong),
    /// It is JSON, but of another type.
    Found(Kind),
    /// It is of the type, but out of its bounds or not of its form.
    Bounds(&'static str),
}

impl From<Wrong> for Misfit {
    fn from(wrong: Wrong) -> Self {
        Self::Json(wrong)
    }
}

/// A column that grows by one value a row.
pub(super) struct Column {
    pub(super) field: Field,
    rows: usize,
    nulls: NullBufferBuilder,
    values: Values,
}

enum Values {
    Booleans(Vec<bool>),
    Int64s(Vec<i64>),
    Float64s(Vec<f64>),
    Texts(TextBuilder),
    Bytes(Runs<u8>),
    Float64Lists(Runs<f64>),
    TextLists { ends: Vec<i32>, items: TextBuilder },
}

/// Runs of items one after another, with where each ends.
struct Runs<T> {
    ends: Vec<i32>,
    items: Vec<T>,
}

impl<T> Runs<T> {
    fn new() -> Self {
        Self { ends: vec![0], items: Vec::new() }
    }

    fn close(&mut self) {
        self.ends.push(i32::try_from(self.items.len()).unwrap_or(i32::MAX));
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows + 1);
        self.items.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    /// The runs so far; the next begin with as much room as these took.
    fn finish(&mut self) -> (Vec<i32>, Vec<T>) {
        let room = |len: usize| len + len / 8;
        let mut ends = Vec::with_capacity(room(self.ends.len()).max(1));
        ends.push(0);
        let items = Vec::with_capacity(room(self.items.len()));
        (std::mem::replace(&mut self.ends, ends), std::mem::replace(&mut self.items, items))
    }
}

impl Column {
    pub(super) fn new(field: Field) -> Self {
        let values = match field.kind {
            Type::Boolean => Values::Booleans(Vec::new()),
            Type::Int64 | Type::Timestamp => Values::Int64s(Vec::new()),
            Type::Float64 => Values::Float64s(Vec::new()),
            Type::Text | Type::Json => Values::Texts(TextBuilder::default()),
            Type::Bytes => Values::Bytes(Runs::new()),
            Type::Float64List => Values::Float64Lists(Runs::new()),
            Type::TextList => Values::TextLists { ends: vec![0], items: TextBuilder::default() },
        };
        Self { field, rows: 0, nulls: NullBufferBuilder::new(0), values }
    }

    #[inline]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Forgets all rows from `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.nulls.truncate(rows);
        match &mut self.values {
            Values::Booleans(values) => values.truncate(rows),
            Values::Int64s(values) => values.truncate(rows),
            Values::Float64s(values) => values.truncate(rows),
            Values::Texts(texts) => texts.truncate(rows),
            Values::Bytes(runs) => runs.truncate(rows),
            Values::Float64Lists(runs) => runs.truncate(rows),
            Values::TextLists { ends, items } => {
                ends.truncate(rows + 1);
                items.truncate(ends.last().map_or(0, |&end| end as usize));
            }
        }
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Booleans(values) => values.push(false),
            Values::Int64s(values) => values.push(0),
            Values::Float64s(values) => values.push(0.0),
            Values::Texts(texts) => texts.end_row(),
            Values::Bytes(runs) => runs.close(),
            Values::Float64Lists(runs) => runs.close(),
            Values::TextLists { ends, .. } => ends.extend_from_within(ends.len() - 1..),
        }
        self.nulls.append_null();
        self.rows += 1;
    }

    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        if let Values::Bytes(runs) = &mut self.values {
            runs.items.extend_from_slice(bytes);
            runs.close();
            self.pushed();
        }
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if let Values::Texts(texts) = &mut self.values {
            texts.push(text);
            texts.end_row();
            self.pushed();
        }
    }

    pub(super) fn push_int64(&mut self, value: i64) {
        if let Values::Int64s(values) = &mut self.values {
            values.push(value);
            self.pushed();
        }
    }

    #[inline]
    fn pushed(&mut self) {
        self.nulls.append_non_null();
        self.rows += 1;
    }

    /// Takes the scanner's next value; after an error the column may hold a part of it, which [`Column::truncate`] removes.
    pub(super) fn push_json(&mut self, from: &mut Scanner<'_>) -> Result<(), Misfit> {
        let found = from.kind()?;
        if found == Kind::Null && self.field.kind != Type::Json {
            from.literal()?;
            self.push_null();
            return Ok(());
        }
        match (self.field.kind, found) {
            (Type::Text, Kind::Text) => {
                if let Values::Texts(texts) = &mut self.values {
                    from.text_into(texts)?;
                    texts.end_row();
                }
            }
            (Type::Int64, Kind::Number) => {
                let value = whole(from.number()?).ok_or(Misfit::Bounds("it is not a whole number of 64 bits"))?;
                self.push_int64(value);
                return Ok(());
            }
            (Type::Float64, Kind::Number) => {
                let value = finite(from.number()?)?;
                if let Values::Float64s(values) = &mut self.values {
                    values.push(value);
                }
            }
            (Type::Boolean, Kind::Boolean) => {
                let value = from.literal()? == Some(true);
                if let Values::Booleans(values) = &mut self.values {
                    values.push(value);
                }
            }
            (Type::Json, _) => {
                self.push_text(from.skip()?);
                return Ok(());
            }
            (Type::Timestamp, Kind::Text) => {
                let time = Timestamp::parse(&from.owned_text()?).ok();
                self.push_int64(time.ok_or(Misfit::Bounds("it is not a time such as 2022-05-27T11:30:59"))?.0);
                return Ok(());
            }
            (Type::Bytes, Kind::Text) => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(from.owned_text()?);
                self.push_bytes(&decoded.map_err(|_| Misfit::Bounds("it is not base64"))?);
                return Ok(());
            }
            (Type::Float64List, Kind::List) => self.push_floats(from)?,
            (Type::TextList, Kind::List) => self.push_texts(from)?,
            _ => {
                from.skip()?;
                return Err(Misfit::Found(found));
            }
        }
        self.pushed();
        Ok(())
    }

    fn push_floats(&mut self, from: &mut Scanner<'_>) -> Result<(), Misfit> {
        let Values::Float64Lists(runs) = &mut self.values else { return Ok(()) };
        each(from, |from| match from.kind()? {
            Kind::Number => {
                runs.items.push(finite(from.number()?)?);
                Ok(())
            }
            _ => Err(Misfit::Bounds("the list holds something else than numbers")),
        })?;
        runs.close();
        Ok(())
    }

    fn push_texts(&mut self, from: &mut Scanner<'_>) -> Result<(), Misfit> {
        let Values::TextLists { ends, items } = &mut self.values else { return Ok(()) };
        each(from, |from| match from.kind()? {
            Kind::Text => {
                from.text_into(items)?;
                items.end_row();
                Ok(())
            }
            _ => Err(Misfit::Bounds("the list holds something else than texts")),
        })?;
        ends.push(i32::try_from(items.rows()).unwrap_or(i32::MAX));
        Ok(())
    }

    /// The rows so far as an Arrow array; the column begins anew.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let nulls = self.nulls.finish();
        self.rows = 0;
        Ok(match &mut self.values {
            Values::Booleans(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Values::Int64s(values) => {
                let values = ScalarBuffer::from(std::mem::take(values));
                match self.field.kind {
                    Type::Timestamp => Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone("UTC")),
                    _ => Arc::new(Int64Array::new(values, nulls)),
                }
            }
            Values::Float64s(values) => Arc::new(Float64Array::new(ScalarBuffer::from(std::mem::take(values)), nulls)),
            Values::Texts(texts) => Arc::new(texts.finish(nulls)?),
            Values::Bytes(runs) => {
                let (ends, items) = runs.finish();
                Arc::new(BinaryArray::new(offsets(ends), Buffer::from_vec(items), nulls))
            }
            Values::Float64Lists(runs) => {
                let (ends, items) = runs.finish();
                let items = PrimitiveArray::<Float64Type>::new(ScalarBuffer::from(items), None);
                Arc::new(list(self.field.kind, ends, Arc::new(items), nulls)?)
            }
            Values::TextLists { ends, items } => {
                let ends = std::mem::replace(ends, vec![0]);
                Arc::new(list(self.field.kind, ends, Arc::new(items.finish(None)?), nulls)?)
            }
        })
    }
}

/// Calls `take` at each value of the list that comes next.
fn each(from: &mut Scanner<'_>, mut take: impl FnMut(&mut Scanner<'_>) -> Result<(), Misfit>) -> Result<(), Misfit> {
    from.expect(b'[', "expected a list")?;
    if from.take(b']') {
        return Ok(());
    }
    loop {
        take(from)?;
        if !from.take(b',') {
            return Ok(from.expect(b']', "expected a comma or the end of the list")?);
        }
    }
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(ends))
}

fn list(kind: Type, ends: Vec<i32>, items: ArrayRef, nulls: Option<NullBuffer>) -> Result<ListArray> {
    let DataType::List(item) = kind.arrow() else {
        return Err(Error::new(ErrorKind::Internal, format!("column of {}: it is no list", kind.word())));
    };
    ListArray::try_new(item, offsets(ends), items, nulls)
        .map_err(|cause| Error::new(ErrorKind::Internal, format!("column of {}: {cause}", kind.word())))
}

/// A number's value where it is whole and fits, however it is written.
fn whole(number: &str) -> Option<i64> {
    /// Up to here each whole number is a float of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if let Ok(value) = number.parse() {
        return Some(value);
    }
    let value: f64 = number.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX && number.contains(['.', 'e', 'E'])).then_some(value as i64)
}

fn finite(number: &str) -> Result<f64, Misfit> {
    let value: f64 = number.parse().map_err(|_| Misfit::Bounds("it is not a number"))?;
    if value.is_finite() { Ok(value) } else { Err(Misfit::Bounds("it is beyond the floating point numbers")) }
}
