//! A tested case as people read it: a line, then each difference field by field.

use std::fmt::Write;
use std::io::IsTerminal;

use serde_json::{Map, Value as Json};

use super::{Tested, Verdict};
use crate::pipeline::cases::{Difference, What};

/// Differences of one case that are shown to a person.
const SHOWN_MAX: usize = 10;
/// Differences of one case that are given to a program.
const GIVEN_MAX: usize = 1_000;
/// Fields of one difference that are shown.
const FIELDS_MAX: usize = 20;
/// Characters of a value that are shown.
const CHARACTERS_MAX: usize = 160;

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// A case's line, and below it what is not well.
pub(super) fn case(tested: &Tested) -> String {
    let name = format!("{}/{}", tested.table, tested.case);
    let mut text = match &tested.result {
        Verdict::Passed => format!("{} {name}\n", paint(GREEN, "passed ")),
        Verdict::Written { files } => {
            let files: String = files.iter().map(|file| format!("  {}\n", file.display())).collect();
            format!("{} {name}\n{files}", paint(YELLOW, "written"))
        }
        Verdict::Failed { error, hint } => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!("  hint: {hint}\n"));
            format!("{} {name}\n  {error}\n{hint}", paint(RED, "failed "))
        }
        Verdict::Differs { .. } => format!("{} {name}\n", paint(RED, "differs")),
    };
    if let Verdict::Differs { count, differences } = &tested.result {
        let mut batch = None;
        for difference in differences.iter().take(SHOWN_MAX) {
            if difference.batch.is_some() && difference.batch != batch {
                batch = difference.batch;
                let size = batch.unwrap_or_default();
                // Writing to a text cannot fail.
                let _ = writeln!(text, "  gives other rows at batch size {size} than with all in one: it remembers");
            }
            show(difference, &mut text);
        }
        if *count > SHOWN_MAX {
            let _ = writeln!(text, "  ... and {} more", count - SHOWN_MAX);
        }
    }
    text
}

/// How many cases passed, and what became of the others.
pub(super) fn summary(all: &[Tested]) -> String {
    let count = |of: fn(&Verdict) -> bool| all.iter().filter(|tested| of(&tested.result)).count();
    let results = [
        (count(|result| matches!(result, Verdict::Passed)), "passed"),
        (count(|result| matches!(result, Verdict::Differs { .. })), "not as expected"),
        (count(|result| matches!(result, Verdict::Failed { .. })), "failed"),
        (count(|result| matches!(result, Verdict::Written { .. })), "written"),
    ];
    let results = results.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let records: usize = all.iter().map(|tested| tested.records).sum();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let cases = format!("{} case{}, {records} record{}", all.len(), plural(all.len()), plural(records));
    format!("{cases}: {}", results.collect::<Vec<_>>().join(", "))
}

fn show(difference: &Difference, text: &mut String) {
    let _ = writeln!(text, "  {difference}");
    match &difference.what {
        What::Missing(line) => drop(writeln!(text, "    {}", paint(RED, &format!("- {}", object(line))))),
        What::Unexpected(line) => drop(writeln!(text, "    {}", paint(GREEN, &format!("+ {}", object(line))))),
        What::Changed(changes) => {
            for change in changes.iter().take(FIELDS_MAX) {
                let [expected, actual] = [&change.expected, &change.actual].map(|value| short(&value.to_string()));
                let _ = writeln!(text, "    {}", paint(RED, &format!("- {}: {expected}", change.field)));
                let _ = writeln!(text, "    {}", paint(GREEN, &format!("+ {}: {actual}", change.field)));
            }
            if changes.len() > FIELDS_MAX {
                let _ = writeln!(text, "    ... and {} fields more", changes.len() - FIELDS_MAX);
            }
        }
    }
}

fn object(line: &Map<String, Json>) -> String {
    short(&Json::from(line.clone()).to_string())
}

/// The first characters of a text, without those that would move a terminal's cursor: JSON escapes only some of them.
fn short(text: &str) -> String {
    let mut shown: String =
        text.chars().take(CHARACTERS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A text in a colour, on a terminal.
fn paint(colour: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

impl Verdict {
    /// Leaves out what is too much for one answer; `count` still says how many there are.
    pub(super) fn shorten(&mut self) {
        if let Self::Differs { differences, .. } = self {
            differences.truncate(GIVEN_MAX);
        }
    }
}
