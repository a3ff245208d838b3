//! When the open objects of a partition are full: after so many records or bytes, or by time. All of them are ended together.

use std::time::Duration;

use super::partitioner::Placed;
use crate::time::{Timestamp, Zone};

/// Objects of a partition that are open at one time; with one more, all are ended.
pub const OPEN_MAX: usize = 1024;

/// When objects are full, counted over all that are open in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// So many records.
    pub records: u64,
    /// So many bytes, before they are compressed.
    pub bytes: u64,
    /// So much time of records, from the first on.
    pub interval: Option<Duration>,
    /// Whether, with an interval, a record of another folder than the one before it ends them too.
    pub on_change: bool,
    /// At each end of such a stretch of the wall clock, counted from midnight.
    pub schedule: Option<Duration>,
}

/// How far the open objects of a partition have come. It is made of nothing but the records in them and the wall clock, so that it
/// needs no storing: what was not committed is read again.
#[derive(Clone, Debug)]
pub struct Rotation {
    bounds: Bounds,
    zone: Zone,
    /// The next end by the wall clock.
    scheduled: Option<Timestamp>,
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    records: u64,
    bytes: u64,
    /// The time of the first record.
    first: Timestamp,
    /// When the first record was appended.
    appended: Timestamp,
    /// The folder of the last record.
    folder: String,
}

impl Rotation {
    /// Nothing is open; it is `now`.
    pub fn new(bounds: &Bounds, zone: &Zone, now: Timestamp) -> Self {
        let mut rotation = Self { bounds: bounds.clone(), zone: zone.clone(), scheduled: None, open: None };
        rotation.end(now);
        rotation
    }

    /// Whether what is open has to be ended before a record is added.
    pub fn ends_before(&self, placed: &Placed, now: Timestamp) -> bool {
        let Some(open) = &self.open else { return false };
        let by_records = self.bounds.interval.is_some_and(|interval| {
            placed.time >= open.first.plus(interval) || self.bounds.on_change && placed.folder != open.folder
        });
        by_records || self.is_due(now)
    }

    /// Adds a record of so many bytes.
    pub fn add(&mut self, placed: &Placed, appended: Timestamp, bytes: u64, now: Timestamp) {
        match &mut self.open {
            Some(open) => {
                open.records += 1;
                open.bytes += bytes;
                open.folder.clone_from(&placed.folder);
            }
            None => {
                // An end that passed while nothing was open ends nothing.
                if self.is_due(now) {
                    self.end(now);
                }
                let folder = placed.folder.clone();
                self.open = Some(Open { records: 1, bytes, first: placed.time, appended, folder });
            }
        }
    }

    /// Whether what is open is full now that a record was added; `objects` are open.
    pub fn ends_after(&self, objects: usize) -> bool {
        let full = |open: &Open| open.records >= self.bounds.records || open.bytes >= self.bounds.bytes;
        self.open.as_ref().is_some_and(full) || objects >= OPEN_MAX
    }

    /// Whether what is open has to be ended although nothing comes: by the wall clock, or because no record can come any more that was
    /// appended within the interval, where all of the partition has been read and `settled` is a time before which none will come.
    pub fn ends_idle(&self, settled: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(open) = &self.open else { return false };
        let passed =
            self.bounds.interval.zip(settled).is_some_and(|(span, settled)| settled >= open.appended.plus(span));
        passed || self.is_due(now)
    }

    /// How long until something has to be ended by the clock, should nothing come; none where only records can end it.
    pub fn due_in(&self, now: Timestamp) -> Option<Duration> {
        let open = self.open.as_ref()?;
        let passes = self.bounds.interval.map(|interval| open.appended.plus(interval));
        self.scheduled.into_iter().chain(passes).min().map(|due| due.since(now))
    }

    /// What was open has been ended.
    pub fn end(&mut self, now: Timestamp) {
        self.open = None;
        self.scheduled = self.bounds.schedule.map(|size| self.zone.boundary(now, size));
    }

    /// The records that are open.
    pub fn records(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.records)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.scheduled.is_some_and(|scheduled| now >= scheduled)
    }
}
