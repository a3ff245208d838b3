//! What an aggregate is, as declared: its groups, its window, its measures.

use std::time::Duration;

pub use super::measure::{Measure, Share, parse};
use crate::expression::Grouping;
use crate::time::Timestamp;

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
}

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
}

/// The kinds of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Windows of one size that follow one another, counted from 1970.
    Tumbling {
        /// The size; at least a millisecond.
        size: Duration,
    },
}

/// Which time a row has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Time {
    /// The append time of the record that it came from.
    Append,
    /// A timestamp column of the row; a row where it is null counts as late.
    Column(String),
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
        let Self { name, by, window: Window { kind, time, lateness, idle }, measures } = self;
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
    /// How long each window is.
    pub fn size(&self) -> Duration {
        match self.kind {
            Kind::Tumbling { size } => size,
        }
    }

    /// The watermark at which the window that begins at `start` closes: its end and the lateness.
    pub fn closes(&self, start: Timestamp) -> Timestamp {
        start.plus(self.size()).plus(self.lateness)
    }
}

/// The name that `wrong` most likely stands for; none where nothing is near.
pub(super) fn closest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = (wrong.chars().count() / 3).max(1);
    let near = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name));
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}
