//! Rollups in the file: their rows, the state of their groups, and the rows of the tables that they are computed from.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::cell::bind_value;
use super::fault::{During, internal};
use super::joined::{self, Joined};
use super::latest::Latest;
use super::layout::{RollupLayout, TableLayout, list, quote};
use super::row::{run, select};
use crate::error::{Error, Kind, Result};
use crate::rolled::{Keep, Row, Stretch};
use crate::time::Timestamp;
use crate::value::Value;

/// The definition of a rollup that is still to be computed.
pub(super) const PENDING: &str = "";

/// All that the rows of a rollup depend on.
pub(super) fn definition(rollup: &RollupLayout, tables: &[TableLayout]) -> String {
    let of = tables.iter().filter(|table| rollup.tables.contains(&table.name));
    let of: Vec<String> = of.map(TableLayout::create).collect();
    format!("{} {} {}", rollup.create(), rollup.definition, of.join(" "))
}

/// Forgets all that a rollup keeps beside its own table.
pub(super) fn forget(connection: &Connection, rollup: &str) -> Result<()> {
    for table in ["tidemill_rolled", "tidemill_stretches"] {
        run(connection, "forget a rollup", &format!("DELETE FROM {table} WHERE rollup = ?"), [rollup])?;
    }
    Ok(())
}

/// The statements of rollups, over the file's tables or over temporary ones beside them.
pub(super) struct Statements {
    schema: &'static str,
    of: HashMap<String, OfRollup>,
    group: String,
    put_group: String,
    remove_group: String,
    remove_stretches: String,
    stretch: String,
    before: String,
    put_stretch: String,
    remove_stretch: String,
}

struct OfRollup {
    definition: String,
    insert: String,
    update: String,
    remove: String,
    last: String,
}

impl Statements {
    pub(super) fn of(rollups: &[RollupLayout], tables: &[TableLayout], schema: &'static str) -> Self {
        let (groups, stretches) = (format!("{schema}.tidemill_rolled"), format!("{schema}.tidemill_stretches"));
        let cell = "rollup = ?1 AND number = ?2 AND cell = ?3";
        let one = |order: &str, than: &str| {
            format!(
                "SELECT s.first, s.entries, (SELECT n.first FROM {stretches} n WHERE n.{} AND n.first > s.first \
                 ORDER BY n.first LIMIT 1) FROM {stretches} s WHERE s.{} AND s.first {than} ?4 ORDER BY s.first {order} LIMIT 1",
                cell.replace("AND ", "AND n."),
                cell.replace("AND ", "AND s."),
            )
        };
        Self {
            schema,
            of: rollups.iter().map(|rollup| (rollup.name.clone(), OfRollup::of(rollup, tables, schema))).collect(),
            group: format!("SELECT number, state FROM {groups} WHERE rollup = ? AND key = ?"),
            put_group: format!(
                "INSERT INTO {groups} VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state"
            ),
            remove_group: format!("DELETE FROM {groups} WHERE rollup = ? AND key = ?"),
            remove_stretches: format!("DELETE FROM {stretches} WHERE rollup = ? AND number = ?"),
            stretch: one("DESC", "<="),
            before: one("DESC", "<"),
            put_stretch: format!(
                "INSERT INTO {stretches} VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET entries = excluded.entries"
            ),
            remove_stretch: format!("DELETE FROM {stretches} WHERE {cell} AND first = ?4"),
        }
    }
}

impl OfRollup {
    fn of(layout: &RollupLayout, tables: &[TableLayout], schema: &str) -> Self {
        let name = format!("{schema}.{}", quote(&layout.name));
        let fields: Vec<&str> = layout.fields.iter().map(|field| field.name.as_str()).chain(["_group"]).collect();
        let measures = layout.fields.get(layout.by..).unwrap_or_default();
        let sets: Vec<String> = measures.iter().map(|measure| format!("{} = ?", quote(&measure.name))).collect();
        Self {
            definition: definition(layout, tables),
            insert: format!("INSERT INTO {name} ({}) VALUES ({})", list(&fields), vec!["?"; fields.len()].join(", ")),
            update: format!("UPDATE {name} SET {} WHERE \"_group\" = ?", sets.join(", ")),
            remove: format!("DELETE FROM {name} WHERE \"_group\" = ?"),
            last: format!("SELECT coalesce(max(\"_group\"), 0) FROM {name}"),
        }
    }
}

/// Rollups as a transaction sees them.
pub struct Rolled<'a> {
    connection: &'a Connection,
    statements: &'a Statements,
    /// The last number that was given to a group, by rollup.
    last: RefCell<HashMap<String, i64>>,
}

impl<'a> Rolled<'a> {
    pub(super) fn new(connection: &'a Connection, statements: &'a Statements) -> Self {
        Self { connection, statements, last: RefCell::default() }
    }

    /// The rollups whose rows are still to be computed.
    pub fn pending(&self) -> Result<Vec<String>> {
        let sql = "SELECT name FROM tidemill_layout WHERE kind = 'rollup' AND definition = ? ORDER BY name";
        select(self.connection, sql, [PENDING], |row| row.get(0))
    }

    /// Whether the file has a rollup as it is declared, and computed.
    pub fn is_current(&self, rollup: &str) -> Result<bool> {
        let sql = "SELECT definition FROM tidemill_layout WHERE name = ? AND kind = 'rollup'";
        let found: Vec<String> = select(self.connection, sql, [rollup], |row| row.get(0))?;
        let declared = self.statements.of.get(rollup).map(|of| &of.definition);
        Ok(found.first().is_some_and(|found| Some(found) == declared))
    }

