//! What an audit found: a proof for each partition, and each fault down to offsets.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// The most faults that are listed; the others are counted.
const FAULTS_MAX: usize = 1000;

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The pipeline.
    pub pipeline: String,
    /// Whether no content was read, only listings and sums.
    pub quick: bool,
    /// Whether nothing is wrong.
    pub proven: bool,
    /// The partitions of the tables, in order.
    pub partitions: Vec<Partition>,
    /// The aggregates, by name.
    pub aggregates: BTreeMap<String, Aggregate>,
    /// The rollups that were computed anew, by name.
    pub rollups: BTreeMap<String, Rollup>,
    /// What is wrong; at most so many that a person can read them.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub faults_more: u64,
    /// What cannot be proven, and why, a sentence each.
    pub not_provable: Vec<String>,
    /// Objects and segments that wait, and so need not be in the bucket yet.
    pub waiting: u64,
}

/// A partition of a table by its ledger, and what of it was found elsewhere.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Partition {
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: u32,
    /// Lines of the ledger.
    pub epochs: u64,
    /// The first offset.
    pub from: u64,
    /// The offset after the last.
    pub next: u64,
    /// Records read.
    pub records_in: u64,
    /// Records that came out.
    pub out: u64,
    /// Records dropped on purpose.
    pub dropped: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Rows that came out.
    pub rows: u64,
    /// Those among them that the cache never showed.
    pub superseded: u64,
    /// Rows too late, by aggregate.
    pub late: BTreeMap<String, u64>,
    /// Records that were found in the topic; none where it was not read.
    pub topic_records: Option<u64>,
    /// Objects of the partition.
    pub objects: u64,
    /// Rows that were found in them; none where they were not read.
    pub lake_rows: Option<u64>,
    /// Rows that wait in the spool.
    pub rows_waiting: u64,
    /// Faults that name it.
    pub faults: u64,
}

/// An aggregate.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Aggregate {
    /// Objects with its closed windows.
    pub objects: u64,
    /// Groups that were found in them; none where they were not read.
    pub lake_rows: Option<u64>,
    /// Faults that name it.
    pub faults: u64,
}

/// A rollup.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rollup {
    /// Groups that the cached rows come to.
    pub groups: u64,
    /// Faults that name it.
    pub faults: u64,
}

/// Something that is not as the ledger says, or a ledger that does not agree with itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What kind of fault it is.
    pub what: What,
    /// The table, aggregate or rollup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// The epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The first offset that is concerned, and the one after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<[u64; 2]>,
    /// The object's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, as a sentence about all that.
    pub message: String,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Offsets that no line of the ledger has, or rows that no object has.
    Gap,
    /// Offsets that two have.
    Overlap,
    /// Numbers that do not add up.
    Sum,
    /// An object that nobody knows.
    Foreign,
    /// A file or an object that is not there.
    Missing,
    /// Bytes or values that are not those which were written.
    Altered,
}

impl Report {
    /// Notes a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        for partition in &mut self.partitions {
            let named = Some(&partition.table) == fault.table.as_ref()
                && fault.partition.is_none_or(|of| of == partition.partition);
            partition.faults += u64::from(named);
        }
        if let Some(aggregate) = fault.table.as_ref().and_then(|table| self.aggregates.get_mut(table)) {
            aggregate.faults += 1;
        }
        if let Some(rollup) = fault.table.as_ref().and_then(|table| self.rollups.get_mut(table)) {
            rollup.faults += 1;
        }
        if self.faults.len() < FAULTS_MAX { self.faults.push(fault) } else { self.faults_more += 1 }
    }

    /// The account of a partition, which the ledger has begun.
    pub(super) fn of(&mut self, table: &str, partition: u32) -> Option<&mut Partition> {
        self.partitions.iter_mut().find(|one| one.table == table && one.partition == partition)
    }
}

impl Fault {
    pub(super) fn new(what: What, message: impl Into<String>) -> Self {
        let (table, partition, epoch, offsets, key) = (None, None, None, None, None);
        Self { what, table, partition, epoch, offsets, key, message: message.into() }
    }

    pub(super) fn of(self, table: &str, partition: u32) -> Self {
        Self { table: Some(table.to_owned()), partition: Some(partition), ..self }
    }

    pub(super) fn of_table(self, table: &str) -> Self {
        Self { table: Some(table.to_owned()), ..self }
    }

    pub(super) fn epoch(self, epoch: u64) -> Self {
        Self { epoch: Some(epoch), ..self }
    }

    pub(super) fn offsets(self, from: u64, next: u64) -> Self {
        Self { offsets: Some([from, next]), ..self }
    }

    pub(super) fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }
}

/// `gap: table "pin": partition 0: epoch 3: offsets 10 to 20: no line of the ledger has them`; the second offset is the
/// first that is not concerned.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.what)?;
        if let Some(table) = &self.table {
            write!(f, "table {table:?}: ")?;
        }
        if let Some(partition) = self.partition {
            write!(f, "partition {partition}: ")?;
        }
        if let Some(epoch) = self.epoch {
            write!(f, "epoch {epoch}: ")?;
        }
        if let Some([from, next]) = self.offsets {
            write!(f, "offsets {from} to {next}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "object {key:?}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gap => "gap",
            Self::Overlap => "overlap",
            Self::Sum => "sum",
            Self::Foreign => "foreign",
            Self::Missing => "missing",
            Self::Altered => "altered",
        })
    }
}
