//! Dead letters in the file: those that wait, and what became of those that a redrive has healed.

use rusqlite::{Connection, Params, Row, params};
use serde::{Deserialize, Serialize};

use super::fault::{During, internal};
use super::query::Reader;
use super::row::{int, run, select, time, whole};
use super::store::Store;
use crate::commit::{Became, DeadLetter};
use crate::error::Result;
use crate::time::Timestamp;

/// Bytes of keys, values and headers that are read at a time; one letter may be larger.
const PAGE_BYTES: usize = 16 << 20;

/// A dead letter as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The record, and why it is none of the rows.
    pub letter: DeadLetter,
    /// What became of it; none while it waits.
    pub healed: Option<Healed>,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healed {
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub became: Became,
    /// The revision of its table that says so.
    pub revision: u64,
}

/// Which letters of a table are meant.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Those whose reason has this text in it; none for any.
    pub reason: Option<String>,
    /// Those that were healed, instead of those that wait.
    pub healed: bool,
    /// Those after this partition and offset.
    pub after: Option<(u32, u64)>,
}

/// Letters of one table with one reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Reason {
    /// The table.
    pub table: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub letters: u64,
    /// The append time of the first, in microseconds since 1970.
    pub first: i64,
    /// That of the last.
    pub last: i64,
    /// One of them.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
}

const LETTER: &str = "SELECT table_name, partition, offset, time, reason, digest, key, value, headers, epoch, redriven, \
     became, revision FROM tidemill_dead_letters WHERE table_name = ?1";

impl Reader {
    /// Letters of a table by rising partition and offset, at most so many, and about 16 MiB of them.
    pub fn letters(&self, table: &str, which: &Which, limit: usize) -> Result<Vec<Letter>> {
        let (partition, offset) =
            which.after.map_or((-1, 0), |(partition, offset)| (i64::from(partition), int(offset)));
        let sql = format!(
            "{LETTER} AND (partition, offset) > (?2, ?3) AND (redriven IS NOT NULL) = ?4 \
             AND (?5 IS NULL OR instr(reason, ?5) > 0) ORDER BY partition, offset LIMIT ?6"
        );
        self.page(&sql, params![table, partition, offset, which.healed, which.reason, limit as i64])
    }

    /// Letters of a table, healed or not, by rising partition and offset: those after a place, at most so many, and about 16 MiB of them.
    pub fn every_letter(&self, table: &str, after: Option<(u32, u64)>, limit: usize) -> Result<Vec<Letter>> {
        let (partition, offset) = after.map_or((-1, 0), |(partition, offset)| (i64::from(partition), int(offset)));
        let sql = format!("{LETTER} AND (partition, offset) > (?2, ?3) ORDER BY partition, offset LIMIT ?4");
        self.page(&sql, params![table, partition, offset, limit as i64])
    }

    fn page(&self, sql: &str, values: impl Params) -> Result<Vec<Letter>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(values)?;
            let (mut letters, mut bytes) = (Vec::new(), 0);
            while bytes < PAGE_BYTES
                && let Some(row) = rows.next()?
            {
                let letter = letter(row)?;
                bytes += letter.letter.bytes();
                letters.push(letter);
            }
            Ok(letters)
        };
        read().during("read dead letters")
    }

    /// How many letters there are, healed or not.
    pub fn every_letter_count(&self) -> Result<u64> {
        let found = select(&self.connection, "SELECT count(*) FROM tidemill_dead_letters", [], |row| whole(row, 0))?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// One letter, healed or not.
    pub fn letter(&self, table: &str, partition: u32, offset: u64) -> Result<Option<Letter>> {
        let sql = format!("{LETTER} AND partition = ?2 AND offset = ?3");
        Ok(select(&self.connection, &sql, params![table, partition, int(offset)], letter)?.pop())
    }

    /// How many letters of a table are meant.
    pub fn letters_count(&self, table: &str, which: &Which) -> Result<u64> {
        let sql = "SELECT count(*) FROM tidemill_dead_letters WHERE table_name = ?1 AND (redriven IS NOT NULL) = ?2 \
             AND (?3 IS NULL OR instr(reason, ?3) > 0)";
        let found = select(&self.connection, sql, params![table, which.healed, which.reason], |row| whole(row, 0))?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// The letters by table and reason, the most frequent first: `limit` of these groups after `skip` others.
    pub fn reasons(&self, table: Option<&str>, which: &Which, limit: usize, skip: usize) -> Result<Vec<Reason>> {
        // Of bare columns beside min(), SQLite takes the row that has the least.
        let sql = "SELECT table_name, reason, count(*), min(time), max(time), partition, offset \
             FROM tidemill_dead_letters WHERE (?1 IS NULL OR table_name = ?1) AND (redriven IS NOT NULL) = ?2 \
             AND (?3 IS NULL OR instr(reason, ?3) > 0) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?4 OFFSET ?5";
        let read = |row: &Row<'_>| {
            Ok(Reason {
                table: row.get(0)?,
                reason: row.get(1)?,
                letters: whole(row, 2)?,
                first: row.get(3)?,
                last: row.get(4)?,
                partition: row.get(5)?,
                offset: whole(row, 6)?,
            })
        };
        select(&self.connection, sql, params![table, which.healed, which.reason, limit as i64, skip as i64], read)
    }

    /// The tables that have letters, by name.
    pub fn letter_tables(&self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT table_name FROM tidemill_dead_letters ORDER BY table_name";
        select(&self.connection, sql, [], |row| row.get(0))
    }

    /// The number of a table's last revision; 0 where there is none.
    pub fn last_revision(&self, table: &str) -> Result<u64> {
        let sql = "SELECT coalesce(max(revision), 0) FROM tidemill_revisions WHERE table_name = ?";
        Ok(select(&self.connection, sql, [table], |row| whole(row, 0))?.first().copied().unwrap_or(0))
    }
}

