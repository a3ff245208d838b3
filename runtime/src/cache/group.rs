//! Windows in the file: the groups that are open with what they need to go on, and how far each aggregate has come.

use rusqlite::{Connection, Row, params};

use super::aggregate::Names;
use super::group_key::decode;
use super::layout::AggregateLayout;
use super::row::{int, run, select, time, whole};
use super::show::as_json;
use super::states::{States, stateless};
use crate::commit::{Group, Standing};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// How far an aggregate has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Windows that end here or before have closed.
    pub closed_upto: Timestamp,
    /// Rows that came after their window had closed.
    pub late: u64,
    /// The partitions, by rising number.
    pub partitions: Vec<Mark>,
}

/// How far a partition has come in an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The partition.
    pub partition: u32,
    /// Its watermark.
    pub watermark: Timestamp,
    /// Whether it is idle, and holds nobody back.
    pub idle: bool,
}

/// Numbers the revisions of the groups that an aggregate shows, of all windows or of one, as they were numbered before these were made
/// anew.
pub(super) fn number_anew(connection: &Connection, layout: &AggregateLayout, window: Option<&str>) -> Result<()> {
    let Names { measures, .. } = Names::of(&layout.name);
    // What was kept is looked up by its key, for each group.
    let sql = format!(
        "{} UPDATE {measures} SET _revision = 1 + l.last FROM (SELECT s.number, max(c.revision) AS last FROM shown s \
         CROSS JOIN tidemill_changes c ON c.aggregate = ?1 AND c.window_start = s.start AND c.grouped = s.grouped GROUP BY 1) l \
         WHERE {measures}._group = l.number",
        shown(layout)
    );
    run(connection, "number revisions", &sql, params![layout.name, window]).map(drop)
}

/// Keeps what all groups of a window show, at a time, before the window is made anew.
pub(super) fn keep_window(
    connection: &Connection,
    layout: &AggregateLayout,
    window: &str,
    at: Timestamp,
) -> Result<()> {
    let sql = format!(
        "{} INSERT OR REPLACE INTO tidemill_changes SELECT ?1, start, grouped, revision, end, measures, ?3 FROM shown",
        shown(layout)
    );
    run(connection, "keep what a window showed", &sql, params![layout.name, window, at.0]).map(drop)
}

/// Once the window was made anew: forgets what was kept at that time of groups which show the same, and numbers the others' revisions.
pub(super) fn number_window(
    connection: &Connection,
    layout: &AggregateLayout,
    window: &str,
    at: Timestamp,
) -> Result<()> {
    let (shown, Names { measures, .. }) = (shown(layout), Names::of(&layout.name));
    let as_before = format!(
        "{shown} UPDATE {measures} SET _revision = c.revision FROM shown s CROSS JOIN tidemill_changes c \
         ON c.aggregate = ?1 AND c.window_start = s.start AND c.grouped = s.grouped AND c.until = ?3 \
         WHERE {measures}._group = s.number"
    );
    let unchanged = format!(
        "{shown} DELETE FROM tidemill_changes WHERE aggregate = ?1 AND window_start = ?2 AND until = ?3 \
         AND (grouped, measures) IN (SELECT grouped, measures FROM shown)"
    );
    for sql in [as_before, unchanged] {
        run(connection, "number revisions", &sql, params![layout.name, window, at.0])?;
    }
    number_anew(connection, layout, Some(window))
}

/// What the groups of an aggregate show, of all windows or of the one that the second parameter says, as the start of a statement.
fn shown(layout: &AggregateLayout) -> String {
    format!(
        "WITH shown AS MATERIALIZED (SELECT v._group AS number, v.window_start AS start, v.window_end AS end, v._revision AS revision, \
         {} AS grouped, {} AS measures FROM {} v WHERE ?2 IS NULL OR v.window_start = ?2)",
        as_json("v", layout.grouped()),
        as_json("v", layout.measures()),
        Names::of(&layout.name).view
    )
}

/// The open groups of an aggregate, by rising window; without measures, which their state gives again.
pub(super) fn read(connection: &Connection, aggregate: &str) -> Result<Vec<Group>> {
    let mut states = States::of(aggregate).read(connection)?;
    let sql =
        "SELECT window_start, size, key, number FROM tidemill_groups WHERE aggregate = ? ORDER BY window_start, key";
    type Stored = (Timestamp, i64, Vec<u8>, i64);
    let read = |row: &Row<'_>| Ok((time(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let rows: Vec<Stored> = select(connection, sql, [aggregate], read)?;
    let mut group = |(window, size, key, number): Stored| {
        let broken = || {
            let what = format!("cache: a group of aggregate {aggregate:?} has a key that does not decode");
            Error::new(Kind::Corrupt, what).hint("restore a copy, or give the aggregate a new name")
        };
        let key = decode(&key).ok_or_else(broken)?;
        let state = states.remove(&number).ok_or_else(|| stateless(aggregate))?;
        let end = Timestamp(window.0.saturating_add(size));
        let (standing, revised, stored) = (Standing::Early, false, true);
        Ok(Group { window, end, key, measures: Vec::new(), standing, revised, number, stored, state })
    };
    rows.into_iter().map(&mut group).collect()
}

