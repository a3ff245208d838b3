//! What an aggregate is, as declared: its groups, its window, its measures.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Kind as Fault, Result};
use crate::expression::Grouping;
use crate::time::Timestamp;

/// A continuous aggregate over a table's cleaned rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Its name, unique in the pipeline; it names the cache's table and the lake's folder.
    pub name: String,
    /// What makes the groups; nothing for one group. Nulls make a group too, and NaN counts as null.
    pub by: Vec<Grouping>,
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
}

impl Aggregate {
    /// The columns of the table that it reads; one may come twice.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let time = match &self.window.time {
            Time::Column(column) => Some(column.as_str()),
            Time::Append => None,
        };
        let measured = self.measures.iter().filter_map(|(_, measure)| measure.column());
        self.by.iter().map(|by| by.expression.column()).chain(time).chain(measured)
    }

    /// All that its groups and their states depend on, as text: what was stored under another text is of no use.
    pub fn definition(&self) -> String {
        let Self { name, by, window: Window { kind, time, lateness, idle }, measures } = self;
        let by: Vec<String> = by.iter().map(Grouping::definition).collect();
        // What a release has written as text stays as it was, or its aggregates begin anew.
        format!(
            "Aggregate {{ name: {name:?}, by: [{}], window: Window {{ kind: {kind:?}, time: {time:?}, lateness: {lateness:?}, \
             idle: {idle:?} }}, measures: {measures:?} }}",
            by.join(", ")
        )
    }
}

impl Window {
    /// How long each window is.
    pub fn size(&self) -> Duration {
        match self.kind {
            Kind::Tumbling { size } => size,
        }
    }

    /// The watermark at which the window that begins at `start` closes: its end and the lateness.
    pub fn closes(&self, start: Timestamp) -> Timestamp {
        start.plus(self.size()).plus(self.lateness)
    }
}

/// A function that measures a column.
struct Function {
    name: &'static str,
    measure: fn(String) -> Measure,
    /// What else people call it.
    aliases: &'static [&'static str],
}

const FUNCTIONS: [Function; 7] = [
    function("count", |column| Measure::Count(Some(column)), &["rows", "n", "number"]),
    function("sum", Measure::Sum, &["total", "add"]),
    function("min", Measure::Min, &["minimum", "least", "smallest", "first"]),
    function("max", Measure::Max, &["maximum", "greatest", "largest", "last"]),
    function("mean", Measure::Mean, &["avg", "average"]),
    function("median", Measure::Median, &["percentile_50", "p50", "middle"]),
    function("count_distinct", Measure::CountDistinct, &["distinct", "unique", "nunique", "approx_count_distinct"]),
];

const fn function(name: &'static str, measure: fn(String) -> Measure, aliases: &'static [&'static str]) -> Function {
    Function { name, measure, aliases }
}

/// Reads a measure as a pipeline file writes it: `count()`, `count(x)`, `sum(x)`, `min(x)`, `max(x)`, `mean(x)`,
/// `median(x)`, `count_distinct(x)`.
///
/// Errors with kind `Input` when it is none of these, with what it could have been as the hint.
pub fn parse(text: &str) -> Result<Measure> {
    let text = text.trim();
    let wrong = |what: String| Error::new(Fault::Input, format!("measure {text:?}: {what}"));
    let called = text.split_once('(').and_then(|(name, rest)| Some((name.trim_end(), rest.strip_suffix(')')?.trim())));
    let Some((name, column)) = called else {
        let name = meant_by(text).map_or("count", |function| function.name);
        let column = if name == "count" { "" } else { "column" };
        return Err(
            wrong("it is not a function of a column".into()).hint(format!("did you mean \"{name}({column})\"?"))
        );
    };
    let Some(known) = FUNCTIONS.iter().find(|function| function.name == name) else {
        let hint = match meant_by(name) {
            Some(Function { name, .. }) => format!("did you mean \"{name}({column})\"?"),
            None => format!("there are {}", FUNCTIONS.map(|function| function.name).join(", ")),
        };
        return Err(wrong(format!("there is no function {name:?}")).hint(hint));
    };
    match column {
        "" if name == "count" => Ok(Measure::Count(None)),
        "*" if name == "count" => Err(wrong("\"*\" is not a column".into()).hint("\"count()\" counts every row")),
        "" => Err(wrong("it names no column".into()).hint(format!("write \"{name}(column)\""))),
        _ if column.contains(['(', ')', ',']) => {
            Err(wrong("it takes one column".into()).hint("what is computed from columns belongs in the transform"))
        }
        _ => Ok((known.measure)(column.to_owned())),
    }
}

/// The function of that name, or else the one that was probably meant.
fn meant_by(name: &str) -> Option<&'static Function> {
    let lower = name.to_lowercase();
    let near = closest(&lower, FUNCTIONS.iter().map(|function| function.name));
    let by_alias = FUNCTIONS.iter().find(|function| function.aliases.contains(&lower.as_str()));
    by_alias.or_else(|| FUNCTIONS.iter().find(|function| Some(function.name) == near))
}

/// The name that `wrong` most likely stands for; none where nothing is near.
pub(super) fn closest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = (wrong.chars().count() / 3).max(1);
    let near = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name));
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}

/// As a pipeline file writes it.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Count(_) => "count",
            Self::Sum(_) => "sum",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Mean(_) => "mean",
            Self::Median(_) => "median",
            Self::CountDistinct(_) => "count_distinct",
        };
        write!(f, "{name}({})", self.column().unwrap_or_default())
    }
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
        for text in ["count()", "count(x)", "sum(x)", "min(x)", "max(x)", "mean(x)", "median(x)", "count_distinct(x)"] {
            check(text, Ok(text));
        }
        check("  sum ( follower count ) ", Ok("sum(follower count)"));
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
            Err("measure \"covariance(x)\": there is no function \"covariance\"; \
                 there are count, sum, min, max, mean, median, count_distinct"),
        );
        check("count", Err("measure \"count\": it is not a function of a column; did you mean \"count()\"?"));
        check("max", Err("measure \"max\": it is not a function of a column; did you mean \"max(column)\"?"));
        check("", Err("measure \"\": it is not a function of a column; did you mean \"count()\"?"));
        check("count(*)", Err("measure \"count(*)\": \"*\" is not a column; \"count()\" counts every row"));
        check("sum()", Err("measure \"sum()\": it names no column; write \"sum(column)\""));
        check(
            "sum(a, b)",
            Err("measure \"sum(a, b)\": it takes one column; what is computed from columns belongs in the transform"),
        );
    }
}
