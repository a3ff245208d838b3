//! Simple expressions over one column that rows are grouped by: a column, a part of a time, the label of a range.

use std::fmt;

use crate::error::{Error, Kind, Result};
use crate::schema::Type;
use crate::time::{Timestamp, Zone};
use crate::value::Value;

/// What rows are grouped by: an expression, and the column that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The column that shows it.
    pub name: String,
    /// What it is of.
    pub expression: Expression,
}

/// An expression over one column. What it is of null is null.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// The column itself.
    Column(String),
    /// A part of a time in a zone, as a whole number.
    Part {
        /// Which.
        part: Part,
        /// The column of times.
        column: String,
        /// Where its calendars and clocks hang.
        zone: Zone,
    },
    /// The label of the range in which a number lies; null outside of all.
    Label {
        /// The column of numbers.
        column: String,
        /// The ranges.
        ranges: Ranges,
    },
}

/// A part of a time, as calendars and clocks show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The year.
    Year,
    /// The month, from 1.
    Month,
    /// The day of the month, from 1.
    Day,
    /// The day of the week, Monday being 1.
    Weekday,
    /// The hour, from 0.
    Hour,
}

/// Ranges of numbers that do not overlap, by rising bounds; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges(Vec<Range>);

/// A range of numbers, both bounds among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// What it is called.
    pub label: String,
    /// The least number in it; minus infinity where there is none.
    pub least: f64,
    /// The greatest; infinity where there is none.
    pub greatest: f64,
}

/// The types that a plain column may have: those of single values.
const SINGLE: [Type; 7] =
    [Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp, Type::Json];

impl Grouping {
    /// Grouped by a column as it is.
    pub fn column(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { expression: Expression::Column(name.clone()), name }
    }

    /// The same text for what gives the same values under the same name, and another for all else.
    pub fn definition(&self) -> String {
        let Self { name, expression } = self;
        match expression {
            Expression::Column(column) if column == name => format!("{name:?}"),
            Expression::Column(column) => format!("{name:?} = {column:?}"),
            Expression::Part { part, column, zone } => {
                format!("{name:?} = {}({column:?}, {:?})", part.word(), zone.name())
            }
            Expression::Label { column, ranges } => {
                let range = |Range { label, least, greatest }: &Range| format!("{label:?}: {least:?}..={greatest:?}");
                let ranges: Vec<String> = ranges.iter().map(range).collect();
                format!("{name:?} = label({column:?}, {})", ranges.join(", "))
            }
        }
    }
}

impl Expression {
    /// The column that it reads.
    pub fn column(&self) -> &str {
        match self {
            Self::Column(column) | Self::Part { column, .. } | Self::Label { column, .. } => column,
        }
    }

    /// The types that its column may have.
    pub fn takes(&self) -> &'static [Type] {
        match self {
            Self::Column(_) => &SINGLE,
            Self::Part { .. } => &[Type::Timestamp],
            Self::Label { .. } => &[Type::Int64, Type::Float64],
        }
    }

    /// The type of its values over a column of type `of`.
    pub fn gives(&self, of: Type) -> Type {
        match self {
            Self::Column(_) => of,
            Self::Part { .. } => Type::Int64,
            Self::Label { .. } => Type::Text,
        }
    }

    /// What it is of a value of its column; null where that is of a type which it does not take.
    pub fn value(&self, of: &Value) -> Value {
        match (self, of) {
            (Self::Column(_), value) => value.clone(),
            (Self::Part { part, zone, .. }, Value::Timestamp(at)) => {
                part.of(*at, zone).map_or(Value::Null, Value::Int64)
            }
            (Self::Label { ranges, .. }, Value::Int64(number)) => text(ranges.of_whole(*number)),
            (Self::Label { ranges, .. }, Value::Float64(number)) => text(ranges.of(*number)),
            _ => Value::Null,
        }
    }
}