/// The greatest number that a group of an aggregate has.
pub(super) fn last_number(connection: &Connection, aggregate: &str) -> Result<i64> {
    let sql = format!("SELECT coalesce(max(_group), 0) FROM {}", Names::of(aggregate).keys);
    Ok(select(connection, &sql, [], |row| row.get(0))?.pop().unwrap_or(0))
}

/// Writes how far an aggregate has come.
pub(super) fn write_marks(connection: &Connection, aggregate: &str, marks: &Marks) -> Result<()> {
    let what = "move a watermark";
    let sql = "INSERT INTO tidemill_aggregates VALUES (?, ?, ?) \
         ON CONFLICT DO UPDATE SET closed_upto = excluded.closed_upto, late = excluded.late";
    run(connection, what, sql, params![aggregate, marks.closed_upto.0, int(marks.late)])?;
    for mark in &marks.partitions {
        let sql = "INSERT INTO tidemill_marks VALUES (?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET watermark = excluded.watermark, idle = excluded.idle";
        run(connection, what, sql, params![aggregate, mark.partition, mark.watermark.0, mark.idle])?;
    }
    Ok(())
}

/// How far an aggregate has come; `None` before its first commit.
pub(super) fn read_marks(connection: &Connection, aggregate: &str) -> Result<Option<Marks>> {
    let sql = "SELECT closed_upto, late FROM tidemill_aggregates WHERE aggregate = ?";
    let found = select(connection, sql, [aggregate], |row| Ok((time(row, 0)?, whole(row, 1)?)))?;
    let sql = "SELECT partition, watermark, idle FROM tidemill_marks WHERE aggregate = ? ORDER BY partition";
    let mark = |row: &Row<'_>| Ok(Mark { partition: row.get(0)?, watermark: time(row, 1)?, idle: row.get(2)? });
    let partitions = select(connection, sql, [aggregate], mark)?;
    Ok(found.first().map(|&(closed_upto, late)| Marks { closed_upto, late, partitions }))
}

/// How often an aggregate has begun anew.
pub(super) fn renewals(connection: &Connection, aggregate: &str) -> Result<u32> {
    let sql = "SELECT count FROM tidemill_renewals WHERE aggregate = ?";
    Ok(select(connection, sql, [aggregate], |row| row.get(0))?.first().copied().unwrap_or(0))
}

/// The last revision that an aggregate's table had when it began.
pub(super) fn begun_after(connection: &Connection, aggregate: &str) -> Result<u64> {
    let sql = "SELECT revision FROM tidemill_renewals WHERE aggregate = ?";
    Ok(select(connection, sql, [aggregate], |row| whole(row, 0))?.first().copied().unwrap_or(0))
}

/// Notes that an aggregate of a table begins: for the first time, or anew.
pub(super) fn begin(connection: &Connection, aggregate: &str, table: &str) -> Result<()> {
    let sql = "INSERT INTO tidemill_renewals \
         SELECT ?1, 0, coalesce(max(revision), 0) FROM tidemill_revisions WHERE table_name = ?2 \
         ON CONFLICT DO UPDATE SET count = count + 1, revision = excluded.revision";
    run(connection, "note that an aggregate begins", sql, [aggregate, table]).map(drop)
}

/// Forgets all that an aggregate keeps beside its own table.
pub(super) fn forget(connection: &Connection, aggregate: &str) -> Result<()> {
    for sql in [
        "DELETE FROM tidemill_changes WHERE aggregate = ?",
        "DELETE FROM tidemill_late WHERE aggregate = ?",
        "DELETE FROM tidemill_missed WHERE aggregate = ?",
        "DELETE FROM tidemill_groups WHERE aggregate = ?",
        "DELETE FROM tidemill_marks WHERE aggregate = ?",
        "DELETE FROM tidemill_aggregates WHERE aggregate = ?",
    ] {
        run(connection, "forget an aggregate", sql, [aggregate])?;
    }
    States::of(aggregate).forget(connection)
}
