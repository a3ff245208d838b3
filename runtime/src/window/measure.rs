//! What is measured over the rows of a group, as declared and as a pipeline file writes it.

use std::fmt;

use super::spec::closest;
use crate::error::{Error, Kind, Result};
use crate::schema::Type;

/// The most values that a `top_k` shows, and the most edges of a histogram.
const LIST_MAX: usize = 1000;
/// The digits behind the point that a share may have.
const SHARE_DIGITS: usize = 9;

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

/// A share of 0 to 1 as it was written, in decimal digits, so that ranks are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many of the parts.
    part: u64,
    /// How many parts there are: a power of ten.
    of: u64,
}

/// A function over columns.
struct Function {
    name: &'static str,
    /// What stands between its brackets.
    takes: &'static str,
    make: fn(&[&str]) -> Result<Measure>,
    /// What else people call it.
    aliases: &'static [&'static str],
}

const COLUMN: &str = "column";

static FUNCTIONS: [Function; 16] = [
    Function { name: "count", takes: "", make: count, aliases: &["rows", "n", "number"] },
    function("sum", |args| one(args, Measure::Sum), &["total", "add"]),
    function("min", |args| one(args, Measure::Min), &["minimum", "least", "smallest"]),
    function("max", |args| one(args, Measure::Max), &["maximum", "greatest", "largest"]),
    function("mean", |args| one(args, Measure::Mean), &["avg", "average"]),
    function("median", |args| one(args, Measure::Median), &["percentile_50", "p50", "middle"]),
    function("count_distinct", |args| one(args, Measure::CountDistinct), &["distinct", "unique", "nunique"]),
    function("variance", |args| one(args, Measure::Variance), &["var", "var_samp"]),
    function("stddev", |args| one(args, Measure::Stddev), &["std", "stdev", "stddev_samp", "standard_deviation"]),
    function("first", |args| one(args, Measure::First), &["first_value", "earliest", "min_by"]),
    function("last", |args| one(args, Measure::Last), &["last_value", "latest", "max_by"]),
    Function {
        name: "quantile",
        takes: "column, 0.9",
        make: |args| share(args, Measure::Quantile),
        aliases: &["percentile", "percentile_disc", "quantile_disc"],
    },
    Function {
        name: "approx_quantile",
        takes: "column, 0.9",
        make: |args| share(args, Measure::ApproxQuantile),
        aliases: &["approx_percentile", "percentile_approx", "ddsketch", "tdigest"],
    },
    function(
        "approx_count_distinct",
        |args| one(args, Measure::ApproxCountDistinct),
        &["approx_distinct", "hyperloglog", "hll"],
    ),
    Function { name: "top_k", takes: "column, 3", make: top_k, aliases: &["topk", "top", "mode", "most_common"] },
    Function { name: "histogram", takes: "column, 0, 10, 100", make: histogram, aliases: &["buckets", "bins"] },
];

const fn function(
    name: &'static str,
    make: fn(&[&str]) -> Result<Measure>,
    aliases: &'static [&'static str],
) -> Function {
    Function { name, takes: COLUMN, make, aliases }
}

/// Reads a measure as a pipeline file writes it: `count()`, `sum(x)`, `quantile(x, 0.9)`, `top_k(x, 3, sum(y))`.
///
/// Errors with kind `Input` when it is none that there is, with what it could have been as the hint.
pub fn parse(text: &str) -> Result<Measure> {
    let text = text.trim();
    read(text).map_err(|error| error.within(format_args!("measure {text:?}")))
}

fn read(text: &str) -> Result<Measure> {
    let called = text.split_once('(').and_then(|(name, rest)| Some((name.trim_end(), rest.strip_suffix(')')?.trim())));
    let Some((name, inside)) = called else {
        let meant = meant_by(text).map_or_else(|| "count()".to_owned(), Function::example);
        return Err(wrong("it is not a function of a column").hint(format!("did you mean {meant:?}?")));
    };
    let Some(known) = FUNCTIONS.iter().find(|function| function.name == name) else {
        let hint = match meant_by(name) {
            Some(Function { name, .. }) => format!("did you mean \"{name}({inside})\"?"),
            None => {
                format!("there are {}", FUNCTIONS.iter().map(|function| function.name).collect::<Vec<_>>().join(", "))
            }
        };
        return Err(wrong(format!("there is no function {name:?}")).hint(hint));
    };
    let args = arguments(inside);
    if inside.is_empty() && known.name != "count" {
        return Err(wrong("it names no column").hint(format!("write {:?}", known.example())));
    }
    (known.make)(&args)
}

/// What stands between the commas that are in no brackets.
fn arguments(inside: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let between = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    inside.split(between).map(str::trim).collect()
}

