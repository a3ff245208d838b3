//! One transaction: all that an epoch leaves behind, or nothing of it.

use rusqlite::{Connection, params};

use super::cell::Cells;
use super::fault::{During, internal};
use super::group::{self, Marks};
use super::late;
use super::latest::Latest;
use super::layout::TableLayout;
use super::ledger;
use super::letters;
use super::rolled::Rolled;
use super::row::{self, Generation};
use super::runs;
use super::store::Store;
use crate::commit::{Became, DeadLetter, Epoch, Group, LateRow, Object, Revision, Run, Segment};
use crate::error::{Error, Result};
use crate::sabotage::{self, Fault};
use crate::time::Timestamp;

/// A commit under way. Dropped before [`Commit::finish`], it leaves nothing.
///
/// After any error it must be dropped; what had been done in it may be half of what was asked.
pub struct Commit<'a> {
    store: &'a mut Store,
    open: bool,
}

impl<'a> Commit<'a> {
    pub(super) fn begin(store: &'a mut Store) -> Result<Self> {
        store.connection.execute_batch("BEGIN IMMEDIATE").during("begin a commit")?;
        Ok(Self { store, open: true })
    }

    /// Adds a line to the ledger, and moves the partition's position to its end.
    ///
    /// Errors with [`Kind::Internal`] where the line does not balance, in records or in rows, or does not follow the last one of
    /// its partition.
    pub fn epoch(&mut self, line: &Epoch) -> Result<()> {
        ledger::write_epoch(&self.store.connection, line)?;
        if sabotage::is(Fault::PositionEarly) {
            self.store.connection.execute_batch("COMMIT; BEGIN IMMEDIATE").during("commit a position alone")?;
        }
        Ok(())
    }

    /// Writes latest rows over older ones; answers how many were written, the others being older than what is there.
    pub fn upsert(&mut self, table: &str, rows: &Latest) -> Result<u64> {
        let Some((layout, sql)) = self.store.tables.get(table) else {
            return Err(internal(format!("table {table:?}: the cache does not have it")));
        };
        put(&self.store.connection, layout, sql, rows)
    }

