//! One `[rollups.NAME]` of a pipeline file: a continuous aggregate over the latest rows of tables that are joined on their keys.

use std::collections::HashSet;

use crate::expression::Grouping;
use crate::rollup::spec::{Measure, Rollup, parse};
use crate::rollup::{Source, unfit};

use super::fault::{join, wrong};
use super::plan::Table;
use super::section::Section;
use super::{grouping, names};

/// Reads the rollups of a file, whose tables are among `tables`.
pub(super) fn read_all(section: &Section<'_>, tables: &[Table]) -> Vec<Rollup> {
    section.children().iter().map(|(name, section)| read(name, section, tables)).collect()
}

fn read(name: &str, section: &Section<'_>, tables: &[Table]) -> Rollup {
    section.judge_name(names::table(name));
    section.need("from", "from = \"TABLE\"");
    let from = section.text("from").unwrap_or_default();
    let joined = section.texts("join");
    let mut of: Vec<&Table> = Vec::new();
    let places = (0..joined.len()).map(|index| format!("{}[{index}]", section.path_of("join")));
    let places = std::iter::once(section.path_of("from")).chain(places);
    for (place, name) in places.zip(std::iter::once(&from).chain(&joined)) {
        of.extend(table(section, &place, name, tables, &of));
    }
    let by = by(section);
    section.need("measures", "measures = { rows = \"count()\" }");
    let measures = measures(section, &by);
    elsewhere(section);
    section.finish();
    let rollup = Rollup { name: name.to_owned(), from, join: joined, by, measures };
    // What tables do not keep is told where the tables are known.
    for (place, fault) in unfit(&rollup, &of.iter().map(|table| source(table)).collect::<Vec<_>>()) {
        section.astray_at(&format!("{}.{place}", join("rollups", name)), &fault);
    }
    rollup
}

/// A table as rollups know it, so far as the file says.
fn source(table: &Table) -> Source {
    let columns = table.cache.iter().map(|column| (column.clone(), None)).collect();
    Source { name: table.name.clone(), key: table.key.clone(), columns }
}

/// The table of this name, where it can be one of the rollup's, after those `before`.
fn table<'a>(
    section: &Section<'_>,
    place: &str,
    name: &str,
    tables: &'a [Table],
    before: &[&Table],
) -> Option<&'a Table> {
    if name.is_empty() {
        return None;
    }
    let Some(table) = tables.iter().find(|table| table.name == name) else {
        let meant = names::meant(name, tables.iter().map(|table| table.name.as_str()));
        section.astray_at(place, &wrong(format!("the table {name:?} is not declared")).hint(meant));
        return None;
    };
    let key = |table: &Table| table.key.join(", ");
    let fault = if table.key.is_empty() {
        wrong(format!("the table {name:?} has no key, so that no rows are kept of it"))
            .hint("write key = [\"COLUMN\"] and cache = [..] there")
    } else if before.iter().any(|before| before.name == name) {
        wrong(format!("the table {name:?} stands here twice"))
    } else {
        match before.first().filter(|first| first.key.len() != table.key.len()) {
            Some(first) => {
                let (of, on) = (&first.name, key(first));
                let what = format!("the key of {of:?} is {on}, and that of {name:?} {}", key(table));
                wrong(what).hint("tables are joined on their keys, which must be of as many columns")
            }
            None => return Some(table),
        }
    };
    section.astray_at(place, &fault);
    None
}

fn by(section: &Section<'_>) -> Vec<Grouping> {
    let mut by: Vec<Grouping> = Vec::new();
    for (place, mut grouping) in grouping::read_with(section, "by", names::column_of) {
        // The column is shown without its table.
        if let Some((_, name)) = grouping.name.split_once('.') {
            grouping.name = name.to_owned();
        }
        if by.iter().any(|before| before.name.eq_ignore_ascii_case(&grouping.name)) {
            let twice = wrong(format!("the column {:?} stands here twice", grouping.name));
            section.wrong_at(&place, &twice.hint("group by one of them; two tables' columns need names of their own"));
        }
        by.push(grouping);
    }
    by
}

fn measures(section: &Section<'_>, by: &[Grouping]) -> Vec<(String, Measure)> {
    let declared = section.section("measures");
    // SQLite does not tell cases apart.
    let mut taken: HashSet<String> = by.iter().map(|by| by.name.to_lowercase()).collect();
    let mut measures = Vec::new();
    for (name, text) in declared.pairs() {
        declared.judge(&name, names::column(&name));
        if !taken.insert(name.to_lowercase()) {
            declared.wrong(&name, &wrong(format!("the rollup has another column {name:?}")).hint("rename this one"));
        }
        if let Some(measure) = declared.judge(&name, parse(&text)) {
            measures.push((name, measure));
        }
    }
    if section.has("measures") && declared.is_empty() {
        section.wrong("measures", &wrong("there is nothing to measure").hint("write { rows = \"count()\" }"));
    }
    measures
}

/// Keys of which one might think that a rollup has them.
fn elsewhere(section: &Section<'_>) {
    let known = [
        ("on", "tables are joined on their keys", "leave it out; a join on other columns belongs in a query"),
        (
            "where",
            "all keys count that are in every table",
            "group by what tells rows apart, and leave groups out in a query",
        ),
        (
            "window",
            "a rollup has no windows",
            "group by a part of a time, such as { name = \"day\", day = \"COLUMN\" }",
        ),
    ];
    for (key, reason, hint) in known {
        section.refuse(key, &wrong(reason).hint(hint));
    }
}
