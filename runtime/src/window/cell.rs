//! What one measure of one group is computed from, mergeable in any order.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use super::plan::Input;
use super::scalar::{self, Scalar, ScalarRef};
use super::spec::Measure;
use crate::schema::Type;
use crate::sum::Sum;
use crate::value::Value;

/// The state of a measure. Whatever the order of rows and merges, equal rows give equal cells.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// How many.
    Count(u64),
    /// Sum or mean of whole numbers; 128 bits hold 2^64 of them.
    Int { sum: i128, n: u64 },
    /// Sum or mean of floats, exact.
    Float { sum: Sum, n: u64 },
    /// The smallest.
    Least(Option<Scalar>),
    /// The greatest.
    Greatest(Option<Scalar>),
    /// How often each value came.
    Tally(HashMap<Scalar, u64, RandomState>),
    /// Which values came.
    Distinct(HashSet<Scalar, RandomState>),
}

impl Cell {
    /// The cell of `measure` over no rows.
    pub(super) fn empty(measure: &Measure, input: Option<Input>) -> Self {
        let float = input.is_some_and(|input| input.kind == Type::Float64);
        match measure {
            Measure::Count(_) => Self::Count(0),
            Measure::Sum(_) | Measure::Mean(_) if float => Self::Float { sum: Sum::default(), n: 0 },
            Measure::Sum(_) | Measure::Mean(_) => Self::Int { sum: 0, n: 0 },
            Measure::Min(_) => Self::Least(None),
            Measure::Max(_) => Self::Greatest(None),
            Measure::Median(_) => Self::Tally(HashMap::default()),
            Measure::CountDistinct(_) => Self::Distinct(HashSet::default()),
        }
    }

    /// Adds a value that is not null.
    #[inline]
    pub(super) fn add(&mut self, value: ScalarRef<'_>) {
        match (self, value) {
            (Self::Count(n), _) => *n += 1,
            (Self::Int { sum, n }, ScalarRef::Word(word)) => {
                *sum += i128::from(word);
                *n += 1;
            }
            (Self::Float { sum, n }, ScalarRef::Word(word)) => {
                sum.add(scalar::float_of(word));
                *n += 1;
            }
            (Self::Least(held), _) if held.as_ref().is_none_or(|held| value < held.borrowed()) => {
                *held = Some(Scalar::from(&value));
            }
            (Self::Greatest(held), _) if held.as_ref().is_none_or(|held| value > held.borrowed()) => {
                *held = Some(Scalar::from(&value));
            }
            (Self::Tally(counts), _) => match counts.get_mut(&value) {
                Some(times) => *times += 1,
                None => {
                    counts.insert(Scalar::from(&value), 1);
                }
            },
            (Self::Distinct(values), _) => {
                values.get_or_insert_with(&value, |value| Scalar::from(value));
            }
            _ => {}
        }
    }

    /// Adds all that `other`, a cell of the same measure, was given.
    pub(super) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(n), Self::Count(more)) => *n = n.saturating_add(more),
            (Self::Int { sum, n }, Self::Int { sum: more, n: times }) => {
                *sum = sum.saturating_add(more);
                *n = n.saturating_add(times);
            }
            (Self::Float { sum, n }, Self::Float { sum: more, n: times }) => {
                sum.merge(&more);
                *n = n.saturating_add(times);
            }
            (cell @ (Self::Least(_) | Self::Greatest(_)), Self::Least(Some(value)) | Self::Greatest(Some(value))) => {
                cell.add(value.borrowed());
            }
            (Self::Tally(counts), Self::Tally(more)) => {
                for (value, times) in more {
                    let sum = counts.entry(value).or_insert(0);
                    *sum = sum.saturating_add(times);
                }
            }
            (Self::Distinct(values), Self::Distinct(more)) => values.extend(more),
            _ => {}
        }
    }

    /// What the measure shows. Over no values a count is 0 and all else is null, and so is a sum of whole numbers that
    /// no int64 holds: a gap can be seen, a wrong number cannot.
    pub(super) fn value(&self, measure: &Measure, input: Option<Input>) -> Value {
        let kind = input.map_or(Type::Int64, |input| input.kind);
        let mean = matches!(measure, Measure::Mean(_));
        match self {
            Self::Count(n) => count(*n),
            Self::Distinct(values) => count(values.len() as u64),
            Self::Int { n: 0, .. } | Self::Float { n: 0, .. } => Value::Null,
            Self::Int { sum, n } if mean => Value::Float64(*sum as f64 / *n as f64),
            Self::Float { sum, n } if mean => Value::Float64(sum.value() / *n as f64),
            Self::Int { sum, .. } => i64::try_from(*sum).map_or(Value::Null, Value::Int64),
            Self::Float { sum, .. } => Value::Float64(sum.value()),
            Self::Least(held) | Self::Greatest(held) => held.as_ref().map_or(Value::Null, |held| held.value(kind)),
            Self::Tally(counts) => lower_median(counts).map_or(Value::Null, |value| value.value(kind)),
        }
    }
}

fn count(n: u64) -> Value {
    Value::Int64(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The ceil(n/2)-th smallest value.
fn lower_median(counts: &HashMap<Scalar, u64, RandomState>) -> Option<&Scalar> {
    let mut rising: Vec<_> = counts.iter().collect();
    rising.sort_unstable();
    let total: u128 = rising.iter().map(|(_, times)| u128::from(**times)).sum();
    let mut seen = 0;
    for (value, times) in rising {
        seen += u128::from(*times);
        if seen >= total.div_ceil(2) {
            return Some(value);
        }
    }
    None
}
