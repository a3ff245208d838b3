//! What an audit asks of a cache: the ledger in order, and all that has to agree with it.

use std::collections::VecDeque;

use rusqlite::Row;

use super::fault::During;
use super::group;
use super::ledger::{self, EPOCH};
use super::query::Reader;
use super::row::{self, OBJECT, OBJECT_COLUMNS, SEGMENT_AS_OBJECT, int, json, select, whole};
use crate::commit::{Epoch, Group, Object, Revision};
use crate::error::{Kind, Result};
use crate::time::Timestamp;

/// Lines of the ledger that are in memory at a time.
const LINES: i64 = 512;
/// What is wrong with the file is told in so many lines.
const UNSOUND_MAX: u64 = 20;

/// Where a partition of a table stands by its own word, with its sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: u32,
    /// The last epoch.
    pub epoch: u64,
    /// The offset after the last that was looked at.
    pub next: u64,
    /// Records read.
    pub records_in: u64,
    /// Records that came out.
    pub out: u64,
    /// Records dropped.
    pub dropped: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Rows that came out.
    pub rows: u64,
}

/// Rows that are kept together: an object, or a segment that is part of none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What the outbox says of it; of a segment, `key` is empty.
    pub object: Object,
    /// When the bucket had it; none while it waits in the spool.
    pub delivered: Option<Timestamp>,
}

/// An epoch that has more or fewer dead letters than records that it rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbalanced {
    /// The ledger's line.
    pub line: Epoch,
    /// Its dead letters.
    pub letters: u64,
}

/// The ledger's lines of one partition, by rising epoch.
pub struct Lines<'a> {
    reader: &'a Reader,
    table: String,
    partition: u32,
    /// The last epoch that was read.
    last: u64,
    page: VecDeque<Epoch>,
}

impl Iterator for Lines<'_> {
    type Item = Result<Epoch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() {
            let sql = format!(
                "SELECT {EPOCH} FROM tidemill_ledger l WHERE table_name = ? AND partition = ? AND epoch > ? \
                 ORDER BY epoch LIMIT {LINES}"
            );
            let of = (&self.table, self.partition, int(self.last));
            match select(&self.reader.connection, &sql, of, ledger::epoch) {
                Ok(page) => self.page = page.into(),
                Err(error) => return Some(Err(error)),
            }
        }
        let line = self.page.pop_front()?;
        self.last = line.epoch;
        Some(Ok(line))
    }
}

impl Reader {
    /// From now on answers from one state of the file, whatever is committed beside it.
    pub fn hold(&self) -> Result<()> {
        let begin = "BEGIN; SELECT count(*) FROM tidemill_pipeline";
        self.connection.execute_batch(begin).during("hold its state")
    }

    /// The partitions that the ledger knows, by table.
    pub fn partitions(&self) -> Result<Vec<(String, u32)>> {
        let sql = "SELECT table_name, partition FROM tidemill_positions \
             UNION SELECT table_name, partition FROM tidemill_ledger ORDER BY 1, 2";
        select(&self.connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Where a partition stands; none where it never committed.
    pub fn position(&self, table: &str, partition: u32) -> Result<Option<Position>> {
        let sql = "SELECT * FROM tidemill_positions WHERE table_name = ? AND partition = ?";
        let read = |row: &Row<'_>| {
            Ok(Position {
                table: row.get(0)?,
                partition: row.get(1)?,
                epoch: whole(row, 2)?,
                next: whole(row, 3)?,
                records_in: whole(row, 4)?,
                out: whole(row, 5)?,
                dropped: whole(row, 6)?,
                rejected: whole(row, 7)?,
                rows: whole(row, 8)?,
            })
        };
        Ok(select(&self.connection, sql, (table, partition), read)?.pop())
    }

    /// The ledger's lines of a partition, by rising epoch; few are in memory at a time.
    pub fn lines(&self, table: &str, partition: u32) -> Lines<'_> {
        Lines { reader: self, table: table.to_owned(), partition, last: 0, page: VecDeque::new() }
    }

    /// The line of the epoch that looked at an offset.
    pub fn line_at(&self, table: &str, partition: u32, offset: u64) -> Result<Option<Epoch>> {
        let sql = format!(
            "SELECT {EPOCH} FROM tidemill_ledger l WHERE table_name = ?1 AND partition = ?2 AND from_offset <= ?3 \
             AND next_offset > ?3"
        );
        Ok(select(&self.connection, &sql, (table, partition, int(offset)), ledger::epoch)?.pop())
    }

    /// The parameters of the components of a generation.
    pub fn parameters(&self, table: &str, generation: u64) -> Result<Option<Vec<String>>> {
        let sql = "SELECT parameters FROM tidemill_generations WHERE table_name = ? AND number = ?";
        Ok(select(&self.connection, sql, (table, int(generation)), |row| json(row, 0))?.pop())
    }

