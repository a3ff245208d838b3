//! A revision of history under way: one transaction, so that a crash leaves all of it or nothing.

use std::path::Path;

use arrow_array::RecordBatch;
use rusqlite::{Connection, params};

use super::aggregate::Names;
use super::cell::shown_time;
use super::commit::put;
use super::fault::During;
use super::file::{self, Found};
use super::group;
use super::late;
use super::latest::Latest;
use super::layout::{AggregateLayout, Layout, TableLayout, quote};
use super::letters;
use super::prune;
use super::rolled::{self, Rolled};
use super::row::{self, int, run, select, whole};
use super::show::Statements;
use super::store::owner;
use crate::commit::{Became, DeadLetter, Group, Revision, Segment};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// A revision of a table, by the only writer of the file. Dropped before [`Revise::finish`], it leaves nothing.
pub struct Revise {
    connection: Connection,
    table: String,
    /// The cached table, with the statement that puts a row in, or in place of one that is no later.
    cached: Option<(TableLayout, String)>,
    /// Rows of records before that time were pruned, and do not come back.
    pruned: Option<Timestamp>,
    rollups: rolled::Statements,
}

/// The cache's rows that came of records which are revised.
const REVISED: &str = "c._offset < (SELECT next FROM temp.tidemill_revised r WHERE r.partition = c._partition \
     AND r.first <= c._offset ORDER BY r.first DESC LIMIT 1)";

impl Revise {
    /// Begins a revision of a table of a pipeline, whose cache is laid out so, as far as that is known.
    ///
    /// Errors with [`Kind::Conflict`] where the file is another pipeline's, or has the table with other columns.
    pub fn begin(path: &Path, table: &str, layout: &Layout) -> Result<Self> {
        file::identity(path)?;
        let (connection, found) = file::open_to_write(path)?;
        if found == Found::Empty {
            return Err(Error::new(Kind::Missing, format!("cache {path:?}: it is empty")));
        }
        owner(&connection, path, &layout.pipeline)?;
        let temporary = "CREATE TEMP TABLE tidemill_revised (partition INTEGER, first INTEGER, next INTEGER, \
             PRIMARY KEY (partition, first)) WITHOUT ROWID; BEGIN IMMEDIATE";
        connection.execute_batch(temporary).during("begin a revision")?;
        let cached = layout.tables.iter().find(|of| of.name == table);
        if let Some(layout) = cached {
            same(&connection, &layout.name, &layout.create())?;
        }
        let cached = cached.map(|layout| (layout.clone(), layout.upsert_where(">=")));
        let rollups = rolled::Statements::of(&layout.rollups, &layout.tables, "main");
        let pruned = prune::mark(&connection, table)?;
        Ok(Self { connection, table: table.to_owned(), cached, pruned, rollups })
    }

    /// Writes what becomes of an epoch: the line beside the ledger's, the segments of its rows, the letters that are healed or wait
    /// from now on.
    pub fn epoch(
        &mut self,
        line: &Revision,
        segments: &[Segment],
        healed: &[(u64, Became)],
        dead: &[DeadLetter],
    ) -> Result<()> {
        let Revision { partition, revision, committed, cuts, .. } = line;
        let from = cuts.first().map_or(0, |cut| cut.first_offset);
        let next = cuts.last().map_or(0, |cut| cut.next_offset);
        row::write_revision(&self.connection, line)?;
        segments.iter().try_for_each(|segment| row::write_segment(&self.connection, segment))?;
        for (offset, became) in healed {
            letters::become_now(&self.connection, &self.table, (*partition, *offset), *became, *revision, *committed)?;
        }
        dead.iter().try_for_each(|letter| letters::reject(&self.connection, letter, *revision))?;
        let sql = "INSERT INTO temp.tidemill_revised VALUES (?, ?, ?)";
        run(&self.connection, "note what is revised", sql, params![partition, int(from), int(next)]).map(drop)
    }

    /// Writes a line beside the ledger's for a revision of windows alone.
    pub fn note(&self, line: &Revision) -> Result<()> {
        row::write_revision(&self.connection, line)
    }

    /// Notes that a window of an aggregate was made anew of all its rows: none waits for it any more.
    pub fn make_whole(&self, aggregate: &str, window: Timestamp) -> Result<()> {
        late::make_whole(&self.connection, aggregate, window)
    }

