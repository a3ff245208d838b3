//! A measure as a pipeline file writes it.

use super::Measure;
use crate::error::{Error, Kind, Result};
use crate::share::Share;
use crate::window::spec::closest;

/// The most values that a `top_k` shows, and the most edges of a histogram.
const LIST_MAX: usize = 1000;

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
