//! The rollups of all tables in the committer's hands: within the transaction that writes rows, what these take out of groups and add.

use crate::cache::{Joined, Latest, Rolled, RollupLayout, Store, TableLayout};
use crate::error::{Error, Kind, Result};
use crate::rollup::spec::Rollup;
use crate::rollup::{Family, Source, families, is_astray};
use crate::time::Timestamp;
use crate::value::Value;

/// Says how rollups are computed; another number, and all are computed anew.
const VERSION: u32 = 1;

/// The rollups of a pipeline.
#[derive(Default)]
pub struct Rollups {
    families: Vec<Joint>,
}

/// Rollups over tables that are joined with one another.
struct Joint {
    family: Family,
    joined: Joined,
    /// Whether what is kept of it is not what the rows say.
    astray: bool,
}

/// A table as rollups know it.
fn source(table: &TableLayout) -> Source {
    let columns = table.columns.iter().map(|field| (field.name.clone(), Some(field.kind))).collect();
    Source { name: table.name.clone(), key: table.key.clone(), columns }
}

/// The rollups of which all tables are there.
fn whole<'a>(rollups: &'a [Rollup], tables: &'a [TableLayout]) -> impl Iterator<Item = &'a Rollup> {
    rollups.iter().filter(|rollup| rollup.tables().all(|name| tables.iter().any(|table| table.name == name)))
}

/// How the cache shows the rollups over these tables; one that lacks a table is left out.
pub fn layouts(rollups: &[Rollup], tables: &[TableLayout]) -> Result<Vec<RollupLayout>> {
    let rollups: Vec<Rollup> = whole(rollups, tables).cloned().collect();
    let sources: Vec<Source> = tables.iter().map(source).collect();
    let mut layouts = Vec::new();
    let families = families(&rollups, &sources)?;
    for (name, _, fields, by) in families.iter().flat_map(Family::rollups) {
        let Some(rollup) = rollups.iter().find(|rollup| rollup.name == name) else { continue };
        let groupings: Vec<String> = rollup.by.iter().map(|by| by.definition()).collect();
        let measures: Vec<String> = rollup.measures.iter().map(|(name, of)| format!("{name:?} = {of}")).collect();
        let tables: Vec<String> = rollup.tables().map(str::to_owned).collect();
        let definition =
            format!("{VERSION} of {tables:?} by {} measures {}", groupings.join(", "), measures.join(", "));
        layouts.push(RollupLayout { name: name.to_owned(), tables, fields: fields.to_vec(), by, definition });
    }
    // In the order of the file.
    layouts.sort_by_key(|layout| rollups.iter().position(|rollup| rollup.name == layout.name));
    Ok(layouts)
}

impl Rollups {
    /// The rollups over these tables; one that lacks a table is left out.
    pub fn new(rollups: &[Rollup], tables: &[TableLayout]) -> Result<Self> {
        let rollups: Vec<Rollup> = whole(rollups, tables).cloned().collect();
        let sources: Vec<Source> = tables.iter().map(source).collect();
        let mut all = Vec::new();
        for family in families(&rollups, &sources)? {
            let mut joined = Vec::new();
            for (place, name) in family.tables().iter().enumerate() {
                let layout = tables.iter().find(|table| table.name == *name).ok_or_else(|| absent(name))?;
                joined.push((layout, family.columns(place).collect()));
            }
            let joined = Joined::new(joined)?;
            all.push(Joint { family, joined, astray: false });
        }
        Ok(Self { families: all })
    }

    /// Takes in what becomes of keys whose rows are to be written; before any of them is.
    pub fn read(&mut self, rolled: &Rolled<'_>, latest: &[(&str, &Latest)]) -> Result<()> {
        for Joint { family, joined, astray } in &mut self.families {
            // What an attempt before this one had read is not committed.
            family.clear();
            *astray = false;
            let mine: Vec<(&str, &Latest)> = (latest.iter())
                .filter(|(table, latest)| latest.rows() > 0 && family.tables().iter().any(|name| name == table))
                .copied()
                .collect();
            if mine.is_empty() {
                continue;
            }
            let read = rolled.changes(joined, &mine, &mut |old, new| family.change(rolled, old, new));
            *astray = told(read)?;
        }
        Ok(())
    }

