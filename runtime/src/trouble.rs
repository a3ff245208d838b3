//! What keeps a part of a pipeline from going on, while the rest does.

use serde::Serialize;

use crate::error::Error;
use crate::time::Timestamp;

/// How a partition of a table is called.
pub fn partition(table: &str, partition: u32) -> String {
    format!("table {table:?}, partition {partition}")
}

/// One part's trouble: which, why, since when, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The part: `table "pin", partition 0`.
    pub what: String,
    /// Why it does not go on: a sentence.
    pub why: String,
    /// Since when.
    #[serde(serialize_with = "crate::time::as_text")]
    pub since: Timestamp,
    /// The next step, where a person has to take one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Trouble {
    /// An error that keeps `what` from going on from now on, or still does: then since when it did `before`.
    pub fn of(what: impl Into<String>, error: &Error, before: Option<&Self>, now: Timestamp) -> Self {
        let (what, why) = (what.into(), error.message().to_owned());
        let same = before.filter(|before| before.what == what);
        Self { what, why, since: same.map_or(now, |before| before.since), hint: error.next_step().map(str::to_owned) }
    }

    /// The part and the reason, in one line.
    pub fn line(&self) -> String {
        format!("{}: {}", self.what, self.why)
    }
}