fn count(args: &[&str]) -> Result<Measure> {
    match args {
        [""] => Ok(Measure::Count(None)),
        ["*"] => Err(wrong("\"*\" is not a column").hint("\"count()\" counts every row")),
        _ => one(args, |column| Measure::Count(Some(column))),
    }
}

fn one(args: &[&str], make: fn(String) -> Measure) -> Result<Measure> {
    match args {
        [name] => column(name).map(make),
        _ => Err(wrong("it takes one column").hint("what is computed from columns belongs in the transform")),
    }
}

fn share(args: &[&str], make: fn(String, Share) -> Measure) -> Result<Measure> {
    let [name, share] = args else {
        return Err(wrong("it takes a column and a share").hint("write the share behind a comma: (column, 0.9)"));
    };
    Ok(make(column(name)?, Share::parse(share)?))
}

fn top_k(args: &[&str]) -> Result<Measure> {
    let (name, k, by) = match args {
        [name, k] => (name, k, Measure::Count(None)),
        [name, k, by] => (name, k, read(by)?),
        _ => {
            let what = "it takes a column, how many of its values to show, and what they are ranked by";
            return Err(wrong(what).hint("write (column, 3), which ranks by count, or (column, 3, sum(other))"));
        }
    };
    let ranks =
        matches!(by, Measure::Count(_) | Measure::Sum(_) | Measure::Mean(_) | Measure::Min(_) | Measure::Max(_));
    if !ranks {
        return Err(wrong(format!("values are not ranked by {by}")).hint("rank by count, sum, mean, min or max"));
    }
    let k = k.parse().ok().filter(|k| (1..=LIST_MAX).contains(k));
    let k = k.ok_or_else(|| wrong(format!("how many to show is not a number from 1 to {LIST_MAX}")))?;
    Ok(Measure::TopK { column: column(name)?, k, by: Box::new(by) })
}

fn histogram(args: &[&str]) -> Result<Measure> {
    let (name, edges) = args.split_first().ok_or_else(|| wrong("it names no column"))?;
    let mut numbers: Vec<f64> = Vec::with_capacity(edges.len());
    for edge in edges {
        let number = edge.parse().ok().filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| wrong(format!("the edge {edge:?} is not a number")))?;
        if numbers.last().is_some_and(|before| *before >= number) {
            return Err(wrong(format!("the edge {edge} is not above the one before it")));
        }
        numbers.push(number);
    }
    if numbers.is_empty() || numbers.len() > LIST_MAX {
        let what = format!("it has {} edges, not 1 to {LIST_MAX}", numbers.len());
        return Err(wrong(what).hint("write them behind the column: (column, 0, 10, 100)"));
    }
    Ok(Measure::Histogram { column: column(name)?, edges: numbers })
}

fn column(name: &str) -> Result<String> {
    match name {
        "" => Err(wrong("it names no column").hint("write the name of a column before the comma")),
        _ if name.contains(['(', ')']) => {
            Err(wrong("it takes one column").hint("what is computed from columns belongs in the transform"))
        }
        _ => Ok(name.to_owned()),
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Input, what.into())
}

/// The function of that name, or else the one that was probably meant.
fn meant_by(name: &str) -> Option<&'static Function> {
    let lower = name.to_lowercase();
    let near = closest(&lower, FUNCTIONS.iter().map(|function| function.name));
    let by_alias = FUNCTIONS.iter().find(|function| function.aliases.contains(&lower.as_str()));
    by_alias.or_else(|| FUNCTIONS.iter().find(|function| Some(function.name) == near))
}

impl Function {
    fn example(&self) -> String {
        format!("{}({})", self.name, self.takes)
    }
}

impl Share {
    /// One of two.
    pub(super) const HALF: Self = Self { part: 1, of: 2 };

    /// Reads `0`, `0.95`, `.5` or `1`.
    fn parse(text: &str) -> Result<Self> {
        let no = || wrong(format!("the share {text:?} is not a number from 0 to 1")).hint("write one such as 0.95");
        let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
        let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        let some = !whole.is_empty() || !digits.is_empty();
        if !some || !plain(whole) || !plain(digits) || whole.len() > 1 || digits.len() > SHARE_DIGITS {
            return Err(no());
        }
        let of = 10_u64.pow(digits.len() as u32);
        let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
        let (whole, digits) = (number(whole).ok_or_else(no)?, number(digits).ok_or_else(no)?);
        let part = whole * of + digits;
        if part > of { Err(no()) } else { Ok(Self { part, of }) }
    }

