//! How time is cut: the window of each row of a partition, and whether the row is late.

use std::time::Duration;

use super::column::{Column, Values};
use super::spec::Window;
use crate::sabotage::{self, Fault};
use crate::time::Timestamp;

/// How far a row's event time may lie after the append time of its record. A row beyond it counts as late and does not
/// move the watermark, so that one record of the year 9999 does not make all that follow it late.
pub const AHEAD_MAX: Duration = Duration::from_hours(24);

/// The rows of a chunk that count, with the window of each. A row would be here twice if it were in two windows.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub(super) rows: Vec<u32>,
    pub(super) windows: Vec<i64>,
}

impl Picked {
    fn push(&mut self, row: usize, window: i64) {
        self.rows.push(row as u32);
        self.windows.push(window);
    }

    /// Row and window of each, in order.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        self.rows.iter().map(|&row| row as usize).zip(self.windows.iter().copied())
    }
}

/// One partition's place in time.
#[derive(Debug)]
pub(super) struct Cut {
    window: Window,
    /// The greatest time seen.
    pub(super) watermark: Timestamp,
}

impl Cut {
    pub(super) fn new(window: Window, watermark: Timestamp) -> Self {
        Self { window, watermark }
    }

    /// Picks rows by their append times (µs); returns how many are late.
    pub(super) fn by_append(&mut self, times: &[i64], picked: &mut Picked) -> u64 {
        self.pick(times, picked, true, |_| true)
    }

    /// Picks rows by a column of times; returns how many are late, which those without a time are too.
    pub(super) fn by_column(&mut self, column: &Column<'_>, appended: &[i64], picked: &mut Picked) -> u64 {
        let Values::Words(times) = &column.values else { return 0 };
        let ahead = |appended: i64| Timestamp(appended).plus(AHEAD_MAX).0;
        let usual = column.nulls.is_none()
            && times.iter().max() <= appended.iter().min().map(|&appended| ahead(appended)).as_ref();
        let on_time = |row: usize, time: i64| {
            !column.is_null(row) && appended.get(row).is_some_and(|&appended| time <= ahead(appended))
        };
        self.pick(times, picked, usual, |row| times.get(row).is_some_and(|&time| on_time(row, time)))
    }

    /// `all` promises that `good` holds for every row.
    fn pick(&mut self, times: &[i64], picked: &mut Picked, all: bool, good: impl Fn(usize) -> bool) -> u64 {
        picked.rows.clear();
        picked.windows.clear();
        if all && self.pick_whole(times, picked) {
            return 0;
        }
        let mut late = 0;
        let (mut start, mut closes) = (Timestamp(0), Timestamp(0));
        let mut inside = 0..0;
        for (row, &time) in times.iter().enumerate() {
            if !good(row) {
                late += 1;
                continue;
            }
            if !inside.contains(&time) {
                start = Timestamp(time).floor(self.window.size());
                closes = self.window.closes(start);
                inside = start.0..start.plus(self.window.size()).0;
            }
            if closes <= self.watermark && !sabotage::is(Fault::LateCounted) {
                late += 1;
                continue;
            }
            self.watermark = self.watermark.max(Timestamp(time));
            picked.push(row, start.0);
        }
        late
    }

    /// The usual chunk lies in one window that is still open: then no row needs a look of its own.
    fn pick_whole(&mut self, times: &[i64], picked: &mut Picked) -> bool {
        let (Some(&least), Some(&greatest)) = (times.iter().min(), times.iter().max()) else { return true };
        let start = Timestamp(least).floor(self.window.size());
        let watermark = self.watermark.max(Timestamp(greatest));
        if greatest >= start.plus(self.window.size()).0 || self.window.closes(start) <= watermark {
            return false;
        }
        self.watermark = watermark;
        picked.rows.extend(0..times.len() as u32);
        picked.windows.resize(times.len(), start.0);
        true
    }
}
