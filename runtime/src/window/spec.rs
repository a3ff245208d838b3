//! What an aggregate is, as declared: its groups, its window, its measures.

use std::time::Duration;

/// A continuous aggregate over a table's cleaned rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Its name, unique in the pipeline; it names the cache's table and the lake's folder.
    pub name: String,
    /// The columns whose values make the groups; none for one group.
    pub by: Vec<String>,
    /// How time is cut.
    pub window: Window,
    /// What is measured in each group, by the column that shows it.
    pub measures: Vec<(String, Measure)>,
}

/// How an aggregate's time is cut; a kind, the time that it reads, and its patience.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The kind, with its sizes.
    pub kind: Kind,
    /// Which time a row has.
    pub time: Time,
    /// How far a partition's rows may be out of order, and still count.
    pub lateness: Duration,
    /// After how long without a record a partition no longer holds the others back.
    pub idle: Duration,
}

/// The kinds of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Windows of one size that follow one another, counted from 1970.
    Tumbling {
        /// The size; at least a millisecond.
        size: Duration,
    },
}

/// Which time a row has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Time {
    /// The append time of the record that it came from.
    Append,
    /// A timestamp column of the row; a row where it is null counts as late.
    Column(String),
}

/// What is measured over the rows of a group; nulls do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The number of rows, or of those where the column is not null.
    Count(Option<String>),
    /// The sum of an int64 or float64 column.
    Sum(String),
    /// The smallest value.
    Min(String),
    /// The greatest value.
    Max(String),
    /// The mean.
    Mean(String),
    /// The lower median: the ceil(n/2)-th smallest value.
    Median(String),
    /// How many different values, exactly.
    CountDistinct(String),
}

impl Measure {
    /// The column that it reads, if it reads one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Count(column) => column.as_deref(),
            Self::Sum(c) | Self::Min(c) | Self::Max(c) | Self::Mean(c) | Self::Median(c) | Self::CountDistinct(c) => {
                Some(c)
            }
        }
    }
}
