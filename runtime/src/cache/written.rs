//! What of the lake is in force: which rows a later revision has replaced, and what else of history a replay goes by.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use rusqlite::{Connection, Row, params};

use super::audit::Holding;
use super::fault::internal;
use super::group::{self, Marks};
use super::query::Reader;
use super::row::{self, OBJECT, OBJECT_COLUMNS, SEGMENT_AS_OBJECT, int, json, select, whole};
use crate::commit::{Became, Epoch, Object};
use crate::error::{Kind, OrFail, Result};
use crate::time::Timestamp;

/// Objects and segments whose names are in memory at a time.
const HOLDINGS: i64 = 512;

/// The epochs of a partition whose rows a revision has replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// By rising offset: the first, the one after the last, and the latest revision that did.
    epochs: Vec<(u64, u64, u64)>,
}

/// What a dead letter has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Its offset.
    pub offset: u64,
    /// What became of it, and the revision that says so; none while it waits.
    pub healed: Option<(Became, u64)>,
}

/// The objects of a partition and the segments that are part of none, those of revisions too, by rising offset.
pub struct Holdings<'a> {
    reader: &'a Reader,
    of: (String, u32),
    offsets: (u64, u64),
    /// The last that was read: its first offset and its file.
    last: Option<(i64, String)>,
    page: VecDeque<Holding>,
}

impl Replaced {
    /// The latest revision whose rows stand in the place of what the record of this offset had before; 0 where none do.
    pub fn by(&self, offset: u64) -> u64 {
        let epoch = self.epochs.partition_point(|(_, next, _)| *next <= offset);
        self.epochs.get(epoch).filter(|(from, ..)| *from <= offset).map_or(0, |(_, _, revision)| *revision)
    }

    /// Whether a later revision than this one stands in the place of some of these offsets.
    pub fn touches(&self, from: u64, next: u64, revision: u64) -> bool {
        let begin = self.epochs.partition_point(|(_, end, _)| *end <= from);
        let rest = self.epochs.iter().skip(begin).take_while(|(first, ..)| *first < next);
        rest.map(|(.., by)| *by).any(|by| by > revision)
    }

    /// Whether this revision is one whose rows stand in the place of others.
    pub fn by_any(&self, revision: u64) -> bool {
        self.epochs.iter().any(|(.., by)| *by == revision)
    }

    /// Notes that a revision replaces the rows of an epoch, from its first offset to before `next`.
    pub fn add(&mut self, from: u64, next: u64, revision: u64) {
        let at = self.epochs.partition_point(|(_, next, _)| *next <= from);
        match self.epochs.get_mut(at).filter(|(first, ..)| *first == from) {
            Some(known) => known.2 = known.2.max(revision),
            None => self.epochs.insert(at, (from, next, revision)),
        }
    }

    /// Of rows that a revision (or an epoch, which is 0) has written, those that are still in force.
    pub fn in_force(&self, rows: &RecordBatch, revision: u64) -> Result<RecordBatch> {
        if self.epochs.iter().all(|(.., by)| *by <= revision) {
            return Ok(rows.clone());
        }
        let offsets = rows.column_by_name("_offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let offsets = offsets.ok_or_else(|| internal("rows without their offsets".to_owned()))?;
        let kept = offsets.values().iter().map(|offset| self.by(offset.cast_unsigned()) <= revision);
        let kept: BooleanArray = kept.map(Some).collect();
        filter_record_batch(rows, &kept).or_fail(Kind::Internal, || "rows in force")
    }
}

impl Iterator for Holdings<'_> {
    type Item = Result<Holding>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() {
            match self.read() {
                Ok(page) => self.page = page.into(),
                Err(error) => return Some(Err(error)),
            }
        }
        let holding = self.page.pop_front()?;
        self.last = Some((int(holding.object.first_offset), holding.object.file.clone()));
        Some(Ok(holding))
    }
}

impl Holdings<'_> {
    fn read(&self) -> Result<Vec<Holding>> {
        let sql = format!(
            "SELECT {OBJECT}, delivered FROM tidemill_objects WHERE table_name = ?1 AND partition = ?2 \
             AND first_offset >= ?5 AND first_offset < ?4 AND next_offset > ?3 AND (first_offset, file) > (?5, ?6) UNION ALL \
             SELECT {SEGMENT_AS_OBJECT}, NULL FROM tidemill_segments WHERE table_name = ?1 AND partition = ?2 \
             AND first_offset < ?4 AND next_offset > ?3 AND (first_offset, file) > (?5, ?6) \
             ORDER BY first_offset, file LIMIT {HOLDINGS}"
        );
        let read = |row: &Row<'_>| {
            let delivered = row.get::<_, Option<i64>>(OBJECT_COLUMNS)?.map(Timestamp);
            Ok(Holding { object: row::object(row)?, delivered })
        };
        let (first, file) = self.last.clone().unwrap_or_default();
        let values = params![self.of.0, self.of.1, int(self.offsets.0), int(self.offsets.1), first, file];
        select(&self.reader.connection, &sql, values, read)
    }
}

impl Reader {
    /// What revisions have replaced of a partition.
    pub fn replaced(&self, table: &str, partition: u32) -> Result<Replaced> {
        replaced(&self.connection, table, partition)
    }

