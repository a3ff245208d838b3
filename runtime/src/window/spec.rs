//! What an aggregate is, as declared: its groups, its window, its measures.

use std::ops::Range;
use std::time::Duration;

pub use super::measure::{Measure, parse};
use crate::expression::Grouping;
use crate::time::{Timestamp, Unit, Zone};

/// In how many windows a time may lie.
pub const HOPS_MAX: u32 = 1000;

/// A continuous aggregate over a table's cleaned rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Its name, unique in the pipeline; it names the cache's table and the lake's folder.
    pub name: String,
    /// What makes the groups; nothing for one group. Nulls make a group too, and NaN counts as null.
    pub by: Vec<Grouping>,
    /// How time is cut.
    pub window: Window,
    /// What is measured in each group, by the column that shows it.
    pub measures: Vec<(String, Measure)>,
    /// What its open windows may take of memory, in bytes: with more, the table's workers wait for a person. It changes no result.
    pub memory_max: usize,
}

/// What the open windows of an aggregate may take of memory where the file is silent: some two million groups of counts and sums.
pub const MEMORY_MAX: usize = 1 << 30;

/// How an aggregate's time is cut; a kind, the time that it reads, and its patience.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The kind, with its sizes.
    pub kind: Kind,
    /// Which time a row has.
    pub time: Time,
    /// How far a partition's rows may be out of order, and still count.
    pub lateness: Duration,
    /// After how long without a record a partition no longer holds the others back.
    pub idle: Duration,
    /// How far a row's time, where a column has it, may lie after the append time of its record: one record of the year 9999 is not to
    /// make all that follow it late.
    pub future: Duration,
}

/// The kinds of window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Windows of one size that follow one another, counted from 1970.
    Tumbling {
        /// The size; at least a millisecond.
        size: Duration,
    },
    /// Windows of one size of which one begins every `slide`, counted from 1970: a row lies in several.
    Hopping {
        /// The size: a whole number of slides.
        size: Duration,
        /// How far apart they begin; at least a millisecond.
        slide: Duration,
    },
    /// For each group, the stretches in which its rows lie less than `gap` apart; each ends `gap` after its last row.
    Session {
        /// The gap; at least a millisecond.
        gap: Duration,
    },
    /// The days, weeks, months or years of a calendar.
    Calendar {
        /// Which of them.
        unit: Unit,
        /// Whose midnights they begin at.
        zone: Zone,
    },
}

/// A stretch of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub start: Timestamp,
    /// Where it has ended.
    pub end: Timestamp,
}

/// Which time a row has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Time {
    /// The append time of the record that it came from.
    Append,
    /// A timestamp column of the row; a row where it is null counts as late.
    Column(String),
}

impl Span {
    /// Takes in another stretch where both share time; says whether they do.
    pub(super) fn grow(&mut self, other: Self) -> bool {
        let share = self.start < other.end && other.start < self.end;
        if share {
            *self = Self { start: self.start.min(other.start), end: self.end.max(other.end) };
        }
        share
    }
}

impl Aggregate {
    /// The columns of the table that it reads; one may come twice.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let time = match &self.window.time {
            Time::Column(column) => Some(column.as_str()),
            Time::Append => None,
        };
        let measured = self.measures.iter().flat_map(|(_, measure)| measure.reads()).map(|(column, _)| column);
        self.by.iter().map(|by| by.expression.column()).chain(time).chain(measured)
    }

    /// All that its groups and their states depend on, as text: what was stored under another text is of no use.
    pub fn definition(&self) -> String {
        let Self { name, by, window: Window { kind, time, lateness, idle, .. }, measures, .. } = self;
        let by: Vec<String> = by.iter().map(Grouping::definition).collect();
        // What a release has written as text stays as it was, or its aggregates begin anew.
        format!(
            "Aggregate {{ name: {name:?}, by: [{}], window: Window {{ kind: {kind:?}, time: {time:?}, lateness: {lateness:?}, \
             idle: {idle:?} }}, measures: {measures:?} }}",
            by.join(", ")
        )
    }
}