    /// Takes the rows of all these epochs out of the cache; those that came of their records and are the latest of their keys no more
    /// are told by [`Revise::lost`].
    pub fn take_out(&self) -> Result<()> {
        let Some((layout, _)) = &self.cached else { return Ok(()) };
        let (name, keys) = (quote(&layout.name), super::layout::list(&layout.key));
        let sql = format!(
            "CREATE TEMP TABLE tidemill_lost AS SELECT {keys}, _time AS lost_time, _partition AS lost_partition, \
             _offset AS lost_offset FROM main.{name} c WHERE {REVISED}; DELETE FROM main.{name} AS c WHERE {REVISED}"
        );
        self.connection.execute_batch(&sql).during("take out what is revised")
    }

    /// Adds rows as a rebuild would: the latest of each key stays, and what was pruned stays away. They have the columns that
    /// [`Latest::prepare`] asks for.
    pub fn rows(&self, rows: &RecordBatch) -> Result<()> {
        let Some((layout, sql)) = &self.cached else { return Ok(()) };
        let latest = Latest::prepare(layout, std::slice::from_ref(rows))?.since(self.pruned)?;
        put(&self.connection, layout, sql, &latest).map(drop)
    }

    /// Of how many keys the row that was taken out has no row of the same place or a later one in its stead, so that an older one
    /// of the lake is the latest now.
    pub fn lost(&self) -> Result<u64> {
        let Some((layout, _)) = &self.cached else { return Ok(0) };
        let name = quote(&layout.name);
        let same: Vec<String> = layout.key.iter().map(|key| format!("c.{0} = l.{0}", quote(key))).collect();
        let sql = format!(
            "SELECT count(*) FROM temp.tidemill_lost l WHERE NOT EXISTS (SELECT 1 FROM main.{name} c WHERE {} \
             AND (c._time, c._partition, c._offset) >= (l.lost_time, l.lost_partition, l.lost_offset))",
            same.join(" AND ")
        );
        Ok(select(&self.connection, &sql, [], |row| whole(row, 0))?.first().copied().unwrap_or(0))
    }

    /// Puts the groups of a window of an aggregate in the place of those that it shows, at this time, and keeps what those showed; a closed
    /// window's keep no state.
    pub fn window(
        &self,
        layout: &AggregateLayout,
        window: Timestamp,
        groups: &[Group],
        closed: Option<&Segment>,
        at: Timestamp,
    ) -> Result<()> {
        let text = shown_time(window);
        let (what, Names { view, .. }) = ("revise a window", Names::of(&layout.name));
        group::keep_window(&self.connection, layout, &text, at)?;
        run(&self.connection, what, &format!("DELETE FROM {view} WHERE window_start = ?"), [&text])?;
        let open = "FROM tidemill_groups WHERE aggregate = ? AND window_start = ?";
        run(&self.connection, what, &format!("DELETE {open}"), params![layout.name, window.0])?;
        Statements::of(layout).write(&self.connection, &layout.name, (&[], groups.iter()), at)?;
        group::number_window(&self.connection, layout, &text, at)?;
        closed.map_or(Ok(()), |segment| row::write_segment(&self.connection, segment))
    }

    /// Puts sessions of an aggregate in the place of others that are gone, at this time, and keeps what those showed, all of them being revised;
    /// `segments` are the lake's windows that change with them.
    pub fn sessions(
        &self,
        layout: &AggregateLayout,
        (gone, come): (&[Group], &[Group]),
        segments: &[Segment],
        at: Timestamp,
    ) -> Result<()> {
        Statements::of(layout).write(&self.connection, &layout.name, (gone, come.iter()), at)?;
        segments.iter().try_for_each(|segment| row::write_segment(&self.connection, segment))
    }

    /// The rollups, to be computed anew of the rows as they are now.
    pub fn rolled(&self) -> Rolled<'_> {
        Rolled::new(&self.connection, &self.rollups)
    }

    /// Makes it all lasting: once this returns, a power cut takes nothing of it.
    pub fn finish(self) -> Result<()> {
        self.connection.execute_batch("COMMIT").during("commit a revision")
    }
}

fn same(connection: &Connection, name: &str, definition: &str) -> Result<()> {
    let sql = "SELECT definition FROM tidemill_layout WHERE name = ?";
    let found: Vec<String> = select(connection, sql, [name], |row| row.get(0))?;
    if found.first().is_some_and(|found| found == definition) {
        return Ok(());
    }
    Err(Error::new(Kind::Conflict, format!("table {name:?}: it is declared otherwise than when the pipeline last ran"))
        .hint("run the pipeline once, so that the cache has its columns"))
}
