//! How time is cut: the windows of each row of a partition, and whether the row is late for them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::column::{Column, Values};
use super::spec::{Span, Window};
use crate::sabotage::{self, Fault};
use crate::time::Timestamp;

/// The rows of a chunk that count, with the window of each; a row is here once for each window that it is in. Of sessions, the
/// window that it would be alone.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub(super) rows: Vec<u32>,
    pub(super) windows: Vec<Span>,
    /// Rows that are late for at least one window, each with the start of the first; none where it is in no window.
    pub(super) late: Vec<(u32, Option<Timestamp>)>,
    /// The starts of all windows for which a row is late.
    pub(super) missed: Vec<Timestamp>,
}

impl Picked {
    fn push(&mut self, row: usize, window: Span) {
        self.rows.push(row as u32);
        self.windows.push(window);
    }

    /// Row and window of each, in order.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Span)> + '_ {
        self.rows.iter().map(|&row| row as usize).zip(self.windows.iter().copied())
    }
}

/// One partition's place in time.
#[derive(Debug)]
pub(super) struct Cut {
    window: Window,
    /// The greatest time seen.
    pub(super) watermark: Timestamp,
    /// The starts of windows for which no row is late.
    pub(super) whole: BTreeSet<i64>,
    pane: Pane,
}

/// Times that lie in the same windows.
#[derive(Debug, Default)]
struct Pane {
    times: Range<i64>,
    /// The windows, each with the watermark from which on a row is late for it.
    windows: Vec<(Span, Timestamp)>,
}

impl Cut {
    pub(super) fn new(window: Window, watermark: Timestamp) -> Self {
        Self { window, watermark, whole: BTreeSet::new(), pane: Pane::default() }
    }

    /// Picks rows by their append times (µs); returns how many are late, each counted once for each window that it misses.
    pub(super) fn by_append(&mut self, times: &[i64], picked: &mut Picked) -> u64 {
        self.pick(times, picked, true, |_| true)
    }

    /// Picks rows by a column of times; returns how many are late, which those without a time and those beyond the bound on the
    /// future are too; they move no watermark.
    pub(super) fn by_column(&mut self, column: &Column<'_>, appended: &[i64], picked: &mut Picked) -> u64 {
        let Values::Words(times) = &column.values else { return 0 };
        let future = self.window.future;
        let ahead = |appended: i64| Timestamp(appended).plus(future).0;
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
        picked.late.clear();
        picked.missed.clear();
        if all && self.pick_whole(times, picked) {
            return 0;
        }
        let mut late = 0;
        for (row, &time) in times.iter().enumerate() {
            let good = good(row);
            if good {
                self.pane.turn_to(&self.window, time);
            }
            if !good || self.pane.windows.is_empty() {
                late += 1;
                picked.late.push((row as u32, None));
                continue;
            }
            let (before, mut missed) = (picked.rows.len(), None);
            for (window, late_from) in &self.pane.windows {
                let is_late = *late_from <= self.watermark && !self.whole.contains(&window.start.0);
                if is_late && !sabotage::is(Fault::LateCounted) {
                    late += 1;
                    missed.get_or_insert(window.start);
                    picked.missed.push(window.start);
                } else {
                    picked.push(row, *window);
                }
            }
            picked.late.extend(missed.map(|start| (row as u32, Some(start))));
            if picked.rows.len() > before {
                self.watermark = self.watermark.max(Timestamp(time));
            }
        }
        late
    }

    /// The usual chunk lies in windows that are all still open: then no row needs a look of its own.
    fn pick_whole(&mut self, times: &[i64], picked: &mut Picked) -> bool {
        let (Some(&least), Some(&greatest)) = (times.iter().min(), times.iter().max()) else { return true };
        self.pane.turn_to(&self.window, least);
        let watermark = self.watermark.max(Timestamp(greatest));
        let [(window, late_from)] = self.pane.windows.as_slice() else { return false };
        if !self.pane.times.contains(&greatest) || *late_from <= watermark {
            return false;
        }
        self.watermark = watermark;
        picked.rows.extend(0..times.len() as u32);
        picked.windows.resize(times.len(), *window);
        true
    }
}

impl Pane {
    #[inline]
    fn turn_to(&mut self, window: &Window, time: i64) {
        if !self.times.contains(&time) {
            self.times = window.alike(Timestamp(time));
            self.windows.clear();
            self.windows.extend(window.spans(Timestamp(time)).map(|span| (span, window.late_from(span))));
        }
    }
}
