//! Runs of schedules in the file: one row a run, and up to when the times of each schedule have become runs.

use rusqlite::{Connection, Row, params};

use super::query::Reader;
use super::row::{int, json, run, select, time, whole};
use super::store::Store;
use crate::commit::{Exported, Run, RunState};
use crate::error::{Kind, OrFail, Result};
use crate::time::Timestamp;

/// Ended runs of a schedule that are remembered; those that have put an object into the lake always are.
const ENDED_MAX: i64 = 1_000;

const RUN: &str = "id, schedule, time, asked, state, attempt, due, started, ended, object, log";

/// What the file has of schedules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRuns {
    /// The runs that have not ended, oldest first.
    pub open: Vec<Run>,
    /// Up to when the times of each schedule have become runs, or were passed over.
    pub upto: Vec<(String, Timestamp)>,
    /// The times after that which have their runs already, because somebody asked for them.
    pub early: Vec<(String, Timestamp)>,
    /// The greatest number of a run.
    pub last: u64,
}

/// Writes a run as it stands now; runs that ended long ago are forgotten.
pub(super) fn write(connection: &Connection, of: &Run) -> Result<()> {
    let Run { id, schedule, time, asked, state, attempt, due, started, ended, object, log } = of;
    let object = object.as_ref().map(serde_json::to_string).transpose().or_fail(Kind::Internal, || "run")?;
    let sql = "INSERT INTO tidemill_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET \
         state = excluded.state, attempt = excluded.attempt, due = excluded.due, started = excluded.started, \
         ended = excluded.ended, object = excluded.object, log = excluded.log";
    let (started, ended) = (started.map(|at| at.0), ended.map(|at| at.0));
    let values = params![int(*id), schedule, time.0, asked, state.word(), attempt, due.0, started, ended, object, log];
    run(connection, "record a run", sql, values)?;
    if state.is_open() {
        return Ok(());
    }
    let sql = "DELETE FROM tidemill_runs WHERE schedule = ?1 AND object IS NULL AND state NOT IN ('waits', 'runs') AND id < \
         (SELECT id FROM tidemill_runs WHERE schedule = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    run(connection, "forget old runs", sql, params![schedule, ENDED_MAX]).map(drop)
}

/// Notes up to when the times of a schedule have become runs.
pub(super) fn write_upto(connection: &Connection, schedule: &str, upto: Timestamp) -> Result<()> {
    let sql = "INSERT INTO tidemill_schedules VALUES (?, ?) ON CONFLICT DO UPDATE SET upto = excluded.upto";
    run(connection, "move a schedule", sql, params![schedule, upto.0]).map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let state: String = row.get(4)?;
    let at = |index| row.get::<_, Option<i64>>(index).map(|at| at.map(Timestamp));
    let has_object = row.get_ref(9)? != rusqlite::types::ValueRef::Null;
    Ok(Run {
        id: whole(row, 0)?,
        schedule: row.get(1)?,
        time: time(row, 2)?,
        asked: row.get(3)?,
        // The file takes no other words.
        state: RunState::of(&state).unwrap_or(RunState::Failed),
        attempt: row.get(5)?,
        due: time(row, 6)?,
        started: at(7)?,
        ended: at(8)?,
        object: if has_object { Some(json::<Exported>(row, 9)?) } else { None },
        log: row.get(10)?,
    })
}

impl Store {
    /// What the file has of schedules.
    pub fn runs(&self) -> Result<StoredRuns> {
        let open = format!("SELECT {RUN} FROM tidemill_runs WHERE state IN ('waits', 'runs') ORDER BY id");
        let upto = "SELECT schedule, upto FROM tidemill_schedules";
        let early = "SELECT schedule, r.time FROM tidemill_runs r JOIN tidemill_schedules s USING (schedule) WHERE r.time > s.upto";
        let last = "SELECT coalesce(max(id), 0) FROM tidemill_runs";
        let times = |sql: &str| select(&self.connection, sql, [], |row| Ok((row.get(0)?, time(row, 1)?)));
        Ok(StoredRuns {
            open: select(&self.connection, &open, [], read)?,
            upto: times(upto)?,
            early: times(early)?,
            last: select(&self.connection, last, [], |row| whole(row, 0))?.first().copied().unwrap_or(0),
        })
    }
}

impl Reader {
    /// The last runs of a schedule, or of all of them, the latest first.
    pub fn runs(&self, schedule: Option<&str>, limit: usize) -> Result<Vec<Run>> {
        let sql =
            format!("SELECT {RUN} FROM tidemill_runs WHERE ?1 IS NULL OR schedule = ?1 ORDER BY id DESC LIMIT ?2");
        select(&self.connection, &sql, (schedule, limit as i64), read)
    }

    /// A run of a schedule by its number.
    pub fn run_of(&self, schedule: &str, id: u64) -> Result<Option<Run>> {
        let sql = format!("SELECT {RUN} FROM tidemill_runs WHERE schedule = ? AND id = ?");
        Ok(select(&self.connection, &sql, (schedule, int(id)), read)?.pop())
    }

    /// The run of a schedule that is for this time.
    pub fn run_at(&self, schedule: &str, at: Timestamp) -> Result<Option<Run>> {
        let sql = format!("SELECT {RUN} FROM tidemill_runs WHERE schedule = ? AND time = ?");
        Ok(select(&self.connection, &sql, (schedule, at.0), read)?.pop())
    }

    /// Whether a run has put an object of this key into the lake, or is about to.
    pub fn is_exported(&self, key: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM tidemill_runs WHERE object ->> 'key' = ?";
        Ok(!select(&self.connection, sql, [key], |_| Ok(()))?.is_empty())
    }
}