    /// The rollups, as this commit sees and leaves them.
    pub fn rolled(&self) -> Rolled<'_> {
        Rolled::new(&self.store.connection, &self.store.rollups)
    }

    /// Forgets the groups that are gone, shows those that changed and those that closed, which come in this order. Open groups keep
    /// their state, closed ones need it no more; a group without measures, being only restored, keeps those that it shows. Of those that are
    /// revised, what was shown is kept, with `at`, the time of the commit.
    pub fn groups(&mut self, aggregate: &str, [gone, changed, closed]: [&[Group]; 3], at: Timestamp) -> Result<()> {
        let Some(statements) = self.store.aggregates.get(aggregate) else {
            return Err(internal(format!("aggregate {aggregate:?}: the cache does not have it")));
        };
        let within = |error: Error| error.within(format!("aggregate {aggregate:?}"));
        let groups = changed.iter().chain(closed);
        statements.write(&self.store.connection, aggregate, (gone, groups), at).map_err(within)
    }

    /// Lists rows that came too late for an aggregate, as long as there is room for them, and notes the windows that they missed.
    pub fn late(&mut self, aggregate: &str, rows: &[LateRow], missed: &[Timestamp], at: Timestamp) -> Result<()> {
        late::write(&self.store.connection, aggregate, rows, at)?;
        missed.iter().try_for_each(|window| late::miss(&self.store.connection, aggregate, *window))
    }

    /// Records how far an aggregate has come.
    pub fn marks(&mut self, aggregate: &str, marks: &Marks) -> Result<()> {
        group::write_marks(&self.store.connection, aggregate, marks)
    }

    /// Keeps records that could not become rows.
    pub fn dead_letters(&mut self, letters: &[DeadLetter]) -> Result<()> {
        letters.iter().try_for_each(|letter| letters::write(&self.store.connection, letter))
    }

    /// Adds a line beside one of the ledger's, for a redrive of dead letters.
    pub fn revision(&mut self, line: &Revision) -> Result<()> {
        row::write_revision(&self.store.connection, line)
    }

    /// Notes what became of a dead letter, and in which revision.
    ///
    /// Errors with [`Kind::Internal`](crate::error::Kind::Internal) where there is none that waits.
    pub fn healed(&mut self, table: &str, at: (u32, u64), became: Became, revision: u64, now: Timestamp) -> Result<()> {
        letters::heal(&self.store.connection, table, at, became, revision, now)
    }

    /// Lists the epoch's segments.
    pub fn segments(&mut self, segments: &[Segment]) -> Result<()> {
        segments.iter().try_for_each(|segment| row::write_segment(&self.store.connection, segment))
    }

    /// Puts an object in the outbox in place of the segments, named by their files, that it is made of.
    ///
    /// Errors with [`Kind::Internal`] where one of them is not listed, or the object's rows are not theirs.
    pub fn land(&mut self, segments: &[String], object: &Object) -> Result<()> {
        let broken = |what: String| internal(what).within(format!("object {:?}", object.key));
        let mut rows = 0;
        for file in segments {
            let sql = "DELETE FROM tidemill_segments WHERE file = ? RETURNING rows";
            let taken = row::select(&self.store.connection, sql, [file], |row| row::whole(row, 0))?;
            let [taken] = taken.as_slice() else {
                return Err(broken(format!("its segment {file:?} is not listed")));
            };
            rows += taken;
        }
        if rows != object.rows {
            return Err(broken(format!("it has {} rows, and its segments {rows}", object.rows)));
        }
        row::write_object(&self.store.connection, object)
    }

    /// Puts objects in the outbox that are made of no segments.
    pub fn objects(&mut self, objects: &[Object]) -> Result<()> {
        objects.iter().try_for_each(|object| row::write_object(&self.store.connection, object))
    }

    /// Notes that the bucket has an object; once is enough, twice changes nothing.
    pub fn delivered(&mut self, key: &str, at: Timestamp) -> Result<()> {
        let sql = "UPDATE tidemill_objects SET delivered = coalesce(delivered, ?) WHERE key = ?";
        match row::run(&self.store.connection, "note a delivery", sql, params![at.0, key])? {
            1 => Ok(()),
            _ => Err(internal(format!("object {key:?}: it was never in the outbox"))),
        }
    }

    /// Records the component that is now in service of a table, or that it is pinned or let go.
    pub fn generation(&mut self, generation: &Generation) -> Result<()> {
        row::write_generation(&self.store.connection, generation)
    }

    /// Records a run of a schedule as it stands now.
    pub fn run(&mut self, run: &Run) -> Result<()> {
        runs::write(&self.store.connection, run)
    }

    /// Notes up to when the times of a schedule have become runs, or were passed over.
    pub fn schedule(&mut self, schedule: &str, upto: Timestamp) -> Result<()> {
        runs::write_upto(&self.store.connection, schedule, upto)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.store.connection
    }

    /// Makes it all lasting: once this returns, a power cut takes nothing of it.
    pub fn finish(mut self) -> Result<()> {
        self.store.connection.execute_batch("COMMIT").during("commit")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        if self.open && !self.store.connection.is_autocommit() {
            // Should this fail, the connection is of no more use, and the next commit's begin says so.
            let _ = self.store.connection.execute_batch("ROLLBACK");
        }
    }
}

/// Runs an upsert of [`TableLayout::upsert`] for each row; answers how many were written.
pub(super) fn put(connection: &Connection, layout: &TableLayout, sql: &str, rows: &Latest) -> Result<u64> {
    let columns = cells(layout, rows)?;
    let place = &rows.place;
    let write = || {
        let mut statement = connection.prepare_cached(sql)?;
        let mut written = 0;
        for row in 0..rows.rows() {
            let mut index = 1;
            for column in &columns {
                column.bind(row, &mut statement, index)?;
                index += 1;
            }
            statement.raw_bind_parameter(index, place.time.value(row))?;
            statement.raw_bind_parameter(index + 1, place.partition.value(row))?;
            statement.raw_bind_parameter(index + 2, place.offset.value(row))?;
            written += statement.raw_execute()? as u64;
        }
        Ok(written)
    };
    write().during("write latest rows").map_err(|error: Error| error.within(format!("table {:?}", layout.name)))
}

fn cells<'a>(layout: &TableLayout, rows: &'a Latest) -> Result<Vec<Cells<'a>>> {
    let pairs = layout.columns.iter().zip(&rows.columns);
    let cells: Option<Vec<_>> = pairs.map(|(field, column)| Cells::of(column, field.kind)).collect();
    let whole = cells.filter(|cells| cells.len() == layout.columns.len() && layout.columns.len() == rows.columns.len());
    whole.ok_or_else(|| internal(format!("table {:?}: its rows were prepared for another layout", layout.name)))
}
