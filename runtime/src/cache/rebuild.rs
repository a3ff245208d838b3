//! The cache proper made anew, in one transaction: a crash leaves the old rows or the new.

use std::collections::HashMap;
use std::path::Path;

use arrow_array::RecordBatch;
use rusqlite::{Connection, Row};

use super::adopt;
use super::cell::Cells;
use super::commit::put;
use super::fault::{During, internal};
use super::file::{self, Found};
use super::group::{self, Marks};
use super::latest::Latest;
use super::layout::{AggregateLayout, Layout, TableLayout, list, quote};
use super::prune;
use super::rolled::{self, Rolled};
use super::row::{self, OBJECT, OBJECT_COLUMNS, select, whole};
use super::show::Statements;
use super::store::owner;
use super::written::{self, Replaced};
use crate::commit::{Group, Object, Segment};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// A rebuild under way. Dropped before [`Rebuild::finish`], it leaves the file as it was.
///
/// Rows that were written wait in SQLite's write-ahead log on the disk, and not in memory.
pub struct Rebuild {
    connection: Connection,
    layout: Layout,
    tables: HashMap<String, (TableLayout, String)>,
    aggregates: HashMap<String, (AggregateLayout, String)>,
    rollups: rolled::Statements,
}

/// Rows that are kept together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An object, and whether the bucket has it; until then the spool does.
    Object(Object, bool),
    /// A segment of the spool that is part of no object yet.
    Segment(Segment),
}

impl Rebuild {
    /// Opens a pipeline's file, and empties the cache proper: its tables, aggregates, rollups and queries are those of the layout, without
    /// a row, whatever another program had made of them. All else of the file stays as it is.
    ///
    /// Errors with [`Kind::Missing`] where there is no file, with [`Kind::Conflict`] where it is another pipeline's.
    pub fn begin(path: &Path, layout: &Layout) -> Result<Self> {
        let faults = layout.faults();
        if !faults.is_empty() {
            return Err(Error::all(&faults));
        }
        file::identity(path)?;
        let (connection, found) = file::open_to_write(path)?;
        if found == Found::Empty {
            return Err(Error::new(Kind::Missing, format!("cache {path:?}: it is empty")));
        }
        owner(&connection, path, &layout.pipeline)?;
        connection.execute_batch("BEGIN IMMEDIATE").during("begin to rebuild")?;
        adopt::anew(&connection, layout)?;
        let closed = |aggregate: &AggregateLayout| {
            let names: Vec<&str> = aggregate.fields.iter().map(|field| field.name.as_str()).collect();
            let marks = "?, ".repeat(names.len());
            let (name, names) = (quote(&aggregate.name), list(&names));
            format!("INSERT INTO {name} ({names}, \"_closed\", \"_state\") VALUES ({marks}1, 'closed')")
        };
        Ok(Self {
            connection,
            tables: layout.tables.iter().map(|t| (t.name.clone(), (t.clone(), t.upsert_where(">=")))).collect(),
            aggregates: layout.aggregates.iter().map(|a| (a.name.clone(), (a.clone(), closed(a)))).collect(),
            rollups: rolled::Statements::of(&layout.rollups, &layout.tables, "main"),
            layout: layout.clone(),
        })
    }

    /// How many objects and segments there are.
    pub fn extent(&self) -> Result<u64> {
        let sql = "SELECT (SELECT count(*) FROM tidemill_objects) + (SELECT count(*) FROM tidemill_segments)";
        Ok(select(&self.connection, sql, [], |row| whole(row, 0))?.first().copied().unwrap_or(0))
    }

