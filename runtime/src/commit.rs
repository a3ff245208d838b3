//! What one commit holds: the ledger's lines, segments, objects, groups, dead letters; plain values that cross the parts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::value::Value;

/// The ledger's line for one epoch of one partition of one table: `records_in = out + dropped + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// The table.
    pub table: String,
    /// The partition of its topic.
    pub partition: u32,
    /// Counted from 1 in each table and partition, without a gap.
    pub epoch: u64,
    /// The first offset that it looked at.
    pub from: u64,
    /// The offset after the last that it looked at; the next epoch begins here.
    pub next: u64,
    /// Records read.
    pub records_in: u64,
    /// Records that came out as one row or more.
    pub out: u64,
    /// Records that the transform dropped on purpose.
    pub dropped: u64,
    /// Records that went to the dead letters.
    pub rejected: u64,
    /// Rows that came out.
    pub rows: u64,
    /// Those among them that the cache never showed: a later row of their key came before them, in this epoch or another.
    pub superseded: u64,
    /// Those among them whose key has a null, which the cache does not keep.
    pub unkeyed: u64,
    /// Where its rows were cut for the lake, by rising offset; each cut is one segment.
    pub cuts: Vec<Cut>,
    /// What it was to each aggregate of its table.
    pub shares: Vec<Share>,
    /// How far the partition's append time has come.
    pub watermark: Timestamp,
    /// When it was committed.
    pub committed: Timestamp,
    /// The sha256 of the component, in hexadecimal.
    pub digest: String,
    /// The number of its generation.
    pub generation: u64,
    /// The time that the worker spent on it, from decode to the segment's file.
    pub spent: Duration,
}

/// The rows of an epoch that belong into one lake window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The start of the window.
    pub window: Timestamp,
    /// The offset of the first record that has a row in it.
    pub first_offset: u64,
    /// The offset after the last that has one.
    pub next_offset: u64,
    /// Its rows.
    pub rows: u64,
}

/// What an epoch was to an aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The aggregate.
    pub aggregate: String,
    /// The epoch's rows that came too late for it.
    pub late: u64,
    /// How far the aggregate's time has come in the partition.
    pub watermark: Timestamp,
}

/// A line beside the ledger's line for an epoch, which stays as it was: what a later run through a transform has changed. The
/// counts are to be added to the epoch's, and their sum is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// The table.
    pub table: String,
    /// The partition of its topic.
    pub partition: u32,
    /// The epoch that it revises.
    pub epoch: u64,
    /// Counted from 1 in each table; one revision may have lines for several epochs.
    pub revision: u64,
    /// Records more that came out.
    pub out: i64,
    /// Records more that were dropped.
    pub dropped: i64,
    /// Records more that are rejected; below 0 where dead letters were redriven.
    pub rejected: i64,
    /// Rows more that came out.
    pub rows: i64,
    /// The rows of the whole revision that came too late, by aggregate; with the first of its lines.
    pub late: Vec<(String, u64)>,
    /// Whether its rows take the place of all that the epoch's records had; otherwise they come beside them.
    pub replaces: bool,
    /// Where rows that take the place of others were cut for the lake; together they cover the epoch's offsets.
    pub cuts: Vec<Cut>,
    /// When it was committed.
    pub committed: Timestamp,
    /// The digest of the chain that did it.
    pub digest: String,
}

/// What became of a record that had been a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It came out as rows.
    Rows,
    /// It was dropped on purpose.
    Dropped,
}

/// A record that could not become a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The table that refused it.
    pub table: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The epoch that rejected it.
    pub epoch: u64,
    /// Its append time.
    pub time: Timestamp,
    /// Why, as a sentence.
    pub reason: String,
    /// The sha256 of the component that was in service.
    pub digest: String,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, as stored.
    pub headers: Vec<u8>,
}

impl DeadLetter {
    /// The bytes that the record holds, without what frames them.
    pub fn bytes(&self) -> usize {
        let of = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        of(&self.key) + of(&self.value) + self.headers.len()
    }
}

/// Cleaned rows of one epoch and one lake window, in a synced file of the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The file's name in the spool, unique for good.
    pub file: String,
    /// The table, or the aggregate whose closed window it holds.
    pub table: String,
    /// The partition; of an aggregate, how often it had begun anew.
    pub partition: u32,
    /// The epoch that wrote it; 0 where a revision did.
    pub epoch: u64,
    /// The number of the revision that wrote it; 0 where an epoch did.
    pub revision: u64,
    /// Whether its rows take the place of all that the records of its offsets had before; those may then have no rows at all.
    pub replaces: bool,
    /// The start of its lake window.
    pub window: Timestamp,
    /// The offset of the first record in it.
    pub first_offset: u64,
    /// The offset after the last record in it.
    pub next_offset: u64,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The digest of the chain that made its rows.
    pub digest: String,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Whether it was there when the process began: its file has yet to be looked at.
    pub restored: bool,
}

