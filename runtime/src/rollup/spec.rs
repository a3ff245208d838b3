//! What a rollup is, as declared: its tables, its groups, its measures.

use std::fmt;

use crate::error::{Error, Kind, Result};
use crate::expression::Grouping;
use crate::share::Share;

/// A continuous aggregate over the latest rows of a table, or of several that are joined on their keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// Its name, unique in the pipeline; it names the cache's table.
    pub name: String,
    /// The table that it is over.
    pub from: String,
    /// The tables that are joined with it. A key counts where all of them have a row of it.
    pub join: Vec<String>,
    /// What makes the groups; nothing for one group. Nulls make a group too.
    pub by: Vec<Grouping>,
    /// What is measured in each group, by the column that shows it.
    pub measures: Vec<(String, Measure)>,
}

/// What is measured over the rows of a group, in a way that a row can be taken out of again; nulls do not count.
///
/// A column is named as in its table, or as `table.column` where several have one of that name.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// The number of rows, or of those where the column is not null.
    Count(Option<String>),
    /// The sum of an int64 or float64 column: exact, then rounded once; null where it is beyond int64.
    Sum(String),
    /// The mean.
    Mean(String),
    /// The smallest value.
    Min(String),
    /// The greatest value.
    Max(String),
    /// The ceil(p n)-th smallest value, at least the first; the lower median where p is a half.
    Quantile(String, Share),
    /// How many different values, exactly.
    CountDistinct(String),
    /// The different values of one column where another is greatest, as a JSON list.
    Top(String, String),
}

impl Rollup {
    /// Its tables, each once.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.from.as_str()).chain(self.join.iter().map(String::as_str))
    }
}

impl Measure {
    /// The columns that it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Count(column) => (column.as_deref(), None),
            Self::Sum(c) | Self::Mean(c) | Self::Min(c) | Self::Max(c) | Self::CountDistinct(c) => (Some(&**c), None),
            Self::Quantile(column, _) => (Some(&**column), None),
            Self::Top(shown, by) => (Some(&**shown), Some(&**by)),
        };
        one.into_iter().chain(other)
    }
}

/// The functions, as they are written.
const FORMS: [&str; 9] = [
    "count()",
    "sum(column)",
    "mean(column)",
    "min(column)",
    "max(column)",
    "median(column)",
    "quantile(column, 0.9)",
    "count_distinct(column)",
    "top(column, by)",
];

/// What else people call them.
const ALIASES: [(&str, &str); 22] = [
    ("rows", "count"),
    ("n", "count"),
    ("number", "count"),
    ("total", "sum"),
    ("avg", "mean"),
    ("average", "mean"),
    ("minimum", "min"),
    ("least", "min"),
    ("smallest", "min"),
    ("maximum", "max"),
    ("greatest", "max"),
    ("largest", "max"),
    ("p50", "median"),
    ("middle", "median"),
    ("percentile", "quantile"),
    ("percentile_approx", "quantile"),
    ("distinct", "count_distinct"),
    ("unique", "count_distinct"),
    ("nunique", "count_distinct"),
    ("argmax", "top"),
    ("arg_max", "top"),
    ("max_by", "top"),
];

/// Functions whose state cannot give back a row, each with the reason and what comes near.
const REFUSED: [(&str, &str, &str); 12] = [
    ("approx_count_distinct", SKETCH, "count_distinct"),
    ("hyperloglog", SKETCH, "count_distinct"),
    ("hll", SKETCH, "count_distinct"),
    ("approx_quantile", SKETCH, "quantile"),
    ("tdigest", SKETCH, "quantile"),
    ("ddsketch", SKETCH, "quantile"),
    ("top_k", SKETCH, "top"),
    ("topk", SKETCH, "top"),
    ("first", LATEST, "min"),
    ("last", LATEST, "max"),
    ("first_value", LATEST, "min"),
    ("last_value", LATEST, "max"),
];
const SKETCH: &str = "a sketch cannot take back a row that is updated";
const LATEST: &str = "a rollup is over the latest row of each key, which have no order among them";

