//! Values on their way into SQLite: from Arrow columns without a copy of their own, and one by one.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray};
use arrow_array::{StringArray, TimestampMicrosecondArray};
use rusqlite::Statement;
use rusqlite::types::{Null, ToSqlOutput, ValueRef};

use crate::schema::Type;
use crate::time::Timestamp;
use crate::value::{Value, ValueRef as Borrowed};

/// A column whose values are bound to statements.
pub(super) enum Cells<'a> {
    Boolean(&'a BooleanArray),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Timestamp(&'a TimestampMicrosecondArray),
    List(&'a ListArray),
}

impl<'a> Cells<'a> {
    /// The column as what its field says; `None` where the array is of another type.
    pub(super) fn of(column: &'a ArrayRef, kind: Type) -> Option<Self> {
        if *column.data_type() != kind.arrow() {
            return None;
        }
        Some(match kind {
            Type::Boolean => Self::Boolean(column.as_boolean()),
            Type::Int64 => Self::Int64(column.as_primitive::<Int64Type>()),
            Type::Float64 => Self::Float64(column.as_primitive::<Float64Type>()),
            Type::Text | Type::Json => Self::Text(column.as_string()),
            Type::Bytes => Self::Bytes(column.as_binary()),
            Type::Timestamp => Self::Timestamp(column.as_primitive::<TimestampMicrosecondType>()),
            Type::Float64List | Type::TextList => Self::List(column.as_list()),
        })
    }

    /// Binds the value of `row`, which lies in the column, to the parameter at `index`, counted from 1.
    pub(super) fn bind(&self, row: usize, to: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        match self {
            _ if self.array().is_null(row) => to.raw_bind_parameter(index, Null),
            Self::Boolean(column) => to.raw_bind_parameter(index, column.value(row)),
            Self::Int64(column) => to.raw_bind_parameter(index, column.value(row)),
            Self::Float64(column) => to.raw_bind_parameter(index, column.value(row)),
            Self::Text(column) => to.raw_bind_parameter(index, column.value(row)),
            Self::Bytes(column) => to.raw_bind_parameter(index, column.value(row)),
            Self::Timestamp(column) => {
                let text = TimeText::of(Timestamp(column.value(row)));
                to.raw_bind_parameter(index, ToSqlOutput::Borrowed(ValueRef::Text(text.bytes())))
            }
            Self::List(column) => to.raw_bind_parameter(index, list_text(&column.value(row))),
        }
    }

    /// The value of `row`, which lies in the column, as the cache will show it: NaN is null, both zeros are one; a list is `true`.
    pub(super) fn value(&self, row: usize) -> Borrowed<'_> {
        match self {
            _ if self.array().is_null(row) => Borrowed::Null,
            Self::Boolean(column) => Borrowed::Boolean(column.value(row)),
            Self::Int64(column) => Borrowed::Int64(column.value(row)),
            Self::Float64(column) => float(column.value(row)),
            Self::Text(column) => Borrowed::Text(column.value(row)),
            Self::Bytes(column) => Borrowed::Bytes(column.value(row)),
            Self::Timestamp(column) => Borrowed::Timestamp(Timestamp(column.value(row))),
            Self::List(_) => Borrowed::Boolean(true),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Boolean(column) => column,
            Self::Int64(column) => column,
            Self::Float64(column) => column,
            Self::Text(column) => column,
            Self::Bytes(column) => column,
            Self::Timestamp(column) => column,
            Self::List(column) => column,
        }
    }
}