    /// The rank, from 1, of the value that has this share of `count` values at or below it.
    pub(super) fn rank(self, count: u128) -> u128 {
        // A count of 64 bits and a part of 30 are far from 128.
        (count * u128::from(self.part)).div_ceil(u128::from(self.of)).max(1)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part as f64 / self.of as f64)
    }
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
            Self::Count(_) => &ALL,
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
/// All types.
const ALL: [Type; 9] = [
    Type::Boolean,
    Type::Int64,
    Type::Float64,
    Type::Text,
    Type::Bytes,
    Type::Timestamp,
    Type::Json,
    Type::Float64List,
    Type::TextList,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let got = parse(text).map(|measure| measure.to_string());
        let got = got.map_err(|error| format!("{error}; {}", error.next_step().unwrap_or("no hint")));
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn reads_what_it_writes() {
        let texts = "count() count(x) sum(x) min(x) max(x) mean(x) median(x) count_distinct(x) variance(x) stddev(x) \
            first(x) last(x) approx_count_distinct(x)";
        texts.split_whitespace().for_each(|text| check(text, Ok(text)));
        for text in [
            "quantile(x, 0.95)",
            "quantile(x, 0)",
            "approx_quantile(x, 1)",
            "top_k(x, 3)",
            "top_k(x, 10, sum(y))",
            "histogram(x, -1.5, 0, 1000)",
        ] {
            check(text, Ok(text));
        }
        check("  sum ( follower count ) ", Ok("sum(follower count)"));
        check("top_k( x ,3,count())", Ok("top_k(x, 3)"));
        check("quantile(x, .50)", Ok("quantile(x, 0.5)"));
    }

    #[test]
    fn ranks_are_exact() {
        let check = |share: &str, count: u128, rank: u128| {
            assert_eq!(Share::parse(share).unwrap().rank(count), rank, "{share} of {count}");
        };
        check("0.1", 30, 3);
        check("0.1", 31, 4);
        check("0.5", 1, 1);
        check("0.5", 4, 2);
        check("0", 9, 1);
        check("1", 9, 9);
        check("0.999999999", 1_000_000_000, 999_999_999);
    }

    #[test]
    fn suggests_what_was_meant() {
        let none = |name| format!("there is no function \"{name}\"; did you mean");
        check("summ(x)", Err(&format!("measure \"summ(x)\": {} \"sum(x)\"?", none("summ"))));
        check("avg(x)", Err(&format!("measure \"avg(x)\": {} \"mean(x)\"?", none("avg"))));
        check("Count()", Err(&format!("measure \"Count()\": {} \"count()\"?", none("Count"))));
        check(
            "count_distnct(x)",
            Err(&format!("measure \"count_distnct(x)\": {} \"count_distinct(x)\"?", none("count_distnct"))),
        );
        check(
            "covariance(x)",
            Err("measure \"covariance(x)\": there is no function \"covariance\"; did you mean \"variance(x)\"?"),
        );
        check(
            "kurtosis(x)",
            Err("measure \"kurtosis(x)\": there is no function \"kurtosis\"; there are count, sum, min, max, mean, \
                 median, count_distinct, variance, stddev, first, last, quantile, approx_quantile, \
                 approx_count_distinct, top_k, histogram"),
        );
        check("count", Err("measure \"count\": it is not a function of a column; did you mean \"count()\"?"));
        check("max", Err("measure \"max\": it is not a function of a column; did you mean \"max(column)\"?"));
        check("", Err("measure \"\": it is not a function of a column; did you mean \"count()\"?"));
        check("count(*)", Err("measure \"count(*)\": \"*\" is not a column; \"count()\" counts every row"));
        check("sum()", Err("measure \"sum()\": it names no column; write \"sum(column)\""));
        check("quantile()", Err("measure \"quantile()\": it names no column; write \"quantile(column, 0.9)\""));
        check(
            "sum(a, b)",
            Err("measure \"sum(a, b)\": it takes one column; what is computed from columns belongs in the transform"),
        );
        for share in ["1.1", "-0.5", "half", "", ".", "0.1.2", "00.5", "0.1234567891"] {
            let text = format!("quantile(x, {share})");
            let what =
                format!("measure {text:?}: the share {share:?} is not a number from 0 to 1; write one such as 0.95");
            check(&text, Err(&what));
        }
        check(
            "top_k(x, 3, median(y))",
            Err(
                "measure \"top_k(x, 3, median(y))\": values are not ranked by median(y); rank by count, sum, mean, min or max",
            ),
        );
        check("top_k(x, 0)", Err("measure \"top_k(x, 0)\": how many to show is not a number from 1 to 1000; no hint"));
        check(
            "histogram(x, 1, 1)",
            Err("measure \"histogram(x, 1, 1)\": the edge 1 is not above the one before it; no hint"),
        );
        check(
            "histogram(x)",
            Err(
                "measure \"histogram(x)\": it has 0 edges, not 1 to 1000; write them behind the column: (column, 0, 10, 100)",
            ),
        );
    }
}