/// Reads a measure as a pipeline file writes it: `count()`, `sum(x)`, `quantile(x, 0.9)`, `top(x, by)`.
///
/// Errors with kind `Input` when it is none of these, with what it could have been as the hint.
pub fn parse(text: &str) -> Result<Measure> {
    let text = text.trim();
    let wrong = |what: String| Error::new(Kind::Input, format!("measure {text:?}: {what}"));
    let called = text.split_once('(').and_then(|(name, rest)| Some((name.trim_end(), rest.strip_suffix(')')?.trim())));
    let Some((name, inside)) = called else {
        return Err(wrong("it is not a function of a column".into()).hint(format!("did you mean \"{}\"?", form(text))));
    };
    let given: Vec<&str> = if inside.is_empty() { Vec::new() } else { inside.split(',').map(str::trim).collect() };
    let column = |column: &&str| (*column).to_owned();
    Ok(match (name, given.as_slice()) {
        ("count", []) => Measure::Count(None),
        ("count", ["*"]) => {
            return Err(wrong("\"*\" is not a column".into()).hint("\"count()\" counts every row"));
        }
        (_, given) if given.iter().any(|one| one.contains(['(', ')']) || one.is_empty()) => {
            let computed = wrong("it takes columns".into());
            return Err(computed.hint("what is computed from columns belongs in the transform"));
        }
        ("count", [x]) => Measure::Count(Some(column(x))),
        ("sum", [x]) => Measure::Sum(column(x)),
        ("mean", [x]) => Measure::Mean(column(x)),
        ("min", [x]) => Measure::Min(column(x)),
        ("max", [x]) => Measure::Max(column(x)),
        ("median", [x]) => Measure::Quantile(column(x), Share::HALF),
        ("quantile", [x, p]) => match Share::parse(p) {
            Ok(share) => Measure::Quantile(column(x), share),
            _ => return Err(wrong(format!("{p:?} is no part of the rows")).hint("write a number from 0 to 1")),
        },
        ("count_distinct", [x]) => Measure::CountDistinct(column(x)),
        ("top", [x, by]) => Measure::Top(column(x), column(by)),
        (name, _) if FORMS.iter().any(|form| named(form) == name) => {
            return Err(wrong("it is given too much or too little".into()).hint(format!("write \"{}\"", form(name))));
        }
        (name, _) => match REFUSED.iter().find(|(refused, ..)| *refused == name.to_lowercase()) {
            Some((_, reason, near)) => {
                return Err(wrong(format!("there is no {name:?} in a rollup: {reason}"))
                    .hint(format!("write \"{}\", which is exact", form(near))));
            }
            None => {
                let hint = match meant_by(name) {
                    Some(meant) => format!("did you mean \"{}\"?", form(meant)),
                    None => format!("there are {}", FORMS.map(named).join(", ")),
                };
                return Err(wrong(format!("there is no function {name:?}")).hint(hint));
            }
        },
    })
}

fn named(form: &str) -> &str {
    form.split('(').next().unwrap_or(form)
}

/// How the function of that name, or the one that was probably meant, is written.
fn form(name: &str) -> &'static str {
    let meant = meant_by(name).unwrap_or("count");
    FORMS.iter().copied().find(|form| named(form) == meant).unwrap_or("count()")
}

fn meant_by(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let by_alias = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, name)| *name);
    let far = (lower.chars().count() / 3).max(1);
    let near = FORMS.into_iter().map(|form| (strsim::damerau_levenshtein(&lower, named(form)), named(form)));
    by_alias.or_else(|| near.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name))
}

/// As a pipeline file writes it.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(column) => write!(f, "count({})", column.as_deref().unwrap_or_default()),
            Self::Sum(column) => write!(f, "sum({column})"),
            Self::Mean(column) => write!(f, "mean({column})"),
            Self::Min(column) => write!(f, "min({column})"),
            Self::Max(column) => write!(f, "max({column})"),
            Self::Quantile(column, share) if *share == Share::HALF => write!(f, "median({column})"),
            Self::Quantile(column, share) => write!(f, "quantile({column}, {share})"),
            Self::CountDistinct(column) => write!(f, "count_distinct({column})"),
            Self::Top(shown, by) => write!(f, "top({shown}, {by})"),
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
        for text in [
            "count()",
            "count(x)",
            "sum(x)",
            "mean(geo.x)",
            "min(x)",
            "max(x)",
            "median(x)",
            "quantile(x, 0.99)",
            "count_distinct(x)",
            "top(x, y)",
        ] {
            check(text, Ok(text));
        }
        check("  top ( name ,followers ) ", Ok("top(name, followers)"));
        check("quantile(x, 0.50)", Ok("median(x)"));
    }

    #[test]
    fn suggests_what_was_meant() {
        check("summ(x)", Err("measure \"summ(x)\": there is no function \"summ\"; did you mean \"sum(column)\"?"));
        check("avg(x)", Err("measure \"avg(x)\": there is no function \"avg\"; did you mean \"mean(column)\"?"));
        check(
            "argmax(x)",
            Err("measure \"argmax(x)\": there is no function \"argmax\"; did you mean \"top(column, by)\"?"),
        );
        check("count", Err("measure \"count\": it is not a function of a column; did you mean \"count()\"?"));
        check("count(*)", Err("measure \"count(*)\": \"*\" is not a column; \"count()\" counts every row"));
        check("sum()", Err("measure \"sum()\": it is given too much or too little; write \"sum(column)\""));
        check("top(x)", Err("measure \"top(x)\": it is given too much or too little; write \"top(column, by)\""));
        check(
            "quantile(x, 2)",
            Err("measure \"quantile(x, 2)\": \"2\" is no part of the rows; write a number from 0 to 1"),
        );
        check(
            "covariance(x, y)",
            Err("measure \"covariance(x, y)\": there is no function \"covariance\"; \
                 there are count, sum, mean, min, max, median, quantile, count_distinct, top"),
        );
        check(
            "sum(abs(x))",
            Err("measure \"sum(abs(x))\": it takes columns; what is computed from columns belongs in the transform"),
        );
    }

    #[test]
    fn says_why_a_sketch_is_none() {
        check(
            "hll(x)",
            Err(
                "measure \"hll(x)\": there is no \"hll\" in a rollup: a sketch cannot take back a row that is updated; \
                 write \"count_distinct(column)\", which is exact",
            ),
        );
        check(
            "last(x)",
            Err("measure \"last(x)\": there is no \"last\" in a rollup: a rollup is over the latest row of each key, \
                 which have no order among them; write \"max(column)\", which is exact"),
        );
    }
}
