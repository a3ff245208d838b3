//! Answers as bars: a name and a length a row.

use crate::cache::query::Table as Answer;
use crate::error::{Error, Kind, Result};
use crate::value::Value;

/// The eighths of a cell, from nothing to all of it.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// What a bar below zero is made of.
const BELOW: char = '░';
/// The most of a line that names may take: one part of so many.
const NAMES_PART: usize = 2;
/// The least cells for the longest bar.
const BAR_MIN: usize = 8;

/// A line for each row, at most `width` cells where that has room: its names, a bar as long as its number, the number.
///
/// Errors where the last column is not of numbers, or is the only one.
pub(super) fn chart(answer: &Answer, width: usize) -> Result<String> {
    let rows: Vec<(String, f64, String)> = answer.rows.iter().map(|row| bar(answer, row)).collect::<Result<_>>()?;
    if answer.columns.len() < 2 {
        return Err(wrong("there is one column"));
    }
    let cells = |of: fn(&(String, f64, String)) -> &String| rows.iter().map(|row| of(row).chars().count()).max();
    let names = cells(|row| &row.0).unwrap_or(0).min(width / NAMES_PART);
    let numbers = cells(|row| &row.2).unwrap_or(0);
    let longest = width.saturating_sub(names + numbers + 2).max(BAR_MIN);
    let most = rows.iter().map(|(_, number, _)| number.abs()).fold(0.0, f64::max);
    let mut chart = String::new();
    for (name, number, shown) in &rows {
        let eighths = if most > 0.0 { (number.abs() / most * longest as f64 * 8.0).round() as usize } else { 0 };
        let line = format!("{:names$} {} {shown:>numbers$}", cut(name, names), padded(eighths, *number < 0.0, longest));
        chart.push_str(line.trim_end());
        chart.push('\n');
    }
    Ok(chart)
}

/// A row's names, its number, and that as text.
fn bar(answer: &Answer, row: &[Value]) -> Result<(String, f64, String)> {
    let Some((last, names)) = row.split_last() else { return Err(wrong("there is no column")) };
    let number = match last {
        Value::Int64(number) => *number as f64,
        Value::Float64(number) => *number,
        Value::Null => 0.0,
        other => {
            let column = answer.columns.last().map(String::as_str).unwrap_or_default();
            return Err(wrong(&format!("{:?} in its last column, {column:?}, is no number", other.to_string())));
        }
    };
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let names: Vec<String> = names.iter().map(|name| name.to_string().chars().map(plain).collect()).collect();
    Ok((names.join(" "), number, last.to_string()))
}

/// The beginning of a name that is too long.
fn cut(name: &str, cells: usize) -> String {
    if name.chars().count() <= cells {
        return name.to_owned();
    }
    name.chars().take(cells.saturating_sub(1)).chain(['…']).collect()
}

/// A bar of so many eighths, and what is left of its cells.
fn padded(eighths: usize, below: bool, cells: usize) -> String {
    if below {
        return format!("{:cells$}", BELOW.to_string().repeat(eighths.div_ceil(8).min(cells)));
    }
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(EIGHTHS.get(eighths % 8).filter(|part| **part != ' '));
    format!("{bar:cells$}")
}

fn wrong(what: &str) -> Error {
    Error::new(Kind::Input, format!("chart: {what}"))
        .hint("ask for names first and one number last: SELECT country, count(*) .., or choose another --format")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(&str, Value)], width: usize, expected: &[&str]) {
        let rows = rows.iter().map(|(name, number)| vec![Value::Text((*name).to_owned()), number.clone()]).collect();
        let answer = Answer { columns: vec!["name".to_owned(), "n".to_owned()], rows, more: false };
        let lines = match chart(&answer, width) {
            Ok(chart) => chart.lines().map(str::to_owned).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(lines, expected);
    }

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        let int = Value::Int64;
        check(
            &[("art", int(16)), ("diy", int(9)), ("é", int(1)), ("none", int(0)), ("null", Value::Null)],
            24,
            &[
                "art  ████████████████ 16",
                "diy  █████████         9",
                "é    █                 1",
                "none                   0",
                "null",
            ],
        );
        check(&[("a", Value::Float64(1.0)), ("b", Value::Float64(0.3))], 14, &["a ████████ 1.0", "b ██▍      0.3"]);
        check(&[("up", int(4)), ("down", int(-2))], 16, &["up   ████████  4", "down ░░░░     -2"]);
        check(&[], 80, &[]);
    }

    #[test]
    fn long_names_are_cut_and_what_is_no_number_is_said() {
        check(&[("a very long name", Value::Int64(1))], 20, &["a very lo… ████████ 1"]);
        check(&[("a\u{1b}[31m", Value::Int64(0))], 20, &["a\u{fffd}[31m             0"]);
        check(&[("a", Value::Text("x".to_owned()))], 20, &["chart: \"x\" in its last column, \"n\", is no number"]);
    }
}