    /// The next objects after the one of this number, each with its number; none where there are no more.
    pub fn objects(&self, after: i64, limit: usize) -> Result<Vec<(i64, Part)>> {
        let sql = format!(
            "SELECT {OBJECT}, delivered IS NOT NULL, id FROM tidemill_objects WHERE id > ? ORDER BY id LIMIT ?"
        );
        let read = |row: &Row<'_>| {
            Ok((row.get(OBJECT_COLUMNS + 1)?, Part::Object(row::object(row)?, row.get(OBJECT_COLUMNS)?)))
        };
        select(&self.connection, &sql, (after, limit as i64), read)
    }

    /// The segments that are part of no object yet.
    pub fn segments(&self) -> Result<Vec<Part>> {
        let sql = "SELECT * FROM tidemill_segments ORDER BY table_name, partition, first_offset, window_start, file";
        select(&self.connection, sql, [], |row| row::segment(row).map(Part::Segment))
    }

    /// What revisions have replaced of a partition.
    pub fn replaced(&self, table: &str, partition: u32) -> Result<Replaced> {
        written::replaced(&self.connection, table, partition)
    }

    /// Whether a window of an aggregate, with the partition that its object has, shows nothing any more.
    pub fn superseded(&self, of: (&str, u32), window: Timestamp, revision: u64) -> Result<bool> {
        written::superseded(&self.connection, of, window, revision)
    }

    /// Adds rows of a table as a commit would: the latest of each key stays, wherever it comes in the order of these calls. They
    /// have the columns that [`Latest::prepare`] asks for.
    pub fn rows(&self, table: &str, rows: &RecordBatch) -> Result<()> {
        let found = self.tables.get(table);
        let (layout, sql) = found.ok_or_else(|| internal(format!("table {table:?}: the cache does not have it")))?;
        put(&self.connection, layout, sql, &Latest::prepare(layout, std::slice::from_ref(rows))?).map(drop)
    }

    /// Adds groups of closed windows, with the aggregate's columns in their order.
    pub fn closed(&self, aggregate: &str, groups: &RecordBatch) -> Result<()> {
        let broken = |what: &str| internal(format!("aggregate {aggregate:?}: {what}"));
        let (layout, sql) = self.aggregates.get(aggregate).ok_or_else(|| broken("the cache does not have it"))?;
        let cells: Option<Vec<_>> =
            layout.fields.iter().zip(groups.columns()).map(|(field, column)| Cells::of(column, field.kind)).collect();
        let cells = cells.filter(|cells| cells.len() == layout.fields.len());
        let cells = cells.ok_or_else(|| broken("its groups have other columns"))?;
        let write = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            for row in 0..groups.num_rows() {
                for (index, column) in (1..).zip(&cells) {
                    column.bind(row, &mut statement, index)?;
                }
                statement.raw_execute()?;
            }
            Ok(())
        };
        write().during("write closed groups")
    }

    /// How far an aggregate has come; none before its first commit.
    pub fn marks(&self, aggregate: &str) -> Result<Option<Marks>> {
        group::read_marks(&self.connection, aggregate)
    }

    /// The stored groups of an aggregate, whose windows are open; without measures.
    pub fn groups(&self, aggregate: &str) -> Result<Vec<Group>> {
        group::read(&self.connection, aggregate)
    }

    /// Shows the groups whose windows are open; before those that are closed, because their rows keep their numbers.
    pub fn open(&self, aggregate: &str, groups: impl Iterator<Item = Group>) -> Result<()> {
        let found = self.aggregates.get(aggregate);
        let (layout, _) =
            found.ok_or_else(|| internal(format!("aggregate {aggregate:?}: the cache does not have it")))?;
        Statements::of(layout).show(&self.connection, groups)
    }

    /// The rollups, to be computed now that all rows are there. Those that were pruned before go again first.
    pub fn rolled(&self) -> Result<Rolled<'_>> {
        self.tables.keys().try_for_each(|name| prune::again(&self.connection, name, false))?;
        Ok(Rolled::new(&self.connection, &self.rollups))
    }

    /// Makes the named queries, and then all of it lasting. What was pruned before stays away.
    pub fn finish(self) -> Result<()> {
        for (aggregate, _) in self.aggregates.values() {
            group::number_anew(&self.connection, aggregate, None)?;
        }
        self.aggregates.keys().try_for_each(|name| prune::again(&self.connection, name, true))?;
        adopt::views(&self.connection, &self.layout).map_err(|faults| Error::all(&faults))?;
        self.connection.execute_batch("COMMIT").during("commit what was rebuilt")
    }
}
