//! `tidemill query --watch`: an answer again and again, whenever it changes.

use std::time::Duration;

use serde_json::json;

use super::{Format, on_terminal, print, shown};
use crate::cache::query::{Changes, Reader, Table as Answer, csv_line};
use crate::error::Result;

/// How often it is looked whether the file has changed, which costs next to nothing.
const LOOK_TIME: Duration = Duration::from_millis(250);
/// Moves a terminal's cursor to its first line and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows an answer until nobody reads it any more, or asking fails.
pub(super) fn run(reader: &Reader, format: Format, ask: impl Fn() -> Result<Answer>) -> Result<()> {
    let terminal = on_terminal();
    let (mut version, mut last) = (None, None);
    loop {
        let found = reader.version()?;
        if version != Some(found) {
            version = Some(found);
            let answer = ask()?;
            let text = match &last {
                Some(before) if answer.since(before).is_empty() => String::new(),
                _ if terminal => format!("{CLEAR}{}", shown(&answer, format)?),
                Some(before) => lines(&answer, &answer.since(before), format),
                None => shown(&answer, format)?,
            };
            if !print(&text) {
                return Ok(());
            }
            last = Some(answer);
        }
        std::thread::park_timeout(LOOK_TIME);
    }
}

/// Rows that went and came, one a line: behind `-` and `+`, or as JSON.
fn lines(answer: &Answer, changes: &Changes, format: Format) -> String {
    let mut text = String::new();
    for (word, sign, rows) in [("deleted", '-', &changes.deleted), ("inserted", '+', &changes.inserted)] {
        for row in rows {
            match format {
                Format::Json => text += &format!("{}\n", json!({ word: answer.object(row) })),
                _ => text += &format!("{sign} {}\n", csv_line(row).trim_end()),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn changed_rows_are_lines() {
        let answer = |rows: &[(&str, i64)]| Answer {
            columns: vec!["name".into(), "n".into()],
            rows: rows.iter().map(|(name, n)| vec![Value::Text((*name).into()), Value::Int64(*n)]).collect(),
            more: false,
        };
        let (before, after) = (answer(&[("a", 1), ("b,c", 2)]), answer(&[("a", 2)]));
        let changes = after.since(&before);
        assert_eq!(lines(&after, &changes, Format::Table), "- a,1\n- \"b,c\",2\n+ a,2\n");
        let expected = "{\"deleted\":{\"name\":\"a\",\"n\":1}}\n{\"deleted\":{\"name\":\"b,c\",\"n\":2}}\n{\"inserted\":{\"name\":\"a\",\"n\":2}}\n";
        assert_eq!(lines(&after, &changes, Format::Json), expected);
    }
}