    /// Takes out all groups of a rollup that the file may have, to be computed when the pipeline goes on.
    pub fn put_off(&self, rollup: &str) -> Result<()> {
        let sql = "UPDATE tidemill_layout SET definition = ? WHERE name = ? AND kind = 'rollup'";
        match run(self.connection, "put a rollup off", sql, params![PENDING, rollup])? {
            0 => Ok(()),
            _ => self.empty(rollup),
        }
    }

    /// Takes out all groups of a rollup.
    pub fn empty(&self, rollup: &str) -> Result<()> {
        let name = format!("{}.{}", self.statements.schema, quote(rollup));
        run(self.connection, "empty a rollup", &format!("DELETE FROM {name}"), [])?;
        forget(self.connection, rollup)
    }

    /// Notes that a rollup has been computed.
    pub fn computed(&self, rollup: &str) -> Result<()> {
        let sql = "UPDATE tidemill_layout SET definition = ? WHERE name = ? AND kind = 'rollup'";
        run(self.connection, "note a rollup", sql, params![self.rollup(rollup)?.definition, rollup]).map(drop)
    }

    /// Says of each key among rows that are to be written, before any of them is, what its row was and what it will be.
    pub fn changes(
        &self,
        joined: &Joined,
        latest: &[(&str, &Latest)],
        each: &mut dyn FnMut(&Row<'_>, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        joined::changes(self.connection, joined, latest, each)
    }

    /// Says of each of these keys what its row is, and what it will be once `table` has lost its own, where that is of a record before
    /// a time; before any is removed.
    pub fn removals(
        &self,
        joined: &Joined,
        removed: (&str, &[Vec<Value>], Timestamp),
        each: &mut dyn FnMut(&Row<'_>, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        joined::removals(self.connection, joined, removed, each)
    }

    /// Gives all rows of a join of these tables, in whatever order.
    pub fn rows(&self, joined: &Joined, tables: u64, each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        joined::rows(self.connection, joined, tables, each)
    }

    fn rollup(&self, rollup: &str) -> Result<&OfRollup> {
        let found = self.statements.of.get(rollup);
        found.ok_or_else(|| internal(format!("rollup {rollup:?}: the cache does not have it")))
    }

    fn one(&self, sql: &str, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<Option<Stretch>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let stretch =
                |row: &rusqlite::Row<'_>| Ok(Stretch { first: row.get(0)?, entries: row.get(1)?, next: row.get(2)? });
            statement.query_row(params![rollup, number, cell as i64, first], stretch).optional()
        };
        read().during("read the values of a group")
    }
}

impl Keep for Rolled<'_> {
    fn group(&self, rollup: &str, key: &[u8]) -> Result<Option<(i64, Vec<u8>)>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(&self.statements.group)?;
            statement.query_row(params![rollup, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        };
        read().during("read a group")
    }

    fn number(&self, rollup: &str) -> Result<i64> {
        let mut last = self.last.borrow_mut();
        let number = match last.get(rollup) {
            Some(last) => last + 1,
            None => {
                let sql = &self.rollup(rollup)?.last;
                let found: Vec<i64> = select(self.connection, sql, [], |row| row.get(0))?;
                found.first().copied().unwrap_or(0) + 1
            }
        };
        last.insert(rollup.to_owned(), number);
        Ok(number)
    }

    fn put(
        &self,
        rollup: &str,
        key: &[u8],
        number: i64,
        state: &[u8],
        by: Option<&[Value]>,
        measures: &[Value],
    ) -> Result<()> {
        let of = self.rollup(rollup)?;
        run(self.connection, "keep a group's state", &self.statements.put_group, params![rollup, key, number, state])?;
        let sql = if by.is_some() { &of.insert } else { &of.update };
        let number = Value::Int64(number);
        let write = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let values = by.unwrap_or_default().iter().chain(measures).chain([&number]).enumerate();
            for (index, value) in values {
                bind_value(value, &mut statement, index + 1)?;
            }
            statement.raw_execute()
        };
        match write().during("show a group")? {
            1 => Ok(()),
            _ => Err(Error::new(Kind::Corrupt, format!("rollup {rollup:?}: the row of a group is gone"))),
        }
    }

    fn remove(&self, rollup: &str, key: &[u8], number: i64) -> Result<()> {
        let what = "forget a group";
        run(self.connection, what, &self.rollup(rollup)?.remove, [number])?;
        run(self.connection, what, &self.statements.remove_group, params![rollup, key])?;
        run(self.connection, what, &self.statements.remove_stretches, params![rollup, number]).map(drop)
    }

    fn stretch(&self, rollup: &str, number: i64, cell: usize, value: &[u8]) -> Result<Option<Stretch>> {
        self.one(&self.statements.stretch, rollup, number, cell, value)
    }

    fn before(&self, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<Option<Stretch>> {
        self.one(&self.statements.before, rollup, number, cell, first)
    }

    fn put_stretch(&self, rollup: &str, number: i64, cell: usize, first: &[u8], entries: &[u8]) -> Result<()> {
        let values = params![rollup, number, cell as i64, first, entries];
        run(self.connection, "keep the values of a group", &self.statements.put_stretch, values).map(drop)
    }

    fn remove_stretch(&self, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<()> {
        let values = params![rollup, number, cell as i64, first];
        run(self.connection, "forget values of a group", &self.statements.remove_stretch, values).map(drop)
    }
}