fn text(label: Option<&str>) -> Value {
    label.map_or(Value::Null, |label| Value::Text(label.to_owned()))
}

impl Part {
    /// All of them, with the words for them.
    pub const ALL: [(&str, Self); 5] = [
        ("year", Self::Year),
        ("month", Self::Month),
        ("day", Self::Day),
        ("weekday", Self::Weekday),
        ("hour", Self::Hour),
    ];

    /// This part of a time in a zone; none where no calendar reaches.
    pub fn of(self, at: Timestamp, zone: &Zone) -> Option<i64> {
        let local = zone.local(at)?;
        Some(match self {
            Self::Year => local.year.into(),
            Self::Month => local.month.into(),
            Self::Day => local.day.into(),
            Self::Weekday => local.weekday.into(),
            Self::Hour => local.hour.into(),
        })
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, part)| *part == self).map_or("", |(word, _)| word)
    }
}

impl Ranges {
    /// Ranges in any order.
    ///
    /// Errors with kind `Input` where there is none, where a bound is no number, where one ends before it begins, and where two
    /// overlap.
    pub fn new(mut ranges: Vec<Range>) -> Result<Self> {
        let wrong = |what: String| Error::new(Kind::Input, what);
        if ranges.is_empty() {
            return Err(wrong("there is no range".into()).hint("write { \"18-24\" = [18, 24], \"50+\" = [51, inf] }"));
        }
        for Range { label, least, greatest } in &ranges {
            if !matches!(least.partial_cmp(greatest), Some(order) if order.is_le()) {
                return Err(wrong(format!("the range {label:?} holds no number"))
                    .hint("write the least number, then the greatest; inf for no bound"));
            }
        }
        ranges.sort_by(|one, other| one.least.total_cmp(&other.least));
        let overlap = ranges.iter().zip(ranges.iter().skip(1)).find(|(one, next)| next.least <= one.greatest);
        if let Some((one, next)) = overlap {
            let what = format!("the ranges {:?} and {:?} overlap: both have {}", one.label, next.label, next.least);
            return Err(wrong(what).hint("both bounds are in a range"));
        }
        Ok(Self(ranges))
    }

    /// The label of a number; none outside of all ranges, and of NaN.
    pub fn of(&self, number: f64) -> Option<&str> {
        let next = self.0.partition_point(|range| range.least <= number);
        let range = self.0.get(next.checked_sub(1)?)?;
        (number <= range.greatest).then_some(range.label.as_str())
    }

    /// The label of a whole number, which may be one that no float is.
    pub fn of_whole(&self, number: i64) -> Option<&str> {
        // A cast from a float is held within the bounds of whole numbers.
        let next = self.0.partition_point(|range| range.least.ceil() as i64 <= number);
        let range = self.0.get(next.checked_sub(1)?)?;
        (number <= range.greatest.floor() as i64).then_some(range.label.as_str())
    }

    /// The ranges, by rising bounds.
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }
}

