//! Rollups computed anew beside the cache's, and held against what it shows.

use std::collections::BTreeMap;

use super::{Differs, STRAYS_MAX, Stray};
use crate::cache::fault::During;
use crate::cache::layout::{Layout, RollupLayout, list, quote};
use crate::cache::query::{Reader, value};
use crate::cache::rolled::{Rolled, Statements};
use crate::cache::row::select;
use crate::error::Result;
use crate::value::Value;

/// Rollups made anew.
pub struct DerivedRollups<'a> {
    reader: &'a Reader,
    rollups: Vec<RollupLayout>,
    statements: Statements,
}

impl Reader {
    /// The rollups of a layout beside the cache's, without a group; those that the cache has otherwise are left out.
    pub fn derive_rollups(&self, layout: &Layout) -> Result<DerivedRollups<'_>> {
        let declared = Statements::of(&layout.rollups, &layout.tables, "main");
        let mut rollups = Vec::new();
        for rollup in &layout.rollups {
            if Rolled::new(&self.connection, &declared).is_current(&rollup.name)? {
                self.create(&rollup.create())?;
                rollups.push(rollup.clone());
            }
        }
        let sql = "SELECT sql FROM main.sqlite_schema WHERE name IN ('tidemill_rolled', 'tidemill_stretches')";
        let created: Vec<String> = select(&self.connection, sql, [], |row| row.get(0))?;
        created.iter().try_for_each(|create| self.create(create))?;
        let statements = Statements::of(&rollups, &layout.tables, "temp");
        Ok(DerivedRollups { reader: self, rollups, statements })
    }
}

impl DerivedRollups<'_> {
    /// The rollups that are made anew.
    pub fn names(&self) -> Vec<String> {
        self.rollups.iter().map(|rollup| rollup.name.clone()).collect()
    }

    /// Where they are made.
    pub fn rolled(&self) -> Rolled<'_> {
        Rolled::new(&self.reader.connection, &self.statements)
    }

    /// How many groups of a rollup were made, and where the cache shows others, by key.
    pub fn strays(&self, rollup: &str) -> Result<(u64, Vec<Stray>)> {
        let Some(layout) = self.rollups.iter().find(|of| of.name == rollup) else { return Ok((0, Vec::new())) };
        let fields: Vec<&str> = layout.fields.iter().map(|field| field.name.as_str()).collect();
        let (name, columns) = (quote(rollup), list(&fields));
        let only = |there: &str, not_there: &str| {
            let sql = format!("SELECT {columns} FROM {there}.{name} EXCEPT SELECT {columns} FROM {not_there}.{name}");
            self.keys(&sql, layout)
        };
        let mut strays: BTreeMap<Vec<Value>, Differs> = BTreeMap::new();
        strays.extend(only("temp", "main")?.into_iter().map(|key| (key, Differs::Missing)));
        for key in only("main", "temp")? {
            strays.entry(key).and_modify(|what| *what = Differs::Altered).or_insert(Differs::Unknown);
        }
        let count: Vec<i64> =
            select(&self.reader.connection, &format!("SELECT count(*) FROM temp.{name}"), [], |row| row.get(0))?;
        let strays = strays.into_iter().map(|(key, what)| Stray { key, what, place: None }).collect();
        Ok((count.first().copied().unwrap_or(0).cast_unsigned(), strays))
    }

    fn keys(&self, sql: &str, layout: &RollupLayout) -> Result<Vec<Vec<Value>>> {
        let read = || {
            let mut statement = self.reader.connection.prepare(sql)?;
            let key = |row: &rusqlite::Row<'_>| (0..layout.by).map(|at| row.get_ref(at).map(value)).collect();
            let rows = statement.query_map([], key)?.take(STRAYS_MAX);
            rows.collect::<rusqlite::Result<Vec<Vec<Value>>>>()
        };
        read().during("compare its groups")
    }
}