    /// The digests of all chains that the ledger names.
    pub fn digests(&self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT digest FROM tidemill_ledger WHERE digest <> '' ORDER BY 1";
        select(&self.connection, sql, [], |row| row.get(0))
    }

    /// How many epochs, objects and segments there are.
    pub fn extent(&self) -> Result<(u64, u64)> {
        let sql = "SELECT (SELECT count(*) FROM tidemill_ledger), \
             (SELECT count(*) FROM tidemill_objects) + (SELECT count(*) FROM tidemill_segments)";
        let found = select(&self.connection, sql, [], |row| Ok((whole(row, 0)?, whole(row, 1)?)))?;
        Ok(found.first().copied().unwrap_or_default())
    }

    /// What SQLite finds wrong with the file's pages, tables and indexes, a line each; nothing where it is whole.
    pub fn unsound(&self) -> Result<Vec<String>> {
        let sql = format!("PRAGMA integrity_check({UNSOUND_MAX})");
        match select(&self.connection, &sql, [], |row| row.get::<_, String>(0)) {
            Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
            Err(error) if error.kind() == Kind::Corrupt => Ok(vec!["its pages cannot be read through".to_owned()]),
            Err(error) => Err(error),
        }
    }

    /// Epochs whose dead letters are not as many as the records that they rejected.
    pub fn unbalanced(&self) -> Result<Vec<Unbalanced>> {
        let sql = format!(
            "SELECT {EPOCH}, count(d.offset) AS letters FROM tidemill_ledger l LEFT JOIN tidemill_dead_letters d ON \
             d.table_name = l.table_name AND d.partition = l.partition AND d.offset >= l.from_offset \
             AND d.offset < l.next_offset AND d.rejected_by = 0 GROUP BY l.table_name, l.partition, l.epoch HAVING letters <> l.rejected"
        );
        select(&self.connection, &sql, [], |row| {
            Ok(Unbalanced { line: ledger::epoch(row)?, letters: whole(row, ledger::EPOCH_COLUMNS)? })
        })
    }

