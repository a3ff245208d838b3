//! What is measured over the rows of a group, as declared.

mod parse;

use std::fmt;

pub use self::parse::parse;
use crate::schema::Type;
use crate::share::Share;

/// What is measured over the rows of a group; nulls do not count.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// The number of rows, or of those where the column is not null.
    Count(Option<String>),
    /// The sum of an int64 or float64 column: exact, then rounded once; null where it is beyond int64.
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
    /// The variance of a sample: over n - 1; null for fewer than two values.
    Variance(String),
    /// The root of that.
    Stddev(String),
    /// The value of the earliest row by the aggregate's time; of rows of one time, by partition and offset.
    First(String),
    /// The value of the latest row.
    Last(String),
    /// The ceil(p n)-th smallest value, exactly; the smallest for p = 0.
    Quantile(String, Share),
    /// The same within 1/128 of the value, from a DDSketch.
    ApproxQuantile(String, Share),
    /// How many different values, from a HyperLogLog with a standard error of 1.6 %.
    ApproxCountDistinct(String),
    /// The values with the greatest measure, exactly: a JSON list, the greatest first.
    TopK {
        /// The column of the values.
        column: String,
        /// How many are shown.
        k: usize,
        /// What they are ranked by: a count, sum, mean, min or max.
        by: Box<Measure>,
    },
    /// How many values lie below the first edge, from each edge to the next, and from the last on: a JSON list.
    Histogram {
        /// The column of the values.
        column: String,
        /// The edges, rising; each belongs to what is above it.
        edges: Vec<f64>,
    },
}

/// As a pipeline file writes it.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.name(), self.column().unwrap_or_default())?;
        match self {
            Self::Quantile(_, share) | Self::ApproxQuantile(_, share) => write!(f, ", {share}")?,
            Self::TopK { k, by, .. } if **by == Self::Count(None) => write!(f, ", {k}")?,
            Self::TopK { k, by, .. } => write!(f, ", {k}, {by}")?,
            Self::Histogram { edges, .. } => edges.iter().try_for_each(|edge| write!(f, ", {edge}"))?,
            _ => {}
        }
        f.write_str(")")
    }
}

impl Measure {
    /// The function's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count(_) => "count",
            Self::Sum(_) => "sum",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Mean(_) => "mean",
            Self::Median(_) => "median",
            Self::CountDistinct(_) => "count_distinct",
            Self::Variance(_) => "variance",
            Self::Stddev(_) => "stddev",
            Self::First(_) => "first",
            Self::Last(_) => "last",
            Self::Quantile(..) => "quantile",
            Self::ApproxQuantile(..) => "approx_quantile",
            Self::ApproxCountDistinct(_) => "approx_count_distinct",
            Self::TopK { .. } => "top_k",
            Self::Histogram { .. } => "histogram",
        }
    }

    /// The column that it reads, if it reads one; of a `top_k`, that of the values.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Count(column) => column.as_deref(),
            Self::Sum(column)
            | Self::Min(column)
            | Self::Max(column)
            | Self::Mean(column)
            | Self::Median(column)
            | Self::CountDistinct(column)
            | Self::Variance(column)
            | Self::Stddev(column)
            | Self::First(column)
            | Self::Last(column)
            | Self::Quantile(column, _)
            | Self::ApproxQuantile(column, _)
            | Self::ApproxCountDistinct(column)
            | Self::TopK { column, .. }
            | Self::Histogram { column, .. } => Some(column),
        }
    }

    /// The measure that a `top_k` ranks by.
    pub fn ranked_by(&self) -> Option<&Self> {
        match self {
            Self::TopK { by, .. } => Some(by),
            _ => None,
        }
    }

    /// All columns that it reads, each with the types that it may have.
    pub fn reads(&self) -> impl Iterator<Item = (&str, &'static [Type])> {
        let of = |measure: &'_ Self| measure.takes();
        let own = self.column().map(|column| (column, of(self)));
        let ranked = self.ranked_by().and_then(|by| Some((by.column()?, of(by))));
        own.into_iter().chain(ranked)
    }

    /// The types that its column may have.
    pub fn takes(&self) -> &'static [Type] {
        match self {
            Self::Count(_) => &Type::ALL,
            Self::Sum(_)
            | Self::Mean(_)
            | Self::Variance(_)
            | Self::Stddev(_)
            | Self::ApproxQuantile(..)
            | Self::Histogram { .. } => &[Type::Int64, Type::Float64],
            Self::Min(_) | Self::Max(_) | Self::Median(_) | Self::Quantile(..) => &ORDERED,
            Self::First(_)
            | Self::Last(_)
            | Self::CountDistinct(_)
            | Self::ApproxCountDistinct(_)
            | Self::TopK { .. } => &SINGLE,
        }
    }

    /// The type of what it shows, of a column of type `of`; whole where it reads none.
    pub fn gives(&self, of: Option<Type>) -> Type {
        match self {
            Self::Count(_) | Self::CountDistinct(_) | Self::ApproxCountDistinct(_) => Type::Int64,
            Self::Mean(_) | Self::Variance(_) | Self::Stddev(_) | Self::ApproxQuantile(..) => Type::Float64,
            Self::TopK { .. } | Self::Histogram { .. } => Type::Json,
            Self::Sum(_)
            | Self::Min(_)
            | Self::Max(_)
            | Self::Median(_)
            | Self::First(_)
            | Self::Last(_)
            | Self::Quantile(..) => of.unwrap_or(Type::Int64),
        }
    }

    /// Whether it is a number over no values too, and never null.
    pub fn counts(&self) -> bool {
        matches!(self, Self::Count(_) | Self::CountDistinct(_) | Self::ApproxCountDistinct(_))
    }
}

/// Types whose values have an order that means something.
const ORDERED: [Type; 6] = [Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp];
/// Types of single values.
const SINGLE: [Type; 7] =
    [Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp, Type::Json];
