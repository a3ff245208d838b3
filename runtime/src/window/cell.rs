//! What one measure of one group is computed from, mergeable in any order.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use super::plan::Measured;
use super::registers::Registers;
use super::scalar::{self, Scalar, ScalarRef};
use super::sketch::Sketch;
use super::spec::Measure;
use super::spread::Spread;
use crate::schema::Type;
use crate::sum::Sum;

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
    /// Sums of floats and of their squares.
    Spread(Box<Spread>),
    /// The value of the earliest row.
    First(Option<Box<Held>>),
    /// The value of the latest row.
    Last(Option<Box<Held>>),
    /// How many floats are in each bin.
    Sketch(Box<Sketch>),
    /// The rarest hashes of the values.
    Registers(Registers),
    /// What each value is ranked by; `none` is that of no row.
    Ranks { none: Box<Cell>, ranks: HashMap<Scalar, Cell, RandomState> },
    /// How many floats lie below the first edge, from each edge on to the next, and from the last on; edges are words.
    Buckets { edges: Arc<[i64]>, counts: Box<[u64]> },
}

/// A value with the place of its row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    pub(super) place: Place,
    pub(super) value: Scalar,
}

/// Where a row stands among all of an aggregate. Rows of one record have one place, and come in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Its time, as the aggregate reads it.
    pub(super) time: i64,
    pub(super) partition: u32,
    pub(super) offset: i64,
}

impl Cell {
    /// The cell of a measure over no rows.
    pub(super) fn empty(of: &Measured) -> Self {
        let float = of.input.is_some_and(|input| input.kind == Type::Float64);
        match &of.measure {
            Measure::Count(_) => Self::Count(0),
            Measure::Sum(_) | Measure::Mean(_) if float => Self::Float { sum: Sum::default(), n: 0 },
            Measure::Sum(_) | Measure::Mean(_) => Self::Int { sum: 0, n: 0 },
            Measure::Min(_) => Self::Least(None),
            Measure::Max(_) => Self::Greatest(None),
            Measure::Median(_) | Measure::Quantile(..) => Self::Tally(HashMap::default()),
            Measure::CountDistinct(_) => Self::Distinct(HashSet::default()),
            Measure::Variance(_) | Measure::Stddev(_) => Self::Spread(Box::default()),
            Measure::First(_) => Self::First(None),
            Measure::Last(_) => Self::Last(None),
            Measure::ApproxQuantile(..) => Self::Sketch(Box::default()),
            Measure::ApproxCountDistinct(_) => Self::Registers(Registers::default()),
            Measure::TopK { .. } => {
                let none = of.ranked_by.as_deref().map_or(Self::Count(0), Self::empty);
                Self::Ranks { none: Box::new(none), ranks: HashMap::default() }
            }
            Measure::Histogram { edges, .. } => {
                let edges: Arc<[i64]> = edges.iter().map(|edge| scalar::word_of(*edge)).collect();
                Self::Buckets { counts: vec![0; edges.len() + 1].into(), edges }
            }
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
            (Self::Spread(spread), ScalarRef::Word(word)) => spread.add(scalar::float_of(word)),
            (Self::Sketch(sketch), ScalarRef::Word(word)) => sketch.add(word),
            (Self::Registers(registers), _) => registers.add(value),
            (Self::Buckets { edges, counts }, ScalarRef::Word(word)) if word != scalar::NAN => {
                let bucket = edges.partition_point(|edge| *edge <= word);
                counts.get_mut(bucket).into_iter().for_each(|count| *count += 1);
            }
            _ => {}
        }
    }

    /// Adds the value of the row at a place to what holds the first or the last; of one place, rows come in their order.
    #[inline]
    pub(super) fn add_at(&mut self, value: ScalarRef<'_>, place: Place) {
        match self {
            Self::First(held) if held.as_ref().is_none_or(|held| place < held.place) => {
                *held = Some(Box::new(Held { place, value: Scalar::from(&value) }));
            }
            Self::Last(held) if held.as_ref().is_none_or(|held| place >= held.place) => {
                *held = Some(Box::new(Held { place, value: Scalar::from(&value) }));
            }
            _ => {}
        }
    }

    /// Adds what a value is ranked by; a null there adds nothing to its rank.
    #[inline]
    pub(super) fn add_ranked(&mut self, value: ScalarRef<'_>, by: Option<ScalarRef<'_>>) {
        let Self::Ranks { none, ranks } = self else { return };
        let rank = match ranks.get_mut(&value) {
            Some(rank) => rank,
            None => ranks.entry(Scalar::from(&value)).insert((**none).clone()).into_mut(),
        };
        if let Some(by) = by {
            rank.add(by);
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
            (Self::Spread(spread), Self::Spread(more)) => spread.merge(&more),
            (Self::First(held), Self::First(Some(more))) if held.as_ref().is_none_or(|held| more < *held) => {
                *held = Some(more);
            }
            (Self::Last(held), Self::Last(Some(more))) if held.as_ref().is_none_or(|held| more > *held) => {
                *held = Some(more);
            }
            (Self::Sketch(sketch), Self::Sketch(more)) => sketch.merge(&more),
            (Self::Registers(registers), Self::Registers(more)) => registers.merge(&more),
            (Self::Ranks { ranks, .. }, Self::Ranks { ranks: more, .. }) => {
                for (value, rank) in more {
                    match ranks.get_mut(&value) {
                        Some(held) => held.merge(rank),
                        None => {
                            ranks.insert(value, rank);
                        }
                    }
                }
            }
            (Self::Buckets { counts, .. }, Self::Buckets { counts: more, .. }) => {
                counts.iter_mut().zip(more).for_each(|(count, more)| *count = count.saturating_add(more));
            }
            _ => {}
        }
    }
}