    /// Takes in that a table loses the rows of these keys, where they are of records before a time; before any is removed.
    pub fn remove(&mut self, rolled: &Rolled<'_>, removed: (&str, &[Vec<Value>], Timestamp)) -> Result<()> {
        for Joint { family, joined, astray } in &mut self.families {
            if !*astray && family.tables().iter().any(|name| name == removed.0) {
                let read = rolled.removals(joined, removed, &mut |old, new| family.change(rolled, old, new));
                *astray = told(read)?;
            }
        }
        Ok(())
    }

    /// Writes the groups that changed; after all rows are written or removed.
    pub fn write(&mut self, rolled: &Rolled<'_>) -> Result<()> {
        for joint in &mut self.families {
            if !joint.astray && !told(joint.write(rolled))? {
                continue;
            }
            let all: Vec<String> = joint.family.rollups().map(|(name, ..)| name.to_owned()).collect();
            joint.anew(rolled, &all)?;
        }
        Ok(())
    }

    /// Computes anew, of all rows, those of these rollups that there are.
    pub fn anew(&mut self, rolled: &Rolled<'_>, names: &[String]) -> Result<()> {
        self.families.iter_mut().try_for_each(|joint| joint.anew(rolled, names))
    }

    /// Computes the rollups that were never computed or are no longer what they were declared to be, in a transaction of its own.
    pub fn restore(&mut self, store: &mut Store) -> Result<()> {
        let commit = store.begin()?;
        let pending = commit.rolled().pending()?;
        if pending.is_empty() {
            return Ok(());
        }
        self.anew(&commit.rolled(), &pending)?;
        pending.iter().try_for_each(|name| commit.rolled().computed(name))?;
        commit.finish()?;
        tracing::info!(rollups = pending.join(", "), "rollups computed anew from the cached rows");
        Ok(())
    }
}

impl Joint {
    fn write(&mut self, rolled: &Rolled<'_>) -> Result<()> {
        let Self { family, joined, .. } = self;
        let joins = family.write(rolled)?;
        for join in &joins {
            rolled.rows(joined, *join, &mut |row| family.make_up(row))?;
        }
        if joins.is_empty() || family.write(rolled)?.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Internal, "rollups: the first values of a group were made up for, and are gone again"))
    }

    fn anew(&mut self, rolled: &Rolled<'_>, names: &[String]) -> Result<()> {
        let Self { family, joined, astray } = self;
        family.clear();
        *astray = false;
        let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
        let mut joins: Vec<u64> = Vec::new();
        for (name, tables, ..) in family.rollups().filter(|(name, ..)| wanted(name)) {
            rolled.empty(name)?;
            joins.push(tables);
        }
        joins.sort_unstable();
        joins.dedup();
        for join in joins {
            rolled.rows(joined, join, &mut |row| {
                family.add(rolled, row, wanted)?;
                if family.is_heavy() { family.write(rolled).map(drop) } else { Ok(()) }
            })?;
            // Nothing is taken out, so nothing has to be made up for.
            family.write(rolled)?;
        }
        Ok(())
    }
}

/// Whether what is kept was found not to be what the rows say, which is told, for it is computed anew.
fn told(done: Result<()>) -> Result<bool> {
    match done {
        Ok(()) => Ok(false),
        Err(error) if is_astray(&error) => {
            tracing::warn!(error = error.message(), "rollups are computed anew from the cached rows");
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

fn absent(table: &str) -> Error {
    Error::new(Kind::Internal, format!("table {table:?}: the cache keeps no rows of it"))
}

#[cfg(test)]
mod tests;