impl Segment {
    /// The cut of its epoch that it is.
    pub fn cut(&self) -> Cut {
        let Self { window, first_offset, next_offset, rows, .. } = *self;
        Cut { window, first_offset, next_offset, rows }
    }
}

/// A finished object that waits in the outbox, or has been delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Its key in the bucket; the same key always means the same bytes.
    pub key: String,
    /// The file in the spool that holds its bytes until it is delivered.
    pub file: String,
    /// Where they begin in it; other objects may lie before and behind them.
    pub start: u64,
    /// The table, aggregate or landing.
    pub table: String,
    /// The partition.
    pub partition: u32,
    /// The number of the revision that it belongs to; 0 where epochs wrote it.
    pub revision: u64,
    /// The start of its window; of a landing's, the time of its first record.
    #[serde(serialize_with = "crate::time::as_text")]
    pub window: Timestamp,
    /// The offset of the first record in it.
    pub first_offset: u64,
    /// The offset after the last record in it.
    pub next_offset: u64,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The sha256 of each component that had a part in it, in order of first appearance.
    pub digests: Vec<String>,
}

/// How far time has come for a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its time is not over.
    Early,
    /// Its time is over, and rows that are within the lateness may still change it.
    OnTime,
    /// Nothing changes it any more.
    Closed,
}

impl Standing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::OnTime => "on time",
            Self::Closed => "closed",
        }
    }
}

/// A row that came too late for a window of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateRow {
    /// The partition of its record.
    pub partition: u32,
    /// The offset of its record.
    pub offset: i64,
    /// Its place among the rows of the record, from 0.
    pub row: u32,
    /// Its time, as the aggregate reads it, where it has one.
    pub time: Option<Timestamp>,
    /// The start of the first window that it missed; none where its time is in none.
    pub window: Option<Timestamp>,
}

/// A group of an aggregate's window as it now stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The start of the window.
    pub window: Timestamp,
    /// Where it has ended.
    pub end: Timestamp,
    /// The values of the columns that it is grouped by, in their order.
    pub key: Vec<Value>,
    /// The measures, in their order; empty in a group that was only restored.
    pub measures: Vec<Value>,
    /// How far time has come for it.
    pub standing: Standing,
    /// Whether rows have changed it since its time was over: what was shown of it before is to be kept.
    pub revised: bool,
    /// Its number among the aggregate's groups, from 1; 0 where the cache is to give it one.
    pub number: i64,
    /// Whether the cache has it already.
    pub stored: bool,
    /// What the measures are computed from, encoded with a version in front, so that more rows can be merged later.
    pub state: Vec<u8>,
}

/// A run of a schedule: one of its times, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Counted from 1 over all schedules.
    pub id: u64,
    /// The schedule.
    pub schedule: String,
    /// The time that it is for; no two runs of a schedule are for the same.
    pub time: Timestamp,
    /// Whether somebody asked for it.
    pub asked: bool,
    /// How far it is.
    pub state: RunState,
    /// How often it was begun.
    pub attempt: u32,
    /// When it may begin.
    pub due: Timestamp,
    /// When it was begun last.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What it puts into the lake, once that is fixed.
    pub object: Option<Exported>,
    /// What is to be said of it, a line an attempt.
    pub log: String,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It waits for its turn, or to be tried again.
    Waits,
    /// It is under way.
    Runs,
    /// It has done its work.
    Done,
    /// It has failed, and is not tried again.
    Failed,
    /// It was passed over, because another was under way.
    Skipped,
}

/// An answer in a file that has to get into the lake: the same bytes, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Its key in the bucket.
    pub key: String,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl RunState {
    const ALL: [Self; 5] = [Self::Waits, Self::Runs, Self::Done, Self::Failed, Self::Skipped];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Runs => "runs",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The state of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether there is more to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waits | Self::Runs)
    }
}

impl Run {
    /// As people and programs are shown it.
    pub fn json(&self) -> serde_json::Value {
        let at = |time: &Option<Timestamp>| time.map(|time| time.to_string());
        serde_json::json!({
            "id": self.id,
            "schedule": self.schedule,
            "time": self.time.to_string(),
            "asked": self.asked,
            "state": self.state.word(),
            "attempt": self.attempt,
            "due": self.due.to_string(),
            "started": at(&self.started),
            "ended": at(&self.ended),
            "object": self.object,
            "log": self.log,
        })
    }
}