/// The value of a field of this type that the cache shows so; null where it cannot be one. A list is `true`.
pub(super) fn read(kind: Type, shown: ValueRef<'_>) -> Borrowed<'_> {
    match (kind, shown) {
        (Type::Boolean, ValueRef::Integer(value)) => Borrowed::Boolean(value != 0),
        (Type::Int64, ValueRef::Integer(value)) => Borrowed::Int64(value),
        (Type::Float64, ValueRef::Real(value)) => float(value),
        (Type::Float64, ValueRef::Integer(value)) => Borrowed::Float64(value as f64),
        (Type::Text | Type::Json, ValueRef::Text(text)) => {
            std::str::from_utf8(text).map_or(Borrowed::Null, Borrowed::Text)
        }
        (Type::Bytes, ValueRef::Blob(bytes)) => Borrowed::Bytes(bytes),
        (Type::Timestamp, ValueRef::Integer(at)) => Borrowed::Timestamp(Timestamp(at)),
        (Type::Timestamp, ValueRef::Text(text)) => TimeText::read(text).map_or(Borrowed::Null, Borrowed::Timestamp),
        (Type::Float64List | Type::TextList, shown) if shown != ValueRef::Null => Borrowed::Boolean(true),
        _ => Borrowed::Null,
    }
}

fn float(value: f64) -> Borrowed<'static> {
    // Adding nothing makes one zero of two.
    if value.is_nan() { Borrowed::Null } else { Borrowed::Float64(value + 0.0) }
}

/// Binds one value as a column of the cache shows it.
pub(super) fn bind_value(value: &Value, to: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
    match value {
        Value::Null => to.raw_bind_parameter(index, Null),
        Value::Boolean(value) => to.raw_bind_parameter(index, value),
        Value::Int64(value) => to.raw_bind_parameter(index, value),
        Value::Float64(value) => to.raw_bind_parameter(index, value),
        Value::Text(value) => to.raw_bind_parameter(index, value),
        Value::Bytes(value) => to.raw_bind_parameter(index, value),
        Value::Timestamp(at) => {
            to.raw_bind_parameter(index, ToSqlOutput::Borrowed(ValueRef::Text(TimeText::of(*at).bytes())))
        }
    }
}

fn list_text(values: &ArrayRef) -> String {
    let mut text = String::from("[");
    if let Some(numbers) = values.as_primitive_opt::<Float64Type>() {
        join(&mut text, numbers.values().iter(), |text, number| match number.is_finite() {
            true => write!(text, "{number:?}"),
            false => text.write_str("null"),
        });
    } else if let Some(words) = values.as_string_opt::<i32>() {
        join(&mut text, words.iter().flatten(), |text, word| write!(text, "{}", serde_json::Value::from(word)));
    }
    text.push(']');
    text
}

fn join<T>(text: &mut String, items: impl Iterator<Item = T>, write: impl Fn(&mut String, T) -> std::fmt::Result) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        // Writing to a string cannot fail.
        let _ = write(text, item);
    }
}

/// A time as the cache's columns show it.
pub fn shown_time(at: Timestamp) -> String {
    String::from_utf8_lossy(TimeText::of(at).bytes()).into_owned()
}

/// A time as the cache's columns show it: `2026-11-22 21:05:00`, with `.250000` where there is a fraction.
///
/// Outside the years 0 to 9999, for which SQLite has no text, it is the number of microseconds.
pub(super) struct TimeText {
    bytes: [u8; 26],
    len: usize,
}

