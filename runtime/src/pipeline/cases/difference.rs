//! What came of a case, held against what was expected: a difference a line, field by field.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::align::align;
use super::case::{Files, Line, parse as lines};
use crate::error::{Error, Result};
use crate::pipeline::table::ORIGIN;

/// A line that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The file of the case whose line it is: `expected.jsonl`.
    pub file: String,
    /// The line there; none where no line was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The line of the input that it came from, where it came from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// The size of the batches in which it came otherwise than with all in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// How it differs.
    #[serde(flatten)]
    pub what: What,
}

/// How a line differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It did not come.
    Missing(Map<String, Json>),
    /// It came and was not expected.
    Unexpected(Map<String, Json>),
    /// These fields of it have other values.
    Changed(Vec<Change>),
}

/// A field that is not as expected; null where it is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Its name.
    pub field: String,
    /// What the case says.
    pub expected: Json,
    /// What came.
    pub actual: Json,
}

/// `expected.jsonl:3, from line 4 of the input: "age" differs`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(batch) = self.batch {
            write!(f, "at batch size {batch}: ")?;
        }
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(input) = self.input {
            write!(f, ", from line {input} of the input")?;
        }
        match &self.what {
            What::Missing(_) => f.write_str(": did not come"),
            What::Unexpected(_) => f.write_str(": not expected"),
            What::Changed(changes) => {
                let names: Vec<String> = changes.iter().map(|change| format!("{:?}", change.field)).collect();
                write!(f, ": {} differ{}", names.join(", "), if names.len() == 1 { "s" } else { "" })
            }
        }
    }
}

/// Where the files of `actual` differ from those of the same names in `expected`; an absent one has no lines.
pub(super) fn differences(expected: &Files, actual: &Files, batch: Option<usize>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (file, lines) in actual {
        let wanted = expected.get(file).map_or(&[][..], Vec::as_slice);
        found.extend(align(wanted, lines).into_iter().filter_map(|pair| difference(file, pair, batch)));
    }
    found
}

/// Where a text of JSON objects, a line each, differs from the file of a case that expects one.
pub fn compared(file: &str, expected: &str, actual: &str) -> Result<Vec<Difference>> {
    let [expected, actual] =
        [expected, actual].map(|text| lines(text).map(|lines| Files::from([(file.to_owned(), lines)])));
    let within = |error: Error| error.within(file.to_owned());
    Ok(differences(&expected.map_err(within)?, &actual.map_err(within)?, None))
}

fn difference(file: &str, pair: (Option<&Line>, Option<&Line>), batch: Option<usize>) -> Option<Difference> {
    let what = match pair {
        (Some(expected), Some(actual)) => What::Changed(changes(expected, actual)),
        (Some(expected), None) => What::Missing(expected.fields.clone()),
        (None, Some(actual)) => What::Unexpected(without_origin(actual)),
        (None, None) => return None,
    };
    if what == What::Changed(Vec::new()) {
        return None;
    }
    let line = pair.0.map(|expected| expected.number);
    let input = pair.1.or(pair.0).and_then(|line| line.input);
    Some(Difference { file: file.to_owned(), line, input, batch, what })
}

/// The fields in which a line is not as expected. A field that is absent is as good as null, and where a row came from
/// matters only to lines that say so.
pub(super) fn changes(expected: &Line, actual: &Line) -> Vec<Change> {
    let mut changes = Vec::new();
    let unnamed = expected.fields.keys().filter(|name| !actual.fields.contains_key(*name));
    for name in actual.fields.keys().chain(unnamed) {
        if !expected.fields.contains_key(name) && is_origin(name) {
            continue;
        }
        let [wanted, got] = [expected, actual].map(|line| line.fields.get(name).unwrap_or(&Json::Null));
        if !same(wanted, got) {
            changes.push(Change { field: name.clone(), expected: wanted.clone(), actual: got.clone() });
        }
    }
    changes
}

/// Whether a field says where a row came from.
pub(super) fn is_origin(name: &str) -> bool {
    ORIGIN.iter().any(|(origin, _)| *origin == name)
}

fn without_origin(line: &Line) -> Map<String, Json> {
    line.fields.iter().filter(|(name, _)| !is_origin(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether two values are one, however a number is written and whatever the order of an object's keys.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(a), Json::Number(b)) => a == b || ((a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::cases::case::ROWS;

    fn files(text: &str) -> Files {
        let lines = (1..).zip(text.lines()).map(|(number, text)| Line::parse(number, text).unwrap());
        Files::from([(ROWS.to_owned(), lines.collect())])
    }

    fn check(expected: &str, actual: &str, found: &[&str]) {
        let differences = differences(&files(expected), &files(actual), None);
        let shown: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(shown, found, "{expected} and {actual}");
    }

    #[test]
    fn the_same_in_other_words() {
        check("{\"a\":1.0,\"b\":[1,2.5]}", "{\"b\":[1.0,2.5],\"a\":1,\"c\":null,\"_offset\":3}", &[]);
        check("{\"a\":{\"x\":1,\"y\":2},\"gone\":null}", "{\"a\":{\"y\":2,\"x\":1}}", &[]);
        check("", "", &[]);
    }

    #[test]
    fn fields_that_differ() {
        check("{\"a\":1}", "{\"a\":2}", &["expected.jsonl:1: \"a\" differs"]);
        check("{\"a\":9007199254740993}", "{\"a\":9007199254740992}", &["expected.jsonl:1: \"a\" differs"]);
        check("{\"a\":1,\"_row\":0}", "{\"a\":1,\"_row\":1}", &["expected.jsonl:1: \"_row\" differs"]);
        check("{\"a\":1}", "{\"a\":\"1\",\"b\":0}", &["expected.jsonl:1: \"a\", \"b\" differ"]);
    }

    #[test]
    fn a_line_too_many_or_too_few_moves_no_other() {
        let rows = |numbers: &[u32]| {
            numbers.iter().map(|n| format!("{{\"n\":{n},\"a\":\"x\",\"b\":\"y\"}}\n")).collect::<String>()
        };
        check(&rows(&[1, 2, 3, 4]), &rows(&[1, 3, 4]), &["expected.jsonl:2: did not come"]);
        check(&rows(&[1, 3]), &rows(&[0, 1, 3]), &["expected.jsonl: not expected"]);
        check(&rows(&[1, 2, 3]), &rows(&[1, 9, 3]), &["expected.jsonl:2: \"n\" differs"]);
        check(&rows(&[1]), "", &["expected.jsonl:1: did not come"]);
    }
}