    /// Whether an aggregate's window, which an object or a segment has, shows nothing any more.
    pub fn superseded(&self, window: &Object) -> Result<bool> {
        superseded(&self.connection, (&window.table, window.partition), window.window, window.revision)
    }

    /// How many letters of an epoch wait.
    pub fn waiting(&self, line: &Epoch) -> Result<u64> {
        let sql = "SELECT count(*) FROM tidemill_dead_letters WHERE table_name = ? AND partition = ? AND offset >= ? \
             AND offset < ? AND redriven IS NULL";
        let of = (&line.table, line.partition, int(line.from), int(line.next));
        Ok(select(&self.connection, sql, of, |row| whole(row, 0))?.first().copied().unwrap_or(0))
    }

    /// What holds rows of these offsets of a partition, from the first on and before the second.
    pub fn holdings(&self, table: &str, partition: u32, from: u64, next: u64) -> Holdings<'_> {
        let of = (table.to_owned(), partition);
        Holdings { reader: self, of, offsets: (from, next), last: None, page: VecDeque::new() }
    }

    /// The object of which a segment has become a part, where it has.
    pub fn landed_in(&self, segment: &Holding) -> Result<Option<Holding>> {
        let sql = format!(
            "SELECT {OBJECT}, delivered FROM tidemill_objects WHERE table_name = ? AND partition = ? AND window_start = ? \
             AND revision = ? AND first_offset <= ? AND next_offset >= ?"
        );
        let read = |row: &Row<'_>| {
            let delivered = row.get::<_, Option<i64>>(OBJECT_COLUMNS)?.map(Timestamp);
            Ok(Holding { object: row::object(row)?, delivered })
        };
        let of = &segment.object;
        let offsets = (int(of.first_offset), int(of.next_offset));
        let values = params![of.table, of.partition, of.window.0, int(of.revision), offsets.0, offsets.1];
        Ok(select(&self.connection, &sql, values, read)?.pop())
    }

    /// The dead letters of these offsets of a partition, by rising offset, each with what it has come to.
    pub fn fates(&self, table: &str, partition: u32, from: u64, next: u64) -> Result<Vec<Fate>> {
        let sql = "SELECT offset, became, revision FROM tidemill_dead_letters WHERE table_name = ? AND partition = ? \
             AND offset >= ? AND offset < ? ORDER BY offset";
        let read = |row: &Row<'_>| {
            let healed = match row.get_ref(1)?.as_str_or_null()? {
                None => None,
                Some("dropped") => Some((Became::Dropped, whole(row, 2)?)),
                Some(_) => Some((Became::Rows, whole(row, 2)?)),
            };
            Ok(Fate { offset: whole(row, 0)?, healed })
        };
        select(&self.connection, sql, (table, partition, int(from), int(next)), read)
    }

    /// The parameters of the components that were in service at a time.
    pub fn parameters_at(&self, table: &str, at: Timestamp) -> Result<Option<Vec<String>>> {
        let sql = "SELECT parameters FROM tidemill_generations WHERE table_name = ? AND since <= ? \
             ORDER BY number DESC LIMIT 1";
        Ok(select(&self.connection, sql, (table, at.0), |row| json(row, 0))?.pop())
    }

    /// How often an aggregate has begun anew.
    pub fn renewals(&self, aggregate: &str) -> Result<u32> {
        group::renewals(&self.connection, aggregate)
    }

    /// How far an aggregate has come; none before its first commit.
    pub fn marks(&self, aggregate: &str) -> Result<Option<Marks>> {
        group::read_marks(&self.connection, aggregate)
    }
}

pub(super) fn replaced(connection: &Connection, table: &str, partition: u32) -> Result<Replaced> {
    let sql = "SELECT l.from_offset, l.next_offset, max(r.revision) FROM tidemill_revisions r \
         JOIN tidemill_ledger l USING (table_name, partition, epoch) \
         WHERE r.table_name = ? AND r.partition = ? AND r.replaces GROUP BY r.epoch ORDER BY 1";
    let read = |row: &Row<'_>| Ok((whole(row, 0)?, whole(row, 1)?, whole(row, 2)?));
    Ok(Replaced { epochs: select(connection, sql, (table, partition), read)? })
}

/// Whether a window of an aggregate shows nothing any more: the aggregate has begun anew since, or a later revision stands in its place.
pub(super) fn superseded(
    connection: &Connection,
    (aggregate, partition): (&str, u32),
    window: Timestamp,
    revision: u64,
) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidemill_objects WHERE table_name = ?1 AND partition = ?2 AND first_offset = 0 \
         AND window_start = ?3 AND revision > ?4) OR EXISTS (SELECT 1 FROM tidemill_segments WHERE table_name = ?1 \
         AND partition = ?2 AND window_start = ?3 AND revision > ?4) \
         OR EXISTS (SELECT 1 FROM tidemill_renewals WHERE aggregate = ?1 AND count > ?2)";
    let found = select(connection, sql, (aggregate, partition, window.0, int(revision)), |row| row.get(0))?;
    Ok(found.first().copied().unwrap_or(false))
}