impl TimeText {
    pub(super) fn of(at: Timestamp) -> Self {
        let (days, micros) = (at.0.div_euclid(86_400_000_000), at.0.rem_euclid(86_400_000_000));
        let (year, month, day) = date(days);
        let mut text = Self { bytes: [0; 26], len: 0 };
        if !(0..=9999).contains(&year) {
            at.0.to_string().bytes().for_each(|byte| text.push(byte));
            return text;
        }
        let seconds = micros / 1_000_000;
        text.number(year, 4);
        for (before, number) in
            [(b'-', month), (b'-', day), (b' ', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
        {
            text.push(before);
            text.number(number, 2);
        }
        if micros % 1_000_000 != 0 {
            text.push(b'.');
            text.number(micros % 1_000_000, 6);
        }
        text
    }

    /// The time that this text shows; none where it shows none.
    fn read(text: &[u8]) -> Option<Timestamp> {
        let digits = |from: usize, to: usize| {
            text.get(from..to)?
                .iter()
                .try_fold(0i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
        };
        let apart = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
        let calendar = apart.iter().all(|(place, byte)| text.get(*place) == Some(byte));
        if !calendar {
            return std::str::from_utf8(text).ok()?.parse().ok().map(Timestamp);
        }
        let fraction = match text.get(19..)? {
            [] => 0,
            [b'.', six @ ..] if six.len() == 6 => digits(20, 26)?,
            _ => return None,
        };
        let seconds = (digits(11, 13)? * 60 + digits(14, 16)?) * 60 + digits(17, 19)?;
        let days = days(digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
        Some(Timestamp((days * 86_400 + seconds) * 1_000_000 + fraction))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn number(&mut self, number: i64, digits: u32) {
        for digit in (0..digits).rev() {
            self.push(b'0' + (number / 10_i64.pow(digit) % 10) as u8);
        }
    }
}

/// Year, month and day of the day that lies `days` after 1970-01-01, in the Gregorian calendar.
///
/// Counted from 1 March of the year 0, so that the leap day ends a year and months follow one line.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, turned) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + turned, month, day)
}

/// How many days after 1970-01-01 a date is; the other way round than [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * month + 2) / 5 + day - 1;
    cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + day - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(time: &str, text: &str) {
        let at = Timestamp::parse(time).unwrap();
        assert_eq!(std::str::from_utf8(TimeText::of(at).bytes()).unwrap(), text, "{time}");
        assert_eq!(TimeText::read(text.as_bytes()), Some(at), "{time}");
    }

    #[test]
    fn writes_times_as_sqlite_reads_them() {
        check("1970-01-01T00:00:00Z", "1970-01-01 00:00:00");
        check("2019-01-01T07:21:13Z", "2019-01-01 07:21:13");
        check("2020-02-29T23:59:59.25Z", "2020-02-29 23:59:59.250000");
        check("2000-12-31T00:00:00.000001Z", "2000-12-31 00:00:00.000001");
        check("1969-12-31T23:59:59.999999Z", "1969-12-31 23:59:59.999999");
        check("0000-01-01T00:00:00Z", "0000-01-01 00:00:00");
        check("9999-12-30T22:00:00Z", "9999-12-30 22:00:00");
    }

    #[test]
    fn agrees_with_the_calendar_on_every_day_of_a_cycle() {
        for day in 0..146_097 {
            let at = Timestamp(day * 86_400_000_000);
            let ours = String::from_utf8(TimeText::of(at).bytes().to_vec()).unwrap();
            assert_eq!(TimeText::read(ours.as_bytes()), Some(at));
            assert_eq!(ours.replace(' ', "T") + "Z", at.to_string());
        }
    }

    #[test]
    fn is_a_number_where_no_calendar_reaches() {
        assert_eq!(TimeText::of(Timestamp::MIN).bytes(), i64::MIN.to_string().as_bytes());
        assert_eq!(TimeText::of(Timestamp(i64::MAX)).bytes(), i64::MAX.to_string().as_bytes());
        assert_eq!(TimeText::read(i64::MIN.to_string().as_bytes()), Some(Timestamp::MIN));
        for text in ["", "yesterday", "2019-01-01 07:21:1", "2019-01-01 07:21:13.25", "2019-0x-01 07:21:13"] {
            assert_eq!(TimeText::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lists_are_json() {
        let numbers: ArrayRef = std::sync::Arc::new(Float64Array::from(vec![1.5, -2.0, f64::NAN]));
        assert_eq!(list_text(&numbers), "[1.5,-2.0,null]");
        let words: ArrayRef = std::sync::Arc::new(StringArray::from(vec!["a\"b", "é"]));
        assert_eq!(list_text(&words), r#"["a\"b","é"]"#);
    }
}
