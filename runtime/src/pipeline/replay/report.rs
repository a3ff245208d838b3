//! What a replay found: how history would be different, and what of it cannot be told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a replay found.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// The table.
    pub table: String,
    /// The digest of the component that was put in the place of the ledger's, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Whether all that was run again came to the same.
    pub same: bool,
    /// Whether all that was asked for could be run again.
    pub proven: bool,
    /// What was run again, by partition.
    pub partitions: Vec<Partition>,
    /// Windows that are made anew with rows that came too late for them; of sessions, the times of such rows.
    #[serde(default)]
    pub late_windows: u64,
    /// Records that were run again.
    pub records: u64,
    /// Those of which something differs.
    pub records_changed: u64,
    /// Rows that are the same.
    pub rows_equal: u64,
    /// Rows that come again with other values.
    pub rows_changed: u64,
    /// Rows that were not there.
    pub rows_added: u64,
    /// Rows that do not come again.
    pub rows_removed: u64,
    /// Records that would be rejected, and were not.
    pub newly_rejected: u64,
    /// Records that were rejected, and would not be.
    pub no_longer_rejected: u64,
    /// In how many rows each field differs.
    pub fields: BTreeMap<String, u64>,
    /// The first rows that differ.
    pub rows: Vec<Difference>,
    /// Groups that differ, by aggregate.
    pub groups_changed: BTreeMap<String, u64>,
    /// The first groups that differ, of each aggregate.
    pub groups: Vec<GroupDifference>,
    /// Offsets that cannot be run again, and why.
    pub not_provable: Vec<NotProvable>,
    /// What else could not be compared, a sentence each.
    pub left_out: Vec<String>,
    /// The revision that was written; none where nothing was.
    pub revision: Option<u64>,
}

/// A partition, as far as it was run again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Partition {
    /// The partition.
    pub partition: u32,
    /// The first offset.
    pub from: u64,
    /// The offset after the last.
    pub to: u64,
    /// Epochs.
    pub epochs: u64,
    /// Those of which something differs.
    pub epochs_changed: u64,
}

/// A row, or a record without one, of which something differs.
#[derive(Debug, Deserialize, Serialize)]
pub struct Difference {
    /// The partition.
    pub partition: u32,
    /// The offset of the record.
    pub offset: u64,
    /// Which of the record's rows it is, counted from 0; none where the record has no row, then and now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// How it differs.
    pub what: What,
    /// The fields that do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// As it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Box<RawValue>>,
    /// As it came again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Box<RawValue>>,
    /// Why its record is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It was not there.
    Added,
    /// It does not come again.
    Removed,
    /// It has other values.
    Changed,
    /// The record is rejected, and was dropped.
    Rejected,
    /// The record is dropped, and was rejected.
    Dropped,
}

/// A group of an aggregate that differs.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct GroupDifference {
    /// The aggregate.
    pub aggregate: String,
    /// The start of its window.
    pub window: serde_json::Value,
    /// The columns that it is grouped by.
    pub group: serde_json::Map<String, serde_json::Value>,
    /// Its measures as they are shown; none where there is no such group.
    pub was: Option<serde_json::Map<String, serde_json::Value>>,
    /// Its measures as they would be; none where there would be no such group.
    pub now: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Offsets that cannot be run again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct NotProvable {
    /// The partition.
    pub partition: u32,
    /// The first offset.
    pub from: u64,
    /// The offset after the last.
    pub to: u64,
    /// Why.
    pub why: String,
}

impl Report {
    /// Notes offsets that cannot be run again; where they go on from those before them for the same reason, those do.
    pub(super) fn not_provable(&mut self, partition: u32, from: u64, to: u64, why: &str) {
        match self.not_provable.last_mut() {
            Some(last) if (last.partition, last.to, last.why.as_str()) == (partition, from, why) => last.to = to,
            _ => self.not_provable.push(NotProvable { partition, from, to, why: why.to_owned() }),
        }
    }

    /// Takes in what was found of an epoch; at most `rows_max` rows are shown in all.
    pub(super) fn take(&mut self, epoch: &mut Self, rows_max: usize) {
        self.records += epoch.records;
        self.records_changed += epoch.records_changed;
        self.rows_equal += epoch.rows_equal;
        self.rows_changed += epoch.rows_changed;
        self.rows_added += epoch.rows_added;
        self.rows_removed += epoch.rows_removed;
        self.newly_rejected += epoch.newly_rejected;
        self.no_longer_rejected += epoch.no_longer_rejected;
        std::mem::take(&mut epoch.fields)
            .into_iter()
            .for_each(|(field, rows)| *self.fields.entry(field).or_default() += rows);
        let room = rows_max.saturating_sub(self.rows.len());
        self.rows.extend(epoch.rows.drain(..).take(room));
    }

    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        self.records_changed > 0 || self.groups_changed.values().any(|groups| *groups > 0)
    }
}