impl Store {
    /// Whether all of these letters of a table, by partition and offset, still wait.
    pub fn wait(&self, table: &str, letters: impl IntoIterator<Item = (u32, u64)>) -> Result<bool> {
        let sql = "SELECT 1 FROM tidemill_dead_letters WHERE table_name = ? AND partition = ? AND offset = ? \
             AND redriven IS NULL";
        for (partition, offset) in letters {
            if select(&self.connection, sql, params![table, partition, int(offset)], |_| Ok(()))?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

pub(super) fn write(connection: &Connection, letter: &DeadLetter) -> Result<()> {
    let DeadLetter { table, partition, offset, epoch, time, reason, digest, key, value, headers } = letter;
    let (offset, epoch) = (int(*offset), int(*epoch));
    let values = params![table, partition, offset, time.0, reason, digest, key, value, headers, epoch];
    let sql = "INSERT INTO tidemill_dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, 0)";
    run(connection, "keep a dead letter", sql, values).map(drop)
}

/// Writes a record that a revision rejects; one that was a letter before waits again.
pub(super) fn reject(connection: &Connection, letter: &DeadLetter, revision: u64) -> Result<()> {
    let DeadLetter { table, partition, offset, epoch, time, reason, digest, key, value, headers } = letter;
    let (offset, epoch) = (int(*offset), int(*epoch));
    let values = params![table, partition, offset, time.0, reason, digest, key, value, headers, epoch, int(revision)];
    let sql = "INSERT INTO tidemill_dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?) \
         ON CONFLICT DO UPDATE SET reason = excluded.reason, digest = excluded.digest, redriven = NULL, became = NULL, \
         revision = NULL";
    run(connection, "keep a dead letter", sql, values).map(drop)
}

/// Notes what becomes of a letter now, whether it waited or was healed before.
pub(super) fn become_now(
    connection: &Connection,
    table: &str,
    (partition, offset): (u32, u64),
    became: Became,
    revision: u64,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE tidemill_dead_letters SET redriven = ?4, became = ?5, revision = ?6 \
         WHERE table_name = ?1 AND partition = ?2 AND offset = ?3";
    let values = params![table, partition, int(offset), now.0, word(became), int(revision)];
    run(connection, "note a replay", sql, values).map(drop)
}

fn word(became: Became) -> &'static str {
    match became {
        Became::Rows => "rows",
        Became::Dropped => "dropped",
    }
}

pub(super) fn heal(
    connection: &Connection,
    table: &str,
    (partition, offset): (u32, u64),
    became: Became,
    revision: u64,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE tidemill_dead_letters SET redriven = ?4, became = ?5, revision = ?6 \
         WHERE table_name = ?1 AND partition = ?2 AND offset = ?3 AND redriven IS NULL";
    let values = params![table, partition, int(offset), now.0, word(became), int(revision)];
    match run(connection, "note a redrive", sql, values)? {
        1 => Ok(()),
        _ => Err(internal(format!("dead letter {table}/{partition}/{offset}: there is none that waits"))),
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let healed = |at: Option<i64>| -> rusqlite::Result<Option<Healed>> {
        let Some(at) = at else { return Ok(None) };
        let became = if row.get_ref(11)?.as_str()? == "dropped" { Became::Dropped } else { Became::Rows };
        Ok(Some(Healed { at: Timestamp(at), became, revision: whole(row, 12)? }))
    };
    Ok(Letter {
        letter: DeadLetter {
            table: row.get(0)?,
            partition: row.get(1)?,
            offset: whole(row, 2)?,
            time: time(row, 3)?,
            reason: row.get(4)?,
            digest: row.get(5)?,
            key: row.get(6)?,
            value: row.get(7)?,
            headers: row.get(8)?,
            epoch: whole(row, 9)?,
        },
        healed: healed(row.get(10)?)?,
    })
}