impl Window {
    /// The windows in which a time lies, by rising start; of sessions, the one that a row of this time alone would be. None where no
    /// calendar reaches.
    pub fn spans(&self, time: Timestamp) -> impl DoubleEndedIterator<Item = Span> + use<> {
        let (first, step, count) = match self.kind {
            Kind::Tumbling { size } => (span(time.floor(size), size), size, 1),
            Kind::Session { gap } => (span(time, gap), gap, 1),
            Kind::Hopping { size, slide } => {
                let last = time.floor(slide);
                (span(last.plus(slide).minus(size), size), slide, hops(size, slide))
            }
            Kind::Calendar { unit, ref zone } => match zone.calendar(time, unit) {
                Some((start, end)) => (Span { start, end }, Duration::ZERO, 1),
                None => (span(time, Duration::ZERO), Duration::ZERO, 0),
            },
        };
        let later = move |nth| {
            let by = step.saturating_mul(nth);
            Span { start: first.start.plus(by), end: first.end.plus(by) }
        };
        (0..count).map(later)
    }

    /// The times around `time` that lie in the same windows as it does; of sessions, it alone.
    pub(super) fn alike(&self, time: Timestamp) -> Range<i64> {
        let alike = match self.kind {
            Kind::Tumbling { size } => span(time.floor(size), size),
            Kind::Hopping { slide, .. } => span(time.floor(slide), slide),
            Kind::Session { .. } => span(time, Duration::from_micros(1)),
            Kind::Calendar { unit, ref zone } => match zone.calendar(time, unit) {
                Some((start, end)) => Span { start, end },
                None => span(time, Duration::from_micros(1)),
            },
        };
        alike.start.0..alike.end.0
    }

    /// The window that begins at `start`; none of sessions, whose rows say where each ends.
    pub fn starting(&self, start: Timestamp) -> Option<Span> {
        match self.kind {
            Kind::Tumbling { size } | Kind::Hopping { size, .. } => Some(span(start, size)),
            Kind::Session { .. } => None,
            Kind::Calendar { .. } => self.spans(start).next(),
        }
    }

    /// The watermark at which a window that ends at `end` closes for good: its end and the lateness. A session closes a gap later,
    /// with all others of that gap, so that no row which is not late would have joined it.
    pub fn closes(&self, end: Timestamp) -> Timestamp {
        match self.kind {
            Kind::Session { gap } => round_up(end.plus(gap).plus(self.lateness), gap),
            _ => end.plus(self.lateness),
        }
    }

    /// The watermark from which on a row is late for a window in which its time lies, one of [`Window::spans`].
    pub(super) fn late_from(&self, window: Span) -> Timestamp {
        match self.kind {
            Kind::Session { gap } => round_up(window.end.plus(self.lateness), gap),
            _ => window.end.plus(self.lateness),
        }
    }

    /// The window of the lake into which a closed window's rows go: it closes at one time, and holds no others.
    pub fn lands(&self, window: Span) -> Timestamp {
        match self.kind {
            Kind::Session { .. } => self.closes(window.end),
            _ => window.start,
        }
    }

    /// After which end, and up to which, sessions land in a window of the lake; none of other kinds.
    pub fn landing_ends(&self, lands: Timestamp) -> Option<Range<Timestamp>> {
        let Kind::Session { gap } = self.kind else { return None };
        let last = lands.minus(self.lateness).minus(gap);
        Some(last.minus(gap)..last)
    }

    /// Whether the rows of a group say where its windows begin and end.
    pub fn is_session(&self) -> bool {
        matches!(self.kind, Kind::Session { .. })
    }
}

/// In how many windows of `size` a time lies where one begins every `slide`.
pub fn hops(size: Duration, slide: Duration) -> u32 {
    let hops = size.as_micros().checked_div(slide.as_micros()).unwrap_or(1);
    u32::try_from(hops).unwrap_or(u32::MAX)
}

fn span(start: Timestamp, size: Duration) -> Span {
    Span { start, end: start.plus(size) }
}

/// The first time from `time` on that is a whole number of `step` from 1970.
fn round_up(time: Timestamp, step: Duration) -> Timestamp {
    time.plus(step.saturating_sub(Duration::from_micros(1))).floor(step)
}

/// The name that `wrong` most likely stands for; none where nothing is near.
pub(super) fn closest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = (wrong.chars().count() / 3).max(1);
    let near = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name));
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}
