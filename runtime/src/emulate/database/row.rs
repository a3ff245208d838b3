//! A row of a table as a JSON object.

use serde_json::{Number, Value};

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Whole numbers, or decimal ones as they stand.
    Number,
    /// Fractions, which keep their point.
    Float,
    /// A date with a time of the day.
    Time,
    /// Yes or no, as PostgreSQL writes it.
    Boolean,
    /// Anything else.
    Text,
}

/// A column's value in a row, as the database writes it.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) of: Type,
    /// Nothing is NULL.
    pub(super) text: Option<String>,
}

/// How a date is parted from the time of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// `2017-10-19T15:13:42`, as Python's `isoformat` does it.
    #[default]
    T,
    /// `2017-10-19 15:13:42`, as its `str` does.
    Blank,
}

/// Where the date ends in a time.
const DATE_BYTES: usize = 10;

impl Dates {
    /// Appends the object of a row.
    pub(super) fn write(self, row: Vec<Cell>, into: &mut Vec<u8>) {
        let object: serde_json::Map<String, Value> = row.into_iter().map(|cell| self.field(cell)).collect();
        into.extend_from_slice(Value::Object(object).to_string().as_bytes());
    }

    fn field(self, cell: Cell) -> (String, Value) {
        let value = match (cell.of, cell.text) {
            (_, None) => Value::Null,
            (Type::Number, Some(text)) => number(text),
            (Type::Float, Some(text)) if text.contains(['.', 'e', 'E']) => number(text),
            (Type::Float, Some(text)) => number(text + ".0"),
            (Type::Boolean, Some(text)) => Value::Bool(text == "t"),
            (Type::Time, Some(text)) => self.parted(text).into(),
            (Type::Text, Some(text)) => text.into(),
        };
        (cell.name, value)
    }

    fn parted(self, mut time: String) -> String {
        if let Some(b' ' | b'T') = time.as_bytes().get(DATE_BYTES) {
            time.replace_range(DATE_BYTES..=DATE_BYTES, if self == Self::T { "T" } else { " " });
        }
        time
    }

    /// Parts the times of a generated row, which has them with a `T`.
    pub(in crate::emulate) fn part(self, row: &mut [u8]) {
        for field in [&b"\"timestamp\":\""[..], b"\"date_joined\":\""] {
            let Some(at) = memchr::memmem::find(row, field).filter(|_| self == Self::Blank) else { continue };
            if let Some(between) = row.get_mut(at + field.len() + DATE_BYTES) {
                *between = b' ';
            }
        }
    }
}

/// A number with the digits that it was given; what JSON has no number for stays a text.
fn number(text: String) -> Value {
    serde_json::from_str::<Number>(&text).map_or_else(|_| text.into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dates: Dates, of: Type, text: &str, expected: &str) {
        let mut row = Vec::new();
        let null = Cell { name: "b".to_owned(), of, text: None };
        dates.write(vec![Cell { name: "a".to_owned(), of, text: Some(text.to_owned()) }, null], &mut row);
        assert_eq!(String::from_utf8(row).unwrap(), format!("{{\"a\":{expected},\"b\":null}}"));
    }

    #[test]
    fn values_are_written_by_their_columns_types() {
        for (of, text, expected) in [
            (Type::Number, "11153", "11153"),
            (Type::Number, "-12.5", "-12.5"),
            (Type::Number, "00042", "\"00042\""),
            (Type::Float, "-89.9787", "-89.9787"),
            (Type::Float, "10", "10.0"),
            (Type::Float, "NaN", "\"NaN.0\""),
            (Type::Boolean, "t", "true"),
            (Type::Boolean, "f", "false"),
            (Type::Text, "5 \"é\"\n", "\"5 \\\"é\\\"\\n\""),
            (Type::Time, "2017-10-19 15:13:42", "\"2017-10-19T15:13:42\""),
            (Type::Time, "2017-10-19", "\"2017-10-19\""),
        ] {
            check(Dates::T, of, text, expected);
        }
        check(Dates::Blank, Type::Time, "2017-10-19T15:13:42", "\"2017-10-19 15:13:42\"");
        check(Dates::Blank, Type::Text, "2017-10-19T15:13:42", "\"2017-10-19T15:13:42\"");
    }

    #[test]
    fn generated_rows_part_their_times_too() {
        let row = br#"{"ind":1,"timestamp":"2017-10-19T15:13:42","country":"T"}"#;
        for (dates, expected) in [(Dates::T, 'T'), (Dates::Blank, ' ')] {
            let mut parted = row.to_vec();
            dates.part(&mut parted);
            let expected = format!(r#"{{"ind":1,"timestamp":"2017-10-19{expected}15:13:42","country":"T"}}"#);
            assert_eq!(String::from_utf8(parted).unwrap(), expected);
        }
    }
}
