//! What rows are grouped by, as a file writes it: `by = ["category", { name = "post_year", year = "timestamp" }]`.

use crate::error::Result;
use crate::expression::{Expression, Grouping, Part, Range, Ranges};
use crate::time::Zone;

use super::fault::wrong;
use super::names;
use super::section::{Item, Section};

/// Reads the groupings in the list `key`, each with the dotted path of where its name stands: columns by their names, and tables
/// for what is computed of one. Those that are wrong are told and left out.
pub(super) fn read(section: &Section<'_>, key: &'static str) -> Vec<(String, Grouping)> {
    read_with(section, key, names::column)
}

/// The same of columns whose names are for `check` to judge.
pub(super) fn read_with(
    section: &Section<'_>,
    key: &'static str,
    check: fn(&str) -> Result<()>,
) -> Vec<(String, Grouping)> {
    let mut found: Vec<(String, Grouping)> = Vec::new();
    for item in section.texts_or_items(key) {
        let (path, grouping) = match item {
            Item::Text { path, text } => match check(&text) {
                Ok(()) => (path, Grouping::column(text)),
                Err(fault) => {
                    section.wrong_at(&path, &fault);
                    continue;
                }
            },
            Item::Section(section) => match computed(&section, check) {
                Some(grouping) => (section.path_of("name"), grouping),
                None => continue,
            },
        };
        // SQLite does not tell cases apart.
        if found.iter().any(|(_, before)| before.name.eq_ignore_ascii_case(&grouping.name)) {
            section.wrong_at(&path, &wrong(format!("the column {:?} stands here twice", grouping.name)));
        } else {
            found.push((path, grouping));
        }
    }
    found
}

/// `{ name = "post_year", year = "timestamp", zone = "Europe/London" }`, or
/// `{ name = "age_group", ranges = "age", labels = { "18-24" = [18, 24], "50+" = [51, inf] } }`.
fn computed(section: &Section<'_>, check: fn(&str) -> Result<()>) -> Option<Grouping> {
    section.need("name", "name = \"NAME\" of the column that shows it");
    let name = section.text("name").filter(|name| section.judge("name", names::column(name)).is_some());
    let mut given: Vec<(&str, Option<Expression>)> = Vec::new();
    let zone = zone(section);
    for (word, part) in Part::ALL {
        let column = column(section, word, check);
        if section.has(word) {
            let part = column.zip(zone.clone()).map(|(column, zone)| Expression::Part { part, column, zone });
            given.push((word, part));
        }
    }
    let label = label(section, check);
    if section.has("ranges") {
        given.push(("ranges", label));
        if section.has("zone") {
            section.wrong("zone", &wrong("ranges of numbers have no time zone"));
        }
    }
    match given.as_slice() {
        [] => section.need("year", "year = \"COLUMN\", or month, day, weekday, hour, or ranges with labels"),
        [_] => {}
        [.., (word, _)] => {
            section.wrong(word, &wrong("there is another expression beside it").hint("write a table for each"));
        }
    }
    section.finish();
    let (_, expression) = given.pop()?;
    name.zip(expression).map(|(name, expression)| Grouping { name, expression })
}

fn zone(section: &Section<'_>) -> Option<Zone> {
    match section.text("zone") {
        Some(name) => section.judge("zone", Zone::named(&name)),
        None => Some(Zone::UTC),
    }
}

fn label(section: &Section<'_>, check: fn(&str) -> Result<()>) -> Option<Expression> {
    let column = column(section, "ranges", check);
    let bounds = section.section("labels").bounds();
    match (section.has("ranges"), section.has("labels")) {
        (true, true) => {}
        (false, true) => {
            section.wrong("labels", &wrong("there are labels without ranges").hint("write ranges = \"COLUMN\""));
            return None;
        }
        (true, false) => {
            section.need("labels", "labels = { \"18-24\" = [18, 24], \"50+\" = [51, inf] }");
            return None;
        }
        (false, false) => return None,
    }
    let ranges = bounds?.into_iter().map(|(label, [least, greatest])| Range { label, least, greatest }).collect();
    let ranges = section.judge("labels", Ranges::new(ranges));
    column.zip(ranges).map(|(column, ranges)| Expression::Label { column, ranges })
}

fn column(section: &Section<'_>, key: &'static str, check: fn(&str) -> Result<()>) -> Option<String> {
    section.text(key).filter(|column| section.judge(key, check(column)).is_some())
}