    /// Dead letters of offsets that lie before all epochs or behind them: table, partition and offset.
    pub fn stray_letters(&self) -> Result<Vec<(String, u32, u64)>> {
        let sql = "WITH seen AS (SELECT table_name, partition, min(from_offset) AS first, max(next_offset) AS next \
             FROM tidemill_ledger GROUP BY 1, 2) SELECT table_name, partition, offset FROM tidemill_dead_letters d \
             LEFT JOIN seen s USING (table_name, partition) WHERE s.first IS NULL OR d.offset < s.first OR d.offset >= s.next";
        select(&self.connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?, whole(row, 2)?)))
    }

    /// From which offset on a table or aggregate of the cache has what came of each partition; from 0 where none is named.
    pub fn begun(&self, name: &str) -> Result<Vec<(u32, u64)>> {
        let sql = "SELECT partition, from_offset FROM tidemill_begun WHERE name = ?";
        select(&self.connection, sql, [name], |row| Ok((row.get(0)?, whole(row, 1)?)))
    }

    /// Which topic each table or landing has read.
    pub fn sources(&self) -> Result<Vec<(String, String)>> {
        row::sources(&self.connection)
    }

    /// The last revision that an aggregate's table had when the aggregate began: what those up to it say of its name is of another.
    pub fn begun_after(&self, aggregate: &str) -> Result<u64> {
        group::begun_after(&self.connection, aggregate)
    }

    /// An object by its key.
    pub fn object(&self, key: &str) -> Result<Option<Object>> {
        let sql = format!("SELECT {OBJECT} FROM tidemill_objects WHERE key = ?");
        Ok(select(&self.connection, &sql, [key], row::object)?.pop())
    }

    /// Whether the bucket had an object of this key.
    pub fn is_delivered(&self, key: &str) -> Result<bool> {
        let sql = "SELECT delivered IS NOT NULL FROM tidemill_objects WHERE key = ?";
        Ok(select(&self.connection, sql, [key], |row| row.get(0))?.pop().unwrap_or(false))
    }

    /// The open groups of an aggregate, by rising window, without measures.
    pub fn groups(&self, aggregate: &str) -> Result<Vec<Group>> {
        group::read(&self.connection, aggregate)
    }

    /// Whether a segment is part of no object yet.
    pub fn has_segment(&self, file: &str) -> Result<bool> {
        let found = select(&self.connection, "SELECT 1 FROM tidemill_segments WHERE file = ?", [file], |_| Ok(()))?;
        Ok(!found.is_empty())
    }

    /// All objects by rising key, one at a time, each with when it was delivered.
    pub fn each_object(&self, visit: impl FnMut(Holding) -> Result<()>) -> Result<()> {
        self.each(&format!("SELECT {OBJECT}, delivered FROM tidemill_objects ORDER BY key"), (), visit)
    }

    /// The objects of a partition of a table and the segments that are part of none, by rising offset, one at a time. Of an
    /// aggregate, the partition is how often it had begun anew. Without those that revisions have added, or those alone.
    pub fn each_holding(
        &self,
        table: &str,
        partition: u32,
        revised: bool,
        visit: impl FnMut(Holding) -> Result<()>,
    ) -> Result<()> {
        let sql = format!(
            "SELECT {OBJECT}, delivered FROM tidemill_objects WHERE table_name = ?1 AND partition = ?2 \
             AND (revision > 0) = ?3 UNION ALL \
             SELECT {SEGMENT_AS_OBJECT}, NULL FROM tidemill_segments WHERE table_name = ?1 AND partition = ?2 \
             AND (revision > 0) = ?3 ORDER BY first_offset, window_start"
        );
        self.each(&sql, (table, partition, revised), visit)
    }

    /// The lines beside those of the ledger for a partition, by rising epoch.
    pub fn revisions(&self, table: &str, partition: u32) -> Result<Vec<Revision>> {
        let sql = "SELECT * FROM tidemill_revisions WHERE table_name = ? AND partition = ? ORDER BY epoch, revision";
        select(&self.connection, sql, (table, partition), row::revision)
    }

    /// How many letters of an epoch a revision has made rows of, and how many were dropped.
    pub fn healed_by(&self, line: &Revision) -> Result<(u64, u64)> {
        let sql = "SELECT coalesce(sum(became = 'rows'), 0), coalesce(sum(became = 'dropped'), 0) \
             FROM tidemill_dead_letters WHERE table_name = ? AND partition = ? AND epoch = ? AND revision = ?";
        let of = (&line.table, line.partition, int(line.epoch), int(line.revision));
        let found = select(&self.connection, sql, of, |row| Ok((whole(row, 0)?, whole(row, 1)?)))?;
        Ok(found.first().copied().unwrap_or_default())
    }

    /// How many letters of a partition that lie in an object's offsets, and in its window up to `until`, its revision has made
    /// rows of.
    pub fn healed_in(&self, object: &Object, until: Timestamp) -> Result<u64> {
        let sql = "SELECT count(*) FROM tidemill_dead_letters WHERE table_name = ?1 AND partition = ?2 AND revision = ?3 \
             AND became = 'rows' AND offset >= ?4 AND offset < ?5 AND time >= ?6 AND time < ?7";
        let Object { table, partition, revision, first_offset, next_offset, window, .. } = object;
        let offsets = (int(*first_offset), int(*next_offset));
        let of = (table, partition, int(*revision), offsets.0, offsets.1, window.0, until.0);
        Ok(select(&self.connection, sql, of, |row| whole(row, 0))?.first().copied().unwrap_or(0))
    }

    fn each(&self, sql: &str, of: impl rusqlite::Params, mut visit: impl FnMut(Holding) -> Result<()>) -> Result<()> {
        let what = "read its objects";
        let mut statement = self.connection.prepare(sql).during(what)?;
        let mut rows = statement.query(of).during(what)?;
        while let Some(row) = rows.next().during(what)? {
            let delivered = row.get::<_, Option<i64>>(OBJECT_COLUMNS).during(what)?.map(Timestamp);
            visit(Holding { object: row::object(row).during(what)?, delivered })?;
        }
        Ok(())
    }

    /// The names of the aggregates with how many rows came too late for each.
    pub fn late(&self) -> Result<Vec<(String, u64)>> {
        select(&self.connection, "SELECT aggregate, late FROM tidemill_aggregates ORDER BY 1", [], |row| {
            Ok((row.get(0)?, whole(row, 1)?))
        })
    }

    /// What the keys of a landing's objects begin with, up to the first place where its topic's name stands.
    pub fn folders_upto(&self, landing: &str, topic: &str) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT substr(key, 1, instr(key, ?2) + length(?2) - 1) FROM tidemill_objects \
             WHERE table_name = ?1 ORDER BY 1";
        select(&self.connection, sql, [landing, topic], |row| row.get(0))
    }

    /// The names under which objects are kept: tables and aggregates, also such as are no longer declared.
    pub fn kept_names(&self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT table_name FROM tidemill_objects UNION SELECT DISTINCT table_name FROM tidemill_segments \
             ORDER BY 1";
        select(&self.connection, sql, [], |row| row.get(0))
    }
}