/// As a person reads it: `category`, `year(timestamp)`, `label(age: 18-24, 50+)`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => f.write_str(column),
            Self::Part { part, column, zone } if *zone == Zone::UTC => write!(f, "{}({column})", part.word()),
            Self::Part { part, column, zone } => write!(f, "{}({column} in {})", part.word(), zone.name()),
            Self::Label { column, ranges } => {
                let labels: Vec<&str> = ranges.iter().map(|range| range.label.as_str()).collect();
                write!(f, "label({column}: {})", labels.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(label: &str, least: f64, greatest: f64) -> Range {
        Range { label: label.to_owned(), least, greatest }
    }

    fn ages() -> Ranges {
        let ranges = [
            range("50+", 51.0, f64::INFINITY),
            range("18-24", 18.0, 24.0),
            range("36-50", 36.0, 50.0),
            range("25-35", 25.0, 35.0),
        ];
        Ranges::new(ranges.to_vec()).unwrap()
    }

    #[test]
    fn parts_are_those_of_the_zone() {
        let check = |at: &str, zone: &str, expected: [i64; 5]| {
            let (at, zone) = (Value::Timestamp(Timestamp::parse(at).unwrap()), Zone::named(zone).unwrap());
            let of = |(_, part)| {
                let (column, zone) = ("at".to_owned(), zone.clone());
                Expression::Part { part, column, zone }.value(&at)
            };
            assert_eq!(Part::ALL.map(of), expected.map(Value::Int64), "{at}");
        };
        check("2022-12-31T23:30:00Z", "UTC", [2022, 12, 31, 6, 23]);
        check("2022-12-31T23:30:00Z", "Europe/Berlin", [2023, 1, 1, 7, 0]);
        check("1969-12-31T23:59:59.999999Z", "UTC", [1969, 12, 31, 3, 23]);
        let year = Expression::Part { part: Part::Year, column: "at".into(), zone: Zone::UTC };
        assert_eq!(year.value(&Value::Timestamp(Timestamp::MIN)), Value::Null, "no calendar reaches it");
        assert_eq!((year.value(&Value::Null), year.value(&Value::Int64(3))), (Value::Null, Value::Null));
    }

    #[test]
    fn a_number_has_the_label_of_its_range() {
        let label = Expression::Label { column: "age".into(), ranges: ages() };
        let check = |of: Value, expected: Option<&str>| {
            assert_eq!(label.value(&of), expected.map_or(Value::Null, |text| Value::Text(text.into())), "{of}");
        };
        for (age, expected) in [(17, None), (18, Some("18-24")), (24, Some("18-24")), (25, Some("25-35"))] {
            check(Value::Int64(age), expected);
            check(Value::Float64(age as f64), expected);
        }
        for (age, expected) in [(50, Some("36-50")), (51, Some("50+")), (i64::MAX, Some("50+")), (i64::MIN, None)] {
            check(Value::Int64(age), expected);
        }
        check(Value::Float64(24.5), None);
        check(Value::Float64(f64::INFINITY), Some("50+"));
        check(Value::Float64(f64::NAN), None);
        check(Value::Null, None);
        check(Value::Text("30".into()), None);
    }

    #[test]
    fn ranges_that_no_number_or_two_could_have_are_refused() {
        let check = |ranges: &[Range], expected: &str| {
            assert_eq!(Ranges::new(ranges.to_vec()).unwrap_err().message(), expected);
        };
        check(&[], "there is no range");
        check(&[range("a", 2.0, 1.0)], "the range \"a\" holds no number");
        check(&[range("a", f64::NAN, 1.0)], "the range \"a\" holds no number");
        check(&[range("b", 5.0, 9.0), range("a", 1.0, 5.0)], "the ranges \"a\" and \"b\" overlap: both have 5");
    }

    #[test]
    fn what_differs_is_defined_otherwise() {
        let part = |part, zone: &str| {
            let expression = Expression::Part { part, column: "at".into(), zone: Zone::named(zone).unwrap() };
            Grouping { name: "it".into(), expression }
        };
        let label =
            |ranges| Grouping { name: "it".into(), expression: Expression::Label { column: "at".into(), ranges } };
        let all = [
            Grouping::column("it"),
            Grouping { name: "it".into(), expression: Expression::Column("at".into()) },
            part(Part::Year, "UTC"),
            part(Part::Year, "Europe/Berlin"),
            part(Part::Month, "UTC"),
            label(ages()),
            label(Ranges::new(vec![range("18-24", 18.0, 24.5)]).unwrap()),
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one.definition() == other.definition(), i == j, "{one:?} and {other:?}");
            }
        }
        assert_eq!(Grouping::column("category").definition(), "\"category\"");
        assert_eq!(part(Part::Year, "UTC").expression.to_string(), "year(at)");
        assert_eq!(label(ages()).expression.to_string(), "label(at: 18-24, 25-35, 36-50, 50+)");
    }
}
