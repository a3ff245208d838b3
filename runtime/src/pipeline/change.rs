//! What another version's fields mean for lake, cache and queries.

use crate::config::plan::{self, Query};
use crate::error::{Error, Kind, Result};
use crate::schema::Field;

/// How one field of a table becomes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change<'a> {
    Added(&'a Field),
    Removed(&'a Field),
    Retyped(&'a Field, &'a Field),
    MayBeNull(&'a Field),
    NeverNull(&'a Field),
}

/// What a table's fields become, a sentence for each that changes; `queries` are those of the pipeline.
///
/// A field more that may be null takes nothing from anyone, nor does whether a field may be null, or their order. Another type, a
/// field less, and one more that is never null break what reads the objects of the lake as one table: errors where `accept_breaking`
/// is not said. Errors also where a field that the pipeline file names would go or be of another type, because state
/// that is kept for it would not fit any more.
pub fn changes(
    table: &plan::Table,
    queries: &[Query],
    old: &[Field],
    new: &[Field],
    accept_breaking: bool,
) -> Result<Vec<String>> {
    let changes = found(old, new);
    let told = |changes: &[Change<'_>]| -> Vec<String> {
        changes.iter().map(|change| sentence(change, table, queries)).collect()
    };
    let broken: Vec<Change<'_>> = changes.iter().copied().filter(Change::breaks).collect();
    if let Some(field) = broken.iter().filter_map(Change::before).find(|field| named(table, &field.name).is_some()) {
        let what = format!(
            "table {:?}: a field that the pipeline file names would change: {}",
            table.name,
            told(&broken).join("; ")
        );
        return Err(Error::new(Kind::Input, what).hint(format!(
            "keep {:?}, or stop the pipeline, change the file, and start it with --accept-breaking: what SQLite has of it begins anew",
            field.name
        )));
    }
    if !broken.is_empty() && !accept_breaking {
        let what = format!("table {:?}: its fields would change: {}", table.name, told(&broken).join("; "));
        let hint = format!("keep the fields, or take it with `tidemill reload {} --accept-breaking`", table.name);
        return Err(Error::new(Kind::Input, what).hint(hint));
    }
    Ok(told(&changes))
}

fn found<'a>(old: &'a [Field], new: &'a [Field]) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    for before in old {
        changes.extend(match new.iter().find(|field| field.name == before.name) {
            None => Some(Change::Removed(before)),
            Some(after) if after.kind != before.kind => Some(Change::Retyped(before, after)),
            Some(after) if after.nullable && !before.nullable => Some(Change::MayBeNull(after)),
            Some(after) if before.nullable && !after.nullable => Some(Change::NeverNull(after)),
            Some(_) => None,
        });
    }
    let added = new.iter().filter(|after| !old.iter().any(|before| before.name == after.name));
    changes.extend(added.map(Change::Added));
    changes
}

impl<'a> Change<'a> {
    fn breaks(&self) -> bool {
        match self {
            Self::Added(field) => !field.nullable,
            Self::Removed(_) | Self::Retyped(..) => true,
            Self::MayBeNull(_) | Self::NeverNull(_) => false,
        }
    }

    /// The field as it was, where it was there.
    fn before(&self) -> Option<&'a Field> {
        match self {
            Self::Removed(field) | Self::Retyped(field, _) => Some(field),
            Self::Added(_) | Self::MayBeNull(_) | Self::NeverNull(_) => None,
        }
    }
}

fn sentence(change: &Change<'_>, table: &plan::Table, queries: &[Query]) -> String {
    match change {
        Change::Added(field) if field.nullable => {
            format!("{} is added: objects of the lake have it from now on, and those before read as null", show(field))
        }
        Change::Added(field) => format!(
            "{} is added, and is never null: objects of the lake have it from now on, and those before lack it",
            show(field)
        ),
        Change::Removed(field) => {
            format!(
                "{} is removed: objects of the lake lack it from now on{}",
                show(field),
                effect(field, table, queries)
            )
        }
        Change::Retyped(before, after) => format!(
            "{} becomes {}: objects of the lake from before and after do not read as one column{}",
            show(before),
            after.kind.word(),
            effect(before, table, queries)
        ),
        Change::MayBeNull(field) => format!("{} may be null from now on", show(field)),
        Change::NeverNull(field) => format!("{} is never null from now on", show(field)),
    }
}

/// What a field's going means for SQLite and the queries.
fn effect(field: &Field, table: &plan::Table, queries: &[Query]) -> String {
    let Some(place) = named(table, &field.name) else { return "; SQLite does not have it".to_owned() };
    let mentions = |query: &&Query| {
        let word = |c: char| !(c.is_alphanumeric() || c == '_');
        query.sql.split(word).any(|word| word.eq_ignore_ascii_case(&field.name))
    };
    let readers: Vec<&str> = queries.iter().filter(mentions).map(|query| query.name.as_str()).collect();
    match readers.as_slice() {
        [] => format!("; SQLite has it, by {place}"),
        readers => format!("; SQLite has it, by {place}, and the queries {} may read it", readers.join(", ")),
    }
}

/// Where the pipeline file names a table's field.
fn named(table: &plan::Table, field: &str) -> Option<String> {
    let among = |columns: &[String]| columns.iter().any(|column| column == field);
    if among(&table.key) {
        return Some("key".to_owned());
    }
    if among(&table.cache) {
        return Some("cache".to_owned());
    }
    let aggregate = table.aggregates.iter().find(|aggregate| aggregate.columns().any(|column| column == field))?;
    Some(format!("aggregate {:?}", aggregate.name))
}

fn show(field: &Field) -> String {
    format!("{:?} ({}{})", field.name, field.kind.word(), if field.nullable { ", or null" } else { "" })
}

#[cfg(test)]
mod tests;
