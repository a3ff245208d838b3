//! Rows that came too late for an aggregate, listed as long as there is room.

use rusqlite::{Connection, Row, params};

use super::query::Reader;
use super::row::{run, select, time, whole};
use crate::commit::LateRow;
use crate::error::Result;
use crate::time::Timestamp;

/// The most rows that are listed of an aggregate; all are counted.
const LISTED_MAX: u64 = 10_000;

/// The late rows of an aggregate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// How many came too late, each counted once for each window that it missed.
    pub count: u64,
    /// How many rows are listed.
    pub listed: u64,
    /// The first of these that were asked for, each with when it was listed.
    pub rows: Vec<(LateRow, Timestamp)>,
}

pub(super) fn write(connection: &Connection, aggregate: &str, rows: &[LateRow], at: Timestamp) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let room = LISTED_MAX.saturating_sub(listed(connection, aggregate)?);
    for LateRow { partition, offset, row, time, window } in rows.iter().take(room as usize) {
        let sql = "INSERT OR IGNORE INTO tidemill_late VALUES (?, ?, ?, ?, ?, ?, ?)";
        let (time, window) = (time.map(|time| time.0), window.map(|window| window.0));
        run(connection, "list a late row", sql, params![aggregate, partition, offset, row, time, window, at.0])?;
    }
    Ok(())
}

/// Notes that rows missed a window.
pub(super) fn miss(connection: &Connection, aggregate: &str, window: Timestamp) -> Result<()> {
    let sql = "INSERT INTO tidemill_missed VALUES (?, ?, 1, 0) ON CONFLICT DO UPDATE SET waits = 1";
    run(connection, "note a missed window", sql, params![aggregate, window.0]).map(drop)
}

/// Notes that a window was made anew of all its rows: none of them waits any more.
pub(super) fn make_whole(connection: &Connection, aggregate: &str, window: Timestamp) -> Result<()> {
    let sql = "INSERT INTO tidemill_missed VALUES (?, ?, 0, 1) ON CONFLICT DO UPDATE SET waits = 0, whole = 1";
    run(connection, "note a window made whole", sql, params![aggregate, window.0])?;
    let sql = "DELETE FROM tidemill_late WHERE aggregate = ? AND window_start = ?";
    run(connection, "take late rows off their list", sql, params![aggregate, window.0]).map(drop)
}

fn listed(connection: &Connection, aggregate: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM tidemill_late WHERE aggregate = ?";
    Ok(select(connection, sql, [aggregate], |row| whole(row, 0))?.first().copied().unwrap_or(0))
}

impl Reader {
    /// The windows of an aggregate that rows missed and wait for.
    pub fn missed(&self, aggregate: &str) -> Result<Vec<Timestamp>> {
        let sql = "SELECT window_start FROM tidemill_missed WHERE aggregate = ? AND waits = 1 ORDER BY 1";
        select(&self.connection, sql, [aggregate], |row| time(row, 0))
    }

    /// The windows of an aggregate that were made anew of all their rows: for these, none is late.
    pub fn made_whole(&self, aggregate: &str) -> Result<Vec<Timestamp>> {
        let sql = "SELECT window_start FROM tidemill_missed WHERE aggregate = ? AND whole = 1 ORDER BY 1";
        select(&self.connection, sql, [aggregate], |row| time(row, 0))
    }

    /// The rows that came too late for an aggregate, by place; at most so many.
    pub fn late_rows(&self, aggregate: &str, limit: usize) -> Result<Late> {
        let count = self.marks(aggregate)?.map_or(0, |marks| marks.late);
        let sql = "SELECT partition, offset, row, time, window_start, committed FROM tidemill_late WHERE aggregate = ? \
             ORDER BY partition, offset, row LIMIT ?";
        let read = |row: &Row<'_>| {
            let (time, window) = (row.get::<_, Option<i64>>(3)?, row.get::<_, Option<i64>>(4)?);
            let late = LateRow {
                partition: row.get(0)?,
                offset: row.get(1)?,
                row: row.get(2)?,
                time: time.map(Timestamp),
                window: window.map(Timestamp),
            };
            Ok((late, Timestamp(row.get(5)?)))
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = select(&self.connection, sql, params![aggregate, limit], read)?;
        Ok(Late { count, listed: listed(&self.connection, aggregate)?, rows })
    }
}
